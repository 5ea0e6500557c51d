/*
 * test_decoder.c - ids to text: the reference's answers for every decoder as
 * literals, special and added tokens, and what a decoder must not say.
 */
#include "tests/unit/sequence_fixture.h"

#include "common/base/alloc.h"

typedef struct decode_case {
    size_t config;
    size_t count;
    uint32_t ids[8];
    int skip_special;
    const char *expected; /* NULL: the reference fails */
} decode_case;

#include "tests/unit/decode_cases.inc"

static void test_reference(void **state)
{
    rmr_decoding decoding = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(decoder_configs); i++) {
        rmr_tokenizer *tokenizer = sequence_open(decoder_configs[i]);
        for (size_t j = 0; j < LENGTH(decode_cases); j++) {
            const decode_case *c = &decode_cases[j];
            rmr_error err = {0};
            if (c->config != i)
                continue;
            rmr_status status = rmr_tokenizer_decode(
                tokenizer, c->ids, c->count, c->skip_special, &decoding, &err);
            if (!c->expected) {
                expect_failure(status, &err, RMR_ERR_RANGE, "Strip");
                assert_int_equal(decoding.len, 0);
                continue;
            }
            expect_ok(status, &err);
            assert_string_equal(decoding.text, c->expected);
            assert_int_equal(decoding.len, strlen(c->expected));
        }
        rmr_tokenizer_close(tokenizer);
    }
    rmr_decoding_free(&decoding);
    rmr_decoding_free(NULL);
}

/* A NUL is a character like others. */
static void test_nul(void **state)
{
    rmr_tokenizer *tokenizer = sequence_open(
        "{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"a\", "
        "\"continuing_subword_prefix\": \"##\", "
        "\"max_input_chars_per_word\": 100, \"vocab\": {\"a\": 0, "
        "\"x\\u0000y\": 1}}}");
    rmr_decoding decoding = {0};
    rmr_error err = {0};
    (void)state;
    expect_ok(rmr_tokenizer_decode(tokenizer, (uint32_t[]){1, 0}, 2, 0,
                                   &decoding, &err),
              &err);
    assert_int_equal(decoding.len, 5);
    assert_memory_equal(decoding.text, "x\0y a", 6);
    rmr_decoding_free(&decoding);
    rmr_tokenizer_close(tokenizer);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *decoder;
        rmr_status status;
        const char *word;
    } cases[] = {
        {"1", RMR_ERR_FORMAT, "decoder must be an object"},
        {"{}", RMR_ERR_FORMAT, "type"},
        {"{\"type\": \"Unknown\"}", RMR_ERR_UNSUPPORTED, "Unknown"},
        {"{\"type\": \"BPEDecoder\"}", RMR_ERR_FORMAT, "suffix"},
        {"{\"type\": \"ByteLevel\"}", RMR_ERR_FORMAT, "add_prefix_space"},
        {"{\"type\": \"WordPiece\", \"prefix\": \"\"}", RMR_ERR_FORMAT,
         "cleanup"},
        {"{\"type\": \"CTC\", \"pad_token\": \"\", "
         "\"word_delimiter_token\": 1, \"cleanup\": true}",
         RMR_ERR_FORMAT, "word_delimiter_token"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"ab\"}", RMR_ERR_FORMAT,
         "one character"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"\"}", RMR_ERR_FORMAT,
         "one character"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"a\", "
         "\"prepend_scheme\": \"last\"}",
         RMR_ERR_FORMAT, "prepend_scheme"},
        {"{\"type\": \"Metaspace\", \"replacement\": \"a\", "
         "\"add_prefix_space\": false}",
         RMR_ERR_FORMAT, "never"},
        {"{\"type\": \"Strip\", \"content\": \"a\", \"start\": -1, "
         "\"stop\": 0}",
         RMR_ERR_RANGE, "start"},
        {"{\"type\": \"Strip\", \"content\": \"a\", \"start\": 1}",
         RMR_ERR_FORMAT, "stop"},
        {"{\"type\": \"Replace\", \"pattern\": \"a\", \"content\": \"\"}",
         RMR_ERR_FORMAT, "decoder: pattern must be an object"},
        {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\"}, "
         "\"content\": \"\"}",
         RMR_ERR_FORMAT, "pattern"},
        {"{\"type\": \"Sequence\"}", RMR_ERR_FORMAT, "decoders"},
        {"{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, 1]}",
         RMR_ERR_FORMAT, "decoder.decoders[1]"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char json[2048];
        rmr_tokenizer *tokenizer;
        rmr_error err = {0};
        snprintf(json, sizeof json, "{\"decoder\": %s, " WORDS "}",
                 cases[i].decoder);
        expect_failure(sequence_try(&tokenizer, json, &err), &err,
                       cases[i].status, "tokenizer.json", cases[i].word);
        assert_null(tokenizer);
    }
}

/* ------------------------------------------------------------------- memory
 */

#ifdef RMR_FAULT_INJECTION
static const uint32_t some_ids[] = {1, 4, 18, 19, 23, 33, 35, 16, 2};

static rmr_status decode_some(const rmr_tokenizer *tokenizer,
                              rmr_decoding *decoding)
{
    rmr_error err;
    return rmr_tokenizer_decode(tokenizer, some_ids, LENGTH(some_ids), 1,
                                decoding, &err);
}

static void test_nothing_is_allocated_once_warm(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(decoder_configs); i++) {
        rmr_tokenizer *tokenizer = sequence_open(decoder_configs[i]);
        rmr_decoding decoding = {0};
        rmr_status warm = RMR_OK;
        for (int round = 0; round < 3; round++)
            warm = decode_some(tokenizer, &decoding);
        rmr_alloc_fail_at(1, 1);
        rmr_status status = decode_some(tokenizer, &decoding);
        rmr_alloc_fail_at(0, 0);
        assert_int_equal(status, warm);
        rmr_decoding_free(&decoding);
        rmr_tokenizer_close(tokenizer);
    }
}

/* Opens and decodes with the nth allocation failing. */
static rmr_status attempt(const char *path, uint64_t nth, int *failed)
{
    rmr_decoding decoding = {0};
    rmr_tokenizer *tokenizer;
    rmr_error err = {0};
    rmr_alloc_fail_at(nth, 0);
    rmr_status status = rmr_tokenizer_open(&tokenizer, path, &err);
    if (!status)
        status = decode_some(tokenizer, &decoding);
    *failed = rmr_alloc_failed();
    rmr_alloc_fail_at(0, 0);
    rmr_decoding_free(&decoding);
    rmr_tokenizer_close(tokenizer);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(decoder_configs); i++) {
        char *directory = tiny_directory();
        tiny_write_text(directory, "tokenizer.json", decoder_configs[i]);
        char *path = strdup(tiny_path(directory, "tokenizer.json"));
        int failed = 1;
        rmr_status usual = attempt(path, 0, &failed);
        assert_false(failed);
        failed = 1;
        for (uint64_t nth = 1; failed; nth++) {
            rmr_status status = attempt(path, nth, &failed);
            assert_true(status == usual || status == RMR_ERR_NOMEM);
        }
        free(path);
        tiny_remove_directory(directory);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_refusals),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_nothing_is_allocated_once_warm),
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
