/*
 * fuzz_http.c - any bytes as the body of POST /v1/embeddings, with the real
 * model. Every body gets a reply with a fitting status and a JSON body, and a
 * refusal never repeats what was sent.
 */
#include <jansson.h>
#include "tests/fuzz/fuzz.h"

static rmr_engine *engine;
static rmr_model *model;

static void open_model(void)
{
    rmr_error err = {0};
    char path[4096];
    const char *models = getenv("REMORA_MODELS");

    snprintf(path, sizeof path, "%s/all-MiniLM-L6-v2",
             models && *models ? models : "build/models");
    if (rmr_model_open(&model, path, NULL, &err) ||
        rmr_engine_start(&engine, NULL, &err)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
}

static void stop_engine(void)
{
    rmr_engine_stop(engine);
    rmr_model_release(model);
}

static void check_reply(const rmr_http_reply *reply)
{
    json_t *body = json_loadb(reply->body, reply->len, 0, NULL);
    CHECK(body != NULL);
    if (reply->status == 200) {
        CHECK(json_array_size(json_object_get(body, "data")) > 0);
    } else {
        json_t *error = json_object_get(body, "error");
        CHECK(reply->status >= 400 && reply->status <= 504);
        CHECK(json_string_length(json_object_get(error, "message")) > 0);
    }
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rmr_http_options options;
    rmr_job *job = NULL;
    rmr_error err = {0};

    if (!engine) {
        open_model();
        CHECK(atexit(stop_engine) == 0);
    }
    rmr_named_model models[] = {{"minilm", model}};
    rmr_http_options_init(&options);
    options.models = models;
    options.num_models = 1;
    rmr_status status = rmr_http_embeddings_start(
        engine, (const char *)data, size, &options, NULL, NULL, &job, &err);
    if (status) {
        check_error(status, &err);
        return 0;
    }
    CHECK(rmr_job_wait(job, 60000) == 1);
    CHECK(rmr_job_http_reply(job) != NULL);
    check_reply(rmr_job_http_reply(job));
    rmr_job_release(job);
    return 0;
}
