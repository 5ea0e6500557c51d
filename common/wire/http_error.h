/*
 * http_error.h - OpenAI's error object, written into caller-owned memory.
 */
#ifndef RMR_WIRE_HTTP_ERROR_H
#define RMR_WIRE_HTTP_ERROR_H

#include <stddef.h>
#include "common/base/error.h"

/* Room for an error object around any rmr_error, all of it escaped. */
enum { RMR_HTTP_ERROR_CHARS = 6 * sizeof(rmr_error) + 256 };

/* As rmr_http_error_body; param and code may be NULL. */
size_t rmr_http_write_error(int http_status, const char *message,
                            const char *param, const char *code, char *buf,
                            size_t cap);

#endif
