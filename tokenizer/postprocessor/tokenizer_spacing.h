/*
 * tokenizer_spacing.h - white space at the edges of tokens, which some
 * post-processors take off their offsets. Offsets are moved by whole
 * characters of the text: never into one.
 */
#ifndef RMR_TOKENIZER_SPACING_H
#define RMR_TOKENIZER_SPACING_H

#include <stddef.h>
#include <stdint.h>
#include "tokenizer/postprocessor/postprocessor.h"
#include "tokenizer/tokenizer.h"

/* How many characters of white space, or U+0120 which stands for a space,
 * the string of each id begins and ends with. */
typedef struct rmr_spacing {
    unsigned char *leading; /* [limit]; 255: that many or more. NULL: nothing
                             * is ever trimmed */
    unsigned char *trailing;
    uint32_t limit;
    uint32_t text_id; /* whose string is the part of the text itself:
                       * Unigram's unknown token; or none */
} rmr_spacing;

/* A token whose string is not that of its id. */
struct rmr_own_spacing {
    size_t token; /* its index in the encoding */
    size_t leading;
    size_t trailing;
};

/* tokenizer's vocabulary and added tokens must be open. Errors: NOMEM. */
rmr_status rmr_spacing_open(rmr_spacing *spacing,
                            const rmr_tokenizer *tokenizer, const json_t *model,
                            rmr_error *err);
void rmr_spacing_close(rmr_spacing *spacing);

/* Notes that the string of the encoding's last token is bytes. 0 when out of
 * memory. */
int rmr_spacing_note(const rmr_spacing *spacing, rmr_encoding *encoding,
                     const unsigned char *bytes, size_t len);

/* The same for those tokens from `first` on that have text_id; their offsets
 * are in bytes. */
int rmr_spacing_note_words(const rmr_spacing *spacing, rmr_encoding *encoding,
                           size_t first, const unsigned char *bytes);

/* `count` tokens of the encoding, from `first` on, were taken out. */
void rmr_spacing_drop(rmr_encoding *encoding, size_t first, size_t count);

/*
 * Trims the offsets of `count` tokens of `text`, which are a whole window;
 * they, or those they are a copy of, are the encoding's from `first` on.
 */
void rmr_spacing_trim(const rmr_tokenizer *tokenizer, rmr_post_trim trim,
                      rmr_text text, const rmr_encoding *encoding, size_t first,
                      rmr_token *tokens, size_t count);

#endif
