/*
 * http_fixture.h - what the tests of POST /v1/embeddings share: two tiny models
 * and an engine, bodies, and replies. Every reply is read back as JSON, and no
 * error may repeat a piece of what was to be embedded.
 */
#ifndef RMR_TESTS_HTTP_FIXTURE_H
#define RMR_TESTS_HTTP_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <openssl/evp.h>
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

static inline int open_models(void **state)
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

static inline int close_models(void **state)
{
    (void)state;
    rmr_engine_stop(engine);
    rmr_model_release(model);
    rmr_model_release(raw_model);
    tiny_model_free(tiny);
    tiny_model_free(raw_tiny);
    return 0;
}

static inline rmr_http_options default_options(void)
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

static inline void free_reply(reply *r)
{
    json_decref(r->json);
    free(r->body);
}

/* null, or a string that is not empty. */
static inline int is_name(const json_t *value)
{
    return json_is_null(value) || json_string_length(value) > 0;
}

/* The shape of OpenAI's error object, and nothing of the input in it. */
static inline void check_error(const reply *r)
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

static inline reply read_reply(rmr_job *job)
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

static inline reply post_with(const rmr_http_options *options, const char *body,
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

static inline reply post(const char *body)
{
    rmr_http_options options = default_options();
    return post_with(&options, body, strlen(body));
}

/* {"model":"tiny", members} */
static inline reply post_members(const char *members)
{
    char *body = malloc(strlen(members) + 32);
    sprintf(body, "{\"model\":\"tiny\",%s}", members);
    reply r = post(body);
    free(body);
    return r;
}

static inline const json_t *item(const reply *r, size_t index)
{
    return json_array_get(json_object_get(r->json, "data"), index);
}

/* The embedding of one item as floats, from either form. */
static inline void read_vector(const reply *r, size_t index, float *out,
                               size_t dim)
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

static inline void embed_one(rmr_model *of, rmr_text text,
                             const rmr_embed_options *options, float *vector)
{
    assert_int_equal(
        rmr_embed(engine, of, &text, 1, options, vector, NULL, NULL), RMR_OK);
}

static inline void assert_same(const reply *r, size_t index,
                               const float *expected, size_t dim)
{
    float vector[HIDDEN];
    read_vector(r, index, vector, dim);
    assert_memory_equal(vector, expected, dim * sizeof *vector);
}

/* ------------------------------------------------------------------- bodies */

static inline char *body_of_inputs(size_t count, const char *text)
{
    char *body = malloc(64 + count * (strlen(text) + 4));
    size_t at = (size_t)sprintf(body, "{\"model\":\"tiny\",\"input\":[");
    for (size_t i = 0; i < count; i++)
        at += (size_t)sprintf(body + at, "%s\"%s\"", i ? "," : "", text);
    sprintf(body + at, "]}");
    return body;
}

/* 40 tokens of its own, of which 30 fit; the two ends differ. */
#define LONG_TEXT                                                              \
    "fish fish fish fish fish fish fish fish fish fish "                       \
    "the the the the the the the the the the "                                 \
    "twice twice twice twice twice twice twice twice twice twice "             \
    "card card card card card card card card card card"

#endif
