/*
 * token_classify.c - the stretches of texts that a token classifier labels. A
 * text's tokens are kept from before the model runs until what it says of them
 * is read. It must never give out a score that is not finite.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/model/entities.h"
#include "common/runtime/tasks.h"
#include "common/runtime/texts.h"

void rmr_token_classify_options_init(rmr_token_classify_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->aggregation = RMR_AGGREGATION_SIMPLE;
}

rmr_status rmr_aggregation_parse(const char *name, rmr_aggregation *aggregation,
                                 rmr_error *err)
{
    static const char *const names[] = {"none", "simple", "first", "average",
                                        "max"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *aggregation = (rmr_aggregation)i;
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "aggregation must be none, simple, first, average or max, "
                    "not \"%s\"",
                    name);
}

typedef struct tagging {
    rmr_token_classify_options options;
    rmr_model *model; /* retained, for prepare */
    rmr_text *texts;  /* [num_texts], owned */
    size_t num_texts;
    size_t *windows_ends; /* [num_texts] */
    rmr_window *windows;  /* [num_windows] */
    size_t num_windows, windows_capacity;
    rmr_token *tokens;       /* [num_tokens] */
    rmr_token_place *places; /* [num_tokens] */
    size_t num_tokens, tokens_capacity, places_capacity;
} tagging;

/* ---------------------------------------------------------------- preparing
 */

static int reserve(tagging *t, size_t tokens, size_t windows)
{
    rmr_token *all =
        rmr_grow(t->tokens, &t->tokens_capacity, tokens, sizeof *all);
    if (!all)
        return 0;
    t->tokens = all;
    rmr_token_place *places =
        rmr_grow(t->places, &t->places_capacity, tokens, sizeof *places);
    if (!places)
        return 0;
    t->places = places;
    rmr_window *list =
        rmr_grow(t->windows, &t->windows_capacity, windows, sizeof *list);
    if (list)
        t->windows = list;
    return list != NULL;
}

/* Puts a text's windows behind those that are there. */
static rmr_status keep_windows(tagging *t, rmr_text text,
                               const rmr_encoding *encoding, rmr_error *err)
{
    size_t tokens = t->num_tokens, count = encoding->num_windows;
    if (!reserve(t, tokens + encoding->count, t->num_windows + count))
        return rmr_fail_nomem(err, "the tokens of a job");
    memcpy(t->tokens + tokens, encoding->tokens,
           encoding->count * sizeof *encoding->tokens);
    rmr_tokenizer_places(t->model->tokenizer, text, encoding,
                         t->places + tokens);
    for (size_t i = 0; i < count; i++)
        t->windows[t->num_windows++] =
            (rmr_window){tokens + encoding->windows[i].start,
                         tokens + encoding->windows[i].end};
    t->num_tokens += encoding->count;
    return RMR_OK;
}

static rmr_status encode(tagging *t, size_t text, rmr_encoding *encoding,
                         rmr_error *err)
{
    const rmr_config *config = &t->model->config;
    rmr_tokenize_options options;
    rmr_tokenize_options_init(&options);
    options.max_tokens = config->max_tokens;
    options.truncate = t->options.truncate;
    options.windows = t->options.windows;
    options.stride = t->options.stride;
    rmr_status status = rmr_tokenizer_encode_pair(
        t->model->tokenizer, t->texts[text], NULL, &options, encoding, err);
    if (status == RMR_ERR_TOO_LONG)
        return rmr_fail(err, status,
                        "input %zu is longer than the %u tokens that the model "
                        "takes; shorten it or allow it to be truncated",
                        text, config->max_tokens);
    return status ? status : keep_windows(t, t->texts[text], encoding, err);
}

/* What the windows are known to come to. */
static rmr_status set_windows(rmr_job *job, const unsigned char *truncated,
                              rmr_error *err)
{
    const tagging *t = job->task_data;
    size_t labels = t->model->head->labels.count, values;
    if (!rmr_mul_size(t->num_tokens, labels, &values))
        return rmr_fail_nomem(err, "the results of a job");
    rmr_status status = rmr_job_reserve(job, t->model, RMR_TASK_TOKEN_CLASSIFY,
                                        t->num_windows, values, err);
    job->entities = rmr_malloc_array(t->num_tokens + 1, sizeof *job->entities);
    job->entities_ends =
        rmr_malloc_array(t->num_texts, sizeof *job->entities_ends);
    if (!status && (!job->entities || !job->entities_ends))
        status = rmr_fail_nomem(err, "the results of a job");
    if (status)
        return status;
    job->windows = t->windows;
    job->tokens = t->tokens;
    job->dim = labels;
    for (size_t i = 0, text = 0; i < t->num_windows; i++) {
        size_t start = t->windows[i].start;
        while (i >= t->windows_ends[text])
            text++;
        job->vectors[i].dimensions = (uint32_t)labels;
        job->vectors[i].values = job->values + start * labels;
        job->results[i].tokens = (uint32_t)(t->windows[i].end - start);
        job->results[i].truncated = truncated[text];
    }
    job->bytes += values * sizeof(float) +
                  t->num_tokens * (sizeof *t->tokens + sizeof *job->entities);
    return RMR_OK;
}

static rmr_status prepare(rmr_job *job, rmr_error *err)
{
    tagging *t = job->task_data;
    rmr_encoding encoding = {0};
    rmr_status status = RMR_OK;
    unsigned char *truncated = rmr_calloc(t->num_texts, 1);
    if (!truncated)
        return rmr_fail_nomem(err, "the tokens of a job");
    for (size_t i = 0; i < t->num_texts && !status; i++) {
        status = encode(t, i, &encoding, err);
        truncated[i] = encoding.truncated && !t->options.windows;
        t->windows_ends[i] = t->num_windows;
    }
    rmr_encoding_free(&encoding);
    if (!status)
        status = set_windows(job, truncated, err);
    rmr_free(truncated);
    return status;
}

/* ---------------------------------------------------------------- finishing
 */

/* The entities of one window, written to `to`; how many, or -1 when a score is
 * not finite. */
static long find_entities(const rmr_job *job, const rmr_window *window,
                          rmr_entity *to)
{
    const tagging *t = job->task_data;
    size_t start = window->start, count = window->end - start;
    float *scores = job->values + start * job->dim;
    for (size_t i = 0; i < count; i++) {
        if (!rmr_score(RMR_SCORES_SOFTMAX, job->dim, scores + i * job->dim))
            return -1;
    }
    return (long)rmr_find_entities(&job->model->head->labels,
                                   t->options.aggregation, t->tokens + start,
                                   t->places + start, count, scores, to);
}

/* The entities of a text, behind those that are there. */
static void finish_text(rmr_job *job, size_t text)
{
    const tagging *t = job->task_data;
    size_t window = text ? t->windows_ends[text - 1] : 0;
    size_t first = text ? job->entities_ends[text - 1] : 0, last = first;
    size_t num_windows = t->windows_ends[text] - window;
    rmr_text_result merged = {.windows = (uint32_t)num_windows};
    for (; window < t->windows_ends[text]; window++) {
        long found =
            find_entities(job, &t->windows[window], job->entities + last);
        if (found < 0) {
            rmr_job_fail_score(job, text);
            return;
        }
        last += (size_t)found;
        merged.tokens += job->results[window].tokens;
        merged.truncated |= job->results[window].truncated;
    }
    if (num_windows > 1)
        last = first + rmr_merge_entities(job->entities + first, last - first);
    job->entities_ends[text] = last;
    job->results[text] = merged;
}

static void finish(rmr_job *job)
{
    const tagging *t = job->task_data;
    for (size_t i = 0; i < t->num_texts && !job->status; i++)
        finish_text(job, i);
    job->num_texts = t->num_texts;
}

static void destroy(void *task_data)
{
    tagging *t = task_data;
    rmr_model_release(t->model);
    rmr_free(t->texts);
    rmr_free(t->windows_ends);
    rmr_free(t->windows);
    rmr_free(t->tokens);
    rmr_free(t->places);
    rmr_free(t);
}

static const rmr_job_task token_classify_task = {finish, destroy};
static const rmr_job_kind token_classify_kind = {.prepare = prepare};

/* ----------------------------------------------------------------- starting
 */

static rmr_status check_options(const rmr_token_classify_options *options,
                                rmr_error *err)
{
    if ((unsigned)options->aggregation > RMR_AGGREGATION_MAX) {
        return rmr_fail(err, RMR_ERR_RANGE, "aggregation has no value %d",
                        (int)options->aggregation);
    }
    if (options->windows && options->aggregation == RMR_AGGREGATION_NONE) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "windows need an aggregation other than none");
    }
    if (options->windows && options->truncate == RMR_TRUNCATE_NONE) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "windows are of texts that are too long, which "
                        "truncate refuses");
    }
    if (options->stride && !options->windows) {
        return rmr_fail(err, RMR_ERR_RANGE, "stride is that of windows");
    }
    return rmr_check_truncate(options->truncate, err);
}

static rmr_status fill(rmr_job *job, rmr_model *model, const rmr_text *texts,
                       size_t count, const rmr_token_classify_options *options,
                       rmr_error *err)
{
    tagging *t =
        rmr_task_data(job, &token_classify_task, sizeof *t, count, err);
    if (!t)
        return err->status;
    size_t bytes;
    t->options = *options;
    rmr_status status = check_options(options, err);
    if (!status)
        status = rmr_job_check_task(model, RMR_TASK_TOKEN_CLASSIFY, err);
    if (status)
        return status;
    t->model = rmr_model_retain(model);
    t->texts = rmr_copy_texts(texts, count, NULL, 0, &bytes);
    t->windows_ends = rmr_malloc_array(count, sizeof *t->windows_ends);
    if (!t->texts || !t->windows_ends)
        return rmr_fail_nomem(err, "the texts of a job");
    t->num_texts = count;
    job->bytes += bytes;
    return RMR_OK;
}

rmr_status rmr_job_set_token_classify(rmr_job *job, rmr_model *model,
                                      const rmr_text *texts, size_t count,
                                      const rmr_token_classify_options *options,
                                      rmr_error *err)
{
    rmr_status status = fill(job, model, texts, count, options, err);
    return status ? status : prepare(job, err);
}

rmr_status rmr_token_classify_start(rmr_engine *engine, rmr_model *model,
                                    const rmr_text *texts, size_t count,
                                    const rmr_token_classify_options *options,
                                    rmr_job_done *done, void *user,
                                    rmr_job **out, rmr_error *err)
{
    rmr_token_classify_options full;
    rmr_error error;
    *out = NULL;
    rmr_token_classify_options_init(&full);
    rmr_read_options(&full, options);
    rmr_job *job = rmr_job_new(&token_classify_kind, done, user);
    if (!job)
        return rmr_fail_nomem(err, "a job");
    rmr_status status = fill(job, model, texts, count, &full, &error);
    return rmr_task_submit(engine, job, status, &error, full.timeout_ms, out,
                           err);
}
