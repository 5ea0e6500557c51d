/*
 * error.c - statuses, their names, and the sentence that goes with one. It
 * must never print, allocate or keep state.
 */
#include "common/base/error.h"

#include <stdarg.h>
#include <stdio.h>

/* Below U+0020, U+007F, and U+0080 to U+009F, which terminals obey too. */
static void replace_control_characters(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p[0] = p[1] = '?';
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

/* Ends a text that was cut after `len` bytes where a character ends. */
static void cut_between_characters(char *text, size_t len)
{
    size_t lead = len - 1;
    while (lead > 0 && len - lead < 4 && (text[lead] & 0xc0) == 0x80)
        lead--;
    unsigned char first = (unsigned char)text[lead];
    size_t width = first >= 0xf0   ? 4
                   : first >= 0xe0 ? 3
                   : first >= 0xc0 ? 2
                                   : 1;
    if (len - lead < width)
        text[lead] = '\0';
}

rmr_status rmr_fail(rmr_error *err, rmr_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (len >= (int)sizeof err->message)
        cut_between_characters(err->message, sizeof err->message - 1);
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
