/*
 * job_tokens.c - tokens that a job keeps. It must never tokenize a text in
 * another way than a batch does.
 */
#include "common/runtime/job_tokens.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/runtime/tasks.h"
#include "common/runtime/texts.h"

rmr_status rmr_sequences_init(rmr_sequences *s, rmr_job *job, rmr_model *model,
                              rmr_task task, const rmr_text *texts,
                              size_t count, rmr_truncate truncate,
                              rmr_error *err)
{
    size_t bytes;
    rmr_status status = rmr_check_truncate(truncate, err);
    if (!status)
        status = rmr_job_check_task(model, task, err);
    if (status)
        return status;
    s->model = rmr_model_retain(model);
    s->num_texts = count;
    s->truncate = truncate;
    s->texts = rmr_copy_texts(texts, count, NULL, 0, &bytes);
    s->windows = rmr_malloc_array(count, sizeof *s->windows);
    s->truncated = rmr_malloc(count);
    if (!s->texts || !s->windows || !s->truncated)
        return rmr_fail_nomem(err, "the texts of a job");
    job->bytes += bytes;
    return RMR_OK;
}

void rmr_sequences_free(rmr_sequences *s)
{
    rmr_model_release(s->model);
    rmr_free(s->texts);
    rmr_free(s->windows);
    rmr_free(s->tokens);
    rmr_free(s->truncated);
}

/* ---------------------------------------------------------------- preparing
 */

/* Puts a text's tokens behind those that are there. */
static rmr_status keep(rmr_sequences *s, size_t text,
                       const rmr_encoding *encoding, rmr_error *err)
{
    size_t first = s->num_tokens, last = first + encoding->count;
    rmr_token *tokens = rmr_grow(s->tokens, &s->capacity, last, sizeof *tokens);
    if (!tokens)
        return rmr_fail_nomem(err, "the tokens of a job");
    s->tokens = tokens;
    memcpy(tokens + first, encoding->tokens,
           encoding->count * sizeof *encoding->tokens);
    s->windows[text] = (rmr_window){first, last};
    s->truncated[text] = encoding->truncated != 0;
    s->num_tokens = last;
    return RMR_OK;
}

static rmr_status encode(rmr_sequences *s, size_t text, rmr_encoding *encoding,
                         rmr_error *err)
{
    rmr_status status =
        rmr_model_encode(s->model, s->texts[text], s->truncate, encoding, err);
    if (status == RMR_ERR_TOO_LONG)
        return rmr_fail(err, status,
                        "input %zu is longer than the %u tokens that the model "
                        "takes; shorten it or allow it to be truncated",
                        text, s->model->config.max_tokens);
    return status ? status : keep(s, text, encoding, err);
}

rmr_status rmr_sequences_encode(rmr_sequences *s, rmr_error *err)
{
    rmr_encoding encoding = {0};
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < s->num_texts && !status; i++)
        status = encode(s, i, &encoding, err);
    rmr_encoding_free(&encoding);
    return status;
}

rmr_status rmr_job_set_sequences(rmr_job *job, const rmr_sequences *s,
                                 size_t values, rmr_error *err)
{
    rmr_status status = rmr_job_reserve(job, s->model, s->model->task,
                                        s->num_texts, values, err);
    if (status)
        return status;
    job->windows = s->windows;
    job->tokens = s->tokens;
    job->sequences = s;
    for (size_t i = 0; i < s->num_texts; i++) {
        const rmr_window *window = &s->windows[i];
        job->results[i].tokens = (uint32_t)(window->end - window->start);
        job->results[i].truncated = s->truncated[i];
    }
    job->bytes += s->num_tokens * sizeof *s->tokens;
    return RMR_OK;
}

/* ------------------------------------------------------------------ results
 */

const rmr_token *rmr_job_tokens(const rmr_job *job, size_t text, size_t *count)
{
    const rmr_sequences *s = job->status ? NULL : job->sequences;
    int has = s && text < s->num_texts;
    *count = has ? s->windows[text].end - s->windows[text].start : 0;
    return has ? s->tokens + s->windows[text].start : NULL;
}
