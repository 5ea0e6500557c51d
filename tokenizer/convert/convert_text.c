/*
 * convert_text.c - writes JSON into memory. It must never go on after a
 * failure.
 */
#include "tokenizer/convert/convert_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

/* No real tokenizer comes near; merges of a hostile one grow without end. */
static const size_t max_text = (size_t)512 << 20;

void rmr_json_text_free(rmr_json_text *text)
{
    rmr_free(text->bytes);
    *text = (rmr_json_text){0};
}

/* Room for len bytes more; NULL after a failure. */
static char *reserve(rmr_json_text *text, size_t len)
{
    if (text->failed)
        return NULL;
    if (len > max_text - text->len) {
        text->failed = RMR_ERR_RANGE;
        return NULL;
    }
    char *grown =
        rmr_grow(text->bytes, &text->capacity, text->len + len + 1, 1);
    if (!grown) {
        text->failed = RMR_ERR_NOMEM;
        return NULL;
    }
    text->bytes = grown;
    return grown + text->len;
}

void rmr_json_put_bytes(rmr_json_text *text, const char *json, size_t len)
{
    char *to = reserve(text, len);
    if (to && len) {
        memcpy(to, json, len);
        text->len += len;
    }
}

void rmr_json_put(rmr_json_text *text, const char *json)
{
    rmr_json_put_bytes(text, json, strlen(json));
}

void rmr_json_put_string(rmr_json_text *text, const char *string, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    char *to = len > max_text ? reserve(text, len) : reserve(text, 6 * len + 2);
    if (!to)
        return;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)string[i];
        if (c < 0x20) {
            memcpy(to, "\\u00", 4);
            to[4] = hex[c >> 4];
            to[5] = hex[c & 15];
            to += 6;
            continue;
        }
        if (c == '"' || c == '\\')
            *to++ = '\\';
        *to++ = (char)c;
    }
    *to++ = '"';
    text->len = (size_t)(to - text->bytes);
}

void rmr_json_put_integer(rmr_json_text *text, int64_t number)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        *--at = '-';
    rmr_json_put_bytes(text, at, (size_t)(digits + sizeof digits - at));
}

void rmr_json_put_bool(rmr_json_text *text, int truth)
{
    rmr_json_put(text, truth ? "true" : "false");
}

void rmr_json_put_float(rmr_json_text *text, float number)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.9g", number);
    rmr_json_put(text, digits);
}

void rmr_json_put_double(rmr_json_text *text, double number)
{
    char digits[48];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    rmr_json_put(text, digits);
}

/* ------------------------------------------------------------------- base64 */

void rmr_json_put_base64(rmr_json_text *text, const unsigned char *bytes,
                         size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = len > max_text ? reserve(text, len)
                              : reserve(text, (len + 2) / 3 * 4 + 2);
    if (!to)
        return;
    *to++ = '"';
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes[i + 2] : 0;
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[bits & 63] : '=';
    }
    *to++ = '"';
    text->len = (size_t)(to - text->bytes);
}
