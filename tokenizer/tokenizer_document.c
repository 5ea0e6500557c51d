/*
 * tokenizer_document.c - finds the tables of a tokenizer.json, parses the rest
 * as a tree, and reads the tables' entries. It must never look beyond the text
 * it was given, nor let a table pass that a JSON parser would refuse.
 */
#include "tokenizer/tokenizer_document.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ----------------------------------------------------- finding the tables */

/* A way through JSON that only tells values apart; what it cannot follow is
 * left to the parser, which says what is wrong with it. */
typedef struct scan {
    const char *at;
    const char *end;
} scan;

static int is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_spaces(scan *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

static int skip_byte(scan *s, char byte)
{
    skip_spaces(s);
    if (s->at == s->end || *s->at != byte)
        return 0;
    s->at++;
    return 1;
}

/* From behind the opening quote to behind the closing one. */
static int skip_string(scan *s)
{
    while (s->at < s->end && *s->at != '"')
        s->at += *s->at == '\\' ? 2 : 1;
    if (s->at >= s->end)
        return 0;
    s->at++;
    return 1;
}

/* From behind the opening bracket of an array or object to behind its end. */
static int skip_nested(scan *s)
{
    static const signed char steps[256] = {
        ['{'] = 1, ['['] = 1, ['}'] = -1, [']'] = -1, ['"'] = 2};
    for (size_t depth = 1; s->at < s->end;) {
        int step = steps[(unsigned char)*s->at++];
        if (!step)
            continue;
        if (step == 2) {
            if (!skip_string(s))
                return 0;
            continue;
        }
        depth += (size_t)step;
        if (!depth)
            return 1;
    }
    return 0;
}

static int skip_value(scan *s)
{
    skip_spaces(s);
    if (s->at == s->end)
        return 0;
    if (*s->at == '"') {
        s->at++;
        return skip_string(s);
    }
    if (*s->at == '{' || *s->at == '[') {
        s->at++;
        return skip_nested(s);
    }
    while (s->at < s->end && *s->at != ',' && *s->at != '}' && *s->at != ']')
        s->at++;
    return 1;
}

/* A member of an object: its key, without quotes and as it is written, and
 * where its value is. 1; 0 at the end of the object; -1 when lost. */
static int next_member(scan *s, int first, scan *key, scan *value)
{
    if (skip_byte(s, '}'))
        return 0;
    if ((!first && !skip_byte(s, ',')) || !skip_byte(s, '"'))
        return -1;
    key->at = s->at;
    if (!skip_string(s))
        return -1;
    key->end = s->at - 1;
    if (!skip_byte(s, ':'))
        return -1;
    skip_spaces(s);
    value->at = s->at;
    if (!skip_value(s))
        return -1;
    value->end = s->at;
    return 1;
}

static int is_key(const scan *key, const char *name)
{
    size_t len = (size_t)(key->end - key->at);
    return len == strlen(name) && !memcmp(key->at, name, len);
}

static int is_table(const scan *value)
{
    return *value->at == '{' || *value->at == '[';
}

/* The tables among the members of the model. 0 when lost. */
static int find_in_model(rmr_document *d, scan model)
{
    scan key, value;
    int found, first = 1;
    if (!skip_byte(&model, '{'))
        return 1;
    d->vocab.begin = d->merges.begin = NULL;
    while ((found = next_member(&model, first, &key, &value)) > 0) {
        rmr_json_table *table = NULL;
        if (is_key(&key, "vocab"))
            table = &d->vocab;
        if (is_key(&key, "merges"))
            table = &d->merges;
        first = 0;
        /* A second one would have to take the place of the first. */
        if (table && table->begin)
            return 0;
        if (table && is_table(&value)) {
            table->begin = value.at;
            table->end = value.end;
        }
    }
    return !found;
}

static int find_tables(rmr_document *d, const char *text, size_t len)
{
    scan all = {text, text + len}, key, value;
    int found, first = 1, models = 0;
    if (!skip_byte(&all, '{'))
        return 0;
    while ((found = next_member(&all, first, &key, &value)) > 0) {
        first = 0;
        if (is_key(&key, "model") && (models++ || !find_in_model(d, value)))
            return 0;
    }
    return !found;
}

/* -------------------------------------------------------------- the document
 */

/* Appends null and the lines of a table, so that what follows stays in its
 * line. */
static char *put_lines(char *out, const rmr_json_table *table)
{
    memcpy(out, "null", 4);
    out += 4;
    for (const char *at = table->begin;
         (at = memchr(at, '\n', (size_t)(table->end - at))); at++)
        *out++ = '\n';
    return out;
}

/* The text without its tables, allocated; its length in *len. */
static char *cut_tables(const rmr_document *d, size_t *len)
{
    const rmr_json_table *tables[2] = {&d->vocab, &d->merges};
    const char *from = d->text, *end = d->text + *len;
    char *text = rmr_malloc(*len + 16), *out = text;
    if (!text)
        return NULL;
    if (d->vocab.begin && d->merges.begin && d->merges.begin < d->vocab.begin) {
        tables[0] = &d->merges;
        tables[1] = &d->vocab;
    }
    for (int i = 0; i < 2; i++) {
        if (!tables[i]->begin)
            continue;
        memcpy(out, from, (size_t)(tables[i]->begin - from));
        out = put_lines(out + (tables[i]->begin - from), tables[i]);
        from = tables[i]->end;
    }
    memcpy(out, from, (size_t)(end - from));
    *len = (size_t)(out - text) + (size_t)(end - from);
    return text;
}

static rmr_status name_tables(rmr_document *d, rmr_error *err)
{
    size_t room = strlen(d->file) + sizeof ": model.merges";
    d->names = rmr_malloc(2 * room);
    if (!d->names)
        return rmr_fail_nomem(err, d->file);
    snprintf(d->names, room, "%s: model.vocab", d->file);
    snprintf(d->names + room, room, "%s: model.merges", d->file);
    d->vocab.name = d->names;
    d->merges.name = d->names + room;
    return RMR_OK;
}

static rmr_status parse(rmr_document *d, size_t len, rmr_error *err)
{
    if (!find_tables(d, d->text, len))
        d->vocab.begin = d->merges.begin = NULL;
    char *rest = cut_tables(d, &len);
    if (!rest)
        return rmr_fail_nomem(err, d->file);
    rmr_status status = rmr_json_load(&d->root, rest, len, d->file, err);
    rmr_free(rest);
    if (status)
        return status;
    if (!json_is_object(d->root))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s must be an object", d->file);
    d->model = json_object_get(d->root, "model");
    if (!d->model || json_is_null(d->model))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s has no \"model\"", d->file);
    if (!json_is_object(d->model))
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: model must be an object",
                        d->file);
    return name_tables(d, err);
}

rmr_status rmr_document_open(rmr_document *document, const char *text,
                             size_t len, const char *file, rmr_error *err)
{
    *document = (rmr_document){.file = file, .text = text};
    rmr_status status = parse(document, len, err);
    if (status)
        rmr_document_close(document);
    return status;
}

void rmr_document_close(rmr_document *document)
{
    json_decref(document->root);
    rmr_free(document->names);
    *document = (rmr_document){0};
}

/* ------------------------------------------------------------------- cursor */

void rmr_json_cursor_begin(rmr_json_cursor *cursor, const rmr_json_table *table)
{
    *cursor = (rmr_json_cursor){.table = table, .at = table->begin};
}

void rmr_json_cursor_end(rmr_json_cursor *cursor)
{
    rmr_free(cursor->decoded);
    *cursor = (rmr_json_cursor){0};
}

static rmr_status bad(const rmr_json_cursor *c, const char *problem,
                      rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_FORMAT, "%s[%zu] %s", c->table->name,
                    c->index ? c->index - 1 : 0, problem);
}

static void skip(rmr_json_cursor *c)
{
    while (c->at < c->table->end && is_space(*c->at))
        c->at++;
}

/* Past white space, and past a byte when it is the one that comes. */
static int take(rmr_json_cursor *c, char byte)
{
    skip(c);
    if (c->at == c->table->end || *c->at != byte)
        return 0;
    c->at++;
    return 1;
}

/* To the next entry of the table, which begins and ends with these brackets. */
static rmr_status next_entry(rmr_json_cursor *c, const char brackets[2],
                             int *more, rmr_error *err)
{
    const char *begin = c->table->begin;
    *more = 0;
    c->used = 0;
    if (c->at == begin && *begin != brackets[0])
        return rmr_fail(err, RMR_ERR_FORMAT, "%s must be an %s", c->table->name,
                        *brackets == '{' ? "object" : "array");
    if (c->at == begin) {
        c->at++;
        if (take(c, brackets[1]))
            return RMR_OK;
    } else {
        if (take(c, brackets[1]))
            return RMR_OK;
        if (!take(c, ','))
            return bad(c, "is not followed by a comma", err);
    }
    c->index++;
    *more = 1;
    return RMR_OK;
}

/* Four hex digits; -1 when they are not. */
static int32_t read_hex(const char *at, const char *end)
{
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The character of an escape whose letter is at *at; -1 when it is none. */
static int32_t read_escape(const char **at, const char *end)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    if (*at == end)
        return -1;
    char c = *(*at)++;
    if (c && (letter = strchr(letters, c)))
        return meant[letter - letters];
    int32_t code = c == 'u' ? read_hex(*at, end) : -1;
    if (code < 0)
        return -1;
    *at += 4;
    if (code < 0xD800 || code > 0xDFFF)
        return code;
    if (code > 0xDBFF || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return -1;
    int32_t low = read_hex(*at + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    *at += 6;
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

/* Decodes [from, to), which has escapes, into the cursor's room. */
static rmr_status decode(rmr_json_cursor *c, const char *from, const char *to,
                         rmr_json_string *out, rmr_error *err)
{
    /* Both strings of an entry may need room, and the first must not move. */
    if (!c->decoded) {
        c->capacity = (size_t)(c->table->end - c->table->begin);
        c->decoded = rmr_malloc(c->capacity);
        if (!c->decoded)
            return rmr_fail_nomem(err, c->table->name);
    }
    char *begin = c->decoded + c->used, *at = begin;
    while (from < to) {
        if (*from != '\\') {
            *at++ = *from++;
            continue;
        }
        from++;
        int32_t code = read_escape(&from, to);
        if (code < 0)
            return bad(c, "has an escape that is none", err);
        at += rmr_utf8_encode((uint32_t)code, (unsigned char *)at);
    }
    *out = (rmr_json_string){begin, (size_t)(at - begin)};
    c->used += out->len;
    return RMR_OK;
}

static rmr_status read_string(rmr_json_cursor *c, rmr_json_string *out,
                              rmr_error *err)
{
    unsigned char high = 0;
    int escapes = 0;
    if (!take(c, '"'))
        return bad(c, "has no string where one must be", err);
    const char *from = c->at, *at = from;
    for (; at < c->table->end && *at != '"'; at++) {
        high |= (unsigned char)*at;
        if ((unsigned char)*at < 0x20)
            return bad(c, "has a control character in a string", err);
        if (*at == '\\') {
            escapes = 1;
            at++;
        }
    }
    if (at >= c->table->end)
        return bad(c, "has a string without an end", err);
    c->at = at + 1;
    if (high & 0x80 &&
        rmr_utf8_well_formed((const unsigned char *)from, (size_t)(at - from)) <
            (size_t)(at - from))
        return bad(c, "is not UTF-8", err);
    if (escapes)
        return decode(c, from, at, out, err);
    *out = (rmr_json_string){from, (size_t)(at - from)};
    return RMR_OK;
}

rmr_status rmr_json_next_id(rmr_json_cursor *cursor, int *more,
                            rmr_json_string *string, uint32_t *id,
                            rmr_error *err)
{
    rmr_status status = next_entry(cursor, "{}", more, err);
    if (status || !*more)
        return status;
    if ((status = read_string(cursor, string, err)))
        return status;
    if (!take(cursor, ':'))
        return bad(cursor, "has no colon", err);
    skip(cursor);
    const char *at = cursor->at, *end = cursor->table->end;
    uint64_t value = 0;
    while (at < end && *at >= '0' && *at <= '9' && value <= UINT32_MAX)
        value = value * 10 + (uint64_t)(*at++ - '0');
    if (at == cursor->at || (*cursor->at == '0' && at > cursor->at + 1) ||
        value > UINT32_MAX || (at < end && strchr(".eE", *at)))
        return bad(cursor, "has no id from 0 to 4294967295", err);
    *id = (uint32_t)value;
    cursor->at = at;
    return RMR_OK;
}

/* ------------------------------------------------------------------- scores */

/* A decimal as far as it is read: significand * 10^exponent. */
typedef struct decimal {
    uint64_t significand;
    int64_t exponent;
    int full; /* the significand holds no more digits */
} decimal;

/* Digits into the significand while they fit; `step` is what the exponent
 * changes by for one that does, `lost` for one that does not. */
static const char *read_digits(decimal *d, const char *at, const char *end,
                               int step, int lost)
{
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (!d->full && (d->significand > UINT64_MAX / 10 ||
                         d->significand * 10 > UINT64_MAX - digit))
            d->full = 1;
        if (d->full) {
            d->exponent += lost;
        } else {
            d->significand = d->significand * 10 + digit;
            d->exponent += step;
        }
    }
    return at;
}

/* 10^n, 0 <= n <= 308, rounded to nearest as a literal is. */
static double power_of_ten(int n)
{
    static const double exact[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char text[16];
    if (n < (int)(sizeof exact / sizeof *exact))
        return exact[n];
    snprintf(text, sizeof text, "1e%d", n);
    return strtod(text, NULL);
}

/*
 * The reference's parser (serde_json) does not round decimals to nearest: it
 * rounds the significand and then the quotient or product. A score must be the
 * same to the last bit, so this does what it does. 0 when out of range.
 */
static int to_double(decimal d, double *out)
{
    double value = (double)d.significand;
    while (d.exponent < -308 && value != 0) {
        value /= 1e308;
        d.exponent += 308;
    }
    if (value != 0 && d.exponent > 308)
        return 0;
    if (value != 0 && d.exponent >= 0)
        value *= power_of_ten((int)d.exponent);
    else if (value != 0)
        value /= power_of_ten((int)-d.exponent);
    *out = value;
    return isfinite(value);
}

static rmr_status read_number(rmr_json_cursor *c, double *out, rmr_error *err)
{
    const char *end = c->table->end;
    decimal d = {0};
    skip(c);
    int negative = c->at < end && *c->at == '-';
    const char *at = c->at + negative, *digits = at;
    at = read_digits(&d, at, end, 0, 1);
    if (at == digits || (*digits == '0' && at > digits + 1))
        return bad(c, "has no number where one must be", err);
    if (at < end && *at == '.') {
        digits = ++at;
        at = read_digits(&d, at, end, -1, 0);
        if (at == digits)
            return bad(c, "has no number where one must be", err);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        decimal e = {0};
        int minus = ++at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        digits = at;
        at = read_digits(&e, at, end, 0, 0);
        if (at == digits)
            return bad(c, "has no number where one must be", err);
        int64_t most = INT32_MAX;
        int64_t e10 =
            e.significand > (uint64_t)most ? most : (int64_t)e.significand;
        d.exponent += minus ? -e10 : e10;
    }
    c->at = at;
    if (!to_double(d, out))
        return bad(c, "has a number that is too large", err);
    if (negative)
        *out = -*out;
    return RMR_OK;
}

rmr_status rmr_json_next_score(rmr_json_cursor *cursor, int *more,
                               rmr_json_string *string, double *score,
                               rmr_error *err)
{
    rmr_status status = next_entry(cursor, "[]", more, err);
    if (status || !*more)
        return status;
    if (!take(cursor, '['))
        return bad(cursor, "must be an array of a string and a number", err);
    if ((status = read_string(cursor, string, err)))
        return status;
    if (!take(cursor, ','))
        return bad(cursor, "must be an array of a string and a number", err);
    if ((status = read_number(cursor, score, err)))
        return status;
    if (!take(cursor, ']'))
        return bad(cursor, "must be an array of a string and a number", err);
    return RMR_OK;
}

rmr_status rmr_json_next_merge(rmr_json_cursor *cursor, int *more,
                               rmr_json_string *left, rmr_json_string *right,
                               rmr_error *err)
{
    rmr_status status = next_entry(cursor, "[]", more, err);
    if (status || !*more)
        return status;
    *right = (rmr_json_string){0};
    if (!take(cursor, '['))
        return read_string(cursor, left, err);
    if ((status = read_string(cursor, left, err)))
        return status;
    if (!take(cursor, ','))
        return bad(cursor, "must be two strings", err);
    if ((status = read_string(cursor, right, err)))
        return status;
    return take(cursor, ']') ? RMR_OK : bad(cursor, "must be two strings", err);
}
