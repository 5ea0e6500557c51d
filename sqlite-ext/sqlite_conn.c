/*
 * sqlite_conn.c - the models of one connection: found by name, added,
 * removed, and chosen for a call that names none.
 *
 * The weights belong to the core, which keeps one copy per process; here are
 * only names for them. Everything runs while SQLite holds the connection's
 * mutex, so plain counters do.
 */
#include <stdlib.h>
#include <string.h>

#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

#define MAX_LISTED 8 /* names that an error message lists */

/* --------------------------------------------------------------- lifetime */

void rmr_sqlite_conn_retain(rmr_sqlite_conn *conn)
{
    conn->refs++;
}

void rmr_sqlite_conn_release(void *pointer)
{
    rmr_sqlite_conn *conn = pointer;

    if (--conn->refs > 0)
        return;
    rmr_sqlite_process_forget(conn);
    while (conn->models != NULL)
        rmr_sqlite_conn_remove(conn, conn->models->rowid);
    sqlite3_free(conn);
}

void rmr_sqlite_model_retain(rmr_sqlite_model *model)
{
    model->refs++;
}

void rmr_sqlite_model_release(void *pointer)
{
    rmr_sqlite_model *model = pointer;

    if (--model->refs > 0)
        return;
    rmr_model_release(model->model);
    sqlite3_free(model->name);
    sqlite3_free(model->path);
    sqlite3_free(model->sha256);
    sqlite3_free(model);
}

/* ------------------------------------------------------------ add, remove */

/* A copy for sqlite3_free; NULL stays NULL. 0 when memory ran out. */
static int copy_string(char **out, const char *string)
{
    *out = string != NULL ? sqlite3_mprintf("%s", string) : NULL;
    return string == NULL || *out != NULL;
}

static rmr_status open_model(rmr_sqlite_model *model,
                             const rmr_sqlite_source *source, rmr_error *err)
{
    rmr_model_options options;
    rmr_status status = RMR_OK;

    rmr_model_options_init(&options);
    options.sha256 = source->sha256;
    options.pooling = source->pooling;
    options.adapter = source->adapter;
    if (source->dtype != NULL)
        status = rmr_dtype_parse(source->dtype, &options.dtype, err);
    if (status == RMR_OK && source->task != NULL)
        status = rmr_task_parse(source->task, &options.task, err);
    else if (status == RMR_OK && source->pooling == NULL)
        status = rmr_model_find_task(source->path, &options.task, err);
    if (status == RMR_OK)
        status = rmr_model_open(&model->model, source->path, &options, err);
    if (status != RMR_OK)
        return status;
    model->info.size = sizeof(model->info);
    rmr_model_get_info(model->model, &model->info);
    if (model->info.task == RMR_TASK_EMBED && model->info.pooling_guessed)
        sqlite3_log(SQLITE_WARNING,
                    "remora: %s has no modules.json to say how token vectors "
                    "become one: pooling %s is assumed",
                    model->path, model->info.pooling);
    return RMR_OK;
}

int rmr_sqlite_conn_add(rmr_sqlite_conn *conn, const rmr_sqlite_source *source,
                        int replace, rmr_sqlite_model **out, char **message)
{
    rmr_sqlite_model *model = sqlite3_malloc(sizeof(*model));
    rmr_sqlite_model *old;
    rmr_sqlite_model **at;
    rmr_error err;
    rmr_status status;

    *message = NULL;
    if (model == NULL)
        return SQLITE_NOMEM;
    *model = (rmr_sqlite_model){
        .refs = 1, .windows = source->windows, .stride = source->stride};
    if (!copy_string(&model->name, source->name) ||
        !copy_string(&model->path, source->path) ||
        !copy_string(&model->sha256, source->sha256)) {
        rmr_sqlite_model_release(model);
        return SQLITE_NOMEM;
    }
    status = open_model(model, source, &err);
    if (status != RMR_OK) {
        rmr_sqlite_model_release(model);
        *message = sqlite3_mprintf("%s", err.message);
        return rmr_sqlite_code(status);
    }
    old = source->name != NULL
              ? rmr_sqlite_conn_find(conn, source->name, strlen(source->name))
              : NULL;
    if (replace && old != NULL)
        rmr_sqlite_conn_remove(conn, old->rowid);
    model->rowid = ++conn->last_rowid;
    for (at = &conn->models; *at != NULL;)
        at = &(*at)->next;
    *at = model;
    *out = model;
    return SQLITE_OK;
}

void rmr_sqlite_conn_remove(rmr_sqlite_conn *conn, sqlite3_int64 rowid)
{
    rmr_sqlite_model **at = &conn->models;
    rmr_sqlite_model *model;

    while (*at != NULL && (*at)->rowid != rowid)
        at = &(*at)->next;
    model = *at;
    if (model == NULL)
        return;
    *at = model->next;
    model->next = NULL;
    rmr_sqlite_model_release(model);
}

/* ----------------------------------------------------------- find, choose */

rmr_sqlite_model *rmr_sqlite_conn_find(rmr_sqlite_conn *conn, const char *name,
                                       size_t len)
{
    rmr_sqlite_model *model;

    for (model = conn->models; model != NULL; model = model->next)
        if (model->name != NULL && strlen(model->name) == len &&
            memcmp(model->name, name, len) == 0)
            return model;
    return NULL;
}

/* "; registered are 'a', 'b'", or nothing when no model is. NULL when memory
 * ran out. */
static char *registered_names(rmr_sqlite_conn *conn)
{
    sqlite3_str *list = sqlite3_str_new(conn->db);
    rmr_sqlite_model *model;
    char *names;
    int n = 0;

    for (model = conn->models; model != NULL; model = model->next) {
        if (model->name == NULL)
            continue;
        if (n == MAX_LISTED) {
            sqlite3_str_appendall(list, ", ...");
            break;
        }
        sqlite3_str_appendf(list, "%s%Q", n == 0 ? "; registered are " : ", ",
                            model->name);
        n++;
    }
    if (sqlite3_str_errcode(list) == SQLITE_OK && n == 0)
        sqlite3_str_appendall(list, "; none is registered");
    names = sqlite3_str_finish(list);
    return names;
}

static void fail_unknown(sqlite3_context *ctx, const char *function,
                         rmr_sqlite_conn *conn, const char *name)
{
    char *names = registered_names(conn);
    char *message = NULL;

    if (names != NULL)
        message = sqlite3_mprintf(
            "%s: there is no model named %.200Q%s: add it with INSERT INTO "
            "remora_models(name, path) VALUES (%.200Q, '/path/to/model')",
            function, name, names, name);
    sqlite3_free(names);
    rmr_sqlite_result_message(ctx, SQLITE_ERROR, message);
}

static void fail_no_default(sqlite3_context *ctx, const char *function,
                            rmr_sqlite_conn *conn)
{
    char *names = registered_names(conn);
    char *message = NULL;

    if (names != NULL)
        message = sqlite3_mprintf(
            "%s: no model is chosen%s: name one as the last argument, or add "
            "one with INSERT INTO remora_models(name, path) VALUES "
            "('default', '/path/to/model'), or set the environment variable "
            "REMORA_MODEL to a model directory",
            function, names);
    sqlite3_free(names);
    rmr_sqlite_result_message(ctx, SQLITE_ERROR, message);
}

/* The model of REMORA_MODEL, opened at its first use. Borrowed; NULL: ctx has
 * the error. */
static rmr_sqlite_model *open_environment(sqlite3_context *ctx,
                                          const char *function,
                                          rmr_sqlite_conn *conn)
{
    rmr_sqlite_source source = {.path = getenv("REMORA_MODEL")};
    rmr_sqlite_model *model = NULL;
    char *message;
    int rc;

    if (source.path == NULL || *source.path == '\0') {
        fail_no_default(ctx, function, conn);
        return NULL;
    }
    rc = rmr_sqlite_conn_add(conn, &source, 0, &model, &message);
    if (rc != SQLITE_OK) {
        char *whole = NULL;

        if (message != NULL)
            whole = sqlite3_mprintf("%s: the model of the environment "
                                    "variable REMORA_MODEL: %s",
                                    function, message);
        sqlite3_free(message);
        rmr_sqlite_result_message(ctx, rc, whole);
        return NULL;
    }
    return model;
}

static int is_for(const rmr_sqlite_model *model, rmr_sqlite_tasks tasks)
{
    return ((unsigned)tasks >> model->info.task & 1) != 0;
}

int rmr_sqlite_conn_has(const rmr_sqlite_conn *conn, rmr_sqlite_tasks tasks)
{
    const rmr_sqlite_model *model = conn->models;

    while (model != NULL && !is_for(model, tasks))
        model = model->next;
    return model != NULL;
}

static rmr_sqlite_model *choose_default(sqlite3_context *ctx,
                                        const char *function,
                                        rmr_sqlite_tasks tasks,
                                        rmr_sqlite_conn *conn)
{
    rmr_sqlite_model *environment = NULL;
    rmr_sqlite_model *only = NULL;
    rmr_sqlite_model *model;
    int named = 0;

    for (model = conn->models; model != NULL; model = model->next) {
        if (model->name == NULL) {
            environment = model;
        } else if (!is_for(model, tasks)) {
            continue;
        } else if (strcmp(model->name, "default") == 0) {
            return model;
        } else {
            only = model;
            named++;
        }
    }
    if (named == 1)
        return only;
    if (environment != NULL)
        return environment;
    return open_environment(ctx, function, conn);
}

rmr_sqlite_model *rmr_sqlite_conn_choose(sqlite3_context *ctx,
                                         const char *function,
                                         rmr_sqlite_tasks tasks, int argc,
                                         sqlite3_value **argv, int index)
{
    rmr_sqlite_conn *conn = sqlite3_user_data(ctx);
    rmr_sqlite_model *model;
    const char *name;

    if (index >= argc ||
        (index + 1 < argc && sqlite3_value_type(argv[index]) == SQLITE_NULL)) {
        model = choose_default(ctx, function, tasks, conn);
        if (model != NULL)
            rmr_sqlite_model_retain(model);
        return model;
    }
    model = sqlite3_get_auxdata(ctx, index);
    if (model != NULL) {
        rmr_sqlite_model_retain(model);
        return model;
    }
    if (sqlite3_value_type(argv[index]) != SQLITE_TEXT) {
        rmr_sqlite_result_message(
            ctx, SQLITE_ERROR,
            sqlite3_mprintf("%s: argument %d (model) must be TEXT, not %s",
                            function, index + 1,
                            rmr_sqlite_type_name(argv[index])));
        return NULL;
    }
    name = (const char *)sqlite3_value_text(argv[index]);
    if (name == NULL) {
        sqlite3_result_error_nomem(ctx);
        return NULL;
    }
    model = rmr_sqlite_conn_find(conn, name,
                                 (size_t)sqlite3_value_bytes(argv[index]));
    if (model == NULL) {
        fail_unknown(ctx, function, conn, name);
        return NULL;
    }
    /* One reference for the caller and one for the statement; SQLite drops
     * the statement's at once when it cannot keep it. */
    rmr_sqlite_model_retain(model);
    rmr_sqlite_model_retain(model);
    sqlite3_set_auxdata(ctx, index, model, rmr_sqlite_model_release);
    return model;
}
