/*
 * http_exchange.h - a request and its reply: a JSON body that becomes a job on
 * compute threads, and the body that becomes of the job. Each route of
 * common/wire has a file of its own beside this.
 */
#ifndef RMR_WIRE_HTTP_EXCHANGE_H
#define RMR_WIRE_HTTP_EXCHANGE_H

#include "common/base/json.h"
#include "common/runtime/tasks.h"
#include "common/wire/http_error.h"

typedef struct rmr_exchange rmr_exchange;

/* What tells a route from the others. */
typedef struct rmr_route {
    /* Gives the job what the request asks for. */
    rmr_status (*read)(rmr_job *job, rmr_exchange *x, rmr_error *err);
    /* Writes the reply of a job that ended well. 0: out of memory. */
    int (*write)(rmr_exchange *x, const rmr_job *job);
} rmr_route;

struct rmr_exchange {
    const rmr_route *route;
    rmr_http_options options;
    char *body; /* [len] */
    size_t len;

    json_t *root;    /* the body, which the texts point into */
    rmr_text *texts; /* those that were read last; owned */
    const char *texts_name;
    const char *model_name;
    int base64;      /* of embeddings: vectors as that */
    size_t top_k;    /* of labels and documents: so many; 0: all */
    uint32_t stride; /* of windows */

    /* Why the request is refused, beside the job's own error. */
    int error_status;
    const char *error_param;

    rmr_http_reply reply;
    char *out; /* the reply's body, or NULL when it is `error` */
    size_t out_len, out_capacity;
    char error[RMR_HTTP_ERROR_CHARS];
};

/* As rmr_http_embeddings_start, on a route. */
rmr_status rmr_exchange_start(rmr_engine *engine, const rmr_route *route,
                              const char *body, size_t len,
                              const rmr_http_options *options,
                              rmr_job_done *done, void *user, rmr_job **out,
                              rmr_error *err);

/* ------------------------------------------------------------- the request */

/* Refuses the request with an HTTP status and the field that is wrong. */
rmr_status rmr_exchange_refuse(rmr_exchange *x, rmr_error *err, int http_status,
                               const char *param, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The field, or NULL when it is missing or null. */
const json_t *rmr_exchange_field(const rmr_exchange *x, const char *name);

/* Whether it is that string, to its last byte: a string may hold NUL. */
int rmr_exchange_is_string(const json_t *value, const char *text);

/* Each reads a field, or refuses the request for it. */
rmr_status rmr_exchange_read_model(rmr_exchange *x, rmr_model **model,
                                   rmr_error *err);
/* A string or an array of 1 to 2,048, none empty, into x->texts. */
rmr_status rmr_exchange_read_texts(rmr_exchange *x, const char *name,
                                   size_t *count, rmr_error *err);
rmr_status rmr_exchange_read_truncate(rmr_exchange *x, rmr_truncate *truncate,
                                      rmr_error *err);
/* "windows", and "stride" into x->stride. With windows nothing is too long:
 * *truncate no longer refuses. */
rmr_status rmr_exchange_read_windows(rmr_exchange *x, int *windows,
                                     rmr_truncate *truncate, rmr_error *err);

/* --------------------------------------------------------------- the reply */

/* Each appends to the reply; 0, or NULL, when out of memory. */
int rmr_exchange_put(rmr_exchange *x, const char *text, size_t len);
int rmr_exchange_put_format(rmr_exchange *x, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* 159 bytes at most */
/* A JSON string; text is UTF-8. */
int rmr_exchange_put_string(rmr_exchange *x, const char *text);
/* "usage":{...}, and the same for the host. */
int rmr_exchange_put_usage(rmr_exchange *x, const rmr_job *job);
/* Room for so many bytes, whose number is then to be added to x->out_len. */
char *rmr_exchange_reserve(rmr_exchange *x, size_t more);

#endif
