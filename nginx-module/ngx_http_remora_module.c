
/*
 * ngx_http_remora_module.c: the directives.  Models are opened while the
 * configuration is read, so that a bad one is an error of "nginx -t" with file
 * and line, and so that a reload that fails keeps what is running.  Nothing
 * here starts a thread: the master process must stay without any.
 */


#include "ngx_http_remora.h"


#define NGX_HTTP_REMORA_MAX_THREADS  1024


static void *ngx_http_remora_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_remora_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_remora_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_remora_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_remora_resolve(ngx_conf_t *cf,
    ngx_http_remora_main_conf_t *rmcf, ngx_http_remora_ref_t *ref);
static char *ngx_http_remora_model(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_remora_model_name(ngx_conf_t *cf,
    ngx_http_remora_main_conf_t *rmcf, ngx_str_t *name);
static char *ngx_http_remora_model_options(ngx_conf_t *cf, ngx_str_t *path,
    rmr_model_options *options);
static void ngx_http_remora_model_cleanup(void *data);
static char *ngx_http_remora_model_task(ngx_conf_t *cf, ngx_str_t *path,
    ngx_uint_t given, rmr_model_options *options);
static char *ngx_http_remora_api(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_remora_health(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_remora_content(ngx_conf_t *cf,
    ngx_http_remora_ref_t **pref, ngx_http_handler_pt handler);
static char *ngx_http_remora_threads(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_remora_queue(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_remora_check_timeout(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_post_t  ngx_http_remora_timeout_post = {
    ngx_http_remora_check_timeout
};


static ngx_http_remora_route_t  ngx_http_remora_embeddings = {
    rmr_http_embeddings_start
};


static ngx_http_remora_route_t  ngx_http_remora_classify = {
    rmr_http_classify_start
};


static ngx_http_remora_route_t  ngx_http_remora_rerank = {
    rmr_http_rerank_start
};


static ngx_http_remora_route_t  ngx_http_remora_sparse = {
    rmr_http_sparse_start
};


static ngx_command_t  ngx_http_remora_commands[] = {

    { ngx_string("remora_model"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_remora_model,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("remora_threads"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_remora_threads,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("remora_queue"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_remora_queue,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("remora_embeddings"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_remora_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_remora_embeddings },

    { ngx_string("remora_classify_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_remora_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_remora_classify },

    { ngx_string("remora_rerank"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_remora_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_remora_rerank },

    { ngx_string("remora_sparse"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_remora_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_remora_sparse },

    { ngx_string("remora_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_remora_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("remora_truncate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_remora_loc_conf_t, truncate),
      NULL },

    { ngx_string("remora_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_remora_loc_conf_t, timeout),
      &ngx_http_remora_timeout_post },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_remora_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_remora_postconfiguration,     /* postconfiguration */

    ngx_http_remora_create_main_conf,      /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_remora_create_loc_conf,       /* create location configuration */
    ngx_http_remora_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_http_remora_module = {
    NGX_MODULE_V1,
    &ngx_http_remora_module_ctx,           /* module context */
    ngx_http_remora_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_remora_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_remora_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_remora_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_remora_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_remora_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->models, cf->pool, 4, sizeof(rmr_named_model))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&rmcf->refs, cf->pool, 4,
                       sizeof(ngx_http_remora_ref_t *))
        != NGX_OK)
    {
        return NULL;
    }

    rmcf->threads = NGX_CONF_UNSET;
    rmcf->queue_jobs = NGX_CONF_UNSET;

    return rmcf;
}


static void *
ngx_http_remora_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_remora_loc_conf_t  *rlcf;

    rlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_remora_loc_conf_t));
    if (rlcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     rlcf->api = NULL;
     *     rlcf->route = NULL;
     *     rlcf->health = NULL;
     */

    rlcf->truncate = NGX_CONF_UNSET;
    rlcf->timeout = NGX_CONF_UNSET_MSEC;

    return rlcf;
}


static char *
ngx_http_remora_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_remora_loc_conf_t  *prev = parent;
    ngx_http_remora_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_value(conf->truncate, prev->truncate, 0);
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 30000);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* an "if" or "limit_except" inside the location */

    if (clcf->noname && clcf->handler == NULL) {

        if (prev->api) {
            conf->api = prev->api;
            conf->route = prev->route;
            clcf->handler = ngx_http_remora_api_handler;
        }

        if (prev->health) {
            conf->health = prev->health;
            clcf->handler = ngx_http_remora_health_handler;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_remora_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                     i;
    ngx_http_remora_ref_t        **refs;
    ngx_http_remora_main_conf_t   *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_remora_module);

    ngx_conf_init_value(rmcf->threads, 0);
    ngx_conf_init_value(rmcf->queue_jobs, 0);

    /* asked here because worker_cpu_affinity narrows both in a worker */

    rmcf->ncpu = rmr_cpu_count();

#if (NGX_HAVE_SCHED_SETAFFINITY)
    rmcf->affinity_known = (sched_getaffinity(0, sizeof(cpu_set_t),
                                              &rmcf->affinity)
                            == 0);
#endif

    refs = rmcf->refs.elts;

    for (i = 0; i < rmcf->refs.nelts; i++) {
        if (ngx_http_remora_resolve(cf, rmcf, refs[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_remora_resolve(ngx_conf_t *cf, ngx_http_remora_main_conf_t *rmcf,
    ngx_http_remora_ref_t *ref)
{
    ngx_uint_t        i;
    rmr_named_model  *models;

    models = rmcf->models.elts;

    if (ref->name.len == 0) {
        ref->models = models;
        ref->nmodels = rmcf->models.nelts;

        if (ref->nmodels) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" has no model to check: add a "
                      "\"remora_model NAME PATH;\" to \"http\" in %s:%ui",
                      ref->directive, ref->file, ref->line);
        return NGX_ERROR;
    }

    for (i = 0; i < rmcf->models.nelts; i++) {
        if (ngx_strcmp(models[i].name, ref->name.data) == 0) {
            ref->models = &models[i];
            ref->nmodels = 1;
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%s\" names unknown model \"%V\": add a "
                  "\"remora_model %V PATH;\" to \"http\" in %s:%ui",
                  ref->directive, &ref->name, &ref->name,
                  ref->file, ref->line);

    return NGX_ERROR;
}


static char *
ngx_http_remora_model(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_remora_main_conf_t *rmcf = conf;

    char                *rv;
    rmr_error            err;
    ngx_str_t           *value, path;
    rmr_model           *model;
    rmr_model_info       info;
    rmr_named_model     *named;
    rmr_model_options    options;
    ngx_pool_cleanup_t  *cln;

    value = cf->args->elts;

    rv = ngx_http_remora_model_name(cf, rmcf, &value[1]);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rmr_model_options_init(&options);

    path = value[2];

    if (ngx_conf_full_name(cf->cycle, &path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_remora_model_options(cf, &path, &options);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    named = ngx_array_push(&rmcf->models);
    if (named == NULL) {
        return NGX_CONF_ERROR;
    }

    named->name = (char *) value[1].data;
    named->model = NULL;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    if (rmr_model_open(&model, (char *) path.data, &options, &err) != RMR_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "remora_model \"%V\": %s",
                           &value[1], err.message);
        return NGX_CONF_ERROR;
    }

    named->model = model;

    info.size = sizeof(rmr_model_info);
    rmr_model_get_info(model, &info);

    if (info.task == RMR_TASK_EMBED && info.pooling_guessed) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "remora_model \"%V\": there is no modules.json to "
                           "say how token vectors become one: pooling=%s is "
                           "assumed", &value[1], info.pooling);
    }

    cln->handler = ngx_http_remora_model_cleanup;
    cln->data = model;

    return NGX_CONF_OK;
}


/* A name is shown in JSON and in logs, so it is one line of valid UTF-8. */

static char *
ngx_http_remora_model_name(ngx_conf_t *cf, ngx_http_remora_main_conf_t *rmcf,
    ngx_str_t *name)
{
    u_char           *p, *last;
    uint32_t          c;
    ngx_uint_t        i;
    rmr_named_model  *models;

    if (name->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the name of a model is empty");
        return NGX_CONF_ERROR;
    }

    p = name->data;
    last = p + name->len;

    while (p < last) {
        c = (*p < 0x80) ? *p++ : ngx_utf8_decode(&p, last - p);

        if (c < 0x20 || c == 0x7f || (c >= 0xd800 && c <= 0xdfff)
            || c > 0x10ffff)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the name of a model must be UTF-8 text "
                               "without control characters");
            return NGX_CONF_ERROR;
        }
    }

    models = rmcf->models.elts;

    for (i = 0; i < rmcf->models.nelts; i++) {
        if (ngx_strcmp(models[i].name, name->data) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate model name \"%V\"", name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_remora_model_options(ngx_conf_t *cf, ngx_str_t *path,
    rmr_model_options *options)
{
    rmr_error    err;
    ngx_str_t   *value, adapter;
    ngx_uint_t   i, task;

    value = cf->args->elts;
    task = 0;

    for (i = 3; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "dtype=", 6) == 0) {

            if (rmr_dtype_parse((char *) value[i].data + 6, &options->dtype,
                                &err)
                != RMR_OK)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.message);
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_strncmp(value[i].data, "sha256=", 7) == 0) {
            options->sha256 = (char *) value[i].data + 7;
            continue;
        }

        if (ngx_strncmp(value[i].data, "adapter=", 8) == 0) {
            adapter.data = value[i].data + 8;
            adapter.len = value[i].len - 8;

            if (ngx_conf_full_name(cf->cycle, &adapter, 0) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            options->adapter = (char *) adapter.data;
            continue;
        }

        if (ngx_strncmp(value[i].data, "pooling=", 8) == 0) {
            options->pooling = (char *) value[i].data + 8;
            continue;
        }

        if (ngx_strncmp(value[i].data, "task=", 5) == 0) {

            if (rmr_task_parse((char *) value[i].data + 5, &options->task,
                               &err)
                != RMR_OK)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.message);
                return NGX_CONF_ERROR;
            }

            if (options->task == RMR_TASK_FILL_MASK) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"task=%s\" is for no location",
                                   rmr_task_name(options->task));
                return NGX_CONF_ERROR;
            }

            task = 1;
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\": there are \"dtype=f32\", "
                           "\"dtype=bf16\", \"dtype=int8\", \"dtype=int4\", "
                           "\"adapter=PATH\", \"pooling=MODE\", "
                           "\"sha256=HEX\" and \"task=TASK\"", &value[i]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_remora_model_task(cf, path, task, options);
}


/* A task that is not given is the one that config.json has a head for. */

static char *
ngx_http_remora_model_task(ngx_conf_t *cf, ngx_str_t *path, ngx_uint_t given,
    rmr_model_options *options)
{
    rmr_error  err;

    if (given || options->pooling) {
        return NGX_CONF_OK;
    }

    if (rmr_model_find_task((char *) path->data, &options->task, &err)
        != RMR_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", err.message);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void
ngx_http_remora_model_cleanup(void *data)
{
    rmr_model_release(data);
}


static char *
ngx_http_remora_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_remora_loc_conf_t *rlcf = conf;

    if (rlcf->health) {
        return "conflicts with \"remora_health\" in the same location";
    }

    if (rlcf->api && rlcf->route != cmd->post) {
        return "conflicts with another route in the same location";
    }

    rlcf->route = cmd->post;

    return ngx_http_remora_content(cf, &rlcf->api,
                                   ngx_http_remora_api_handler);
}


static char *
ngx_http_remora_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_remora_loc_conf_t *rlcf = conf;

    if (rlcf->api) {
        return "conflicts with another route in the same location";
    }

    return ngx_http_remora_content(cf, &rlcf->health,
                                   ngx_http_remora_health_handler);
}


/* A directive [NAME] that makes the location ours. */

static char *
ngx_http_remora_content(ngx_conf_t *cf,
    ngx_http_remora_ref_t **pref, ngx_http_handler_pt handler)
{
    ngx_str_t                     *value;
    ngx_http_remora_ref_t         *ref, **slot;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_remora_main_conf_t   *rmcf;

    if (*pref) {
        return "is duplicate";
    }

    ref = ngx_pcalloc(cf->pool, sizeof(ngx_http_remora_ref_t));
    if (ref == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts > 1) {
        ref->name = value[1];

        if (ref->name.len == 0) {
            return "has an empty model name";
        }
    }

    ref->directive = (char *) value[0].data;
    ref->file = cf->conf_file->file.name.data;
    ref->line = cf->conf_file->line;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_remora_module);

    slot = ngx_array_push(&rmcf->refs);
    if (slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = ref;
    *pref = ref;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_remora_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_remora_main_conf_t *rmcf = conf;

    ngx_str_t  *value;

    if (rmcf->threads != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "auto") == 0) {
        rmcf->threads = 0;
        return NGX_CONF_OK;
    }

    rmcf->threads = ngx_atoi(value[1].data, value[1].len);

    if (rmcf->threads < 1 || rmcf->threads > NGX_HTTP_REMORA_MAX_THREADS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of threads \"%V\": it is \"auto\" "
                           "or from 1 to %d", &value[1],
                           NGX_HTTP_REMORA_MAX_THREADS);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_remora_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_remora_main_conf_t *rmcf = conf;

    ngx_str_t  *value;

    if (rmcf->queue_jobs != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strncmp(value[1].data, "jobs=", 5) == 0) {
        rmcf->queue_jobs = ngx_atoi(value[1].data + 5, value[1].len - 5);

        if (rmcf->queue_jobs >= 1 && rmcf->queue_jobs <= NGX_MAX_INT32_VALUE) {
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\": it is \"jobs=N\" with N of "
                       "at least 1", &value[1]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_remora_check_timeout(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t *timeout = data;

    if (*timeout == 0) {
        return "must be longer than 0";
    }

    return NGX_CONF_OK;
}
