/*
 * convert_text.h - JSON text that is written piece by piece into memory. A
 * failure stays in the text until its end, so that writers need not look.
 */
#ifndef RMR_CONVERT_TEXT_H
#define RMR_CONVERT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

/* Zeroed at first. */
typedef struct rmr_json_text {
    char *bytes; /* not terminated */
    size_t len;
    size_t capacity;
    rmr_status failed; /* NOMEM; RANGE: too long */
} rmr_json_text;

void rmr_json_text_free(rmr_json_text *text);

/* JSON as it is. */
void rmr_json_put(rmr_json_text *text, const char *json);
void rmr_json_put_bytes(rmr_json_text *text, const char *json, size_t len);

/* A string, quoted and escaped; it must be well-formed UTF-8. */
void rmr_json_put_string(rmr_json_text *text, const char *string, size_t len);

void rmr_json_put_integer(rmr_json_text *text, int64_t number);
void rmr_json_put_bool(rmr_json_text *text, int truth);

/* A finite number, with as many digits as tell it from all other floats, or
 * just as many as tell it from all other doubles. */
void rmr_json_put_float(rmr_json_text *text, float number);
void rmr_json_put_double(rmr_json_text *text, double number);

/* A string that holds the bytes in base64. */
void rmr_json_put_base64(rmr_json_text *text, const unsigned char *bytes,
                         size_t len);

#endif
