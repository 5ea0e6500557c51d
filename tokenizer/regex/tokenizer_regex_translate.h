/*
 * tokenizer_regex_translate.h - what a pattern becomes between its own syntax
 * and PCRE2's. For tokenizer_regex*.c only.
 */
#ifndef RMR_TOKENIZER_REGEX_TRANSLATE_H
#define RMR_TOKENIZER_REGEX_TRANSLATE_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "tokenizer/regex/tokenizer_regex_set.h"

#define RMR_REGEX_MAX_SETS 256

/*
 * A pattern over sets of code points. `code` below 256 is a character of
 * PCRE2's syntax as it stands; from there on 256 + i stands for one character
 * that is in sets[i]. The sets are in order, and no two are equal.
 */
typedef struct rmr_regex_program {
    uint16_t *code;
    size_t count;
    size_t capacity;
    rmr_code_set sets[RMR_REGEX_MAX_SETS];
    size_t num_sets;
} rmr_regex_program;

/* As rmr_regex_open. The program is all zeros before; free it also after a
 * failure. */
rmr_status rmr_regex_translate(rmr_regex_program *program, const char *pattern,
                               size_t len, const char *name, rmr_error *err);
void rmr_regex_program_free(rmr_regex_program *program);

#endif
