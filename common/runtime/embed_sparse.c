/*
 * embed_sparse.c - weights of the vocabulary's words for texts, by a masked
 * language model. It must never keep a weight of 0.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/tasks.h"
#include "common/runtime/texts.h"

void rmr_embed_sparse_options_init(rmr_embed_sparse_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

typedef struct sparse {
    rmr_text *texts;  /* owned */
    rmr_words *words; /* [count], and the lists in them */
    size_t count;
} sparse;

static void destroy(void *task_data)
{
    sparse *s = task_data;
    for (size_t i = 0; i < s->count; i++)
        rmr_free(s->words[i].items);
    rmr_free(s->words);
    rmr_free(s->texts);
    rmr_free(s);
}

static const rmr_job_task embed_sparse_task = {NULL, destroy};

const rmr_word *rmr_job_sparse(const rmr_job *job, size_t text, size_t *count)
{
    int has = !job->status && job->task == &embed_sparse_task &&
              text < job->num_texts;
    const sparse *s = has ? job->task_data : NULL;
    *count = has ? s->words[text].count : 0;
    return has ? s->words[text].items : NULL;
}

rmr_status rmr_job_set_embed_sparse(rmr_job *job, rmr_model *model,
                                    const rmr_text *texts, size_t count,
                                    const rmr_embed_sparse_options *options,
                                    rmr_error *err)
{
    sparse *s = rmr_task_data(job, &embed_sparse_task, sizeof *s, count, err);
    if (!s)
        return err->status;
    size_t bytes;
    rmr_status status = rmr_check_truncate(options->truncate, err);
    if (!status)
        status =
            rmr_job_reserve(job, model, RMR_TASK_EMBED_SPARSE, count, 0, err);
    if (status)
        return status;
    s->texts = rmr_copy_texts(texts, count, NULL, 0, &bytes);
    s->words = rmr_calloc(count, sizeof *s->words);
    if (!s->texts || !s->words)
        return rmr_fail_nomem(err, "the texts of a job");
    s->count = count;
    job->bytes += bytes;
    job->texts = s->texts;
    job->truncate = options->truncate;
    const rmr_prompt *prompt = model->prompts.chosen;
    if (prompt)
        job->prompt = (rmr_text){prompt->text, prompt->len};
    for (size_t i = 0; i < count; i++)
        job->vectors[i] =
            (rmr_vector){.top_k = options->top_k, .sparse = &s->words[i]};
    return RMR_OK;
}

rmr_status rmr_embed_sparse_start(rmr_engine *engine, rmr_model *model,
                                  const rmr_text *texts, size_t count,
                                  const rmr_embed_sparse_options *options,
                                  rmr_job_done *done, void *user, rmr_job **out,
                                  rmr_error *err)
{
    rmr_embed_sparse_options full;
    rmr_error error;
    rmr_job *job;
    *out = NULL;
    rmr_embed_sparse_options_init(&full);
    rmr_read_options(&full, options);
    rmr_status status = rmr_task_new(&job, 0, done, user, err);
    if (status)
        return status;
    status = rmr_job_set_embed_sparse(job, model, texts, count, &full, &error);
    return rmr_task_submit(engine, job, status, &error, full.timeout_ms, out,
                           err);
}
