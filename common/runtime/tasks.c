/*
 * tasks.c - what the tasks of remora.h share. It must never leave a job behind
 * that was not handed over.
 */
#include "common/runtime/tasks.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/runtime/windows.h"

static const char *const task_names[] = {"embed", "classify", "token_classify",
                                         "fill_mask", "embed_sparse"};

enum { NUM_TASKS = sizeof task_names / sizeof *task_names };

rmr_status rmr_task_parse(const char *name, rmr_task *task, rmr_error *err)
{
    for (size_t i = 0; i < NUM_TASKS; i++) {
        if (strcmp(name, task_names[i]) == 0) {
            *task = (rmr_task)i;
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "task must be embed, classify, token_classify, fill_mask "
                    "or embed_sparse, not \"%s\"",
                    name);
}

const char *rmr_task_name(rmr_task task)
{
    return (size_t)task < NUM_TASKS ? task_names[task] : "unknown";
}

static const rmr_job_kind task_kind;
static const rmr_job_kind long_kind = {.prepare = rmr_job_make_windows};

rmr_status rmr_task_new(rmr_job **out, int windows, rmr_job_done *done,
                        void *user, rmr_error *err)
{
    *out = rmr_job_new(windows ? &long_kind : &task_kind, done, user);
    return *out ? RMR_OK : rmr_fail_nomem(err, "a job");
}

void *rmr_task_data(rmr_job *job, const rmr_job_task *task, size_t size,
                    size_t count, rmr_error *err)
{
    if (!count) {
        rmr_fail(err, RMR_ERR_RANGE, "there must be at least one text");
        return NULL;
    }
    job->task_data = rmr_calloc(1, size);
    if (job->task_data)
        job->task = task;
    else
        rmr_fail_nomem(err, "a job");
    return job->task_data;
}

rmr_status rmr_task_submit(rmr_engine *engine, rmr_job *job, rmr_status status,
                           const rmr_error *error, uint64_t timeout_ms,
                           rmr_job **out, rmr_error *err)
{
    *out = NULL;
    if (status && err)
        *err = *error;
    if (!status && timeout_ms)
        job->deadline_ns = rmr_deadline_ns(timeout_ms);
    if (!status)
        status = rmr_engine_submit(engine, job, err);
    if (status)
        rmr_job_release(job);
    else
        *out = job;
    return status;
}

rmr_status rmr_check_truncate(rmr_truncate truncate, rmr_error *err)
{
    if ((unsigned)truncate <= RMR_TRUNCATE_NONE)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_RANGE, "truncate has no value %d",
                    (int)truncate);
}

static int order(float a, float b, size_t index_a, size_t index_b)
{
    if (a != b)
        return a > b ? -1 : 1;
    return index_a < index_b ? -1 : index_a > index_b;
}

static int order_labels(const void *a, const void *b)
{
    const rmr_label_score *x = a, *y = b;
    return order(x->score, y->score, x->index, y->index);
}

void rmr_sort_labels(rmr_label_score *labels, size_t count)
{
    qsort(labels, count, sizeof *labels, order_labels);
}

static int order_ranking(const void *a, const void *b)
{
    const rmr_ranked *x = a, *y = b;
    return order(x->score, y->score, x->index, y->index);
}

void rmr_sort_ranking(rmr_ranked *ranking, size_t count)
{
    qsort(ranking, count, sizeof *ranking, order_ranking);
}

void rmr_job_fail_score(rmr_job *job, size_t text)
{
    rmr_error error;
    rmr_status status =
        rmr_fail(&error, RMR_ERR_RANGE,
                 "the model %s gave a score that is not finite for input %zu",
                 job->model->path, text);
    rmr_job_fail(job, status, &error);
}

const float *rmr_job_best_scores(rmr_job *job, rmr_scores scores, size_t text)
{
    rmr_window sequences = rmr_job_sequences(job, text);
    float *best = job->values + sequences.start * job->dim;
    for (size_t i = sequences.start; i < sequences.end; i++) {
        float *row = job->values + i * job->dim;
        if (!rmr_score(scores, job->dim, row)) {
            rmr_job_fail_score(job, text);
            return NULL;
        }
        for (size_t k = 0; k < job->dim; k++)
            best[k] = row[k] > best[k] ? row[k] : best[k];
    }
    return best;
}

void rmr_job_merge_results(rmr_job *job, size_t num_texts)
{
    for (size_t t = 0; t < num_texts; t++) {
        rmr_text_result merged = {.windows = 1};
        for (size_t i = 0; i < job->per_text; i++) {
            merged.tokens += job->results[t * job->per_text + i].tokens;
            merged.truncated |= job->results[t * job->per_text + i].truncated;
        }
        job->results[t] = merged;
    }
    job->num_texts = num_texts;
}
