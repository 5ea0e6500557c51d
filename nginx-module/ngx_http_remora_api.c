
/*
 * ngx_http_remora_api.c: the content handler of remora_embeddings,
 * remora_classify_api, remora_rerank and remora_sparse.  It reads the whole
 * body and hands it to the engine, which parses it, computes, and writes the
 * reply.  It must never look into the body, nor log any of it.
 */


#include "ngx_http_remora.h"


static void ngx_http_remora_api_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_remora_api_start(ngx_http_request_t *r);
static rmr_status ngx_http_remora_api_call(ngx_http_request_t *r,
    rmr_engine *engine, ngx_str_t *body, ngx_http_remora_call_t *call,
    rmr_error *err);
static ngx_int_t ngx_http_remora_read_body(ngx_http_request_t *r,
    ngx_str_t *body, ngx_uint_t *allocated);
static u_char *ngx_http_remora_read_buf(u_char *p, ngx_buf_t *b);
static ngx_int_t ngx_http_remora_api_refuse(ngx_http_request_t *r,
    rmr_error *err);
static ngx_int_t ngx_http_remora_api_reply(ngx_http_request_t *r,
    ngx_http_remora_wait_t *wait);


ngx_int_t
ngx_http_remora_api_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->method != NGX_HTTP_POST) {
        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        if (ngx_http_remora_add_header(r, "Allow", "POST") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_remora_send_error(r, NGX_HTTP_NOT_ALLOWED,
                                      "This is asked for with POST.");
    }

    rc = ngx_http_read_client_request_body(r,
                                      ngx_http_remora_api_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_remora_api_body_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_remora_api_start(r);

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
    }
}


/* NGX_AGAIN: the request waits; else what it is to be finalized with. */

static ngx_int_t
ngx_http_remora_api_start(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    rmr_error                    err;
    ngx_str_t                    body;
    rmr_engine                  *engine;
    rmr_status                   status;
    ngx_uint_t                   allocated;
    ngx_http_remora_call_t      *call;
    ngx_http_remora_wait_t      *wait;
    ngx_http_remora_loc_conf_t  *rlcf;

    engine = ngx_http_remora_engine();
    if (engine == NULL) {
        return ngx_http_remora_send_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "The server has no compute threads.");
    }

    wait = ngx_http_remora_wait_create(r, 1, ngx_http_remora_api_reply);
    if (wait == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    call = ngx_http_remora_call_create(wait, 0);
    if (call == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_remora_read_body(r, &body, &allocated);
    if (rc != NGX_OK) {
        ngx_free(call);
        return rc;
    }

    status = ngx_http_remora_api_call(r, engine, &body, call, &err);

    if (allocated) {
        ngx_free(body.data);
    }

    if (status != RMR_OK) {
        ngx_free(call);
        return ngx_http_remora_api_refuse(r, &err);
    }

    ngx_http_remora_call_run(call);

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_remora_module);

    if (ngx_http_remora_wait_start(wait, rlcf->timeout) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_AGAIN;
}


static rmr_status
ngx_http_remora_api_call(ngx_http_request_t *r, rmr_engine *engine,
    ngx_str_t *body, ngx_http_remora_call_t *call, rmr_error *err)
{
    rmr_http_options             options;
    ngx_http_remora_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_remora_module);

    rmr_http_options_init(&options);

    options.models = rlcf->api->models;
    options.num_models = rlcf->api->nmodels;
    options.truncate = rlcf->truncate ? RMR_TRUNCATE_END : RMR_TRUNCATE_NONE;

    return rlcf->route->start(engine, (char *) body->data, body->len, &options,
                              ngx_http_remora_call_done, call, &call->job,
                              err);
}


/*
 * Gives the whole body as one piece of memory: where it already is one, in
 * place, else in memory that the caller has to ngx_free().
 */

static ngx_int_t
ngx_http_remora_read_body(ngx_http_request_t *r, ngx_str_t *body,
    ngx_uint_t *allocated)
{
    off_t         size;
    u_char       *p;
    ngx_chain_t  *cl, *bufs;

    *allocated = 0;
    ngx_str_set(body, "");

    bufs = r->request_body ? r->request_body->bufs : NULL;
    size = 0;

    for (cl = bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size == 0) {
        return NGX_OK;
    }

    if (bufs->next == NULL && !bufs->buf->in_file) {
        body->data = bufs->buf->pos;
        body->len = (size_t) size;
        return NGX_OK;
    }

    p = ngx_alloc((size_t) size, r->connection->log);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *allocated = 1;
    body->data = p;
    body->len = (size_t) size;

    for (cl = bufs; cl; cl = cl->next) {

        if (ngx_buf_size(cl->buf) == 0) {
            continue;
        }

        p = ngx_http_remora_read_buf(p, cl->buf);

        if (p == NULL) {
            ngx_free(body->data);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return NGX_OK;
}


/* Copies a buffer of the body to p; returns what follows, NULL on failure. */

static u_char *
ngx_http_remora_read_buf(u_char *p, ngx_buf_t *b)
{
    off_t    offset;
    ssize_t  n;

    if (!b->in_file) {
        return ngx_cpymem(p, b->pos, b->last - b->pos);
    }

    for (offset = b->file_pos; offset < b->file_last; offset += n) {
        n = ngx_read_file(b->file, p, (size_t) (b->file_last - offset), offset);

        if (n == NGX_ERROR) {
            return NULL;
        }

        if (n == 0) {
            ngx_log_error(NGX_LOG_CRIT, b->file->log, 0,
                          "remora: request body file \"%V\" ends too early",
                          &b->file->name);
            return NULL;
        }

        p += n;
    }

    return p;
}


/* The engine did not take the body. */

static ngx_int_t
ngx_http_remora_api_refuse(ngx_http_request_t *r, rmr_error *err)
{
    ngx_uint_t  status;

    status = rmr_http_status(err->status);

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "remora: request refused: %s", err->message);

    if (status == NGX_HTTP_TOO_MANY_REQUESTS
        && ngx_http_remora_add_header(r, "Retry-After", "1") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_remora_send_error(r, status, err->message);
}


static ngx_int_t
ngx_http_remora_api_reply(ngx_http_request_t *r,
    ngx_http_remora_wait_t *wait)
{
    u_char                *value;
    rmr_error              err;
    const rmr_http_reply  *reply;

    if (wait->timedout) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "remora: request exceeded remora_timeout");

        return ngx_http_remora_send_error(r, NGX_HTTP_GATEWAY_TIME_OUT,
                       "The answer could not be computed in time.");
    }

    reply = rmr_job_http_reply(wait->jobs[0]);

    if (reply->status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        (void) rmr_job_result(wait->jobs[0], &err);

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "remora: request failed: %s", err.message);
    }

    if (reply->status == NGX_HTTP_TOO_MANY_REQUESTS
        && ngx_http_remora_add_header(r, "Retry-After", "1") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (reply->truncated) {
        value = ngx_pnalloc(r->pool, NGX_INT32_LEN + 1);
        if (value == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_sprintf(value, "%uD%Z", reply->truncated);

        if (ngx_http_remora_add_header(r, "X-Remora-Truncated", (char *) value)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_remora_send_json(r, reply->status, reply->body,
                                     reply->len);
}
