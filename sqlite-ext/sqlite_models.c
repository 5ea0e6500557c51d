/*
 * sqlite_models.c - the virtual table remora_models: INSERT opens a model,
 * DELETE unloads it, SELECT shows what is there.
 *
 * The table lives in temp, so a write to it locks no database file and works
 * on a read-only one; it is never stored in a file, and no trigger or view
 * may use it. It takes part in no transaction: what INSERT and DELETE do
 * stays done after ROLLBACK.
 */
#include <string.h>

#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

#define MAX_NAME 255 /* bytes of a model's name */

enum models_column {
    COLUMN_NAME,
    COLUMN_PATH,
    COLUMN_DTYPE,
    COLUMN_SHA256,
    COLUMN_POOLING,
    COLUMN_TASK,
    COLUMN_ADAPTER,
    COLUMN_WINDOWS, /* the first that is a number */
    COLUMN_STRIDE,
    COLUMN_ARCHITECTURE, /* the first that INSERT may not give */
    COLUMN_DIM,
    COLUMN_MAX_TOKENS,
    COLUMN_NORMALIZE,
    COLUMN_SIMILARITY,
    COLUMN_BYTES,
    COLUMN_PARAMETERS,
    COLUMN_TEXTS,
    COLUMN_TRUNCATED,
    NUM_COLUMNS
};

static const char *const column_names[NUM_COLUMNS] = {
    "name",       "path",       "dtype",     "sha256",     "pooling",
    "task",       "adapter",    "windows",   "stride",     "architecture",
    "dim",        "max_tokens", "normalize", "similarity", "bytes",
    "parameters", "texts",      "truncated"};

static const char schema[] =
    "CREATE TABLE remora_models(name TEXT, path TEXT, dtype TEXT, "
    "sha256 TEXT, pooling TEXT, task TEXT, adapter TEXT, windows INTEGER, "
    "stride INTEGER, architecture TEXT, dim INTEGER, "
    "max_tokens INTEGER, normalize INTEGER, similarity TEXT, bytes INTEGER, "
    "parameters INTEGER, texts INTEGER, truncated INTEGER)";

typedef struct models_table {
    sqlite3_vtab base;
    rmr_sqlite_conn *conn;
} models_table;

/* A scan goes over the models there were when it began. */
typedef struct models_cursor {
    sqlite3_vtab_cursor base;
    rmr_sqlite_model **models;
    size_t count;
    size_t at;
} models_cursor;

/* -------------------------------------------------------- connect, destroy */

static int models_connect(sqlite3 *db, void *aux, int argc,
                          const char *const *argv, sqlite3_vtab **out,
                          char **message)
{
    models_table *table;
    int rc;

    (void)argc;
    (void)argv;
    (void)message;
    rc = sqlite3_declare_vtab(db, schema);
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
    if (rc != SQLITE_OK)
        return rc;
    table = sqlite3_malloc(sizeof(*table));
    if (table == NULL)
        return SQLITE_NOMEM;
    *table = (models_table){.conn = aux};
    rmr_sqlite_conn_retain(table->conn);
    *out = &table->base;
    return SQLITE_OK;
}

static int models_create(sqlite3 *db, void *aux, int argc,
                         const char *const *argv, sqlite3_vtab **out,
                         char **message)
{
    if (strcmp(argv[1], "temp") != 0 || strcmp(argv[2], "remora_models") != 0) {
        *message = sqlite3_mprintf(
            "%s: use the table temp.remora_models, which is there when the "
            "extension is loaded",
            argv[0]);
        return SQLITE_ERROR;
    }
    return models_connect(db, aux, argc, argv, out, message);
}

static int models_disconnect(sqlite3_vtab *base)
{
    models_table *table = (models_table *)base;

    rmr_sqlite_conn_release(table->conn);
    sqlite3_free(table);
    return SQLITE_OK;
}

/* -------------------------------------------------------------------- scan */

static int models_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    info->estimatedCost = 10;
    info->estimatedRows = 10;
    return SQLITE_OK;
}

static int models_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    models_cursor *cursor = sqlite3_malloc(sizeof(*cursor));

    (void)base;
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *cursor = (models_cursor){.models = NULL};
    *out = &cursor->base;
    return SQLITE_OK;
}

static void drop_rows(models_cursor *cursor)
{
    while (cursor->count > 0)
        rmr_sqlite_model_release(cursor->models[--cursor->count]);
    sqlite3_free(cursor->models);
    cursor->models = NULL;
}

static int models_close(sqlite3_vtab_cursor *base)
{
    models_cursor *cursor = (models_cursor *)base;

    drop_rows(cursor);
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int models_filter(sqlite3_vtab_cursor *base, int index,
                         const char *index_name, int argc, sqlite3_value **argv)
{
    models_cursor *cursor = (models_cursor *)base;
    models_table *table = (models_table *)base->pVtab;
    rmr_sqlite_model *model;
    size_t count = 0;

    (void)index;
    (void)index_name;
    (void)argc;
    (void)argv;
    drop_rows(cursor);
    cursor->at = 0;
    for (model = table->conn->models; model != NULL; model = model->next)
        count++;
    if (count == 0)
        return SQLITE_OK;
    cursor->models = sqlite3_malloc64(count * sizeof(model));
    if (cursor->models == NULL)
        return SQLITE_NOMEM;
    for (model = table->conn->models; model != NULL; model = model->next) {
        rmr_sqlite_model_retain(model);
        cursor->models[cursor->count++] = model;
    }
    return SQLITE_OK;
}

static int models_next(sqlite3_vtab_cursor *base)
{
    ((models_cursor *)base)->at++;
    return SQLITE_OK;
}

static int models_eof(sqlite3_vtab_cursor *base)
{
    const models_cursor *cursor = (const models_cursor *)base;

    return cursor->at >= cursor->count;
}

static int models_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    const models_cursor *cursor = (const models_cursor *)base;

    *rowid = cursor->models[cursor->at]->rowid;
    return SQLITE_OK;
}

/* A string column; NULL is NULL. */
static void result_string(sqlite3_context *ctx, const char *string)
{
    if (string != NULL)
        sqlite3_result_text(ctx, string, -1, SQLITE_TRANSIENT);
}

/* What only a model for embedding has. */
static void embedding_column(sqlite3_context *ctx, const rmr_model_info *info,
                             int column)
{
    if (column == COLUMN_POOLING)
        result_string(ctx, info->pooling);
    else if (column == COLUMN_NORMALIZE)
        sqlite3_result_int(ctx, info->normalize);
    else
        result_string(ctx, rmr_similarity_name(info->similarity));
}

static int models_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx,
                         int column)
{
    const models_cursor *cursor = (const models_cursor *)base;
    const rmr_sqlite_model *model = cursor->models[cursor->at];

    switch ((enum models_column)column) {
    case COLUMN_NAME:
        result_string(ctx, model->name);
        break;
    case COLUMN_PATH:
        result_string(ctx, model->path);
        break;
    case COLUMN_DTYPE:
        result_string(ctx, rmr_dtype_name(model->info.dtype));
        break;
    case COLUMN_SHA256:
        result_string(ctx, model->sha256);
        break;
    case COLUMN_ARCHITECTURE:
        result_string(ctx, model->info.architecture);
        break;
    case COLUMN_DIM: /* of a vector, of labels, or of words */
        if (model->info.task == RMR_TASK_EMBED)
            sqlite3_result_int64(ctx, model->info.dim);
        else
            sqlite3_result_int64(ctx, model->info.num_labels > 0
                                          ? model->info.num_labels
                                          : model->info.vocab_size);
        break;
    case COLUMN_MAX_TOKENS:
        sqlite3_result_int64(ctx, model->info.max_tokens);
        break;
    case COLUMN_TASK:
        result_string(ctx, rmr_task_name(model->info.task));
        break;
    case COLUMN_ADAPTER:
        result_string(ctx, model->info.adapter);
        break;
    case COLUMN_WINDOWS:
        sqlite3_result_int(ctx, model->windows);
        break;
    case COLUMN_STRIDE:
        sqlite3_result_int64(ctx, model->stride);
        break;
    case COLUMN_POOLING:
    case COLUMN_NORMALIZE:
    case COLUMN_SIMILARITY:
        if (model->info.task == RMR_TASK_EMBED)
            embedding_column(ctx, &model->info, column);
        break;
    case COLUMN_BYTES:
        sqlite3_result_int64(ctx, (sqlite3_int64)model->info.bytes);
        break;
    case COLUMN_PARAMETERS:
        sqlite3_result_int64(ctx, (sqlite3_int64)model->info.num_parameters);
        break;
    case COLUMN_TEXTS:
        sqlite3_result_int64(ctx, model->texts);
        break;
    case COLUMN_TRUNCATED:
        sqlite3_result_int64(ctx, model->truncated);
        break;
    case NUM_COLUMNS:
        break;
    }
    return SQLITE_OK;
}

/* ------------------------------------------------------------------ update */

/* Sets the statement's error to a sentence from sqlite3_mprintf, which it
 * takes; NULL stands for out of memory. */
static int refuse(sqlite3_vtab *base, int code, char *message)
{
    if (message == NULL)
        return SQLITE_NOMEM;
    sqlite3_free(base->zErrMsg);
    base->zErrMsg = message;
    return code;
}

/*
 * Reads one column of an INSERT as text without NUL bytes; *text is NULL for
 * NULL, and otherwise lives as long as the value.
 */
static int text_column(sqlite3_vtab *base, enum models_column column,
                       sqlite3_value *value, const char **text)
{
    const char *name = column_names[column];

    *text = NULL;
    if (sqlite3_value_type(value) == SQLITE_NULL)
        return SQLITE_OK;
    if (sqlite3_value_type(value) != SQLITE_TEXT)
        return refuse(base, SQLITE_MISMATCH,
                      sqlite3_mprintf("remora_models: %s must be TEXT, not %s",
                                      name, rmr_sqlite_type_name(value)));
    *text = (const char *)sqlite3_value_text(value);
    if (*text == NULL)
        return SQLITE_NOMEM;
    if ((size_t)sqlite3_value_bytes(value) != strlen(*text))
        return refuse(
            base, SQLITE_ERROR,
            sqlite3_mprintf("remora_models: %s contains a NUL byte", name));
    return SQLITE_OK;
}

/* Reads one column of an INSERT as a number from 0 to `most`; 0 for NULL. */
static int number_column(sqlite3_vtab *base, enum models_column column,
                         sqlite3_value *value, sqlite3_int64 most,
                         sqlite3_int64 *number)
{
    const char *name = column_names[column];

    *number = 0;
    if (sqlite3_value_type(value) == SQLITE_NULL)
        return SQLITE_OK;
    if (sqlite3_value_type(value) != SQLITE_INTEGER)
        return refuse(
            base, SQLITE_MISMATCH,
            sqlite3_mprintf("remora_models: %s must be INTEGER, not %s", name,
                            rmr_sqlite_type_name(value)));
    *number = sqlite3_value_int64(value);
    if (*number < 0 || *number > most)
        return refuse(base, SQLITE_ERROR,
                      sqlite3_mprintf("remora_models: %s must be from 0 to "
                                      "%lld, not %lld",
                                      name, most, *number));
    return SQLITE_OK;
}

/* Reads how long texts are taken, into a source that has all else. */
static int read_windows(sqlite3_vtab *base, sqlite3_value **columns,
                        rmr_sqlite_source *source)
{
    sqlite3_int64 windows, stride;
    int rc = number_column(base, COLUMN_WINDOWS, columns[COLUMN_WINDOWS], 1,
                           &windows);

    if (rc == SQLITE_OK)
        rc = number_column(base, COLUMN_STRIDE, columns[COLUMN_STRIDE],
                           UINT32_MAX, &stride);
    if (rc != SQLITE_OK)
        return rc;
    if (stride > 0 && windows == 0)
        return refuse(base, SQLITE_ERROR,
                      sqlite3_mprintf("remora_models: stride is that of "
                                      "windows: give windows = 1, too"));
    source->windows = (int)windows;
    source->stride = (uint32_t)stride;
    return SQLITE_OK;
}

/* Reads what an INSERT gives; columns[0] is the name. */
static int read_source(sqlite3_vtab *base, sqlite3_value **columns,
                       rmr_sqlite_source *source)
{
    const char *text[COLUMN_WINDOWS];
    int column, rc;

    for (column = 0; column < COLUMN_WINDOWS; column++) {
        rc = text_column(base, (enum models_column)column, columns[column],
                         &text[column]);
        if (rc != SQLITE_OK)
            return rc;
    }
    for (column = COLUMN_ARCHITECTURE; column < NUM_COLUMNS; column++)
        if (sqlite3_value_type(columns[column]) != SQLITE_NULL)
            return refuse(
                base, SQLITE_ERROR,
                sqlite3_mprintf("remora_models: %s is read from the model: "
                                "give name, path and if needed dtype, "
                                "sha256, pooling, task, adapter, windows and "
                                "stride",
                                column_names[column]));
    if (text[COLUMN_NAME] == NULL || text[COLUMN_NAME][0] == '\0' ||
        strlen(text[COLUMN_NAME]) > MAX_NAME)
        return refuse(base, SQLITE_ERROR,
                      sqlite3_mprintf("remora_models: name must be a text of 1 "
                                      "to %d bytes",
                                      MAX_NAME));
    if (text[COLUMN_PATH] == NULL || text[COLUMN_PATH][0] == '\0')
        return refuse(base, SQLITE_ERROR,
                      sqlite3_mprintf("remora_models: path must name a model "
                                      "directory"));
    *source = (rmr_sqlite_source){.name = text[COLUMN_NAME],
                                  .path = text[COLUMN_PATH],
                                  .dtype = text[COLUMN_DTYPE],
                                  .sha256 = text[COLUMN_SHA256],
                                  .pooling = text[COLUMN_POOLING],
                                  .task = text[COLUMN_TASK],
                                  .adapter = text[COLUMN_ADAPTER]};
    return read_windows(base, columns, source);
}

static int insert_model(models_table *table, sqlite3_value **columns,
                        sqlite3_int64 *rowid)
{
    rmr_sqlite_conn *conn = table->conn;
    rmr_sqlite_source source;
    rmr_sqlite_model *model;
    char *message;
    int replace = sqlite3_vtab_on_conflict(conn->db) == SQLITE_REPLACE;
    int rc = read_source(&table->base, columns, &source);

    if (rc != SQLITE_OK)
        return rc;
    if (!replace &&
        rmr_sqlite_conn_find(conn, source.name, strlen(source.name)) != NULL)
        return refuse(
            &table->base, SQLITE_CONSTRAINT,
            sqlite3_mprintf("remora_models: there is a model named %Q "
                            "already: DELETE it first, or use INSERT OR "
                            "REPLACE",
                            source.name));
    rc = rmr_sqlite_conn_add(conn, &source, replace, &model, &message);
    if (rc != SQLITE_OK) {
        char *whole = NULL;

        if (message != NULL)
            whole = sqlite3_mprintf("remora_models: %s", message);
        sqlite3_free(message);
        return refuse(&table->base, rc, whole);
    }
    *rowid = model->rowid;
    return SQLITE_OK;
}

/* argv: [old rowid] to delete; [old, new rowid, columns...] otherwise, where
 * a NULL old rowid means insert. */
static int models_update(sqlite3_vtab *base, int argc, sqlite3_value **argv,
                         sqlite3_int64 *rowid)
{
    models_table *table = (models_table *)base;

    if (argc == 1) {
        rmr_sqlite_conn_remove(table->conn, sqlite3_value_int64(argv[0]));
        return SQLITE_OK;
    }
    if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
        return refuse(base, SQLITE_READONLY,
                      sqlite3_mprintf("remora_models: a model cannot be "
                                      "changed: DELETE it and INSERT it "
                                      "again"));
    if (sqlite3_value_type(argv[1]) != SQLITE_NULL)
        return refuse(base, SQLITE_ERROR,
                      sqlite3_mprintf("remora_models: rowid cannot be "
                                      "chosen"));
    return insert_model(table, argv + 2, rowid);
}

/* ---------------------------------------------------------------- register */

#define MODELS_METHODS                                                         \
    .iVersion = 1, .xConnect = models_connect,                                 \
    .xBestIndex = models_best_index, .xDisconnect = models_disconnect,         \
    .xDestroy = models_disconnect, .xOpen = models_open,                       \
    .xClose = models_close, .xFilter = models_filter, .xNext = models_next,    \
    .xEof = models_eof, .xColumn = models_column, .xRowid = models_rowid,      \
    .xUpdate = models_update

static const sqlite3_module temp_module = {MODELS_METHODS,
                                           .xCreate = models_create};
/* No xCreate: a table that is there without being created. */
static const sqlite3_module eponymous_module = {MODELS_METHODS};

static int create_module(rmr_sqlite_conn *conn, const char *name,
                         const sqlite3_module *module)
{
    rmr_sqlite_conn_retain(conn); /* given back by SQLite, also on failure */
    return sqlite3_create_module_v2(conn->db, name, module, conn,
                                    rmr_sqlite_conn_release);
}

int rmr_sqlite_models_register(rmr_sqlite_conn *conn)
{
    int rc = create_module(conn, "remora_models", &eponymous_module);

    if (rc == SQLITE_OK)
        rc = create_module(conn, "remora_models_in_temp", &temp_module);
    return rc;
}

int rmr_sqlite_models_create(rmr_sqlite_conn *conn)
{
    int rc = sqlite3_exec(conn->db,
                          "CREATE VIRTUAL TABLE IF NOT EXISTS "
                          "temp.remora_models USING remora_models_in_temp",
                          NULL, NULL, NULL);

    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}
