/*
 * test_postprocessor.c - post-processors that no file should have: huge ones,
 * ones that no text can go through, and memory that runs out while one is
 * opened. What they make of texts is test_tokenizer_pairs' business.
 */
#include "tests/unit/sequence_fixture.h"

#include "common/base/alloc.h"

#define TRIM                                                                   \
    "{\"type\": \"ByteLevel\", \"trim_offsets\": true, "                       \
    "\"add_prefix_space\": true}"
#define TEXT(id) "{\"Sequence\": {\"id\": \"" id "\", \"type_id\": 0}}"
#define TOKEN(id) "{\"SpecialToken\": {\"id\": \"" id "\", \"type_id\": 0}}"
#define TEMPLATE(single, pair)                                                 \
    "{\"type\": \"TemplateProcessing\", \"single\": [" single                  \
    "], \"pair\": [" pair "], \"special_tokens\": {\"x\": {\"id\": \"x\", "    \
    "\"ids\": [1, 2, 1, 2, 1, 2, 1, 2], \"tokens\": [\"\", \"\", \"\", \"\", " \
    "\"\", \"\", \"\", \"\"]}}}"

static rmr_status try_open(const char *post, rmr_tokenizer **out,
                           rmr_error *err)
{
    size_t size = strlen(post) + 1024;
    char *json = malloc(size);
    assert_non_null(json);
    snprintf(json, size, "{\"post_processor\": %s, " WORDS "}", post);
    rmr_status status = sequence_try(out, json, err);
    free(json);
    return status;
}

/* `count` of an element, with commas. */
static char *repeat(const char *element, size_t count)
{
    size_t len = strlen(element), size = count * (len + 1) + 1;
    char *out = malloc(size);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        memcpy(out + i * (len + 1), element, len);
        out[i * (len + 1) + len] = ',';
    }
    out[count ? count * (len + 1) - 1 : 0] = '\0';
    return out;
}

static void expect_many(const char *before, const char *element, size_t count,
                        const char *after, rmr_status expected,
                        const char *word)
{
    char *all = repeat(element, count);
    size_t size = strlen(before) + strlen(all) + strlen(after) + 1;
    char *post = malloc(size);
    rmr_tokenizer *tokenizer;
    rmr_error err = {0};
    assert_non_null(post);
    snprintf(post, size, "%s%s%s", before, all, after);
    rmr_status status = try_open(post, &tokenizer, &err);
    if (expected)
        expect_failure(status, &err, expected, "post_processor", word);
    else
        expect_ok(status, &err);
    rmr_tokenizer_close(tokenizer);
    free(post);
    free(all);
}

static void test_huge(void **state)
{
    static const char start[] =
        "{\"type\": \"TemplateProcessing\", \"special_tokens\": {\"x\": "
        "{\"id\": \"x\", \"ids\": [1], \"tokens\": [\"\"]}}, \"pair\": [], "
        "\"single\": [";
    static const char sequence[] = "{\"type\": \"Sequence\", \"processors\": [";
    (void)state;
    expect_many(start, TOKEN("x"), 1024, "]}", RMR_OK, "");
    expect_many(start, TOKEN("x"), 1025, "]}", RMR_ERR_UNSUPPORTED, "1024");
    expect_many(start, TEXT("A"), 1025, "]}", RMR_ERR_UNSUPPORTED, "1024");
    expect_many(sequence, BERT, 341, "]}", RMR_OK, "");
    expect_many(sequence, BERT, 1000, "]}", RMR_ERR_UNSUPPORTED, "1024");
    expect_many(sequence, TRIM, 4, "]}", RMR_OK, "");
    expect_many(sequence, TRIM, 5, "]}", RMR_ERR_UNSUPPORTED, "4 times");
    expect_many(TEMPLATE("", ""), "", 0, "", RMR_OK, "");
}

/* A template of a template, where the first has made too many pieces. */
static void test_what_no_text_goes_through(void **state)
{
    rmr_tokenizer *tokenizer;
    rmr_error err = {0};
    rmr_encoding encoding = {0};
    const rmr_text text = text_from("a");
    const rmr_tokenize_options options = {0};
    (void)state;
    expect_failure(
        try_open("{\"type\": \"Sequence\", \"processors\": [" TEMPLATE(
                     TOKEN("x") ", " TEXT("A") ", " TOKEN("x"),
                     "") ", " TEMPLATE("", "") "]}",
                 &tokenizer, &err),
        &err, RMR_ERR_UNSUPPORTED, "post_processor", "one or two pieces");
    assert_null(tokenizer);
    /* For pairs alone. */
    expect_ok(try_open("{\"type\": \"Sequence\", \"processors\": [" TEMPLATE(
                           TEXT("A"), TEXT("A") ", " TOKEN("x") ", " TEXT(
                                          "B")) ", " TEMPLATE(TEXT("A"),
                                                              TEXT("A")) "]}",
                       &tokenizer, &err),
              &err);
    expect_ok(rmr_tokenizer_encode_pair(tokenizer, text, NULL, &options,
                                        &encoding, &err),
              &err);
    assert_int_equal(encoding.count, 1);
    expect_failure(rmr_tokenizer_encode_pair(tokenizer, text, &text, &options,
                                             &encoding, &err),
                   &err, RMR_ERR_UNSUPPORTED, "post-processor", "pieces");
    assert_int_equal(encoding.count, 0);
    rmr_encoding_free(&encoding);
    rmr_tokenizer_close(tokenizer);
}

/* The engine may trust that a limit is kept, whatever a file says. */
static void test_limit_is_kept(void **state)
{
    rmr_tokenizer *tokenizer;
    rmr_encoding encoding = {0};
    rmr_error err = {0};
    (void)state;
    expect_ok(
        try_open(TEMPLATE(TEXT("A") ", " TEXT("A"), ""), &tokenizer, &err),
        &err);
    expect_ok(rmr_tokenizer_encode(tokenizer, "ab", 2, 4, RMR_TRUNCATE_END,
                                   &encoding, &err),
              &err);
    assert_int_equal(encoding.count, 4);
    expect_failure(rmr_tokenizer_encode(tokenizer, "ab", 2, 3, RMR_TRUNCATE_END,
                                        &encoding, &err),
                   &err, RMR_ERR_RANGE, "more tokens");
    assert_int_equal(encoding.count, 0);
    rmr_encoding_free(&encoding);
    rmr_tokenizer_close(tokenizer);
}

#ifdef RMR_FAULT_INJECTION
static void test_out_of_memory(void **state)
{
    static const char json[] =
        "{\"post_processor\": {\"type\": \"Sequence\", \"processors\": [" BERT
        ", " TRIM ", " TEMPLATE(TOKEN("x") ", " TEXT("A"),
                                TEXT("B") ", " TEXT("A")) "]}, " WORDS "}";
    char *directory = tiny_directory();
    tiny_write_text(directory, "tokenizer.json", json);
    char *path = strdup(tiny_path(directory, "tokenizer.json"));
    int failed = 1;
    (void)state;
    for (uint64_t nth = 1; failed; nth++) {
        rmr_tokenizer *tokenizer;
        rmr_error err = {0};
        rmr_alloc_fail_at(nth, 0);
        rmr_status status = rmr_tokenizer_open(&tokenizer, path, &err);
        failed = rmr_alloc_failed();
        rmr_alloc_fail_at(0, 0);
        assert_true(!status || (failed && status == RMR_ERR_NOMEM));
        rmr_tokenizer_close(tokenizer);
    }
    free(path);
    tiny_remove_directory(directory);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_what_no_text_goes_through),
        cmocka_unit_test(test_limit_is_kept),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
