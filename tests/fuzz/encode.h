/*
 * encode.h - what an encoding promises, whatever the text: ids that exist,
 * offsets inside the text, a length within the limit, and the same again for
 * the same text. It knows nothing of what the right tokens are.
 */
#ifndef RMR_TESTS_FUZZ_ENCODE_H
#define RMR_TESTS_FUZZ_ENCODE_H

#include "tests/fuzz/fuzz.h"
#include "tokenizer/tokenizer.h"

/* What is encoded, and the encoding that one thread reuses. */
typedef struct encode_input {
    const rmr_tokenizer *tokenizer;
    const char *text;
    size_t len;
    rmr_encoding encoding;
} encode_input;

/* Encodes once with a limit and checks every token. The number of tokens, or
 * the negative status. */
static inline long check_limit(encode_input *input, size_t limit,
                               rmr_truncate truncate)
{
    rmr_encoding *encoding = &input->encoding;
    rmr_error err = {0};
    long result;

    rmr_status status =
        rmr_tokenizer_encode(input->tokenizer, input->text, input->len, limit,
                             truncate, encoding, &err);
    if (status) {
        check_error(status, &err);
        result = status;
    } else {
        result = (long)encoding->count;
        CHECK(limit == 0 || encoding->count <= limit);
        CHECK(limit > 0 || !encoding->truncated);
        for (size_t i = 0; i < encoding->count; i++) {
            const rmr_token *token = &encoding->tokens[i];
            CHECK(token->id < rmr_tokenizer_id_limit(input->tokenizer));
            CHECK(token->start <= token->end && token->end <= input->len);
        }
    }
    return result;
}

/*
 * Whole and cut. A text has no tokens at all only where the tokenizer has no
 * unknown token for it (FORMAT) or a pattern takes too much work (RANGE), and
 * then a part of it may still have.
 */
static inline void check_encoding(const rmr_tokenizer *tokenizer,
                                  const char *text, size_t len)
{
    encode_input input = {.tokenizer = tokenizer, .text = text, .len = len};
    long whole = check_limit(&input, 0, RMR_TRUNCATE_END);
    static const long limits[] = {1, 2, 3, 8, 64};

    CHECK(whole >= 0 || whole == RMR_ERR_NOMEM || whole == RMR_ERR_FORMAT ||
          whole == RMR_ERR_RANGE);
    CHECK(check_limit(&input, 0, RMR_TRUNCATE_END) == whole);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t limit = (size_t)limits[i];
        long end = check_limit(&input, limit, RMR_TRUNCATE_END);
        long start = check_limit(&input, limit, RMR_TRUNCATE_START);
        long none = check_limit(&input, limit, RMR_TRUNCATE_NONE);

        if (whole < 0)
            continue;
        CHECK(end == start);
        CHECK(end == RMR_ERR_RANGE ||
              end == (whole < limits[i] ? whole : limits[i]));
        CHECK(end == RMR_ERR_RANGE
                  ? none == end || none == whole || none == RMR_ERR_TOO_LONG
                  : none == (whole <= limits[i] ? whole : RMR_ERR_TOO_LONG));
    }
    rmr_encoding_free(&input.encoding);
}

#endif
