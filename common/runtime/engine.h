/*
 * engine.h - the inside of an engine: its queue, its workers, and the batches
 * that they form. For common/runtime and common/wire only.
 *
 * Late binding: nothing is batched in advance. A worker that comes free takes
 * texts from the waiting jobs, up to a target of tokens, sharing it fairly
 * between jobs, so that a long list does not hold up a single text by more
 * than one batch. A batch that leaves the queue empty is spread: workers with
 * nothing to do help the one that has it, until there is work for them.
 */
#ifndef RMR_RUNTIME_ENGINE_H
#define RMR_RUNTIME_ENGINE_H

#include <pthread.h>
#include "common/base/team.h"
#include "common/runtime/job.h"

/* One text of a batch. */
typedef struct rmr_item {
    rmr_job *job;
    size_t index; /* into the job's texts */
    int failed;   /* its job has been told */
} rmr_item;

/* What one worker has taken from the queue, and all memory it works in. */
typedef struct rmr_worker {
    rmr_engine *engine;
    pthread_t thread;
    rmr_team *team; /* that this worker leads; NULL where it is the only one */

    /* Under the engine's lock. */
    int resting;
    pthread_cond_t wake; /* not resting any more */
    struct rmr_worker *next_resting;

    rmr_item *items;              /* [max_items] */
    size_t first_item, num_items; /* those not yet given back */
    rmr_job *prepared; /* a PENDING job to prepare, instead of items */
    /* Jobs to complete in this order, linked by queue_next. */
    rmr_job *finished, *last_finished;

    /* The packed batch. */
    char *text; /* [text_capacity]: a prompt, and a text behind it */
    size_t text_capacity;
    rmr_encoding encoding;
    uint32_t *ids, *type_ids; /* [tokens_capacity] */
    size_t tokens_capacity;
    uint32_t *cu_seqlens; /* [max_items + 1] */
    rmr_vector *vectors;  /* [max_items] */
    rmr_workspace workspace;

    /* Counted since they were last added to the engine's. */
    uint64_t batches, texts, tokens, truncated;
} rmr_worker;

struct rmr_engine {
    rmr_engine_options options; /* complete */
    rmr_worker *workers;        /* [options.threads] */
    size_t num_started;
    size_t max_items; /* texts in a batch */

    pthread_mutex_t lock; /* for all below, and the jobs */
    rmr_job *first, *last;
    rmr_worker *_Atomic resting; /* who rested last; by next_resting */
    uint64_t queued_tokens;      /* estimate, over the queue */
    uint32_t jobs;               /* not final */
    uint64_t bytes;              /* of jobs that are not final */
    uint64_t batches, texts, tokens, truncated;

    /* Also read without the lock. */
    _Atomic uint32_t num_queued;
    _Atomic int stopping;
};

/* queue.c: all with the lock held. */

/* Appends a job that is PENDING, or READY with texts left. */
void rmr_queue_push(rmr_engine *engine, rmr_job *job);

/* Takes work for the worker: items, or one job to prepare; jobs that are
 * canceled, expired or failed land in `finished`. Returns 0 when there is
 * nothing of either. */
int rmr_queue_take(rmr_engine *engine, rmr_worker *worker);

/* Gives back what was taken, the first `count` items: progress of their jobs;
 * those that are done land in `finished`. */
void rmr_queue_return_items(rmr_engine *engine, rmr_worker *worker,
                            size_t count);
void rmr_queue_return_prepared(rmr_engine *engine, rmr_worker *worker,
                               rmr_status status, const rmr_error *error);

/* What keeps a job from going on: CANCELED, TIMEOUT, or RMR_OK. Needs no lock.
 */
rmr_status rmr_job_obstacle(const rmr_engine *engine, const rmr_job *job);

/* Fails the job for an obstacle. */
void rmr_job_drop(rmr_job *job, rmr_status obstacle);

/* batch.c: without the lock. */

/* Tokenizes and runs the first of the worker's items, as many as make a batch
 * by what they turn out to hold; tells the jobs of those that fail. Returns how
 * many items that were, at least one. */
size_t rmr_batch_run(rmr_worker *worker);
void rmr_worker_free(rmr_worker *worker);

/* engine.c */

/*
 * Hands a job to the engine, which takes a reference of its own. The job's
 * `bytes` must be set. Errors: BUSY, CANCELED (the engine is stopping),
 * TOO_LONG (more bytes than the queue can ever hold).
 */
rmr_status rmr_engine_submit(rmr_engine *engine, rmr_job *job, rmr_error *err);

#endif
