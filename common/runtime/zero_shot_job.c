/*
 * zero_shot_job.c - scores of zero-shot labels for texts: by entailment, each
 * text with each hypothesis, or by embedding. It must never give out a score
 * that is not finite.
 */
#include <math.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/runtime/tasks.h"
#include "common/runtime/texts.h"
#include "common/runtime/zero_shot.h"

typedef struct zero_shot_run {
    rmr_zero_shot *labels; /* retained */
    size_t num_texts;
    rmr_text *texts;      /* owned: [num_texts], then examples if any */
    rmr_text *premises;   /* owned: each text once for each label */
    rmr_text *hypotheses; /* owned: the labels', once for each text */
    float *scores;        /* [labels->count] of one text */
} zero_shot_run;

/* ------------------------------------------------------------------- scores
 */

/* Of rows [count, logits], one for each hypothesis. */
static int score_entailment(const rmr_zero_shot *z, size_t logits,
                            const float *rows, float *scores)
{
    int alone = z->options.multi_label || z->count == 1;
    for (size_t i = 0; i < z->count; i++, rows += logits) {
        float pair[2] = {rows[z->contradiction], rows[z->entailment]};
        if (alone && !rmr_score(RMR_SCORES_SOFTMAX, 2, pair))
            return 0;
        scores[i] = pair[1];
    }
    return alone || rmr_score(RMR_SCORES_SOFTMAX, z->count, scores);
}

static int score_vector(const rmr_zero_shot *z, size_t dim, const float *vector,
                        const float *centroids, float *scores)
{
    for (size_t i = 0; i < z->count; i++) {
        double cosine = rmr_cosine(vector, centroids + i * dim, dim);
        if (!z->options.multi_label)
            scores[i] = (float)(z->options.scale * cosine);
        else
            scores[i] = cosine > 0 ? (float)cosine : 0;
    }
    return z->options.multi_label ||
           rmr_score(RMR_SCORES_SOFTMAX, z->count, scores);
}

/* The means of the labels' examples, which are unit vectors, [num_examples,
 * dim]: kept unless another job was first. NULL: out of memory. */
static const float *keep_centroids(rmr_zero_shot *z, size_t dim,
                                   const float *vectors)
{
    float *none = NULL, *means = rmr_calloc(z->count * dim, sizeof *means);
    if (!means)
        return NULL;
    for (size_t i = 0, e = 0; i < z->count; i++) {
        for (; e < z->examples_ends[i]; e++) {
            for (size_t d = 0; d < dim; d++)
                means[i * dim + d] += vectors[e * dim + d];
        }
    }
    if (atomic_compare_exchange_strong(&z->centroids, &none, means))
        return means;
    rmr_free(means);
    return none;
}

/* ------------------------------------------------------------------ results
 */

static const char *choose(const rmr_zero_shot *z, const rmr_label_score *sorted)
{
    float lead = z->count > 1 ? sorted[0].score - sorted[1].score : 1;
    int sure =
        sorted[0].score >= z->options.threshold && lead >= z->options.margin;
    return sure ? sorted[0].label : z->default_label;
}

/* Writes a text's labels. They are sorted where the next text's will lie, too,
 * so that all of them have room there. */
static void take_scores(rmr_job *job, const rmr_zero_shot *z, size_t text,
                        const float *scores)
{
    rmr_label_score *sorted = job->labels + text * z->count;
    for (size_t i = 0; i < z->count; i++)
        sorted[i] = (rmr_label_score){z->names[i].data, scores[i], (uint32_t)i};
    rmr_sort_labels(sorted, z->count);
    job->choices[text] = choose(z, sorted);
    memmove(job->labels + text * job->num_labels, sorted,
            job->num_labels * sizeof *sorted);
}

static void finish_entailment(rmr_job *job)
{
    const zero_shot_run *run = job->task_data;
    const rmr_zero_shot *z = run->labels;
    for (size_t t = 0; t < run->num_texts && !job->status; t++) {
        const float *rows = job->values + t * z->count * job->dim;
        if (!score_entailment(z, job->dim, rows, run->scores))
            rmr_job_fail_score(job, t);
        else
            take_scores(job, z, t, run->scores);
    }
    rmr_job_merge_results(job, run->num_texts);
}

static void finish_embedding(rmr_job *job)
{
    const zero_shot_run *run = job->task_data;
    rmr_zero_shot *z = run->labels;
    const float *centroids = z->centroids;
    if (!centroids)
        centroids = keep_centroids(z, job->dim,
                                   job->values + run->num_texts * job->dim);
    if (!centroids) {
        rmr_error error;
        rmr_job_fail(job, rmr_fail_nomem(&error, "the labels' vectors"),
                     &error);
    }
    for (size_t t = 0; t < run->num_texts && !job->status; t++) {
        if (!score_vector(z, job->dim, job->values + t * job->dim, centroids,
                          run->scores))
            rmr_job_fail_score(job, t);
        else
            take_scores(job, z, t, run->scores);
    }
    rmr_job_merge_results(job, run->num_texts);
}

static void destroy(void *task_data)
{
    zero_shot_run *run = task_data;
    rmr_zero_shot_release(run->labels);
    rmr_free(run->texts);
    rmr_free(run->premises);
    rmr_free(run->hypotheses);
    rmr_free(run->scores);
    rmr_free(run);
}

static const rmr_job_task entailment_task = {finish_entailment, destroy};
static const rmr_job_task embedding_task = {finish_embedding, destroy};

/* ---------------------------------------------------------------- sequences
 */

/* Each text with each hypothesis. */
static rmr_status set_pairs(rmr_job *job, size_t count, rmr_error *err)
{
    zero_shot_run *run = job->task_data;
    const rmr_zero_shot *z = run->labels;
    size_t pairs;
    if (!rmr_mul_size(count, z->count, &pairs))
        return rmr_fail_nomem(err, "the texts of a job");
    run->premises = rmr_malloc_array(pairs, sizeof *run->premises);
    run->hypotheses = rmr_malloc_array(pairs, sizeof *run->hypotheses);
    if (!run->premises || !run->hypotheses)
        return rmr_fail_nomem(err, "the texts of a job");
    for (size_t i = 0; i < pairs; i++) {
        run->premises[i] = run->texts[i / z->count];
        run->hypotheses[i] = z->hypotheses[i % z->count];
    }
    job->texts = run->premises;
    job->seconds = run->hypotheses;
    job->strategy = RMR_TRUNCATE_ONLY_FIRST;
    job->per_text = z->count;
    job->bytes += 2 * pairs * sizeof *run->premises;
    return rmr_job_set_rows(job, z->model, RMR_TASK_CLASSIFY, pairs,
                            z->model->head->labels.count, err);
}

static rmr_status set_texts(rmr_job *job, size_t count, rmr_error *err)
{
    const zero_shot_run *run = job->task_data;
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    options.normalize = RMR_NORMALIZE_ON;
    options.truncate = job->truncate;
    return rmr_job_set_texts(job, run->labels->model, run->texts, count,
                             &options, err);
}

static rmr_status fill_job(rmr_job *job, const rmr_text *texts, size_t count,
                           rmr_error *err)
{
    zero_shot_run *run = job->task_data;
    const rmr_zero_shot *z = run->labels;
    size_t bytes, scores;
    size_t examples = z->examples && !z->centroids ? z->num_examples : 0;
    run->num_texts = count;
    run->texts = rmr_copy_texts(texts, count, z->examples, examples, &bytes);
    run->scores = rmr_malloc_array(z->count, sizeof *run->scores);
    if (rmr_mul_size(count, z->count, &scores))
        job->labels = rmr_malloc_array(scores, sizeof *job->labels);
    job->choices = rmr_malloc_array(count, sizeof *job->choices);
    if (!run->texts || !run->scores || !job->labels || !job->choices)
        return rmr_fail_nomem(err, "the texts of a job");
    job->bytes += bytes;
    job->num_labels = z->options.top_k && z->options.top_k < z->count
                          ? z->options.top_k
                          : z->count;
    return z->examples ? set_texts(job, count + examples, err)
                       : set_pairs(job, count, err);
}

rmr_status rmr_job_set_zero_shot(rmr_job *job, rmr_zero_shot *zero_shot,
                                 const rmr_text *texts, size_t count,
                                 rmr_truncate truncate, rmr_error *err)
{
    zero_shot_run *run = rmr_task_data(
        job, zero_shot->examples ? &embedding_task : &entailment_task,
        sizeof *run, count, err);
    if (!run)
        return err->status;
    run->labels = rmr_zero_shot_retain(zero_shot);
    job->truncate = truncate;
    rmr_status status = rmr_check_truncate(truncate, err);
    return status ? status : fill_job(job, texts, count, err);
}

rmr_status rmr_zero_shot_start(rmr_engine *engine, rmr_zero_shot *zero_shot,
                               const rmr_text *texts, size_t count,
                               rmr_truncate truncate, uint64_t timeout_ms,
                               rmr_job_done *done, void *user, rmr_job **out,
                               rmr_error *err)
{
    rmr_error error;
    rmr_job *job;
    *out = NULL;
    rmr_status status = rmr_task_new(&job, 0, done, user, err);
    if (status)
        return status;
    status =
        rmr_job_set_zero_shot(job, zero_shot, texts, count, truncate, &error);
    return rmr_task_submit(engine, job, status, &error, timeout_ms, out, err);
}
