
/*
 * ngx_http_remora_health.c: the content handler of remora_health.  A model is
 * healthy when a short text has just gone through it, on the same threads and
 * through the same queue as everything else.  It must never answer from
 * memory.
 */


#include "ngx_http_remora.h"


#define NGX_HTTP_REMORA_HEALTH_TEXT  "health"


static ngx_int_t ngx_http_remora_health_start(ngx_http_request_t *r,
    rmr_engine *engine);
static rmr_status ngx_http_remora_health_run(rmr_engine *engine,
    rmr_model *model, ngx_http_remora_call_t *call, rmr_error *err);
static ngx_int_t ngx_http_remora_health_call(ngx_http_remora_wait_t *wait,
    rmr_engine *engine, ngx_uint_t index, rmr_named_model *model);
static ngx_int_t ngx_http_remora_health_reply(ngx_http_request_t *r,
    ngx_http_remora_wait_t *wait);
static ngx_int_t ngx_http_remora_health_error(ngx_http_remora_wait_t *wait,
    ngx_uint_t index, rmr_error *err);
static u_char *ngx_http_remora_health_model(u_char *p, rmr_named_model *model,
    rmr_error *err);
static u_char *ngx_http_remora_json_string(u_char *p, const char *s);


ngx_int_t
ngx_http_remora_health_handler(ngx_http_request_t *r)
{
    ngx_int_t    rc;
    rmr_engine  *engine;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        if (ngx_http_remora_add_header(r, "Allow", "GET, HEAD") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_remora_send_error(r, NGX_HTTP_NOT_ALLOWED,
                                          "Health is asked for with GET.");
    }

    if (ngx_http_remora_add_header(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    engine = ngx_http_remora_engine();
    if (engine == NULL) {
        return ngx_http_remora_send_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "The server has no compute threads.");
    }

    return ngx_http_remora_health_start(r, engine);
}


static ngx_int_t
ngx_http_remora_health_start(ngx_http_request_t *r, rmr_engine *engine)
{
    ngx_uint_t                   i;
    ngx_http_remora_ref_t       *ref;
    ngx_http_remora_wait_t      *wait;
    ngx_http_remora_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_remora_module);
    ref = rlcf->health;

    wait = ngx_http_remora_wait_create(r, ref->nmodels,
                                       ngx_http_remora_health_reply);
    if (wait == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < ref->nmodels; i++) {
        if (ngx_http_remora_health_call(wait, engine, i, &ref->models[i])
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (wait->nrunning == 0) {
        return ngx_http_remora_health_reply(r, wait);
    }

    if (ngx_http_remora_wait_start(wait, rlcf->timeout) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->main->count++;

    return NGX_DONE;
}


/* Hands the engine one text for what the model was opened for. */

static rmr_status
ngx_http_remora_health_run(rmr_engine *engine, rmr_model *model,
    ngx_http_remora_call_t *call, rmr_error *err)
{
    rmr_text        text;
    rmr_status      status;
    rmr_model_info  info;

    text.data = NGX_HTTP_REMORA_HEALTH_TEXT;
    text.len = sizeof(NGX_HTTP_REMORA_HEALTH_TEXT) - 1;

    info.size = sizeof(rmr_model_info);
    rmr_model_get_info(model, &info);

    if (info.task == RMR_TASK_CLASSIFY) {
        status = rmr_classify_start(engine, model, &text, 1, NULL,
                                    ngx_http_remora_call_done, call,
                                    &call->job, err);

        /* a decoder that reranks has no labels */

        if (status != RMR_ERR_UNSUPPORTED) {
            return status;
        }

        return rmr_rerank_start(engine, model, text, &text, 1, NULL,
                                ngx_http_remora_call_done, call, &call->job,
                                err);
    }

    if (info.task == RMR_TASK_TOKEN_CLASSIFY) {
        return rmr_token_classify_start(engine, model, &text, 1, NULL,
                                        ngx_http_remora_call_done, call,
                                        &call->job, err);
    }

    if (info.task == RMR_TASK_EMBED_SPARSE) {
        return rmr_embed_sparse_start(engine, model, &text, 1, NULL,
                                      ngx_http_remora_call_done, call,
                                      &call->job, err);
    }

    return rmr_embed_start(engine, model, &text, 1, NULL,
                           ngx_http_remora_call_done, call, &call->job, err);
}


/* A job that the engine does not take shows in the reply as one not done. */

static ngx_int_t
ngx_http_remora_health_call(ngx_http_remora_wait_t *wait, rmr_engine *engine,
    ngx_uint_t index, rmr_named_model *model)
{
    rmr_error                err;
    rmr_status               status;
    ngx_http_remora_call_t  *call;

    call = ngx_http_remora_call_create(wait, index);
    if (call == NULL) {
        return NGX_ERROR;
    }

    status = ngx_http_remora_health_run(engine, model->model, call, &err);

    if (status != RMR_OK) {
        ngx_free(call);
        return NGX_OK;
    }

    ngx_http_remora_call_run(call);

    return NGX_OK;
}


static ngx_int_t
ngx_http_remora_health_reply(ngx_http_request_t *r,
    ngx_http_remora_wait_t *wait)
{
    u_char                      *p, *body;
    size_t                       size;
    rmr_error                   *errors;
    ngx_uint_t                   i, healthy;
    ngx_http_remora_ref_t       *ref;
    ngx_http_remora_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_remora_module);
    ref = rlcf->health;

    errors = ngx_pcalloc(r->pool, ref->nmodels * sizeof(rmr_error));
    if (errors == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a byte may need six when it is escaped */

    size = sizeof("{'status':'error','models':[]}");
    healthy = 1;

    for (i = 0; i < ref->nmodels; i++) {
        if (ngx_http_remora_health_error(wait, i, &errors[i]) != NGX_OK) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "remora: model \"%s\" is not healthy: %s",
                          ref->models[i].name, errors[i].message);
            healthy = 0;
        }

        size += sizeof("{'name':'','status':'error','message':''},")
                + 6 * (ngx_strlen(ref->models[i].name)
                       + ngx_strlen(errors[i].message));
    }

    body = ngx_pnalloc(r->pool, size);
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body, "{\"status\":\"%s\",\"models\":[",
                    healthy ? "ok" : "error");

    for (i = 0; i < ref->nmodels; i++) {
        if (i) {
            *p++ = ',';
        }

        p = ngx_http_remora_health_model(p, &ref->models[i], &errors[i]);
    }

    *p++ = ']';
    *p++ = '}';

    return ngx_http_remora_send_json(r, healthy ? NGX_HTTP_OK
                                              : NGX_HTTP_SERVICE_UNAVAILABLE,
                                     (char *) body, p - body);
}


/* NGX_OK, or NGX_ERROR and why the model is not healthy. */

static ngx_int_t
ngx_http_remora_health_error(ngx_http_remora_wait_t *wait, ngx_uint_t index,
    rmr_error *err)
{
    const char  *message;

    if (wait->jobs[index]) {
        return rmr_job_result(wait->jobs[index], err) == RMR_OK ? NGX_OK
                                                              : NGX_ERROR;
    }

    message = wait->timedout ? "it did not answer within remora_timeout"
                             : "the queue is full or memory is short";

    (void) ngx_cpystrn((u_char *) err->message, (u_char *) message,
                       sizeof(err->message));

    return NGX_ERROR;
}


static u_char *
ngx_http_remora_health_model(u_char *p, rmr_named_model *model, rmr_error *err)
{
    p = ngx_cpymem(p, "{\"name\":", sizeof("{\"name\":") - 1);
    p = ngx_http_remora_json_string(p, model->name);

    if (err->message[0] == '\0') {
        return ngx_cpymem(p, ",\"status\":\"ok\"}",
                          sizeof(",\"status\":\"ok\"}") - 1);
    }

    p = ngx_cpymem(p, ",\"status\":\"error\",\"message\":",
                   sizeof(",\"status\":\"error\",\"message\":") - 1);
    p = ngx_http_remora_json_string(p, err->message);
    *p++ = '}';

    return p;
}


static u_char *
ngx_http_remora_json_string(u_char *p, const char *s)
{
    *p++ = '"';
    p = (u_char *) ngx_escape_json(p, (u_char *) s, ngx_strlen(s));
    *p++ = '"';

    return p;
}
