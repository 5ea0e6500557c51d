/*
 * unit.h - what the C tests of the core share: cmocka with the headers it
 * wants, and assertions about a status and its sentence. It must never hide
 * what a call returned.
 */
#ifndef RMR_TESTS_UNIT_H
#define RMR_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "common/remora.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static inline void unit_expect_ok(rmr_status status, const rmr_error *err,
                                  const char *file, int line)
{
    if (status)
        print_error("%s: %s\n", rmr_status_name(status), err->message);
    _assert_int_equal((LargestIntegralType)status, RMR_OK, file, line);
}

static inline void unit_expect_failure(rmr_status status, rmr_error *err,
                                       rmr_status expected,
                                       const char *const *words,
                                       const char *file, int line)
{
    if (status != expected || err->status != expected) {
        print_error("%s instead of %s: %s\n", rmr_status_name(status),
                    rmr_status_name(expected), err->message);
        _fail(file, line);
    }
    for (; *words; words++) {
        if (!strstr(err->message, *words)) {
            print_error("no '%s' in: %s\n", *words, err->message);
            _fail(file, line);
        }
    }
    memset(err, 0, sizeof *err);
}

/* The call succeeded; prints the sentence when it did not. */
#define expect_ok(call, err) unit_expect_ok((call), (err), __FILE__, __LINE__)

/* The call failed with this status and a sentence that holds every one of the
 * words; then the error is cleared. */
#define expect_failure(call, err, expected, ...)                               \
    unit_expect_failure((call), (err), (expected),                             \
                        (const char *const[]){__VA_ARGS__, NULL}, __FILE__,    \
                        __LINE__)

#endif
