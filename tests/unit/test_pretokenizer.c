/*
 * test_pretokenizer.c - every pre-tokenizer by itself: the reference's words
 * and what each stands for, what is refused and what is said about it, texts
 * that are cut, words as bytes, scanners against regular expressions, long
 * words, memory that runs out. Expected words are the reference's, never
 * Remora's own.
 */
#include <time.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "tokenizer/pretokenizer/pretokenizer.h"

typedef struct pre_tokenizer_case {
    size_t pre_tokenizer;
    size_t len;
    size_t count;
    const char *text;
    const char *bytes; /* of the words, one after another */
} pre_tokenizer_case;

typedef struct expected_word {
    size_t start;
    size_t end;
    size_t len;
} expected_word;

#include "tests/unit/pretokenizer_cases.inc"

/* ------------------------------------------------------------------ helpers */

static rmr_status open_json(rmr_pre_tokenizer *pre, const char *json,
                            rmr_error *err)
{
    json_t *root;
    memset(pre, 0, sizeof *pre);
    rmr_status status = rmr_json_load(&root, json, strlen(json), "file", err);
    if (status)
        return status;
    status = rmr_pre_tokenizer_open(pre, json_object_get(root, "pre_tokenizer"),
                                    "file", err);
    json_decref(root);
    return status;
}

static void must_open(rmr_pre_tokenizer *pre, const char *json)
{
    rmr_error err = {0};
    expect_ok(open_json(pre, json, &err), &err);
}

/* The words of text[from, to) are then in scratch. */
static rmr_status run_text(const rmr_pre_tokenizer *pre, const char *text,
                           size_t from, size_t to,
                           struct rmr_encoder_scratch *scratch)
{
    scratch->base = scratch->texts;
    if (!rmr_normalized_set(scratch->base, (const unsigned char *)text, from,
                            to))
        return RMR_ERR_NOMEM;
    return rmr_pre_tokenizer_run(pre, 0, scratch->base->len, scratch);
}

static void must_run(const rmr_pre_tokenizer *pre, const char *text, size_t len,
                     struct rmr_encoder_scratch *scratch)
{
    assert_int_equal(run_text(pre, text, 0, len, scratch), RMR_OK);
}

/* Compares with words, whose bytes lie one after another, and returns where
 * those end. */
static const char *compare(struct rmr_encoder_scratch *scratch,
                           const expected_word *words, size_t count,
                           const char *bytes, const char *json)
{
    assert_int_equal(scratch->words.count, count);
    for (size_t i = 0; i < count; i++) {
        rmr_span word = scratch->words.spans[i];
        size_t start = word.start, end = word.end;
        rmr_normalized_to_text(scratch->text, &start, &end);
        if (start != words[i].start || end != words[i].end ||
            word.end - word.start != words[i].len ||
            memcmp(scratch->text->bytes + word.start, bytes, words[i].len))
            fail_msg("%s: word %zu is '%.*s' at %zu to %zu, not '%.*s' at %zu "
                     "to %zu",
                     json, i, (int)(word.end - word.start),
                     (const char *)scratch->text->bytes + word.start, start,
                     end, (int)words[i].len, bytes, words[i].start,
                     words[i].end);
        bytes += words[i].len;
    }
    return bytes;
}

/* ---------------------------------------------------------------- reference */

static void test_reference(void **state)
{
    const expected_word *next = expected;
    struct rmr_encoder_scratch scratch = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const pre_tokenizer_case *c = &cases[i];
        const char *json = pre_tokenizers[c->pre_tokenizer];
        rmr_pre_tokenizer pre;
        must_open(&pre, json);
        must_run(&pre, c->text, c->len, &scratch);
        compare(&scratch, next, c->count, c->bytes, json);
        next += c->count;
        rmr_pre_tokenizer_close(&pre);
    }
    assert_ptr_equal(next, expected + LENGTH(expected));
    rmr_encoder_scratch_clear(&scratch);
}

/* Words of a part of a text, others having been cut out around it. */
static void test_part_of_text(void **state)
{
    static const char text[] = "<s>a b<s>";
    static const expected_word words[] = {{3, 4, 4}, {4, 6, 4}};
    struct rmr_encoder_scratch scratch = {0};
    rmr_pre_tokenizer pre;
    (void)state;
    must_open(&pre, "{\"pre_tokenizer\": {\"type\": \"Metaspace\", "
                    "\"replacement\": \"\\u2581\"}}");
    scratch.base = scratch.texts;
    assert_true(rmr_normalized_set(scratch.base, (const unsigned char *)text, 0,
                                   sizeof text - 1));
    assert_int_equal(rmr_pre_tokenizer_run(&pre, 3, 6, &scratch), RMR_OK);
    compare(&scratch, words, 2,
            "\xE2\x96\x81"
            "a\xE2\x96\x81"
            "b",
            "a part");
    assert_memory_equal(scratch.base->bytes, text, sizeof text);
    rmr_pre_tokenizer_close(&pre);

    /* It does not begin the text. */
    must_open(&pre, "{\"pre_tokenizer\": {\"type\": \"Metaspace\", "
                    "\"replacement\": \"_\", \"prepend_scheme\": \"first\"}}");
    assert_int_equal(rmr_pre_tokenizer_run(&pre, 3, 6, &scratch), RMR_OK);
    compare(&scratch, (expected_word[]){{3, 4, 1}, {4, 6, 2}}, 2, "a_b",
            "not the first");
    rmr_pre_tokenizer_close(&pre);
    rmr_encoder_scratch_clear(&scratch);
}

/* ----------------------------------------------------------------- refusals */

#define STEP(fields) "{\"pre_tokenizer\": {\"type\": " fields "}}"

static const struct {
    const char *json;
    rmr_status status;
    const char *words[3];
} refused[] = {
    {STEP("\"Foo\""), RMR_ERR_UNSUPPORTED, {"pre_tokenizer.type", "Foo"}},
    {STEP("\"ByteLevel\""), RMR_ERR_FORMAT, {"add_prefix_space"}},
    {STEP("\"ByteLevel\", \"add_prefix_space\": true"),
     RMR_ERR_FORMAT,
     {"trim_offsets"}},
    {STEP("\"ByteLevel\", \"add_prefix_space\": true, "
          "\"trim_offsets\": true, \"use_regex\": 1"),
     RMR_ERR_FORMAT,
     {"use_regex"}},
    {STEP("\"Metaspace\""), RMR_ERR_FORMAT, {"replacement"}},
    {STEP("\"Metaspace\", \"replacement\": \"\""),
     RMR_ERR_FORMAT,
     {"replacement", "one character"}},
    {STEP("\"Metaspace\", \"replacement\": \"ab\""),
     RMR_ERR_FORMAT,
     {"replacement", "one character"}},
    {STEP("\"Metaspace\", \"replacement\": \"_\", "
          "\"prepend_scheme\": \"last\""),
     RMR_ERR_FORMAT,
     {"prepend_scheme", "last"}},
    {STEP("\"Metaspace\", \"replacement\": \"_\", "
          "\"prepend_scheme\": null"),
     RMR_ERR_FORMAT,
     {"prepend_scheme"}},
    {STEP("\"Metaspace\", \"replacement\": \"_\", "
          "\"add_prefix_space\": false"),
     RMR_ERR_FORMAT,
     {"add_prefix_space", "prepend_scheme", "never"}},
    {STEP("\"Punctuation\", \"behavior\": \"isolated\""),
     RMR_ERR_FORMAT,
     {"behavior", "isolated"}},
    {STEP("\"Punctuation\", \"behavior\": null"), RMR_ERR_FORMAT, {"behavior"}},
    {STEP("\"Digits\""), RMR_ERR_FORMAT, {"individual_digits"}},
    {STEP("\"CharDelimiterSplit\", \"delimiter\": \"ab\""),
     RMR_ERR_FORMAT,
     {"delimiter", "one character"}},
    {STEP("\"FixedLength\", \"length\": 0"), RMR_ERR_RANGE, {"length"}},
    {STEP("\"FixedLength\", \"length\": 1.5"), RMR_ERR_FORMAT, {"length"}},
    {STEP("\"Split\", \"behavior\": \"Isolated\", \"invert\": false"),
     RMR_ERR_FORMAT,
     {"pre_tokenizer.pattern", "String", "Regex"}},
    {STEP("\"Split\", \"pattern\": \"a\", \"behavior\": \"Isolated\", "
          "\"invert\": false"),
     RMR_ERR_FORMAT,
     {"pre_tokenizer.pattern"}},
    {STEP("\"Split\", \"pattern\": {\"String\": \"a\", \"Regex\": \"a\"}, "
          "\"behavior\": \"Isolated\", \"invert\": false"),
     RMR_ERR_FORMAT,
     {"pre_tokenizer.pattern", "nothing else"}},
    {STEP("\"Split\", \"pattern\": {\"String\": 1}, "
          "\"behavior\": \"Isolated\", \"invert\": false"),
     RMR_ERR_FORMAT,
     {"pre_tokenizer.pattern", "String"}},
    {STEP("\"Split\", \"pattern\": {\"String\": \"a\"}, "
          "\"invert\": false"),
     RMR_ERR_FORMAT,
     {"behavior"}},
    {STEP("\"Split\", \"pattern\": {\"String\": \"a\"}, "
          "\"behavior\": \"Isolated\""),
     RMR_ERR_FORMAT,
     {"invert"}},
    {STEP("\"Split\", \"pattern\": {\"Regex\": \"(\"}, "
          "\"behavior\": \"Isolated\", \"invert\": false"),
     RMR_ERR_FORMAT,
     {"pre_tokenizer.pattern.Regex"}},
    {STEP("\"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
          "\"individual_digits\": true}, {\"type\": \"Digits\"}]"),
     RMR_ERR_FORMAT,
     {"pre_tokenizer.pretokenizers[1]", "individual_digits"}},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(refused); i++) {
        rmr_pre_tokenizer pre;
        rmr_error err = {0};
        rmr_status status = open_json(&pre, refused[i].json, &err);
        const char *const *words = refused[i].words;
        expect_failure(status, &err, refused[i].status, words[0],
                       words[1] ? words[1] : words[0],
                       words[1] && words[2] ? words[2] : words[0]);
        assert_int_equal(pre.steps.count, 0);
    }
}

/* --------------------------------------------------------------------- cuts */

/* What parts of a text give together, where a pre-tokenizer says that they
 * give what the whole gives. */
static void test_cuts(void **state)
{
    static const char text[] =
        "One two 3 four, don't 12 go a.b c--d e  f\n g 123456 h 1 i'll j";
    struct rmr_encoder_scratch whole = {0}, part = {0};
    size_t split = 0;
    (void)state;
    for (size_t i = 0; i < LENGTH(pre_tokenizers); i++) {
        rmr_pre_tokenizer pre;
        must_open(&pre, pre_tokenizers[i]);
        must_run(&pre, text, sizeof text - 1, &whole);
        size_t from = 0, word = 0;
        for (size_t at = 1; at <= sizeof text - 1 &&
                            rmr_pre_tokenizer_cut(&pre) == RMR_CUT_SPLITS;
             at++) {
            static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
            int can =
                at == sizeof text - 1 ||
                (text[at] == ' ' && strchr(letters, text[at + 1]) &&
                 strchr("0123456789abcdefghijklmnopqrstuvwxyz", text[at - 1]));
            if (!can)
                continue;
            assert_int_equal(run_text(&pre, text, from, at, &part), RMR_OK);
            for (size_t w = 0; w < part.words.count; w++, word++) {
                rmr_span a = part.words.spans[w], b = whole.words.spans[word];
                size_t len = a.end - a.start;
                assert_true(word < whole.words.count);
                assert_int_equal(len, b.end - b.start);
                assert_memory_equal(part.text->bytes + a.start,
                                    whole.text->bytes + b.start, len);
                rmr_normalized_to_text(part.text, &a.start, &a.end);
                rmr_normalized_to_text(whole.text, &b.start, &b.end);
                assert_int_equal(a.start, b.start);
                assert_int_equal(a.end, b.end);
            }
            from = at;
        }
        if (from) {
            assert_int_equal(word, whole.words.count);
            split++;
        }
        rmr_pre_tokenizer_close(&pre);
    }
    assert_true(split > 20);
    rmr_encoder_scratch_clear(&whole);
    rmr_encoder_scratch_clear(&part);
}

#define BYTE_LEVEL(regex)                                                      \
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, "                   \
    "\"trim_offsets\": true, \"use_regex\": " regex "}"
#define DIGITS "{\"type\": \"Digits\", \"individual_digits\": true}"
#define FIXED "{\"type\": \"FixedLength\"}"
#define SPLIT(pattern, behavior, invert)                                       \
    "{\"type\": \"Split\", \"pattern\": {" pattern "}, "                       \
    "\"behavior\": \"" behavior "\", \"invert\": " invert "}"
#define GPT2                                                                   \
    "\"Regex\": \"'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+"             \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+\""
#define ONE(step) "{\"pre_tokenizer\": " step "}"
#define MANY(steps)                                                            \
    "{\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": "         \
    "[" steps "]}}"

static const struct {
    const char *json;
    rmr_cut cut;
} known_cuts[] = {
    {MANY(""), RMR_CUT_NEUTRAL},
    {ONE(DIGITS), RMR_CUT_NEUTRAL},
    {ONE(FIXED), RMR_CUT_CHANGES},
    {ONE("{\"type\": \"UnicodeScripts\"}"), RMR_CUT_CHANGES},
    {ONE("{\"type\": \"Whitespace\"}"), RMR_CUT_SPLITS},
    {ONE(BYTE_LEVEL("true")), RMR_CUT_SPLITS},
    {ONE(BYTE_LEVEL("false")), RMR_CUT_CHANGES},
    {MANY(DIGITS ", " BYTE_LEVEL("true")), RMR_CUT_SPLITS},
    {MANY(DIGITS ", " BYTE_LEVEL("false")), RMR_CUT_CHANGES},
    {MANY(BYTE_LEVEL("true") ", " FIXED), RMR_CUT_SPLITS},
    {MANY(FIXED ", " BYTE_LEVEL("true")), RMR_CUT_CHANGES},
    {ONE(SPLIT("\"String\": \" \"", "Removed", "false")), RMR_CUT_SPLITS},
    {ONE(SPLIT("\"String\": \" \"", "MergedWithPrevious", "false")),
     RMR_CUT_CHANGES},
    {ONE(SPLIT("\"String\": \" \"", "MergedWithPrevious", "true")),
     RMR_CUT_SPLITS},
    {ONE(SPLIT("\"String\": \" \"", "MergedWithNext", "true")),
     RMR_CUT_CHANGES},
    {ONE(SPLIT("\"String\": \"-a\"", "Removed", "false")), RMR_CUT_NEUTRAL},
    {ONE(SPLIT("\"String\": \"a\"", "Removed", "false")), RMR_CUT_CHANGES},
    {ONE(SPLIT("\"String\": \"a b\"", "Removed", "false")), RMR_CUT_CHANGES},
    {ONE(SPLIT("\"String\": \"\"", "Isolated", "false")), RMR_CUT_CHANGES},
    {ONE(SPLIT("\"Regex\": \"\\\\s+\"", "Removed", "false")), RMR_CUT_SPLITS},
    {ONE(SPLIT(GPT2, "Isolated", "false")), RMR_CUT_SPLITS},
    {ONE(SPLIT(GPT2, "MergedWithNext", "true")), RMR_CUT_SPLITS},
    {ONE(SPLIT(GPT2, "Contiguous", "false")), RMR_CUT_CHANGES},
    {ONE(SPLIT("\"Regex\": \"\\\\p{N}{1,3}\"", "Contiguous", "false")),
     RMR_CUT_NEUTRAL},
    {ONE(SPLIT("\"Regex\": \"\\\\s?\\\\p{L}+\"", "Removed", "true")),
     RMR_CUT_SPLITS},
    {ONE(SPLIT("\"Regex\": \"\\\\s?\\\\p{L}+\"", "Removed", "false")),
     RMR_CUT_CHANGES},
    {ONE(SPLIT("\"Regex\": \"[a-z] [a-z]\"", "Removed", "false")),
     RMR_CUT_CHANGES},
};

static void test_what_a_cut_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(known_cuts); i++) {
        rmr_pre_tokenizer pre;
        must_open(&pre, known_cuts[i].json);
        if (rmr_pre_tokenizer_cut(&pre) != known_cuts[i].cut)
            fail_msg("%s: %d", known_cuts[i].json,
                     (int)rmr_pre_tokenizer_cut(&pre));
        rmr_pre_tokenizer_close(&pre);
    }
}

/* ---------------------------------------------------------------- raw bytes */

static void test_raw_bytes(void **state)
{
    static const char text[] = " caf\xC3\xA9 12", bare[] = "\xC3\xA9 a";
    struct rmr_encoder_scratch scratch = {0};
    rmr_pre_tokenizer pre;
    (void)state;
    must_open(&pre, ONE(DIGITS));
    assert_int_equal(rmr_pre_tokenizer_from_bytes(&pre), 0);
    rmr_pre_tokenizer_close(&pre);
    must_open(&pre, MANY(BYTE_LEVEL("true") ", " DIGITS));
    assert_int_equal(rmr_pre_tokenizer_from_bytes(&pre), 0);
    rmr_pre_tokenizer_close(&pre);
    must_open(&pre, MANY(""));
    assert_int_equal(rmr_pre_tokenizer_from_bytes(&pre), 0);
    rmr_pre_tokenizer_close(&pre);

    must_open(&pre, MANY(DIGITS ", " BYTE_LEVEL("true")));
    assert_int_equal(rmr_pre_tokenizer_from_bytes(&pre), 1);
    rmr_pre_tokenizer_use_raw_bytes(&pre);
    /* Every word gets a space that has none. */
    must_run(&pre, text, sizeof text - 1, &scratch);
    compare(&scratch,
            (expected_word[]){{0, 6, 6}, {6, 7, 1}, {7, 8, 2}, {8, 9, 2}}, 4,
            " caf\xC3\xA9  1 2", "raw");
    rmr_pre_tokenizer_close(&pre);

    must_open(&pre, ONE(BYTE_LEVEL("true")));
    assert_int_equal(rmr_pre_tokenizer_from_bytes(&pre), 1);
    rmr_pre_tokenizer_use_raw_bytes(&pre);
    must_run(&pre, text, sizeof text - 1, &scratch);
    assert_ptr_equal(scratch.text->bytes, text); /* nothing is written */
    must_run(&pre, bare, sizeof bare - 1, &scratch);
    compare(&scratch, (expected_word[]){{0, 2, 3}, {2, 4, 2}}, 2, " \xC3\xA9 a",
            "raw with a space");
    rmr_pre_tokenizer_close(&pre);
    rmr_encoder_scratch_clear(&scratch);
}

/* ----------------------------------------------------------------- scanners */

/* A pattern in a group is no known one, so its words are those of the regular
 * expression. */
static void open_unscanned(rmr_pre_tokenizer *pre, const char *json)
{
    char grouped[1024];
    const char *at = strstr(json, "\"Regex\": \"");
    const char *end = strstr(json, "\"}, \"behavior\"");
    assert_true(at && end);
    at += strlen("\"Regex\": \"");
    snprintf(grouped, sizeof grouped, "%.*s(?:%.*s)%s", (int)(at - json), json,
             (int)(end - at), at, end);
    must_open(pre, grouped);
}

static size_t random_kinds(char *text, size_t most, uint64_t *seed)
{
    static const char *const kinds[] = {"/",
                                        "\xCA\xB0",
                                        "\xC7\x85",
                                        "\xC2\xAA",
                                        " ",
                                        " ",
                                        " ",
                                        "\n",
                                        "\r",
                                        "\t",
                                        "'",
                                        "'",
                                        "a",
                                        "S",
                                        "l",
                                        "L",
                                        "v",
                                        "E",
                                        "d",
                                        "m",
                                        "1",
                                        "\xC2\xB2",
                                        "-",
                                        ",",
                                        "\xC3\xA9",
                                        "t",
                                        "r",
                                        "e",
                                        "\xCC\x81",
                                        "\xC2\xA0",
                                        "\xC5\xBF",
                                        "\xE4\xB8\xAD",
                                        "\v",
                                        "\f",
                                        "\x1C",
                                        "\xC2\x85",
                                        "\xE3\x80\x80",
                                        "\xE2\x84\xAA"};
    size_t count = tiny_random(seed) % (most / 4), len = 0;
    for (size_t i = 0; i < count; i++) {
        const char *kind = kinds[tiny_random(seed) % LENGTH(kinds)];
        memcpy(text + len, kind, strlen(kind));
        len += strlen(kind);
    }
    return len;
}

static void test_scanners(void **state)
{
    struct rmr_encoder_scratch a = {0}, b = {0};
    uint64_t seed = 7;
    size_t scanned = 0;
    (void)state;
    for (size_t i = 0; i < LENGTH(pre_tokenizers); i++) {
        rmr_pre_tokenizer pre, regex;
        if (!strstr(pre_tokenizers[i], "p{N}") ||
            strstr(pre_tokenizers[i], "Sequence"))
            continue;
        scanned++;
        must_open(&pre, pre_tokenizers[i]);
        open_unscanned(&regex, pre_tokenizers[i]);
        for (int round = 0; round < 5000; round++) {
            char text[120];
            size_t len = random_kinds(text, sizeof text, &seed);
            must_run(&pre, text, len, &a);
            must_run(&regex, text, len, &b);
            assert_int_equal(a.words.count, b.words.count);
            if (a.words.count)
                assert_memory_equal(a.words.spans, b.words.spans,
                                    a.words.count * sizeof(rmr_span));
        }
        rmr_pre_tokenizer_close(&pre);
        rmr_pre_tokenizer_close(&regex);
    }
    assert_int_equal(scanned, 6);
    rmr_encoder_scratch_clear(&a);
    rmr_encoder_scratch_clear(&b);
}

/* --------------------------------------------------------------- long words */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void test_no_text_is_slow(void **state)
{
    enum { SIZE = 1 << 18 };
    static const char *const repeated[] = {"a", " ",  "\n", "1",
                                           "'", "'s", "-\n"};
    char *text = malloc(SIZE);
    (void)state;
    assert_non_null(text);
    for (size_t r = 0; r < LENGTH(repeated); r++) {
        struct rmr_encoder_scratch scratch = {0};
        size_t unit = strlen(repeated[r]);
        for (size_t i = 0; i < SIZE; i++)
            text[i] = repeated[r][i % unit];
        for (size_t i = 0; i < LENGTH(pre_tokenizers); i++) {
            rmr_pre_tokenizer pre;
            must_open(&pre, pre_tokenizers[i]);
            double start = seconds();
            must_run(&pre, text, SIZE - SIZE % unit, &scratch);
            double took = seconds() - start;
            if (took > 1)
                fail_msg("%s takes %f s for \"%s\"", pre_tokenizers[i], took,
                         repeated[r]);
            rmr_pre_tokenizer_close(&pre);
        }
        rmr_encoder_scratch_clear(&scratch);
    }
    free(text);
}

/* ------------------------------------------------------------------- memory */

#ifdef RMR_FAULT_INJECTION
static const char some_text[] = "It's a caf\xC3\xA9, 12 -- \xE4\xB8\xAD x--y";

static void test_nothing_is_allocated_once_warm(void **state)
{
    struct rmr_encoder_scratch scratch = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH(pre_tokenizers); i++) {
        rmr_pre_tokenizer pre;
        must_open(&pre, pre_tokenizers[i]);
        for (int round = 0; round < 3; round++) /* the texts take turns */
            must_run(&pre, some_text, sizeof some_text - 1, &scratch);
        rmr_alloc_fail_at(1, 1);
        must_run(&pre, some_text, sizeof some_text - 1, &scratch);
        rmr_alloc_fail_at(0, 0);
        rmr_pre_tokenizer_close(&pre);
    }
    rmr_encoder_scratch_clear(&scratch);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(pre_tokenizers); i++) {
        int failed = 1;
        for (uint64_t nth = 1; failed; nth++) {
            struct rmr_encoder_scratch scratch = {0};
            rmr_pre_tokenizer pre;
            rmr_error err = {0};
            rmr_alloc_fail_at(nth, 0);
            rmr_status status = open_json(&pre, pre_tokenizers[i], &err);
            if (!status)
                status = run_text(&pre, some_text, 0, sizeof some_text - 1,
                                  &scratch);
            failed = rmr_alloc_failed();
            rmr_alloc_fail_at(0, 0);
            /* PCRE2 can do without its machine code. */
            if (status || !strstr(pre_tokenizers[i], "Regex"))
                assert_int_equal(status, failed ? RMR_ERR_NOMEM : RMR_OK);
            rmr_encoder_scratch_clear(&scratch);
            rmr_pre_tokenizer_close(&pre);
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_part_of_text),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_what_a_cut_does),
        cmocka_unit_test(test_raw_bytes),
        cmocka_unit_test(test_scanners),
        cmocka_unit_test(test_no_text_is_slow),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_nothing_is_allocated_once_warm),
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests_name("pre-tokenizers", tests, NULL, NULL);
}
