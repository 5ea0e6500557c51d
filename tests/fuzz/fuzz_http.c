/*
 * fuzz_http.c - any bytes as the body of POST /v1/embeddings, with a tiny
 * model that is made at the start. Every body gets a reply with a fitting
 * status and a JSON body of the contract's shape, and none repeats what was
 * sent: the corpus marks its texts.
 */
#include <jansson.h>
#include <math.h>
#include "tests/fuzz/fuzz.h"
/* A fuzz target is one source file and the core. */
#include "tests/unit/tiny_model.c"

enum { HIDDEN = 24, MAX_INPUTS = 2048 };

static tiny_model *tiny;
static rmr_engine *engine;
static rmr_model *model;

static void stop(void)
{
    rmr_engine_stop(engine);
    rmr_model_release(model);
    tiny_model_free(tiny);
}

static void start(void)
{
    rmr_error err = {0};
    rmr_engine_options options;

    tiny = tiny_model_new(&(tiny_options){.hidden_size = HIDDEN});
    rmr_engine_options_init(&options);
    options.threads = 2;
    if (rmr_model_open(&model, tiny->directory, NULL, &err) ||
        rmr_engine_start(&engine, &options, &err)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    CHECK(atexit(stop) == 0);
}

static int is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* Floats, or base64 of as many. */
static void check_embedding(const json_t *value)
{
    size_t count = json_array_size(value), len = json_string_length(value);

    CHECK(json_is_string(value) || (count >= 1 && count <= HIDDEN));
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(value, i);
        CHECK(json_is_number(number) && isfinite(json_number_value(number)));
    }
    if (json_is_string(value)) {
        CHECK(len % 4 == 0 && len >= 8 && len <= HIDDEN * 4 / 3 * 4);
        CHECK(strspn(json_string_value(value),
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                     "0123456789+/=") == len);
    }
}

static void check_result(const json_t *body, const rmr_http_reply *reply)
{
    const json_t *data = json_object_get(body, "data");
    const json_t *usage = json_object_get(body, "usage");
    size_t count = json_array_size(data);
    uint32_t truncated = 0;

    CHECK(json_object_size(body) == 4 && count >= 1 && count <= MAX_INPUTS);
    CHECK(is_text(json_object_get(body, "object"), "list"));
    CHECK(is_text(json_object_get(body, "model"), "tiny"));
    CHECK(json_integer_value(json_object_get(usage, "prompt_tokens")) ==
          reply->tokens);
    CHECK(json_integer_value(json_object_get(usage, "total_tokens")) ==
          reply->tokens);
    CHECK(reply->tokens >= 2 * count);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(data, i);
        CHECK(is_text(json_object_get(item, "object"), "embedding"));
        CHECK(json_integer_value(json_object_get(item, "index")) ==
              (json_int_t)i);
        check_embedding(json_object_get(item, "embedding"));
        truncated += json_is_true(json_object_get(item, "truncated"));
    }
    CHECK(truncated == reply->truncated);
}

/* What a client sent is never the server's fault here. */
static void check_refusal(const json_t *body, const rmr_http_reply *reply)
{
    const json_t *error = json_object_get(body, "error");

    CHECK(reply->status == 400 || reply->status == 404);
    CHECK(json_object_size(body) == 1 && json_object_size(error) == 4);
    CHECK(json_string_length(json_object_get(error, "message")) > 0);
    CHECK(is_text(json_object_get(error, "type"), "invalid_request_error"));
    CHECK(reply->tokens == 0 && reply->truncated == 0);
}

static void check_reply(const rmr_job *job)
{
    const rmr_http_reply *reply = rmr_job_http_reply(job);
    rmr_error err = {0};

    CHECK(reply != NULL);
    json_t *body =
        json_loadb(reply->body, reply->len, JSON_REJECT_DUPLICATES, NULL);
    CHECK(body != NULL);
    CHECK(memmem(reply->body, reply->len, "zebra", 5) == NULL);
    CHECK((rmr_job_result(job, &err) == RMR_OK) == (reply->status == 200));
    CHECK(strstr(err.message, "zebra") == NULL);
    if (reply->status == 200)
        check_result(body, reply);
    else
        check_refusal(body, reply);
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rmr_http_options options;
    rmr_job *job = NULL;
    rmr_error err = {0};

    if (!engine)
        start();
    rmr_named_model models[] = {{"tiny", model}};
    rmr_http_options_init(&options);
    options.models = models;
    options.num_models = 1;
    CHECK(rmr_http_embeddings_start(engine, (const char *)data, size, &options,
                                    NULL, NULL, &job, &err) == RMR_OK);
    CHECK(rmr_job_wait(job, 60000) == 1);
    check_reply(job);
    rmr_job_release(job);
    return 0;
}
