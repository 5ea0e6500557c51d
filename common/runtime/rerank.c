/*
 * rerank.c - how well documents answer a query, by a cross-encoder, which takes
 * pairs, or by a decoder that is asked. It must never give out a score that is
 * not finite.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/tasks.h"
#include "common/runtime/texts.h"
#include "common/runtime/windows.h"

void rmr_rerank_options_init(rmr_rerank_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

typedef struct reranking {
    rmr_text *documents; /* owned, with the query behind them */
    rmr_text *queries;   /* owned: the same one as often; or NULL */
    rmr_text prompt;     /* owned: what is asked about each; or without data */
    rmr_scores scores;
} reranking;

static void finish(rmr_job *job)
{
    const reranking *r = job->task_data;
    for (size_t i = 0; i < job->num_texts && !job->status; i++) {
        const float *score = rmr_job_best_scores(job, r->scores, i);
        if (score)
            job->ranking[i] = (rmr_ranked){i, *score};
    }
    if (!job->status)
        rmr_sort_ranking(job->ranking, job->num_texts);
    rmr_job_merge_windows(job);
}

static void destroy(void *task_data)
{
    reranking *r = task_data;
    rmr_free(r->documents);
    rmr_free(r->queries);
    rmr_free((char *)r->prompt.data);
    rmr_free(r);
}

static const rmr_job_task rerank_task = {finish, destroy};

static rmr_status check_model(const rmr_model *model,
                              const rmr_rerank_options *options, rmr_error *err)
{
    if (model->answer && options->windows) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: a decoder that reranks reads no windows",
                        model->path);
    }
    if (model->answer)
        return RMR_OK;
    if (options->instruction.data) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "an instruction is for a decoder that reranks, and "
                        "this model is a cross-encoder");
    }
    if (model->head->labels.count != 1) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: a model that reranks has one label, and this one "
                        "has %zu",
                        model->path, model->head->labels.count);
    }
    if (!model->takes_pairs) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: its tokenizer makes no sequence of two texts that "
                        "the model takes",
                        model->path);
    }
    return RMR_OK;
}

/* Pairs of the query and a document. */
static rmr_status set_pairs(rmr_job *job, rmr_text query,
                            const rmr_text *documents, rmr_error *err)
{
    reranking *r = job->task_data;
    size_t bytes;
    r->documents = rmr_copy_texts(documents, job->count, &query, 1, &bytes);
    r->queries = rmr_malloc_array(job->count, sizeof *r->queries);
    if (!r->documents || !r->queries)
        return rmr_fail_nomem(err, "the texts of a job");
    for (size_t i = 0; i < job->count; i++)
        r->queries[i] = r->documents[job->count];
    job->bytes += bytes;
    job->texts = r->queries;
    job->seconds = r->documents;
    return RMR_OK;
}

/* Documents behind what is asked about them. */
static rmr_status set_questions(rmr_job *job, rmr_text query,
                                const rmr_text *documents, rmr_text instruction,
                                rmr_error *err)
{
    reranking *r = job->task_data;
    size_t bytes;
    rmr_status status = rmr_answer_prompt(&job->model->prompts, instruction,
                                          query, &r->prompt, err);
    if (status)
        return status;
    r->documents = rmr_copy_texts(documents, job->count, NULL, 0, &bytes);
    if (!r->documents)
        return rmr_fail_nomem(err, "the texts of a job");
    job->bytes += bytes + r->prompt.len;
    job->texts = r->documents;
    job->prompt = r->prompt;
    return RMR_OK;
}

rmr_status rmr_job_set_rerank(rmr_job *job, rmr_model *model, rmr_text query,
                              const rmr_text *documents, size_t count,
                              const rmr_rerank_options *options, rmr_error *err)
{
    reranking *r = rmr_task_data(job, &rerank_task, sizeof *r, count, err);
    if (!r)
        return err->status;
    rmr_status status =
        rmr_job_set_rows(job, model, RMR_TASK_CLASSIFY, count, 1, err);
    if (!status)
        status = check_model(model, options, err);
    if (!status)
        status = rmr_check_truncate(options->truncate, err);
    if (!status && model->answer)
        status =
            set_questions(job, query, documents, options->instruction, err);
    else if (!status)
        status = set_pairs(job, query, documents, err);
    if (status)
        return status;
    job->ranking = rmr_malloc_array(count, sizeof *job->ranking);
    if (!job->ranking)
        return rmr_fail_nomem(err, "the texts of a job");
    r->scores = options->raw ? RMR_SCORES_RAW : model->head->rank_scores;
    job->truncate = options->truncate;
    job->num_ranked =
        options->top_n && options->top_n < count ? options->top_n : count;
    return rmr_job_ask_windows(job, options->windows, options->stride, err);
}

rmr_status rmr_rerank_start(rmr_engine *engine, rmr_model *model,
                            rmr_text query, const rmr_text *documents,
                            size_t count, const rmr_rerank_options *options,
                            rmr_job_done *done, void *user, rmr_job **out,
                            rmr_error *err)
{
    rmr_rerank_options full;
    rmr_error error;
    rmr_job *job;
    *out = NULL;
    rmr_rerank_options_init(&full);
    rmr_read_options(&full, options);
    rmr_status status = rmr_task_new(&job, full.windows, done, user, err);
    if (status)
        return status;
    status =
        rmr_job_set_rerank(job, model, query, documents, count, &full, &error);
    return rmr_task_submit(engine, job, status, &error, full.timeout_ms, out,
                           err);
}
