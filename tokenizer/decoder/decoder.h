/*
 * decoder.h - the decoder of a tokenizer.json: strings of tokens to text, in
 * steps. Strings are bytes with a length: they may hold NUL, and no step may
 * give bytes that are not well-formed UTF-8.
 */
#ifndef RMR_TOKENIZER_DECODER_H
#define RMR_TOKENIZER_DECODER_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/base/json.h"
#include "tokenizer/model/tokenizer_trie.h"
#include "tokenizer/tokenizer_steps.h"

typedef struct rmr_decoder {
    int joins; /* the file has none: strings are joined by spaces */
    rmr_steps steps;
    struct rmr_decoder_string {
        char *bytes; /* what an added token is decoded to, if not to its
                      * content: that in normal form; else NULL */
        size_t len;
    } * strings; /* of added tokens */
    size_t num_strings;
    rmr_trie specials; /* strings that skip_special leaves out */
    size_t num_specials;
} rmr_decoder;

struct rmr_tokenizer;

/* root is the file's. The tokenizer's other parts must be open. Errors:
 * FORMAT, UNSUPPORTED, RANGE, NOMEM. */
rmr_status rmr_decoder_open(rmr_decoder *decoder,
                            const struct rmr_tokenizer *tokenizer,
                            const json_t *root, const char *file,
                            rmr_error *err);
void rmr_decoder_close(rmr_decoder *decoder);

/* What an id is decoded to before any step, terminated; NULL when no token
 * has it. */
const char *rmr_decoder_string_of(const struct rmr_tokenizer *tokenizer,
                                  uint32_t id, size_t *len);

#endif
