/*
 * pretokenizer_bert.c - BertPreTokenizer: words end at white space, and
 * punctuation stands alone. It must never look outside the word that it
 * splits.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_unicode.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* What a character is; a byte, too. */
enum { IN_WORD, BETWEEN_WORDS, ALONE, NOT_ASCII };

static int class_of(uint32_t code)
{
    unsigned flags = rmr_char_of(code)->flags;
    if (flags & RMR_CHAR_SPACE)
        return BETWEEN_WORDS;
    return flags & RMR_CHAR_PUNCT ? ALONE : IN_WORD;
}

static rmr_status open_bert(void **self, rmr_json_source source, rmr_error *err)
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

static int split(const unsigned char *class_of_byte, const unsigned char *text,
                 rmr_span word, rmr_words *out)
{
    size_t start = word.start;
    for (size_t at = word.start, len; at < word.end; at += len) {
        int class = class_of_byte[text[at]];
        len = 1;
        if (class == NOT_ASCII) {
            uint32_t code;
            len = rmr_utf8_decode(text + at, word.end - at, &code);
            class = class_of(code);
        }
        if (class == IN_WORD)
            continue;
        if (!rmr_words_push(out, start, at) ||
            (class == ALONE && !rmr_words_push(out, at, at + len)))
            return 0;
        start = at + len;
    }
    return rmr_words_push(out, start, word.end);
}

static rmr_status run_bert(const void *self,
                           struct rmr_encoder_scratch *scratch)
{
    for (size_t i = 0; i < scratch->words.count; i++) {
        if (!split(self, scratch->text->bytes, scratch->words.spans[i],
                   &scratch->next_words))
            return RMR_ERR_NOMEM;
    }
    rmr_scratch_swap_words(scratch);
    return RMR_OK;
}

static rmr_cut cut(const void *self)
{
    (void)self;
    return RMR_CUT_SPLITS;
}

const rmr_pre_tokenizer_type rmr_pre_tokenizer_bert = {
    .component = {"BertPreTokenizer", ""},
    .open = open_bert,
    .close = rmr_free,
    .run = run_bert,
    .cut = cut,
};
