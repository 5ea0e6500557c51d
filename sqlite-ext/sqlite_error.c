/*
 * sqlite_error.c - how the core's statuses become SQLite's errors.
 *
 * Most are SQLITE_ERROR with the core's sentence: codes such as
 * SQLITE_CORRUPT or SQLITE_IOERR would tell SQLite that the database is at
 * fault, and it would roll back a transaction or refuse further writes. A
 * message must never contain text that was given to be embedded.
 */
#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

int rmr_sqlite_code(rmr_status status)
{
    switch (status) {
    case RMR_OK:
        return SQLITE_OK;
    case RMR_ERR_NOMEM:
        return SQLITE_NOMEM;
    case RMR_ERR_IO:
        return SQLITE_CANTOPEN;
    case RMR_ERR_TOO_LONG:
        return SQLITE_TOOBIG;
    case RMR_ERR_BUSY:
        return SQLITE_BUSY;
    case RMR_ERR_CANCELED:
        return SQLITE_INTERRUPT;
    default:
        return SQLITE_ERROR;
    }
}

rmr_status rmr_sqlite_fail(rmr_error *err, rmr_status status,
                           const char *message)
{
    err->status = status;
    sqlite3_snprintf(sizeof(err->message), err->message, "%s", message);
    return status;
}

void rmr_sqlite_result_message(sqlite3_context *ctx, int code, char *message)
{
    if (message == NULL || code == SQLITE_NOMEM) {
        sqlite3_result_error_nomem(ctx);
    } else {
        sqlite3_result_error(ctx, message, -1);
        sqlite3_result_error_code(ctx, code);
    }
    sqlite3_free(message);
}

void rmr_sqlite_result_error(sqlite3_context *ctx, const char *function,
                             const rmr_error *err)
{
    int code = rmr_sqlite_code(err->status);

    if (code == SQLITE_NOMEM) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    rmr_sqlite_result_message(
        ctx, code, sqlite3_mprintf("%s: %s", function, err->message));
}

const char *rmr_sqlite_type_name(sqlite3_value *value)
{
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        return "INTEGER";
    case SQLITE_FLOAT:
        return "REAL";
    case SQLITE_TEXT:
        return "TEXT";
    case SQLITE_BLOB:
        return "BLOB";
    default:
        return "NULL";
    }
}
