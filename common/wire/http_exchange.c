/*
 * http_exchange.c - a request and its reply, as far as all routes have them in
 * common. It must never run on a host's event loop, nor guess at an input that
 * a contract does not allow.
 */
#include "common/wire/http_exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/runtime/windows.h"

enum { MAX_INPUTS = 2048 };

void rmr_http_options_init(rmr_http_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->truncate = RMR_TRUNCATE_NONE;
}

/* -------------------------------------------------------------- the request */

rmr_status rmr_exchange_refuse(rmr_exchange *x, rmr_error *err, int http_status,
                               const char *param, const char *format, ...)
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

const json_t *rmr_exchange_field(const rmr_exchange *x, const char *name)
{
    const json_t *value = json_object_get(x->root, name);
    return json_is_null(value) ? NULL : value;
}

int rmr_exchange_is_string(const json_t *value, const char *text)
{
    size_t len = strlen(text);
    return json_is_string(value) && json_string_length(value) == len &&
           memcmp(json_string_value(value), text, len) == 0;
}

rmr_status rmr_exchange_read_model(rmr_exchange *x, rmr_model **model,
                                   rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "model");
    if (!json_is_string(value)) {
        return rmr_exchange_refuse(x, err, 400, "model",
                                   "\"model\" must be given, as a string");
    }
    for (size_t i = 0; i < x->options.num_models; i++) {
        const rmr_named_model *known = &x->options.models[i];
        if (rmr_exchange_is_string(value, known->name)) {
            x->model_name = known->name;
            *model = known->model;
            return RMR_OK;
        }
    }
    return rmr_exchange_refuse(
        x, err, 404, "model",
        "the model that \"model\" names does not exist here");
}

static rmr_status read_text(rmr_exchange *x, const char *name,
                            const json_t *value, size_t index, rmr_error *err)
{
    if (!json_is_string(value)) {
        return rmr_exchange_refuse(
            x, err, 400, name,
            json_is_integer(value) || json_is_array(value)
                ? "\"%s\" holds token ids, which are another "
                  "model's: send text, a string or an array of "
                  "strings"
                : "\"%s\" must be a string or an array of strings",
            name);
    }
    rmr_text text = {json_string_value(value), json_string_length(value)};
    if (!text.len) {
        return rmr_exchange_refuse(x, err, 400, name,
                                   "%s %zu is an empty string", name, index);
    }
    x->texts[index] = text;
    return RMR_OK;
}

rmr_status rmr_exchange_read_texts(rmr_exchange *x, const char *name,
                                   size_t *count, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, name);
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (!value || !n || n > MAX_INPUTS) {
        return rmr_exchange_refuse(
            x, err, 400, name,
            "\"%s\" must be given, as a string or an array of 1 "
            "to %d strings",
            name, MAX_INPUTS);
    }
    rmr_free(x->texts);
    x->texts = rmr_malloc_array(n, sizeof *x->texts);
    if (!x->texts)
        return rmr_fail_nomem(err, "the texts of a request");
    x->texts_name = name;
    *count = n;
    if (!json_is_array(value))
        return read_text(x, name, value, 0, err);
    for (size_t i = 0; i < n; i++) {
        rmr_status status =
            read_text(x, name, json_array_get(value, i), i, err);
        if (status)
            return status;
    }
    return RMR_OK;
}

rmr_status rmr_exchange_read_truncate(rmr_exchange *x, rmr_truncate *truncate,
                                      rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "truncate");
    *truncate = x->options.truncate;
    if (!value)
        return RMR_OK;
    if (json_is_true(value) || rmr_exchange_is_string(value, "END"))
        *truncate = RMR_TRUNCATE_END;
    else if (json_is_false(value) || rmr_exchange_is_string(value, "NONE"))
        *truncate = RMR_TRUNCATE_NONE;
    else if (rmr_exchange_is_string(value, "START"))
        *truncate = RMR_TRUNCATE_START;
    else
        return rmr_exchange_refuse(
            x, err, 400, "truncate",
            "\"truncate\" must be true, false, \"NONE\", \"START\" "
            "or \"END\"");
    return RMR_OK;
}

rmr_status rmr_exchange_read_windows(rmr_exchange *x, int *windows,
                                     rmr_truncate *truncate, rmr_error *err)
{
    const json_t *value = rmr_exchange_field(x, "windows"),
                 *stride = rmr_exchange_field(x, "stride");
    json_int_t n = json_is_integer(stride) ? json_integer_value(stride) : -1;
    *windows = json_is_true(value);
    if (value && !json_is_boolean(value)) {
        return rmr_exchange_refuse(x, err, 400, "windows",
                                   "\"windows\" must be true or false");
    }
    if (stride && (n < 0 || n > UINT32_MAX || (n && !*windows))) {
        return rmr_exchange_refuse(x, err, 400, "stride",
                                   "\"stride\" must be a whole number of at "
                                   "least 0, and needs \"windows\"");
    }
    if (*windows)
        *truncate = RMR_TRUNCATE_END;
    x->stride = stride ? (uint32_t)n : 0;
    return RMR_OK;
}

/* What the request asks for, to the windows of its texts. */
static rmr_status read_request(rmr_job *job, rmr_exchange *x, rmr_error *err)
{
    rmr_status status = x->route->read(job, x, err);
    if (!status && job->long_texts)
        status = rmr_job_make_windows(job, err);
    if (status == RMR_ERR_RANGE && x->stride)
        return rmr_exchange_refuse(x, err, 400, "stride", "%s", err->message);
    return status;
}

static rmr_status prepare(rmr_job *job, rmr_error *err)
{
    rmr_exchange *x = job->data;
    rmr_status status =
        rmr_json_load(&x->root, x->body, x->len, "the request body", err);
    rmr_free(x->body); /* the texts are copies inside root */
    x->body = NULL;
    if (status) {
        x->error_status = rmr_http_status(status);
        return status;
    }
    if (!json_is_object(x->root)) {
        return rmr_exchange_refuse(x, err, 400, NULL,
                                   "the request body must be a JSON object");
    }
    return read_request(job, x, err);
}

/* ---------------------------------------------------------------- the reply */

char *rmr_exchange_reserve(rmr_exchange *x, size_t more)
{
    char *out =
        rmr_grow(x->out, &x->out_capacity, x->out_len + more, sizeof *out);
    if (!out)
        return NULL;
    x->out = out;
    return out + x->out_len;
}

int rmr_exchange_put(rmr_exchange *x, const char *text, size_t len)
{
    char *at = rmr_exchange_reserve(x, len);
    if (!at)
        return 0;
    memcpy(at, text, len);
    x->out_len += len;
    return 1;
}

int rmr_exchange_put_format(rmr_exchange *x, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return rmr_exchange_put(x, text, (size_t)len);
}

int rmr_exchange_put_string(rmr_exchange *x, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *begin = rmr_exchange_reserve(x, 6 * strlen(text) + 2), *at = begin;
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

int rmr_exchange_put_usage(rmr_exchange *x, const rmr_job *job)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < job->num_texts; i++) {
        tokens += job->results[i].tokens;
        x->reply.truncated += job->results[i].truncated;
    }
    x->reply.tokens = (uint32_t)tokens;
    return rmr_exchange_put_format(x,
                                   "\"usage\":{\"prompt_tokens\":%llu,"
                                   "\"total_tokens\":%llu}",
                                   (unsigned long long)tokens,
                                   (unsigned long long)tokens);
}

/* The sentence about a model that fails names its directory: that is for the
 * host's log, through rmr_job_result, and not for a client. */
static void write_error(rmr_exchange *x, const rmr_error *error)
{
    int http_status = x->error_status;
    const char *param = x->error_param, *message = error->message;
    if (!http_status) {
        rmr_status status = error->status;
        http_status = rmr_http_status(status);
        param = status == RMR_ERR_TOO_LONG ? x->texts_name : NULL;
        if (status == RMR_ERR_RANGE)
            message = "the model gave a value that is not finite";
    }
    x->reply.status = http_status;
    x->reply.tokens = x->reply.truncated = 0;
    x->reply.body = x->error;
    x->reply.len = rmr_http_write_error(http_status, message, param, NULL,
                                        x->error, sizeof x->error);
}

static void finish(rmr_job *job)
{
    rmr_exchange *x = job->data;
    rmr_error error;
    if (!job->status && !x->route->write(x, job)) {
        rmr_status status = rmr_fail_nomem(&error, "the reply");
        rmr_job_fail(job, status, &error);
    }
    x->reply.status = 200;
    x->reply.body = x->out;
    x->reply.len = x->out_len;
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
    rmr_exchange *x = job->data;
    if (!x)
        return;
    json_decref(x->root);
    rmr_free(x->texts);
    rmr_free(x->body);
    rmr_free(x->out);
    rmr_free(x);
}

static const rmr_job_kind exchange_kind = {
    .prepare = prepare, .finish = finish, .destroy = destroy};

static rmr_status fill_job(rmr_job *job, const rmr_route *route,
                           const char *body, size_t len,
                           const rmr_http_options *options, rmr_error *err)
{
    rmr_exchange *x = rmr_calloc(1, sizeof *x);
    job->data = x;
    if (x)
        x->body = rmr_strndup(body, len);
    if (!x || !x->body)
        return rmr_fail_nomem(err, "a request");
    x->len = len;
    x->route = route;
    rmr_http_options_init(&x->options);
    rmr_read_options(&x->options, options);
    job->bytes = len;
    if (x->options.timeout_ms)
        job->deadline_ns = rmr_deadline_ns(x->options.timeout_ms);
    return RMR_OK;
}

rmr_status rmr_exchange_start(rmr_engine *engine, const rmr_route *route,
                              const char *body, size_t len,
                              const rmr_http_options *options,
                              rmr_job_done *done, void *user, rmr_job **out,
                              rmr_error *err)
{
    *out = NULL;
    rmr_job *job = rmr_job_new(&exchange_kind, done, user);
    if (!job)
        return rmr_fail_nomem(err, "a request");
    rmr_status status = fill_job(job, route, body, len, options, err);
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
    if (job->kind != &exchange_kind)
        return NULL;
    return &((const rmr_exchange *)job->data)->reply;
}
