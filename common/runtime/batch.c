/*
 * batch.c - what a worker does with the texts that it took: tokenize, pack end
 * to end, run, scatter. It must never hold the engine's lock, and one text's
 * failure must never spoil another's result.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/runtime/engine.h"
#include "common/runtime/windows.h"

void rmr_worker_free(rmr_worker *worker)
{
    rmr_encoding_free(&worker->encoding);
    rmr_workspace_free(&worker->workspace);
    rmr_team_free(worker->team);
    pthread_cond_destroy(&worker->wake);
    rmr_free(worker->text);
    rmr_free(worker->items);
    rmr_free(worker->ids);
    rmr_free(worker->type_ids);
    rmr_free(worker->cu_seqlens);
    rmr_free(worker->vectors);
}

/* The items that make one batch, and what of them is packed. */
typedef struct pack {
    rmr_worker *worker;
    size_t items[2]; /* first item, and one past the last */
    size_t num_seqs;
    size_t tokens;
    size_t longest;
} pack;

static void fail_item(rmr_worker *worker, rmr_item *item, rmr_status status,
                      const rmr_error *error)
{
    item->failed = 1;
    pthread_mutex_lock(&worker->engine->lock);
    rmr_job_fail(item->job, status, error);
    pthread_mutex_unlock(&worker->engine->lock);
}

static void drop_item(rmr_worker *worker, rmr_item *item)
{
    rmr_engine *engine = worker->engine;
    item->failed = 1;
    pthread_mutex_lock(&engine->lock);
    rmr_job_drop(item->job, rmr_job_obstacle(engine, item->job));
    pthread_mutex_unlock(&engine->lock);
}

static rmr_status reserve_tokens(rmr_worker *worker, size_t tokens,
                                 rmr_error *err)
{
    size_t capacity = worker->tokens_capacity;
    uint32_t *ids = rmr_grow(worker->ids, &capacity, tokens, sizeof *ids);
    if (!ids)
        return rmr_fail_nomem(err, "the tokens of a batch");
    worker->ids = ids;
    capacity = worker->tokens_capacity;
    uint32_t *types =
        rmr_grow(worker->type_ids, &capacity, tokens, sizeof *types);
    if (!types)
        return rmr_fail_nomem(err, "the tokens of a batch");
    worker->type_ids = types;
    worker->tokens_capacity = capacity;
    return RMR_OK;
}

/* The item's text behind its prompt. */
static rmr_status join(rmr_worker *worker, const rmr_item *item, rmr_text *text,
                       rmr_error *err)
{
    rmr_text prompt = item->job->prompt;
    size_t total;
    *text = item->job->texts[item->index];
    if (!prompt.len)
        return RMR_OK;
    char *joined = rmr_add_size(prompt.len, text->len, &total)
                       ? rmr_grow(worker->text, &worker->text_capacity, total,
                                  sizeof *joined)
                       : NULL;
    if (!joined)
        return rmr_fail_nomem(err, "a text and its prompt");
    worker->text = joined;
    memcpy(joined, prompt.data, prompt.len);
    if (text->len)
        memcpy(joined + prompt.len, text->data, text->len);
    *text = (rmr_text){joined, total};
    return RMR_OK;
}

static rmr_status encode_pair(rmr_worker *worker, const rmr_item *item,
                              rmr_error *err)
{
    const rmr_job *job = item->job;
    rmr_tokenize_options options;
    rmr_tokenize_options_init(&options);
    options.max_tokens = job->model->config.max_tokens;
    options.truncate = job->truncate;
    options.strategy = job->strategy;
    return rmr_tokenizer_encode_pair(
        job->model->tokenizer, job->texts[item->index],
        &job->seconds[item->index], &options, &worker->encoding, err);
}

static rmr_status encode_text(rmr_worker *worker, const rmr_item *item,
                              rmr_error *err)
{
    const rmr_job *job = item->job;
    rmr_text text;
    rmr_status status = join(worker, item, &text, err);
    if (!status)
        status = rmr_model_encode(job->model, text, job->truncate,
                                  &worker->encoding, err);
    return status;
}

/* Tokenizes one item, and notes what came of it. */
static rmr_status encode(rmr_worker *worker, const rmr_item *item,
                         rmr_error *err)
{
    const rmr_job *job = item->job;
    rmr_text_result *result = &job->results[item->index];
    rmr_status status = job->seconds ? encode_pair(worker, item, err)
                                     : encode_text(worker, item, err);
    if (status == RMR_ERR_TOO_LONG && job->truncate == RMR_TRUNCATE_NONE) {
        return rmr_fail(err, status,
                        "input %zu is longer than the %u tokens that the model "
                        "takes; shorten it or allow it to be truncated",
                        item->index / job->per_text,
                        job->model->config.max_tokens);
    }
    if (status)
        return status;
    result->tokens = (uint32_t)worker->encoding.count;
    result->truncated = worker->encoding.truncated != 0;
    return RMR_OK;
}

/* The item's tokens: its job's, or in the worker's encoding. */
static rmr_status find_tokens(rmr_worker *worker, const rmr_item *item,
                              const rmr_token **tokens, size_t *count,
                              rmr_error *err)
{
    const rmr_job *job = item->job;
    if (job->windows) {
        const rmr_window *window = &job->windows[item->index];
        *tokens = job->tokens + window->start;
        *count = window->end - window->start;
        return RMR_OK;
    }
    rmr_status status = encode(worker, item, err);
    *tokens = worker->encoding.tokens;
    *count = worker->encoding.count;
    return status;
}

/* Puts one item onto the end of the pack. */
static rmr_status append(pack *p, const rmr_item *item, rmr_error *err)
{
    rmr_worker *worker = p->worker;
    const rmr_job *job = item->job;
    const rmr_token *tokens;
    size_t count;
    rmr_status status = find_tokens(worker, item, &tokens, &count, err);
    if (!status && !count && !job->model->arch->embed)
        status =
            rmr_fail(err, RMR_ERR_UNSUPPORTED,
                     "input %zu has no tokens, and the tokenizer adds none",
                     item->index / job->per_text);
    if (!status)
        status = reserve_tokens(worker, p->tokens + count, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        worker->ids[p->tokens + i] = tokens[i].id;
        worker->type_ids[p->tokens + i] = tokens[i].type_id;
    }
    worker->truncated += job->results[item->index].truncated;
    worker->vectors[p->num_seqs] = job->vectors[item->index];
    p->tokens += count;
    if (count > p->longest)
        p->longest = count;
    worker->cu_seqlens[++p->num_seqs] = (uint32_t)p->tokens;
    return RMR_OK;
}

/* Abandons a batch that no job is waiting for any more. */
static int nobody_waits(void *context)
{
    const pack *p = context;
    const rmr_worker *worker = p->worker;
    for (size_t i = p->items[0]; i < p->items[1]; i++) {
        const rmr_item *item = &worker->items[i];
        if (!item->failed && !rmr_job_obstacle(worker->engine, item->job))
            return 0;
    }
    return 1;
}

/* The items of the pack that got this far, one for each sequence. */
static void scatter(pack *p, rmr_status status, const rmr_error *error)
{
    rmr_worker *worker = p->worker;
    size_t s = 0;
    for (size_t i = p->items[0]; i < p->items[1]; i++) {
        rmr_item *item = &worker->items[i];
        if (item->failed)
            continue;
        const rmr_vector *vector = &worker->vectors[s++];
        if (status == RMR_ERR_CANCELED) {
            drop_item(worker, item);
        } else if (status) {
            fail_item(worker, item, status, error);
        } else if (!vector->finite) {
            rmr_error here;
            rmr_fail(&here, RMR_ERR_RANGE,
                     "the model %s gave a value that is not finite for input "
                     "%zu",
                     item->job->model->path,
                     rmr_job_text_of(item->job, item->index));
            fail_item(worker, item, RMR_ERR_RANGE, &here);
        }
    }
}

static void run_pack(pack *p)
{
    rmr_worker *worker = p->worker;
    const rmr_model *model = worker->items[p->items[0]].job->model;
    rmr_batch batch = {.ids = worker->ids,
                       .type_ids = worker->type_ids,
                       .cu_seqlens = worker->cu_seqlens,
                       .num_seqs = p->num_seqs,
                       .tokens = p->tokens,
                       .longest = p->longest};
    rmr_error error;
    rmr_status status =
        rmr_model_run(model, &batch, worker->vectors, &worker->workspace,
                      nobody_waits, p, &error);
    scatter(p, status, &error);
    if (!status) {
        worker->batches++;
        worker->texts += p->num_seqs;
        worker->tokens += p->tokens;
    }
}

size_t rmr_batch_run(rmr_worker *worker)
{
    size_t begin = worker->first_item, end = begin + worker->num_items;
    pack p = {.worker = worker, .items = {begin, begin}};
    worker->cu_seqlens[0] = 0;
    while (p.items[1] < end &&
           p.tokens < worker->engine->options.batch_tokens) {
        rmr_item *item = &worker->items[p.items[1]++];
        rmr_error error;
        rmr_status status = append(&p, item, &error);
        if (status)
            fail_item(worker, item, status, &error);
    }
    if (p.num_seqs)
        run_pack(&p);
    return p.items[1] - begin;
}
