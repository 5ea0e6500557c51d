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
                              size_t count, rmr_text prompt,
                              rmr_truncate truncate, rmr_error *err)
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
    s->texts = rmr_copy_texts(texts, count, &prompt, 1, &bytes);
    s->windows = rmr_malloc_array(count, sizeof *s->windows);
    s->truncated = rmr_malloc(count);
    if (!s->texts || !s->windows || !s->truncated)
        return rmr_fail_nomem(err, "the texts of a job");
    s->prompt = s->texts[count];
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

/* What tokens are made of: a text with its prompt before it. */
typedef struct joined {
    char *bytes;
    size_t capacity;
    rmr_encoding encoding;
} joined;

static rmr_status join(const rmr_sequences *s, size_t text, joined *j,
                       rmr_text *out, rmr_error *err)
{
    size_t total, len = s->texts[text].len;
    *out = s->texts[text];
    if (!s->prompt.len)
        return RMR_OK;
    char *bytes = rmr_add_size(s->prompt.len, len, &total)
                      ? rmr_grow(j->bytes, &j->capacity, total, sizeof *bytes)
                      : NULL;
    if (!bytes)
        return rmr_fail_nomem(err, "a text and its prompt");
    j->bytes = bytes;
    memcpy(bytes, s->prompt.data, s->prompt.len);
    memcpy(bytes + s->prompt.len, s->texts[text].data, len);
    *out = (rmr_text){bytes, total};
    return RMR_OK;
}

/* Offsets of the text, which begins at `prompt`; 0, 0 before it. */
static void shift(rmr_token *tokens, size_t count, size_t prompt)
{
    for (size_t i = 0; i < count; i++) {
        rmr_token *t = &tokens[i];
        t->start = t->start > prompt ? t->start - prompt : 0;
        t->end = t->end > prompt ? t->end - prompt : 0;
    }
}

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
    shift(tokens + first, encoding->count, s->prompt.len);
    s->windows[text] = (rmr_window){first, last};
    s->truncated[text] = encoding->truncated != 0;
    s->num_tokens = last;
    return RMR_OK;
}

static rmr_status encode(rmr_sequences *s, size_t text, joined *j,
                         rmr_error *err)
{
    rmr_text whole;
    rmr_status status = join(s, text, j, &whole, err);
    if (!status)
        status =
            rmr_model_encode(s->model, whole, s->truncate, &j->encoding, err);
    if (status == RMR_ERR_TOO_LONG)
        return rmr_fail(err, status,
                        "input %zu is longer than the %u tokens that the model "
                        "takes; shorten it or allow it to be truncated",
                        text, s->model->config.max_tokens);
    return status ? status : keep(s, text, &j->encoding, err);
}

rmr_status rmr_sequences_encode(rmr_sequences *s, rmr_error *err)
{
    joined j = {0};
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < s->num_texts && !status; i++)
        status = encode(s, i, &j, err);
    rmr_encoding_free(&j.encoding);
    rmr_free(j.bytes);
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
