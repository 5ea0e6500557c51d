/*
 * http_embeddings.c - OpenAI's POST /v1/embeddings, body to job and job to
 * body. It must never guess at an input that the contract does not allow.
 */
#include <openssl/evp.h>
#include <string.h>

#include "common/wire/http_exchange.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vectors go over the wire as little-endian float32"
#endif

/* -------------------------------------------------------------- the request */

static rmr_status read_format(rmr_exchange *x, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "encoding_format");
    x->base64 = rmr_exchange_is_string(value, "base64");
    if (!value || x->base64 || rmr_exchange_is_string(value, "float"))
        return RMR_OK;
    return rmr_exchange_refuse(
        x, err, 400, "encoding_format",
        "\"encoding_format\" must be \"float\" or \"base64\"");
}

static rmr_status read_dimensions(rmr_exchange *x, const rmr_model *model,
                                  uint32_t *dimensions, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "dimensions");
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    if (value && (n < 1 || n > model->config.dim)) {
        return rmr_exchange_refuse(
            x, err, 400, "dimensions",
            "\"dimensions\" must be a whole number from 1 to %u",
            model->config.dim);
    }
    *dimensions = (uint32_t)n;
    return RMR_OK;
}

static rmr_status read_normalize(rmr_exchange *x, rmr_normalize *normalize,
                                 rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "normalize");
    if (value && !json_is_boolean(value)) {
        return rmr_exchange_refuse(x, err, 400, "normalize",
                                   "\"normalize\" must be true or false");
    }
    *normalize = RMR_NORMALIZE_MODEL;
    if (value)
        *normalize = json_is_true(value) ? RMR_NORMALIZE_ON : RMR_NORMALIZE_OFF;
    return RMR_OK;
}

/* A prompt is the model's, by its name, or a text. */
static rmr_status read_prompt(rmr_exchange *x, const rmr_model *model,
                              rmr_embed_options *options, rmr_error *err)
{
    const json_t *name = rmr_exchange_field(x, "prompt_name"),
                 *text = rmr_exchange_field(x, "prompt");
    if (rmr_exchange_field(x, "input_type")) {
        return rmr_exchange_refuse(
            x, err, 400, "input_type",
            "\"input_type\" is not supported: name a prompt of the "
            "model with \"prompt_name\"");
    }
    if (text && (name || !json_is_string(text))) {
        return rmr_exchange_refuse(x, err, 400, "prompt",
                                   "\"prompt\" must be a string, and exclude "
                                   "\"prompt_name\"");
    }
    if (text)
        options->prompt =
            (rmr_text){json_string_value(text), json_string_length(text)};
    if (!name)
        return RMR_OK;
    rmr_error why;
    const rmr_prompt *found = NULL;
    if (json_is_string(name) &&
        strlen(json_string_value(name)) == json_string_length(name))
        found =
            rmr_prompts_find(&model->prompts, json_string_value(name), &why);
    else
        rmr_fail(&why, RMR_ERR_FORMAT,
                 "\"prompt_name\" must be a string without NUL");
    if (!found)
        return rmr_exchange_refuse(x, err, 400, "prompt_name", "%s",
                                   why.message);
    options->prompt_name = found->name;
    return RMR_OK;
}

/* What one text's vector and its place in the reply about take. */
static uint64_t result_bytes(const rmr_exchange *x, size_t dim)
{
    enum { AROUND = 160, FLOAT_CHARS = 14, BASE64_CHARS = 6 };
    uint64_t chars = x->base64 ? BASE64_CHARS : FLOAT_CHARS;
    return AROUND + dim * (sizeof(float) + chars);
}

static rmr_status read_request(rmr_job *job, rmr_exchange *x, rmr_error *err)
{
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    rmr_model *model = NULL;
    size_t count = 0;
    rmr_status status = rmr_exchange_read_model(x, &model, err);
    if (!status)
        status = read_format(x, err);
    if (!status)
        status = read_dimensions(x, model, &options.dimensions, err);
    if (!status)
        status = rmr_exchange_read_truncate(x, &options.truncate, err);
    if (!status)
        status = rmr_exchange_read_windows(x, &options.windows,
                                           &options.truncate, err);
    options.stride = x->stride;
    if (!status)
        status = read_normalize(x, &options.normalize, err);
    if (!status)
        status = read_prompt(x, model, &options, err);
    if (!status)
        status = rmr_exchange_read_texts(x, "input", &count, err);
    if (!status)
        status = rmr_job_set_texts(job, model, x->texts, count, &options, err);
    if (!status)
        job->bytes += count * result_bytes(x, job->dim);
    return status;
}

/* ---------------------------------------------------------------- the reply */

static int put_floats(rmr_exchange *x, const float *vector, size_t dim)
{
    char *begin = rmr_exchange_reserve(x, dim * RMR_F32_CHARS + 2), *at = begin;
    if (!begin)
        return 0;
    *at++ = '[';
    for (size_t i = 0; i < dim; i++) {
        if (i)
            *at++ = ',';
        at += rmr_format_f32(vector[i], at);
    }
    *at++ = ']';
    x->out_len += (size_t)(at - begin);
    return 1;
}

static int put_base64(rmr_exchange *x, const float *vector, size_t dim)
{
    size_t bytes = dim * sizeof *vector;
    char *at = rmr_exchange_reserve(x, (bytes + 2) / 3 * 4 + 3);
    if (!at)
        return 0;
    at[0] = '"';
    int len = EVP_EncodeBlock((unsigned char *)at + 1,
                              (const unsigned char *)vector, (int)bytes);
    at[len + 1] = '"';
    x->out_len += (size_t)len + 2;
    return 1;
}

static int put_embedding(rmr_exchange *x, const rmr_job *job, size_t i)
{
    const float *vector = job->values + i * job->dim;
    int done =
        rmr_exchange_put_format(x,
                                "%s{\"object\":\"embedding\",\"index\":%zu,"
                                "\"embedding\":",
                                i ? "," : "", i);
    if (x->base64)
        done = done && put_base64(x, vector, job->dim);
    else
        done = done && put_floats(x, vector, job->dim);
    return done && rmr_exchange_put_format(
                       x, "%s}",
                       job->results[i].truncated ? ",\"truncated\":true" : "");
}

static int write_reply(rmr_exchange *x, const rmr_job *job)
{
    int done = rmr_exchange_put_format(x, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; done && i < job->num_texts; i++)
        done = put_embedding(x, job, i);
    done = done && rmr_exchange_put_format(x, "],\"model\":");
    done = done && rmr_exchange_put_string(x, x->model_name);
    done = done && rmr_exchange_put_format(x, ",");
    done = done && rmr_exchange_put_usage(x, job);
    return done && rmr_exchange_put_format(x, "}\n");
}

static const rmr_route embeddings_route = {read_request, write_reply};

rmr_status rmr_http_embeddings_start(rmr_engine *engine, const char *body,
                                     size_t len,
                                     const rmr_http_options *options,
                                     rmr_job_done *done, void *user,
                                     rmr_job **out, rmr_error *err)
{
    return rmr_exchange_start(engine, &embeddings_route, body, len, options,
                              done, user, out, err);
}
