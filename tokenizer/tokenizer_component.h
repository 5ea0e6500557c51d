/*
 * tokenizer_component.h - reading parts of tokenizer.json: fields, types and
 * sequences. A part of a type that is not known must never be left out.
 */
#ifndef RMR_TOKENIZER_COMPONENT_H
#define RMR_TOKENIZER_COMPONENT_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/json.h"

/* ------------------------------------------------------------------ reading */

enum { RMR_JSON_NAME_SIZE = 320 };

/* How much of a string from the file an error quotes, in bytes: at most 40, and
 * whole characters. For "%.*s". */
int rmr_tokenizer_quoted(const char *string);

/* "FILE: PATH" for errors, cut when too long. */
void rmr_tokenizer_json_name(char name[RMR_JSON_NAME_SIZE], const char *file,
                             const char *path);

/* FORMAT unless value is an object. */
rmr_status rmr_tokenizer_need_object(const json_t *value, const char *name,
                                     rmr_error *err);

/* As the getters of json.h, with a missing or null field being FORMAT. */
rmr_status rmr_tokenizer_get_bool(rmr_json_source source, const char *field,
                                  unsigned char *out, rmr_error *err);
rmr_status rmr_tokenizer_get_id(rmr_json_source source, const char *field,
                                uint32_t *out, rmr_error *err);

/* A string that may hold NUL, borrowed from the object, and its length. */
rmr_status rmr_tokenizer_get_bytes(rmr_json_source source, const char *field,
                                   const char **out, size_t *len,
                                   rmr_error *err);

/* One of `count` names, as its index. */
rmr_status rmr_tokenizer_get_choice(rmr_json_source source, const char *field,
                                    const char *const *names, size_t count,
                                    size_t *out, rmr_error *err);

/* --------------------------------------------------------------- components
 *
 * What the "type" of a part of tokenizer.json can be is one record for each
 * type, in the table of its stage. The table of what is supported in README.md
 * is written from the same records.
 */
typedef struct rmr_component {
    const char *type;    /* as in the file */
    const char *options; /* for the README: the fields that are read */
} rmr_component;

/* Which of a stage's components "type" names. UNSUPPORTED, naming all, when
 * none does. */
rmr_status rmr_component_find(rmr_json_source source,
                              const rmr_component *const *components,
                              size_t count, const rmr_component **out,
                              rmr_error *err);

/*
 * Calls `add` for a component of a stage or, when its type is "Sequence", for
 * each of those in its array `field`, in order, to any depth up to 32. Names
 * are "FILE: normalizer.normalizers[2]". Nothing for one that is missing or
 * null.
 */
typedef rmr_status rmr_component_add(void *stage, rmr_json_source source,
                                     rmr_error *err);
rmr_status rmr_component_each(rmr_json_source source, const char *field,
                              rmr_component_add *add, void *stage,
                              rmr_error *err);

#endif
