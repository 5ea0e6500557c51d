/*
 * engine.c - an engine's life: its threads, what they do all day, and what is
 * let into the queue. It must never block a caller of rmr_engine_submit.
 */
#include "common/runtime/engine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/options.h"

enum { MAX_THREADS = 1024, MIN_BATCH_TOKENS = 16, MAX_BATCH_TOKENS = 1 << 20 };

void rmr_engine_options_init(rmr_engine_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->queue_jobs = 1024;
    options->queue_bytes = 256ull << 20;
    options->batch_tokens = 512;
}

/* A host that raised its own priority did not mean to raise ours. */
static void normalize_priority(void)
{
    id_t thread = (id_t)syscall(SYS_gettid);
    errno = 0;
    int priority = getpriority(PRIO_PROCESS, thread);
    if (!errno && priority < 0)
        setpriority(PRIO_PROCESS, thread, 0);
}

static void collect_counters(rmr_engine *engine, rmr_worker *worker)
{
    engine->batches += worker->batches;
    engine->texts += worker->texts;
    engine->tokens += worker->tokens;
    engine->truncated += worker->truncated;
    worker->batches = worker->texts = worker->tokens = worker->truncated = 0;
}

/* Completes the jobs that came to their end; called and left with the lock. */
static void complete_jobs(rmr_engine *engine, rmr_worker *worker)
{
    rmr_job *job = worker->finished;
    worker->finished = NULL;
    if (!job)
        return;
    pthread_mutex_unlock(&engine->lock);
    while (job) {
        rmr_job *next = job->queue_next;
        job->queue_next = NULL;
        rmr_job_complete(job);
        rmr_job_release(job);
        job = next;
    }
    pthread_mutex_lock(&engine->lock);
}

/* Does what was taken; called and left with the lock held. */
static void do_work(rmr_engine *engine, rmr_worker *worker)
{
    if (worker->prepared) {
        rmr_error error;
        rmr_job *job = worker->prepared;
        pthread_mutex_unlock(&engine->lock);
        rmr_status status = job->kind->prepare(job, &error);
        pthread_mutex_lock(&engine->lock);
        rmr_queue_return_prepared(engine, worker, status, &error);
        pthread_cond_broadcast(&engine->work);
        complete_jobs(engine, worker);
    }
    while (worker->num_items) {
        pthread_mutex_unlock(&engine->lock);
        size_t count = rmr_batch_run(worker);
        pthread_mutex_lock(&engine->lock);
        collect_counters(engine, worker);
        rmr_queue_return_items(engine, worker, count);
        complete_jobs(engine, worker);
    }
}

static void *run_worker(void *argument)
{
    rmr_worker *worker = argument;
    rmr_engine *engine = worker->engine;
    normalize_priority();
    pthread_mutex_lock(&engine->lock);
    for (;;) {
        if (rmr_queue_take(engine, worker)) {
            /* Those that were dropped do not wait for what was taken. */
            complete_jobs(engine, worker);
            do_work(engine, worker);
        } else if (engine->stopping) {
            break;
        } else {
            pthread_cond_wait(&engine->work, &engine->lock);
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

/* Starts the thread with every signal blocked but those of its own faults. */
static int start_thread(rmr_worker *worker)
{
    static const int own[] = {SIGILL, SIGFPE, SIGSEGV, SIGBUS};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&blocked, own[i]);
    int failed = pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (failed)
        return failed;
    failed = pthread_create(&worker->thread, NULL, run_worker, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        pthread_setname_np(worker->thread, "remora");
    return failed;
}

static rmr_status init_worker(rmr_engine *engine, rmr_worker *worker,
                              rmr_error *err)
{
    size_t max = engine->max_items;
    worker->engine = engine;
    worker->items = rmr_malloc_array(max, sizeof *worker->items);
    worker->cu_seqlens = rmr_malloc_array(max + 1, sizeof(uint32_t));
    worker->vectors = rmr_malloc_array(max, sizeof *worker->vectors);
    if (!worker->items || !worker->cu_seqlens || !worker->vectors)
        return rmr_fail_nomem(err, "a compute thread");
    return RMR_OK;
}

static rmr_status start_workers(rmr_engine *engine, rmr_error *err)
{
    for (uint32_t i = 0; i < engine->options.threads; i++) {
        rmr_status status = init_worker(engine, &engine->workers[i], err);
        if (status)
            return status;
    }
    for (uint32_t i = 0; i < engine->options.threads; i++) {
        int failed = start_thread(&engine->workers[i]);
        if (failed) {
            return rmr_fail(err, RMR_ERR_DEVICE,
                            "compute thread %u of %u cannot be started: %s",
                            i + 1, engine->options.threads, strerror(failed));
        }
        engine->num_started++;
    }
    return RMR_OK;
}

/* The caller's options over the defaults, complete. */
static rmr_status read_options(rmr_engine_options *full,
                               const rmr_engine_options *given, rmr_error *err)
{
    rmr_engine_options_init(full);
    rmr_read_options(full, given);
    if (!full->threads)
        full->threads = rmr_cpu_count();
    if (full->threads > MAX_THREADS) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "threads must be from 1 to %d, not %u", MAX_THREADS,
                        full->threads);
    }
    if (full->batch_tokens < MIN_BATCH_TOKENS ||
        full->batch_tokens > MAX_BATCH_TOKENS) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "batch_tokens must be from %d to %d, not %u",
                        MIN_BATCH_TOKENS, MAX_BATCH_TOKENS, full->batch_tokens);
    }
    if (!full->queue_jobs || !full->queue_bytes) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "queue_jobs and queue_bytes must be at least 1");
    }
    return RMR_OK;
}

rmr_status rmr_engine_start(rmr_engine **out, const rmr_engine_options *options,
                            rmr_error *err)
{
    *out = NULL;
    rmr_engine_options full;
    rmr_status status = read_options(&full, options, err);
    if (status)
        return status;
    rmr_engine *engine = rmr_calloc(1, sizeof *engine);
    rmr_worker *workers = rmr_calloc(full.threads, sizeof *workers);
    if (!engine || !workers) {
        rmr_free(engine);
        rmr_free(workers);
        return rmr_fail_nomem(err, "an engine");
    }
    engine->options = full;
    engine->workers = workers;
    engine->max_items = full.batch_tokens / 2 + 1;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->work, NULL);
    status = start_workers(engine, err);
    if (status)
        rmr_engine_stop(engine);
    else
        *out = engine;
    return status;
}

void rmr_engine_stop(rmr_engine *engine)
{
    if (!engine)
        return;
    pthread_mutex_lock(&engine->lock);
    engine->stopping = 1;
    pthread_cond_broadcast(&engine->work);
    pthread_mutex_unlock(&engine->lock);
    for (size_t i = 0; i < engine->num_started; i++)
        pthread_join(engine->workers[i].thread, NULL);
    for (uint32_t i = 0; i < engine->options.threads; i++)
        rmr_worker_free(&engine->workers[i]);
    pthread_cond_destroy(&engine->work);
    pthread_mutex_destroy(&engine->lock);
    rmr_free(engine->workers);
    rmr_free(engine);
}

/* Whether the queue takes the job, with the lock held. */
static rmr_status admit(const rmr_engine *engine, const rmr_job *job,
                        rmr_error *err)
{
    const rmr_engine_options *options = &engine->options;
    if (engine->stopping)
        return rmr_fail(err, RMR_ERR_CANCELED, "the engine is stopping");
    if (job->bytes > options->queue_bytes) {
        return rmr_fail(err, RMR_ERR_TOO_LONG,
                        "%llu bytes of text are more than the %llu that the "
                        "queue holds",
                        (unsigned long long)job->bytes,
                        (unsigned long long)options->queue_bytes);
    }
    if (engine->jobs >= options->queue_jobs ||
        engine->bytes + job->bytes > options->queue_bytes) {
        return rmr_fail(err, RMR_ERR_BUSY,
                        "the queue is full with %u jobs; try again later",
                        engine->jobs);
    }
    return RMR_OK;
}

rmr_status rmr_engine_submit(rmr_engine *engine, rmr_job *job, rmr_error *err)
{
    pthread_mutex_lock(&engine->lock);
    rmr_status status = admit(engine, job, err);
    if (!status) {
        rmr_job_retain(job);
        engine->jobs++;
        engine->bytes += job->bytes;
        job->charged = job->bytes;
        rmr_queue_push(engine, job);
        if (job->count > 1)
            pthread_cond_broadcast(&engine->work);
        else
            pthread_cond_signal(&engine->work);
    }
    pthread_mutex_unlock(&engine->lock);
    return status;
}

void rmr_engine_get_info(rmr_engine *engine, rmr_engine_info *info)
{
    pthread_mutex_lock(&engine->lock);
    rmr_engine_info full = {
        .size = info->size,
        .threads = engine->options.threads,
        .jobs = engine->jobs,
        .batches = engine->batches,
        .texts = engine->texts,
        .tokens = engine->tokens,
        .truncated = engine->truncated,
    };
    pthread_mutex_unlock(&engine->lock);
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}
