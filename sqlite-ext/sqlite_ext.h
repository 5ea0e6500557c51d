/*
 * sqlite_ext.h - what the files of the SQLite extension share.
 *
 * One connection has one rmr_sqlite_conn: the models it registered, by name.
 * One process has one engine, shared by every connection. Nothing here is
 * seen outside the extension, and compute threads never touch a sqlite3 *.
 */
#ifndef RMR_SQLITE_EXT_H
#define RMR_SQLITE_EXT_H

#include <sqlite3ext.h>

#include "remora.h"

#if SQLITE_VERSION_NUMBER < 3040000
#error "SQLite 3.40 or newer is needed"
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vectors are blobs as they lie in memory, and those are little endian"
#endif

/* Subtypes that other extensions and SQLite itself give to values. */
#define RMR_SUBTYPE_JSON 74
#define RMR_SUBTYPE_F32 223 /* float32 vector, little endian */
#define RMR_SUBTYPE_BIT 224
#define RMR_SUBTYPE_INT8 225

/*
 * A model under the name that one connection gave it. Reference counted:
 * the connection holds one, and so does every statement and cursor that uses
 * it, so DELETE never pulls a model from under a running query. Belongs to
 * its connection: only touched while SQLite holds that connection's mutex.
 */
typedef struct rmr_sqlite_model rmr_sqlite_model;
struct rmr_sqlite_model {
    unsigned refs;
    sqlite3_int64 rowid;
    char *name;   /* NULL: the model of REMORA_MODEL */
    char *path;   /* as this connection gave it */
    char *sha256; /* as this connection gave it, or NULL */
    rmr_model *model;
    rmr_model_info info;
    int windows;             /* long texts are read whole */
    uint32_t stride;         /* of these windows */
    sqlite3_int64 texts;     /* computed through this connection */
    sqlite3_int64 truncated; /* those of them that were cut */
    rmr_sqlite_model *next;
};

/* What one connection knows; every function and module holds a reference. */
typedef struct rmr_sqlite_conn rmr_sqlite_conn;
struct rmr_sqlite_conn {
    unsigned refs;
    sqlite3 *db;
    unsigned registered;      /* functions and modules SQLite knows already */
    rmr_sqlite_model *models; /* in the order they were registered */
    sqlite3_int64 last_rowid;
    rmr_sqlite_conn *next; /* in the process's list */
};

/* What an INSERT gives; strings are the caller's. */
typedef struct rmr_sqlite_source {
    const char *name;    /* NULL: the model of REMORA_MODEL */
    const char *path;    /* never NULL */
    const char *dtype;   /* NULL: the default */
    const char *sha256;  /* NULL: not checked */
    const char *pooling; /* NULL: as the directory says */
    const char *task;    /* NULL: what config.json has a head for */
    const char *adapter; /* NULL: none */
    int windows;         /* 0: long texts are cut */
    uint32_t stride;
} rmr_sqlite_source;

/* ---------------------------------------------------------- sqlite_error.c */

/* The SQLite result code that a status stands for. */
int rmr_sqlite_code(rmr_status status);

/* Fills *err; returns status. */
rmr_status rmr_sqlite_fail(rmr_error *err, rmr_status status,
                           const char *message);

/* Ends a function call with *err, prefixed by the function's name. */
void rmr_sqlite_result_error(sqlite3_context *ctx, const char *function,
                             const rmr_error *err);

/* Ends a function call with a sentence from sqlite3_mprintf, which it frees;
 * NULL stands for out of memory. */
void rmr_sqlite_result_message(sqlite3_context *ctx, int code, char *message);

/* "INTEGER", "REAL", "TEXT", "BLOB" or "NULL". */
const char *rmr_sqlite_type_name(sqlite3_value *value);

/* -------------------------------------------------------- sqlite_process.c */

/*
 * The connection's state, a new one when this is its first load, with one
 * reference for the caller. NULL when memory ran out.
 */
rmr_sqlite_conn *rmr_sqlite_process_conn(sqlite3 *db);

/* Takes a state that is being freed out of the process's list. */
void rmr_sqlite_process_forget(rmr_sqlite_conn *conn);

/*
 * The engine, started at the first call of the process and again in a forked
 * child, with REMORA_THREADS threads or the core's default. It runs until the
 * process ends. Errors: RANGE (REMORA_THREADS), NOMEM, DEVICE.
 */
rmr_status rmr_sqlite_engine(rmr_engine **out, rmr_error *err);

/* ----------------------------------------------------------- sqlite_run.c */

/* Hands a job to the engine. */
typedef rmr_status rmr_sqlite_start(rmr_engine *engine, void *call,
                                    rmr_job **job, rmr_error *err);

/*
 * Starts a job and waits. On success *job is final, ended RMR_OK, and is
 * released by the caller. db is polled for sqlite3_interrupt where SQLite can
 * tell (3.41 and newer): CANCELED then. A full queue is waited for, up to a
 * bound: BUSY then.
 */
rmr_status rmr_sqlite_run(sqlite3 *db, rmr_sqlite_start *start, void *call,
                          rmr_job **job, rmr_error *err);

/* ----------------------------------------------------------- sqlite_conn.c */

void rmr_sqlite_conn_retain(rmr_sqlite_conn *conn);
/* Matches the destructors that SQLite takes; frees with the last one. */
void rmr_sqlite_conn_release(void *conn);

void rmr_sqlite_model_retain(rmr_sqlite_model *model);
void rmr_sqlite_model_release(void *model);

/* Borrowed, or NULL when the connection has no model of that name. */
rmr_sqlite_model *rmr_sqlite_conn_find(rmr_sqlite_conn *conn, const char *name,
                                       size_t len);

/*
 * Opens a model and registers it at the end of the list; with `replace`, what
 * had that name before goes. *out is borrowed. Nothing changes on failure.
 * On failure returns an SQLite code and sets *message, for sqlite3_free;
 * NULL when memory ran out.
 */
int rmr_sqlite_conn_add(rmr_sqlite_conn *conn, const rmr_sqlite_source *source,
                        int replace, rmr_sqlite_model **out, char **message);

/* Takes the model with that rowid off the list; nothing when it is not
 * there. */
void rmr_sqlite_conn_remove(rmr_sqlite_conn *conn, sqlite3_int64 rowid);

/* The tasks that a function's model may be for. */
typedef enum rmr_sqlite_tasks {
    RMR_SQLITE_EMBED = 1 << RMR_TASK_EMBED,
    RMR_SQLITE_CLASSIFY = 1 << RMR_TASK_CLASSIFY,
    RMR_SQLITE_ENTITIES = 1 << RMR_TASK_TOKEN_CLASSIFY,
    RMR_SQLITE_FILL_MASK = 1 << RMR_TASK_FILL_MASK,
    RMR_SQLITE_SPARSE = 1 << RMR_TASK_EMBED_SPARSE,
    RMR_SQLITE_ANY = RMR_SQLITE_EMBED | RMR_SQLITE_CLASSIFY |
                     RMR_SQLITE_ENTITIES | RMR_SQLITE_FILL_MASK |
                     RMR_SQLITE_SPARSE
} rmr_sqlite_tasks;

/* Whether the connection has a model for one of the tasks. */
int rmr_sqlite_conn_has(const rmr_sqlite_conn *conn, rmr_sqlite_tasks tasks);

/*
 * The model a function call means: argument `index` when the call has it, and
 * it is not the NULL of a call with more arguments behind it; else, of those
 * for one of the tasks, 'default', or the only one registered; else
 * REMORA_MODEL. On success one reference goes to the caller. NULL: ctx has been
 * given the error.
 */
rmr_sqlite_model *rmr_sqlite_conn_choose(sqlite3_context *ctx,
                                         const char *function,
                                         rmr_sqlite_tasks tasks, int argc,
                                         sqlite3_value **argv, int index);

/* --------------------------------------------------------- sqlite_models.c */

/* Registers the modules behind the table remora_models; SQLite's code. */
int rmr_sqlite_models_register(rmr_sqlite_conn *conn);

/*
 * Creates the table temp.remora_models where it is not there. NOMEM is the
 * only failure: where temp cannot be written, or the table is dropped later,
 * the eponymous table of that name serves, whose writes lock the main
 * database.
 */
int rmr_sqlite_models_create(rmr_sqlite_conn *conn);

/* ------------------------------------------ functions, each a file's theme */

/*
 * Reads argument `index` as text, embedded NUL included; `name` is what it is
 * called. 1 when *text is set; 0 when ctx has been given the answer: NULL for
 * NULL, or an error.
 */
int rmr_sqlite_text_argument(sqlite3_context *ctx, const char *function,
                             sqlite3_value **argv, int index, const char *name,
                             rmr_text *text);

/* Counts a text; says so where SQLite logs when it was cut. */
void rmr_sqlite_account(rmr_sqlite_model *model, size_t text_len,
                        const rmr_text_result *result);

void rmr_sqlite_embed(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void rmr_sqlite_classify(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void rmr_sqlite_classify_json(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv);
void rmr_sqlite_zero_shot(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void rmr_sqlite_rerank_score(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv);
void rmr_sqlite_entities(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void rmr_sqlite_fill_mask(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void rmr_sqlite_embed_sparse(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv);
void rmr_sqlite_token_count(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv);
void rmr_sqlite_embed_cosine(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv);
void rmr_sqlite_embed_similarity(sqlite3_context *ctx, int argc,
                                 sqlite3_value **argv);
void rmr_sqlite_embed_to_json(sqlite3_context *ctx, int argc,
                              sqlite3_value **argv);

#endif
