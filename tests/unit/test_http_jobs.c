/*
 * test_http_jobs.c - requests as jobs of an engine: bounds, time, canceling,
 * options of the host. No failure may look like a client's when it is the
 * server's.
 */
#include "tests/unit/http_fixture.h"

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

/* A sparse vector may come to the whole vocabulary: of 4 inputs some 20 kB. */
static void sparse_results_count_as_what_they_may_be(void **state)
{
    (void)state;
    static const char body[] = "{\"inputs\": [\"a\", \"a\", \"a\", \"a\"]}";
    tiny_model *splade = tiny_model_new(
        &(tiny_options){.head = "BertForMaskedLM", .pooling = ""});
    rmr_http_options options = default_options();
    rmr_model_options for_sparse;
    rmr_engine_options bounds;
    rmr_engine *small;
    rmr_named_model named = {"splade", NULL};
    rmr_job *jobs[2];
    rmr_model_options_init(&for_sparse);
    for_sparse.task = RMR_TASK_EMBED_SPARSE;
    assert_int_equal(
        rmr_model_open(&named.model, splade->directory, &for_sparse, NULL),
        RMR_OK);
    options.models = &named;
    options.num_models = 1;
    rmr_engine_options_init(&bounds);
    bounds.threads = 1;
    bounds.queue_bytes = 6 * 48 * tiny_vocab_size();
    assert_int_equal(rmr_engine_start(&small, &bounds, NULL), RMR_OK);
    gate_close(small, model, 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(rmr_http_sparse_start(small, body, sizeof body - 1,
                                               &options, NULL, NULL, &jobs[i],
                                               NULL),
                         RMR_OK);
    gate_open();
    for (size_t i = 0; i < 2; i++) {
        reply r = read_reply(jobs[i]);
        assert_int_equal(r.status, i ? 429 : 200);
        assert_int_equal(json_array_size(r.json), i ? 0 : 4);
        assert_int_equal(r.tokens, i ? 0 : 12);
        free_reply(&r);
    }
    rmr_engine_stop(small);
    rmr_model_release(named.model);
    tiny_model_free(splade);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_is_too_late_is_504),
        cmocka_unit_test(a_canceled_job_is_503),
        cmocka_unit_test(results_count_against_the_queue),
        cmocka_unit_test(sparse_results_count_as_what_they_may_be),
        cmocka_unit_test(a_full_queue_is_busy),
        cmocka_unit_test(options_may_be_null_or_shorter),
        cmocka_unit_test(an_empty_body_may_be_null),
        cmocka_unit_test(a_failing_model_is_the_server_s_fault),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
