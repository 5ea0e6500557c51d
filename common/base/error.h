/*
 * error.h - how the core reports a failure: a status, and one sentence.
 *
 * A function that fails returns what rmr_fail returned. It never prints, and
 * its sentence never quotes text that was given to be embedded.
 */
#ifndef RMR_BASE_ERROR_H
#define RMR_BASE_ERROR_H

#include "common/remora.h"

/* Fills *err (may be NULL) and returns status. Control characters in the
 * formatted message are replaced by '?', so that a hostile file cannot forge
 * log lines. */
rmr_status rmr_fail(rmr_error *err, rmr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* RMR_ERR_NOMEM with the usual sentence; `what` says for what. */
rmr_status rmr_fail_nomem(rmr_error *err, const char *what);

#endif
