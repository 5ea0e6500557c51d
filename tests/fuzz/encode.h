/*
 * encode.h - what an encoding promises, whatever the text: ids that exist,
 * offsets inside the text, a length within the limit, and the same again for
 * the same text. It knows nothing of what the right tokens are.
 */
#ifndef RMR_TESTS_FUZZ_ENCODE_H
#define RMR_TESTS_FUZZ_ENCODE_H

#include "tests/fuzz/fuzz.h"
#include "tokenizer/tokenizer.h"

/* Encodes once with a limit and checks every token. */
static inline size_t check_limit(const rmr_tokenizer *tokenizer,
                                 const char *text, size_t len, size_t limit,
                                 rmr_truncate truncate)
{
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    size_t count = 0;

    rmr_status status = rmr_tokenizer_encode(tokenizer, text, len, limit,
                                             truncate, &encoding, &err);
    if (status) {
        check_error(status, &err);
        CHECK(limit > 0 || status == RMR_ERR_NOMEM);
    } else {
        count = encoding.count;
        CHECK(limit == 0 || count <= limit);
        CHECK(limit > 0 || !encoding.truncated);
        for (size_t i = 0; i < count; i++) {
            const rmr_token *token = &encoding.tokens[i];
            CHECK(token->id < rmr_tokenizer_id_limit(tokenizer));
            CHECK(token->start <= token->end && token->end <= len);
        }
    }
    rmr_encoding_free(&encoding);
    return count;
}

static inline void check_encoding(const rmr_tokenizer *tokenizer,
                                  const char *text, size_t len)
{
    size_t whole = check_limit(tokenizer, text, len, 0, RMR_TRUNCATE_END);
    static const size_t limits[] = {1, 2, 3, 8, 64};

    CHECK(check_limit(tokenizer, text, len, 0, RMR_TRUNCATE_END) == whole);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t end =
            check_limit(tokenizer, text, len, limits[i], RMR_TRUNCATE_END);
        size_t start =
            check_limit(tokenizer, text, len, limits[i], RMR_TRUNCATE_START);
        size_t none =
            check_limit(tokenizer, text, len, limits[i], RMR_TRUNCATE_NONE);

        CHECK(end == start);
        CHECK(none == (whole <= limits[i] ? whole : 0));
    }
}

#endif
