/*
 * windows.c - makes windows of long texts, and one result of what they give. It
 * must never let the windows of one text reach another's result, nor change
 * what becomes of a text that needs no second window.
 */
#include "common/runtime/windows.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/model/static.h"

/* ----------------------------------------------------------------- encoding
 */

/* One text's tokens on their way into windows. */
typedef struct splitter {
    rmr_job *job;
    size_t text;
    char *joined; /* the prompt, and the text behind it */
    size_t joined_capacity;
    rmr_encoding encoding;
    rmr_window own; /* the text's own tokens, without what is added */
} splitter;

/* Floats of a window's vector. A text's is cut once it is made of all. */
static size_t width(const rmr_job *job)
{
    return job->model->task == RMR_TASK_EMBED ? job->model->config.output_size
                                              : job->dim;
}

/* What the job holds with so many tokens and windows. */
static uint64_t bytes_with(const rmr_job *job, uint64_t tokens,
                           uint64_t windows)
{
    uint64_t each = sizeof(rmr_window) + sizeof(uint32_t) + sizeof(rmr_vector) +
                    sizeof(rmr_text_result) + width(job) * sizeof(float);
    return job->bytes + tokens * sizeof(rmr_token) + windows * each;
}

static rmr_status too_many(const splitter *s, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_TOO_LONG,
                    "the windows of input %zu, and of those before it, are "
                    "more than the %llu bytes that the queue holds; give "
                    "fewer texts at once, or shorter ones",
                    s->text, (unsigned long long)s->job->most_bytes);
}

/* As many tokens as the job has room for, but a window's in any case. */
static uint32_t most_tokens(const rmr_job *job)
{
    const rmr_windows *w = job->long_texts;
    uint64_t held = bytes_with(job, w->num_tokens, w->count);
    uint64_t room = held < job->most_bytes ? job->most_bytes - held : 0;
    uint32_t window = job->model->config.max_tokens;
    room /= sizeof(rmr_token);
    if (room > UINT32_MAX)
        room = UINT32_MAX;
    return room > window ? (uint32_t)room : window;
}

/* The text, behind its prompt. */
static rmr_status join(splitter *s, rmr_text *text, rmr_error *err)
{
    rmr_text prompt = s->job->prompt;
    size_t total;
    *text = s->job->texts[s->text];
    if (!prompt.len)
        return RMR_OK;
    char *joined =
        rmr_add_size(prompt.len, text->len, &total)
            ? rmr_grow(s->joined, &s->joined_capacity, total, sizeof *joined)
            : NULL;
    if (!joined)
        return rmr_fail_nomem(err, "a text and its prompt");
    s->joined = joined;
    memcpy(joined, prompt.data, prompt.len);
    if (text->len)
        memcpy(joined + prompt.len, text->data, text->len);
    *text = (rmr_text){joined, total};
    return RMR_OK;
}

/* The whole of a text, or of a pair. */
static rmr_status encode(splitter *s, rmr_error *err)
{
    const rmr_job *job = s->job;
    const rmr_model *model = job->model;
    rmr_tokenize_options options;
    rmr_text text;
    rmr_status status = join(s, &text, err);
    if (status)
        return status;
    rmr_tokenize_options_init(&options);
    options.max_tokens = most_tokens(job);
    if (model->config.is_static) {
        rmr_config unlimited = model->config;
        unlimited.max_tokens = options.max_tokens;
        unlimited.max_chars = 0;
        status = rmr_static_encode(&unlimited, model->tokenizer, text,
                                   RMR_TRUNCATE_END, &s->encoding, err);
    } else {
        status = rmr_tokenizer_encode_pair(model->tokenizer, text,
                                           job->seconds ? &job->seconds[s->text]
                                                        : NULL,
                                           &options, &s->encoding, err);
    }
    return !status && s->encoding.truncated ? too_many(s, err) : status;
}

/* Whether a token is of what windows are made of: of the second text, if there
 * is one, and not of the prompt. */
static int is_own(const splitter *s, size_t token)
{
    const rmr_job *job = s->job;
    size_t prompt = job->prompt.len;
    unsigned text = job->seconds ? RMR_TOKEN_SECOND : RMR_TOKEN_FIRST;
    if (!job->model->config.is_static && s->encoding.texts[token] != text)
        return 0;
    return !prompt || s->encoding.tokens[token].end > prompt;
}

static void find_own(splitter *s)
{
    size_t start = 0, end = s->encoding.count;
    while (end && !is_own(s, end - 1))
        end--;
    while (start < end && !is_own(s, start))
        start++;
    s->own = (rmr_window){start, end};
}

/* ---------------------------------------------------------------- splitting
 */

static rmr_status reserve(rmr_windows *w, size_t tokens, size_t windows,
                          rmr_error *err)
{
    rmr_token *all = rmr_grow(w->tokens, &w->tokens_capacity,
                              w->num_tokens + tokens, sizeof *all);
    if (all)
        w->tokens = all;
    rmr_window *list =
        rmr_grow(w->list, &w->list_capacity, w->count + windows, sizeof *list);
    if (list)
        w->list = list;
    uint32_t *weights = rmr_grow(w->weights, &w->weights_capacity,
                                 w->count + windows, sizeof *weights);
    if (weights)
        w->weights = weights;
    return all && list && weights ? RMR_OK
                                  : rmr_fail_nomem(err, "the windows of a job");
}

static void push_tokens(splitter *s, size_t from, size_t to)
{
    rmr_windows *w = s->job->long_texts;
    if (to > from)
        memcpy(w->tokens + w->num_tokens, s->encoding.tokens + from,
               (to - from) * sizeof *w->tokens);
    w->num_tokens += to - from;
}

/* A window with the tokens [from, to) of the text's own. */
static void push_window(splitter *s, size_t from, size_t to)
{
    rmr_windows *w = s->job->long_texts;
    size_t start = w->num_tokens;
    push_tokens(s, 0, s->own.start);
    push_tokens(s, from, to);
    push_tokens(s, s->own.end, s->encoding.count);
    w->weights[w->count] = (uint32_t)(to - from);
    w->list[w->count++] = (rmr_window){start, w->num_tokens};
}

/* How many windows, of `room` own tokens each, the text needs. */
static rmr_status count_windows(const splitter *s, size_t *room, size_t *count,
                                rmr_error *err)
{
    size_t max = s->job->model->config.max_tokens, all = s->encoding.count;
    size_t own = s->own.end - s->own.start, stride = s->job->long_texts->stride;
    *room = own;
    *count = 1;
    if (!max || all <= max)
        return RMR_OK;
    if (all - own >= max)
        return rmr_fail(err, RMR_ERR_TOO_LONG,
                        "what comes with input %zu leaves it no room in the "
                        "%zu tokens that the model takes; shorten the prompt "
                        "or the query",
                        s->text, max);
    *room = max - (all - own);
    if (stride >= *room)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "a stride of %zu tokens is not below the %zu that a "
                        "window has of input %zu",
                        stride, *room, s->text);
    *count = 1 + (own - *room + *room - stride - 1) / (*room - stride);
    return RMR_OK;
}

static rmr_status split(splitter *s, rmr_error *err)
{
    rmr_windows *w = s->job->long_texts;
    size_t room, count, own = s->own.end - s->own.start;
    rmr_status status = count_windows(s, &room, &count, err);
    if (status)
        return status;
    size_t tokens =
        own + (count - 1) * w->stride + count * (s->encoding.count - own);
    if (bytes_with(s->job, w->num_tokens + tokens, w->count + count) >
        s->job->most_bytes)
        return too_many(s, err);
    status = reserve(w, tokens, count, err);
    if (status)
        return status;
    size_t from = s->own.start;
    for (; count; count--, from += room - w->stride)
        push_window(s, from, count > 1 ? from + room : s->own.end);
    w->ends[s->text] = w->count;
    return RMR_OK;
}

/* ------------------------------------------------------------------ vectors
 */

/* Gives each window a row. Only the one window of a text has its vector as it
 * is wanted: those of several are whole, and their mean is cut. */
static void point_vectors(rmr_job *job, rmr_vector plain)
{
    const rmr_windows *w = job->long_texts;
    size_t row = width(job);
    for (size_t t = 0, i = 0; t < job->num_texts; t++) {
        int several = w->ends[t] - i > 1;
        for (; i < w->ends[t]; i++) {
            job->vectors[i] = plain;
            job->vectors[i].values = job->values + i * row;
            if (!several)
                continue;
            job->vectors[i].dimensions = (uint32_t)row;
            if (plain.normalize != RMR_UNIT_NEVER)
                job->vectors[i].normalize = RMR_UNIT_BEFORE_CUT;
        }
    }
}

/* Rows for the windows instead of those for the texts. */
static rmr_status set_rows(rmr_job *job, rmr_error *err)
{
    const rmr_windows *w = job->long_texts;
    rmr_vector plain = job->vectors[0];
    size_t values;
    rmr_free(job->values);
    rmr_free(job->vectors);
    rmr_free(job->results);
    if (!rmr_mul_size(w->count, width(job), &values))
        values = SIZE_MAX;
    job->values = rmr_malloc_array(values, sizeof *job->values);
    job->vectors = rmr_malloc_array(w->count, sizeof *job->vectors);
    job->results = rmr_calloc(w->count, sizeof *job->results);
    if (!job->values || !job->vectors || !job->results)
        return rmr_fail_nomem(err, "the results of a job");
    for (size_t i = 0; i < w->count; i++)
        job->results[i].tokens = (uint32_t)(w->list[i].end - w->list[i].start);
    point_vectors(job, plain);
    job->bytes = bytes_with(job, w->num_tokens, w->count);
    job->count = w->count;
    job->windows = w->list;
    job->tokens = w->tokens;
    return RMR_OK;
}

rmr_status rmr_job_make_windows(rmr_job *job, rmr_error *err)
{
    splitter s = {.job = job};
    rmr_status status = RMR_OK;
    for (; s.text < job->num_texts && !status; s.text++) {
        status = encode(&s, err);
        if (status)
            break;
        find_own(&s);
        status = split(&s, err);
    }
    rmr_encoding_free(&s.encoding);
    rmr_free(s.joined);
    return status ? status : set_rows(job, err);
}

rmr_status rmr_job_ask_windows(rmr_job *job, int windows, uint32_t stride,
                               rmr_error *err)
{
    if (stride && !windows)
        return rmr_fail(err, RMR_ERR_RANGE, "stride is that of windows");
    if (!windows)
        return RMR_OK;
    if (job->truncate == RMR_TRUNCATE_NONE) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "windows are of texts that are too long, which "
                        "truncate refuses");
    }
    rmr_windows *w = rmr_calloc(1, sizeof *w);
    job->long_texts = w;
    if (w)
        w->ends = rmr_calloc(job->num_texts, sizeof *w->ends);
    if (!w || !w->ends)
        return rmr_fail_nomem(err, "the windows of a job");
    w->stride = stride;
    w->normalize = job->vectors[0].normalize;
    return RMR_OK;
}

void rmr_windows_free(rmr_windows *windows)
{
    if (!windows)
        return;
    rmr_free(windows->ends);
    rmr_free(windows->list);
    rmr_free(windows->weights);
    rmr_free(windows->tokens);
    rmr_free(windows);
}

/* ------------------------------------------------------------------ merging
 */

rmr_window rmr_job_sequences(const rmr_job *job, size_t text)
{
    const rmr_windows *w = job->long_texts;
    if (!w)
        return (rmr_window){text, text + 1};
    return (rmr_window){text ? w->ends[text - 1] : 0, w->ends[text]};
}

size_t rmr_job_text_of(const rmr_job *job, size_t sequence)
{
    size_t text = 0;
    if (!job->long_texts)
        return sequence / job->per_text;
    while (job->long_texts->ends[text] <= sequence)
        text++;
    return text;
}

/* The mean of rows [windows.start, windows.end), in the first one's place. */
static void mean(const rmr_job *job, rmr_window windows)
{
    const uint32_t *weights = job->long_texts->weights;
    size_t row = width(job);
    double total = 0;
    for (size_t i = windows.start; i < windows.end; i++)
        total += weights[i];
    for (size_t d = 0; d < row; d++) {
        double sum = 0;
        for (size_t i = windows.start; i < windows.end; i++)
            sum += weights[i] * (double)job->values[i * row + d];
        job->values[windows.start * row + d] = (float)(sum / total);
    }
}

void rmr_job_merge_vectors(rmr_job *job)
{
    rmr_unit_length normalize = job->long_texts->normalize;
    size_t row = width(job);
    for (size_t t = 0; t < job->num_texts; t++) {
        rmr_window windows = rmr_job_sequences(job, t);
        float *vector = job->values + windows.start * row;
        if (windows.end - windows.start > 1) {
            mean(job, windows);
            if (normalize != RMR_UNIT_NEVER)
                job->model->kern.l2_normalize(
                    normalize == RMR_UNIT_BEFORE_CUT ? row : job->dim, vector);
        }
        memmove(job->values + t * job->dim, vector, job->dim * sizeof *vector);
    }
    rmr_job_merge_windows(job);
}

void rmr_job_merge_windows(rmr_job *job)
{
    for (size_t t = 0; t < job->num_texts && job->long_texts; t++) {
        rmr_window windows = rmr_job_sequences(job, t);
        rmr_text_result merged = {0};
        for (size_t i = windows.start; i < windows.end; i++)
            merged.tokens += job->results[i].tokens;
        merged.windows = (uint32_t)(windows.end - windows.start);
        job->results[t] = merged;
    }
}
