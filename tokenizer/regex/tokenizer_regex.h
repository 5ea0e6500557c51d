/*
 * tokenizer_regex.h - the regular expressions of tokenizer.json, found where
 * the reference's Oniguruma finds them. A pattern that is not known to mean
 * the same here is refused; a search that would take too long is an error. It
 * must never give a match that the reference does not.
 */
#ifndef RMR_TOKENIZER_REGEX_H
#define RMR_TOKENIZER_REGEX_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

/* A pattern: immutable, shared by threads. */
typedef struct rmr_regex rmr_regex;

/*
 * Reads len bytes of pattern, which are UTF-8. `name` is what errors call it:
 * "tokenizer.json: pre_tokenizer.pattern.Regex". Errors: FORMAT (not a regular
 * expression), UNSUPPORTED (names what is refused and its byte offset), NOMEM.
 * On failure *out is NULL.
 */
rmr_status rmr_regex_open(rmr_regex **out, const char *pattern, size_t len,
                          const char *name, rmr_error *err);
void rmr_regex_close(rmr_regex *regex);

/* Whether a match may be empty; 1 too when that is not known. */
int rmr_regex_matches_empty(const rmr_regex *regex);

/*
 * What searches change: one per thread, for any number of patterns, by one
 * search at a time. All zeros to begin with; after the first searches nothing
 * is allocated, but for texts longer than any before.
 */
typedef struct rmr_regex_scratch {
    void *match_data;
    void *match_context;
    void *jit_stack;
    unsigned char *letters;
    size_t letter_capacity;
} rmr_regex_scratch;

/* Frees what scratch holds and zeroes it. */
void rmr_regex_scratch_clear(rmr_regex_scratch *scratch);

/* A search from match to match through one text; the fields are private. */
typedef struct rmr_regex_search {
    const rmr_regex *regex;
    rmr_regex_scratch *scratch;
    const unsigned char *text; /* all offsets count from here */
    const unsigned char *letters;
    size_t num_letters;
    size_t next;     /* the letter where the search goes on */
    size_t last_end; /* of the last match, in letters */
    size_t letter;   /* a letter whose byte is known, ... */
    size_t byte;     /* ... and where it begins */
    uint64_t budget; /* steps that searches may still take */
    int ascii;       /* letters are the text's own bytes */
} rmr_regex_search;

/*
 * Begins a search of text[from, to), well-formed UTF-8, as if there were
 * nothing before and after it. text and scratch must stay as they are until
 * the last match. Errors: NOMEM.
 */
rmr_status rmr_regex_begin(rmr_regex_search *search, const rmr_regex *regex,
                           rmr_regex_scratch *scratch,
                           const unsigned char *text, size_t from, size_t to);

/*
 * The next match, [*start, *end) counted as from and to are. 1; 0 when there
 * are no more; or an rmr_status: NOMEM, or RANGE when the pattern takes too
 * many steps, or too deep ones, for this text. Matches ascend and do not
 * overlap; one may be empty, but never at the end of the one before.
 */
int rmr_regex_next(rmr_regex_search *search, size_t *start, size_t *end);

#endif
