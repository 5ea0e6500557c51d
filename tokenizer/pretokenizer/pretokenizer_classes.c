/*
 * pretokenizer_classes.c - words by the class of each character, white space
 * between them. BertPreTokenizer: every punctuation mark is a word. Whitespace:
 * words are runs of letters, digits and the like, and runs of what is neither
 * that nor white space: \w+|[^\w\s]+ as Rust's regular expressions have it. It
 * must never look outside the word that it splits.
 */
#include "tokenizer/pretokenizer/pretokenizer.h"

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* What a character is; a byte, too. */
enum { SPACE, WORD, OTHER, NOT_ASCII };

typedef int class_of_char(uint32_t code);

static rmr_status open_classes(void **self, rmr_json_source source,
                               class_of_char *class_of, rmr_error *err)
{
    unsigned char *class_of_byte = rmr_malloc(256);
    *self = class_of_byte;
    if (!class_of_byte)
        return rmr_fail_nomem(err, source.name);
    for (uint32_t byte = 0; byte < 256; byte++)
        class_of_byte[byte] =
            (unsigned char)(byte < 128 ? class_of(byte) : NOT_ASCII);
    return RMR_OK;
}

/* The class of the character text[at], and its length. */
static inline int class_at(const unsigned char *class_of_byte,
                           class_of_char *class_of, const unsigned char *text,
                           size_t at, size_t end, size_t *len)
{
    int class = class_of_byte[text[at]];
    *len = 1;
    if (class == NOT_ASCII) {
        uint32_t code;
        *len = rmr_utf8_decode(text + at, end - at, &code);
        class = class_of(code);
    }
    return class;
}

/* Words end where either is. */
static rmr_cut cut(const void *self)
{
    (void)self;
    return RMR_CUT_SPLITS;
}

/* --------------------------------------------------------- BertPreTokenizer */

static int class_to_bert(uint32_t code)
{
    unsigned flags = rmr_char_of(code)->flags;
    if (flags & RMR_CHAR_SPACE)
        return SPACE;
    return flags & RMR_CHAR_PUNCT ? OTHER : WORD;
}

static rmr_status open_bert(void **self, rmr_json_source source, rmr_error *err)
{
    return open_classes(self, source, class_to_bert, err);
}

static int split_bert(const void *self, const unsigned char *text,
                      rmr_span word, rmr_words *words)
{
    size_t start = word.start;
    for (size_t at = word.start, len; at < word.end; at += len) {
        int class = class_at(self, class_to_bert, text, at, word.end, &len);
        if (class == WORD)
            continue;
        if (!rmr_words_push(words, start, at) ||
            (class == OTHER && !rmr_words_push(words, at, at + len)))
            return 0;
        start = at + len;
    }
    return rmr_words_push(words, start, word.end);
}

static rmr_status run_bert(const void *self,
                           struct rmr_encoder_scratch *scratch)
{
    return rmr_pre_tokenizer_each_word(scratch, split_bert, self);
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_bert = {
    .step = {{"BertPreTokenizer", ""}, open_bert, rmr_free},
    .run = run_bert,
    .cut = cut,
};

/* --------------------------------------------------------------- Whitespace */

static int class_to_whitespace(uint32_t code)
{
    unsigned flags = rmr_char_of(code)->flags;
    if (flags & RMR_CHAR_WORD)
        return WORD;
    return flags & RMR_CHAR_SPACE ? SPACE : OTHER;
}

static rmr_status open_whitespace(void **self, rmr_json_source source,
                                  rmr_error *err)
{
    return open_classes(self, source, class_to_whitespace, err);
}

static int split_whitespace(const void *self, const unsigned char *text,
                            rmr_span word, rmr_words *words)
{
    size_t start = word.start;
    int of_run = SPACE;
    for (size_t at = word.start, len; at < word.end; at += len) {
        int class =
            class_at(self, class_to_whitespace, text, at, word.end, &len);
        if (class == of_run)
            continue;
        if (of_run != SPACE && !rmr_words_push(words, start, at))
            return 0;
        start = at;
        of_run = class;
    }
    return of_run == SPACE || rmr_words_push(words, start, word.end);
}

static rmr_status run_whitespace(const void *self,
                                 struct rmr_encoder_scratch *scratch)
{
    return rmr_pre_tokenizer_each_word(scratch, split_whitespace, self);
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_whitespace = {
    .step = {{"Whitespace", ""}, open_whitespace, rmr_free},
    .run = run_whitespace,
    .cut = cut,
};
