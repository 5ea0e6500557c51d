/*
 * embed_tokens.c - vectors of the tokens of texts. It must never give out the
 * vector of a token that is not in its list of tokens.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/job_tokens.h"
#include "common/runtime/tasks.h"

void rmr_embed_tokens_options_init(rmr_embed_tokens_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

typedef struct token_vectors {
    rmr_sequences sequences;
    rmr_unit_length normalize;
} token_vectors;

static rmr_status prepare(rmr_job *job, rmr_error *err)
{
    token_vectors *v = job->task_data;
    rmr_sequences *s = &v->sequences;
    size_t size = s->model->config.hidden_size, values;
    rmr_status status = rmr_sequences_encode(s, err);
    if (!status && !rmr_mul_size(s->num_tokens, size, &values))
        status = rmr_fail_nomem(err, "the results of a job");
    if (!status)
        status = rmr_job_set_sequences(job, s, values, err);
    if (status)
        return status;
    job->dim = size;
    for (size_t i = 0; i < s->num_texts; i++)
        job->vectors[i] =
            (rmr_vector){.dimensions = (uint32_t)size,
                         .normalize = v->normalize,
                         .of_tokens = 1,
                         .values = job->values + s->windows[i].start * size};
    return RMR_OK;
}

static void destroy(void *task_data)
{
    token_vectors *v = task_data;
    rmr_sequences_free(&v->sequences);
    rmr_free(v);
}

static const rmr_job_task embed_tokens_task = {NULL, destroy};
static const rmr_job_kind embed_tokens_kind = {.prepare = prepare};

const float *rmr_job_token_embeddings(const rmr_job *job, size_t text,
                                      size_t *count, size_t *dim)
{
    int has = !job->status && job->task == &embed_tokens_task &&
              text < job->num_texts;
    const rmr_token *tokens = rmr_job_tokens(job, has ? text : SIZE_MAX, count);
    *dim = has ? job->dim : 0;
    return has ? job->values + (size_t)(tokens - job->tokens) * job->dim : NULL;
}

static rmr_status fill(rmr_job *job, rmr_model *model, const rmr_text *texts,
                       size_t count, const rmr_embed_tokens_options *options,
                       rmr_error *err)
{
    token_vectors *v =
        rmr_task_data(job, &embed_tokens_task, sizeof *v, count, err);
    if (!v)
        return err->status;
    rmr_status status = rmr_job_check_task(model, RMR_TASK_EMBED, err);
    if (!status && model->config.is_static)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "static embeddings have no hidden states");
    if (!status)
        status = rmr_job_choose_prompt(job, model, options->prompt_name,
                                       options->prompt, err);
    if (!status)
        status =
            rmr_sequences_init(&v->sequences, job, model, RMR_TASK_EMBED, texts,
                               count, job->prompt, options->truncate, err);
    job->prompt = v->sequences.prompt;
    v->normalize = options->normalize ? RMR_UNIT_AFTER_CUT : RMR_UNIT_NEVER;
    return status;
}

rmr_status rmr_embed_tokens_start(rmr_engine *engine, rmr_model *model,
                                  const rmr_text *texts, size_t count,
                                  const rmr_embed_tokens_options *options,
                                  rmr_job_done *done, void *user, rmr_job **out,
                                  rmr_error *err)
{
    rmr_embed_tokens_options full;
    rmr_error error;
    *out = NULL;
    rmr_embed_tokens_options_init(&full);
    rmr_read_options(&full, options);
    rmr_job *job = rmr_job_new(&embed_tokens_kind, done, user);
    if (!job)
        return rmr_fail_nomem(err, "a job");
    rmr_status status = fill(job, model, texts, count, &full, &error);
    return rmr_task_submit(engine, job, status, &error, full.timeout_ms, out,
                           err);
}
