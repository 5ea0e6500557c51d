/*
 * test_tokenizer_pairs.c - pairs, windows and truncation: the reference's
 * answers as literals, its failures, limits and strides at their edges. Which
 * random texts do what is the parity tests' business.
 */
#include "tests/unit/sequence_fixture.h"

#include <time.h>

#include "common/base/alloc.h"
#include "tokenizer/tokenizer_internal.h"

typedef struct pair_case {
    size_t config;
    const char *first;
    const char *second;
    rmr_tokenize_options options;
    const char *expected; /* NULL: the reference fails */
} pair_case;

#include "tests/unit/pair_cases.inc"

/* ----------------------------------------------------------- the reference's
 */

static void write_windows(const rmr_encoding *e, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (size_t w = 0; w < e->num_windows; w++) {
        used += (size_t)snprintf(out + used, size - used, "%s", w ? "|" : "");
        for (size_t i = e->windows[w].start; i < e->windows[w].end; i++) {
            const rmr_token *t = &e->tokens[i];
            used += (size_t)snprintf(out + used, size - used, "%s%u.%u.%zu.%zu",
                                     i > e->windows[w].start ? " " : "",
                                     (unsigned)t->id, (unsigned)t->type_id,
                                     t->start, t->end);
            assert_true(used < size);
        }
    }
}

static void check_case(const rmr_tokenizer *tokenizer, const pair_case *c,
                       rmr_encoding *encoding)
{
    static char found[1 << 16];
    rmr_error err = {0};
    rmr_text first = text_from(c->first), second = {NULL, 0};
    if (c->second)
        second = text_from(c->second);
    const rmr_text *other = c->second ? &second : NULL;
    rmr_status status = rmr_tokenizer_encode_pair(tokenizer, first, other,
                                                  &c->options, encoding, &err);
    if (!c->expected) {
        assert_true(status == RMR_ERR_RANGE || status == RMR_ERR_TOO_LONG);
        assert_true(err.message[0]);
        assert_int_equal(encoding->count + encoding->num_windows, 0);
        return;
    }
    expect_ok(status, &err);
    rmr_encoding_use_code_points(encoding, first, other);
    write_windows(encoding, found, sizeof found);
    assert_string_equal(found, c->expected);
}

static void check_cases(const char *const *configs, size_t num_configs,
                        const pair_case *cases, size_t count)
{
    rmr_encoding encoding = {0};
    for (size_t i = 0; i < num_configs; i++) {
        rmr_tokenizer *tokenizer = sequence_open(configs[i]);
        for (size_t j = 0; j < count; j++) {
            if (cases[j].config == i)
                check_case(tokenizer, &cases[j], &encoding);
        }
        rmr_tokenizer_close(tokenizer);
    }
    rmr_encoding_free(&encoding);
}

static void test_pairs(void **state)
{
    (void)state;
    check_cases(pair_configs, LENGTH(pair_configs), pair_cases,
                LENGTH(pair_cases));
}

static void test_trimmed_offsets(void **state)
{
    (void)state;
    check_cases(trim_configs, LENGTH(trim_configs), trim_cases,
                LENGTH(trim_cases));
}

/* The one way for a single text gives what the general one does. */
static void test_single_is_a_pair_s_first(void **state)
{
    rmr_encoding one = {0}, all = {0};
    rmr_error err;
    (void)state;
    for (size_t i = 0; i < LENGTH(pair_configs); i++) {
        rmr_tokenizer *tokenizer = sequence_open(pair_configs[i]);
        for (uint32_t max = 0; max < 12; max++) {
            const char *text = "a b c d e f";
            const rmr_tokenize_options options = {.max_tokens = max,
                                                  .truncate = max % 2};
            rmr_status single =
                rmr_tokenizer_encode(tokenizer, text, strlen(text), max,
                                     options.truncate, &one, &err);
            rmr_status general = rmr_tokenizer_encode_pair(
                tokenizer, text_from(text), NULL, &options, &all, &err);
            if (!general && max && all.count > max) {
                assert_int_equal(single, RMR_ERR_RANGE);
                continue;
            }
            assert_int_equal(single, general);
            assert_int_equal(one.count, all.count);
            for (size_t k = 0; k < one.count; k++)
                assert_memory_equal(&one.tokens[k], &all.tokens[k],
                                    sizeof *one.tokens);
        }
        rmr_tokenizer_close(tokenizer);
    }
    rmr_encoding_free(&one);
    rmr_encoding_free(&all);
}

/* --------------------------------------------------------------- the results
 */

static void test_texts_of_tokens(void **state)
{
    rmr_tokenizer *tokenizer =
        sequence_open("{\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, "
                      "\"post_processor\": " BERT ", " WORDS "}");
    static const unsigned char expected[] = {RMR_TOKEN_ADDED,  RMR_TOKEN_FIRST,
                                             RMR_TOKEN_FIRST,  RMR_TOKEN_ADDED,
                                             RMR_TOKEN_SECOND, RMR_TOKEN_ADDED};
    const rmr_tokenize_options options = {0};
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    rmr_text second = text_from("b");
    (void)state;
    expect_ok(rmr_tokenizer_encode_pair(tokenizer, text_from("a a"), &second,
                                        &options, &encoding, &err),
              &err);
    assert_int_equal(encoding.count, LENGTH(expected));
    assert_memory_equal(encoding.texts, expected, sizeof expected);
    assert_false(encoding.truncated);
    rmr_encoding_free(&encoding);
    rmr_tokenizer_close(tokenizer);
}

/* Ill-formed bytes are as many characters as Python replaces them by. */
static void test_code_points(void **state)
{
    rmr_tokenizer *tokenizer = sequence_open(
        "{\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, " WORDS "}");
    static const char text[] = "\xE5\xAD\x97 \xFF\xFE a \xE5\xAD b";
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    (void)state;
    expect_ok(rmr_tokenizer_encode(tokenizer, text, sizeof text - 1, 0,
                                   RMR_TRUNCATE_END, &encoding, &err),
              &err);
    rmr_encoding_use_code_points(&encoding, (rmr_text){text, sizeof text - 1},
                                 NULL);
    static const size_t expected[][2] = {
        {0, 1}, {2, 4}, {5, 6}, {7, 8}, {9, 10}};
    assert_int_equal(encoding.count, LENGTH(expected));
    for (size_t i = 0; i < LENGTH(expected); i++) {
        assert_int_equal(encoding.tokens[i].start, expected[i][0]);
        assert_int_equal(encoding.tokens[i].end, expected[i][1]);
    }
    rmr_encoding_free(&encoding);
    rmr_tokenizer_close(tokenizer);
}

/* Many tokens that all stand for one long text: each costs nothing. */
static void test_long_tokens(void **state)
{
    enum { LENGTH_OF_TEXT = 1000000, TOKENS = 20000 };
    static char text[LENGTH_OF_TEXT];
    rmr_encoding encoding = {0};
    memset(text, 'a', sizeof text);
    (void)state;
    for (size_t i = 0; i < TOKENS; i++)
        assert_true(rmr_encoding_push(&encoding, 1, 0, sizeof text));
    clock_t before = clock();
    rmr_encoding_use_code_points(&encoding, (rmr_text){text, sizeof text},
                                 NULL);
    assert_true(clock() - before < 2 * CLOCKS_PER_SEC);
    assert_int_equal(encoding.tokens[TOKENS - 1].end, sizeof text);
    rmr_encoding_free(&encoding);
}

/* ------------------------------------------------------------------ refusals
 */

static void test_refusals(void **state)
{
    rmr_tokenizer *tokenizer =
        sequence_open("{\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, "
                      "\"post_processor\": " BERT ", " WORDS "}");
    static char long_text[4000];
    const rmr_text a = text_from("a"), none = {NULL, 0};
    rmr_encoding e = {0};
    rmr_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof long_text; i++)
        long_text[i] = "ab "[i % 3];
    const rmr_text text = {long_text, sizeof long_text};
#define FAILS(first, second, status, word, ...)                                \
    expect_failure(rmr_tokenizer_encode_pair(                                  \
                       tokenizer, first, second,                               \
                       &(rmr_tokenize_options){__VA_ARGS__}, &e, &err),        \
                   &err, status, word)
    FAILS(a, &a, RMR_ERR_RANGE, "the 3 special", .max_tokens = 2);
    FAILS(text, NULL, RMR_ERR_TOO_LONG, "over 1000 tokens", .max_tokens = 1000,
          .truncate = RMR_TRUNCATE_NONE);
    FAILS(text, NULL, RMR_ERR_RANGE, "second text", .max_tokens = 9,
          .strategy = RMR_TRUNCATE_ONLY_SECOND);
    FAILS(a, &text, RMR_ERR_TOO_LONG, "no room", .max_tokens = 9,
          .strategy = RMR_TRUNCATE_ONLY_FIRST);
    FAILS(text, NULL, RMR_ERR_RANGE, "stride of 7", .max_tokens = 9,
          .windows = 1, .stride = 7);
    FAILS(text, NULL, RMR_ERR_RANGE, "stride of 4294967295", .max_tokens = 9,
          .windows = 1, .stride = UINT32_MAX);
    FAILS(none, &text, RMR_ERR_TOO_LONG, "over 9 tokens", .max_tokens = 9,
          .truncate = RMR_TRUNCATE_NONE);
#undef FAILS
    rmr_encoding_free(&e);
    rmr_tokenizer_close(tokenizer);
}

/* Every window of one text with each of another is too much. */
static void test_too_many_windows(void **state)
{
    rmr_tokenizer *tokenizer = sequence_open(
        "{\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, " WORDS "}");
    const size_t len = 1 << 16;
    char *bytes = malloc(len);
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = i % 2 ? ' ' : 'a';
    const rmr_text text = {bytes, len};
    const rmr_tokenize_options options = {
        .max_tokens = 8, .windows = 1, .stride = 1};
    expect_failure(rmr_tokenizer_encode_pair(tokenizer, text, &text, &options,
                                             &encoding, &err),
                   &err, RMR_ERR_RANGE, "windows");
    expect_ok(rmr_tokenizer_encode_pair(tokenizer, text, NULL, &options,
                                        &encoding, &err),
              &err);
    assert_int_equal(encoding.num_windows, 1 + (len / 2 - 8 + 6) / 7);
    rmr_encoding_free(&encoding);
    rmr_tokenizer_close(tokenizer);
    free(bytes);
}

/* ------------------------------------------------------------------- memory
 */

#ifdef RMR_FAULT_INJECTION
static const rmr_tokenize_options windows = {
    .max_tokens = 12, .windows = 1, .stride = 1};

static rmr_status encode_all(const rmr_tokenizer *tokenizer,
                             rmr_encoding *encoding, rmr_error *err)
{
    const rmr_text second = text_from("f g h a b");
    return rmr_tokenizer_encode_pair(tokenizer, text_from("a b c d e"), &second,
                                     &windows, encoding, err);
}

static void test_nothing_is_allocated_once_warm(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(pair_configs); i++) {
        rmr_tokenizer *tokenizer = sequence_open(pair_configs[i]);
        rmr_encoding encoding = {0};
        rmr_error err = {0};
        for (int round = 0; round < 3; round++)
            expect_ok(encode_all(tokenizer, &encoding, &err), &err);
        rmr_alloc_fail_at(1, 1);
        rmr_status status = encode_all(tokenizer, &encoding, &err);
        rmr_alloc_fail_at(0, 0);
        expect_ok(status, &err);
        rmr_encoding_free(&encoding);
        rmr_tokenizer_close(tokenizer);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(pair_configs); i++) {
        rmr_tokenizer *tokenizer = sequence_open(pair_configs[i]);
        rmr_status status = RMR_ERR_NOMEM;
        for (uint64_t nth = 1; status; nth++) {
            rmr_encoding encoding = {0};
            rmr_error err = {0};
            rmr_alloc_fail_at(nth, 0);
            status = encode_all(tokenizer, &encoding, &err);
            int failed = rmr_alloc_failed();
            rmr_alloc_fail_at(0, 0);
            assert_true(!status || status == RMR_ERR_NOMEM);
            assert_true(failed || !status);
            rmr_encoding_free(&encoding);
        }
        rmr_tokenizer_close(tokenizer);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_trimmed_offsets),
        cmocka_unit_test(test_single_is_a_pair_s_first),
        cmocka_unit_test(test_texts_of_tokens),
        cmocka_unit_test(test_code_points),
        cmocka_unit_test(test_long_tokens),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_many_windows),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_nothing_is_allocated_once_warm),
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
