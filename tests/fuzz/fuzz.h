/*
 * fuzz.h - what every fuzz target shares. A target takes any bytes, hands them
 * to one reader of the core, and stops the process when an answer breaks the
 * reader's promise. It must never accept or refuse an input by itself.
 */
#ifndef RMR_TESTS_FUZZ_H
#define RMR_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/remora.h"

/* libFuzzer's entry point, and replay.c's. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, \
                    #condition);                                               \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* A failure has a negative status and one sentence on one line. */
static inline void check_error(rmr_status status, const rmr_error *err)
{
    size_t len = strnlen(err->message, sizeof err->message);
    CHECK(status < 0 && status >= RMR_ERR_DEVICE);
    CHECK(err->status == status);
    CHECK(len > 0 && len < sizeof err->message);
    for (size_t i = 0; i < len; i++)
        CHECK((unsigned char)err->message[i] >= 0x20);
}

#endif
