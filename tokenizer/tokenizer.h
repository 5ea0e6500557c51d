/*
 * tokenizer.h - tokenizer.json, and text to token ids through it.
 *
 * The result equals that of the reference (Hugging Face `tokenizers`), ids and
 * byte offsets both, or opening fails and names the component that is not
 * supported: an approximation is never made.
 */
#ifndef RMR_TOKENIZER_H
#define RMR_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

/* An opened tokenizer: immutable, used by any number of threads. */
typedef struct rmr_tokenizer rmr_tokenizer;

/* Opens a tokenizer.json. Its "truncation" and "padding" are ignored: the
 * caller decides about length, and nothing is ever padded. Errors: IO, FORMAT
 * and UNSUPPORTED, naming the JSON path; NOMEM. */
rmr_status rmr_tokenizer_open(rmr_tokenizer **out, const char *path,
                              rmr_error *err);
void rmr_tokenizer_close(rmr_tokenizer *tokenizer);

/* One more than the largest id that encoding can give. */
uint32_t rmr_tokenizer_id_limit(const rmr_tokenizer *tokenizer);

/* 1 when the normalizer lower-cases all text. */
int rmr_tokenizer_lowercases(const rmr_tokenizer *tokenizer);

/* The entry for id, terminated, owned by the tokenizer; NULL when none. */
const char *rmr_tokenizer_string(const rmr_tokenizer *tokenizer, uint32_t id);

/*
 * What one thread encodes with: the result of the last call and scratch space,
 * both growing as needed and reused, so that nothing is allocated per text in
 * steady state. `tokens` and what it points to are read-only for callers.
 */
typedef struct rmr_encoding {
    rmr_token *tokens; /* [count] */
    size_t count;
    int truncated; /* the text was longer than max_tokens and was cut */
    size_t capacity;
    struct rmr_encoder_scratch *scratch; /* the tokenizer's own */
} rmr_encoding;

/* An encoding starts zeroed ({0}) and ends here. */
void rmr_encoding_free(rmr_encoding *encoding);

/*
 * Encodes one text with the model's special tokens around it.
 *
 * text        any bytes; every maximal ill-formed part of UTF-8 is read as
 *             U+FFFD (as Python's errors="replace"), offsets stay those of
 *             the bytes given.
 * max_tokens  limit with special tokens, 0 for none. Truncation keeps the end
 *             or the beginning as `truncate` says; RMR_TRUNCATE_NONE makes a
 *             longer text TOO_LONG. When keeping the beginning, work stops
 *             soon after the limit is reached, however long the text is.
 *
 * Errors: TOO_LONG, RANGE (max_tokens leaves no room for special tokens),
 * NOMEM.
 */
rmr_status rmr_tokenizer_encode(const rmr_tokenizer *tokenizer,
                                const char *text, size_t len, size_t max_tokens,
                                rmr_truncate truncate, rmr_encoding *encoding,
                                rmr_error *err);

#endif
