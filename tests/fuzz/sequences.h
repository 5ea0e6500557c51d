/*
 * sequences.h - what pairs, windows, chunks and decoding promise, whatever the
 * text: offsets inside the right text, windows and chunks within their limit,
 * decoded text that ends. It knows nothing of what the right tokens are.
 */
#ifndef RMR_TESTS_FUZZ_SEQUENCES_H
#define RMR_TESTS_FUZZ_SEQUENCES_H

#include "tests/fuzz/fuzz.h"
#include "tokenizer/tokenizer.h"

/* Both halves of a text as a pair, in windows; then in code points, of which
 * there are no more than bytes. */
static inline void check_pair(const rmr_tokenizer *tokenizer, const char *text,
                              size_t len)
{
    rmr_text halves[2] = {{text, len / 2}, {text + len / 2, len - len / 2}};
    rmr_tokenize_options options;
    rmr_encoding encoding = {0};
    rmr_error err = {0};

    rmr_tokenize_options_init(&options);
    options.max_tokens = 8 + (uint32_t)len % 9;
    options.windows = 1;
    options.stride = (uint32_t)len % 3;
    options.strategy = (rmr_truncate_strategy)(len % 3);
    rmr_status status = rmr_tokenizer_encode_pair(
        tokenizer, halves[0], &halves[1], &options, &encoding, &err);
    if (status) {
        check_error(status, &err);
        CHECK(encoding.count == 0);
    }
    for (size_t i = 0; i < encoding.num_windows && !status; i++)
        CHECK(encoding.windows[i].start <= encoding.windows[i].end &&
              encoding.windows[i].end <= encoding.count &&
              encoding.windows[i].end - encoding.windows[i].start <=
                  options.max_tokens);
    for (int points = 0; points < 2 && !status; points++) {
        for (size_t i = 0; i < encoding.count; i++) {
            size_t most = encoding.texts[i] == RMR_TOKEN_ADDED
                              ? 0
                              : halves[encoding.texts[i]].len;
            CHECK(encoding.tokens[i].start <= encoding.tokens[i].end &&
                  encoding.tokens[i].end <= most);
        }
        rmr_encoding_use_code_points(&encoding, halves[0], &halves[1]);
    }
    rmr_encoding_free(&encoding);
}

/* Chunks lie one after another and are within their limit when encoded. */
static inline void check_chunks(const rmr_tokenizer *tokenizer,
                                const char *text, size_t len)
{
    rmr_chunk_options options;
    rmr_chunking chunking = {0};
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    size_t end = 0;

    rmr_chunk_options_init(&options);
    options.max_tokens = 12 + (uint32_t)len % 5;
    options.overlap = (uint32_t)len % 4;
    options.boundary = (rmr_boundary)(len % 3);
    rmr_status status = rmr_tokenizer_chunk(tokenizer, (rmr_text){text, len},
                                            &options, &chunking, &err);
    if (status)
        check_error(status, &err);
    for (size_t i = 0; i < chunking.count && !status; i++) {
        const rmr_chunk *chunk = &chunking.chunks[i];
        CHECK(chunk->start < chunk->end && chunk->end > end &&
              chunk->end <= len && chunk->tokens <= options.max_tokens);
        end = chunk->end;
        CHECK(!rmr_tokenizer_encode(tokenizer, text + chunk->start,
                                    chunk->end - chunk->start, 0,
                                    RMR_TRUNCATE_END, &encoding, &err));
        CHECK(encoding.count == chunk->tokens);
    }
    rmr_encoding_free(&encoding);
    rmr_chunking_free(&chunking);
}

/* Any bytes as ids, with and without special tokens. */
static inline void check_decoding(const rmr_tokenizer *tokenizer,
                                  const char *text, size_t len)
{
    enum { MOST_IDS = 256 };
    uint32_t ids[MOST_IDS];
    uint32_t limit = rmr_tokenizer_id_limit(tokenizer) + 1;
    size_t count = len < MOST_IDS ? len : MOST_IDS;
    rmr_decoding decoding = {0};

    for (size_t i = 0; i < count; i++)
        ids[i] = (uint32_t)(unsigned char)text[i] * 2654435761u % limit;
    for (int skip = 0; skip < 2; skip++) {
        rmr_error err = {0};
        rmr_status status =
            rmr_tokenizer_decode(tokenizer, ids, count, skip, &decoding, &err);
        if (status)
            check_error(status, &err);
        CHECK(status || decoding.text[decoding.len] == '\0');
    }
    rmr_decoding_free(&decoding);
}

#endif
