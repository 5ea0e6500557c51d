/*
 * test_http.c - bodies of POST /v1/embeddings as clients send them, right and
 * wrong, and the replies they get. Every reply is read back as JSON, and no
 * error may repeat a piece of what was to be embedded.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"

enum { HIDDEN = 24 };

/* In every text that must not come back. Its letters are in the vocabulary. */
#define MARKER "zebraquagga"

static tiny_model *tiny, *raw_tiny;
static rmr_model *model, *raw_model;
static rmr_engine *engine;
static rmr_named_model models[2];

static int open_models(void **state)
{
    (void)state;
    tiny = tiny_model_new(&(tiny_options){.hidden_size = HIDDEN});
    raw_tiny = tiny_model_new(
        &(tiny_options){.seed = 3, .hidden_size = HIDDEN, .no_normalize = 1});
    model = open_directory(tiny->directory);
    raw_model = open_directory(raw_tiny->directory);
    models[0] = (rmr_named_model){"tiny", model};
    models[1] = (rmr_named_model){"tiny \"raw\" \xc3\xa9\x01", raw_model};
    engine = start_engine(2);
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    rmr_engine_stop(engine);
    rmr_model_release(model);
    rmr_model_release(raw_model);
    tiny_model_free(tiny);
    tiny_model_free(raw_tiny);
    return 0;
}

static rmr_http_options default_options(void)
{
    rmr_http_options options;
    rmr_http_options_init(&options);
    options.models = models;
    options.num_models = 2;
    return options;
}

/* ------------------------------------------------------------------ replies */

typedef struct reply {
    int status;
    rmr_status job_status;
    uint32_t truncated, tokens;
    char *body;
    json_t *json;
} reply;

static void free_reply(reply *r)
{
    json_decref(r->json);
    free(r->body);
}

/* null, or a string that is not empty. */
static int is_name(const json_t *value)
{
    return json_is_null(value) || json_string_length(value) > 0;
}

/* The shape of OpenAI's error object, and nothing of the input in it. */
static void check_error(const reply *r)
{
    const json_t *error = json_object_get(r->json, "error");
    assert_int_equal(json_object_size(r->json), 1);
    assert_int_equal(json_object_size(error), 4);
    assert_true(json_string_length(json_object_get(error, "message")) > 0);
    const char *type = json_string_value(json_object_get(error, "type"));
    assert_string_equal(type, r->status == 429   ? "rate_limit_error"
                              : r->status >= 500 ? "server_error"
                                                 : "invalid_request_error");
    assert_true(is_name(json_object_get(error, "param")));
    assert_true(is_name(json_object_get(error, "code")));
    assert_null(strcasestr(r->body, MARKER));
    assert_null(strcasestr(r->body, "zebra"));
    assert_int_equal(r->truncated, 0);
    assert_int_equal(r->tokens, 0);
}

static reply read_reply(rmr_job *job)
{
    rmr_error err = {0};
    assert_int_equal(rmr_job_wait(job, 60000), 1);
    const rmr_http_reply *given = rmr_job_http_reply(job);
    assert_non_null(given);
    reply r = {.status = given->status,
               .truncated = given->truncated,
               .tokens = given->tokens,
               .body = strndup(given->body, given->len),
               .json = json_loadb(given->body, given->len, 0, NULL)};
    r.job_status = rmr_job_result(job, &err);
    assert_non_null(r.json);
    assert_int_equal(r.status == 200, r.job_status == RMR_OK);
    assert_null(strcasestr(err.message, "zebra"));
    if (r.status != 200)
        check_error(&r);
    rmr_job_release(job);
    return r;
}

static reply post_with(const rmr_http_options *options, const char *body,
                       size_t len)
{
    rmr_job *job;
    rmr_error err;
    char *copy = malloc(len + 1); /* so that the job cannot point into it */
    memcpy(copy, body, len);
    if (rmr_http_embeddings_start(engine, copy, len, options, NULL, NULL, &job,
                                  &err))
        fail_msg("%s", err.message);
    memset(copy, '!', len);
    free(copy);
    return read_reply(job);
}

static reply post(const char *body)
{
    rmr_http_options options = default_options();
    return post_with(&options, body, strlen(body));
}

/* {"model":"tiny", members} */
static reply post_members(const char *members)
{
    char *body = malloc(strlen(members) + 32);
    sprintf(body, "{\"model\":\"tiny\",%s}", members);
    reply r = post(body);
    free(body);
    return r;
}

static const json_t *item(const reply *r, size_t index)
{
    return json_array_get(json_object_get(r->json, "data"), index);
}

/* The embedding of one item as floats, from either form. */
static void read_vector(const reply *r, size_t index, float *out, size_t dim)
{
    const json_t *value = json_object_get(item(r, index), "embedding");
    if (json_is_array(value)) {
        assert_int_equal(json_array_size(value), dim);
        for (size_t i = 0; i < dim; i++)
            out[i] = (float)json_number_value(json_array_get(value, i));
        return;
    }
    const char *text = json_string_value(value);
    unsigned char bytes[HIDDEN * 4 + 4];
    size_t len = json_string_length(value);
    assert_int_equal(len, (dim * 4 + 2) / 3 * 4);
    assert_int_equal(
        EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len),
        len / 4 * 3);
    memcpy(out, bytes, dim * 4);
}

static void embed_one(rmr_model *of, rmr_text text,
                      const rmr_embed_options *options, float *vector)
{
    assert_int_equal(
        rmr_embed(engine, of, &text, 1, options, vector, NULL, NULL), RMR_OK);
}

static void assert_same(const reply *r, size_t index, const float *expected,
                        size_t dim)
{
    float vector[HIDDEN];
    read_vector(r, index, vector, dim);
    assert_memory_equal(vector, expected, dim * sizeof *vector);
}

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
        "\"prompt_name\":null,\"input_type\":null",
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

static char *body_of_inputs(size_t count, const char *text)
{
    char *body = malloc(64 + count * (strlen(text) + 4));
    size_t at = (size_t)sprintf(body, "{\"model\":\"tiny\",\"input\":[");
    for (size_t i = 0; i < count; i++)
        at += (size_t)sprintf(body + at, "%s\"%s\"", i ? "," : "", text);
    sprintf(body + at, "]}");
    return body;
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

/* 40 tokens of its own, of which 30 fit; the two ends differ. */
#define LONG_TEXT                                                              \
    "fish fish fish fish fish fish fish fish fish fish "                       \
    "the the the the the the the the the the "                                 \
    "twice twice twice twice twice twice twice twice twice twice "             \
    "card card card card card card card card card card"

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

/* ------------------------------------------------------------ bad requests */

typedef struct refusal {
    const char *body;
    int status;
    const char *param; /* NULL: null */
    const char *says;  /* in the message */
} refusal;

static void check_refusal(const refusal *c)
{
    reply r = post(c->body);
    const json_t *error = json_object_get(r.json, "error");
    const json_t *param = json_object_get(error, "param");
    const json_t *code = json_object_get(error, "code");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (r.status != c->status || !strstr(message, c->says))
        fail_msg("%s\n%d %s", c->body, r.status, r.body);
    if (c->param)
        assert_string_equal(json_string_value(param), c->param);
    else
        assert_true(json_is_null(param));
    if (c->status == 404)
        assert_string_equal(json_string_value(code), "model_not_found");
    else
        assert_true(json_is_null(code));
    free_reply(&r);
}

static void check_refusals(const refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_refusal(&cases[i]);
}

#define CHECK_REFUSALS(cases)                                                  \
    check_refusals(cases, sizeof cases / sizeof *(cases))

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char object[] = "must be a JSON object";
    static const char json[] = "the request body is not valid JSON";
    static const refusal cases[] = {
        {"[]", 400, NULL, object},
        {"[{\"model\":\"tiny\",\"input\":\"" MARKER "\"}]", 400, NULL, object},
        {"\"" MARKER "\"", 400, NULL, json},
        {"null", 400, NULL, json},
        {"", 400, NULL, "it ends too early"},
        {" ", 400, NULL, "it ends too early"},
        {"{", 400, NULL, "it ends too early"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER, 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\"", 400, NULL,
         "it ends too early"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\",}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":'" MARKER "'}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":" MARKER "}", 400, NULL, json},
        {"{\"model\":\"tiny\" \"input\":\"" MARKER "\"}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\"} x", 400, NULL,
         "there is text after its end"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\"}{}", 400, NULL,
         "there is text after its end"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\n\"}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\x41\"}", 400, NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\ud83d\"}", 400, NULL,
         json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\udc1f\\ud83d\"}", 400,
         NULL, json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\\ud83dx\"}", 400, NULL,
         json},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xff\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xc3\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xc0\x80\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"model\":\"tiny\",\"input\":\"" MARKER "\xed\xa0\x80\"}", 400, NULL,
         "a byte is not UTF-8"},
        {"{\"\\u0000" MARKER "\":1}", 400, NULL, "a key holds a NUL"},
        {"{\"x\":1e999}", 400, NULL, "a number is too large"},
        {"{\"x\":99999999999999999999}", 400, NULL, "a number is too large"},
        {"{\"x\":01}", 400, NULL, json},
        {"{\"x\":NaN}", 400, NULL, json},
        {"\xef\xbb\xbf{}", 400, NULL, json},
    };
    CHECK_REFUSALS(cases);
}

static void raw_bytes_are_refused(void **state)
{
    (void)state;
    static const char nul[] = "{\"model\":\"tiny\",\"input\":\"" MARKER "\0\"}";
    static const char after[] = "{\"model\":\"tiny\",\"input\":\"fish\"}\0";
    rmr_http_options options = default_options();
    reply r = post_with(&options, nul, sizeof nul - 1);
    assert_int_equal(r.status, 400);
    free_reply(&r);
    r = post_with(&options, after, sizeof after - 1);
    assert_int_equal(r.status, 400);
    free_reply(&r);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *body = malloc(DEPTH + 64);
    for (int kind = 0; kind < 2; kind++) {
        size_t at = (size_t)sprintf(body, "{\"model\":\"tiny\",\"input\":");
        memset(body + at, kind ? '[' : ']', DEPTH);
        body[at + DEPTH] = '\0';
        reply r = post(body);
        assert_int_equal(r.status, 400);
        assert_non_null(strstr(r.body, kind ? "it is nested too deeply"
                                            : "the syntax is wrong"));
        free_reply(&r);
    }
    free(body);
}

static void the_model_must_be_there(void **state)
{
    (void)state;
#define INPUT "\"input\":\"" MARKER "\""
    static const char given[] = "\"model\" must be given, as a string";
    static const char unknown[] = "does not exist here";
    static const refusal cases[] = {
        {"{}", 400, "model", given},
        {"{" INPUT "}", 400, "model", given},
        {"{\"model\":null," INPUT "}", 400, "model", given},
        {"{\"model\":1," INPUT "}", 400, "model", given},
        {"{\"model\":[\"tiny\"]," INPUT "}", 400, "model", given},
        {"{\"model\":\"\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"Tiny\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny \"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tin\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny\\u0000\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny\\u0000x\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"" MARKER "\"," INPUT "}", 404, "model", unknown},
        {"{\"model\":\"tiny\",\"model\":\"x\"," INPUT "}", 404, "model",
         unknown},
    };
    CHECK_REFUSALS(cases);
}

#define WITH(member) "{\"model\":\"tiny\"," INPUT "," member "}"

static void the_input_must_be_text(void **state)
{
    (void)state;
#define BODY(value) "{\"model\":\"tiny\",\"input\":" value "}"
    static const char given[] = "as a string or an array of 1 to 2048 strings";
    static const char ids[] = "token ids, which are another model's";
    static const char strings[] = "must be a string or an array of strings";
    static const refusal cases[] = {
        {"{\"model\":\"tiny\"}", 400, "input", given},
        {BODY("null"), 400, "input", given},
        {BODY("[]"), 400, "input", given},
        {BODY("\"\""), 400, "input", "input 0 is an empty string"},
        {BODY("[\"" MARKER "\",\"\"]"), 400, "input",
         "input 1 is an empty string"},
        {BODY("[101,7592,102]"), 400, "input", ids},
        {BODY("[[101,7592,102],[101,102]]"), 400, "input", ids},
        {BODY("7592"), 400, "input", ids},
        {BODY("[\"" MARKER "\",7]"), 400, "input", ids},
        {BODY("[[\"" MARKER "\"]]"), 400, "input", ids},
        {BODY("1.5"), 400, "input", strings},
        {BODY("true"), 400, "input", strings},
        {BODY("{\"text\":\"" MARKER "\"}"), 400, "input", strings},
        {BODY("[\"" MARKER "\",null]"), 400, "input", strings},
        {BODY("[\"" MARKER "\",{}]"), 400, "input", strings},
        {BODY("[1.5]"), 400, "input", strings},
    };
    CHECK_REFUSALS(cases);
}

static void options_must_be_what_they_say(void **state)
{
    (void)state;
    static const char format[] = "must be \"float\" or \"base64\"";
    static const char dims[] = "must be a whole number from 1 to 24";
    static const char cut[] =
        "must be true, false, \"NONE\", \"START\" or \"END\"";
    static const char unit[] = "must be true or false";
    static const char prompt[] = "put the prompt before the text";
    static const refusal cases[] = {
        {WITH("\"encoding_format\":\"int8\""), 400, "encoding_format", format},
        {WITH("\"encoding_format\":\"\""), 400, "encoding_format", format},
        {WITH("\"encoding_format\":\"Float\""), 400, "encoding_format", format},
        {WITH("\"encoding_format\":\"float\\u0000\""), 400, "encoding_format",
         format},
        {WITH("\"encoding_format\":1"), 400, "encoding_format", format},
        {WITH("\"encoding_format\":[\"float\"]"), 400, "encoding_format",
         format},
        {WITH("\"dimensions\":0"), 400, "dimensions", dims},
        {WITH("\"dimensions\":-1"), 400, "dimensions", dims},
        {WITH("\"dimensions\":25"), 400, "dimensions", dims},
        {WITH("\"dimensions\":4294967297"), 400, "dimensions", dims},
        {WITH("\"dimensions\":9223372036854775807"), 400, "dimensions", dims},
        {WITH("\"dimensions\":8.0"), 400, "dimensions", dims},
        {WITH("\"dimensions\":8.5"), 400, "dimensions", dims},
        {WITH("\"dimensions\":\"8\""), 400, "dimensions", dims},
        {WITH("\"dimensions\":true"), 400, "dimensions", dims},
        {WITH("\"dimensions\":[8]"), 400, "dimensions", dims},
        {WITH("\"truncate\":\"end\""), 400, "truncate", cut},
        {WITH("\"truncate\":\"END\\u0000\""), 400, "truncate", cut},
        {WITH("\"truncate\":\"\""), 400, "truncate", cut},
        {WITH("\"truncate\":1"), 400, "truncate", cut},
        {WITH("\"truncate\":{}"), 400, "truncate", cut},
        {WITH("\"normalize\":1"), 400, "normalize", unit},
        {WITH("\"normalize\":\"true\""), 400, "normalize", unit},
        {WITH("\"normalize\":[]"), 400, "normalize", unit},
        {WITH("\"prompt_name\":\"query\""), 400, "prompt_name", prompt},
        {WITH("\"prompt_name\":false"), 400, "prompt_name", prompt},
        {WITH("\"input_type\":\"document\""), 400, "input_type", prompt},
    };
    CHECK_REFUSALS(cases);
}

/* ------------------------------------------------------------------- start */

static void a_job_that_is_too_late_is_504(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"tiny\",\"input\":\"" MARKER "\"}";
    rmr_http_options options = default_options();
    options.timeout_ms = 1;
    rmr_job *job;
    gate_close(engine, model, 2);
    assert_int_equal(rmr_http_embeddings_start(engine, body, sizeof body - 1,
                                               &options, NULL, NULL, &job,
                                               NULL),
                     RMR_OK);
    sleep_ms(5);
    gate_open();
    reply r = read_reply(job);
    assert_int_equal(r.status, 504);
    assert_int_equal(r.job_status, RMR_ERR_TIMEOUT);
    assert_non_null(strstr(r.body, "\"code\":\"timeout\""));
    free_reply(&r);
}

static void a_canceled_job_is_503(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"tiny\",\"input\":\"" MARKER "\"}";
    rmr_http_options options = default_options();
    rmr_job *job;
    gate_close(engine, model, 2);
    assert_int_equal(rmr_http_embeddings_start(engine, body, sizeof body - 1,
                                               &options, NULL, NULL, &job,
                                               NULL),
                     RMR_OK);
    rmr_job_cancel(job);
    gate_open();
    reply r = read_reply(job);
    assert_int_equal(r.status, 503);
    assert_int_equal(r.job_status, RMR_ERR_CANCELED);
    free_reply(&r);
}

/* A short body can ask for a long reply: 8 inputs of the tiny model are some
 * 150 bytes in and almost 5 kB out. */
static void results_count_against_the_queue(void **state)
{
    (void)state;
    rmr_http_options options = default_options();
    rmr_engine_options bounds;
    rmr_engine_options_init(&bounds);
    bounds.threads = 1;
    bounds.queue_bytes = 6000;
    rmr_engine *small;
    rmr_job *jobs[2];
    assert_int_equal(rmr_engine_start(&small, &bounds, NULL), RMR_OK);
    char *body = body_of_inputs(8, "a");
    gate_close(small, model, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rmr_http_embeddings_start(small, body, strlen(body),
                                                   &options, NULL, NULL,
                                                   &jobs[i], NULL),
                         RMR_OK);
    }
    gate_open();
    reply r = read_reply(jobs[0]);
    assert_int_equal(r.status, 200);
    free_reply(&r);
    r = read_reply(jobs[1]);
    assert_int_equal(r.status, 429);
    free_reply(&r);
    /* What was counted is given back, and a job alone is always let in. */
    char *large = body_of_inputs(40, "a");
    assert_int_equal(rmr_http_embeddings_start(small, large, strlen(large),
                                               &options, NULL, NULL, &jobs[0],
                                               NULL),
                     RMR_OK);
    r = read_reply(jobs[0]);
    assert_int_equal(r.status, 200);
    free_reply(&r);
    free(large);
    free(body);
    rmr_engine_stop(small);
}

static void a_full_queue_is_busy(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"tiny\",\"input\":\"" MARKER "\"}";
    rmr_http_options options = default_options();
    rmr_engine_options bounds;
    rmr_engine_options_init(&bounds);
    bounds.threads = 1;
    bounds.queue_jobs = 1;
    bounds.queue_bytes = 100;
    rmr_engine *small;
    rmr_job *first, *job;
    rmr_error err;
    assert_int_equal(rmr_engine_start(&small, &bounds, NULL), RMR_OK);
    gate_close(small, model, 1);
    assert_int_equal(rmr_http_embeddings_start(small, body, sizeof body - 1,
                                               &options, NULL, NULL, &first,
                                               &err),
                     RMR_OK);
    assert_int_equal(rmr_http_embeddings_start(small, body, sizeof body - 1,
                                               &options, NULL, NULL, &job,
                                               &err),
                     RMR_ERR_BUSY);
    assert_null(job);
    assert_null(strstr(err.message, MARKER));
    gate_open();
    reply r = read_reply(first);
    assert_int_equal(r.status, 200);
    free_reply(&r);
    char *large = body_of_inputs(20, MARKER);
    assert_int_equal(rmr_http_embeddings_start(small, large, strlen(large),
                                               &options, NULL, NULL, &job,
                                               &err),
                     RMR_ERR_TOO_LONG);
    assert_null(job);
    free(large);
    rmr_engine_stop(small);
}

/* NULL is all defaults: no model at all. */
static void options_may_be_null_or_shorter(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"tiny\",\"input\":\"" MARKER LONG_TEXT "\"}";
    reply r = post_with(NULL, body, sizeof body - 1);
    assert_int_equal(r.status, 404);
    free_reply(&r);
    r = post_with(NULL, "", 0);
    assert_int_equal(r.status, 400);
    free_reply(&r);
    rmr_http_options options = default_options();
    options.size = offsetof(rmr_http_options, truncate);
    options.truncate = RMR_TRUNCATE_END; /* beyond what the caller knows */
    r = post_with(&options, body, sizeof body - 1);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "input 0 is longer"));
    free_reply(&r);
}

static void an_empty_body_may_be_null(void **state)
{
    (void)state;
    rmr_http_options options = default_options();
    rmr_job *job;
    assert_int_equal(rmr_http_embeddings_start(engine, NULL, 0, &options, NULL,
                                               NULL, &job, NULL),
                     RMR_OK);
    reply r = read_reply(job);
    assert_int_equal(r.status, 400);
    free_reply(&r);
}

/* Where a model's files lie is none of a client's business. */
static void a_failing_model_is_the_server_s_fault(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"broken\",\"input\":\"card twice\"}";
    tiny_model *broken = tiny_model_new(
        &(tiny_options){.poison = "encoder.layer.1.output.LayerNorm.weight",
                        .poison_value = 3e38f,
                        .no_normalize = 1});
    rmr_model *opened = open_directory(broken->directory);
    rmr_named_model named = {"broken", opened};
    rmr_http_options options = default_options();
    options.models = &named;
    options.num_models = 1;
    reply r = post_with(&options, body, sizeof body - 1);
    assert_int_equal(r.status, 500);
    assert_int_equal(r.job_status, RMR_ERR_RANGE);
    assert_null(strstr(r.body, broken->directory));
    assert_non_null(strstr(r.body, "not finite"));
    free_reply(&r);
    rmr_model_release(opened);
    tiny_model_free(broken);
}

/* ------------------------------------------------------------ error bodies */

static void statuses_have_an_http_status(void **state)
{
    (void)state;
    static const struct {
        rmr_status status;
        int http;
    } cases[] = {
        {RMR_OK, 200},          {RMR_ERR_NOMEM, 503},
        {RMR_ERR_IO, 500},      {RMR_ERR_FORMAT, 400},
        {RMR_ERR_RANGE, 500},   {RMR_ERR_UNSUPPORTED, 400},
        {RMR_ERR_BUSY, 429},    {RMR_ERR_TOO_LONG, 400},
        {RMR_ERR_TIMEOUT, 504}, {RMR_ERR_CANCELED, 503},
        {RMR_ERR_DEVICE, 500},  {(rmr_status)-99, 500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(rmr_http_status(cases[i].status), cases[i].http);
}

static void check_error_body(int status, const char *message, size_t cap)
{
    /* A block of just that size, so that one byte more is seen. */
    char *buf = malloc(cap ? cap : 1);
    memset(buf, 0x7e, cap ? cap : 1);
    size_t len = rmr_http_error_body(status, message, buf, cap);
    if (!cap) {
        assert_int_equal(len, 0);
        assert_int_equal(*buf, 0x7e);
        free(buf);
        return;
    }
    assert_true(len < cap);
    assert_int_equal(buf[len], '\0');
    assert_int_equal(strlen(buf), len);
    if (len) {
        json_t *json = json_loadb(buf, len, JSON_REJECT_DUPLICATES, NULL);
        const json_t *error = json_object_get(json, "error");
        assert_int_equal(json_object_size(json), 1);
        assert_int_equal(json_object_size(error), 4);
        assert_true(json_is_string(json_object_get(error, "message")));
        assert_true(json_is_string(json_object_get(error, "type")));
        assert_true(json_is_null(json_object_get(error, "param")));
        json_decref(json);
    } else {
        assert_true(cap < 120);
    }
    free(buf);
}

static void error_bodies_are_json_in_any_space(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "",
        "a plain sentence",
        "quotes \" and \\ backslashes \\\" \\\\\\",
        "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
        "\"",
        "control \x01\x02\t\r\n\x1f\x7f characters",
        "caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x90\x9f",
        "broken \xff\xfe \xc3",
        "%s %n %d {}[]/<script>",
    };
    static const int statuses[] = {400, 401, 404, 413, 429,
                                   500, 503, 504, 0,   -1};
    for (size_t cap = 0; cap <= 1024; cap++) {
        for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
            check_error_body(statuses[(cap + i) % 10], messages[i], cap);
    }
}

static void the_longest_message_is_cut_rather_than_the_json(void **state)
{
    (void)state;
    char message[sizeof((rmr_error *)0)->message];
    static const char letters[] = "\"\\\x01x\xc3";
    for (const char *p = letters; *p; p++) {
        memset(message, *p, sizeof message - 1);
        message[sizeof message - 1] = '\0';
        for (size_t cap = 0; cap <= 1024; cap += 3)
            check_error_body(404, message, cap);
    }
    /* One that is not made of escapes alone fits as a whole. */
    char buf[1024];
    memset(message, 'x', sizeof message - 1);
    size_t len = rmr_http_error_body(429, message, buf, sizeof buf);
    assert_true(len > sizeof message);
    assert_non_null(strstr(buf, message));
    assert_non_null(strstr(buf, "\"code\":\"rate_limit_exceeded\""));
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
        cmocka_unit_test(a_nul_is_a_part_of_its_text),
        cmocka_unit_test(escapes_are_the_characters_they_stand_for),
        cmocka_unit_test(there_may_be_2048_inputs),
        cmocka_unit_test(a_long_text_is_an_error_unless_allowed),
        cmocka_unit_test(truncate_says_which_end_is_kept),
        cmocka_unit_test(only_what_was_cut_is_called_truncated),
        cmocka_unit_test(a_host_may_allow_truncation),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(raw_bytes_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(the_model_must_be_there),
        cmocka_unit_test(the_input_must_be_text),
        cmocka_unit_test(options_must_be_what_they_say),
        cmocka_unit_test(a_job_that_is_too_late_is_504),
        cmocka_unit_test(a_canceled_job_is_503),
        cmocka_unit_test(results_count_against_the_queue),
        cmocka_unit_test(a_full_queue_is_busy),
        cmocka_unit_test(options_may_be_null_or_shorter),
        cmocka_unit_test(an_empty_body_may_be_null),
        cmocka_unit_test(a_failing_model_is_the_server_s_fault),
        cmocka_unit_test(statuses_have_an_http_status),
        cmocka_unit_test(error_bodies_are_json_in_any_space),
        cmocka_unit_test(the_longest_message_is_cut_rather_than_the_json),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
