/*
 * sqlite_init.c - the entry point of the SQLite extension: tells a connection
 * about the functions and the table.
 *
 * The extension stays in the process once loaded, because its compute threads
 * do. It must never be used with two copies of SQLite in one process: it
 * calls SQLite through one table of functions.
 */
#include <pthread.h>

#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT1

/* A property of SQLite 3.45 and newer: the result has a subtype. */
#define RESULT_SUBTYPE 0x01000000
#define RESULT_SUBTYPE_SINCE 3045000

typedef struct function_entry {
    const char *name;
    int num_args;
    int flags; /* besides SQLITE_UTF8 and SQLITE_DETERMINISTIC */
    void (*call)(sqlite3_context *ctx, int argc, sqlite3_value **argv);
} function_entry;

/* Those without SQLITE_INNOCUOUS depend on the connection's
 * models and may open the one of REMORA_MODEL, so they are not innocuous. */
static const function_entry functions[] = {
    {"embed", 1, RESULT_SUBTYPE, rmr_sqlite_embed},
    {"embed", 2, RESULT_SUBTYPE, rmr_sqlite_embed},
    {"embed", 3, RESULT_SUBTYPE, rmr_sqlite_embed},
    {"classify", 1, 0, rmr_sqlite_classify},
    {"classify", 2, 0, rmr_sqlite_classify},
    {"classify_json", 1, RESULT_SUBTYPE, rmr_sqlite_classify_json},
    {"classify_json", 2, RESULT_SUBTYPE, rmr_sqlite_classify_json},
    {"zero_shot", -1, 0, rmr_sqlite_zero_shot},
    {"rerank_score", 2, 0, rmr_sqlite_rerank_score},
    {"rerank_score", 3, 0, rmr_sqlite_rerank_score},
    {"entities", 1, RESULT_SUBTYPE, rmr_sqlite_entities},
    {"entities", 2, RESULT_SUBTYPE, rmr_sqlite_entities},
    {"fill_mask", 1, RESULT_SUBTYPE, rmr_sqlite_fill_mask},
    {"fill_mask", 2, RESULT_SUBTYPE, rmr_sqlite_fill_mask},
    {"embed_sparse", 1, RESULT_SUBTYPE, rmr_sqlite_embed_sparse},
    {"embed_sparse", 2, RESULT_SUBTYPE, rmr_sqlite_embed_sparse},
    {"token_count", 1, 0, rmr_sqlite_token_count},
    {"token_count", 2, 0, rmr_sqlite_token_count},
    {"embed_cosine", 2, SQLITE_SUBTYPE | SQLITE_INNOCUOUS,
     rmr_sqlite_embed_cosine},
    {"embed_similarity", 2, SQLITE_SUBTYPE, rmr_sqlite_embed_similarity},
    {"embed_similarity", 3, SQLITE_SUBTYPE, rmr_sqlite_embed_similarity},
    {"embed_to_json", 1, SQLITE_SUBTYPE | SQLITE_INNOCUOUS | RESULT_SUBTYPE,
     rmr_sqlite_embed_to_json},
};
#define NUM_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static int register_function(rmr_sqlite_conn *conn, const function_entry *entry)
{
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | entry->flags;

    if (sqlite3_libversion_number() < RESULT_SUBTYPE_SINCE)
        flags &= ~RESULT_SUBTYPE;
    rmr_sqlite_conn_retain(conn); /* given back by SQLite, also on failure */
    return sqlite3_create_function_v2(conn->db, entry->name, entry->num_args,
                                      flags, conn, entry->call, NULL, NULL,
                                      rmr_sqlite_conn_release);
}

/* Registers what the connection does not have yet: a load that ran out of
 * memory is taken up where it stopped by the next one. */
static int register_all(rmr_sqlite_conn *conn)
{
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && conn->registered < NUM_FUNCTIONS) {
        rc = register_function(conn, &functions[conn->registered]);
        if (rc == SQLITE_OK)
            conn->registered++;
    }
    if (rc == SQLITE_OK && conn->registered == NUM_FUNCTIONS) {
        rc = rmr_sqlite_models_register(conn);
        if (rc == SQLITE_OK)
            conn->registered++;
    }
    if (rc == SQLITE_OK)
        rc = rmr_sqlite_models_create(conn);
    return rc;
}

#ifndef SQLITE_CORE
/* Takes SQLite's table of functions. 0 when another copy of SQLite gave its
 * own before. */
static int take_api(const sqlite3_api_routines *api)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int same;

    pthread_mutex_lock(&mutex);
    if (sqlite3_api == NULL)
        SQLITE_EXTENSION_INIT2(api);
    same = sqlite3_api == api;
    pthread_mutex_unlock(&mutex);
    return same;
}
#endif

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int sqlite3_remora_init(sqlite3 *db, char **message,
                        const sqlite3_api_routines *api);

int sqlite3_remora_init(sqlite3 *db, char **message,
                        const sqlite3_api_routines *api)
{
    rmr_sqlite_conn *conn;
    int rc;

#ifdef SQLITE_CORE
    (void)api;
#else
    if (!take_api(api)) {
        *message = api->mprintf("remora: another copy of SQLite in this "
                                "process uses the extension already");
        return SQLITE_ERROR;
    }
#endif
    (void)message;
    conn = rmr_sqlite_process_conn(db);
    if (conn == NULL)
        return SQLITE_NOMEM;
    rc = register_all(conn);
    rmr_sqlite_conn_release(conn);
#ifndef SQLITE_CORE
    if (rc == SQLITE_OK)
        rc = SQLITE_OK_LOAD_PERMANENTLY;
#endif
    return rc;
}
