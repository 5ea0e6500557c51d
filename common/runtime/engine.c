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

/* Wakes resting workers, `count` at most, to look for work or to help. */
static void wake(rmr_engine *engine, size_t count)
{
    rmr_worker *worker;
    for (; count && (worker = engine->resting); count--) {
        engine->resting = worker->next_resting;
        worker->resting = 0;
        pthread_cond_signal(&worker->wake);
    }
}

static void rest(rmr_engine *engine, rmr_worker *worker)
{
    worker->resting = 1;
    worker->next_resting = engine->resting;
    engine->resting = worker;
    while (worker->resting)
        pthread_cond_wait(&worker->wake, &engine->lock);
}

/* A team's way to more helpers. A leader does not wait for the lock: it asks
 * again with its next phase. */
static void invite(void *context)
{
    rmr_engine *engine = context;
    if (!engine->resting || pthread_mutex_trylock(&engine->lock))
        return;
    wake(engine, 1);
    pthread_mutex_unlock(&engine->lock);
}

static int work_waits(void *context)
{
    const rmr_engine *engine = context;
    return engine->num_queued || engine->stopping;
}

/* The worker whose open team lacks most helpers, or NULL. */
static rmr_worker *find_leader(const rmr_engine *engine)
{
    rmr_worker *leader = NULL;
    unsigned most = 0;
    for (uint32_t i = 0; i < engine->options.threads; i++) {
        rmr_worker *worker = &engine->workers[i];
        unsigned lacks = worker->team ? rmr_team_vacancies(worker->team) : 0;
        if (lacks > most) {
            most = lacks;
            leader = worker;
        }
    }
    return leader;
}

/* Helps whoever leads; called and left with the lock held. Returns 0 when there
 * was nobody, or no more that could be done for now. */
static int help(rmr_engine *engine, const rmr_worker *worker)
{
    const rmr_worker *leader = find_leader(engine);
    if (!leader)
        return 0;
    uint32_t threads = engine->options.threads;
    /* Different for every helper of a leader, whose own it makes 0. */
    unsigned member = (unsigned)((worker - leader + threads) % threads);
    pthread_mutex_unlock(&engine->lock);
    int more = rmr_team_help(leader->team, member, work_waits, engine);
    pthread_mutex_lock(&engine->lock);
    return more;
}

/* Opens the worker's team for its next batch when no other work waits. */
static void open_team(const rmr_engine *engine, rmr_worker *worker)
{
    worker->workspace.team = engine->num_queued ? NULL : worker->team;
    if (worker->workspace.team)
        rmr_team_open(worker->team);
}

static void close_team(rmr_worker *worker)
{
    if (worker->workspace.team)
        rmr_team_close(worker->team);
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
        wake(engine, job->count);
        complete_jobs(engine, worker);
    }
    while (worker->num_items) {
        open_team(engine, worker);
        pthread_mutex_unlock(&engine->lock);
        size_t count = rmr_batch_run(worker);
        close_team(worker);
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
        } else if (!help(engine, worker) && !work_waits(engine)) {
            rest(engine, worker);
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
    if (engine->options.threads > 1) {
        worker->team = rmr_team_new(engine->options.threads, invite, engine);
        if (!worker->team)
            return rmr_fail_nomem(err, "a compute thread");
    }
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
    for (uint32_t i = 0; i < full.threads; i++) {
        workers[i].engine = engine;
        pthread_cond_init(&workers[i].wake, NULL);
    }
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
    wake(engine, engine->options.threads);
    pthread_mutex_unlock(&engine->lock);
    for (size_t i = 0; i < engine->num_started; i++)
        pthread_join(engine->workers[i].thread, NULL);
    for (uint32_t i = 0; i < engine->options.threads; i++)
        rmr_worker_free(&engine->workers[i]);
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
        job->most_bytes = engine->options.queue_bytes;
        rmr_queue_push(engine, job);
        /* One for each text, and one who helps. */
        wake(engine, job->count + 1);
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
