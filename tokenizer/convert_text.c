/*
 * convert_text.c - writes JSON into memory. It must never write a number that
 * is read as another one, nor go on after a failure.
 */
#include "tokenizer/convert_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/tokenizer_document.h"

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
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    rmr_json_put(text, digits);
}

void rmr_json_put_bool(rmr_json_text *text, int truth)
{
    rmr_json_put(text, truth ? "true" : "false");
}

/* ------------------------------------------------------------------- scores */

/* Whether the reader takes the decimal for this score. */
static int reads_as(const char *decimal, double score)
{
    char text[64];
    rmr_json_table table = {text, text, ""};
    rmr_json_cursor cursor;
    rmr_json_string string;
    double read = 0;
    int more = 0;
    table.end += snprintf(text, sizeof text, "[[\"\",%s]]", decimal);
    rmr_json_cursor_begin(&cursor, &table);
    rmr_status status =
        rmr_json_next_score(&cursor, &more, &string, &read, NULL);
    rmr_json_cursor_end(&cursor);
    return !status && more && read == score;
}

/* The reader rounds twice, as the reference does, so that the nearest decimal
 * may give a neighbour; then a decimal beside it with as many digits, or one
 * with more or fewer, gives the score. */
static int find_decimal(char decimal[48], double score)
{
    static const int digits[] = {17, 16, 18, 19, 15};
    static const int steps[] = {0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6};
    for (size_t d = 0; d < sizeof digits / sizeof *digits; d++) {
        char text[48];
        snprintf(text, sizeof text, "%.*e", digits[d] - 1, score);
        char *e = strchr(text, 'e');
        int exponent = atoi(e + 1) - (digits[d] - 1);
        *e = '\0';
        memmove(text + 1, text + 2, strlen(text + 2) + 1);
        uint64_t significand = strtoull(text, NULL, 10);
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
            snprintf(decimal, 48, "%llue%d",
                     (unsigned long long)(significand + (uint64_t)steps[s]),
                     exponent);
            if (reads_as(decimal, score))
                return 1;
        }
    }
    return 0;
}

void rmr_json_put_score(rmr_json_text *text, double score)
{
    char decimal[48];
    double size = fabs(score);
    if (signbit(score))
        rmr_json_put(text, "-");
    if (size == 0) {
        rmr_json_put(text, "0.0");
    } else if (size < 1e15 && size == floor(size)) {
        rmr_json_put_integer(text, (int64_t)size);
    } else if (find_decimal(decimal, size)) {
        rmr_json_put(text, decimal);
    } else if (!text->failed) {
        text->failed = RMR_ERR_FORMAT;
    }
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
