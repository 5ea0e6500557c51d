/*
 * test_jobs.c - the life of a job: refused or accepted, waited for, canceled,
 * too late, and cut short by the end of its engine. Its done callback must
 * never be missing or called twice.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/runtime/engine.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tiny_model.h"

enum { HIDDEN = 24 };

static tiny_model *tiny;
static rmr_model *model;

static int open_models(void **state)
{
    (void)state;
    tiny = tiny_model_new(&(tiny_options){.hidden_size = HIDDEN});
    model = open_directory(tiny->directory);
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    rmr_model_release(model);
    tiny_model_free(tiny);
    return 0;
}

static rmr_engine *start_bounded(uint32_t queue_jobs, uint64_t queue_bytes)
{
    rmr_engine *engine;
    rmr_engine_options options;
    rmr_engine_options_init(&options);
    options.threads = 1;
    options.queue_jobs = queue_jobs;
    options.queue_bytes = queue_bytes;
    assert_int_equal(rmr_engine_start(&engine, &options, NULL), RMR_OK);
    return engine;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------- start */

static rmr_status try_start(rmr_engine *engine, size_t count,
                            const rmr_embed_options *options, rmr_error *err)
{
    rmr_text text = text_of("fish");
    rmr_job *job = (rmr_job *)&text;
    rmr_status status = rmr_embed_start(engine, model, &text, count, options,
                                        NULL, NULL, &job, err);
    if (!status) {
        rmr_job_wait(job, UINT64_MAX);
        rmr_job_release(job);
    } else {
        assert_null(job);
    }
    return status;
}

static void start_refuses_options_that_make_no_sense(void **state)
{
    (void)state;
    rmr_error err;
    rmr_embed_options o;
    rmr_engine *engine = start_engine(1);
    assert_int_equal(try_start(engine, 0, NULL, &err), RMR_ERR_RANGE);
    assert_int_equal(err.status, RMR_ERR_RANGE);
    assert_non_null(strstr(err.message, "at least one text"));
    rmr_embed_options_init(&o);
    o.dimensions = HIDDEN;
    assert_int_equal(try_start(engine, 1, &o, NULL), RMR_OK);
    o.dimensions = HIDDEN + 1;
    assert_int_equal(try_start(engine, 1, &o, &err), RMR_ERR_RANGE);
    assert_string_equal(err.message, "dimensions must be from 1 to 24, not 25");
    o.dimensions = UINT32_MAX;
    assert_int_equal(try_start(engine, 1, &o, NULL), RMR_ERR_RANGE);
    for (int value = -1; value <= 3; value += 4) {
        rmr_embed_options_init(&o);
        o.normalize = (rmr_normalize)value;
        assert_int_equal(try_start(engine, 1, &o, &err), RMR_ERR_RANGE);
        assert_non_null(strstr(err.message, "normalize"));
        rmr_embed_options_init(&o);
        o.truncate = (rmr_truncate)value;
        assert_int_equal(try_start(engine, 1, &o, &err), RMR_ERR_RANGE);
        assert_non_null(strstr(err.message, "truncate"));
    }
    assert_int_equal(engine_info(engine).jobs, 0);
    rmr_engine_stop(engine);
}

static void start_refuses_a_tokenizer_alone(void **state)
{
    (void)state;
    rmr_error err;
    rmr_model *tokenizer;
    rmr_model_options options;
    rmr_text text = text_of("fish");
    rmr_job *job = (rmr_job *)&text;
    rmr_engine *engine = start_engine(1);
    rmr_model_options_init(&options);
    options.tokenizer_only = 1;
    assert_int_equal(
        rmr_model_open(&tokenizer, tiny->directory, &options, NULL), RMR_OK);
    assert_int_equal(rmr_embed_start(engine, tokenizer, &text, 1, NULL, NULL,
                                     NULL, &job, &err),
                     RMR_ERR_UNSUPPORTED);
    assert_null(job);
    assert_non_null(strstr(err.message, "tokenizer"));
    assert_int_equal(engine_info(engine).jobs, 0);
    rmr_model_release(tokenizer);
    rmr_engine_stop(engine);
}

static void options_may_be_older_or_newer(void **state)
{
    (void)state;
    struct {
        rmr_embed_options known;
        uint64_t unknown[4];
    } newer;
    size_t count, dim;
    rmr_engine *engine = start_engine(1);
    memset(&newer, 0xff, sizeof newer);
    rmr_embed_options_init(&newer.known);
    newer.known.size = sizeof newer;
    newer.known.dimensions = 5;
    rmr_job *job =
        start_job(engine, model, "fish", 1, &newer.known, NULL, NULL);
    rmr_job_wait(job, UINT64_MAX);
    assert_non_null(rmr_job_embeddings(job, &count, &dim));
    assert_int_equal(dim, 5);
    rmr_job_release(job);
    /* A caller who knows no more than the first field. */
    rmr_embed_options older;
    memset(&older, 0xff, sizeof older);
    older.size = offsetof(rmr_embed_options, normalize);
    older.dimensions = 7;
    job = start_job(engine, model, "fish", 1, &older, NULL, NULL);
    rmr_job_wait(job, UINT64_MAX);
    assert_non_null(rmr_job_embeddings(job, &count, &dim));
    assert_int_equal(dim, 7);
    rmr_job_release(job);
    rmr_engine_stop(engine);
}

static void texts_are_copied(void **state)
{
    (void)state;
    char buffer[] = "card twice";
    float expected[HIDDEN];
    size_t count, dim;
    rmr_text text = text_of(buffer);
    rmr_engine *engine = start_engine(1);
    assert_int_equal(
        rmr_embed(engine, model, &text, 1, NULL, expected, NULL, NULL), RMR_OK);
    gate_close(engine, model, 1);
    rmr_job *job = start_job(engine, model, buffer, 1, NULL, NULL, NULL);
    memset(buffer, 'z', sizeof buffer);
    gate_open();
    rmr_job_wait(job, UINT64_MAX);
    const float *vector = rmr_job_embeddings(job, &count, &dim);
    assert_int_equal(count, 1);
    assert_int_equal(dim, HIDDEN);
    assert_memory_equal(vector, expected, sizeof expected);
    rmr_job_release(job);
    rmr_engine_stop(engine);
}

static void an_empty_text_has_a_vector(void **state)
{
    (void)state;
    rmr_text texts[] = {{NULL, 0}, {"", 0}};
    float vectors[2][HIDDEN];
    rmr_text_result results[2];
    rmr_engine *engine = start_engine(1);
    assert_int_equal(
        rmr_embed(engine, model, texts, 2, NULL, vectors[0], results, NULL),
        RMR_OK);
    assert_int_equal(results[0].tokens, 2);
    assert_int_equal(results[1].tokens, 2);
    assert_false(results[0].truncated);
    assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
    rmr_engine_stop(engine);
}

/* -------------------------------------------------------------------- wait */

static void waiting_is_for_as_long_as_was_said(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(1);
    gate_close(engine, model, 1);
    rmr_job *job = start_job(engine, model, "fish", 1, NULL, NULL, NULL);
    assert_int_equal(rmr_job_wait(job, 0), 0);
    uint64_t start = now_ms();
    assert_int_equal(rmr_job_wait(job, 30), 0);
    assert_true(now_ms() - start >= 29);
    gate_open();
    assert_int_equal(rmr_job_wait(job, UINT64_MAX), 1);
    assert_int_equal(rmr_job_wait(job, 0), 1);
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    rmr_engine_stop(engine);
}

static void *wait_for_job(void *job)
{
    return rmr_job_wait(job, UINT64_MAX) ? job : NULL;
}

static void many_threads_wait_for_one_job(void **state)
{
    (void)state;
    enum { WAITERS = 8 };
    pthread_t threads[WAITERS];
    rmr_engine *engine = start_engine(1);
    gate_close(engine, model, 1);
    rmr_job *job = start_job(engine, model, "fish", 1, NULL, NULL, NULL);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_job, job),
                         0);
    gate_open();
    for (int i = 0; i < WAITERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, job);
    }
    rmr_job_release(job);
    rmr_engine_stop(engine);
}

/* ------------------------------------------------------------------ cancel */

static void a_job_canceled_in_the_queue_is_not_computed(void **state)
{
    (void)state;
    rmr_error err;
    rmr_engine *engine = start_engine(1);
    seen s = {.engine = engine};
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).texts;
    rmr_job *job = start_job(engine, model, "fish", 3, NULL, seen_done, &s);
    rmr_job_cancel(job);
    rmr_job_cancel(job);
    assert_int_equal(rmr_job_wait(job, 0), 0);
    gate_open();
    seen_wait(&s);
    size_t count = 1, dim = 1;
    assert_null(rmr_job_embeddings(job, &count, &dim));
    assert_int_equal(count, 0);
    assert_int_equal(dim, 0);
    count = 1;
    assert_null(rmr_job_texts(job, &count));
    assert_int_equal(count, 0);
    assert_int_equal(finish_job(job, &err), RMR_ERR_CANCELED);
    assert_string_equal(err.message, "the job was canceled");
    assert_int_equal(s.info.texts, before);
    assert_int_equal(s.info.jobs, 0);
    rmr_engine_stop(engine);
    assert_int_equal(s.calls, 1);
}

/* Waits until the engine has run some batches of what it has. */
static void wait_for_batches(rmr_engine *engine, uint64_t batches)
{
    uint64_t end = engine_info(engine).batches + batches;
    while (engine_info(engine).batches < end)
        sleep_ms(1);
}

static void a_job_canceled_while_it_runs_stops_soon(void **state)
{
    (void)state;
    enum { TEXTS = 50000 };
    rmr_engine *engine = start_engine(2);
    seen s = {.engine = engine};
    rmr_job *job = start_job(engine, model, "the card, the fish", TEXTS, NULL,
                             seen_done, &s);
    wait_for_batches(engine, 2);
    rmr_job_cancel(job);
    seen_wait(&s);
    assert_int_equal(finish_job(job, NULL), RMR_ERR_CANCELED);
    assert_true(s.info.texts < TEXTS);
    rmr_engine_stop(engine);
    assert_int_equal(s.calls, 1);
}

/* Waits until a thread has taken everything. */
static void wait_until_taken(rmr_engine *engine)
{
    for (uint32_t queued = 1; queued;) {
        pthread_mutex_lock(&engine->lock);
        queued = engine->num_queued;
        pthread_mutex_unlock(&engine->lock);
    }
}

/* A batch that nobody waits for any more is abandoned between two layers. What
 * it held was not computed, and is not counted. */
static void a_canceled_batch_is_abandoned(void **state)
{
    (void)state;
    enum { TRIES = 10, TEXTS = 8 };
    uint64_t computed = 0;
    tiny_model *deep = tiny_model_new(
        &(tiny_options){.num_hidden_layers = 200, .hidden_size = 96});
    rmr_model *opened = open_directory(deep->directory);
    rmr_engine *engine = start_engine(1);
    for (int i = 0; i < TRIES; i++) {
        rmr_job *job =
            start_job(engine, opened, "the card", TEXTS, NULL, NULL, NULL);
        wait_until_taken(engine);
        rmr_job_cancel(job);
        computed += finish_job(job, NULL) == RMR_OK;
    }
    rmr_engine_info info = engine_info(engine);
    assert_true(computed < TRIES);
    assert_int_equal(info.batches, computed);
    assert_int_equal(info.texts, TEXTS * computed);
    assert_int_equal(info.tokens, TEXTS * 4 * computed);
    rmr_engine_stop(engine);
    rmr_model_release(opened);
    tiny_model_free(deep);
}

static void a_job_canceled_too_late_keeps_its_result(void **state)
{
    (void)state;
    size_t count, dim;
    rmr_engine *engine = start_engine(1);
    rmr_job *job = start_job(engine, model, "fish", 2, NULL, NULL, NULL);
    rmr_job_wait(job, UINT64_MAX);
    rmr_job_cancel(job);
    assert_int_equal(rmr_job_result(job, NULL), RMR_OK);
    assert_non_null(rmr_job_embeddings(job, &count, &dim));
    assert_int_equal(count, 2);
    rmr_job_release(job);
    rmr_engine_stop(engine);
}

/* A job that ends without being computed must not wait for the batch that the
 * thread takes with it. */
static void a_canceled_job_is_done_before_those_after_it(void **state)
{
    (void)state;
    rmr_engine *engine = start_engine(1);
    seen canceled = {0}, first = {0}, second = {0};
    gate_close(engine, model, 1);
    rmr_job *jobs[] = {
        start_job(engine, model, "card", 1, NULL, seen_done, &canceled),
        start_job(engine, model, "fish", 1, NULL, seen_done, &first),
        start_job(engine, model, "twice", 1, NULL, seen_done, &second)};
    rmr_job_cancel(jobs[0]);
    gate_open();
    seen_wait(&second);
    seen_wait(&first);
    assert_int_equal(canceled.calls, 1);
    assert_true(canceled.order < first.order);
    assert_true(first.order < second.order);
    for (int i = 0; i < 3; i++)
        rmr_job_release(jobs[i]);
    rmr_engine_stop(engine);
}

/* ---------------------------------------------------------------- deadline */

static void a_deadline_that_passes_in_the_queue_costs_nothing(void **state)
{
    (void)state;
    rmr_error err;
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    options.timeout_ms = 1;
    rmr_engine *engine = start_engine(1);
    seen s = {.engine = engine};
    gate_close(engine, model, 1);
    uint64_t before = engine_info(engine).batches;
    rmr_job *job = start_job(engine, model, "fish", 3, &options, seen_done, &s);
    sleep_ms(5);
    gate_open();
    seen_wait(&s);
    assert_int_equal(finish_job(job, &err), RMR_ERR_TIMEOUT);
    assert_int_equal(err.status, RMR_ERR_TIMEOUT);
    assert_non_null(strstr(err.message, "deadline"));
    assert_int_equal(s.info.batches, before);
    rmr_engine_stop(engine);
    assert_int_equal(s.calls, 1);
}

static void a_deadline_that_passes_while_it_runs_ends_it(void **state)
{
    (void)state;
    enum { TEXTS = 200000 };
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    options.timeout_ms = 20;
    rmr_engine *engine = start_engine(2);
    rmr_job *job = start_job(engine, model, "the card, the fish", TEXTS,
                             &options, NULL, NULL);
    assert_int_equal(finish_job(job, NULL), RMR_ERR_TIMEOUT);
    assert_true(engine_info(engine).texts < TEXTS);
    rmr_engine_stop(engine);
}

static void a_deadline_may_be_far(void **state)
{
    (void)state;
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    options.timeout_ms = UINT64_MAX;
    rmr_engine *engine = start_engine(1);
    rmr_job *job = start_job(engine, model, "fish", 1, &options, NULL, NULL);
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    rmr_engine_stop(engine);
}

/* ------------------------------------------------------------------- queue */

static void a_queue_full_of_jobs_is_busy(void **state)
{
    (void)state;
    enum { LIMIT = 4 };
    rmr_error err;
    rmr_job *jobs[LIMIT];
    rmr_engine *engine = start_bounded(LIMIT, 1 << 20);
    gate_close(engine, model, 1);
    for (int i = 0; i < LIMIT; i++)
        jobs[i] = start_job(engine, model, "fish", 2, NULL, NULL, NULL);
    assert_int_equal(engine_info(engine).jobs, LIMIT);
    assert_int_equal(try_start(engine, 1, NULL, &err), RMR_ERR_BUSY);
    assert_string_equal(err.message,
                        "the queue is full with 4 jobs; try again later");
    gate_open();
    for (int i = 0; i < LIMIT; i++)
        assert_int_equal(finish_job(jobs[i], NULL), RMR_OK);
    assert_int_equal(try_start(engine, 1, NULL, &err), RMR_OK);
    rmr_engine_stop(engine);
}

static void a_queue_full_of_text_is_busy(void **state)
{
    (void)state;
    enum { LIMIT = 4096 };
    rmr_error err;
    rmr_job *job;
    char bytes[LIMIT + 1];
    memset(bytes, 'a', sizeof bytes);
    rmr_text half = {bytes, LIMIT / 2 + 1}, whole = {bytes, LIMIT + 1};
    rmr_engine *engine = start_bounded(1000, LIMIT);
    assert_int_equal(
        rmr_embed_start(engine, model, &whole, 1, NULL, NULL, NULL, &job, &err),
        RMR_ERR_TOO_LONG);
    assert_null(job);
    assert_non_null(strstr(err.message, "4096"));
    gate_close(engine, model, 1);
    rmr_job *first;
    assert_int_equal(rmr_embed_start(engine, model, &half, 1, NULL, NULL, NULL,
                                     &first, &err),
                     RMR_OK);
    assert_int_equal(
        rmr_embed_start(engine, model, &half, 1, NULL, NULL, NULL, &job, &err),
        RMR_ERR_BUSY);
    assert_null(job);
    gate_open();
    assert_int_equal(finish_job(first, NULL), RMR_OK);
    assert_int_equal(
        rmr_embed_start(engine, model, &half, 1, NULL, NULL, NULL, &job, &err),
        RMR_OK);
    assert_int_equal(finish_job(job, NULL), RMR_OK);
    rmr_engine_stop(engine);
}

/* A canceled or failed job gives its place back, too. */
static void places_in_the_queue_come_back(void **state)
{
    (void)state;
    rmr_embed_options strict;
    rmr_embed_options_init(&strict);
    strict.truncate = RMR_TRUNCATE_NONE;
    char text[2000];
    memset(text, '!', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    rmr_engine *engine = start_bounded(1, 1 << 20);
    for (int i = 0; i < 20; i++) {
        rmr_job *job = start_job(engine, model, text, 2, &strict, NULL, NULL);
        if (i % 2)
            rmr_job_cancel(job);
        assert_int_not_equal(finish_job(job, NULL), RMR_OK);
    }
    assert_int_equal(engine_info(engine).jobs, 0);
    assert_int_equal(try_start(engine, 1, NULL, NULL), RMR_OK);
    rmr_engine_stop(engine);
}

/* -------------------------------------------------------------------- stop */

enum { MAX_LATE = 5000 };

typedef struct stopping {
    rmr_engine *engine;
    seen late[MAX_LATE];
    unsigned count; /* MAX_LATE: never refused */
} stopping;

/* Starts jobs until the engine says that it is stopping, then opens the gate
 * for what was queued. */
static void *start_until_stopped(void *argument)
{
    stopping *s = argument;
    rmr_text text = text_of("fish");
    while (s->count < MAX_LATE) {
        rmr_job *job;
        rmr_status status =
            rmr_embed_start(s->engine, model, &text, 1, NULL, seen_done,
                            &s->late[s->count], &job, NULL);
        if (status == RMR_ERR_CANCELED)
            break;
        if (status)
            abort();
        s->count++;
        rmr_job_release(job);
        sleep_ms(1);
    }
    gate_open();
    return NULL;
}

static void stop_cancels_what_waits(void **state)
{
    (void)state;
    enum { JOBS = 20 };
    seen s[JOBS] = {0};
    rmr_job *jobs[JOBS];
    stopping *stop = calloc(1, sizeof *stop);
    pthread_t thread;
    stop->engine = start_engine(2);
    gate_close(stop->engine, model, 2);
    for (int i = 0; i < JOBS; i++)
        jobs[i] = start_job(stop->engine, model, "card twice", 1 + i % 3, NULL,
                            seen_done, &s[i]);
    pthread_create(&thread, NULL, start_until_stopped, stop);
    sleep_ms(3);
    rmr_engine_stop(stop->engine);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(s[i].calls, 1);
        assert_int_equal(finish_job(jobs[i], NULL), RMR_ERR_CANCELED);
    }
    pthread_join(thread, NULL);
    assert_true(stop->count < MAX_LATE);
    for (unsigned i = 0; i < stop->count; i++) {
        assert_int_equal(stop->late[i].calls, 1);
        assert_int_equal(stop->late[i].status, RMR_ERR_CANCELED);
    }
    free(stop);
}

/* A body whose parsing takes about as long as a batch. */
static char *long_body(size_t *len)
{
    enum { INPUTS = 2048 };
    char *body = calloc(1, 64 + INPUTS * 16);
    size_t at = (size_t)sprintf(body, "{\"model\":\"tiny\",\"input\":[");
    for (int i = 0; i < INPUTS; i++)
        at += (size_t)sprintf(body + at, "%s\"fish %d\"", i ? "," : "", i);
    *len = at + (size_t)sprintf(body + at, "]}");
    return body;
}

/* Starts jobs of every kind; s[i] belongs to the i-th. */
static void start_all_kinds(rmr_engine *engine, const char *body, size_t len,
                            seen *s, rmr_job **jobs, size_t count)
{
    static rmr_named_model named;
    named = (rmr_named_model){"tiny", model};
    rmr_http_options http;
    rmr_http_options_init(&http);
    http.models = &named;
    http.num_models = 1;
    for (size_t i = 0; i < count; i++) {
        if (i % 3 == 0) {
            assert_int_equal(rmr_http_embeddings_start(engine, body, len, &http,
                                                       seen_done, &s[i],
                                                       &jobs[i], NULL),
                             RMR_OK);
        } else {
            jobs[i] = start_job(engine, model, "card twice",
                                i % 3 == 1 ? 1 : 500, NULL, seen_done, &s[i]);
        }
        if (i % 7 == 6)
            rmr_job_cancel(jobs[i]);
    }
}

static void stop_at_any_moment_ends_every_job_once(void **state)
{
    (void)state;
    enum { ROUNDS = 24, JOBS = 12 };
    size_t len;
    char *body = long_body(&len);
    for (unsigned round = 0; round < ROUNDS; round++) {
        seen s[JOBS] = {0};
        rmr_job *jobs[JOBS];
        rmr_engine *engine = start_engine(1 + round % 4);
        start_all_kinds(engine, body, len, s, jobs, JOBS);
        if (round % 3)
            sleep_ms(round % 12);
        rmr_engine_stop(engine);
        for (int i = 0; i < JOBS; i++) {
            assert_int_equal(s[i].calls, 1);
            const rmr_http_reply *reply = rmr_job_http_reply(jobs[i]);
            assert_true((reply != NULL) == (i % 3 == 0));
            if (reply)
                assert_int_equal(reply->status, s[i].status ? 503 : 200);
            rmr_status status = finish_job(jobs[i], NULL);
            assert_true(status == RMR_OK || status == RMR_ERR_CANCELED);
            assert_int_equal(status, s[i].status);
        }
    }
    free(body);
}

static void a_job_outlives_its_engine_and_its_model(void **state)
{
    (void)state;
    tiny_model *other = tiny_model_new(&(tiny_options){.seed = 77});
    rmr_model *opened = open_directory(other->directory);
    size_t count, dim;
    rmr_engine *engine = start_engine(1);
    rmr_job *job = start_job(engine, opened, "fish", 1, NULL, NULL, NULL);
    rmr_model_release(opened);
    rmr_job_wait(job, UINT64_MAX);
    rmr_engine_stop(engine);
    rmr_job_cancel(job);
    assert_int_equal(rmr_job_wait(job, 0), 1);
    assert_non_null(rmr_job_embeddings(job, &count, &dim));
    assert_non_null(rmr_job_texts(job, &count));
    assert_null(rmr_job_http_reply(job));
    rmr_job_release(job);
    rmr_job_release(NULL);
    tiny_model_free(other);
}

/* -------------------------------------------------------------------- done */

typedef struct chain {
    rmr_engine *engine;
    _Atomic unsigned links;
    _Atomic unsigned refused;
} chain;

/* Starts the next job and gives back its own. */
static void continue_chain(rmr_job *job, void *user)
{
    enum { LINKS = 200 };
    chain *c = user;
    rmr_text text = text_of("fish");
    rmr_job *next;
    rmr_job_release(job);
    if (c->links == LINKS) {
        c->links++;
        return;
    }
    c->links++;
    if (rmr_embed_start(c->engine, model, &text, 1, NULL, continue_chain, c,
                        &next, NULL))
        c->refused++;
}

static void a_done_callback_starts_the_next_job(void **state)
{
    (void)state;
    /* One place is enough: a job has left the queue when it is done. */
    chain c = {.engine = start_bounded(1, 1 << 20)};
    start_job(c.engine, model, "fish", 1, NULL, continue_chain, &c);
    for (int ms = 0; c.links <= 200 && ms < 20000; ms++)
        sleep_ms(1);
    rmr_engine_stop(c.engine);
    assert_int_equal(c.links, 201);
    assert_int_equal(c.refused, 0);
}

static void a_chain_of_jobs_ends_with_the_engine(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 4; ms++) {
        chain c = {.engine = start_engine(2)};
        start_job(c.engine, model, "fish", 1, NULL, continue_chain, &c);
        sleep_ms(ms);
        rmr_engine_stop(c.engine);
        assert_true(c.links > 0);
        assert_true(c.refused <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_refuses_options_that_make_no_sense),
        cmocka_unit_test(start_refuses_a_tokenizer_alone),
        cmocka_unit_test(options_may_be_older_or_newer),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(an_empty_text_has_a_vector),
        cmocka_unit_test(waiting_is_for_as_long_as_was_said),
        cmocka_unit_test(many_threads_wait_for_one_job),
        cmocka_unit_test(a_job_canceled_in_the_queue_is_not_computed),
        cmocka_unit_test(a_job_canceled_while_it_runs_stops_soon),
        cmocka_unit_test(a_canceled_batch_is_abandoned),
        cmocka_unit_test(a_job_canceled_too_late_keeps_its_result),
        cmocka_unit_test(a_canceled_job_is_done_before_those_after_it),
        cmocka_unit_test(a_deadline_that_passes_in_the_queue_costs_nothing),
        cmocka_unit_test(a_deadline_that_passes_while_it_runs_ends_it),
        cmocka_unit_test(a_deadline_may_be_far),
        cmocka_unit_test(a_queue_full_of_jobs_is_busy),
        cmocka_unit_test(a_queue_full_of_text_is_busy),
        cmocka_unit_test(places_in_the_queue_come_back),
        cmocka_unit_test(stop_cancels_what_waits),
        cmocka_unit_test(stop_at_any_moment_ends_every_job_once),
        cmocka_unit_test(a_job_outlives_its_engine_and_its_model),
        cmocka_unit_test(a_done_callback_starts_the_next_job),
        cmocka_unit_test(a_chain_of_jobs_ends_with_the_engine),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
