/*
 * sha256.h - SHA-256 (FIPS 180-4) of a block of memory, by libcrypto, which
 * uses the CPU's own instructions for it.
 */
#ifndef RMR_BASE_SHA256_H
#define RMR_BASE_SHA256_H

#include <stddef.h>
#include "common/base/file.h"

#define RMR_SHA256_HEX 65 /* 64 lower-case digits and a NUL */

/* Errors: NOMEM. */
rmr_status rmr_sha256_hex(const void *data, size_t size,
                          char hex[RMR_SHA256_HEX], rmr_error *err);

/* The same of files behind one another. */
rmr_status rmr_sha256_files_hex(const rmr_file *files, size_t count,
                                char hex[RMR_SHA256_HEX], rmr_error *err);

/* 1 when text is 64 hexadecimal digits. */
int rmr_sha256_is_hex(const char *text);

#endif
