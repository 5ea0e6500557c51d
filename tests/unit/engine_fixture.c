/*
 * engine_fixture.c - the helpers of engine_fixture.h. They use the public
 * interface alone, so that they must never know more than a host does.
 */
#include "tests/unit/engine_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_GATED = 16, PATIENCE_MS = 60000 };

static void need(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "engine_fixture: %s\n", what);
    abort();
}

rmr_text text_of(const char *terminated)
{
    rmr_text text = {terminated, strlen(terminated)};
    return text;
}

rmr_model *open_directory(const char *directory)
{
    rmr_model *model;
    rmr_error err;
    need(!rmr_model_open(&model, directory, NULL, &err), err.message);
    return model;
}

rmr_model *open_minilm(void)
{
    char path[4096];
    const char *models = getenv("REMORA_MODELS");
    snprintf(path, sizeof path, "%s/all-MiniLM-L6-v2",
             models && *models ? models : "build/models");
    return open_directory(path);
}

rmr_engine *start_engine(uint32_t threads)
{
    rmr_engine *engine;
    rmr_error err;
    rmr_engine_options options;
    rmr_engine_options_init(&options);
    options.threads = threads;
    need(!rmr_engine_start(&engine, &options, &err), err.message);
    return engine;
}

rmr_engine_info engine_info(rmr_engine *engine)
{
    rmr_engine_info info = {.size = sizeof info};
    rmr_engine_get_info(engine, &info);
    return info;
}

rmr_job *start_job(rmr_engine *engine, rmr_model *model, const char *text,
                   size_t count, const rmr_embed_options *options,
                   rmr_job_done *done, void *user)
{
    rmr_job *job;
    rmr_error err;
    rmr_text *texts = calloc(count, sizeof *texts);
    need(texts != NULL, "no memory");
    for (size_t i = 0; i < count; i++)
        texts[i] = text_of(text);
    need(!rmr_embed_start(engine, model, texts, count, options, done, user,
                          &job, &err),
         err.message);
    free(texts);
    return job;
}

rmr_status finish_job(rmr_job *job, rmr_error *err)
{
    need(rmr_job_wait(job, PATIENCE_MS), "a job does not end");
    rmr_status status = rmr_job_result(job, err);
    rmr_job_release(job);
    return status;
}

/* -------------------------------------------------------------------- gate */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned waiting;
static int is_open;
static rmr_job *gated[MAX_GATED];
static unsigned num_gated;

static void wait_at_gate(rmr_job *job, void *user)
{
    (void)job, (void)user;
    pthread_mutex_lock(&lock);
    waiting++;
    pthread_cond_broadcast(&changed);
    while (!is_open)
        pthread_cond_wait(&changed, &lock);
    waiting--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void gate_close(rmr_engine *engine, rmr_model *model, unsigned threads)
{
    need(!num_gated && threads <= MAX_GATED, "gate_close");
    is_open = 0;
    for (; num_gated < threads; num_gated++) {
        gated[num_gated] =
            start_job(engine, model, "gate", 1, NULL, wait_at_gate, NULL);
        pthread_mutex_lock(&lock);
        while (waiting <= num_gated)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
    }
}

void gate_open(void)
{
    pthread_mutex_lock(&lock);
    is_open = 1;
    pthread_cond_broadcast(&changed);
    while (waiting)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    while (num_gated)
        rmr_job_release(gated[--num_gated]);
}

/* -------------------------------------------------------------------- seen */

void seen_done(rmr_job *job, void *user)
{
    static _Atomic unsigned next;
    seen *s = user;
    s->order = next++;
    s->status = rmr_job_result(job, NULL);
    if (s->engine)
        s->info = engine_info(s->engine);
    s->calls++;
}

void seen_wait(const seen *s)
{
    for (unsigned ms = 0; !s->calls; ms++) {
        need(ms < PATIENCE_MS, "a job is never done");
        sleep_ms(1);
    }
}

void sleep_ms(unsigned ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&wait, NULL);
}
