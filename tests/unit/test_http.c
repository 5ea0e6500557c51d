/*
 * test_http.c - bodies of POST /v1/embeddings as clients send them, and the
 * embeddings they get. None may be other than what the model gives the text.
 */
#include "tests/unit/http_fixture.h"

#include <math.h>

/* ----------------------------------------------------------- good requests */

static void a_string_gets_a_list_of_one(void **state)
{
    (void)state;
    float expected[HIDDEN];
    embed_one(model, text_of("the card"), NULL, expected);
    reply r = post("{\"model\":\"tiny\",\"input\":\"the card\"}");
    assert_int_equal(r.status, 200);
    assert_int_equal(json_object_size(r.json), 4);
    assert_string_equal(json_string_value(json_object_get(r.json, "object")),
                        "list");
    assert_string_equal(json_string_value(json_object_get(r.json, "model")),
                        "tiny");
    assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
    const json_t *usage = json_object_get(r.json, "usage");
    assert_int_equal(json_object_size(usage), 2);
    assert_int_equal(
        json_integer_value(json_object_get(usage, "prompt_tokens")), 4);
    assert_int_equal(json_integer_value(json_object_get(usage, "total_tokens")),
                     4);
    assert_int_equal(json_object_size(item(&r, 0)), 3);
    assert_string_equal(
        json_string_value(json_object_get(item(&r, 0), "object")), "embedding");
    assert_int_equal(json_integer_value(json_object_get(item(&r, 0), "index")),
                     0);
    assert_same(&r, 0, expected, HIDDEN);
    assert_int_equal(r.tokens, 4);
    assert_int_equal(r.truncated, 0);
    free_reply(&r);
}

static void an_array_is_answered_in_its_order(void **state)
{
    (void)state;
    static const char *const texts[] = {"fish", "the card", "fish",
                                        "!!!! 1 2 3"};
    reply r = post("{\"input\":[\"fish\",\"the card\",\"fish\","
                   "\"!!!! 1 2 3\"],\"model\":\"tiny\"}");
    assert_int_equal(r.status, 200);
    for (size_t i = 0; i < 4; i++) {
        float expected[HIDDEN], vector[HIDDEN];
        embed_one(model, text_of(texts[i]), NULL, expected);
        read_vector(&r, i, vector, HIDDEN);
        for (size_t c = 0; c < HIDDEN; c++)
            assert_true(fabsf(vector[c] - expected[c]) <= 2e-6f);
        assert_int_equal(
            json_integer_value(json_object_get(item(&r, i), "index")), i);
    }
    assert_int_equal(r.tokens, 3 + 4 + 3 + 9);
    free_reply(&r);
}

static void both_forms_hold_the_same_bits(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 50; seed++) {
        char members[160];
        float vector[HIDDEN];
        snprintf(members, sizeof members,
                 "\"input\":\"fish %u\",\"normalize\":%s,"
                 "\"encoding_format\":\"base64\"",
                 seed * 77, seed % 2 ? "true" : "false");
        reply base64 = post_members(members);
        strcpy(strstr(members, "base64"), "float\"");
        reply floats = post_members(members);
        assert_int_equal(base64.status, 200);
        assert_int_equal(floats.status, 200);
        read_vector(&base64, 0, vector, HIDDEN);
        assert_same(&floats, 0, vector, HIDDEN);
        free_reply(&base64);
        free_reply(&floats);
    }
}

/* No shorter decimal may read back as the same float32. */
static void floats_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    reply r = post_members("\"input\":\"the card twice\"");
    const char *at = strstr(r.body, "\"embedding\":[");
    assert_non_null(at);
    at += strlen("\"embedding\":[");
    for (size_t i = 0; i < HIDDEN; i++) {
        char *end, shorter[64];
        float value = strtof(at, &end);
        assert_true(*end == (i + 1 < HIDDEN ? ',' : ']'));
        size_t digits = 0;
        for (const char *p = at; p < end && *p != 'e'; p++)
            digits += *p >= '1' || (*p == '0' && digits > 0);
        assert_true(digits >= 1 && digits <= 9);
        snprintf(shorter, sizeof shorter, "%.*e", (int)digits - 2,
                 (double)value);
        assert_true(digits == 1 || strtof(shorter, NULL) != value);
        at = end + 1;
    }
    free_reply(&r);
}

static void dimensions_cut_and_normalise_again(void **state)
{
    (void)state;
    static const unsigned dims[] = {1, 2, 23, HIDDEN};
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    for (size_t i = 0; i < 4; i++) {
        char members[80];
        float expected[HIDDEN];
        options.dimensions = dims[i];
        embed_one(model, text_of("the card"), &options, expected);
        snprintf(members, sizeof members,
                 "\"input\":\"the card\",\"dimensions\":%u", dims[i]);
        reply r = post_members(members);
        assert_int_equal(r.status, 200);
        assert_same(&r, 0, expected, dims[i]);
        free_reply(&r);
    }
}

static void normalize_overrules_the_model(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        rmr_normalize normalize;
    } cases[] = {{"", RMR_NORMALIZE_MODEL},
                 {",\"normalize\":null", RMR_NORMALIZE_MODEL},
                 {",\"normalize\":true", RMR_NORMALIZE_ON},
                 {",\"normalize\":false", RMR_NORMALIZE_OFF}};
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    for (size_t i = 0; i < 8; i++) {
        char body[200];
        float expected[HIDDEN];
        options.normalize = cases[i / 2].normalize;
        embed_one(i % 2 ? raw_model : model, text_of("the card"), &options,
                  expected);
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",\"input\":\"the card\"%s}",
                 i % 2 ? "tiny \\\"raw\\\" \\u00e9\\u0001" : "tiny",
                 cases[i / 2].member);
        reply r = post(body);
        assert_int_equal(r.status, 200);
        assert_same(&r, 0, expected, HIDDEN);
        assert_string_equal(json_string_value(json_object_get(r.json, "model")),
                            models[i % 2].name);
        free_reply(&r);
    }
}

static void fields_that_change_nothing_are_ignored(void **state)
{
    (void)state;
    static const char *const members[] = {
        "\"user\":\"somebody\"",
        "\"user\":[1,2,{\"a\":null}]",
        "\"an unknown field\":{\"input\":[]}",
        "\"encoding_format\":null",
        "\"encoding_format\":\"float\"",
        "\"dimensions\":null",
        "\"dimensions\":24",
        "\"truncate\":null",
        "\"truncate\":false",
        "\"truncate\":\"NONE\"",
        "\"prompt_name\":null,\"prompt\":null,\"input_type\":null",
        "\"prompt_name\":\"query\"", /* empty, unless a model says more */
        "\"prompt\":\"\"",
        "\"temperature\":1e-300",
        "\"\":0,\"MODEL\":1,\"Input\":2",
        /* The last one counts, as in every usual reader. */
        "\"input\":7,\"model\":null,\"model\":\"tiny\"",
    };
    float expected[HIDDEN];
    embed_one(model, text_of("fish"), NULL, expected);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char all[300];
        snprintf(all, sizeof all, " \t\r\n%s , \"input\" : [ \"fish\" ] ",
                 members[i]);
        reply r = post_members(all);
        assert_int_equal(r.status, 200);
        assert_same(&r, 0, expected, HIDDEN);
        free_reply(&r);
    }
}

static void a_prompt_comes_before_the_text(void **state)
{
    (void)state;
    float expected[HIDDEN];
    embed_one(model, text_of("the fish"), NULL, expected);
    reply r = post_members("\"prompt\":\"the \",\"input\":[\"fish\"]");
    assert_int_equal(r.status, 200);
    assert_same(&r, 0, expected, HIDDEN);
    free_reply(&r);
}

/* ------------------------------------------------------------------- texts */

static void a_nul_is_a_part_of_its_text(void **state)
{
    (void)state;
    static const char text[] = "a\0b";
    float expected[HIDDEN], cut[HIDDEN], vector[HIDDEN];
    rmr_text whole = {text, 3};
    embed_one(model, whole, NULL, expected);
    embed_one(model, text_of("a"), NULL, cut);
    reply r = post_members("\"input\":[\"a\\u0000b\"]");
    assert_int_equal(r.status, 200);
    assert_same(&r, 0, expected, HIDDEN);
    read_vector(&r, 0, vector, HIDDEN);
    assert_memory_not_equal(vector, cut, sizeof cut);
    free_reply(&r);
    r = post_members("\"input\":\"\\u0000\"");
    assert_int_equal(r.status, 200);
    free_reply(&r);
}

static void escapes_are_the_characters_they_stand_for(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"\\u0066ish", "fish"},
        {"\\/ \\\\ \\\" \\b\\f\\n\\r\\t", "/ \\ \" \b\f\n\r\t"},
        {"caf\\u00e9 caf\xc3\xa9", "caf\xc3\xa9 caf\xc3\xa9"},
        {"\\ud83d\\udc1f", "\xf0\x9f\x90\x9f"},
        {"\\u007f\\uffff", "\x7f\xef\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char members[120];
        float expected[HIDDEN];
        embed_one(model, text_of(cases[i].text), NULL, expected);
        snprintf(members, sizeof members, "\"input\":\"%s\"", cases[i].json);
        reply r = post_members(members);
        assert_int_equal(r.status, 200);
        assert_same(&r, 0, expected, HIDDEN);
        free_reply(&r);
    }
}

static void there_may_be_2048_inputs(void **state)
{
    (void)state;
    char *body = body_of_inputs(2048, "a");
    reply r = post(body);
    free(body);
    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2048);
    assert_int_equal(
        json_integer_value(json_object_get(item(&r, 2047), "index")), 2047);
    assert_int_equal(r.tokens, 2048 * 3);
    free_reply(&r);
    body = body_of_inputs(2049, MARKER);
    r = post(body);
    free(body);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "1 to 2048 strings"));
    free_reply(&r);
}

/* ---------------------------------------------------------------- truncate */

static void a_long_text_is_an_error_unless_allowed(void **state)
{
    (void)state;
    static const char *const members[] = {"", ",\"truncate\":false",
                                          ",\"truncate\":\"NONE\"",
                                          ",\"truncate\":null"};
    for (size_t i = 0; i < 4; i++) {
        char all[1000];
        snprintf(all, sizeof all,
                 "\"input\":[\"fish\",\"fish\",\"" MARKER LONG_TEXT
                 "\",\"card\"]%s",
                 members[i]);
        reply r = post_members(all);
        assert_int_equal(r.status, 400);
        assert_int_equal(r.job_status, RMR_ERR_TOO_LONG);
        assert_non_null(strstr(r.body, "input 2 is longer than the 32 tokens"));
        assert_non_null(strstr(r.body, "\"param\":\"input\""));
        free_reply(&r);
    }
}

static void truncate_says_which_end_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        rmr_truncate truncate;
    } cases[] = {{"true", RMR_TRUNCATE_END},
                 {"\"END\"", RMR_TRUNCATE_END},
                 {"\"START\"", RMR_TRUNCATE_START}};
    float kept[3][HIDDEN];
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    for (size_t i = 0; i < 3; i++) {
        char all[1000];
        options.truncate = cases[i].truncate;
        embed_one(model, text_of(LONG_TEXT), &options, kept[i]);
        snprintf(all, sizeof all, "\"input\":\"" LONG_TEXT "\",\"truncate\":%s",
                 cases[i].value);
        reply r = post_members(all);
        assert_int_equal(r.status, 200);
        assert_same(&r, 0, kept[i], HIDDEN);
        assert_true(json_is_true(json_object_get(item(&r, 0), "truncated")));
        assert_int_equal(r.truncated, 1);
        assert_int_equal(r.tokens, 32);
        free_reply(&r);
    }
    assert_memory_equal(kept[0], kept[1], sizeof kept[0]);
    assert_memory_not_equal(kept[0], kept[2], sizeof kept[0]);
}

static void only_what_was_cut_is_called_truncated(void **state)
{
    (void)state;
    reply r = post_members("\"input\":[\"fish\",\"" LONG_TEXT
                           "\",\"fish\",\"" LONG_TEXT "\"],\"truncate\":true");
    assert_int_equal(r.status, 200);
    for (size_t i = 0; i < 4; i++) {
        const json_t *truncated = json_object_get(item(&r, i), "truncated");
        assert_true(i % 2 ? json_is_true(truncated) : !truncated);
    }
    assert_int_equal(r.truncated, 2);
    assert_int_equal(r.tokens, 3 + 32 + 3 + 32);
    free_reply(&r);
}

/* Whatever truncate says: nothing is cut. */
static void windows_read_the_whole_of_a_text(void **state)
{
    (void)state;
    static const char *const members[] = {"", ",\"truncate\":false",
                                          ",\"truncate\":\"START\""};
    rmr_embed_options options;
    float whole[HIDDEN], last[HIDDEN];
    rmr_embed_options_init(&options);
    options.windows = 1;
    options.stride = 7;
    embed_one(model, text_of(LONG_TEXT), &options, whole);
    embed_one(model, text_of("card"), NULL, last);
    for (size_t i = 0; i < 3; i++) {
        char all[1000];
        snprintf(all, sizeof all,
                 "\"input\":[\"" LONG_TEXT "\",\"card\"],\"windows\":true,"
                 "\"stride\":7%s",
                 members[i]);
        reply r = post_members(all);
        assert_int_equal(r.status, 200);
        assert_same(&r, 0, whole, HIDDEN);
        assert_same(&r, 1, last, HIDDEN);
        assert_int_equal(r.truncated, 0);
        /* 30 and 17 of the text's own, 7 of them twice. */
        assert_int_equal(r.tokens, 32 + 19 + 3);
        assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
        free_reply(&r);
    }
}

static void a_host_may_allow_truncation(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"tiny\",\"input\":\"" LONG_TEXT "\"}";
    static const char strict[] =
        "{\"model\":\"tiny\",\"input\":\"" LONG_TEXT "\",\"truncate\":false}";
    rmr_http_options options = default_options();
    options.truncate = RMR_TRUNCATE_END;
    reply r = post_with(&options, body, sizeof body - 1);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.truncated, 1);
    free_reply(&r);
    r = post_with(&options, strict, sizeof strict - 1);
    assert_int_equal(r.status, 400);
    free_reply(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_gets_a_list_of_one),
        cmocka_unit_test(an_array_is_answered_in_its_order),
        cmocka_unit_test(both_forms_hold_the_same_bits),
        cmocka_unit_test(floats_are_as_short_as_they_can_be),
        cmocka_unit_test(dimensions_cut_and_normalise_again),
        cmocka_unit_test(normalize_overrules_the_model),
        cmocka_unit_test(fields_that_change_nothing_are_ignored),
        cmocka_unit_test(a_prompt_comes_before_the_text),
        cmocka_unit_test(a_nul_is_a_part_of_its_text),
        cmocka_unit_test(escapes_are_the_characters_they_stand_for),
        cmocka_unit_test(there_may_be_2048_inputs),
        cmocka_unit_test(a_long_text_is_an_error_unless_allowed),
        cmocka_unit_test(truncate_says_which_end_is_kept),
        cmocka_unit_test(only_what_was_cut_is_called_truncated),
        cmocka_unit_test(windows_read_the_whole_of_a_text),
        cmocka_unit_test(a_host_may_allow_truncation),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
