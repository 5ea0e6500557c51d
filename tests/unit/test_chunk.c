/*
 * test_chunk.c - texts in chunks: where they are cut, and what holds of every
 * text: chunks cover it but for white space, in order, each within the limit
 * when tokenized alone, in linear time.
 */
#include <time.h>

#include "tests/unit/sequence_fixture.h"

#include "common/base/alloc.h"

#define CUT "{\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, "
static const char words_json[] = CUT "\"post_processor\": " BERT ", " WORDS "}";
/* White space is in tokens, and a chunk alone has other tokens than there. */
static const char spaces_json[] =
    "{\"pre_tokenizer\": null, \"post_processor\": " BERT ", " WORDS "}";

/* ------------------------------------------------------------------- where */

static void test_boundaries(void **state)
{
    static const struct {
        const char *text;
        uint32_t max_tokens;
        uint32_t overlap;
        rmr_boundary boundary;
        const char *chunks; /* joined by | */
    } cases[] = {
        {"", 5, 0, RMR_BOUNDARY_SENTENCE, ""},
        {" \n\t ", 5, 0, RMR_BOUNDARY_SENTENCE, ""},
        {" a b. ", 9, 0, RMR_BOUNDARY_SENTENCE, "a b."},
        {"a b. c! a b", 5, 0, RMR_BOUNDARY_SENTENCE, "a b.|c!|a b"},
        {"a b. c! a b", 7, 0, RMR_BOUNDARY_SENTENCE, "a b. c!|a b"},
        {"a.b c a", 5, 0, RMR_BOUNDARY_SENTENCE, "a.b|c a"},
        {"a b.\" c.", 6, 0, RMR_BOUNDARY_SENTENCE, "a b.\"|c."},
        {"a b.) c.", 6, 0, RMR_BOUNDARY_SENTENCE, "a b.)|c."},
        {"a\xE3\x80\x82"
         "b c",
         5, 0, RMR_BOUNDARY_SENTENCE, "a\xE3\x80\x82|b c"},
        {"a b\n\nc a b", 6, 0, RMR_BOUNDARY_SENTENCE, "a b|c a b"},
        {"a b\nc a b", 6, 0, RMR_BOUNDARY_SENTENCE, "a b\nc a|b"},
        {"a b c a. b", 5, 0, RMR_BOUNDARY_SENTENCE, "a b c|a. b"},
        {"a b. c a b", 5, 0, RMR_BOUNDARY_WORD, "a b.|c a b"},
        {"aaaa b", 4, 0, RMR_BOUNDARY_WORD, "aa|aa|b"},
        {"a.b.c", 5, 0, RMR_BOUNDARY_TOKEN, "a.b|.c"},
        {"a b c a b", 5, 1, RMR_BOUNDARY_WORD, "a b c|c a b"},
        {"a b c a b", 5, 2, RMR_BOUNDARY_WORD, "a b c|b c a|c a b"},
        {"a. b. c. a.", 6, 2, RMR_BOUNDARY_SENTENCE, "a. b.|b. c.|c. a."},
        {"a. b. c. a.", 6, 1, RMR_BOUNDARY_SENTENCE, "a. b.|c. a."},
        {"a. b c a. b", 6, 2, RMR_BOUNDARY_SENTENCE, "a.|b c a.|b"},
        {"a. b. c a b.", 6, 2, RMR_BOUNDARY_SENTENCE, "a. b.|c a b."},
        {"a.\xE2\x80\x9C b c", 6, 0, RMR_BOUNDARY_SENTENCE,
         "a.\xE2\x80\x9C|b c"},
    };
    rmr_tokenizer *tokenizer = sequence_open(words_json);
    rmr_chunking c = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const rmr_chunk_options options = {.max_tokens = cases[i].max_tokens,
                                           .overlap = cases[i].overlap,
                                           .boundary = cases[i].boundary};
        rmr_error err = {0};
        char found[256] = "";
        expect_ok(rmr_tokenizer_chunk(tokenizer, text_from(cases[i].text),
                                      &options, &c, &err),
                  &err);
        for (size_t k = 0; k < c.count; k++) {
            if (k)
                strcat(found, "|");
            strncat(found, cases[i].text + c.chunks[k].start,
                    c.chunks[k].end - c.chunks[k].start);
        }
        if (strcmp(found, cases[i].chunks))
            print_error("%s\n", cases[i].text);
        assert_string_equal(found, cases[i].chunks);
    }
    rmr_chunking_free(&c);
    rmr_chunking_free(NULL);
    rmr_tokenizer_close(tokenizer);
}

/* ------------------------------------------------------------ of every text
 */

static int is_blank(const char *text, size_t from, size_t to)
{
    for (; from < to; from++) {
        if (!memchr(" \n\t", text[from], 3))
            return 0;
    }
    return 1;
}

static void check_chunks(const rmr_tokenizer *tokenizer, const char *text,
                         size_t len, size_t max_tokens, const rmr_chunking *c)
{
    static rmr_encoding alone;
    rmr_error err = {0};
    size_t start = 0, end = 0;
    for (size_t i = 0; i < c->count; i++) {
        const rmr_chunk *chunk = &c->chunks[i];
        assert_true(chunk->start < chunk->end && chunk->end <= len);
        assert_true(!i || chunk->start > start);
        assert_true(chunk->end > end);
        assert_true(chunk->start <= end || is_blank(text, end, chunk->start));
        assert_false(is_blank(text, chunk->start, chunk->start + 1));
        assert_false(is_blank(text, chunk->end - 1, chunk->end));
        expect_ok(rmr_tokenizer_encode(tokenizer, text + chunk->start,
                                       chunk->end - chunk->start, 0,
                                       RMR_TRUNCATE_END, &alone, &err),
                  &err);
        assert_int_equal(alone.count, chunk->tokens);
        assert_true(chunk->tokens <= max_tokens);
        start = chunk->start;
        end = chunk->end;
    }
    assert_true(is_blank(text, end, len));
    rmr_encoding_free(&alone);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void test_random_texts(void **state)
{
    static const char *const parts[] = {
        "a",  "b",  " ",  "  ", ".",    "!",    "\n\n", "\"",   "\xE3\x80\x82",
        "aa", "ab", "\t", "c",  "\xFF", "\xE3", "zz",   "a b c"};
    const char *const jsons[] = {words_json, spaces_json};
    rmr_chunking c = {0};
    uint32_t seed = 1;
    (void)state;
    for (size_t j = 0; j < LENGTH(jsons); j++) {
        rmr_tokenizer *tokenizer = sequence_open(jsons[j]);
        for (int round = 0; round < 4000; round++) {
            char text[128] = "";
            size_t count = next_random(&seed) % 24;
            for (size_t i = 0; i < count; i++)
                strcat(text,
                       parts[next_random(&seed) % (j ? 4 : LENGTH(parts))]);
            rmr_chunk_options options = {.boundary = round % 3};
            options.max_tokens = 3 + next_random(&seed) % 8;
            options.overlap = next_random(&seed) % (options.max_tokens - 2);
            rmr_error err = {0};
            rmr_status status = rmr_tokenizer_chunk(tokenizer, text_from(text),
                                                    &options, &c, &err);
            expect_ok(status, &err);
            check_chunks(tokenizer, text, strlen(text), options.max_tokens, &c);
        }
        rmr_tokenizer_close(tokenizer);
    }
    rmr_chunking_free(&c);
}

/* -------------------------------------------------------------- what cannot
 */

static void test_refusals(void **state)
{
    rmr_tokenizer *tokenizer = sequence_open(words_json);
    rmr_chunking c = {0};
    rmr_error err = {0};
    (void)state;
#define FAILS(word, ...)                                                       \
    expect_failure(rmr_tokenizer_chunk(tokenizer, text_from("a b c"),          \
                                       &(rmr_chunk_options){__VA_ARGS__}, &c,  \
                                       &err),                                  \
                   &err, RMR_ERR_RANGE, word)
    FAILS("no room", .max_tokens = 0);
    FAILS("no room", .max_tokens = 2);
    FAILS("an overlap of 3", .max_tokens = 5, .overlap = 3);
    FAILS("an overlap of 4294967295", .max_tokens = 5, .overlap = UINT32_MAX);
    rmr_tokenizer_close(tokenizer);
    /* "\xE5" becomes three tokens in normal form, and more do not fit. */
    tokenizer = sequence_open(
        "{\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": "
        "[{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"Sequence\": "
        "{\"id\": \"A\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": "
        "{}}, " WORDS "}");
    FAILS("one character", .max_tokens = 1);
#undef FAILS
    rmr_chunking_free(&c);
    rmr_tokenizer_close(tokenizer);
}

/* ---------------------------------------------------------------------- time
 */

static double seconds_for(const rmr_tokenizer *tokenizer, const char *part,
                          size_t len, rmr_chunking *c)
{
    struct timespec from, to;
    const rmr_chunk_options options = {.max_tokens = 64, .overlap = 20};
    rmr_error err = {0};
    char *text = malloc(len);
    size_t size = strlen(part);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = part[i % size];
    clock_gettime(CLOCK_MONOTONIC, &from);
    expect_ok(rmr_tokenizer_chunk(tokenizer, (rmr_text){text, len}, &options, c,
                                  &err),
              &err);
    clock_gettime(CLOCK_MONOTONIC, &to);
    free(text);
    return (double)(to.tv_sec - from.tv_sec) +
           1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

static void test_linear_time(void **state)
{
    static const char *const texts[] = {
        "a b c. ",          " ",    ".",  "a", "a\n\n", "\xE3\x80\x82",
        "a a a a a a a a ", "\xFF", "\"", ". "};
    rmr_tokenizer *tokenizer = sequence_open(words_json);
    rmr_chunking c = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        double small = seconds_for(tokenizer, texts[i], 1 << 15, &c);
        double large = seconds_for(tokenizer, texts[i], 1 << 19, &c);
        if (large > 0.5 && large > 64 * small)
            fail_msg("%zu: %g s, %g s", i, small, large);
    }
    rmr_chunking_free(&c);
    rmr_tokenizer_close(tokenizer);
}

/* ------------------------------------------------------------------- memory
 */

#ifdef RMR_FAULT_INJECTION
static void test_out_of_memory(void **state)
{
    rmr_tokenizer *tokenizer = sequence_open(words_json);
    const rmr_chunk_options options = {.max_tokens = 5, .overlap = 1};
    const rmr_text text = text_from("a b c. a b! c a b c a b c.");
    rmr_status status = RMR_ERR_NOMEM;
    rmr_error err = {0};
    rmr_chunking c = {0};
    (void)state;
    for (uint64_t nth = 1; status; nth++) {
        rmr_chunking_free(&c);
        rmr_alloc_fail_at(nth, 0);
        status = rmr_tokenizer_chunk(tokenizer, text, &options, &c, &err);
        int failed = rmr_alloc_failed();
        rmr_alloc_fail_at(0, 0);
        assert_int_equal(status, failed ? RMR_ERR_NOMEM : RMR_OK);
        assert_true(!status || !c.count);
    }
    for (int round = 0; round < 3; round++)
        expect_ok(rmr_tokenizer_chunk(tokenizer, text, &options, &c, &err),
                  &err);
    rmr_alloc_fail_at(1, 1); /* all is there now */
    status = rmr_tokenizer_chunk(tokenizer, text, &options, &c, &err);
    rmr_alloc_fail_at(0, 0);
    expect_ok(status, &err);
    rmr_chunking_free(&c);
    rmr_tokenizer_close(tokenizer);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_linear_time),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
