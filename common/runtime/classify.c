/*
 * classify.c - a classifier's labels and their scores for texts. It must never
 * give out a score that is not finite.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/tasks.h"
#include "common/runtime/texts.h"
#include "common/runtime/windows.h"

void rmr_classify_options_init(rmr_classify_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

typedef struct classification {
    rmr_text *texts; /* owned */
    rmr_scores scores;
    uint32_t top_k;
} classification;

/* Writes a text's labels, sorted where they have room: `all` is not below `to`.
 */
static void take_scores(const rmr_job *job, const float *scores,
                        rmr_label_score *all, rmr_label_score *to)
{
    const rmr_labels *names = &job->model->head->labels;
    for (size_t i = 0; i < names->count; i++)
        all[i] = (rmr_label_score){names->names[i], scores[i], (uint32_t)i};
    rmr_sort_labels(all, names->count);
    memmove(to, all, job->num_labels * sizeof *to);
}

static void finish(rmr_job *job)
{
    const classification *c = job->task_data;
    for (size_t t = 0; t < job->num_texts && !job->status; t++) {
        const float *scores = rmr_job_best_scores(job, c->scores, t);
        if (scores)
            take_scores(job, scores, job->labels + t * job->dim,
                        job->labels + t * job->num_labels);
    }
    rmr_job_merge_windows(job);
}

static void destroy(void *task_data)
{
    classification *c = task_data;
    rmr_free(c->texts);
    rmr_free(c);
}

static const rmr_job_task classify_task = {finish, destroy};

static rmr_status read_options(classification *c, const rmr_model *model,
                               const rmr_classify_options *options,
                               rmr_error *err)
{
    static const rmr_scores functions[] = {
        [RMR_SCORE_SOFTMAX] = RMR_SCORES_SOFTMAX,
        [RMR_SCORE_SIGMOID] = RMR_SCORES_SIGMOID,
        [RMR_SCORE_NONE] = RMR_SCORES_RAW};
    if ((unsigned)options->function > RMR_SCORE_NONE) {
        return rmr_fail(err, RMR_ERR_RANGE, "function has no value %d",
                        (int)options->function);
    }
    c->scores = options->function == RMR_SCORE_MODEL
                    ? model->head->scores
                    : functions[options->function];
    c->top_k = options->top_k;
    return rmr_check_truncate(options->truncate, err);
}

rmr_status rmr_job_set_classify(rmr_job *job, rmr_model *model,
                                const rmr_text *texts, size_t count,
                                const rmr_classify_options *options,
                                rmr_error *err)
{
    classification *c =
        rmr_task_data(job, &classify_task, sizeof *c, count, err);
    if (!c)
        return err->status;
    size_t bytes, num_labels = model->head ? model->head->labels.count : 0;
    rmr_status status =
        rmr_job_set_rows(job, model, RMR_TASK_CLASSIFY, count, num_labels, err);
    if (!status && model->answer)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "a decoder that answers yes or no reranks, and has "
                          "no labels");
    if (!status)
        status = read_options(c, model, options, err);
    if (status)
        return status;
    c->texts = rmr_copy_texts(texts, count, NULL, 0, &bytes);
    job->labels = rmr_malloc_array(count * num_labels, sizeof *job->labels);
    if (!c->texts || !job->labels)
        return rmr_fail_nomem(err, "the texts of a job");
    job->bytes += bytes;
    job->texts = c->texts;
    job->truncate = options->truncate;
    job->num_labels = c->top_k && c->top_k < num_labels ? c->top_k : num_labels;
    return rmr_job_ask_windows(job, options->windows, options->stride, err);
}

rmr_status rmr_classify_start(rmr_engine *engine, rmr_model *model,
                              const rmr_text *texts, size_t count,
                              const rmr_classify_options *options,
                              rmr_job_done *done, void *user, rmr_job **out,
                              rmr_error *err)
{
    rmr_classify_options full;
    rmr_error error;
    rmr_job *job;
    *out = NULL;
    rmr_classify_options_init(&full);
    rmr_read_options(&full, options);
    rmr_status status = rmr_task_new(&job, full.windows, done, user, err);
    if (status)
        return status;
    status = rmr_job_set_classify(job, model, texts, count, &full, &error);
    return rmr_task_submit(engine, job, status, &error, full.timeout_ms, out,
                           err);
}
