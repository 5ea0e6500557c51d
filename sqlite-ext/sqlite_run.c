/*
 * sqlite_run.c - starts a job and waits for it, as a function call of SQLite
 * must.
 *
 * The wait is cut into slices so that sqlite3_interrupt is seen; only the
 * calling thread asks SQLite about it.
 */
#include <errno.h>
#include <time.h>

#include "sqlite_ext.h"

SQLITE_EXTENSION_INIT3

#define WAIT_SLICE_MS 20    /* how late an interrupt may be seen */
#define BUSY_PAUSE_MS 5     /* between two tries at a full queue */
#define BUSY_LIMIT_MS 30000 /* how long a full queue is waited for */

#if SQLITE_VERSION_NUMBER >= 3041000
typedef sqlite3_api_routines api_with_interrupt;
#elif !defined(SQLITE_CORE)
/* Headers of 3.40 end where 3.41 added this entry; a newer library that loads
 * the extension has it. */
typedef struct api_with_interrupt {
    sqlite3_api_routines known;
    int (*is_interrupted)(sqlite3 *);
} api_with_interrupt;
#endif

static int interrupted(sqlite3 *db)
{
#if defined(SQLITE_CORE)
#if SQLITE_VERSION_NUMBER >= 3041000
    return sqlite3_is_interrupted(db);
#else
    (void)db;
    return 0;
#endif
#else
    if (sqlite3_libversion_number() < 3041000)
        return 0;
    return ((const api_with_interrupt *)sqlite3_api)->is_interrupted(db);
#endif
}

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

rmr_status rmr_sqlite_run(sqlite3 *db, rmr_sqlite_start *start, void *call,
                          rmr_job **job, rmr_error *err)
{
    rmr_engine *shared;
    rmr_status status;
    long waited = 0;

    *job = NULL;
    status = rmr_sqlite_engine(&shared, err);
    if (status != RMR_OK)
        return status;
    while ((status = start(shared, call, job, err)) == RMR_ERR_BUSY) {
        if (interrupted(db))
            return rmr_sqlite_fail(err, RMR_ERR_CANCELED, "interrupted");
        if (waited >= BUSY_LIMIT_MS)
            return status;
        pause_ms(BUSY_PAUSE_MS);
        waited += BUSY_PAUSE_MS;
    }
    if (status != RMR_OK)
        return status;
    while (!rmr_job_wait(*job, WAIT_SLICE_MS)) {
        if (interrupted(db)) {
            rmr_job_cancel(*job);
            status = rmr_sqlite_fail(err, RMR_ERR_CANCELED, "interrupted");
            break;
        }
    }
    if (status == RMR_OK)
        status = rmr_job_result(*job, err);
    if (status != RMR_OK) {
        rmr_job_release(*job);
        *job = NULL;
    }
    return status;
}
