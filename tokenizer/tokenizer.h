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

/*
 * Opens the tokenizer of a model directory: its tokenizer.json or, where there
 * is none, what the reference would make of the files that it has instead:
 * vocab.txt; vocab.json and merges.txt; a SentencePiece model. Which of them,
 * tokenizer_config.json and config.json say. Errors: as above, naming the file
 * that is at fault.
 */
rmr_status rmr_tokenizer_open_directory(rmr_tokenizer **out,
                                        const char *directory, rmr_error *err);
void rmr_tokenizer_close(rmr_tokenizer *tokenizer);

/* One more than the largest id that encoding can give. */
uint32_t rmr_tokenizer_id_limit(const rmr_tokenizer *tokenizer);

/* 1 when the id is that of an added token that is special. */
int rmr_tokenizer_is_special(const rmr_tokenizer *tokenizer, uint32_t id);

/* The token that stands for what the vocabulary does not have. Returns 1; 0
 * when there is none. */
int rmr_tokenizer_unknown(const rmr_tokenizer *tokenizer, uint32_t *id);

/* The limit that the file's "truncation" has, which encoding ignores, and where
 * it cuts; 0 when it has none. */
uint32_t rmr_tokenizer_own_limit(const rmr_tokenizer *tokenizer,
                                 rmr_truncate *side);

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
    /* Of rmr_tokenizer_encode_pair alone: */
    rmr_window *windows;  /* [num_windows], of tokens */
    unsigned char *texts; /* [count] rmr_token_text */
    size_t num_windows;
    size_t window_capacity;
    size_t text_capacity;
    rmr_token *spare; /* the tokenizer's own, as those below */
    size_t spare_capacity;
    struct rmr_own_spacing *spacing;
    size_t num_spacing;
    size_t spacing_capacity;
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

/*
 * Encodes one text (second is NULL) or two as rmr_tokenize_pair in remora.h
 * has it, into windows. Errors: also UNSUPPORTED (the post-processor cannot
 * take a pair).
 */
rmr_status rmr_tokenizer_encode_pair(const rmr_tokenizer *tokenizer,
                                     rmr_text first, const rmr_text *second,
                                     const rmr_tokenize_options *options,
                                     rmr_encoding *encoding, rmr_error *err);

/* Where a token is: the reference tells by the prefix of tokens inside a word
 * or, where the model has none, by the spaces around them. */
typedef enum rmr_token_place {
    RMR_PLACE_BEGINS = 0, /* a word, or is one */
    RMR_PLACE_INSIDE,     /* goes on with the word of the token before */
    RMR_PLACE_ADDED       /* is of no text: the model adds it */
} rmr_token_place;

/* The places, [count], of the tokens that the last rmr_tokenizer_encode_pair
 * made of this text and no second one. */
void rmr_tokenizer_places(const rmr_tokenizer *tokenizer, rmr_text text,
                          const rmr_encoding *encoding,
                          rmr_token_place *places);

/* Turns the offsets of the last rmr_tokenizer_encode (second is NULL) or
 * _encode_pair of these texts from bytes to code points, every maximal
 * ill-formed part being one. Once per encoding. */
void rmr_encoding_use_code_points(rmr_encoding *encoding, rmr_text first,
                                  const rmr_text *second);

/* ----------------------------------------------------------------- decoding */

/* What one thread decodes with, as rmr_encoding is. */
typedef struct rmr_decoding {
    const char *text; /* terminated, though it may hold NUL */
    size_t len;
    struct rmr_decoder_scratch *scratch; /* the tokenizer's own */
} rmr_decoding;

/* A decoding starts zeroed ({0}) and ends here. */
void rmr_decoding_free(rmr_decoding *decoding);

/*
 * The text of `count` ids as the file's decoder makes it. Ids that no token
 * has are left out; with skip_special the special tokens are too. Errors:
 * RANGE (over 1 GiB of text, or a decoder that the reference fails with),
 * NOMEM.
 */
rmr_status rmr_tokenizer_decode(const rmr_tokenizer *tokenizer,
                                const uint32_t *ids, size_t count,
                                int skip_special, rmr_decoding *decoding,
                                rmr_error *err);

/* ----------------------------------------------------------------- chunking */

/* What one thread cuts texts with, as rmr_encoding is. */
typedef struct rmr_chunking {
    rmr_chunk *chunks; /* [count] */
    size_t count;
    size_t capacity;
    rmr_encoding whole; /* the tokenizer's own, as those below */
    rmr_encoding alone;
    unsigned char *edges;
    size_t edge_capacity;
} rmr_chunking;

/* A chunking starts zeroed ({0}) and ends here. */
void rmr_chunking_free(rmr_chunking *chunking);

/* As rmr_chunk_text in remora.h. */
rmr_status rmr_tokenizer_chunk(const rmr_tokenizer *tokenizer, rmr_text text,
                               const rmr_chunk_options *options,
                               rmr_chunking *chunking, rmr_error *err);

#endif
