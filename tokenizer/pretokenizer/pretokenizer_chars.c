/*
 * pretokenizer_chars.c - words cut at characters of one kind: Punctuation,
 * Digits, CharDelimiterSplit, WhitespaceSplit. It must never ask more of a
 * character than what it is.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/pretokenizer/pretokenizer_split.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

typedef struct char_split {
    unsigned flags;     /* what matches has one of these, */
    uint32_t delimiter; /* or is this when there are none */
    rmr_split_behavior behavior;
    unsigned char matches_byte[256]; /* 0, 1, or NOT_ASCII */
    rmr_cut cut;
} char_split;

enum { NOT_ASCII = 2 };

static int matches(const char_split *c, uint32_t code)
{
    return c->flags ? (rmr_char_of(code)->flags & c->flags) != 0
                    : code == c->delimiter;
}

/* ------------------------------------------------------------------ opening */

static char_split *new_char_split(void **self, rmr_json_source source,
                                  rmr_error *err)
{
    char_split *c = rmr_calloc(1, sizeof *c);
    *self = c;
    if (!c)
        rmr_fail_nomem(err, source.name);
    return c;
}

static void fill_bytes(char_split *c)
{
    for (uint32_t byte = 0; byte < 256; byte++)
        c->matches_byte[byte] =
            (unsigned char)(byte < 128 ? matches(c, byte) : NOT_ASCII);
}

static rmr_status open_punctuation(void **self, rmr_json_source source,
                                   rmr_error *err)
{
    char_split *c = new_char_split(self, source, err);
    if (!c)
        return RMR_ERR_NOMEM;
    c->flags = RMR_CHAR_PUNCT;
    c->cut = RMR_CUT_NEUTRAL;
    fill_bytes(c);
    return rmr_split_get_behavior(source, RMR_SPLIT_ISOLATED, &c->behavior,
                                  err);
}

static rmr_status open_digits(void **self, rmr_json_source source,
                              rmr_error *err)
{
    char_split *c = new_char_split(self, source, err);
    unsigned char individual;
    if (!c)
        return RMR_ERR_NOMEM;
    c->flags = RMR_CHAR_NUMERIC;
    c->cut = RMR_CUT_NEUTRAL;
    fill_bytes(c);
    rmr_status status =
        rmr_tokenizer_get_bool(source, "individual_digits", &individual, err);
    c->behavior = individual ? RMR_SPLIT_ISOLATED : RMR_SPLIT_CONTIGUOUS;
    return status;
}

static rmr_status open_whitespace_split(void **self, rmr_json_source source,
                                        rmr_error *err)
{
    char_split *c = new_char_split(self, source, err);
    if (!c)
        return RMR_ERR_NOMEM;
    c->flags = RMR_CHAR_SPACE;
    c->behavior = RMR_SPLIT_REMOVED;
    c->cut = RMR_CUT_SPLITS;
    fill_bytes(c);
    return RMR_OK;
}

static rmr_status open_char_delimiter(void **self, rmr_json_source source,
                                      rmr_error *err)
{
    char_split *c = new_char_split(self, source, err);
    if (!c)
        return RMR_ERR_NOMEM;
    rmr_status status =
        rmr_pre_tokenizer_get_char(source, "delimiter", &c->delimiter, err);
    if (status)
        return status;
    unsigned char bytes[4];
    size_t len = rmr_utf8_encode(c->delimiter, bytes);
    c->behavior = RMR_SPLIT_REMOVED;
    c->cut = rmr_split_cut((const char *)bytes, len, c->behavior, 0);
    fill_bytes(c);
    return RMR_OK;
}

/* ------------------------------------------------------------------ running */

static int split_word(const void *self, const unsigned char *text,
                      rmr_span word, rmr_words *words)
{
    const char_split *c = self;
    rmr_splitter splitter;
    rmr_splitter_begin(&splitter, c->behavior, 0, words, word.start);
    for (size_t at = word.start, len; at < word.end; at += len) {
        int match = c->matches_byte[text[at]];
        len = 1;
        if (match == NOT_ASCII) {
            uint32_t code;
            len = rmr_utf8_decode(text + at, word.end - at, &code);
            match = matches(c, code);
        }
        if (match)
            rmr_splitter_match(&splitter, at, at + len);
    }
    return rmr_splitter_end(&splitter, word.end);
}

static rmr_status run_char_split(const void *self,
                                 struct rmr_encoder_scratch *scratch)
{
    return rmr_pre_tokenizer_each_word(scratch, split_word, self);
}

/* A letter or digit, a space and a letter: white space alone ends a word
 * there; punctuation is none of them, and a digit only where a word ends
 * already. */
static rmr_cut cut(const void *self)
{
    return ((const char_split *)self)->cut;
}

/* ---------------------------------------------------------------- the types
 */

const rmr_pre_tokenizer_type rmr_pre_tokenizer_punctuation = {
    .step = {{"Punctuation", "`behavior` (all five)"},
             open_punctuation,
             rmr_free},
    .run = run_char_split,
    .cut = cut,
};

const rmr_pre_tokenizer_type rmr_pre_tokenizer_digits = {
    .step = {{"Digits", "`individual_digits`"}, open_digits, rmr_free},
    .run = run_char_split,
    .cut = cut,
};

const rmr_pre_tokenizer_type rmr_pre_tokenizer_whitespace_split = {
    .step = {{"WhitespaceSplit", ""}, open_whitespace_split, rmr_free},
    .run = run_char_split,
    .cut = cut,
};

const rmr_pre_tokenizer_type rmr_pre_tokenizer_char_delimiter = {
    .step = {{"CharDelimiterSplit", "`delimiter`"},
             open_char_delimiter,
             rmr_free},
    .run = run_char_split,
    .cut = cut,
};
