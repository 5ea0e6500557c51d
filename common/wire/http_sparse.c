/*
 * http_sparse.c - POST /embed_sparse: weights of words, as clients of that
 * route of Text Embeddings Inference read them. It must never guess at an input
 * that the contract does not allow.
 */
#include "common/wire/http_exchange.h"

/* -------------------------------------------------------------- the request */

/* Clients of that route name no model: the only one is meant then. */
static rmr_status read_model(rmr_exchange *x, rmr_model **model, rmr_error *err)
{
    if (rmr_exchange_field(x, "model") || x->options.num_models != 1)
        return rmr_exchange_read_model(x, model, err);
    *model = x->options.models[0].model;
    return RMR_OK;
}

/* What would change the vectors and is not there. */
static rmr_status refuse_others(rmr_exchange *x, rmr_error *err)
{
    const json_t *side = rmr_exchange_field(x, "truncation_direction");
    if (rmr_exchange_field(x, "prompt_name"))
        return rmr_exchange_refuse(x, err, 400, "prompt_name",
                                   "\"prompt_name\" is not supported");
    if (!side || rmr_exchange_is_string(side, "Right"))
        return RMR_OK;
    return rmr_exchange_refuse(x, err, 400, "truncation_direction",
                               "\"truncation_direction\" must be \"Right\"; "
                               "\"truncate\": \"START\" keeps the end");
}

/* At most, of a text: each word, and its place in the reply. */
static uint64_t result_bytes(const rmr_model *model)
{
    enum { WORD_CHARS = 40 };
    return (uint64_t)model->config.vocab_size * (sizeof(rmr_word) + WORD_CHARS);
}

static rmr_status read_request(rmr_job *job, rmr_exchange *x, rmr_error *err)
{
    rmr_embed_sparse_options options;
    rmr_model *model = NULL;
    size_t count = 0;
    rmr_embed_sparse_options_init(&options);
    rmr_status status = read_model(x, &model, err);
    if (!status)
        status = refuse_others(x, err);
    if (!status)
        status = rmr_exchange_read_truncate(x, &options.truncate, err);
    if (!status)
        status = rmr_exchange_read_texts(x, "inputs", &count, err);
    if (!status)
        status = rmr_job_set_embed_sparse(job, model, x->texts, count, &options,
                                          err);
    if (status == RMR_ERR_UNSUPPORTED)
        return rmr_exchange_refuse(x, err, 400, "model",
                                   "the model makes no sparse vectors");
    if (!status)
        job->bytes += count * result_bytes(model);
    return status;
}

/* ---------------------------------------------------------------- the reply */

static int put_word(rmr_exchange *x, const rmr_word *word, int is_first)
{
    char number[RMR_F32_CHARS];
    rmr_format_f32(word->score, number);
    return rmr_exchange_put_format(x, "%s{\"index\":%u,\"value\":%s}",
                                   is_first ? "" : ",", word->id, number);
}

static int write_reply(rmr_exchange *x, const rmr_job *job)
{
    int done = rmr_exchange_put_format(x, "[");
    for (size_t t = 0; t < job->num_texts && done; t++) {
        size_t count;
        const rmr_word *words = rmr_job_sparse(job, t, &count);
        done = rmr_exchange_put_format(x, t ? ",[" : "[");
        for (size_t i = 0; i < count && done; i++)
            done = put_word(x, &words[i], !i);
        done = done && rmr_exchange_put_format(x, "]");
        x->reply.tokens += job->results[t].tokens;
        x->reply.truncated += job->results[t].truncated;
    }
    return done && rmr_exchange_put_format(x, "]\n");
}

static const rmr_route sparse_route = {read_request, write_reply};

rmr_status rmr_http_sparse_start(rmr_engine *engine, const char *body,
                                 size_t len, const rmr_http_options *options,
                                 rmr_job_done *done, void *user, rmr_job **out,
                                 rmr_error *err)
{
    return rmr_exchange_start(engine, &sparse_route, body, len, options, done,
                              user, out, err);
}
