/*
 * regex_shim.c - regular expressions alone, for regex_live.py: a text with a
 * mark in place of each match, and where the matches are. It must never change
 * or check what the search gives.
 */
#include <string.h>
#include "common/base/alloc.h"
#include "tokenizer/regex/tokenizer_regex.h"

#define SHIM_API __attribute__((visibility("default")))

static rmr_regex_scratch scratch;
static rmr_error last_error;

/* NULL when the pattern is refused: see shim_message. */
SHIM_API rmr_regex *shim_open(const char *pattern, size_t len)
{
    rmr_regex *regex;
    rmr_regex_open(&regex, pattern, len, "pattern", &last_error);
    return regex;
}

SHIM_API void shim_close(rmr_regex *regex)
{
    rmr_regex_close(regex);
}

SHIM_API int shim_status(void)
{
    return last_error.status;
}

SHIM_API const char *shim_message(void)
{
    return last_error.message;
}

/*
 * Writes text[from, to) with each match replaced by the mark; out has room for
 * a mark before every byte and after the last. Where matches begin and end
 * goes into spans, 2 * (to - from + 1) long, and how many they are into
 * *count. The bytes written, or a status.
 */
SHIM_API long shim_replace(const rmr_regex *regex, const unsigned char *text,
                           size_t from, size_t to, const char *mark, char *out,
                           size_t *spans, size_t *count)
{
    rmr_regex_search search;
    size_t start, end, at = from, mark_len = strlen(mark);
    char *to_write = out;
    int found;

    *count = 0;
    if (rmr_regex_begin(&search, regex, &scratch, text, from, to))
        return RMR_ERR_NOMEM;
    while ((found = rmr_regex_next(&search, &start, &end)) > 0) {
        memcpy(to_write, text + at, start - at);
        to_write += start - at;
        memcpy(to_write, mark, mark_len);
        to_write += mark_len;
        at = end;
        spans[2 * *count] = start;
        spans[2 * *count + 1] = end;
        ++*count;
    }
    if (found < 0)
        return found;
    memcpy(to_write, text + at, to - at);
    return to_write + (to - at) - out;
}
