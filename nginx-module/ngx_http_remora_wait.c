
/*
 * ngx_http_remora_wait.c: suspends a request while its jobs are computed.  It
 * ends in exactly one of three ways: all jobs are final, the timeout has
 * passed, or the request is gone.  It must never leave a call that points to a
 * request which no longer exists.
 */


#include "ngx_http_remora.h"


static void ngx_http_remora_wait_resume(ngx_http_remora_wait_t *wait);
static void ngx_http_remora_wait_abandon(ngx_http_remora_wait_t *wait);
static void ngx_http_remora_wait_timeout(ngx_event_t *ev);
static void ngx_http_remora_wait_cleanup(void *data);
static void ngx_http_remora_wait_release(void *data);


ngx_http_remora_wait_t *
ngx_http_remora_wait_create(ngx_http_request_t *r, ngx_uint_t ncalls,
    ngx_http_remora_reply_pt reply)
{
    ngx_pool_cleanup_t      *pcln;
    ngx_http_cleanup_t      *cln;
    ngx_http_remora_wait_t  *wait;

    wait = ngx_pcalloc(r->pool, sizeof(ngx_http_remora_wait_t));
    if (wait == NULL) {
        return NULL;
    }

    wait->calls = ngx_pcalloc(r->pool,
                              ncalls * sizeof(ngx_http_remora_call_t *));
    wait->jobs = ngx_pcalloc(r->pool, ncalls * sizeof(rmr_job *));

    if (wait->calls == NULL || wait->jobs == NULL) {
        return NULL;
    }

    wait->request = r;
    wait->reply = reply;
    wait->ncalls = ncalls;

    wait->timer.handler = ngx_http_remora_wait_timeout;
    wait->timer.data = wait;
    wait->timer.log = r->connection->log;

    /*
     * The request ends before its output has left (HTTP/2 may hold frames
     * back), and the output points into the job: so calls are abandoned with
     * the request, but jobs are released with its pool.
     */

    pcln = ngx_pool_cleanup_add(r->pool, 0);
    if (pcln == NULL) {
        return NULL;
    }

    pcln->handler = ngx_http_remora_wait_release;
    pcln->data = wait;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_remora_wait_cleanup;
    cln->data = wait;

    return wait;
}


ngx_http_remora_call_t *
ngx_http_remora_call_create(ngx_http_remora_wait_t *wait, ngx_uint_t index)
{
    ngx_http_remora_call_t  *call;

    call = ngx_calloc(sizeof(ngx_http_remora_call_t),
                      wait->request->connection->log);
    if (call == NULL) {
        return NULL;
    }

    call->wait = wait;
    call->index = index;

    return call;
}


void
ngx_http_remora_call_run(ngx_http_remora_call_t *call)
{
    call->wait->calls[call->index] = call;
    call->wait->nrunning++;
}


void
ngx_http_remora_call_final(ngx_http_remora_call_t *call)
{
    ngx_http_remora_wait_t  *wait;

    wait = call->wait;

    if (wait == NULL) {
        rmr_job_release(call->job);
        ngx_free(call);
        return;
    }

    wait->jobs[call->index] = call->job;
    wait->calls[call->index] = NULL;
    wait->nrunning--;

    ngx_free(call);

    if (wait->nrunning == 0) {
        ngx_http_remora_wait_resume(wait);
    }
}


ngx_int_t
ngx_http_remora_wait_start(ngx_http_remora_wait_t *wait, ngx_msec_t timeout)
{
    ngx_event_t         *rev;
    ngx_http_request_t  *r;

    r = wait->request;
    rev = r->connection->read;

    r->write_event_handler = ngx_http_request_empty_handler;

    if (r == r->main) {
        r->read_event_handler = ngx_http_test_reading;

        /* the client may have gone while its body was read */

        if (rev->ready) {
            ngx_post_event(rev, &ngx_posted_events);

        } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /*
     * This timer is not cancelable, so a worker that shuts down gracefully
     * waits for the reply.
     */

    ngx_add_timer(&wait->timer, timeout);

    return NGX_OK;
}


static void
ngx_http_remora_wait_resume(ngx_http_remora_wait_t *wait)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = wait->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (wait->timer.timer_set) {
        ngx_del_timer(&wait->timer);
    }

    rc = wait->reply(r, wait);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_remora_wait_abandon(ngx_http_remora_wait_t *wait)
{
    ngx_uint_t               i;
    ngx_http_remora_call_t  *call;

    for (i = 0; i < wait->ncalls; i++) {
        call = wait->calls[i];

        if (call) {
            call->wait = NULL;
            wait->calls[i] = NULL;
            rmr_job_cancel(call->job);
        }
    }

    wait->nrunning = 0;
}


static void
ngx_http_remora_wait_timeout(ngx_event_t *ev)
{
    ngx_http_remora_wait_t  *wait;

    wait = ev->data;

    wait->timedout = 1;

    ngx_http_remora_wait_abandon(wait);
    ngx_http_remora_wait_resume(wait);
}


static void
ngx_http_remora_wait_cleanup(void *data)
{
    ngx_http_remora_wait_t *wait = data;

    if (wait->timer.timer_set) {
        ngx_del_timer(&wait->timer);
    }

    ngx_http_remora_wait_abandon(wait);
}


static void
ngx_http_remora_wait_release(void *data)
{
    ngx_http_remora_wait_t *wait = data;

    ngx_uint_t  i;

    for (i = 0; i < wait->ncalls; i++) {
        rmr_job_release(wait->jobs[i]);
    }
}
