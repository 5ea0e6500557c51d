/*
 * http_embeddings.c - OpenAI's POST /v1/embeddings, body to job and job to
 * body, on compute threads. It must never run on a host's event loop, nor
 * guess at an input that the contract does not allow.
 */
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/options.h"
#include "common/runtime/engine.h"
#include "common/wire/http_error.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vectors go over the wire as little-endian float32"
#endif

enum { MAX_INPUTS = 2048 };

/* One request and its reply. */
typedef struct exchange {
    rmr_http_options options;
    char *body; /* [len] */
    size_t len;

    json_t *root;    /* the body, which the texts point into */
    rmr_text *texts; /* [count] */
    const char *model_name;
    int base64;

    /* Why the request is refused, beside the job's own error. */
    int error_status;
    const char *error_param;

    rmr_http_reply reply;
    char *out; /* the reply's body, or NULL when it is `error` */
    size_t out_len, out_capacity;
    char error[RMR_HTTP_ERROR_CHARS];
} exchange;

void rmr_http_options_init(rmr_http_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->truncate = RMR_TRUNCATE_NONE;
}

/* -------------------------------------------------------------- the request */

/* Refuses the request with an HTTP status and the field that is wrong. */
static rmr_status __attribute__((format(printf, 5, 6)))
refuse(exchange *x, rmr_error *err, int http_status, const char *param,
       const char *format, ...)
{
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    x->error_status = http_status;
    x->error_param = param;
    return rmr_fail(err, RMR_ERR_FORMAT, "%s", message);
}

/* The field, or NULL when it is missing or null. */
static const json_t *field(const exchange *x, const char *name)
{
    const json_t *value = json_object_get(x->root, name);
    return json_is_null(value) ? NULL : value;
}

/* Whether it is that string, to its last byte: a string may hold NUL. */
static int is_string(const json_t *value, const char *text)
{
    size_t len = strlen(text);
    return json_is_string(value) && json_string_length(value) == len &&
           memcmp(json_string_value(value), text, len) == 0;
}

static rmr_status read_model(exchange *x, rmr_model **model, rmr_error *err)
{
    const json_t *value = field(x, "model");
    if (!json_is_string(value)) {
        return refuse(x, err, 400, "model",
                      "\"model\" must be given, as a string");
    }
    for (size_t i = 0; i < x->options.num_models; i++) {
        const rmr_named_model *known = &x->options.models[i];
        if (is_string(value, known->name)) {
            x->model_name = known->name;
            *model = known->model;
            return RMR_OK;
        }
    }
    return refuse(x, err, 404, "model",
                  "the model that \"model\" names does not exist here");
}

static rmr_status read_text(exchange *x, const json_t *value, size_t index,
                            rmr_error *err)
{
    if (!json_is_string(value)) {
        return refuse(x, err, 400, "input",
                      json_is_integer(value) || json_is_array(value)
                          ? "\"input\" holds token ids, which are another "
                            "model's: send text, a string or an array of "
                            "strings"
                          : "\"input\" must be a string or an array of "
                            "strings");
    }
    rmr_text text = {json_string_value(value), json_string_length(value)};
    if (!text.len) {
        return refuse(x, err, 400, "input", "input %zu is an empty string",
                      index);
    }
    x->texts[index] = text;
    return RMR_OK;
}

static rmr_status read_input(exchange *x, size_t *count, rmr_error *err)
{
    const json_t *value = field(x, "input");
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (!value || !n || n > MAX_INPUTS) {
        return refuse(x, err, 400, "input",
                      "\"input\" must be given, as a string or an array of 1 "
                      "to %d strings",
                      MAX_INPUTS);
    }
    x->texts = rmr_malloc_array(n, sizeof *x->texts);
    if (!x->texts)
        return rmr_fail_nomem(err, "the texts of a request");
    *count = n;
    if (!json_is_array(value))
        return read_text(x, value, 0, err);
    for (size_t i = 0; i < n; i++) {
        rmr_status status = read_text(x, json_array_get(value, i), i, err);
        if (status)
            return status;
    }
    return RMR_OK;
}

static rmr_status read_format(exchange *x, rmr_error *err)
{
    const json_t *value = field(x, "encoding_format");
    x->base64 = is_string(value, "base64");
    if (!value || x->base64 || is_string(value, "float"))
        return RMR_OK;
    return refuse(x, err, 400, "encoding_format",
                  "\"encoding_format\" must be \"float\" or \"base64\"");
}

static rmr_status read_dimensions(exchange *x, const rmr_model *model,
                                  uint32_t *dimensions, rmr_error *err)
{
    const json_t *value = field(x, "dimensions");
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    if (value && (n < 1 || n > model->config.dim)) {
        return refuse(x, err, 400, "dimensions",
                      "\"dimensions\" must be a whole number from 1 to %u",
                      model->config.dim);
    }
    *dimensions = (uint32_t)n;
    return RMR_OK;
}

static rmr_status read_truncate(exchange *x, rmr_truncate *truncate,
                                rmr_error *err)
{
    const json_t *value = field(x, "truncate");
    *truncate = x->options.truncate;
    if (!value)
        return RMR_OK;
    if (json_is_true(value) || is_string(value, "END"))
        *truncate = RMR_TRUNCATE_END;
    else if (json_is_false(value) || is_string(value, "NONE"))
        *truncate = RMR_TRUNCATE_NONE;
    else if (is_string(value, "START"))
        *truncate = RMR_TRUNCATE_START;
    else
        return refuse(x, err, 400, "truncate",
                      "\"truncate\" must be true, false, \"NONE\", \"START\" "
                      "or \"END\"");
    return RMR_OK;
}

static rmr_status read_normalize(exchange *x, rmr_normalize *normalize,
                                 rmr_error *err)
{
    const json_t *value = field(x, "normalize");
    if (value && !json_is_boolean(value)) {
        return refuse(x, err, 400, "normalize",
                      "\"normalize\" must be true or false");
    }
    *normalize = RMR_NORMALIZE_MODEL;
    if (value)
        *normalize = json_is_true(value) ? RMR_NORMALIZE_ON : RMR_NORMALIZE_OFF;
    return RMR_OK;
}

/* A prompt is the model's, by its name, or a text. */
static rmr_status read_prompt(exchange *x, const rmr_model *model,
                              rmr_embed_options *options, rmr_error *err)
{
    const json_t *name = field(x, "prompt_name"), *text = field(x, "prompt");
    if (field(x, "input_type")) {
        return refuse(x, err, 400, "input_type",
                      "\"input_type\" is not supported: name a prompt of the "
                      "model with \"prompt_name\"");
    }
    if (text && (name || !json_is_string(text))) {
        return refuse(x, err, 400, "prompt",
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
        return refuse(x, err, 400, "prompt_name", "%s", why.message);
    options->prompt_name = found->name;
    return RMR_OK;
}

/* What one text's vector and its place in the reply about take. */
static uint64_t result_bytes(const exchange *x, size_t dim)
{
    enum { AROUND = 160, FLOAT_CHARS = 14, BASE64_CHARS = 6 };
    uint64_t chars = x->base64 ? BASE64_CHARS : FLOAT_CHARS;
    return AROUND + dim * (sizeof(float) + chars);
}

static rmr_status read_request(rmr_job *job, exchange *x, rmr_error *err)
{
    rmr_embed_options options;
    rmr_embed_options_init(&options);
    rmr_model *model = NULL;
    size_t count = 0;
    rmr_status status = read_model(x, &model, err);
    if (!status)
        status = read_format(x, err);
    if (!status)
        status = read_dimensions(x, model, &options.dimensions, err);
    if (!status)
        status = read_truncate(x, &options.truncate, err);
    if (!status)
        status = read_normalize(x, &options.normalize, err);
    if (!status)
        status = read_prompt(x, model, &options, err);
    if (!status)
        status = read_input(x, &count, err);
    if (!status)
        status = rmr_job_set_texts(job, model, x->texts, count, &options, err);
    if (!status)
        job->bytes += count * result_bytes(x, job->dim);
    return status;
}

static rmr_status prepare(rmr_job *job, rmr_error *err)
{
    exchange *x = job->data;
    rmr_status status =
        rmr_json_load(&x->root, x->body, x->len, "the request body", err);
    rmr_free(x->body); /* the texts are copies inside root */
    x->body = NULL;
    if (status) {
        x->error_status = rmr_http_status(status);
        return status;
    }
    if (!json_is_object(x->root)) {
        return refuse(x, err, 400, NULL,
                      "the request body must be a JSON object");
    }
    return read_request(job, x, err);
}

/* ---------------------------------------------------------------- the reply */

static char *reserve(exchange *x, size_t more)
{
    char *out =
        rmr_grow(x->out, &x->out_capacity, x->out_len + more, sizeof *out);
    if (!out)
        return NULL;
    x->out = out;
    return out + x->out_len;
}

static int put(exchange *x, const char *text, size_t len)
{
    char *at = reserve(x, len);
    if (!at)
        return 0;
    memcpy(at, text, len);
    x->out_len += len;
    return 1;
}

static int __attribute__((format(printf, 2, 3)))
put_format(exchange *x, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return put(x, text, (size_t)len);
}

/* A JSON string; text is UTF-8. */
static int put_string(exchange *x, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *begin = reserve(x, 6 * strlen(text) + 2), *at = begin;
    if (!begin)
        return 0;
    *at++ = '"';
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20) {
            memcpy(at, "\\u00", 4);
            at[4] = digits[*p >> 4];
            at[5] = digits[*p & 15];
            at += 6;
            continue;
        }
        if (*p == '"' || *p == '\\')
            *at++ = '\\';
        *at++ = (char)*p;
    }
    *at++ = '"';
    x->out_len += (size_t)(at - begin);
    return 1;
}

static int put_floats(exchange *x, const float *vector, size_t dim)
{
    char *begin = reserve(x, dim * RMR_F32_CHARS + 2), *at = begin;
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

static int put_base64(exchange *x, const float *vector, size_t dim)
{
    size_t bytes = dim * sizeof *vector;
    char *at = reserve(x, (bytes + 2) / 3 * 4 + 3);
    if (!at)
        return 0;
    at[0] = '"';
    int len = EVP_EncodeBlock((unsigned char *)at + 1,
                              (const unsigned char *)vector, (int)bytes);
    at[len + 1] = '"';
    x->out_len += (size_t)len + 2;
    return 1;
}

static int put_embedding(exchange *x, const rmr_job *job, size_t i)
{
    const float *vector = job->values + i * job->dim;
    int done = put_format(x,
                          "%s{\"object\":\"embedding\",\"index\":%zu,"
                          "\"embedding\":",
                          i ? "," : "", i);
    if (x->base64)
        done = done && put_base64(x, vector, job->dim);
    else
        done = done && put_floats(x, vector, job->dim);
    return done &&
           put_format(x, "%s}",
                      job->results[i].truncated ? ",\"truncated\":true" : "");
}

/* Returns 0 when out of memory. */
static int write_reply(exchange *x, const rmr_job *job)
{
    int done = put_format(x, "{\"object\":\"list\",\"data\":[");
    uint64_t tokens = 0;
    for (size_t i = 0; done && i < job->count; i++) {
        done = put_embedding(x, job, i);
        tokens += job->results[i].tokens;
        x->reply.truncated += job->results[i].truncated;
    }
    done = done && put_format(x, "],\"model\":");
    done = done && put_string(x, x->model_name);
    done = done &&
           put_format(x,
                      ",\"usage\":{\"prompt_tokens\":%llu,"
                      "\"total_tokens\":%llu}}\n",
                      (unsigned long long)tokens, (unsigned long long)tokens);
    x->reply.status = 200;
    x->reply.tokens = (uint32_t)tokens;
    x->reply.body = x->out;
    x->reply.len = x->out_len;
    return done;
}

/* The sentence about a model that fails names its directory: that is for the
 * host's log, through rmr_job_result, and not for a client. */
static void write_error(exchange *x, const rmr_error *error)
{
    int http_status = x->error_status;
    const char *param = x->error_param, *message = error->message;
    if (!http_status) {
        rmr_status status = error->status;
        http_status = rmr_http_status(status);
        param = status == RMR_ERR_TOO_LONG ? "input" : NULL;
        if (status == RMR_ERR_RANGE)
            message = "the model gave a vector that is not finite";
    }
    x->reply.status = http_status;
    x->reply.tokens = x->reply.truncated = 0;
    x->reply.body = x->error;
    x->reply.len = rmr_http_write_error(http_status, message, param, NULL,
                                        x->error, sizeof x->error);
}

static void finish(rmr_job *job)
{
    exchange *x = job->data;
    rmr_error error;
    if (!job->status && !write_reply(x, job)) {
        rmr_status status = rmr_fail_nomem(&error, "the reply");
        rmr_job_fail(job, status, &error);
    }
    if (job->status)
        write_error(x, &job->error);
    json_decref(x->root);
    rmr_free(x->texts);
    x->root = NULL;
    x->texts = NULL;
}

/* ------------------------------------------------------------------- the job
 */

static void destroy(rmr_job *job)
{
    exchange *x = job->data;
    if (!x)
        return;
    json_decref(x->root);
    rmr_free(x->texts);
    rmr_free(x->body);
    rmr_free(x->out);
    rmr_free(x);
}

static const rmr_job_kind embeddings_kind = {
    .prepare = prepare, .finish = finish, .destroy = destroy};

static rmr_status fill_job(rmr_job *job, const char *body, size_t len,
                           const rmr_http_options *options, rmr_error *err)
{
    exchange *x = rmr_calloc(1, sizeof *x);
    job->data = x;
    if (x)
        x->body = rmr_strndup(body, len);
    if (!x || !x->body)
        return rmr_fail_nomem(err, "a request");
    x->len = len;
    rmr_http_options_init(&x->options);
    rmr_read_options(&x->options, options);
    job->bytes = len;
    if (x->options.timeout_ms)
        job->deadline_ns = rmr_deadline_ns(x->options.timeout_ms);
    return RMR_OK;
}

rmr_status rmr_http_embeddings_start(rmr_engine *engine, const char *body,
                                     size_t len,
                                     const rmr_http_options *options,
                                     rmr_job_done *done, void *user,
                                     rmr_job **out, rmr_error *err)
{
    *out = NULL;
    rmr_job *job = rmr_job_new(&embeddings_kind, done, user);
    if (!job)
        return rmr_fail_nomem(err, "a request");
    rmr_status status = fill_job(job, body, len, options, err);
    if (!status)
        status = rmr_engine_submit(engine, job, err);
    if (status)
        rmr_job_release(job);
    else
        *out = job;
    return status;
}

const rmr_http_reply *rmr_job_http_reply(const rmr_job *job)
{
    if (job->kind != &embeddings_kind)
        return NULL;
    return &((const exchange *)job->data)->reply;
}
