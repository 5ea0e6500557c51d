/*
 * http_error.c - statuses of the core as HTTP, and the error object that every
 * OpenAI client reads. It must never write invalid JSON, however small the
 * buffer or odd the message.
 */
#include "common/wire/http_error.h"

#include <stdio.h>
#include <string.h>

int rmr_http_status(rmr_status status)
{
    switch (status) {
    case RMR_OK:
        return 200;
    case RMR_ERR_FORMAT:
    case RMR_ERR_UNSUPPORTED:
    case RMR_ERR_TOO_LONG:
        return 400;
    case RMR_ERR_BUSY:
        return 429;
    case RMR_ERR_NOMEM:
    case RMR_ERR_CANCELED:
        return 503;
    case RMR_ERR_TIMEOUT:
        return 504;
    default:
        return 500;
    }
}

static const char *error_type(int http_status)
{
    if (http_status == 429)
        return "rate_limit_error";
    return http_status >= 500 ? "server_error" : "invalid_request_error";
}

static const char *default_code(int http_status)
{
    switch (http_status) {
    case 404:
        return "model_not_found";
    case 429:
        return "rate_limit_exceeded";
    case 503:
        return "service_unavailable";
    case 504:
        return "timeout";
    default:
        return NULL;
    }
}

/* ,"name":"value" or ,"name":null */
static size_t write_field(char *buf, size_t cap, const char *name,
                          const char *value)
{
    int len = value ? snprintf(buf, cap, ",\"%s\":\"%s\"", name, value)
                    : snprintf(buf, cap, ",\"%s\":null", name);
    return (size_t)len;
}

/* Escapes as much of text as fits; what is not plain ASCII is written as '?',
 * since a message may have been cut inside a character. */
static size_t write_escaped(char *buf, size_t cap, const char *text)
{
    size_t len = 0;
    for (const char *p = text; *p && len + 2 < cap; p++) {
        if (*p == '"' || *p == '\\')
            buf[len++] = '\\';
        buf[len++] = *p >= 0x20 && *p < 0x7f ? *p : '?';
    }
    return len;
}

size_t rmr_http_write_error(int http_status, const char *message,
                            const char *param, const char *code, char *buf,
                            size_t cap)
{
    static const char head[] = "{\"error\":{\"message\":\"";
    char tail[256] = "\"";
    size_t tail_len = 1;
    tail_len += write_field(tail + tail_len, sizeof tail - tail_len, "type",
                            error_type(http_status));
    tail_len +=
        write_field(tail + tail_len, sizeof tail - tail_len, "param", param);
    tail_len += write_field(tail + tail_len, sizeof tail - tail_len, "code",
                            code ? code : default_code(http_status));
    tail_len += (size_t)snprintf(tail + tail_len, sizeof tail - tail_len, "}}");
    size_t head_len = sizeof head - 1;
    if (cap < head_len + tail_len + 1) {
        if (cap)
            *buf = '\0';
        return 0;
    }
    memcpy(buf, head, head_len);
    size_t len = head_len;
    len += write_escaped(buf + len, cap - tail_len - len, message);
    memcpy(buf + len, tail, tail_len + 1);
    return len + tail_len;
}

size_t rmr_http_error_body(int status, const char *message, char *buf,
                           size_t cap)
{
    return rmr_http_write_error(status, message, NULL, NULL, buf, cap);
}
