/*
 * sequence_fixture.h - what the tests of pairs, decoders and chunks share: a
 * tokenizer from a string. It must never hide why one was refused.
 */
#ifndef RMR_TESTS_SEQUENCE_FIXTURE_H
#define RMR_TESTS_SEQUENCE_FIXTURE_H

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "tokenizer/tokenizer.h"

/* Tokens of the little tokenizers: letters, words and what continues them. */
#define WORDS                                                                  \
    "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "          \
    "\"continuing_subword_prefix\": \"##\", "                                  \
    "\"max_input_chars_per_word\": 100, \"vocab\": {\"[UNK]\": 0, "            \
    "\"[CLS]\": 1, \"[SEP]\": 2, \"a\": 3, \"b\": 4, \"##a\": 5, "             \
    "\"##b\": 6, \".\": 7, \"!\": 8, \"c\": 9, \"\\u3002\": 10, \"\\\"\": "    \
    "11, "                                                                     \
    "\" \": 12, \"## \": 13}}"
#define BERT                                                                   \
    "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 2], "                 \
    "\"cls\": [\"[CLS]\", 1]}"

static inline rmr_status sequence_try(rmr_tokenizer **out, const char *json,
                                      rmr_error *err)
{
    char *directory = tiny_directory();
    tiny_write_text(directory, "tokenizer.json", json);
    rmr_status status =
        rmr_tokenizer_open(out, tiny_path(directory, "tokenizer.json"), err);
    tiny_remove_directory(directory);
    return status;
}

static inline rmr_tokenizer *sequence_open(const char *json)
{
    rmr_tokenizer *tokenizer = NULL;
    rmr_error err = {0};
    expect_ok(sequence_try(&tokenizer, json, &err), &err);
    assert_non_null(tokenizer);
    return tokenizer;
}

static inline rmr_text text_from(const char *string)
{
    return (rmr_text){string, strlen(string)};
}

#endif
