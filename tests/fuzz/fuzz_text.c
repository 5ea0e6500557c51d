/*
 * fuzz_text.c - any bytes as a text, through the tokenizer of the corpus: a
 * text can be anything, so encoding it must never fail but for its length.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rmr_tokenizer *tokenizer;
    rmr_error err = {0};

    if (!tokenizer &&
        rmr_tokenizer_open(&tokenizer, "tests/fuzz/corpus/tokenizer/bert.json",
                           &err)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    check_encoding(tokenizer, (const char *)data, size);
    return 0;
}
