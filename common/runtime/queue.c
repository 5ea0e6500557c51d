/*
 * queue.c - which texts a free worker gets. It must never let one job keep
 * another from its share, nor touch a job without the engine's lock.
 */
#include <string.h>

#include "common/runtime/engine.h"

static void insert_last(rmr_engine *engine, rmr_job *job)
{
    job->queue_next = NULL;
    job->queue_prev = engine->last;
    if (engine->last)
        engine->last->queue_next = job;
    else
        engine->first = job;
    engine->last = job;
}

static void take_out(rmr_engine *engine, rmr_job *job)
{
    if (job->queue_prev)
        job->queue_prev->queue_next = job->queue_next;
    else
        engine->first = job->queue_next;
    if (job->queue_next)
        job->queue_next->queue_prev = job->queue_prev;
    else
        engine->last = job->queue_prev;
    job->queue_next = job->queue_prev = NULL;
}

/* Tokens that a sequence will about have, unless it has them already: a token
 * is some four bytes of English, and the model takes no more than max_tokens,
 * if that is not 0. */
static uint64_t estimate(const rmr_job *job, size_t index)
{
    if (job->windows)
        return job->windows[index].end - job->windows[index].start;
    uint64_t tokens = (job->prompt.len + job->texts[index].len) / 4 + 2;
    if (job->seconds)
        tokens += job->seconds[index].len / 4 + 1;
    uint64_t limit = job->model->config.max_tokens;
    return !limit || tokens < limit ? tokens : limit;
}

void rmr_queue_push(rmr_engine *engine, rmr_job *job)
{
    job->tokens_left = 0;
    for (size_t i = job->next; i < job->count; i++)
        job->tokens_left += estimate(job, i);
    job->queued = 1;
    engine->num_queued++;
    engine->queued_tokens += job->tokens_left;
    insert_last(engine, job);
}

static void unqueue(rmr_engine *engine, rmr_job *job)
{
    take_out(engine, job);
    job->queued = 0;
    engine->num_queued--;
    engine->queued_tokens -= job->tokens_left;
    job->tokens_left = 0;
}

/* A job that nobody works on and that will get no more work is final. */
static void finish_if_over(rmr_engine *engine, rmr_worker *worker, rmr_job *job)
{
    if (job->queued || job->running)
        return;
    job->state = RMR_JOB_FINAL;
    engine->jobs--;
    engine->bytes -= job->charged;
    if (worker->finished)
        worker->last_finished->queue_next = job;
    else
        worker->finished = job;
    worker->last_finished = job;
}

rmr_status rmr_job_obstacle(const rmr_engine *engine, const rmr_job *job)
{
    if (job->canceled || engine->stopping)
        return RMR_ERR_CANCELED;
    if (job->deadline_ns && rmr_now_ns() >= job->deadline_ns)
        return RMR_ERR_TIMEOUT;
    return RMR_OK;
}

void rmr_job_drop(rmr_job *job, rmr_status status)
{
    rmr_error error;
    rmr_fail(&error, status, "%s",
             status == RMR_ERR_TIMEOUT
                 ? "the deadline passed before the texts were computed"
                 : "the job was canceled");
    rmr_job_fail(job, status, &error);
}

/* Drops the job when something keeps it from going on. */
static int drop_if_hopeless(rmr_engine *engine, rmr_worker *worker,
                            rmr_job *job)
{
    rmr_status status = job->status;
    if (!status)
        status = rmr_job_obstacle(engine, job);
    if (!status)
        return 0;
    rmr_job_drop(job, status);
    unqueue(engine, job);
    finish_if_over(engine, worker, job);
    return 1;
}

/* Takes texts of one job, up to `share` tokens but at least one text. */
static uint64_t take_texts(rmr_engine *engine, rmr_worker *worker, rmr_job *job,
                           uint64_t share)
{
    uint64_t taken = 0;
    while (job->next < job->count && worker->num_items < engine->max_items) {
        uint64_t tokens = estimate(job, job->next);
        if (taken && taken + tokens > share)
            break;
        rmr_item *item = &worker->items[worker->num_items++];
        item->job = job;
        item->index = job->next++;
        item->failed = 0;
        job->running++;
        taken += tokens;
    }
    job->tokens_left -= taken;
    engine->queued_tokens -= taken;
    if (job->next == job->count) {
        unqueue(engine, job);
    } else {
        take_out(engine, job);
        insert_last(engine, job);
    }
    return taken;
}

/* Tokens that this batch should have: the waiting ones spread over all
 * workers, but no more than fit one batch. */
static uint64_t target_tokens(const rmr_engine *engine)
{
    uint64_t spread = (engine->queued_tokens + engine->options.threads - 1) /
                      engine->options.threads;
    uint64_t limit = engine->options.batch_tokens;
    return spread < limit ? spread : limit;
}

/* One round over the queue, each job once; returns the tokens taken. */
static uint64_t take_round(rmr_engine *engine, rmr_worker *worker,
                           uint64_t target)
{
    uint64_t taken = 0;
    uint32_t left = engine->num_queued;
    uint64_t share = left ? (target + left - 1) / left : 0;
    rmr_job *next = engine->first;
    for (; left && taken < target; left--) {
        rmr_job *job = next;
        next = job->queue_next;
        if (drop_if_hopeless(engine, worker, job))
            continue;
        const rmr_job *head = worker->num_items ? worker->items[0].job : NULL;
        if (job->state == RMR_JOB_PENDING && !head) {
            unqueue(engine, job);
            job->running = 1;
            worker->prepared = job;
            return 0;
        }
        if (job->state == RMR_JOB_PENDING ||
            (head && head->model != job->model))
            continue;
        taken += take_texts(engine, worker, job, share);
    }
    return taken;
}

int rmr_queue_take(rmr_engine *engine, rmr_worker *worker)
{
    worker->first_item = worker->num_items = 0;
    worker->prepared = NULL;
    uint64_t target = target_tokens(engine);
    if (engine->first && !target)
        target = 1;
    uint64_t taken = 0, round;
    while (taken < target) {
        round = take_round(engine, worker, target - taken);
        taken += round;
        if (!round || worker->num_items == engine->max_items)
            break;
    }
    return worker->num_items || worker->prepared || worker->finished;
}

void rmr_queue_return_items(rmr_engine *engine, rmr_worker *worker,
                            size_t count)
{
    for (; count; count--) {
        rmr_job *job = worker->items[worker->first_item++].job;
        worker->num_items--;
        job->running--;
        finish_if_over(engine, worker, job);
    }
}

/* Counts what preparing the job made known. A job that the queue could never
 * hold is let in when it is alone, since it was let in with its texts. */
static int charge_rest(rmr_engine *engine, rmr_job *job)
{
    uint64_t rest = job->bytes - job->charged;
    if (engine->jobs > 1 && engine->bytes + rest > engine->options.queue_bytes)
        return 0;
    engine->bytes += rest;
    job->charged = job->bytes;
    return 1;
}

void rmr_queue_return_prepared(rmr_engine *engine, rmr_worker *worker,
                               rmr_status status, const rmr_error *error)
{
    rmr_job *job = worker->prepared;
    worker->prepared = NULL;
    job->running = 0;
    job->state = RMR_JOB_READY;
    rmr_error full;
    if (!status && !charge_rest(engine, job)) {
        status = rmr_fail(&full, RMR_ERR_BUSY,
                          "the queue has no room for the results; try again "
                          "later");
        error = &full;
    }
    if (status)
        rmr_job_fail(job, status, error);
    else
        rmr_queue_push(engine, job);
    finish_if_over(engine, worker, job);
}
