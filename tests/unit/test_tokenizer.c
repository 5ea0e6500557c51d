/*
 * test_tokenizer.c - encoding: the reference's tokens on small tokenizers of
 * every option, and what must hold for any text: a cut text keeps the tokens
 * of the whole, nothing is allocated once warm, nothing is quadratic.
 * Expected tokens are the reference's, never Remora's own.
 */
#include <time.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "tokenizer/tokenizer_internal.h"

typedef struct tokenizer_case {
    int config;
    size_t len;
    size_t limit;
    rmr_truncate truncate;
    size_t count;
    const char *text;
} tokenizer_case;

#include "tests/unit/tokenizer_cases.inc"

/* What the tests share: the tokenizers of the cases, opened once. */
static char *directory;
static rmr_tokenizer *tokenizers[LENGTH(configs)];

static rmr_status open_config(rmr_tokenizer **out, size_t index, rmr_error *err)
{
    size_t size = strlen(configs[index]) + sizeof vocabulary;
    char *text = malloc(size);
    assert_non_null(text);
    const char *hole = strstr(configs[index], "%s");
    snprintf(text, size, "%.*s%s%s", (int)(hole - configs[index]),
             configs[index], vocabulary, hole + 2);
    tiny_write_text(directory, "tokenizer.json", text);
    free(text);
    return rmr_tokenizer_open(out, tiny_path(directory, "tokenizer.json"), err);
}

static int open_all(void **state)
{
    rmr_error err = {0};
    (void)state;
    directory = tiny_directory();
    for (size_t i = 0; i < LENGTH(configs); i++)
        expect_ok(open_config(&tokenizers[i], i, &err), &err);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(configs); i++)
        rmr_tokenizer_close(tokenizers[i]);
    tiny_remove_directory(directory);
    return 0;
}

/* Opens a tokenizer.json of a normalizer and hardly more. */
static rmr_tokenizer *open_normalizer(const char *normalizer)
{
    char text[512];
    rmr_tokenizer *tokenizer;
    rmr_error err = {0};
    snprintf(text, sizeof text,
             "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":%s,"
             "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"a\","
             "\"vocab\":{\"a\":0}}}",
             normalizer);
    tiny_write_text(directory, "tokenizer.json", text);
    expect_ok(rmr_tokenizer_open(&tokenizer,
                                 tiny_path(directory, "tokenizer.json"), &err),
              &err);
    return tokenizer;
}

/* ---------------------------------------------------------- the reference's */

static int is_expected(const rmr_token *token, const unsigned *expected)
{
    return token->id == expected[0] && token->start == expected[1] &&
           token->end == expected[2] && token->type_id == expected[3];
}

static void test_reference(void **state)
{
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    const unsigned *expected = numbers;
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const tokenizer_case *c = &cases[i];
        expect_ok(rmr_tokenizer_encode(tokenizers[c->config], c->text, c->len,
                                       c->limit, c->truncate, &encoding, &err),
                  &err);
        int same = encoding.count == c->count;
        for (size_t t = 0; t < c->count && same; t++)
            same = is_expected(&encoding.tokens[t], expected + 4 * t);
        if (!same)
            fail_msg("case %zu, tokenizer %d: %s", i, c->config, c->text);
        expected += 4 * c->count;
    }
    assert_ptr_equal(expected, numbers + LENGTH(numbers));
    rmr_encoding_free(&encoding);
}

#define SEQUENCE(steps) "{\"type\":\"Sequence\",\"normalizers\":[" steps "]}"
#define BERT(lowercase)                                                        \
    "{\"type\":\"BertNormalizer\",\"clean_text\":true,"                        \
    "\"handle_chinese_chars\":true,\"strip_accents\":null,"                    \
    "\"lowercase\":" lowercase "}"
#define STEP(type) "{\"type\":\"" type "\"}"

static void test_lower_casing(void **state)
{
    static const struct {
        const char *normalizer;
        int lowercases;
    } normalizers[] = {
        {"null", 0},
        {STEP("Lowercase"), 1},
        {STEP("NFKD"), 0},
        {BERT("true"), 1},
        {BERT("false"), 0},
        {SEQUENCE(""), 0},
        {SEQUENCE(STEP("Lowercase")), 1},
        {SEQUENCE(STEP("NFD") "," STEP("Lowercase") "," STEP("StripAccents")),
         1},
        {SEQUENCE(STEP("NFD") "," STEP("StripAccents")), 0},
        {SEQUENCE(STEP("NFC") "," BERT("false")), 0},
        {SEQUENCE(STEP("NFC") "," BERT("true")), 1},
        {SEQUENCE(STEP("NFC") "," SEQUENCE(STEP("Lowercase"))), 1},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(normalizers); i++) {
        rmr_tokenizer *tokenizer = open_normalizer(normalizers[i].normalizer);
        if (rmr_tokenizer_lowercases(tokenizer) != normalizers[i].lowercases)
            fail_msg("%s", normalizers[i].normalizer);
        rmr_tokenizer_close(tokenizer);
    }
}

static void test_properties(void **state)
{
    (void)state;
    assert_true(rmr_tokenizer_lowercases(tokenizers[0]));
    assert_false(rmr_tokenizer_lowercases(tokenizers[1]));
    assert_false(rmr_tokenizer_lowercases(tokenizers[5]));
    assert_string_equal(rmr_tokenizer_string(tokenizers[0], 2), "[CLS]");
    assert_string_equal(rmr_tokenizer_string(tokenizers[0], 5), "a");
    uint32_t limit = rmr_tokenizer_id_limit(tokenizers[0]);
    assert_non_null(rmr_tokenizer_string(tokenizers[0], limit - 1));
    assert_null(rmr_tokenizer_string(tokenizers[0], limit));
    assert_null(rmr_tokenizer_string(tokenizers[0], UINT32_MAX));
    assert_string_equal(rmr_tokenizer_string(tokenizers[0], limit - 1), "it");
    assert_null(rmr_tokenizer_string(tokenizers[0], limit - 2));
    /* Tokens that the vocabulary lacks are counted on from its size, also over
     * an entry. */
    assert_string_equal(rmr_tokenizer_string(tokenizers[1], limit - 1), "<x>");
    assert_true(rmr_tokenizer_id_limit(tokenizers[1]) > limit);
    rmr_tokenizer_close(NULL);
    rmr_encoding_free(NULL);
}

/* ---------------------------------------------------------------- truncation
 */

/* A text of `size` bytes in which anything may follow anything. */
static char *make_text(size_t size, uint64_t seed)
{
    static const char *const parts[] = {
        "hello",
        " ",
        "foo",
        "\n",
        "[MASK]",
        "<x>",
        "\xc3\xa9",
        ". ",
        "e",
        "\xcc\x81",
        "\xe5\x8c\x97",
        "_",
        "  ",
        "a",
        "Hello World",
        "\xff",
        "[CLS]",
        "bar,",
        "\xc2\xad",
        "\xe3\x80\x80",
        "ab",
        "\xe1\xad\x84",
    };
    char *text = malloc(size + 16);
    size_t len = 0;
    assert_non_null(text);
    while (len < size) {
        const char *part = parts[tiny_random(&seed) % LENGTH(parts)];
        memcpy(text + len, part, strlen(part));
        len += strlen(part);
    }
    return text;
}

static int same_token(const rmr_token *a, const rmr_token *b)
{
    return a->id == b->id && a->start == b->start && a->end == b->end &&
           a->type_id == b->type_id;
}

/* Compares one cut encoding with the whole one. */
static void check_cut(const rmr_tokenizer *tokenizer, const char *text,
                      size_t len, const rmr_encoding *whole, size_t limit,
                      rmr_truncate truncate, size_t before, size_t after)
{
    rmr_encoding cut = {0};
    rmr_error err = {0};
    expect_ok(
        rmr_tokenizer_encode(tokenizer, text, len, limit, truncate, &cut, &err),
        &err);
    size_t kept = limit < whole->count ? limit : whole->count;
    size_t shift = truncate == RMR_TRUNCATE_START ? whole->count - kept : 0;
    assert_int_equal(cut.count, kept);
    assert_int_equal(cut.truncated, limit < whole->count);
    for (size_t i = 0; i < kept; i++) {
        size_t from = i < before          ? i
                      : i >= kept - after ? i + (whole->count - kept)
                                          : i + shift;
        assert_true(same_token(&cut.tokens[i], &whole->tokens[from]));
    }
    rmr_encoding_free(&cut);
}

static void check_limits(size_t config, size_t before, size_t after,
                         size_t size, uint64_t seed)
{
    static const size_t limits[] = {2, 3, 7, 100, 256, 1000, 5000, 100000};
    const rmr_tokenizer *tokenizer = tokenizers[config];
    rmr_encoding whole = {0}, none = {0};
    rmr_error err = {0};
    char *text = make_text(size, seed);
    expect_ok(rmr_tokenizer_encode(tokenizer, text, size, 0, RMR_TRUNCATE_NONE,
                                   &whole, &err),
              &err);
    assert_false(whole.truncated);
    for (size_t i = 0; i < LENGTH(limits); i++) {
        check_cut(tokenizer, text, size, &whole, limits[i], RMR_TRUNCATE_END,
                  before, after);
        check_cut(tokenizer, text, size, &whole, limits[i], RMR_TRUNCATE_START,
                  before, after);
        rmr_status status = rmr_tokenizer_encode(
            tokenizer, text, size, limits[i], RMR_TRUNCATE_NONE, &none, &err);
        if (limits[i] < whole.count)
            expect_failure(status, &err, RMR_ERR_TOO_LONG, "tokens");
        else
            expect_ok(status, &err);
    }
    rmr_encoding_free(&whole);
    rmr_encoding_free(&none);
    free(text);
}

static void test_cut_text_keeps_tokens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        for (size_t size = 10; size <= 100000; size *= 10) {
            check_limits(0, 1, 1, size, seed);
            check_limits(1, 1, 1, size, seed);
            check_limits(3, 0, 0, size, seed);
            check_limits(6, 1, 1, size / 10, seed);
        }
    }
}

/* Wherever the windows end, `text` has the tokens it has alone: `pad` of them
 * come before, one byte each. */
static void check_shifted(size_t config, const char *text, size_t pad)
{
    char shifted[8192];
    rmr_encoding alone = {0}, whole = {0};
    rmr_error err = {0};
    size_t len = strlen(text);
    memset(shifted, '!', pad);
    memcpy(shifted + pad, text, len);
    expect_ok(rmr_tokenizer_encode(tokenizers[config], text, len, 0,
                                   RMR_TRUNCATE_END, &alone, &err),
              &err);
    expect_ok(rmr_tokenizer_encode(tokenizers[config], shifted, pad + len, 0,
                                   RMR_TRUNCATE_END, &whole, &err),
              &err);
    assert_int_equal(whole.count, alone.count + pad);
    for (size_t i = 1; i < alone.count; i++) {
        const rmr_token *token = &whole.tokens[i + pad];
        int special = i + 1 == alone.count;
        assert_int_equal(token->id, alone.tokens[i].id);
        assert_int_equal(token->start,
                         alone.tokens[i].start + (special ? 0 : pad));
        assert_int_equal(token->end, alone.tokens[i].end + (special ? 0 : pad));
    }
    rmr_encoding_free(&alone);
    rmr_encoding_free(&whole);
}

static void test_window_ends_do_not_show(void **state)
{
    static const char *const texts[] = {
        "-x\xef\xbf\xbd x\xef\xbf\xbd foo",
        "[MASK] [MASK]  hello [MASK]",
        "-<x>   <x>  foo abc foofoo",
        "hello\xcc\x81\xe1\xad\x84 \xe5\x8c\x97 world",
        "-foo\xc3\xa9 \xe5\x8c\x97\xcc\x81",
    };
    enum { WINDOW = 2048, AROUND = 40 };
    (void)state;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        for (size_t pad = WINDOW - AROUND; pad < WINDOW + 4; pad++) {
            check_shifted(0, texts[i], pad);
            check_shifted(1, texts[i], pad);
            check_shifted(2, texts[i], pad);
        }
    }
}

static void test_no_room_for_special_tokens(void **state)
{
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    (void)state;
    expect_failure(rmr_tokenizer_encode(tokenizers[0], "hello", 5, 1,
                                        RMR_TRUNCATE_END, &encoding, &err),
                   &err, RMR_ERR_RANGE, "1", "2", "special");
    assert_int_equal(encoding.count, 0);
    expect_ok(rmr_tokenizer_encode(tokenizers[0], "hello", 5, 2,
                                   RMR_TRUNCATE_END, &encoding, &err),
              &err);
    assert_int_equal(encoding.count, 2);
    assert_true(encoding.truncated);
    expect_ok(rmr_tokenizer_encode(tokenizers[0], "", 0, 2, RMR_TRUNCATE_NONE,
                                   &encoding, &err),
              &err);
    assert_false(encoding.truncated);
    /* Without special tokens one is a limit like any other. */
    expect_ok(rmr_tokenizer_encode(tokenizers[3], "a b", 3, 1,
                                   RMR_TRUNCATE_START, &encoding, &err),
              &err);
    assert_int_equal(encoding.count, 1);
    assert_int_equal(encoding.tokens[0].start, 2);
    rmr_encoding_free(&encoding);
}

/* ------------------------------------------------------------------ cost */

static double seconds_for(size_t config, const char *text, size_t len,
                          size_t limit, rmr_encoding *encoding)
{
    rmr_error err = {0};
    clock_t start = clock();
    expect_ok(rmr_tokenizer_encode(tokenizers[config], text, len, limit,
                                   RMR_TRUNCATE_END, encoding, &err),
              &err);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* `size` bytes of a unit, over and over. */
static char *repeat(const char *unit, size_t size)
{
    char *text = malloc(size + 1);
    size_t len = strlen(unit);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = unit[i % len];
    return text;
}

/* One that is quadratic takes minutes. */
static void test_long_texts_take_linear_time(void **state)
{
    static const char *const units[] = {
        "a",
        "\xcc\x81\xe1\xad\x84", /* marks that are put in order */
        "\xe5\x8c\x97",
        "\x80",
        " ",
        "[MASK] ",
        "\xe3\x80\x80",
        "<",
        "!",
        "foo ",
        "_",
        "ab",
    };
    enum { SIZE = 500000, MOST_SECONDS = 20 };
    rmr_encoding encoding = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(units); i++) {
        char *text = repeat(units[i], SIZE);
        for (size_t config = 0; config < LENGTH(configs); config++) {
            double seconds = seconds_for(config, text, SIZE, 0, &encoding);
            if (seconds > MOST_SECONDS)
                fail_msg("%s with tokenizer %zu: %.1f s", units[i], config,
                         seconds);
        }
        free(text);
    }
    rmr_encoding_free(&encoding);
}

/* Thousands of times more text cost no more when it is cut. */
static void test_cut_text_is_not_read_to_its_end(void **state)
{
    enum { SIZE = 10000000, TIMES = 1000, MOST_SECONDS = 20 };
    static const char *const units[] = {"hello, world. ", "\xe5\x8c\x97",
                                        "foo\xc3\xa9 ", "!"};
    rmr_encoding encoding = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(units); i++) {
        char *text = repeat(units[i], SIZE);
        double seconds = 0;
        for (int n = 0; n < TIMES; n++)
            seconds += seconds_for(0, text, SIZE, 256, &encoding);
        assert_int_equal(encoding.count, 256);
        assert_true(encoding.truncated);
        assert_true(seconds < MOST_SECONDS);
        free(text);
    }
    rmr_encoding_free(&encoding);
}

/* One that cannot be cut is held whole, but not kept. */
static void test_long_word_leaves_no_memory(void **state)
{
    enum { SIZE = 4999998, LEFT = 1 << 22 };
    rmr_encoding encoding = {0};
    char *text = repeat("a\xc3\xa9", SIZE);
    (void)state;
    seconds_for(0, text, SIZE, 256, &encoding);
    assert_int_equal(encoding.count, 3);
    assert_int_equal(encoding.tokens[1].end, SIZE);
    for (int i = 0; i < 3; i++) {
        const rmr_normalized *text = &encoding.scratch->texts[i];
        assert_true(text->capacity < LEFT);
        assert_true(text->origin_capacity < LEFT / 24);
    }
    seconds_for(0, text, 1000, 256, &encoding);
    assert_int_equal(encoding.count, 3);
    rmr_encoding_free(&encoding);
    free(text);
}

#ifdef RMR_FAULT_INJECTION
static void test_nothing_is_allocated_once_warm(void **state)
{
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    char *text = make_text(50000, 3);
    (void)state;
    for (size_t config = 0; config < LENGTH(configs); config++) {
        for (int again = 0; again < 2; again++) {
            rmr_alloc_fail_at(again, 1);
            rmr_status status =
                rmr_tokenizer_encode(tokenizers[config], text, 50000, 0,
                                     RMR_TRUNCATE_END, &encoding, &err);
            rmr_alloc_fail_at(0, 0);
            expect_ok(status, &err);
        }
    }
    rmr_encoding_free(&encoding);
    free(text);
}

/* Every allocation fails in turn, once and for ever, until a clean pass. */
static void test_encoding_without_memory(void **state)
{
    char *text = make_text(3000, 4);
    rmr_error err = {0};
    (void)state;
    for (size_t config = 0; config < LENGTH(configs); config++) {
        for (int forever = 0; forever < 2; forever++) {
            rmr_status status = RMR_ERR_NOMEM;
            for (uint64_t nth = 1; status; nth++) {
                rmr_encoding encoding = {0};
                rmr_alloc_fail_at(nth, forever);
                status =
                    rmr_tokenizer_encode(tokenizers[config], text, 3000, 0,
                                         RMR_TRUNCATE_END, &encoding, &err);
                int failed = rmr_alloc_failed();
                rmr_alloc_fail_at(0, 0);
                assert_int_equal(status, failed ? RMR_ERR_NOMEM : RMR_OK);
                assert_true(!status || !encoding.count);
                assert_true(nth < 1000);
                rmr_encoding_free(&encoding);
            }
        }
    }
    free(text);
}

static void test_opening_without_memory(void **state)
{
    rmr_error err = {0};
    (void)state;
    for (size_t config = 0; config < LENGTH(configs); config++) {
        for (int forever = 0; forever < 2; forever++) {
            rmr_status status = RMR_ERR_NOMEM;
            for (uint64_t nth = 1; status; nth++) {
                rmr_tokenizer *tokenizer;
                rmr_alloc_fail_at(nth, forever);
                status = open_config(&tokenizer, config, &err);
                int failed = rmr_alloc_failed();
                rmr_alloc_fail_at(0, 0);
                assert_int_equal(status, failed ? RMR_ERR_NOMEM : RMR_OK);
                assert_true(!status == (tokenizer != NULL));
                assert_true(nth < 1000);
                rmr_tokenizer_close(tokenizer);
            }
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_lower_casing),
        cmocka_unit_test(test_cut_text_keeps_tokens),
        cmocka_unit_test(test_window_ends_do_not_show),
        cmocka_unit_test(test_no_room_for_special_tokens),
        cmocka_unit_test(test_long_texts_take_linear_time),
        cmocka_unit_test(test_cut_text_is_not_read_to_its_end),
        cmocka_unit_test(test_long_word_leaves_no_memory),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_nothing_is_allocated_once_warm),
        cmocka_unit_test(test_encoding_without_memory),
        cmocka_unit_test(test_opening_without_memory),
#endif
    };
    return cmocka_run_group_tests_name("tokenizer", tests, open_all, close_all);
}
