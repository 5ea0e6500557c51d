/*
 * test_base.c - errors, allocation, and fields out of JSON, as hostile files
 * give them. It must never accept an error that does not name what is wrong.
 */
#include <errno.h>

#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "common/base/json.h"

/* ------------------------------------------------------------------ errors */

static void test_fail_fills_and_returns(void **state)
{
    (void)state;
    rmr_error err;
    memset(&err, 0x7f, sizeof err);
    rmr_status status = rmr_fail(&err, RMR_ERR_RANGE, "%s is %d", "x", 7);
    assert_int_equal(status, RMR_ERR_RANGE);
    assert_int_equal(err.status, RMR_ERR_RANGE);
    assert_string_equal(err.message, "x is 7");
    assert_int_equal(rmr_fail(NULL, RMR_ERR_IO, "x"), RMR_ERR_IO);
}

static void test_fail_replaces_control_characters(void **state)
{
    (void)state;
    rmr_error err;
    for (int c = 1; c < 256; c++) {
        char text[] = {'<', (char)c, '>', '\0'};
        rmr_fail(&err, RMR_ERR_IO, "%s", text);
        if (c < 0x20 || c == 0x7f)
            assert_string_equal(err.message, "<?>");
        else
            assert_string_equal(err.message, text);
    }
    /* The controls above U+007F, of which one starts a terminal sequence. */
    rmr_fail(&err, RMR_ERR_IO,
             "a\xc2\x9b\x31mb\xc2\x80\xc2\x9f\xc2\xa0\xc3\x9b");
    assert_string_equal(err.message, "a??\x31mb????\xc2\xa0\xc3\x9b");
}

/* A message that is cut must not end inside a character. */
static void test_fail_cuts_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac",
                                             "\xf0\x9f\x90\x9f"};
    rmr_error err;
    for (size_t c = 0; c < LENGTH(characters); c++) {
        size_t width = strlen(characters[c]);
        for (size_t lead = 0; lead < 8; lead++) {
            char text[1024];
            size_t len = lead;
            memset(text, 'a', lead);
            while (len + width < sizeof text) {
                memcpy(text + len, characters[c], width);
                len += width;
            }
            text[len] = '\0';
            rmr_fail(&err, RMR_ERR_IO, "%s", text);
            size_t kept = strlen(err.message);
            assert_in_range(kept, sizeof err.message - width,
                            sizeof err.message - 1);
            assert_int_equal((kept - lead) % width, 0);
            assert_memory_equal(err.message, text, kept);
        }
    }
}

static void test_status_names(void **state)
{
    (void)state;
    for (int a = RMR_OK; a >= RMR_ERR_DEVICE; a--) {
        assert_string_not_equal(rmr_status_name(a), "unknown status");
        for (int b = RMR_OK; b > a; b--)
            assert_string_not_equal(rmr_status_name(a), rmr_status_name(b));
    }
    assert_string_equal(rmr_status_name(1), "unknown status");
    assert_string_equal(rmr_status_name(RMR_ERR_DEVICE - 1), "unknown status");
    int major, minor, patch, end = 0;
    assert_int_equal(
        sscanf(rmr_version(), "%d.%d.%d%n", &major, &minor, &patch, &end), 3);
    assert_int_equal(rmr_version()[end], 0);
}

/* -------------------------------------------------------------- allocation */

#ifdef __SANITIZE_ADDRESS__
/* An absurd size is NULL, as without the sanitizer, not the end. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

static void test_checked_arithmetic(void **state)
{
    (void)state;
    size_t out = 0;
    assert_true(rmr_add_size(SIZE_MAX - 1, 1, &out));
    assert_int_equal(out, SIZE_MAX);
    assert_false(rmr_add_size(SIZE_MAX, 1, &out));
    assert_true(rmr_mul_size(SIZE_MAX / 2, 2, &out));
    assert_int_equal(out, SIZE_MAX - 1);
    assert_false(rmr_mul_size(SIZE_MAX / 2 + 1, 2, &out));
    assert_true(rmr_mul_size(0, SIZE_MAX, &out));
    assert_int_equal(out, 0);
}

static void test_sizes_that_overflow_are_out_of_memory(void **state)
{
    (void)state;
    size_t capacity = 4;
    int *block = rmr_malloc_array(4, sizeof *block);
    assert_non_null(block);
    block[3] = 99;
    assert_null(rmr_malloc_array(SIZE_MAX / 4 + 1, 4));
    assert_null(rmr_malloc_aligned(SIZE_MAX));
    assert_null(rmr_malloc_aligned(SIZE_MAX - 62));
    assert_null(rmr_strndup("x", SIZE_MAX));
    assert_null(rmr_grow(block, &capacity, SIZE_MAX / 2, sizeof *block));
    assert_null(rmr_grow(block, &capacity, SIZE_MAX, 1));
    assert_int_equal(capacity, 4);
    assert_int_equal(block[3], 99);
    capacity = SIZE_MAX / 2 + 1;
    assert_null(rmr_grow(block, &capacity, SIZE_MAX, 1));
    rmr_free(block);
}

static void test_nothing_can_be_freed(void **state)
{
    (void)state;
    void *blocks[] = {rmr_malloc(0),           rmr_calloc(0, 0),
                      rmr_calloc(0, 8),        rmr_calloc(8, 0),
                      rmr_malloc_array(0, 16), rmr_malloc_aligned(0),
                      rmr_realloc(NULL, 0),    rmr_strndup(NULL, 0)};
    for (size_t i = 0; i < LENGTH(blocks); i++) {
        assert_non_null(blocks[i]);
        rmr_free(blocks[i]);
    }
    rmr_free(NULL);
}

static void test_aligned_blocks_hold_what_was_asked(void **state)
{
    (void)state;
    for (size_t size = 0; size < 200; size++) {
        unsigned char *block = rmr_malloc_aligned(size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        memset(block, 0xff, size);
        rmr_free(block);
    }
}

static void test_strndup(void **state)
{
    (void)state;
    char *copy = rmr_strndup("ab\0cd", 4);
    assert_memory_equal(copy, "ab\0c", 5);
    rmr_free(copy);
}

static void test_grow_keeps_and_doubles(void **state)
{
    (void)state;
    uint32_t *block = NULL;
    size_t capacity = 0, moves = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        size_t before = capacity;
        block = rmr_grow(block, &capacity, i + 1, sizeof *block);
        assert_non_null(block);
        assert_true(capacity >= i + 1);
        moves += capacity != before;
        assert_true(before == capacity || capacity >= 2 * before);
        block[i] = i;
    }
    assert_true(moves <= 14);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(block[i], i);
    rmr_free(block);
    /* Nothing needed is still a block. */
    capacity = 0;
    block = rmr_grow(NULL, &capacity, 0, sizeof *block);
    assert_non_null(block);
    rmr_free(block);
}

#ifdef RMR_FAULT_INJECTION
static int allocate_all(unsigned failures)
{
    size_t capacity = 0;
    void *blocks[] = {rmr_malloc(1),
                      rmr_calloc(1, 1),
                      rmr_realloc(NULL, 1),
                      rmr_malloc_array(1, 1),
                      rmr_malloc_aligned(1),
                      rmr_strndup("x", 1),
                      rmr_grow(NULL, &capacity, 1, 1)};
    unsigned failed = 0;
    for (size_t i = 0; i < LENGTH(blocks); i++) {
        failed |= (unsigned)!blocks[i] << i;
        rmr_free(blocks[i]);
    }
    return failed == failures;
}

static void test_any_allocation_can_be_made_to_fail(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 7; n++) {
        rmr_alloc_fail_at(n, 0);
        assert_false(rmr_alloc_failed());
        assert_true(allocate_all(1u << (n - 1)));
        assert_true(rmr_alloc_failed());
        assert_true(allocate_all(0));
        rmr_alloc_fail_at(n, 1);
        assert_true(allocate_all(0x7fu & ~((1u << (n - 1)) - 1)));
        assert_true(allocate_all(0x7f));
        rmr_alloc_fail_at(0, 0);
        assert_true(allocate_all(0));
        assert_false(rmr_alloc_failed());
    }
}
#endif

/* -------------------------------------------------------------------- JSON */

static rmr_status load(json_t **root, const char *text, rmr_error *err)
{
    return rmr_json_load(root, text, strlen(text), "body", err);
}

static void test_json_says_where_it_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason, *where;
    } bad[] = {
        {"", "ends too early", "line 1"},
        {" \n ", "ends too early", "line 2"},
        {"{\"a\": secret}", "the syntax is wrong", "line 1"},
        {"{\n\"a\": [1,\n2", "ends too early", "line 3"},
        {"{} secret", "text after its end", "line 1"},
        {"{\"a\":1}{", "text after its end", "line 1"},
        {"{\"secret\xff\": 1}", "not UTF-8", "line 1, column 8"},
        {"[\"\xc3\x28\"]", "not UTF-8", "line 1"},
        {"[\"\xed\xa0\x80\"]", "not UTF-8", "line 1"},
        {"[\"\xf4\x90\x80\x80\"]", "not UTF-8", "line 1"},
        {"[\"\xc0\xaf\"]", "not UTF-8", "line 1"},
        {"[1e999]", "too large", "line 1"},
        {"{\"secret\\u0000\": 1}", "a key holds a NUL", "line 1"},
        {"[\"\\ud800\"]", "syntax", "line 1"},
        {"[NaN]", "syntax", "line 1"},
        {"[01]", "syntax", "line 1"},
        {"[\"tab\there\"]", "syntax", "line 1"},
        {"{'a': 1}", "syntax", "line 1"},
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        rmr_error err = {0};
        json_t *root = (json_t *)state;
        rmr_status status = load(&root, bad[i].text, &err);
        assert_null(root);
        assert_null(strstr(err.message, "secret"));
        expect_failure(status, &err, RMR_ERR_FORMAT, "body is not valid JSON",
                       bad[i].reason, bad[i].where);
    }
    json_t *root = NULL;
    rmr_error err = {0};
    expect_failure(rmr_json_load(&root, NULL, 0, "body", &err), &err,
                   RMR_ERR_FORMAT, "ends too early");
    assert_int_equal(rmr_json_load(&root, "[", 1, "body", NULL),
                     RMR_ERR_FORMAT);
}

static void test_json_nested_too_deeply(void **state)
{
    (void)state;
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    rmr_error err = {0};
    json_t *root = NULL;
    expect_failure(rmr_json_load(&root, deep, sizeof deep, "body", &err), &err,
                   RMR_ERR_FORMAT, "nested too deeply");
}

static void test_json_reads_no_further_than_len(void **state)
{
    (void)state;
    rmr_error err = {0};
    json_t *root = NULL;
    expect_ok(rmr_json_load(&root, "[1]garbage", 3, "body", &err), &err);
    assert_int_equal(json_array_size(root), 1);
    json_decref(root);
    /* A NUL between values is not an end. */
    expect_failure(rmr_json_load(&root, "[1]\0", 4, "body", &err), &err,
                   RMR_ERR_FORMAT, "after its end");
    expect_ok(rmr_json_load(&root, "[\"a\\u0000b\"]", 12, "body", &err), &err);
    assert_int_equal(json_string_length(json_array_get(root, 0)), 3);
    json_decref(root);
}

static void test_json_get_int(void **state)
{
    (void)state;
    rmr_error err = {0};
    json_t *root = NULL;
    int64_t value = 0;
    expect_ok(load(&root,
                   "{\"two\":2,\"null\":null,\"half\":0.5,\"one\":1.0,"
                   "\"text\":\"2\",\"yes\":true,\"list\":[2],"
                   "\"min\":-9223372036854775808,"
                   "\"max\":9223372036854775807}",
                   &err),
              &err);
    rmr_json_source s = {root, "config.json"};
#define GET(field, min, max, fallback)                                         \
    rmr_json_get_int(s, field, min, max, fallback, &value, &err)
    expect_ok(GET("two", 2, 2, 9), &err);
    assert_int_equal(value, 2);
    expect_ok(GET("absent", 1, 2, 9), &err);
    assert_int_equal(value, 9);
    expect_ok(GET("null", 1, 2, -3), &err);
    assert_int_equal(value, -3);
    expect_ok(GET("max", 0, INT64_MAX, 0), &err);
    assert_true(value == INT64_MAX);
    expect_ok(GET("min", INT64_MIN, 0, 0), &err);
    assert_true(value == INT64_MIN);
    value = 77;
    expect_failure(GET("absent", 1, 2, RMR_JSON_REQUIRED), &err, RMR_ERR_FORMAT,
                   "config.json", "\"absent\"");
    expect_failure(GET("null", 1, 2, RMR_JSON_REQUIRED), &err, RMR_ERR_FORMAT,
                   "config.json", "\"null\"");
    expect_failure(GET("two", 3, 4, 9), &err, RMR_ERR_RANGE, "config.json",
                   "\"two\"", "from 3 to 4", "not 2");
    expect_failure(GET("two", -1, 1, 9), &err, RMR_ERR_RANGE, "from -1 to 1");
    static const char *const wrong[][2] = {{"half", "a fraction"},
                                           {"one", "a fraction"},
                                           {"text", "a string"},
                                           {"yes", "a boolean"},
                                           {"list", "an array"}};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        expect_failure(GET(wrong[i][0], 0, 9, 9), &err, RMR_ERR_FORMAT,
                       "whole number", wrong[i][0], wrong[i][1]);
    }
    assert_int_equal(value, 77);
#undef GET
    json_decref(root);
}

static void test_json_get_number(void **state)
{
    (void)state;
    rmr_error err = {0};
    json_t *root = NULL;
    double value = 0;
    expect_ok(load(&root,
                   "{\"two\":2,\"half\":0.5,\"tiny\":1e-400,\"null\":null,"
                   "\"text\":\"x\",\"object\":{}}",
                   &err),
              &err);
    rmr_json_source s = {root, "config.json"};
#define GET(field, fallback)                                                   \
    rmr_json_get_number(s, field, fallback, &value, &err)
    expect_ok(GET("two", 0), &err);
    assert_true(value == 2);
    expect_ok(GET("half", 0), &err);
    assert_true(value == 0.5);
    expect_ok(GET("tiny", 1), &err);
    assert_true(value == 0);
    expect_ok(GET("absent", 0.25), &err);
    assert_true(value == 0.25);
    expect_ok(GET("null", -1), &err);
    assert_true(value == -1);
    expect_failure(GET("absent", __builtin_nan("")), &err, RMR_ERR_FORMAT,
                   "config.json", "\"absent\"");
    expect_failure(GET("text", 0), &err, RMR_ERR_FORMAT, "\"text\"", "a number",
                   "a string");
    expect_failure(GET("object", 0), &err, RMR_ERR_FORMAT, "an object");
#undef GET
    json_decref(root);
}

static void test_json_get_bool(void **state)
{
    (void)state;
    rmr_error err = {0};
    json_t *root = NULL;
    int value = 5;
    expect_ok(load(&root, "{\"yes\":true,\"no\":false,\"null\":null,\"one\":1}",
                   &err),
              &err);
    rmr_json_source s = {root, "config.json"};
    expect_ok(rmr_json_get_bool(s, "yes", 0, &value, &err), &err);
    assert_int_equal(value, 1);
    expect_ok(rmr_json_get_bool(s, "no", 1, &value, &err), &err);
    assert_int_equal(value, 0);
    expect_ok(rmr_json_get_bool(s, "null", 1, &value, &err), &err);
    assert_int_equal(value, 1);
    expect_ok(rmr_json_get_bool(s, "absent", 0, &value, &err), &err);
    assert_int_equal(value, 0);
    expect_failure(rmr_json_get_bool(s, "one", 0, &value, &err), &err,
                   RMR_ERR_FORMAT, "config.json", "\"one\"", "true or false",
                   "a whole number");
    json_decref(root);
}

static void test_json_get_string(void **state)
{
    (void)state;
    rmr_error err = {0};
    json_t *root = NULL;
    const char *value = NULL;
    expect_ok(load(&root,
                   "{\"a\":\"x\",\"empty\":\"\",\"null\":null,\"one\":1,"
                   "\"nul\":\"secret\\u0000\"}",
                   &err),
              &err);
    rmr_json_source s = {root, "config.json"};
#define GET(field, fallback)                                                   \
    rmr_json_get_string(s, field, fallback, &value, &err)
    expect_ok(GET("a", NULL), &err);
    assert_string_equal(value, "x");
    expect_ok(GET("empty", "y"), &err);
    assert_string_equal(value, "");
    expect_ok(GET("null", "y"), &err);
    assert_string_equal(value, "y");
    expect_ok(GET("absent", "z"), &err);
    assert_string_equal(value, "z");
    expect_failure(GET("absent", NULL), &err, RMR_ERR_FORMAT, "config.json",
                   "\"absent\"");
    expect_failure(GET("null", NULL), &err, RMR_ERR_FORMAT, "\"null\"");
    expect_failure(GET("one", NULL), &err, RMR_ERR_FORMAT, "\"one\"",
                   "a string", "a whole number");
    rmr_status status = GET("nul", NULL);
    assert_null(strstr(err.message, "secret"));
    expect_failure(status, &err, RMR_ERR_FORMAT, "\"nul\"", "NUL");
#undef GET
    json_decref(root);
}

/* What is not an object has no fields; nothing reads beyond it. */
static void test_json_get_from_no_object(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "1", "\"x\"", "null", "true"};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        rmr_error err = {0};
        const char *string;
        int64_t number;
        json_t *root = NULL;
        root = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_non_null(root);
        rmr_json_source s = {root, "config.json"};
        expect_failure(rmr_json_get_string(s, "a", NULL, &string, &err), &err,
                       RMR_ERR_FORMAT, "config.json has no \"a\"");
        expect_failure(
            rmr_json_get_int(s, "a", 0, 1, RMR_JSON_REQUIRED, &number, &err),
            &err, RMR_ERR_FORMAT, "config.json has no \"a\"");
        json_decref(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_fills_and_returns),
        cmocka_unit_test(test_fail_replaces_control_characters),
        cmocka_unit_test(test_fail_cuts_between_characters),
        cmocka_unit_test(test_status_names),
        cmocka_unit_test(test_checked_arithmetic),
        cmocka_unit_test(test_sizes_that_overflow_are_out_of_memory),
        cmocka_unit_test(test_nothing_can_be_freed),
        cmocka_unit_test(test_aligned_blocks_hold_what_was_asked),
        cmocka_unit_test(test_strndup),
        cmocka_unit_test(test_grow_keeps_and_doubles),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_any_allocation_can_be_made_to_fail),
#endif
        cmocka_unit_test(test_json_says_where_it_is_wrong),
        cmocka_unit_test(test_json_nested_too_deeply),
        cmocka_unit_test(test_json_reads_no_further_than_len),
        cmocka_unit_test(test_json_get_int),
        cmocka_unit_test(test_json_get_number),
        cmocka_unit_test(test_json_get_bool),
        cmocka_unit_test(test_json_get_string),
        cmocka_unit_test(test_json_get_from_no_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
