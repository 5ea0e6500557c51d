
/*
 * ngx_http_remora.h: what the files of this module share.  It is private to
 * the module.  Nothing declared here may block the event loop, and nothing
 * but ngx_http_remora_call_done() may run on a compute thread.
 */


#ifndef _NGX_HTTP_REMORA_H_INCLUDED_
#define _NGX_HTTP_REMORA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "remora.h"


/*
 * The models that a directive names.  A name may be used before its
 * remora_model line, so it is looked up when the configuration has been read.
 */

typedef struct {
    ngx_str_t                     name;       /* empty: every model */
    const char                   *directive;
    u_char                       *file;
    ngx_uint_t                    line;
    rmr_named_model              *models;     /* set by postconfiguration */
    ngx_uint_t                    nmodels;
} ngx_http_remora_ref_t;


typedef struct {
    ngx_array_t                   models;     /* of rmr_named_model */
    ngx_array_t                   refs;       /* of ngx_http_remora_ref_t * */
    ngx_int_t                     threads;    /* 0: auto */
    ngx_int_t                     queue_jobs;
    ngx_uint_t                    ncpu;       /* the master process may use */
#if (NGX_HAVE_SCHED_SETAFFINITY)
    cpu_set_t                     affinity;   /* of the master process */
    ngx_uint_t                    affinity_known;
#endif
} ngx_http_remora_main_conf_t;


/* What becomes of a request's body. */

typedef struct {
    rmr_status                  (*start)(rmr_engine *engine, const char *body,
                                    size_t len, const rmr_http_options *options,
                                    rmr_job_done *done, void *user,
                                    rmr_job **out, rmr_error *err);
} ngx_http_remora_route_t;


typedef struct {
    ngx_http_remora_ref_t        *api;
    ngx_http_remora_route_t      *route;      /* of api */
    ngx_http_remora_ref_t        *health;
    ngx_flag_t                    truncate;
    ngx_msec_t                    timeout;
} ngx_http_remora_loc_conf_t;


typedef struct ngx_http_remora_wait_s  ngx_http_remora_wait_t;
typedef struct ngx_http_remora_call_s  ngx_http_remora_call_t;


/*
 * One job in the engine.  It is allocated with ngx_alloc() and belongs to the
 * event loop; a compute thread touches it once, to hand it back when its job
 * is final.  wait is NULL when nobody is interested any more.
 */

struct ngx_http_remora_call_s {
    ngx_http_remora_call_t       *next;
    ngx_http_remora_wait_t       *wait;
    ngx_uint_t                    index;      /* in wait->calls and ->jobs */
    rmr_job                      *job;
};


/*
 * Builds and sends the reply.  Called once, in the event loop, when no call is
 * running any more.  Returns what ngx_http_finalize_request() takes.
 */

typedef ngx_int_t (*ngx_http_remora_reply_pt)(ngx_http_request_t *r,
    ngx_http_remora_wait_t *wait);


/* A request that waits for its jobs.  Lives in the pool of the request. */

struct ngx_http_remora_wait_s {
    ngx_http_request_t           *request;
    ngx_http_remora_reply_pt      reply;
    ngx_event_t                   timer;

    ngx_uint_t                    ncalls;
    ngx_uint_t                    nrunning;
    ngx_http_remora_call_t      **calls;      /* running ones; else NULL */
    rmr_job                     **jobs;       /* final ones; else NULL */

    unsigned                      timedout:1;
};


/* ngx_http_remora_engine.c */

ngx_int_t ngx_http_remora_init_process(ngx_cycle_t *cycle);
void ngx_http_remora_exit_process(ngx_cycle_t *cycle);

/* The engine of this process, started if need be; NULL when it cannot be. */
rmr_engine *ngx_http_remora_engine(void);

/* The rmr_job_done of every job; user is a ngx_http_remora_call_t. */
void ngx_http_remora_call_done(rmr_job *job, void *user);


/* ngx_http_remora_wait.c */

/* NULL when out of memory.  Jobs are released with the request's pool. */
ngx_http_remora_wait_t *ngx_http_remora_wait_create(ngx_http_request_t *r,
    ngx_uint_t ncalls, ngx_http_remora_reply_pt reply);

/*
 * A call to start job number index with.  NULL when out of memory.  When the
 * job was started, the call has to be handed to ngx_http_remora_call_run(),
 * else to ngx_free().
 */
ngx_http_remora_call_t *ngx_http_remora_call_create(
    ngx_http_remora_wait_t *wait, ngx_uint_t index);
void ngx_http_remora_call_run(ngx_http_remora_call_t *call);

/* Takes a call back from the engine and frees it. */
void ngx_http_remora_call_final(ngx_http_remora_call_t *call);

/*
 * Suspends the request until its calls are final, the client is gone or the
 * timeout has passed; at least one call must be running.  The caller returns
 * to the event loop when this is NGX_OK.
 */
ngx_int_t ngx_http_remora_wait_start(ngx_http_remora_wait_t *wait,
    ngx_msec_t timeout);


/* ngx_http_remora_reply.c */

/* data must live as long as the pool of the request. */
ngx_int_t ngx_http_remora_send_json(ngx_http_request_t *r, ngx_uint_t status,
    const char *data, size_t len);

/* An error object as OpenAI's API has it. */
ngx_int_t ngx_http_remora_send_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *message);

/* Both strings must be constants or live in the pool of the request. */
ngx_int_t ngx_http_remora_add_header(ngx_http_request_t *r, const char *key,
    const char *value);


/* Content handlers, each in a file of its own. */

ngx_int_t ngx_http_remora_api_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_remora_health_handler(ngx_http_request_t *r);


extern ngx_module_t  ngx_http_remora_module;


#endif /* _NGX_HTTP_REMORA_H_INCLUDED_ */
