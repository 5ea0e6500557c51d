/*
 * http_rerank.c - POST /v1/rerank: documents in the order in which they answer
 * a query, as clients of Cohere's and Jina's routes of that name read it. It
 * must never guess at an input that the contract does not allow.
 */
#include "common/wire/http_exchange.h"

/* -------------------------------------------------------------- the request */

static rmr_status read_query(rmr_exchange *x, rmr_text *query, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "query");
    if (!json_is_string(value) || !json_string_length(value)) {
        return rmr_exchange_refuse(
            x, err, 400, "query",
            "\"query\" must be given, as a string that is not empty");
    }
    *query = (rmr_text){json_string_value(value), json_string_length(value)};
    return RMR_OK;
}

static rmr_status read_top_n(rmr_exchange *x, uint32_t *top_n, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "top_n");
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    if (value && (n < 1 || n > UINT32_MAX)) {
        return rmr_exchange_refuse(
            x, err, 400, "top_n",
            "\"top_n\" must be a whole number of at least 1");
    }
    *top_n = (uint32_t)n;
    return RMR_OK;
}

static rmr_status read_raw(rmr_exchange *x, int *raw, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "raw_scores");
    *raw = json_is_true(value);
    if (!value || json_is_boolean(value))
        return RMR_OK;
    return rmr_exchange_refuse(x, err, 400, "raw_scores",
                               "\"raw_scores\" must be true or false");
}

static rmr_status read_instruction(rmr_exchange *x, rmr_text *instruction,
                                   rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "instruction");
    if (!value)
        return RMR_OK;
    if (!json_is_string(value)) {
        return rmr_exchange_refuse(x, err, 400, "instruction",
                                   "\"instruction\" must be a string");
    }
    *instruction =
        (rmr_text){json_string_value(value), json_string_length(value)};
    return RMR_OK;
}

static rmr_status read_request(rmr_job *job, rmr_exchange *x, rmr_error *err)
{
    rmr_rerank_options options;
    rmr_model *model = NULL;
    rmr_text query = {0};
    size_t count = 0;
    rmr_rerank_options_init(&options);
    rmr_status status = rmr_exchange_read_model(x, &model, err);
    if (!status)
        status = read_query(x, &query, err);
    if (!status)
        status = read_top_n(x, &options.top_n, err);
    if (!status)
        status = read_raw(x, &options.raw, err);
    if (!status)
        status = read_instruction(x, &options.instruction, err);
    if (!status)
        status = rmr_exchange_read_truncate(x, &options.truncate, err);
    if (!status)
        status = rmr_exchange_read_windows(x, &options.windows,
                                           &options.truncate, err);
    options.stride = x->stride;
    if (!status)
        status = rmr_exchange_read_texts(x, "documents", &count, err);
    if (!status)
        status = rmr_job_set_rerank(job, model, query, x->texts, count,
                                    &options, err);
    if (status == RMR_ERR_RANGE && options.instruction.data)
        return rmr_exchange_refuse(x, err, 400, "instruction",
                                   "a cross-encoder takes no \"instruction\"");
    if (status == RMR_ERR_UNSUPPORTED)
        return rmr_exchange_refuse(x, err, 400, "model",
                                   "the model does not rerank: it is no "
                                   "cross-encoder with one label");
    return status;
}

/* ---------------------------------------------------------------- the reply */

static int put_document(rmr_exchange *x, const rmr_ranked *ranked)
{
    char number[RMR_F32_CHARS];
    size_t len = rmr_format_f32(ranked->score, number);
    return rmr_exchange_put_format(
               x, "{\"index\":%zu,\"relevance_score\":", ranked->index) &&
           rmr_exchange_put(x, number, len) && rmr_exchange_put_format(x, "}");
}

static int write_reply(rmr_exchange *x, const rmr_job *job)
{
    size_t count;
    const rmr_ranked *ranking = rmr_job_ranking(job, &count);
    int done = rmr_exchange_put_format(x, "{\"model\":") &&
               rmr_exchange_put_string(x, x->model_name) &&
               rmr_exchange_put_format(x, ",\"results\":[");
    for (size_t i = 0; i < count && done; i++)
        done = rmr_exchange_put_format(x, "%s", i ? "," : "") &&
               put_document(x, &ranking[i]);
    done = done && rmr_exchange_put_format(x, "],");
    done = done && rmr_exchange_put_usage(x, job);
    return done && rmr_exchange_put_format(x, "}\n");
}

static const rmr_route rerank_route = {read_request, write_reply};

rmr_status rmr_http_rerank_start(rmr_engine *engine, const char *body,
                                 size_t len, const rmr_http_options *options,
                                 rmr_job_done *done, void *user, rmr_job **out,
                                 rmr_error *err)
{
    return rmr_exchange_start(engine, &rerank_route, body, len, options, done,
                              user, out, err);
}
