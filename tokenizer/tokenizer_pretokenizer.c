/*
 * tokenizer_pretokenizer.c - the pre-tokenizer: normalized text to words. It
 * must never look outside the part that it is given.
 */
#include "tokenizer/tokenizer_internal.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/tokenizer_unicode.h"
#include "tokenizer/tokenizer_utf8.h"

/* byte_class, and what a character is */
enum { IN_WORD, BETWEEN_WORDS, ALONE, NOT_ASCII };

static int class_of(uint32_t code)
{
    unsigned flags = rmr_char_of(code)->flags;
    if (flags & RMR_CHAR_SPACE)
        return BETWEEN_WORDS;
    return flags & RMR_CHAR_PUNCT ? ALONE : IN_WORD;
}

rmr_status rmr_pre_tokenizer_open(rmr_pre_tokenizer *pre_tokenizer,
                                  const json_t *value, const char *file,
                                  rmr_error *err)
{
    char name[RMR_JSON_NAME_SIZE];
    rmr_json_source source = {value, name};
    const char *type;
    rmr_status status;
    memset(pre_tokenizer, 0, sizeof *pre_tokenizer);
    if (!value || json_is_null(value))
        return RMR_OK;
    rmr_tokenizer_json_name(name, file, "pre_tokenizer");
    if ((status = rmr_tokenizer_need_object(value, name, err)) ||
        (status = rmr_json_get_string(source, "type", NULL, &type, err)))
        return status;
    if (strcmp(type, "BertPreTokenizer"))
        return rmr_tokenizer_unsupported(source, "BertPreTokenizer, null", err);
    pre_tokenizer->splits = 1;
    for (uint32_t byte = 0; byte < 256; byte++)
        pre_tokenizer->byte_class[byte] =
            (unsigned char)(byte < 128 ? class_of(byte) : NOT_ASCII);
    return RMR_OK;
}

static int grow_words(struct rmr_encoder_scratch *scratch)
{
    rmr_span *words = rmr_grow(scratch->words, &scratch->word_capacity,
                               scratch->num_words + 1, sizeof *words);
    if (words)
        scratch->words = words;
    return words != NULL;
}

static int add_word(struct rmr_encoder_scratch *scratch, size_t start,
                    size_t end)
{
    if (scratch->num_words >= scratch->word_capacity && !grow_words(scratch))
        return 0;
    scratch->words[scratch->num_words++] = (rmr_span){start, end};
    return 1;
}

int rmr_pre_tokenizer_run(const rmr_pre_tokenizer *pre_tokenizer, size_t from,
                          size_t to, struct rmr_encoder_scratch *scratch)
{
    const unsigned char *text = scratch->normalized.bytes;
    size_t at = from, word = from;
    scratch->num_words = 0;
    while (at < to && pre_tokenizer->splits) {
        int class = pre_tokenizer->byte_class[text[at]];
        size_t len = 1;
        if (class == NOT_ASCII) {
            uint32_t code;
            len = rmr_utf8_decode(text + at, to - at, &code);
            class = class_of(code);
        }
        if (class != IN_WORD) {
            if (at > word && !add_word(scratch, word, at))
                return 0;
            if (class == ALONE && !add_word(scratch, at, at + len))
                return 0;
            word = at + len;
        }
        at += len;
    }
    return word == to || add_word(scratch, word, to);
}
