/*
 * test_normalizer.c - every normalizer by itself: the reference's characters
 * and what each stands for, what is refused and what is said about it, texts
 * that are cut, texts that pile up marks, maps that lie. Expected characters
 * are the reference's, never Remora's own.
 */
#include <time.h>

#include "tests/unit/unit.h"
#include "common/base/alloc.h"
#include "tokenizer/tokenizer_internal.h"
#include "tokenizer/text/tokenizer_utf8.h"

typedef struct normalizer_case {
    int normalizer;
    size_t len;
    size_t count;
    const char *text;
} normalizer_case;

typedef struct normalizer_char {
    uint32_t code;
    size_t start;
    size_t end;
} normalizer_char;

#include "tests/unit/normalizer_cases.inc"

/* ------------------------------------------------------------------ opening */

/* A copy of json with "@0" and "@1" being the maps of characters. */
static char *with_maps(const char *json)
{
    size_t size = strlen(json) + strlen(maps[0]) + strlen(maps[1]) + 1;
    char *text = calloc(1, size), *to = text;
    assert_non_null(text);
    for (; *json; json++) {
        const char *map = json[0] == '@' && json[1] == '0'   ? maps[0]
                          : json[0] == '@' && json[1] == '1' ? maps[1]
                                                             : NULL;
        if (!map) {
            *to++ = *json;
            continue;
        }
        memcpy(to, map, strlen(map));
        to += strlen(map);
        json++;
    }
    return text;
}

static rmr_status open_json(rmr_normalizer *normalizer, const char *json,
                            rmr_error *err)
{
    json_t *value;
    char *text = with_maps(json);
    rmr_status status =
        rmr_json_load(&value, text, strlen(text), "tokenizer.json", err);
    free(text);
    memset(normalizer, 0, sizeof *normalizer);
    if (status)
        return status;
    status = rmr_normalizer_open(normalizer, value, "tokenizer.json", err);
    json_decref(value);
    return status;
}

static void must_open(rmr_normalizer *normalizer, const char *json)
{
    rmr_error err = {0};
    expect_ok(open_json(normalizer, json, &err), &err);
}

/* -------------------------------------------------------------------- running
 */

/* The characters of a normal form, in one call or several. */
typedef struct form {
    normalizer_char *chars;
    size_t count;
    size_t capacity;
} form;

static void collect(form *f, rmr_normalized *text)
{
    for (size_t at = 0; at < text->len;) {
        normalizer_char c = {.start = at};
        size_t n = rmr_utf8_decode(text->bytes + at, text->len - at, &c.code);
        assert_false(c.code == RMR_REPLACEMENT && n != 3);
        c.end = at += n;
        rmr_normalized_to_text(text, &c.start, &c.end);
        f->chars = rmr_grow(f->chars, &f->capacity, f->count + 1, sizeof c);
        assert_non_null(f->chars);
        f->chars[f->count++] = c;
    }
}

/* Runs text[0, len) in parts of which each but the first begins at a cut. */
static form run_parts(const rmr_normalizer *normalizer, const char *text,
                      size_t len, const size_t *cuts, size_t num_cuts)
{
    struct rmr_encoder_scratch scratch = {0};
    form f = {0};
    for (size_t i = 0; i <= num_cuts; i++) {
        scratch.open_start = i > 0;
        scratch.open_end = i < num_cuts;
        assert_int_equal(
            rmr_normalizer_run(normalizer, (const unsigned char *)text,
                               i ? cuts[i - 1] : 0,
                               i < num_cuts ? cuts[i] : len, &scratch),
            RMR_OK);
        collect(&f, scratch.text);
    }
    rmr_encoder_scratch_clear(&scratch);
    return f;
}

static int same_char(const normalizer_char *a, const normalizer_char *b)
{
    return a->code == b->code && a->start == b->start && a->end == b->end;
}

static void compare(const char *name, const char *text, size_t len,
                    const form *found, const normalizer_char *wanted,
                    size_t count)
{
    size_t i = 0;
    while (i < count && i < found->count &&
           same_char(&found->chars[i], &wanted[i]))
        i++;
    if (i == count && i == found->count)
        return;
    const normalizer_char *c = i < found->count ? &found->chars[i] : NULL;
    const normalizer_char *w = i < count ? &wanted[i] : NULL;
    fail_msg("%.200s, '%.*s', character %zu of %zu (%zu): U+%04X %zu-%zu "
             "instead of U+%04X %zu-%zu",
             name, (int)(len < 80 ? len : 80), text, i, found->count, count,
             c ? c->code : 0, c ? c->start : 0, c ? c->end : 0, w ? w->code : 0,
             w ? w->start : 0, w ? w->end : 0);
}

/* ---------------------------------------------------------- the reference's */

static void test_reference(void **state)
{
    const normalizer_char *wanted = expected;
    rmr_normalizer normalizer = {0};
    int opened = -1;
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const normalizer_case *c = &cases[i];
        if (c->normalizer != opened) {
            rmr_normalizer_close(&normalizer);
            must_open(&normalizer, normalizers[c->normalizer]);
            opened = c->normalizer;
        }
        form f = run_parts(&normalizer, c->text, c->len, NULL, 0);
        compare(normalizers[opened], c->text, c->len, &f, wanted, c->count);
        rmr_free(f.chars);
        wanted += c->count;
    }
    rmr_normalizer_close(&normalizer);
    assert_ptr_equal(wanted, expected + LENGTH(expected));
}

/* What a normalizer leaves as it is stays the caller's own bytes. */
static void test_no_copy(void **state)
{
    static const char *const keep[] = {
        "{\"type\": \"NFC\"}",
        "{\"type\": \"NFD\"}",
        "{\"type\": \"NFKC\"}",
        "{\"type\": \"NFKD\"}",
        "{\"type\": \"Lowercase\"}",
        "{\"type\": \"StripAccents\"}",
        "{\"type\": \"Nmt\"}",
        "{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}",
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \"''\"}, "
        "\"content\": \"\"}",
        "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, "
        "\"content\": \"\"}",
        "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"@1\"}",
        "{\"type\": \"Sequence\", \"normalizers\": []}",
    };
    static const unsigned char text[] =
        "no change, here: \xE4\xB8\xAD \xD0\xB6 \xC3\xB8 a 1";
    (void)state;
    for (size_t i = 0; i < LENGTH(keep); i++) {
        struct rmr_encoder_scratch scratch = {0};
        rmr_normalizer normalizer;
        must_open(&normalizer, keep[i]);
        assert_int_equal(
            rmr_normalizer_run(&normalizer, text, 0, sizeof text - 1, &scratch),
            RMR_OK);
        assert_ptr_equal(scratch.text->bytes, text);
        assert_int_equal(scratch.text->len, sizeof text - 1);
        rmr_encoder_scratch_clear(&scratch);
        rmr_normalizer_close(&normalizer);
    }
}

/* ----------------------------------------------------------------- refusals */

static const struct refusal {
    const char *json;
    rmr_status status;
    const char *words[2];
} refused[] = {
    {"{\"type\": \"Append\", \"append\": \"x\"}",
     RMR_ERR_UNSUPPORTED,
     {"tokenizer.json: normalizer.type \"Append\"", "NFC, NFD"}},
    {"{\"type\": \"nfc\"}", RMR_ERR_UNSUPPORTED, {"\"nfc\"", "Strip"}},
    {"{\"type\": \"Strip\", \"strip_left\": true}",
     RMR_ERR_FORMAT,
     {"tokenizer.json: normalizer", "strip_right"}},
    {"{\"type\": \"Strip\", \"strip_left\": 1, \"strip_right\": true}",
     RMR_ERR_FORMAT,
     {"tokenizer.json: normalizer", "strip_left"}},
    {"{\"type\": \"Prepend\"}", RMR_ERR_FORMAT, {"normalizer", "prepend"}},
    {"{\"type\": \"Prepend\", \"prepend\": 5}",
     RMR_ERR_FORMAT,
     {"normalizer", "must be a string"}},
    {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", "
     "\"prepend\": \"\"}, {\"type\": \"NFC\"}]}",
     RMR_ERR_UNSUPPORTED,
     {"normalizer.normalizers[1]", "NFC is not supported after"}},
    {"{\"type\": \"Replace\", \"pattern\": \"a\", \"content\": \"\"}",
     RMR_ERR_FORMAT,
     {"normalizer.pattern", "Regex"}},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\", \"Regex\": "
     "\"a\"}, \"content\": \"\"}",
     RMR_ERR_FORMAT,
     {"normalizer.pattern", "String"}},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": 1}, \"content\": "
     "\"\"}",
     RMR_ERR_FORMAT,
     {"normalizer.pattern", "must be a string"}},
    {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Replace\", "
     "\"pattern\": {\"Regex\": \"a*\"}, \"content\": \"\"}, "
     "{\"type\": \"Lowercase\"}]}",
     RMR_ERR_UNSUPPORTED,
     {"normalizer.normalizers[1]", "Replace that may match nothing"}},
    {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\"}, "
     "\"content\": \"\"}",
     RMR_ERR_FORMAT,
     {"normalizer.pattern.Regex", ""}},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}}",
     RMR_ERR_FORMAT,
     {"normalizer", "content"}},
    {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, "
     "{\"type\": \"Prepend\"}]}",
     RMR_ERR_FORMAT,
     {"normalizer.normalizers[1]", "prepend"}},
    {"{\"type\": \"Precompiled\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "precompiled_charsmap"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA=\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "not base64"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AA A\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "not base64"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AB==\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "not base64"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"====\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "not base64"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "cut short"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAA==\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "4 bytes, too few"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": "
     "\"CAAAAAAAAAA=\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "an array of 2 units"}},
    {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": "
     "\"BAAAAAAAAAD/\"}",
     RMR_ERR_FORMAT,
     {"normalizer", "not UTF-8"}},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(refused); i++) {
        rmr_normalizer normalizer;
        rmr_error err = {0};
        expect_failure(open_json(&normalizer, refused[i].json, &err), &err,
                       refused[i].status, refused[i].words[0],
                       refused[i].words[1]);
        assert_int_equal(normalizer.steps.count, 0);
    }
}

/* -------------------------------------------------------------------- cuts */

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Where rmr_normalizer_type says that a text may be cut. */
static size_t find_cuts(const char *text, size_t len, size_t *cuts)
{
    size_t count = 0;
    for (size_t i = 1; i + 1 < len; i++) {
        if (text[i] == ' ' && is_letter(text[i + 1]) &&
            (is_letter(text[i - 1]) || (text[i - 1] - '0' + 0u) < 10))
            cuts[count++] = i;
    }
    return count;
}

/* A text in parts gives what it gives at once. Soft hyphens at the beginning
 * put the map of characters behind by two. */
static void test_cuts(void **state)
{
    static const char text[] =
        "  \xC2\xAD\xC2\xAD"
        "ab cd e\xCC\x81 fg \xCC\x81h i\xEF\xAC\x83 jk l  mn 1 a2 b3 X YZ\xC2"
        "\xAD Q\xC3\x89\xCC\xA3 r \t s t ";
    size_t cuts[sizeof text], locals = 0;
    size_t num_cuts = find_cuts(text, sizeof text - 1, cuts);
    (void)state;
    assert_true(num_cuts > 8);
    for (size_t i = 0; i < LENGTH(normalizers); i++) {
        rmr_normalizer normalizer;
        must_open(&normalizer, normalizers[i]);
        if (rmr_normalizer_local(&normalizer)) {
            form whole = run_parts(&normalizer, text, sizeof text - 1, NULL, 0);
            form parts =
                run_parts(&normalizer, text, sizeof text - 1, cuts, num_cuts);
            compare(normalizers[i], text, sizeof text - 1, &parts, whole.chars,
                    whole.count);
            rmr_free(whole.chars);
            rmr_free(parts.chars);
            locals++;
        }
        rmr_normalizer_close(&normalizer);
    }
    assert_true(locals > 20);
}

/* -------------------------------------------------------------- long texts */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Hundreds of thousands of marks, of one class and many, and clusters without
 * end. */
static void test_piles(void **state)
{
    enum { UNITS = 100000, MOST_SECONDS = 5 };
    static const char *const units[] = {
        "\xCC\x81", "\xCC\x81\xCC\x96\xCC\xB4", "\xCD\x84", "\xE2\x80\x8D",
        "\xC2\xAD", "\xEA\xB0\x80\xE1\x86\xA8", "  ",       "a",
        "\xC4\xB0"};
    char *text = malloc(UNITS * 9 + 1);
    (void)state;
    assert_non_null(text);
    for (size_t u = 0; u < LENGTH(units); u++) {
        size_t len = strlen(units[u]);
        text[0] = 'e';
        for (size_t i = 0; i < UNITS; i++)
            memcpy(text + 1 + i * len, units[u], len);
        for (size_t i = 0; i < LENGTH(normalizers); i++) {
            struct rmr_encoder_scratch scratch = {0};
            rmr_normalizer normalizer;
            must_open(&normalizer, normalizers[i]);
            double start = seconds();
            assert_int_equal(rmr_normalizer_run(&normalizer,
                                                (const unsigned char *)text, 0,
                                                UNITS * len + 1, &scratch),
                             RMR_OK);
            if (seconds() - start > MOST_SECONDS)
                fail_msg("%.60s: unit %zu", normalizers[i], u);
            rmr_encoder_scratch_clear(&scratch);
            rmr_normalizer_close(&normalizer);
        }
    }
    free(text);
}

/* ------------------------------------------------------------ maps that lie */

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void encode_base64(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 |
                        bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = digits[bits >> shift & 63];
    }
    *out = 0;
}

/* Arrays of random units, which point anywhere: whatever they give is UTF-8
 * and stands for a part of the text. */
static void test_lying_maps(void **state)
{
    enum { UNITS = 600, STRINGS = 32, SIZE = 4 + UNITS * 4 + STRINGS };
    static const char text[] = "ab\xCC\x81 \r\n\xE4\xB8\xAD\xF0\x9F\x98\x80"
                               "a\xE2\x80\x8D\x01";
    unsigned char map[SIZE];
    char json[SIZE / 3 * 4 + 100];
    uint64_t seed = 1;
    (void)state;
    assert_int_equal(SIZE % 3, 0);
    for (int round = 0; round < 2000; round++) {
        rmr_normalizer normalizer;
        memset(map, 0, sizeof map);
        map[0] = UNITS * 4 & 0xFF;
        map[1] = UNITS * 4 >> 8;
        for (uint32_t i = 0; i < UNITS; i++) {
            uint32_t offset = next_random(&seed) % (UNITS * 2);
            uint32_t unit = offset << 10 | (next_random(&seed) & 0x100) |
                            (i ? (i ^ 256) & 0xFF : 0);
            if (next_random(&seed) % 4 == 0)
                unit = next_random(&seed) % (STRINGS * 2);
            for (int byte = 0; byte < 4; byte++)
                map[4 + i * 4 + byte] = (unsigned char)(unit >> byte * 8);
        }
        memcpy(map + 4, "\0\0\4\0", 4); /* the root: children from 256 on */
        memcpy(map + SIZE - STRINGS, "a\0\xC3\xA9x\0\xE4\xB8\xAD\0", 10);
        strcpy(json,
               "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"");
        encode_base64(map, SIZE, json + strlen(json));
        strcat(json, "\"}");
        must_open(&normalizer, json);
        form f = run_parts(&normalizer, text, sizeof text - 1, NULL, 0);
        for (size_t i = 0; i < f.count; i++)
            assert_true(f.chars[i].code != RMR_REPLACEMENT &&
                        f.chars[i].end <= sizeof text - 1);
        rmr_free(f.chars);
        rmr_normalizer_close(&normalizer);
    }
}

/* ------------------------------------------------------------ out of memory */

#ifdef RMR_FAULT_INJECTION
/* A pattern may do without memory for machine code, and nothing else without
 * any. */
static void test_out_of_memory(void **state)
{
    static const unsigned char text[] =
        "  \xC2\xAD"
        "Ab cd e\xCC\x81\xCC\xA3\xCC\x96\xCC\xB4 \xEF\xAC\x83 \xC3\x89\xC4\xB0"
        "\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81"
        "\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81"
        " \xE4\xB8\xAD''aa ab\xEA\xB0\x81 \n b";
    (void)state;
    for (size_t i = 0; i < LENGTH(normalizers); i++) {
        /* An empty string is looked for with a pattern, too. */
        int patterns = strstr(normalizers[i], "Regex") ||
                       strstr(normalizers[i], "\"String\": \"\"");
        int failed = 1;
        for (uint64_t nth = 1; failed; nth++) {
            struct rmr_encoder_scratch scratch = {.open_end = 1};
            rmr_normalizer normalizer;
            rmr_error err = {0};
            rmr_alloc_fail_at(nth, 0);
            rmr_status status = open_json(&normalizer, normalizers[i], &err);
            if (!status)
                status = rmr_normalizer_run(&normalizer, text, 0,
                                            sizeof text - 1, &scratch);
            failed = rmr_alloc_failed();
            rmr_alloc_fail_at(0, 0);
            assert_true(!status || status == RMR_ERR_NOMEM);
            assert_true(patterns ? failed || !status
                                 : failed == (status != RMR_OK));
            rmr_encoder_scratch_clear(&scratch);
            rmr_normalizer_close(&normalizer);
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),     cmocka_unit_test(test_no_copy),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_piles),         cmocka_unit_test(test_lying_maps),
#ifdef RMR_FAULT_INJECTION
        cmocka_unit_test(test_out_of_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
