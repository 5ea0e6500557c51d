/*
 * tokenizer_regex_class.c - what stands for one character of a set in a regular
 * expression: escapes, properties and classes in brackets, read as Oniguruma
 * reads them. It must never take what it cannot tell exactly.
 */
#include <stdio.h>
#include <string.h>
#include "tokenizer/regex/tokenizer_regex_parser.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ------------------------------------------------------------------ escapes
 */

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to max digits at p->at; how many there were. */
static size_t read_digits(rmr_regex_parser *p, int base, size_t max,
                          uint32_t *value)
{
    size_t count = 0;
    *value = 0;
    while (count < max) {
        int digit = hex_value(rmr_regex_peek(p, 0));
        if (digit < 0 || digit >= base)
            break;
        *value = *value * (uint32_t)base + (uint32_t)digit;
        p->at++;
        count++;
    }
    return count;
}

static int is_code(uint32_t code)
{
    return code < RMR_CODE_LIMIT && (code < 0xD800 || code > 0xDFFF);
}

/* A number after \x, \o, \u or \0; p->at is after that letter, and the
 * backslash is at `from`. */
static rmr_status read_numbered(rmr_regex_parser *p, size_t from, int kind,
                                uint32_t *code)
{
    int base = kind == 'o' || kind == '0' ? 8 : 16;
    size_t count;
    if (kind != 'u' && kind != '0' && rmr_regex_peek(p, 0) == '{') {
        p->at++;
        count = read_digits(p, base, base == 8 ? 10 : 8, code);
        if (!count || rmr_regex_peek(p, 0) != '}')
            return rmr_regex_refuse(p, from, p->at + 1, "");
        p->at++;
    } else if (kind == 'u') {
        count = read_digits(p, 16, 4, code);
        if (count != 4)
            return rmr_regex_malformed(p, from, "\\u without four digits");
    } else {
        count = read_digits(p, base, 2, code);
        /* Other bytes would be parts of characters. */
        if ((!count && kind != '0') || kind == 'o' || *code >= 0x80)
            return rmr_regex_refuse(p, from, p->at, "");
    }
    if (!is_code(*code))
        return rmr_regex_refuse(p, from, p->at, "not a character");
    return RMR_OK;
}

rmr_status rmr_regex_read_character(rmr_regex_parser *p, size_t from,
                                    int in_class, uint32_t *code)
{
    static const char letters[] = "tnrfvae", values[] = "\t\n\r\f\v\a\x1b";
    int c = rmr_regex_peek(p, 0);
    if (c < 0)
        return rmr_regex_malformed(p, from, "a backslash at the end");
    if (c >= 0x80) {
        p->at += rmr_utf8_decode(p->pattern + p->at, p->len - p->at, code);
        return RMR_OK;
    }
    p->at++;
    if (c == 'x' || c == 'o' || c == 'u' || c == '0')
        return read_numbered(p, from, c, code);
    const char *letter = strchr(letters, c);
    if (c && letter) {
        *code = (unsigned char)values[letter - letters];
        return RMR_OK;
    }
    if (c == 'b' && in_class) {
        *code = '\b';
        return RMR_OK;
    }
    int plain = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (plain || (c >= '0' && c <= '9'))
        return rmr_regex_refuse(p, from, p->at, "");
    *code = (uint32_t)c;
    return RMR_OK;
}

/* {name} or {^name}, p->at being after the \p at `from`: adds to *set, out of
 * order. */
static rmr_status read_property(rmr_regex_parser *p, size_t from, int flags,
                                rmr_code_set *set)
{
    if (rmr_regex_peek(p, 0) != '{')
        return rmr_regex_refuse(p, from, p->at,
                                "without braces it is no property");
    p->at++;
    if (rmr_regex_peek(p, 0) == '^') {
        flags ^= RMR_PROPERTY_INVERTED;
        p->at++;
    }
    const char *name = (const char *)p->pattern + p->at;
    const char *end = memchr(name, '}', p->len - p->at);
    if (!end)
        return rmr_regex_malformed(p, from, "a property without end");
    size_t len = (size_t)(end - name);
    p->at += len + 1;
    int ok = memchr(name, ':', len)
                 ? -1
                 : rmr_code_set_add_property(set, name, len, flags);
    if (ok < 0)
        return rmr_regex_refuse(p, from, p->at, "");
    return ok ? RMR_OK : rmr_regex_nomem(p);
}

rmr_status rmr_regex_read_type(rmr_regex_parser *p, size_t from, int in_class,
                               rmr_code_set *set, int *is_type)
{
    int c = rmr_regex_peek(p, 0), flags = in_class ? RMR_PROPERTY_IN_CLASS : 0,
        ok;
    const char *name = NULL;
    *is_type = 1;
    if (c >= 'A' && c <= 'Z')
        flags ^= RMR_PROPERTY_INVERTED;
    switch (c | 0x20) {
    case 'w':
        name = "word";
        break;
    case 'd':
        name = "digit";
        break;
    case 's':
        name = "space";
        break;
    case 'h':
        name = "xdigit";
        break;
    case 'p':
        break;
    default:
        *is_type = 0;
        return RMR_OK;
    }
    p->at++;
    if (!name)
        return read_property(p, from, flags, set);
    ok = rmr_code_set_add_property(set, name, strlen(name), flags);
    return ok ? RMR_OK : rmr_regex_nomem(p);
}

/* ------------------------------------------------------------------ classes
 */

enum class_token {
    CLASS_CHARACTER,
    CLASS_TYPE, /* a property, already added */
    CLASS_MINUS,
    CLASS_OPEN,
    CLASS_AND,
    CLASS_CLOSE
};

/* Whether "[:" at p->at - 1 begins a POSIX bracket, and how long its name is,
 * '^' included. */
static int is_posix_bracket(const rmr_regex_parser *p, size_t *len)
{
    size_t at = p->at + 1;
    if (rmr_regex_peek(p, 0) != ':')
        return 0;
    for (;; at++) {
        int c = at < p->len ? p->pattern[at] : -1;
        int letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c > 0;
        if (c == ':' && at + 1 < p->len && p->pattern[at + 1] == ']') {
            *len = at - p->at - 1;
            return *len > 0;
        }
        if (!letter && !(c == '^' && at == p->at + 1))
            return 0;
    }
}

static rmr_status read_posix_bracket(rmr_regex_parser *p, size_t len,
                                     rmr_code_set *set)
{
    char name[24];
    size_t from = p->at - 1;
    const char *start = (const char *)p->pattern + p->at + 1;
    int inverted = *start == '^';
    p->at += len + 3;
    start += inverted;
    len -= (size_t)inverted;
    if (len + 5 > sizeof name)
        return rmr_regex_malformed(p, from, "an unknown POSIX bracket");
    for (size_t i = 0; i < len; i++) {
        if (start[i] < 'a')
            return rmr_regex_malformed(p, from, "an unknown POSIX bracket");
    }
    snprintf(name, sizeof name, "[:%.*s:]", (int)len, start);
    int ok = rmr_code_set_add_property(set, name, strlen(name), inverted);
    if (ok < 0)
        return rmr_regex_malformed(p, from, "an unknown POSIX bracket");
    return ok ? RMR_OK : rmr_regex_nomem(p);
}

/* Reads one token of a class. A type is added to *set. */
static rmr_status read_class_token(rmr_regex_parser *p, rmr_code_set *set,
                                   enum class_token *token, uint32_t *code)
{
    size_t from = p->at, len;
    int c = rmr_regex_peek(p, 0), is_type;
    if (c < 0)
        return rmr_regex_malformed(p, p->len, "a class without end");
    *token = CLASS_CHARACTER;
    *code = (uint32_t)c;
    if (c >= 0x80) {
        p->at += rmr_utf8_decode(p->pattern + p->at, p->len - p->at, code);
        return RMR_OK;
    }
    p->at++;
    switch (c) {
    case ']':
        *token = CLASS_CLOSE;
        return RMR_OK;
    case '-':
        *token = CLASS_MINUS;
        return RMR_OK;
    case '&':
        if (rmr_regex_peek(p, 0) == '&') {
            p->at++;
            *token = CLASS_AND;
        }
        return RMR_OK;
    case '[':
        if (is_posix_bracket(p, &len)) {
            *token = CLASS_TYPE;
            return read_posix_bracket(p, len, set);
        }
        *token = CLASS_OPEN;
        return RMR_OK;
    case '\\': {
        rmr_status status = rmr_regex_read_type(p, from, 1, set, &is_type);
        if (status)
            return status;
        if (!is_type)
            return rmr_regex_read_character(p, from, 1, code);
        *token = CLASS_TYPE;
        return RMR_OK;
    }
    default:
        return RMR_OK;
    }
}

/* Where in a class the reader is. */
typedef struct class_reader {
    enum {
        CLASS_START,
        CLASS_AFTER_CHARACTER, /* which may begin a range */
        CLASS_AFTER_TYPE,
        CLASS_IN_RANGE, /* after its '-' */
        CLASS_COMPLETE
    } state;
    uint32_t last;     /* the character that is not yet added */
    rmr_code_set part; /* out of order */
    rmr_code_set all;  /* what was before the last &&, in order */
    int intersected;
} class_reader;

static int class_flush(class_reader *reader)
{
    return reader->state != CLASS_AFTER_CHARACTER ||
           rmr_code_set_add(&reader->part, reader->last, reader->last + 1);
}

static rmr_status class_character(rmr_regex_parser *p, class_reader *reader,
                                  uint32_t code)
{
    if (reader->state == CLASS_IN_RANGE) {
        if (reader->last > code)
            return rmr_regex_malformed(p, p->at,
                                       "a range that is empty before this");
        reader->state = CLASS_COMPLETE;
        return rmr_code_set_add(&reader->part, reader->last, code + 1)
                   ? RMR_OK
                   : rmr_regex_nomem(p);
    }
    if (!class_flush(reader))
        return rmr_regex_nomem(p);
    reader->state = CLASS_AFTER_CHARACTER;
    reader->last = code;
    return RMR_OK;
}

/* A '-' that is no range is a character; *again: `token` is to be read. */
static rmr_status class_minus(rmr_regex_parser *p, class_reader *reader,
                              enum class_token *token, uint32_t *code,
                              int *again)
{
    int after_type = reader->state == CLASS_AFTER_TYPE;
    *again = 0;
    if (reader->state != CLASS_AFTER_CHARACTER && !after_type)
        return class_character(p, reader, '-');
    size_t from = p->at - 1;
    int next = rmr_regex_peek(p, 0);
    int ends = next == ']' || (next == '&' && rmr_regex_peek(p, 1) == '&');
    if (ends)
        return class_character(p, reader, '-');
    if (after_type)
        return rmr_regex_malformed(p, from, "a range that begins with a class");
    reader->state = CLASS_IN_RANGE;
    size_t before = reader->part.count;
    rmr_status status = read_class_token(p, &reader->part, token, code);
    if (status)
        return status;
    if (*token == CLASS_TYPE) {
        reader->part.count = before;
        return rmr_regex_malformed(p, from, "a range that ends with a class");
    }
    if (*token == CLASS_OPEN)
        return rmr_regex_refuse(p, from, p->at,
                                "a range that ends with a class");
    if (*token == CLASS_MINUS)
        return class_character(p, reader, '-');
    *again = 1;
    return RMR_OK;
}

/* What is done with `part` at && and at the end. */
static int class_part_done(class_reader *reader)
{
    int ok = class_flush(reader);
    rmr_code_set_sort(&reader->part);
    if (ok && reader->intersected) {
        ok = rmr_code_set_intersect(&reader->all, &reader->part);
        rmr_code_set_free(&reader->part);
    } else if (ok) {
        rmr_code_set_free(&reader->all);
        reader->all = reader->part;
        reader->part = (rmr_code_set){0};
    }
    reader->intersected = 1;
    reader->state = CLASS_START;
    return ok;
}

static rmr_status read_class(rmr_regex_parser *p, rmr_code_set *out,
                             int *inverted);

static rmr_status class_nested(rmr_regex_parser *p, class_reader *reader)
{
    rmr_code_set inner = {0};
    int inverted;
    if (!class_flush(reader))
        return rmr_regex_nomem(p);
    reader->state = CLASS_COMPLETE;
    rmr_status status = read_class(p, &inner, &inverted);
    if (!status && inverted && !rmr_code_set_invert(&inner))
        status = rmr_regex_nomem(p);
    if (!status && !rmr_code_set_join(&reader->part, &inner))
        status = rmr_regex_nomem(p);
    rmr_code_set_free(&inner);
    return status;
}

static rmr_status read_class_parts(rmr_regex_parser *p, class_reader *reader)
{
    enum class_token token;
    uint32_t code;
    int again = 0;
    for (;;) {
        rmr_status status = RMR_OK;
        if (!again)
            status = read_class_token(p, &reader->part, &token, &code);
        again = 0;
        if (status)
            return status;
        switch (token) {
        case CLASS_CHARACTER:
            status = class_character(p, reader, code);
            break;
        case CLASS_TYPE:
            if (!class_flush(reader))
                return rmr_regex_nomem(p);
            reader->state = CLASS_AFTER_TYPE;
            break;
        case CLASS_MINUS:
            status = class_minus(p, reader, &token, &code, &again);
            break;
        case CLASS_OPEN:
            status = class_nested(p, reader);
            break;
        case CLASS_AND:
            if (!class_part_done(reader))
                return rmr_regex_nomem(p);
            break;
        case CLASS_CLOSE:
            return class_part_done(reader) ? RMR_OK : rmr_regex_nomem(p);
        }
        if (status)
            return status;
    }
}

/* A class, p->at being after its '[': what it holds in order, and whether all
 * else is meant. *out is to be freed also after a failure. */
static rmr_status read_class(rmr_regex_parser *p, rmr_code_set *out,
                             int *inverted)
{
    class_reader reader = {0};
    size_t from = p->at - 1;
    rmr_status status = RMR_OK;
    if (++p->depth > RMR_REGEX_MAX_DEPTH)
        return rmr_regex_refuse(p, from, p->at, "nested too deeply");
    *inverted = rmr_regex_peek(p, 0) == '^';
    p->at += (size_t)*inverted;
    if (rmr_regex_peek(p, 0) == ']') {
        p->at++;
        if (!memchr(p->pattern + p->at, ']', p->len - p->at))
            return rmr_regex_malformed(p, from, "an empty class");
        status = class_character(p, &reader, ']');
    }
    if (!status)
        status = read_class_parts(p, &reader);
    rmr_code_set_free(&reader.part);
    *out = reader.all;
    p->depth--;
    return status;
}

/* Several characters that, without case, are one which a class holds. */
static rmr_status put_class_strings(rmr_regex_parser *p,
                                    const rmr_code_set *set, size_t start,
                                    rmr_regex_piece *out)
{
    size_t num;
    const rmr_fold_string *strings = rmr_fold_strings(&num);
    rmr_status status = RMR_OK;
    for (size_t i = 0; !status && i < num; i++) {
        /* All single ones or none are in a set that was folded. */
        if (!rmr_code_set_has(set, strings[i].same[0]))
            continue;
        if (p->look_behind)
            return rmr_regex_refuse(p, 0, p->len,
                                    "a look-behind without case, where several "
                                    "characters may stand for one");
        status = rmr_regex_put(p, "|");
        if (!status)
            status = rmr_regex_put_folded(p, &strings[i]);
        if (strings[i].len > out->max)
            out->max = strings[i].len;
    }
    out->enclosed = out->max > 1;
    return status || !out->enclosed ? status : rmr_regex_wrap(p, start);
}

rmr_status rmr_regex_parse_class(rmr_regex_parser *p, rmr_regex_piece *out)
{
    rmr_code_set set = {0}, copy = {0};
    int inverted;
    size_t start = p->program->count;
    rmr_status status = read_class(p, &set, &inverted);
    if (!status && p->ignore_case && !rmr_code_set_fold(&set))
        status = rmr_regex_nomem(p);
    if (!status && inverted && !rmr_code_set_invert(&set))
        status = rmr_regex_nomem(p);
    if (!status && p->ignore_case && !inverted &&
        !rmr_code_set_join(&copy, &set))
        status = rmr_regex_nomem(p);
    if (status)
        rmr_code_set_free(&set);
    else
        status = rmr_regex_put_set(p, &set);
    *out = (rmr_regex_piece){.start = start, .min = 1, .max = 1};
    if (!status)
        status = put_class_strings(p, &copy, start, out);
    rmr_code_set_free(&copy);
    return status;
}
