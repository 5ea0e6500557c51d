/*
 * batch.c - what a worker does with the texts that it took: tokenize, pack end
 * to end, run, scatter. It must never hold the engine's lock, and one text's
 * failure must never spoil another's result.
 */
#include <string.h>

#include "common/base/alloc.h"
#include "common/runtime/engine.h"

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

static rmr_status encode(rmr_worker *worker, const rmr_item *item,
                         rmr_error *err)
{
    const rmr_job *job = item->job;
    const rmr_model *model = job->model;
    uint32_t limit = model->config.max_tokens;
    rmr_encoding *encoding = &worker->encoding;
    rmr_text text;
    rmr_status status = join(worker, item, &text, err);
    if (status)
        return status;
    status = rmr_model_encode(model, text, job->truncate, encoding, err);
    if (status == RMR_ERR_TOO_LONG) {
        return rmr_fail(err, status,
                        "input %zu is longer than the %u tokens that the model "
                        "takes; shorten it or allow it to be truncated",
                        item->index, limit);
    }
    return status;
}

/* Tokenizes one item onto the end of the pack. */
static rmr_status append(pack *p, const rmr_item *item, rmr_error *err)
{
    rmr_worker *worker = p->worker;
    rmr_job *job = item->job;
    const rmr_encoding *encoding = &worker->encoding;
    rmr_status status = encode(worker, item, err);
    if (!status)
        status = reserve_tokens(worker, p->tokens + encoding->count, err);
    if (status)
        return status;
    for (size_t i = 0; i < encoding->count; i++) {
        worker->ids[p->tokens + i] = encoding->tokens[i].id;
        worker->type_ids[p->tokens + i] = encoding->tokens[i].type_id;
    }
    job->results[item->index].tokens = (uint32_t)encoding->count;
    job->results[item->index].truncated = encoding->truncated != 0;
    worker->truncated += encoding->truncated != 0;
    worker->vectors[p->num_seqs] = job->vectors[item->index];
    p->tokens += encoding->count;
    if (encoding->count > p->longest)
        p->longest = encoding->count;
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
                     "the model %s gave a vector that is not finite for input "
                     "%zu",
                     item->job->model->path, item->index);
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
        rmr_model_embed(model, &batch, worker->vectors, &worker->workspace,
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
