/*
 * job.c - jobs by themselves: made, given texts, failed, waited for, read. It
 * must never look into a queue, nor keep a pointer into its caller's memory.
 */
#include "common/runtime/job.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/runtime/windows.h"

uint64_t rmr_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t rmr_deadline_ns(uint64_t timeout_ms)
{
    const uint64_t year_ms = 365ull * 24 * 3600 * 1000;
    uint64_t wait_ms = timeout_ms < year_ms ? timeout_ms : year_ms;
    return rmr_now_ns() + wait_ms * 1000000;
}

void rmr_embed_options_init(rmr_embed_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

/* Waiting is by CLOCK_MONOTONIC, so that setting the clock disturbs nobody. */
static int init_condition(rmr_job *job)
{
    pthread_condattr_t attributes;
    if (pthread_mutex_init(&job->wait_lock, NULL))
        return -1;
    int failed = pthread_condattr_init(&attributes);
    if (!failed) {
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        failed = pthread_cond_init(&job->wait_cond, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    if (failed)
        pthread_mutex_destroy(&job->wait_lock);
    return failed;
}

rmr_job *rmr_job_new(const rmr_job_kind *kind, rmr_job_done *done, void *user)
{
    rmr_job *job = rmr_calloc(1, sizeof *job);
    if (!job)
        return NULL;
    if (init_condition(job)) {
        rmr_free(job);
        return NULL;
    }
    job->references = 1;
    job->per_text = 1;
    job->kind = kind;
    job->done = done;
    job->user = user;
    job->state = kind->prepare ? RMR_JOB_PENDING : RMR_JOB_READY;
    return job;
}

rmr_job *rmr_job_retain(rmr_job *job)
{
    atomic_fetch_add(&job->references, 1);
    return job;
}

void rmr_job_release(rmr_job *job)
{
    if (!job || atomic_fetch_sub(&job->references, 1) != 1)
        return;
    if (job->kind->destroy)
        job->kind->destroy(job);
    if (job->task && job->task->destroy)
        job->task->destroy(job->task_data);
    rmr_windows_free(job->long_texts);
    rmr_model_release(job->model);
    rmr_free(job->vectors);
    rmr_free(job->values);
    rmr_free(job->results);
    rmr_free(job->labels);
    rmr_free(job->choices);
    rmr_free(job->ranking);
    rmr_free(job->entities);
    rmr_free(job->entities_ends);
    pthread_cond_destroy(&job->wait_cond);
    pthread_mutex_destroy(&job->wait_lock);
    rmr_free(job);
}

void rmr_job_cancel(rmr_job *job)
{
    job->canceled = 1;
}

static rmr_status check_options(const rmr_embed_options *options, size_t dim,
                                rmr_error *err)
{
    if (options->dimensions > dim) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "dimensions must be from 1 to %zu, not %u", dim,
                        options->dimensions);
    }
    if ((unsigned)options->normalize > RMR_NORMALIZE_OFF) {
        return rmr_fail(err, RMR_ERR_RANGE, "normalize has no value %d",
                        (int)options->normalize);
    }
    if ((unsigned)options->truncate > RMR_TRUNCATE_NONE) {
        return rmr_fail(err, RMR_ERR_RANGE, "truncate has no value %d",
                        (int)options->truncate);
    }
    return RMR_OK;
}

rmr_status rmr_job_choose_prompt(rmr_job *job, const rmr_model *model,
                                 const char *name, rmr_text text,
                                 rmr_error *err)
{
    const rmr_prompt *prompt = model->prompts.chosen;
    if (name && text.data) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "prompt and prompt_name exclude each other");
    }
    job->prompt = text;
    if (text.data)
        return RMR_OK;
    if (name)
        prompt = rmr_prompts_find(&model->prompts, name, err);
    if (name && !prompt)
        return RMR_ERR_RANGE;
    if (prompt)
        job->prompt = (rmr_text){prompt->text, prompt->len};
    return RMR_OK;
}

static rmr_unit_length unit_length(const rmr_config *config,
                                   const rmr_embed_options *options)
{
    int normalize = options->normalize == RMR_NORMALIZE_MODEL
                        ? config->normalize
                        : options->normalize == RMR_NORMALIZE_ON;
    if (!normalize)
        return RMR_UNIT_NEVER;
    /* A model that cuts its own vectors does so at its end. */
    return options->normalize == RMR_NORMALIZE_MODEL && !options->dimensions
               ? RMR_UNIT_BEFORE_CUT
               : RMR_UNIT_AFTER_CUT;
}

rmr_status rmr_job_check_task(const rmr_model *model, rmr_task task,
                              rmr_error *err)
{
    if (!model->arch) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "the model was opened for its tokenizer alone");
    }
    if (model->task != task) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "the model was opened to %s, not to %s",
                        rmr_task_name(model->task), rmr_task_name(task));
    }
    return RMR_OK;
}

rmr_status rmr_job_reserve(rmr_job *job, rmr_model *model, rmr_task task,
                           size_t count, size_t values, rmr_error *err)
{
    rmr_status status = rmr_job_check_task(model, task, err);
    if (status)
        return status;
    job->values = rmr_malloc_array(values, sizeof *job->values);
    job->vectors = rmr_calloc(count, sizeof *job->vectors);
    job->results = rmr_calloc(count, sizeof *job->results);
    if (!job->values || !job->vectors || !job->results)
        return rmr_fail_nomem(err, "the results of a job");
    job->model = rmr_model_retain(model);
    job->num_texts = job->count = count;
    for (size_t i = 0; i < count; i++)
        job->results[i].windows = 1;
    return RMR_OK;
}

rmr_status rmr_job_set_rows(rmr_job *job, rmr_model *model, rmr_task task,
                            size_t count, size_t dim, rmr_error *err)
{
    size_t values;
    if (!rmr_mul_size(count, dim, &values))
        return rmr_fail_nomem(err, "the results of a job");
    rmr_status status = rmr_job_reserve(job, model, task, count, values, err);
    if (status)
        return status;
    job->dim = dim;
    for (size_t i = 0; i < count; i++)
        job->vectors[i] = (rmr_vector){.dimensions = (uint32_t)dim,
                                       .values = job->values + i * dim};
    return RMR_OK;
}

static const rmr_job_task long_embed_task = {.finish = rmr_job_merge_vectors};

rmr_status rmr_job_set_texts(rmr_job *job, rmr_model *model,
                             const rmr_text *texts, size_t count,
                             const rmr_embed_options *options, rmr_error *err)
{
    const rmr_config *config = &model->config;
    uint32_t prompt_tokens = 0;
    rmr_status status = rmr_job_check_task(model, RMR_TASK_EMBED, err);
    if (!status)
        status = check_options(options, config->dim, err);
    if (!status)
        status = rmr_job_choose_prompt(job, model, options->prompt_name,
                                       options->prompt, err);
    if (!status)
        status =
            rmr_model_count_prompt(model, job->prompt, &prompt_tokens, err);
    size_t dim = options->dimensions ? options->dimensions : config->dim;
    if (!status)
        status = rmr_job_set_rows(job, model, RMR_TASK_EMBED, count, dim, err);
    if (status)
        return status;
    job->texts = texts;
    job->truncate = options->truncate;
    for (size_t i = 0; i < count; i++) {
        job->vectors[i].normalize = unit_length(config, options);
        job->vectors[i].prompt_tokens = prompt_tokens;
    }
    if (options->windows)
        job->task = &long_embed_task;
    return rmr_job_ask_windows(job, options->windows, options->stride, err);
}

void rmr_job_fail(rmr_job *job, rmr_status status, const rmr_error *error)
{
    if (job->status)
        return;
    job->status = status;
    job->error = *error;
}

void rmr_job_complete(rmr_job *job)
{
    if (job->task && job->task->finish && !job->status)
        job->task->finish(job);
    if (job->kind->finish)
        job->kind->finish(job);
    pthread_mutex_lock(&job->wait_lock);
    job->is_final = 1;
    pthread_cond_broadcast(&job->wait_cond);
    pthread_mutex_unlock(&job->wait_lock);
    if (job->done)
        job->done(job, job->user);
}

int rmr_job_wait(rmr_job *job, uint64_t timeout_ms)
{
    uint64_t end = rmr_deadline_ns(timeout_ms);
    struct timespec deadline = {.tv_sec = (time_t)(end / 1000000000),
                                .tv_nsec = (long)(end % 1000000000)};
    int failed = 0;
    pthread_mutex_lock(&job->wait_lock);
    while (!job->is_final && !failed)
        failed =
            pthread_cond_timedwait(&job->wait_cond, &job->wait_lock, &deadline);
    int is_final = job->is_final;
    pthread_mutex_unlock(&job->wait_lock);
    return is_final;
}

rmr_status rmr_job_result(const rmr_job *job, rmr_error *err)
{
    if (job->status && err)
        *err = job->error;
    return job->status;
}

const float *rmr_job_embeddings(const rmr_job *job, size_t *count, size_t *dim)
{
    int has = !job->status && job->model->task == RMR_TASK_EMBED &&
              !job->labels && !job->sequences;
    *count = has ? job->num_texts : 0;
    *dim = has ? job->dim : 0;
    return has ? job->values : NULL;
}

const rmr_text_result *rmr_job_texts(const rmr_job *job, size_t *count)
{
    *count = job->status ? 0 : job->num_texts;
    return job->status ? NULL : job->results;
}

const rmr_label_score *rmr_job_labels(const rmr_job *job, size_t text,
                                      size_t *count)
{
    int has = !job->status && job->labels && text < job->num_texts;
    *count = has ? job->num_labels : 0;
    return has ? job->labels + text * job->num_labels : NULL;
}

const char *rmr_job_choice(const rmr_job *job, size_t text)
{
    int has = !job->status && job->choices && text < job->num_texts;
    return has ? job->choices[text] : NULL;
}

const rmr_ranked *rmr_job_ranking(const rmr_job *job, size_t *count)
{
    *count = job->status ? 0 : job->num_ranked;
    return job->status ? NULL : job->ranking;
}

const rmr_entity *rmr_job_entities(const rmr_job *job, size_t text,
                                   size_t *count)
{
    int has = !job->status && job->entities && text < job->num_texts;
    size_t first = has && text ? job->entities_ends[text - 1] : 0;
    *count = has ? job->entities_ends[text] - first : 0;
    return has ? job->entities + first : NULL;
}
