/*
 * fill_mask.c - words for the masks in texts, by a masked language model. It
 * must never give out a score that is not finite.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/job_tokens.h"
#include "common/runtime/tasks.h"

enum { DEFAULT_TOP_K = 5 };

void rmr_fill_mask_options_init(rmr_fill_mask_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->top_k = DEFAULT_TOP_K;
}

typedef struct filling {
    rmr_sequences sequences;
    uint32_t top_k;  /* at most the vocabulary */
    size_t *ends;    /* [num_texts], of: */
    uint32_t *at;    /* [num_masks]: tokens of their sequences */
    rmr_word *words; /* [num_masks, top_k] */
    rmr_mask *masks; /* [num_masks] */
} filling;

/* ---------------------------------------------------------------- preparing
 */

/* Finds the masks of a text, writes them to `at` unless it is NULL; how many.
 */
static size_t find_masks(const rmr_sequences *s, size_t text, uint32_t *at)
{
    const rmr_window *window = &s->windows[text];
    size_t count = 0;
    for (size_t t = window->start; t < window->end; t++) {
        if (s->tokens[t].id != s->model->mask)
            continue;
        if (at)
            at[count] = (uint32_t)(t - window->start);
        count++;
    }
    return count;
}

/* Counts the masks of each text, of which it must have one. */
static rmr_status count_masks(filling *f, rmr_error *err)
{
    const rmr_sequences *s = &f->sequences;
    size_t total = 0;
    for (size_t i = 0; i < s->num_texts; i++) {
        size_t count = find_masks(s, i, NULL);
        if (!count)
            return rmr_fail(
                err, RMR_ERR_RANGE, "input %zu has no \"%s\" to be filled%s", i,
                rmr_tokenizer_string(s->model->tokenizer, s->model->mask),
                s->truncated[i] ? " among the tokens that the model takes"
                                : "");
        f->ends[i] = total += count;
    }
    return RMR_OK;
}

static rmr_status reserve(filling *f, rmr_job *job, rmr_error *err)
{
    size_t masks = f->ends[f->sequences.num_texts - 1], words;
    if (!rmr_mul_size(masks, f->top_k, &words))
        return rmr_fail_nomem(err, "the words of a job");
    f->at = rmr_malloc_array(masks, sizeof *f->at);
    f->masks = rmr_malloc_array(masks, sizeof *f->masks);
    f->words = rmr_malloc_array(words, sizeof *f->words);
    if (!f->at || !f->masks || !f->words)
        return rmr_fail_nomem(err, "the words of a job");
    job->bytes +=
        masks * (sizeof *f->at + sizeof *f->masks) + words * sizeof *f->words;
    return RMR_OK;
}

static rmr_status prepare(rmr_job *job, rmr_error *err)
{
    filling *f = job->task_data;
    rmr_status status = rmr_sequences_encode(&f->sequences, err);
    if (!status)
        status = count_masks(f, err);
    if (!status)
        status = reserve(f, job, err);
    if (!status)
        status = rmr_job_set_sequences(job, &f->sequences, 0, err);
    for (size_t i = 0; i < f->sequences.num_texts && !status; i++) {
        size_t first = i ? f->ends[i - 1] : 0;
        job->vectors[i] = (rmr_vector){
            .masks = f->at + first,
            .num_masks = find_masks(&f->sequences, i, f->at + first),
            .top_k = f->top_k,
            .words = f->words + first * f->top_k};
    }
    return status;
}

/* ---------------------------------------------------------------- finishing
 */

static void finish(rmr_job *job)
{
    const filling *f = job->task_data;
    for (size_t i = 0; i < f->ends[f->sequences.num_texts - 1]; i++)
        f->masks[i] = (rmr_mask){f->at[i], f->words + i * f->top_k, f->top_k};
}

static void destroy(void *task_data)
{
    filling *f = task_data;
    rmr_sequences_free(&f->sequences);
    rmr_free(f->ends);
    rmr_free(f->at);
    rmr_free(f->masks);
    rmr_free(f->words);
    rmr_free(f);
}

static const rmr_job_task fill_mask_task = {finish, destroy};
static const rmr_job_kind fill_mask_kind = {.prepare = prepare};

const rmr_mask *rmr_job_masks(const rmr_job *job, size_t text, size_t *count)
{
    int has =
        !job->status && job->task == &fill_mask_task && text < job->num_texts;
    const filling *f = has ? job->task_data : NULL;
    size_t first = has && text ? f->ends[text - 1] : 0;
    *count = has ? f->ends[text] - first : 0;
    return has ? f->masks + first : NULL;
}

/* ----------------------------------------------------------------- starting
 */

static rmr_status fill(rmr_job *job, rmr_model *model, const rmr_text *texts,
                       size_t count, const rmr_fill_mask_options *options,
                       rmr_error *err)
{
    filling *f = rmr_task_data(job, &fill_mask_task, sizeof *f, count, err);
    if (!f)
        return err->status;
    rmr_status status =
        rmr_sequences_init(&f->sequences, job, model, RMR_TASK_FILL_MASK, texts,
                           count, (rmr_text){0}, options->truncate, err);
    if (status)
        return status;
    uint32_t vocab_size = model->config.vocab_size;
    f->top_k = options->top_k && options->top_k < vocab_size ? options->top_k
                                                             : vocab_size;
    f->ends = rmr_malloc_array(count, sizeof *f->ends);
    return f->ends ? RMR_OK : rmr_fail_nomem(err, "the texts of a job");
}

rmr_status rmr_fill_mask_start(rmr_engine *engine, rmr_model *model,
                               const rmr_text *texts, size_t count,
                               const rmr_fill_mask_options *options,
                               rmr_job_done *done, void *user, rmr_job **out,
                               rmr_error *err)
{
    rmr_fill_mask_options full;
    rmr_error error;
    *out = NULL;
    rmr_fill_mask_options_init(&full);
    rmr_read_options(&full, options);
    rmr_job *job = rmr_job_new(&fill_mask_kind, done, user);
    if (!job)
        return rmr_fail_nomem(err, "a job");
    rmr_status status = fill(job, model, texts, count, &full, &error);
    return rmr_task_submit(engine, job, status, &error, full.timeout_ms, out,
                           err);
}
