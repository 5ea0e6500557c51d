/*
 * json.h - the thin glue over jansson: load a file or a body, and take fields
 * out of an object with errors that name the file and the field.
 *
 * A json_t given out by _load_ functions is the caller's (json_decref); one
 * given out by _get_ functions is borrowed from its object.
 */
#ifndef RMR_BASE_JSON_H
#define RMR_BASE_JSON_H

#include <jansson.h>
#include "common/base/error.h"

/* Parses len bytes. `name` is what errors call it ("config.json"). Strings may
 * hold NUL; invalid UTF-8 and trailing text are FORMAT, with line and column,
 * never with a piece of the text. */
rmr_status rmr_json_load(json_t **out, const char *data, size_t len,
                         const char *name, rmr_error *err);

/* As rmr_json_load, from a file. */
rmr_status rmr_json_load_file(json_t **out, const char *path, rmr_error *err);

/* As rmr_json_load_file, with every number as a double (json_real), for files
 * that hold whole numbers beyond 64 bits. */
rmr_status rmr_json_load_file_reals(json_t **out, const char *path,
                                    rmr_error *err);

/* A JSON object and what errors call it. */
typedef struct rmr_json_source {
    const json_t *object;
    const char *name;
} rmr_json_source;

/* A whole number from min to max. A missing or null field is `fallback`; pass
 * RMR_JSON_REQUIRED to make that an error. */
#define RMR_JSON_REQUIRED INT64_MIN
rmr_status rmr_json_get_int(rmr_json_source source, const char *field,
                            int64_t min, int64_t max, int64_t fallback,
                            int64_t *out, rmr_error *err);

/* A finite number. A missing or null field is `fallback`; NaN makes it an
 * error. */
rmr_status rmr_json_get_number(rmr_json_source source, const char *field,
                               double fallback, double *out, rmr_error *err);

/* true or false; a missing or null field is `fallback`. */
rmr_status rmr_json_get_bool(rmr_json_source source, const char *field,
                             int fallback, int *out, rmr_error *err);

/* A string without NUL, borrowed from the object. A missing or null field is
 * `fallback`; NULL makes it an error. */
rmr_status rmr_json_get_string(rmr_json_source source, const char *field,
                               const char *fallback, const char **out,
                               rmr_error *err);

#endif
