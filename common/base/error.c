/*
 * error.c - statuses, their names, and the sentence that goes with one. It
 * must never print, allocate or keep state.
 */
#include "common/base/error.h"

#include <stdarg.h>
#include <stdio.h>

static void replace_control_characters(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

rmr_status rmr_fail(rmr_error *err, rmr_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    replace_control_characters(err->message);
    err->status = status;
    return status;
}

rmr_status rmr_fail_nomem(rmr_error *err, const char *what)
{
    return rmr_fail(err, RMR_ERR_NOMEM, "out of memory for %s", what);
}

const char *rmr_status_name(rmr_status status)
{
    switch (status) {
    case RMR_OK:
        return "ok";
    case RMR_ERR_NOMEM:
        return "out of memory";
    case RMR_ERR_IO:
        return "input/output error";
    case RMR_ERR_FORMAT:
        return "malformed";
    case RMR_ERR_UNSUPPORTED:
        return "unsupported";
    case RMR_ERR_RANGE:
        return "out of range";
    case RMR_ERR_TOO_LONG:
        return "too long";
    case RMR_ERR_BUSY:
        return "busy";
    case RMR_ERR_TIMEOUT:
        return "timed out";
    case RMR_ERR_CANCELED:
        return "canceled";
    case RMR_ERR_DEVICE:
        return "device error";
    }
    return "unknown status";
}

const char *rmr_version(void)
{
    return "0.1.0";
}
