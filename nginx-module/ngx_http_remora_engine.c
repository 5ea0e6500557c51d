
/*
 * ngx_http_remora_engine.c: the compute threads of a worker process, and the
 * eventfd through which they hand finished calls to its event loop.  A compute
 * thread must never touch a request, a pool or a log.
 */


#include "ngx_http_remora.h"

#include <ngx_channel.h>
#include <sys/eventfd.h>


static rmr_engine *ngx_http_remora_engine_start(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_remora_channel_open(ngx_cycle_t *cycle);
static uint32_t ngx_http_remora_nthreads(ngx_cycle_t *cycle,
    ngx_http_remora_main_conf_t *rmcf);
static rmr_status ngx_http_remora_engine_start_threads(
    ngx_http_remora_main_conf_t *rmcf, rmr_engine_options *options,
    rmr_error *err);
static void ngx_http_remora_event_handler(ngx_event_t *ev);
static ngx_http_remora_call_t *ngx_http_remora_take_finished(void);


/*
 * One per process.  finished is a stack that compute threads push to and that
 * the event loop takes as a whole.
 */

static struct {
    rmr_engine              *engine;
    ngx_fd_t                 fd;
    ngx_http_remora_call_t  *finished;
} ngx_http_remora = { NULL, -1, NULL };


ngx_int_t
ngx_http_remora_init_process(ngx_cycle_t *cycle)
{
    ngx_http_remora_main_conf_t  *rmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_remora_module);

    if (rmcf == NULL || rmcf->models.nelts == 0) {
        return NGX_OK;
    }

    /*
     * A worker without compute threads still serves everything else, so that
     * is no reason to end it: the failure is logged, and the next request
     * that needs them tries again.
     */

    (void) ngx_http_remora_engine_start(cycle);

    return NGX_OK;
}


rmr_engine *
ngx_http_remora_engine(void)
{
    if (ngx_http_remora.engine == NULL) {
        return ngx_http_remora_engine_start((ngx_cycle_t *) ngx_cycle);
    }

    return ngx_http_remora.engine;
}


static rmr_engine *
ngx_http_remora_engine_start(ngx_cycle_t *cycle)
{
    rmr_error                     err;
    rmr_status                    status;
    rmr_engine_options            options;
    ngx_http_remora_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_remora_module);

    if (ngx_http_remora_channel_open(cycle) != NGX_OK) {
        return NULL;
    }

    rmr_engine_options_init(&options);

    options.threads = ngx_http_remora_nthreads(cycle, rmcf);

    if (rmcf->queue_jobs) {
        options.queue_jobs = (uint32_t) rmcf->queue_jobs;
    }

    status = ngx_http_remora_engine_start_threads(rmcf, &options, &err);

    if (status != RMR_OK) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "remora: cannot start %uD compute threads: %s",
                      options.threads, err.message);
        return NULL;
    }

    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                  "remora: %uD compute threads", options.threads);

    return ngx_http_remora.engine;
}


static ngx_int_t
ngx_http_remora_channel_open(ngx_cycle_t *cycle)
{
    if (ngx_http_remora.fd != -1) {
        return NGX_OK;
    }

    ngx_http_remora.fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (ngx_http_remora.fd == -1) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                      "remora: eventfd() failed");
        return NGX_ERROR;
    }

    if (ngx_add_channel_event(cycle, ngx_http_remora.fd, NGX_READ_EVENT,
                              ngx_http_remora_event_handler)
        != NGX_OK)
    {
        (void) close(ngx_http_remora.fd);
        ngx_http_remora.fd = -1;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static uint32_t
ngx_http_remora_nthreads(ngx_cycle_t *cycle, ngx_http_remora_main_conf_t *rmcf)
{
    ngx_uint_t        nworkers;
    ngx_core_conf_t  *ccf;

    if (rmcf->threads) {
        return (uint32_t) rmcf->threads;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    nworkers = (ngx_process == NGX_PROCESS_WORKER) ? ccf->worker_processes : 1;

    return (uint32_t) ((rmcf->ncpu + nworkers - 1) / nworkers);
}


/*
 * Threads inherit the CPUs of the thread that starts them.  Those of a worker
 * are what worker_cpu_affinity left for its event loop.
 */

static rmr_status
ngx_http_remora_engine_start_threads(ngx_http_remora_main_conf_t *rmcf,
    rmr_engine_options *options, rmr_error *err)
{
    rmr_status  status;

#if (NGX_HAVE_SCHED_SETAFFINITY)

    cpu_set_t   affinity;
    ngx_uint_t  restore;

    restore = rmcf->affinity_known
              && sched_getaffinity(0, sizeof(cpu_set_t), &affinity) == 0
              && sched_setaffinity(0, sizeof(cpu_set_t), &rmcf->affinity) == 0;
#endif

    status = rmr_engine_start(&ngx_http_remora.engine, options, err);

#if (NGX_HAVE_SCHED_SETAFFINITY)

    if (restore) {
        (void) sched_setaffinity(0, sizeof(cpu_set_t), &affinity);
    }

#endif

    return status;
}


void
ngx_http_remora_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_remora_call_t  *call, *next;

    if (ngx_http_remora.engine) {
        rmr_engine_stop(ngx_http_remora.engine);
        ngx_http_remora.engine = NULL;
    }

    /* whoever still waits is not told: the process ends */

    for (call = ngx_http_remora_take_finished(); call; call = next) {
        next = call->next;
        call->wait = NULL;
        ngx_http_remora_call_final(call);
    }

    if (ngx_http_remora.fd != -1) {
        (void) close(ngx_http_remora.fd);
        ngx_http_remora.fd = -1;
    }
}


/* Runs on a compute thread. */

void
ngx_http_remora_call_done(rmr_job *job, void *user)
{
    ssize_t                  n;
    uint64_t                 one;
    ngx_http_remora_call_t  *call, *head;

    call = user;
    head = __atomic_load_n(&ngx_http_remora.finished, __ATOMIC_RELAXED);

    do {
        call->next = head;
    } while (!__atomic_compare_exchange_n(&ngx_http_remora.finished, &head,
                                          call, 1, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));

    /* from here on the event loop may free the call */

    if (head) {
        return;
    }

    one = 1;

    do {
        n = write(ngx_http_remora.fd, &one, sizeof(one));
    } while (n == -1 && ngx_errno == NGX_EINTR);
}


static void
ngx_http_remora_event_handler(ngx_event_t *ev)
{
    uint64_t                 count;
    ngx_connection_t        *c;
    ngx_http_remora_call_t  *call, *next;

    c = ev->data;

    while (read(c->fd, &count, sizeof(count)) == -1) {

        if (ngx_errno == NGX_EINTR) {
            continue;
        }

        if (ngx_errno != NGX_EAGAIN) {
            ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                          "remora: read() from eventfd failed");
        }

        break;
    }

    for (call = ngx_http_remora_take_finished(); call; call = next) {
        next = call->next;
        ngx_http_remora_call_final(call);
    }
}


/* The finished calls, oldest first. */

static ngx_http_remora_call_t *
ngx_http_remora_take_finished(void)
{
    ngx_http_remora_call_t  *call, *next, *list;

    call = __atomic_exchange_n(&ngx_http_remora.finished, NULL,
                               __ATOMIC_ACQUIRE);

    for (list = NULL; call; call = next) {
        next = call->next;
        call->next = list;
        list = call;
    }

    return list;
}
