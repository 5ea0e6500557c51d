/*
 * job.h - what an engine works on: a list of sequences for one model, cut into
 * batches as threads come free, and what its task makes of them. Only the
 * runtime and the HTTP bodies see this.
 *
 * A job's life: PENDING until a thread has prepared it (or from the start
 * READY), READY while texts are left to hand out or to come back, FINAL.
 * Everything but what the comments mark is protected by the engine's lock.
 */
#ifndef RMR_RUNTIME_JOB_H
#define RMR_RUNTIME_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/model/model.h"

typedef enum rmr_job_state {
    RMR_JOB_PENDING,
    RMR_JOB_READY,
    RMR_JOB_FINAL
} rmr_job_state;

/* What makes a kind of job special; any of them may be NULL. All run without
 * the engine's lock, `prepare` and `finish` on a compute thread. */
typedef struct rmr_job_kind {
    /* Makes the sequences known, through rmr_job_reserve. Called once. */
    rmr_status (*prepare)(rmr_job *job, rmr_error *err);
    /* The result is final in all but name: write the reply. Called once. */
    void (*finish)(rmr_job *job);
    /* Frees `data`. */
    void (*destroy)(rmr_job *job);
} rmr_job_kind;

/* windows.h */
typedef struct rmr_windows rmr_windows;

/* What a task makes of a job's values, and what it keeps for that. */
typedef struct rmr_job_task {
    /* Once the values are final, and before the kind's; may fail the job. Or
     * NULL. */
    void (*finish)(rmr_job *job);
    /* Frees `task_data`, if there is any. */
    void (*destroy)(void *task_data);
} rmr_job_task;

struct rmr_job {
    _Atomic size_t references;
    const rmr_job_kind *kind;
    void *data;               /* the kind's own */
    const rmr_job_task *task; /* NULL: the values are the result */
    void *task_data;          /* the task's own */
    rmr_job_done *done;
    void *user;

    /* Set before the job is READY, then constant. */
    rmr_model *model; /* retained */
    /* The sequences: a text each, or a pair; or, where there are windows, those
     * of tokens. Owned by `data`, `task_data` or `long_texts`. */
    size_t count;
    const rmr_text *texts;     /* [count] */
    const rmr_text *seconds;   /* [count], or NULL */
    const rmr_window *windows; /* [count], or NULL */
    const rmr_token *tokens;
    const struct rmr_sequences *sequences; /* where they are kept, or NULL */
    rmr_windows *long_texts;               /* owned; NULL: they are cut */
    size_t per_text;     /* sequences for each of the caller's texts, in turn */
    rmr_vector *vectors; /* [count] */
    float *values;       /* that they lie in: [count, dim] of texts and pairs */
    rmr_text_result *results; /* [count] */
    size_t dim;
    rmr_truncate truncate;
    rmr_truncate_strategy strategy; /* of pairs */
    rmr_text prompt;      /* before each text; the model's, or as the texts */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    uint64_t most_bytes;  /* that the engine's queue holds */
    uint64_t bytes;       /* of texts and, over HTTP, results and reply */

    /* Progress. */
    rmr_job_state state;
    uint64_t charged;     /* of `bytes`, counted in the engine's */
    size_t next;          /* first text that was not handed out */
    size_t running;       /* texts handed out and not back, or 1 in prepare */
    uint64_t tokens_left; /* estimate for the texts from `next` on */
    int queued;
    rmr_status status;
    rmr_error error;
    rmr_job *queue_next, *queue_prev;

    /* What `finish` made, where the task has it, of each of num_texts texts. */
    size_t num_texts;        /* whose results lie first in `results` */
    rmr_label_score *labels; /* [num_texts, num_labels], best first */
    size_t num_labels;
    const char **choices; /* [num_texts], zero-shot's */
    rmr_ranked *ranking;  /* [num_ranked], best first */
    size_t num_ranked;
    rmr_entity *entities;  /* of all texts, one after another: */
    size_t *entities_ends; /* [num_texts] */

    _Atomic int canceled; /* read between layers, without the lock */

    pthread_mutex_t wait_lock; /* for is_final */
    pthread_cond_t wait_cond;
    int is_final;
};

/* A job with one reference, of 0 texts. NULL: out of memory. */
rmr_job *rmr_job_new(const rmr_job_kind *kind, rmr_job_done *done, void *user);

/* Whether a model was opened for the task. Errors: UNSUPPORTED. */
rmr_status rmr_job_check_task(const rmr_model *model, rmr_task task,
                              rmr_error *err);

/*
 * Gives a job its model and room for `count` sequences with so many values in
 * all, whose vectors are for the caller to fill, unless rmr_job_set_rows does.
 * Errors: those of rmr_job_check_task, NOMEM.
 */
rmr_status rmr_job_reserve(rmr_job *job, rmr_model *model, rmr_task task,
                           size_t count, size_t values, rmr_error *err);

/* rmr_job_reserve for sequences with `dim` values each. */
rmr_status rmr_job_set_rows(rmr_job *job, rmr_model *model, rmr_task task,
                            size_t count, size_t dim, rmr_error *err);

/*
 * Gives a job texts to embed (which must live as long as it) and everything
 * that depends on them. options must be complete. Errors: UNSUPPORTED (the
 * model is not for that), RANGE, NOMEM.
 */
rmr_status rmr_job_set_texts(rmr_job *job, rmr_model *model,
                             const rmr_text *texts, size_t count,
                             const rmr_embed_options *options, rmr_error *err);

/* Sets job->prompt: the model's of that name, or the text, or the model's own
 * default. Errors: RANGE. */
rmr_status rmr_job_choose_prompt(rmr_job *job, const rmr_model *model,
                                 const char *name, rmr_text text,
                                 rmr_error *err);

/* Marks the job as failed unless it already is. The engine's lock, or sole
 * ownership, is needed. */
void rmr_job_fail(rmr_job *job, rmr_status status, const rmr_error *error);

/* Runs the kind's finish, makes the job final, wakes waiters, calls done. */
void rmr_job_complete(rmr_job *job);

/* One more reference. */
rmr_job *rmr_job_retain(rmr_job *job);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t rmr_now_ns(void);

/* rmr_now_ns in timeout_ms milliseconds; a year at most. */
uint64_t rmr_deadline_ns(uint64_t timeout_ms);

#endif
