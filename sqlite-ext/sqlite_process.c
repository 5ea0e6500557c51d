/*
 * sqlite_process.c - what the whole process shares: the engine, and the list
 * of connections that have the extension.
 *
 * The mutex here is a leaf: no function of the core or of SQLite is called
 * while it is held, so fork handlers may take it. A forked child has none of
 * the engine's threads: it must never use or stop the engine it inherited,
 * and starts its own at its first call.
 */
#include <pthread.h>
#include <stdlib.h>

#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

#define MAX_THREADS 1024

static pthread_mutex_t process_mutex = PTHREAD_MUTEX_INITIALIZER;
static rmr_sqlite_conn *connections;
static rmr_engine *engine;
static int fork_handlers;

/* ------------------------------------------------------------------- fork */

static void before_fork(void)
{
    pthread_mutex_lock(&process_mutex);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&process_mutex);
}

static void after_fork_child(void)
{
    engine = NULL;
    pthread_mutex_unlock(&process_mutex);
}

/* ------------------------------------------------------------ connections */

static rmr_sqlite_conn *find_connection(sqlite3 *db)
{
    rmr_sqlite_conn *conn;

    pthread_mutex_lock(&process_mutex);
    for (conn = connections; conn != NULL && conn->db != db;)
        conn = conn->next;
    pthread_mutex_unlock(&process_mutex);
    return conn;
}

rmr_sqlite_conn *rmr_sqlite_process_conn(sqlite3 *db)
{
    /* One connection loads in one thread at a time, so nobody adds this db
     * between the look and the insertion. */
    rmr_sqlite_conn *conn = find_connection(db);

    if (conn != NULL) {
        rmr_sqlite_conn_retain(conn);
        return conn;
    }
    conn = sqlite3_malloc(sizeof(*conn));
    if (conn == NULL)
        return NULL;
    *conn = (rmr_sqlite_conn){.refs = 1, .db = db};
    pthread_mutex_lock(&process_mutex);
    conn->next = connections;
    connections = conn;
    pthread_mutex_unlock(&process_mutex);
    return conn;
}

void rmr_sqlite_process_forget(rmr_sqlite_conn *conn)
{
    rmr_sqlite_conn **at;

    pthread_mutex_lock(&process_mutex);
    for (at = &connections; *at != conn;)
        at = &(*at)->next;
    *at = conn->next;
    pthread_mutex_unlock(&process_mutex);
}

/* ----------------------------------------------------------------- engine */

/* REMORA_THREADS as a number; 0, the core's default, when it is not set. */
static rmr_status threads_wanted(uint32_t *threads, rmr_error *err)
{
    const char *value = getenv("REMORA_THREADS");
    char *end;
    unsigned long n;

    *threads = 0;
    if (value == NULL || *value == '\0')
        return RMR_OK;
    n = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
    if (n < 1 || n > MAX_THREADS || *end != '\0') {
        err->status = RMR_ERR_RANGE;
        sqlite3_snprintf(sizeof(err->message), err->message,
                         "the environment variable REMORA_THREADS is '%.40s'; "
                         "it must be a number from 1 to %d",
                         value, MAX_THREADS);
        return RMR_ERR_RANGE;
    }
    *threads = (uint32_t)n;
    return RMR_OK;
}

rmr_status rmr_sqlite_engine(rmr_engine **out, rmr_error *err)
{
    rmr_engine_options options;
    rmr_engine *mine;
    rmr_status status = RMR_OK;

    pthread_mutex_lock(&process_mutex);
    *out = engine;
    if (!fork_handlers) {
        fork_handlers = pthread_atfork(before_fork, after_fork_parent,
                                       after_fork_child) == 0;
        if (!fork_handlers)
            status = RMR_ERR_NOMEM;
    }
    pthread_mutex_unlock(&process_mutex);
    if (*out != NULL)
        return RMR_OK;
    if (status != RMR_OK)
        return rmr_sqlite_fail(err, status, "out of memory");

    rmr_engine_options_init(&options);
    status = threads_wanted(&options.threads, err);
    if (status == RMR_OK)
        status = rmr_engine_start(&mine, &options, err);
    if (status != RMR_OK)
        return status;
    pthread_mutex_lock(&process_mutex);
    if (engine == NULL) {
        engine = mine;
        mine = NULL;
    }
    *out = engine;
    pthread_mutex_unlock(&process_mutex);
    rmr_engine_stop(mine); /* another thread was first */
    return RMR_OK;
}
