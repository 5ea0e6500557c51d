/*
 * test_token_models.c - BPE, Unigram and WordLevel by themselves: the
 * reference's tokens, what is refused and what is said about it, words that
 * come from the cache, and words that are long. Expected tokens are the
 * reference's, never Remora's own.
 */
#include <time.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "tokenizer/tokenizer_internal.h"

typedef struct model_case {
    int file;
    size_t len;
    size_t count;
    const char *text;
} model_case;

#include "tests/unit/model_cases.inc"

/* What the tests share: the tokenizers of the cases, opened once. */
static char *directory;
static rmr_tokenizer *tokenizers[LENGTH(files)];

static rmr_status open_text(rmr_tokenizer **out, const char *text,
                            rmr_error *err)
{
    tiny_write_text(directory, "tokenizer.json", text);
    return rmr_tokenizer_open(out, tiny_path(directory, "tokenizer.json"), err);
}

static int open_all(void **state)
{
    rmr_error err = {0};
    (void)state;
    directory = tiny_directory();
    for (size_t i = 0; i < LENGTH(files); i++)
        expect_ok(open_text(&tokenizers[i], files[i], &err), &err);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(files); i++)
        rmr_tokenizer_close(tokenizers[i]);
    tiny_remove_directory(directory);
    return 0;
}

/* ---------------------------------------------------------- the reference's */

static int is_expected(const rmr_token *token, const unsigned *expected)
{
    return token->id == expected[0] && token->start == expected[1] &&
           token->end == expected[2];
}

/* Twice: words then come from the cache, and it is another tokenizer's at
 * each turn of the outer loop. */
static void test_reference(void **state)
{
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    (void)state;
    for (int again = 0; again < 2; again++) {
        const unsigned *expected = numbers;
        for (size_t i = 0; i < LENGTH(cases); i++) {
            const model_case *c = &cases[i];
            expect_ok(rmr_tokenizer_encode(tokenizers[c->file], c->text, c->len,
                                           0, RMR_TRUNCATE_END, &encoding,
                                           &err),
                      &err);
            int same = encoding.count == c->count;
            for (size_t t = 0; t < c->count && same; t++)
                same = is_expected(&encoding.tokens[t], expected + 3 * t);
            if (!same)
                fail_msg("case %zu, tokenizer %d: %s", i, c->file, c->text);
            expected += 3 * c->count;
        }
        assert_ptr_equal(expected, numbers + LENGTH(numbers));
    }
    rmr_encoding_free(&encoding);
}

/* Two tokenizers that know the same words by other ids, by turns. */
static void test_cache_is_of_one_tokenizer(void **state)
{
    static const char *const both[] = {
        "{\"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": "
        "{\"a\": 0, \"b\": 1}}}",
        "{\"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": "
        "{\"b\": 0, \"a\": 1}}}",
    };
    rmr_tokenizer *pair[2];
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    (void)state;
    for (int i = 0; i < 2; i++)
        expect_ok(open_text(&pair[i], both[i], &err), &err);
    for (unsigned i = 0; i < 6; i++) {
        expect_ok(rmr_tokenizer_encode(pair[i % 2], "ab", 2, 0,
                                       RMR_TRUNCATE_END, &encoding, &err),
                  &err);
        assert_int_equal(encoding.count, 2);
        assert_int_equal(encoding.tokens[0].id, i % 2);
        assert_int_equal(encoding.tokens[1].id, 1 - i % 2);
    }
    rmr_encoding_free(&encoding);
    for (int i = 0; i < 2; i++)
        rmr_tokenizer_close(pair[i]);
}

/* ----------------------------------------------------------------- refusals */

typedef struct refusal {
    const char *model;
    rmr_status status;
    const char *words[2];
} refusal;

#define BPE_VOCAB                                                              \
    "\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}"

static void test_refusals(void **state)
{
    static const refusal list[] = {
        {"{\"type\": \"BPE\", \"merges\": []}",
         RMR_ERR_FORMAT,
         {"model.vocab", "missing"}},
        {"{" BPE_VOCAB "}", RMR_ERR_FORMAT, {"model.merges", "missing"}},
        {"{" BPE_VOCAB ", \"merges\": {}}",
         RMR_ERR_FORMAT,
         {"model.merges", "array"}},
        {"{" BPE_VOCAB ", \"merges\": [\"a b\", \"ab\"]}",
         RMR_ERR_FORMAT,
         {"model.merges[1]", "space"}},
        {"{" BPE_VOCAB ", \"merges\": [\"a b c\"]}",
         RMR_ERR_FORMAT,
         {"model.merges[0]", "space"}},
        {"{" BPE_VOCAB ", \"merges\": [[\"a\", \"b\"], \"a b\"]}",
         RMR_ERR_FORMAT,
         {"model.merges[1]", "form"}},
        {"{" BPE_VOCAB ", \"merges\": [[\"a\", \"c\"]]}",
         RMR_ERR_FORMAT,
         {"model.merges[0]", "\"vocab\""}},
        {"{" BPE_VOCAB ", \"merges\": [[\"b\", \"a\"]]}",
         RMR_ERR_FORMAT,
         {"model.merges[0]", "\"vocab\""}},
        {"{" BPE_VOCAB ", \"merges\": [[\"a\"]]}",
         RMR_ERR_FORMAT,
         {"model.merges[0]", "two strings"}},
        {"{" BPE_VOCAB ", \"merges\": [[\"a\", \"b\", \"c\"]]}",
         RMR_ERR_FORMAT,
         {"model.merges[0]", "two strings"}},
        {"{" BPE_VOCAB ", \"merges\": [[\"a\", \"\"]]}",
         RMR_ERR_UNSUPPORTED,
         {"model.merges[0]", "longer"}},
        {"{" BPE_VOCAB ", \"merges\": [], \"dropout\": 0.1}",
         RMR_ERR_UNSUPPORTED,
         {"model", "dropout"}},
        {"{" BPE_VOCAB ", \"merges\": [], \"byte_fallback\": true, "
         "\"end_of_word_suffix\": \"x\"}",
         RMR_ERR_UNSUPPORTED,
         {"byte_fallback", "end_of_word_suffix"}},
        {"{" BPE_VOCAB ", \"merges\": [], \"unk_token\": 1}",
         RMR_ERR_FORMAT,
         {"model", "unk_token"}},
        {"{\"type\": \"Unigram\", \"vocab\": {}}",
         RMR_ERR_FORMAT,
         {"model.vocab", "array"}},
        {"{\"type\": \"Unigram\", \"vocab\": [[\"a\", 0], [\"b\"]]}",
         RMR_ERR_FORMAT,
         {"model.vocab[1]", "number"}},
        {"{\"type\": \"Unigram\", \"vocab\": [[\"a\", 01]]}",
         RMR_ERR_FORMAT,
         {"model.vocab[0]", "number"}},
        {"{\"type\": \"Unigram\", \"vocab\": [[\"a\", 1e400]]}",
         RMR_ERR_FORMAT,
         {"model.vocab[0]", "too large"}},
        {"{\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]], \"unk_id\": 1}",
         RMR_ERR_FORMAT,
         {"model", "unk_id"}},
        {"{\"type\": \"WordLevel\", \"vocab\": {}}",
         RMR_ERR_FORMAT,
         {"model", "unk_token"}},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(list); i++) {
        char text[512];
        rmr_tokenizer *tokenizer;
        rmr_error err = {0};
        snprintf(text, sizeof text, "{\"model\": %s}", list[i].model);
        rmr_status status = open_text(&tokenizer, text, &err);
        expect_failure(status, &err, list[i].status, "tokenizer.json",
                       list[i].words[0], list[i].words[1]);
        assert_null(tokenizer);
    }
}

/* A text for which there is no token. */
static void test_no_unknown_token(void **state)
{
    static const char *const models[] = {
        "{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", -1]]}}",
        "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}, "
        "\"unk_token\": \"?\"}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, "
        "\"merges\": [], \"unk_token\": \"?\"}}",
    };
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(models); i++) {
        rmr_tokenizer *tokenizer;
        expect_ok(open_text(&tokenizer, models[i], &err), &err);
        expect_ok(rmr_tokenizer_encode(tokenizer, "a", 1, 0, RMR_TRUNCATE_END,
                                       &encoding, &err),
                  &err);
        assert_int_equal(encoding.count, 1);
        expect_failure(rmr_tokenizer_encode(tokenizer, "secret", 6, 0,
                                            RMR_TRUNCATE_END, &encoding, &err),
                       &err, RMR_ERR_FORMAT, "unknown token");
        assert_int_equal(encoding.count, 0);
        rmr_tokenizer_close(tokenizer);
    }
    rmr_encoding_free(&encoding);
}

/* ------------------------------------------------------------------- scores */

/* A score is the double that the reference reads, which need not be the one
 * nearest to what is written. */
static void test_scores_are_the_reference_s(void **state)
{
    static const struct {
        const char *text;
        double score;
    } list[] = {
        {"-10.408535003662109", -10.408535003662108},
        {"-9.876543210987654321", -9.876543210987656},
        {"-8.1234567890123456", -8.123456789012346},
        {"0.1234567890123456789012345", 0.12345678901234568},
        {"123456789012345678901234567890", 1.2345678901234568e29},
        {"5e-324", 5e-324},
        {"1e-400", 0.0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"-0", 0.0},
        {"12e2", 1200},
        {"12E-1", 1.2},
    };
    rmr_error err = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(list); i++) {
        char text[96];
        double score;
        int more;
        rmr_json_string string;
        rmr_json_cursor cursor;
        snprintf(text, sizeof text, "[[\"a\", %s]]", list[i].text);
        rmr_json_table table = {text, text + strlen(text), "scores"};
        rmr_json_cursor_begin(&cursor, &table);
        expect_ok(rmr_json_next_score(&cursor, &more, &string, &score, &err),
                  &err);
        assert_true(more);
        assert_true(score == list[i].score);
        expect_ok(rmr_json_next_score(&cursor, &more, &string, &score, &err),
                  &err);
        assert_false(more);
        rmr_json_cursor_end(&cursor);
    }
}

/* --------------------------------------------------------------------- cost */

/* One that is quadratic takes minutes. */
static void test_long_words_take_linear_time(void **state)
{
    static const char *const units[] = {
        "a", "ab", "abchello", "x", "\xe5\x8c\x97", "\xe2\x96\x81hello"};
    enum { SIZE = 400000, MOST_SECONDS = 20 };
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    char *text = malloc(SIZE);
    (void)state;
    assert_non_null(text);
    for (size_t u = 0; u < LENGTH(units); u++) {
        size_t len = strlen(units[u]);
        for (size_t i = 0; i < SIZE; i++)
            text[i] = units[u][i % len];
        for (size_t i = 0; i < LENGTH(files); i++) {
            clock_t start = clock();
            expect_ok(rmr_tokenizer_encode(tokenizers[i], text,
                                           SIZE / len * len, 0,
                                           RMR_TRUNCATE_END, &encoding, &err),
                      &err);
            double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
            if (seconds > MOST_SECONDS)
                fail_msg("%s with tokenizer %zu: %.1f s", units[u], i, seconds);
        }
    }
    assert_true(encoding.scratch->room_size <= 1 << 22);
    rmr_encoding_free(&encoding);
    free(text);
}

#ifdef RMR_FAULT_INJECTION
/* Opening and encoding with each allocation failing in turn. */
static void test_out_of_memory(void **state)
{
    char *text = malloc(2000);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', 2000);
    for (size_t i = 0; i < LENGTH(files); i++) {
        tiny_write_text(directory, "tokenizer.json", files[i]);
        const char *path = tiny_path(directory, "tokenizer.json");
        int failed = 1;
        for (uint64_t nth = 1; failed; nth++) {
            rmr_tokenizer *tokenizer;
            rmr_encoding encoding = {0};
            rmr_error err = {0};
            rmr_alloc_fail_at(nth, 0);
            rmr_status status = rmr_tokenizer_open(&tokenizer, path, &err);
            if (!status)
                status =
                    rmr_tokenizer_encode(tokenizer, text, 2000, 0,
                                         RMR_TRUNCATE_END, &encoding, &err);
            failed = rmr_alloc_failed();
            rmr_alloc_fail_at(0, 0);
            if (status)
                expect_failure(status, &err, RMR_ERR_NOMEM, "memory");
            assert_int_equal(status != RMR_OK, failed);
            rmr_tokenizer_close(tokenizer);
            rmr_encoding_free(&encoding);
        }
    }
    free(text);
}

static void test_nothing_is_allocated_once_warm(void **state)
{
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    char text[2000];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "abchello"[i * i % 8];
    for (size_t i = 0; i < LENGTH(files); i++) {
        for (int again = 0; again < 2; again++) {
            rmr_alloc_fail_at((uint64_t)again, 1);
            rmr_status status =
                rmr_tokenizer_encode(tokenizers[i], text, sizeof text, 0,
                                     RMR_TRUNCATE_END, &encoding, &err);
            rmr_alloc_fail_at(0, 0);
            expect_ok(status, &err);
        }
    }
    rmr_encoding_free(&encoding);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_cache_is_of_one_tokenizer),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_unknown_token),
        cmocka_unit_test(test_scores_are_the_reference_s),
        cmocka_unit_test(test_long_words_take_linear_time),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_nothing_is_allocated_once_warm),
#endif
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
