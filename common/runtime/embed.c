/*
 * embed.c - embedding texts that a host holds in memory: as a job, and as one
 * call that waits. It must never let a job point into the caller's memory.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/engine.h"
#include "common/runtime/texts.h"
#include "common/runtime/windows.h"

static void destroy_texts(rmr_job *job)
{
    rmr_free(job->data);
}

static const rmr_job_kind embed_kind = {.destroy = destroy_texts};
static const rmr_job_kind long_kind = {.prepare = rmr_job_make_windows,
                                       .destroy = destroy_texts};

/* The caller's options over the defaults, as far as the caller knows them. */
static rmr_embed_options complete_options(const rmr_embed_options *given)
{
    rmr_embed_options full;
    rmr_embed_options_init(&full);
    rmr_read_options(&full, given);
    return full;
}

static rmr_status fill_job(rmr_job *job, rmr_model *model,
                           const rmr_text *texts, size_t count,
                           rmr_embed_options *options, rmr_error *err)
{
    size_t bytes = 0;
    rmr_text *copy = rmr_copy_texts(texts, count, &options->prompt, 1, &bytes);
    if (!copy)
        return rmr_fail_nomem(err, "the texts of a job");
    if (options->prompt.data)
        options->prompt = copy[count];
    job->data = copy;
    job->bytes = bytes;
    if (options->timeout_ms)
        job->deadline_ns = rmr_deadline_ns(options->timeout_ms);
    return rmr_job_set_texts(job, model, copy, count, options, err);
}

rmr_status rmr_embed_start(rmr_engine *engine, rmr_model *model,
                           const rmr_text *texts, size_t count,
                           const rmr_embed_options *options, rmr_job_done *done,
                           void *user, rmr_job **out, rmr_error *err)
{
    *out = NULL;
    if (!count) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "there must be at least one text to embed");
    }
    rmr_embed_options full = complete_options(options);
    rmr_job *job =
        rmr_job_new(full.windows ? &long_kind : &embed_kind, done, user);
    if (!job)
        return rmr_fail_nomem(err, "a job");
    rmr_status status = fill_job(job, model, texts, count, &full, err);
    if (!status)
        status = rmr_engine_submit(engine, job, err);
    if (status)
        rmr_job_release(job);
    else
        *out = job;
    return status;
}

rmr_status rmr_embed(rmr_engine *engine, rmr_model *model,
                     const rmr_text *texts, size_t count,
                     const rmr_embed_options *options, float *embeddings,
                     rmr_text_result *results, rmr_error *err)
{
    rmr_job *job;
    rmr_status status = rmr_embed_start(engine, model, texts, count, options,
                                        NULL, NULL, &job, err);
    if (status)
        return status;
    while (!rmr_job_wait(job, UINT64_MAX))
        continue;
    status = rmr_job_result(job, err);
    if (!status) {
        memcpy(embeddings, job->values,
               job->num_texts * job->dim * sizeof *embeddings);
        if (results)
            memcpy(results, job->results, job->num_texts * sizeof *results);
    }
    rmr_job_release(job);
    return status;
}
