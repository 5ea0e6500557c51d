/*
 * pretokenizer.h - the types of pre-tokenizers, for the table that
 * pretokenizer.c keeps, and what they share. It must never be needed outside
 * the pre-tokenizer, but for what makes words bytes.
 */
#ifndef RMR_TOKENIZER_PRETOKENIZER_H
#define RMR_TOKENIZER_PRETOKENIZER_H

#include "tokenizer/tokenizer_internal.h"

extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_byte_level;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_char_delimiter;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_digits;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_fixed_length;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_metaspace;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_punctuation;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_split;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_unicode_scripts;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_whitespace;
extern const rmr_pre_tokenizer_type rmr_pre_tokenizer_whitespace_split;

/* Whether ByteLevel is the last step. */
int rmr_pre_tokenizer_from_bytes(const rmr_pre_tokenizer *pre_tokenizer);

/* Makes words the bytes that ByteLevel's characters stand for, where ByteLevel
 * is the last step: for a model that takes such words. Before the first text.
 */
void rmr_pre_tokenizer_use_raw_bytes(rmr_pre_tokenizer *pre_tokenizer);

/* The same for the `self` of ByteLevel. */
void rmr_byte_level_use_raw_bytes(void *self);

/* Splits each of the scratch's words by itself. `split` appends what becomes of
 * one; 0 when out of memory. Errors: NOMEM. */
typedef int rmr_word_split(const void *self, const unsigned char *text,
                           rmr_span word, rmr_words *words);
static inline rmr_status
rmr_pre_tokenizer_each_word(struct rmr_encoder_scratch *scratch,
                            rmr_word_split *split, const void *self)
{
    for (size_t i = 0; i < scratch->words.count; i++) {
        if (!split(self, scratch->text->bytes, scratch->words.spans[i],
                   &scratch->next_words))
            return RMR_ERR_NOMEM;
    }
    rmr_scratch_swap_words(scratch);
    return RMR_OK;
}

/* A field that must be one character. Errors: FORMAT. */
rmr_status rmr_pre_tokenizer_get_char(rmr_json_source source, const char *field,
                                      uint32_t *out, rmr_error *err);

#endif
