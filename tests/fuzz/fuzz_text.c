/*
 * fuzz_text.c - any bytes as a text, a pair, chunks and ids, through a
 * tokenizer of the corpus that the first byte chooses: a text can be anything,
 * so encoding it must never fail but for its length, or for a pattern that
 * takes too long on it.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/encode.h"
#include "tests/fuzz/sequences.h"

static const char *const names[] = {
    "bert",
    "bpe_gpt",
    "bpe_llama",
    "bpe_llama3",
    "bpe_clip",
    "bpe_prefix",
    "bpe_bytes_twice",
    "unigram_xlmr",
    "unigram_bytes",
    "unigram_no_unk",
    "wordlevel",
    "normalizer_forms",
    "normalizer_replace",
    "normalizer_bytelevel",
    "split_behaviors",
    "words_mixed",
    "words_regex",
    "words_digits_bytes",
    "post_roberta",
    "post_sequence",
    "added_flags",
    "added_bytes",
    "spaces",
};
enum { NUM_NAMES = sizeof names / sizeof *names };

static const rmr_tokenizer *tokenizer_of(uint8_t choice)
{
    static rmr_tokenizer *opened[NUM_NAMES];
    size_t index = choice % NUM_NAMES;
    rmr_error err = {0};
    char path[128];

    snprintf(path, sizeof path, "tests/fuzz/corpus/tokenizer/%s.json",
             names[index]);
    if (!opened[index] && rmr_tokenizer_open(&opened[index], path, &err)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return opened[index];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const rmr_tokenizer *tokenizer = tokenizer_of(data[0]);
    const char *text = (const char *)data + 1;
    check_encoding(tokenizer, text, size - 1);
    check_pair(tokenizer, text, size - 1);
    check_chunks(tokenizer, text, size - 1);
    check_decoding(tokenizer, text, size - 1);
    return 0;
}
