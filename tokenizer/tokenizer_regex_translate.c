/*
 * tokenizer_regex_translate.c - from Oniguruma's syntax, as the reference
 * reads it, to the part of PCRE2's that means the same without any table of
 * characters. Every class, escape and letter becomes a set of code points from
 * the reference's own answers. A construct that is not known to match the same
 * is refused by name; nothing is ever passed on unread.
 */
#include <stdio.h>
#include <string.h>
#include "common/base/alloc.h"
#include "tokenizer/tokenizer_regex_translate.h"
#include "tokenizer/tokenizer_utf8.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum {
    MAX_DEPTH = 100,    /* of groups and classes */
    MAX_REPEAT = 65535, /* PCRE2's */
    NO_END = MAX_REPEAT + 1
};
#define MANY ((size_t)1 << 40) /* a length that has no limit */

typedef struct parser {
    const unsigned char *pattern;
    size_t len;
    size_t at;
    const char *name;
    rmr_error *err;
    rmr_regex_program *program;
    int ignore_case; /* (?i) */
    int dot_all;     /* (?m) */
    int extended;    /* (?x) */
    int look_behind; /* inside of one; 2: of a negative one */
    unsigned depth;
} parser;

/* What a quantifier can apply to, as it was written to the program from
 * `start`. */
typedef struct piece {
    size_t start;
    size_t min; /* letters that it matches */
    size_t max;
    int anchor;   /* what the reference lets nothing repeat */
    int enclosed; /* in parentheses of its own */
    /* When all of it is one quantified thing: */
    int quantified;
    unsigned low;
    unsigned high;
    int greedy;
    size_t body; /* where the thing is in the program */
    size_t body_end;
    size_t body_min;
    size_t body_max;
    /* The letters without case at its edges that the reference may read as one
     * string with those beside them; 0: none. */
    uint32_t first;
    uint32_t last;
} piece;

/* ------------------------------------------------------------------- errors
 */

static rmr_status nomem(parser *p)
{
    return rmr_fail_nomem(p->err, "a regular expression");
}

static rmr_status malformed(parser *p, size_t at, const char *what)
{
    return rmr_fail(p->err, RMR_ERR_FORMAT,
                    "%s is not a regular expression: %s at offset %zu.",
                    p->name, what, at);
}

/* Names pattern[from, to) as what is not supported. */
static rmr_status refuse(parser *p, size_t from, size_t to, const char *why)
{
    size_t end = from;
    while (end < to && end < p->len) {
        uint32_t code;
        size_t size = rmr_utf8_decode(p->pattern + end, p->len - end, &code);
        if (end + size - from > 24)
            break;
        end += size;
    }
    return rmr_fail(p->err, RMR_ERR_UNSUPPORTED,
                    "%s: \"%.*s\" at offset %zu is not supported%s%s.", p->name,
                    (int)(end - from), (const char *)p->pattern + from, from,
                    *why ? ": " : "", why);
}

/* ------------------------------------------------------------------ writing
 */

static rmr_status put_code(parser *p, uint16_t value)
{
    rmr_regex_program *program = p->program;
    if (program->count == program->capacity) {
        uint16_t *code = rmr_grow(program->code, &program->capacity,
                                  program->count + 1, sizeof *code);
        if (!code)
            return nomem(p);
        program->code = code;
    }
    program->code[program->count++] = value;
    return RMR_OK;
}

static rmr_status put(parser *p, const char *text)
{
    for (; *text; text++) {
        rmr_status status = put_code(p, (unsigned char)*text);
        if (status)
            return status;
    }
    return RMR_OK;
}

static rmr_status put_number(parser *p, unsigned value)
{
    char digits[12];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return put(p, digits + at);
}

/* Writes what stands for a set in order, which is used up whatever happens. */
static rmr_status put_set(parser *p, rmr_code_set *set)
{
    rmr_regex_program *program = p->program;
    size_t i = 0;
    while (i < program->num_sets && !rmr_code_set_equal(set, &program->sets[i]))
        i++;
    if (i < program->num_sets) {
        rmr_code_set_free(set);
    } else if (i == RMR_REGEX_MAX_SETS) {
        rmr_code_set_free(set);
        return refuse(p, 0, p->len, "it has too many different characters");
    } else {
        program->sets[program->num_sets++] = *set;
    }
    return put_code(p, (uint16_t)(256 + i));
}

/* Puts a set in order, inverts it if asked to, and writes it. */
static rmr_status finish_set(parser *p, rmr_code_set *set, int ok, int inverted)
{
    if (ok) {
        rmr_code_set_sort(set);
        if (!inverted || rmr_code_set_invert(set))
            return put_set(p, set);
    }
    rmr_code_set_free(set);
    return nomem(p);
}

static rmr_status put_property(parser *p, const char *name, int inverted)
{
    rmr_code_set set = {0};
    int ok = rmr_code_set_add_property(&set, name, strlen(name), inverted);
    return finish_set(p, &set, ok > 0, 0);
}

/* What is the same as `code` without case, or `code` alone. */
static rmr_status put_letter(parser *p, uint32_t code, int ignore_case)
{
    rmr_code_set set = {0};
    int ok = ignore_case ? rmr_code_set_add_folded(&set, code)
                         : rmr_code_set_add(&set, code, code + 1);
    return finish_set(p, &set, ok, 0);
}

static rmr_status wrap(parser *p, size_t start)
{
    rmr_status status = put(p, "(?:)");
    if (status)
        return status;
    uint16_t *code = p->program->code;
    size_t count = p->program->count;
    memmove(code + start + 3, code + start, (count - 4 - start) * sizeof *code);
    code[start] = '(';
    code[start + 1] = '?';
    code[start + 2] = ':';
    code[count - 1] = ')';
    return RMR_OK;
}

/* ------------------------------------------------------------------ letters
 */

/* The characters of one string, as far as the reference reads them as one. */
typedef struct run {
    uint32_t *codes;
    size_t count;
    size_t capacity;
} run;

static rmr_status run_add(parser *p, run *letters, uint32_t code)
{
    if (letters->count == letters->capacity) {
        uint32_t *codes = rmr_grow(letters->codes, &letters->capacity,
                                   letters->count + 1, sizeof *codes);
        if (!codes)
            return nomem(p);
        letters->codes = codes;
    }
    letters->codes[letters->count++] = code;
    return RMR_OK;
}

/* Those that begin `codes`, the longest; NULL: none. */
static const rmr_fold_string *find_fold_string(const uint32_t *codes,
                                               size_t count)
{
    size_t num;
    const rmr_fold_string *strings = rmr_fold_strings(&num);
    for (size_t i = num; i-- > 0;) {
        size_t n = 0;
        while (n < strings[i].len && n < count &&
               rmr_code_same_folded(codes[n], strings[i].codes[n]))
            n++;
        if (n == strings[i].len)
            return &strings[i];
    }
    return NULL;
}

/* What `code` alone is several characters of; NULL: none. */
static const rmr_fold_string *find_unfolded(uint32_t code)
{
    size_t num;
    const rmr_fold_string *strings = rmr_fold_strings(&num);
    for (size_t i = 0; i < num; i++) {
        for (uint32_t n = 0; n < strings[i].num_same; n++) {
            if (strings[i].same[n] == code)
                return &strings[i];
        }
    }
    return NULL;
}

/* Whether a followed by b may be one character without case. */
static int may_fold(uint32_t a, uint32_t b)
{
    size_t num;
    const rmr_fold_string *strings = rmr_fold_strings(&num);
    for (size_t i = 0; a && b && i < num; i++) {
        for (uint32_t n = 0; n + 1 < strings[i].len; n++) {
            if (rmr_code_same_folded(a, strings[i].codes[n]) &&
                rmr_code_same_folded(b, strings[i].codes[n + 1]))
                return 1;
        }
    }
    return 0;
}

static rmr_status put_fold_sequence(parser *p, const rmr_fold_string *string)
{
    rmr_status status = RMR_OK;
    for (uint32_t i = 0; !status && i < string->len; i++)
        status = put_letter(p, string->codes[i], 1);
    return status;
}

/* Either of the single characters, or the several. */
static rmr_status put_fold_string(parser *p, const rmr_fold_string *string)
{
    rmr_status status = put(p, "(?:");
    if (!status)
        status = put_letter(p, string->same[0], 1);
    if (!status)
        status = put(p, "|");
    if (!status)
        status = put_fold_sequence(p, string);
    return status ? status : put(p, ")");
}

/* Writes codes as the reference compares them: from the left, the longest
 * that is one character without case. */
static rmr_status put_letters(parser *p, const uint32_t *codes, size_t count,
                              piece *out)
{
    rmr_status status = RMR_OK;
    *out = (piece){.start = p->program->count};
    if (p->ignore_case) {
        out->first = codes[0];
        out->last = codes[count - 1];
    }
    for (size_t i = 0; !status && i < count;) {
        const rmr_fold_string *string = NULL;
        size_t used = 1;
        if (p->ignore_case) {
            string = find_fold_string(codes + i, count - i);
            if (string)
                used = string->len;
            else
                string = find_unfolded(codes[i]);
        }
        if (string && p->look_behind)
            return refuse(p, 0, p->len,
                          "a look-behind without case, where several "
                          "characters may stand for one");
        if (string)
            status = put_fold_string(p, string);
        else
            status = put_letter(p, codes[i], p->ignore_case);
        out->min++;
        out->max += string ? string->len : 1;
        i += used;
    }
    return status;
}

/* ------------------------------------------------------------------ escapes
 */

static int peek(const parser *p, size_t ahead)
{
    return p->len - p->at > ahead ? p->pattern[p->at + ahead] : -1;
}

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to max digits at p->at; how many there were. */
static size_t read_digits(parser *p, int base, size_t max, uint32_t *value)
{
    size_t count = 0;
    *value = 0;
    while (count < max) {
        int digit = hex_value(peek(p, 0));
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
static rmr_status read_numbered(parser *p, size_t from, int kind,
                                uint32_t *code)
{
    int base = kind == 'o' || kind == '0' ? 8 : 16;
    size_t count;
    if (kind != 'u' && kind != '0' && peek(p, 0) == '{') {
        p->at++;
        count = read_digits(p, base, base == 8 ? 10 : 8, code);
        if (!count || peek(p, 0) != '}')
            return refuse(p, from, p->at + 1, "");
        p->at++;
    } else if (kind == 'u') {
        count = read_digits(p, 16, 4, code);
        if (count != 4)
            return malformed(p, from, "\\u without four digits");
    } else {
        count = read_digits(p, base, 2, code);
        /* Other bytes would be parts of characters. */
        if ((!count && kind != '0') || kind == 'o' || *code >= 0x80)
            return refuse(p, from, p->at, "");
    }
    if (!is_code(*code))
        return refuse(p, from, p->at, "not a character");
    return RMR_OK;
}

/*
 * An escape that is one character, in or out of a class; p->at is after the
 * backslash at `from`.
 */
static rmr_status read_character(parser *p, size_t from, int in_class,
                                 uint32_t *code)
{
    static const char letters[] = "tnrfvae", values[] = "\t\n\r\f\v\a\x1b";
    int c = peek(p, 0);
    if (c < 0)
        return malformed(p, from, "a backslash at the end");
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
        return refuse(p, from, p->at, "");
    *code = (uint32_t)c;
    return RMR_OK;
}

/* {name} or {^name}, p->at being after the \p at `from`: adds to *set, out of
 * order. */
static rmr_status read_property(parser *p, size_t from, int flags,
                                rmr_code_set *set)
{
    if (peek(p, 0) != '{')
        return refuse(p, from, p->at, "without braces it is no property");
    p->at++;
    if (peek(p, 0) == '^') {
        flags ^= RMR_PROPERTY_INVERTED;
        p->at++;
    }
    const char *name = (const char *)p->pattern + p->at;
    const char *end = memchr(name, '}', p->len - p->at);
    if (!end)
        return malformed(p, from, "a property without end");
    size_t len = (size_t)(end - name);
    p->at += len + 1;
    int ok = memchr(name, ':', len)
                 ? -1
                 : rmr_code_set_add_property(set, name, len, flags);
    if (ok < 0)
        return refuse(p, from, p->at, "");
    return ok ? RMR_OK : nomem(p);
}

/*
 * \w, \p{..} and the like, p->at being after the backslash at `from`: adds to
 * *set, out of order. *is_type is 0 when it is something else, and then
 * nothing is read.
 */
static rmr_status read_type(parser *p, size_t from, int in_class,
                            rmr_code_set *set, int *is_type)
{
    int c = peek(p, 0), flags = in_class ? RMR_PROPERTY_IN_CLASS : 0, ok;
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
    return ok ? RMR_OK : nomem(p);
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
static int is_posix_bracket(const parser *p, size_t *len)
{
    size_t at = p->at + 1;
    if (peek(p, 0) != ':')
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

static rmr_status read_posix_bracket(parser *p, size_t len, rmr_code_set *set)
{
    char name[24];
    size_t from = p->at - 1;
    const char *start = (const char *)p->pattern + p->at + 1;
    int inverted = *start == '^';
    p->at += len + 3;
    start += inverted;
    len -= (size_t)inverted;
    if (len + 5 > sizeof name)
        return malformed(p, from, "an unknown POSIX bracket");
    for (size_t i = 0; i < len; i++) {
        if (start[i] < 'a')
            return malformed(p, from, "an unknown POSIX bracket");
    }
    snprintf(name, sizeof name, "[:%.*s:]", (int)len, start);
    int ok = rmr_code_set_add_property(set, name, strlen(name), inverted);
    if (ok < 0)
        return malformed(p, from, "an unknown POSIX bracket");
    return ok ? RMR_OK : nomem(p);
}

/* Reads one token of a class. A type is added to *set. */
static rmr_status read_class_token(parser *p, rmr_code_set *set,
                                   enum class_token *token, uint32_t *code)
{
    size_t from = p->at, len;
    int c = peek(p, 0), is_type;
    if (c < 0)
        return malformed(p, p->len, "a class without end");
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
        if (peek(p, 0) == '&') {
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
        rmr_status status = read_type(p, from, 1, set, &is_type);
        if (status)
            return status;
        if (!is_type)
            return read_character(p, from, 1, code);
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

static rmr_status class_character(parser *p, class_reader *reader,
                                  uint32_t code)
{
    if (reader->state == CLASS_IN_RANGE) {
        if (reader->last > code)
            return malformed(p, p->at, "a range that is empty before this");
        reader->state = CLASS_COMPLETE;
        return rmr_code_set_add(&reader->part, reader->last, code + 1)
                   ? RMR_OK
                   : nomem(p);
    }
    if (!class_flush(reader))
        return nomem(p);
    reader->state = CLASS_AFTER_CHARACTER;
    reader->last = code;
    return RMR_OK;
}

/* A '-' that is no range is a character; *again: `token` is to be read. */
static rmr_status class_minus(parser *p, class_reader *reader,
                              enum class_token *token, uint32_t *code,
                              int *again)
{
    int after_type = reader->state == CLASS_AFTER_TYPE;
    *again = 0;
    if (reader->state != CLASS_AFTER_CHARACTER && !after_type)
        return class_character(p, reader, '-');
    size_t from = p->at - 1;
    int next = peek(p, 0);
    int ends = next == ']' || (next == '&' && peek(p, 1) == '&');
    if (ends)
        return class_character(p, reader, '-');
    if (after_type)
        return malformed(p, from, "a range that begins with a class");
    reader->state = CLASS_IN_RANGE;
    size_t before = reader->part.count;
    rmr_status status = read_class_token(p, &reader->part, token, code);
    if (status)
        return status;
    if (*token == CLASS_TYPE) {
        reader->part.count = before;
        return malformed(p, from, "a range that ends with a class");
    }
    if (*token == CLASS_OPEN)
        return refuse(p, from, p->at, "a range that ends with a class");
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

static rmr_status read_class(parser *p, rmr_code_set *out, int *inverted);

static rmr_status class_nested(parser *p, class_reader *reader)
{
    rmr_code_set inner = {0};
    int inverted;
    if (!class_flush(reader))
        return nomem(p);
    reader->state = CLASS_COMPLETE;
    rmr_status status = read_class(p, &inner, &inverted);
    if (!status && inverted && !rmr_code_set_invert(&inner))
        status = nomem(p);
    if (!status && !rmr_code_set_join(&reader->part, &inner))
        status = nomem(p);
    rmr_code_set_free(&inner);
    return status;
}

static rmr_status read_class_parts(parser *p, class_reader *reader)
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
                return nomem(p);
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
                return nomem(p);
            break;
        case CLASS_CLOSE:
            return class_part_done(reader) ? RMR_OK : nomem(p);
        }
        if (status)
            return status;
    }
}

/* A class, p->at being after its '[': what it holds in order, and whether all
 * else is meant. *out is to be freed also after a failure. */
static rmr_status read_class(parser *p, rmr_code_set *out, int *inverted)
{
    class_reader reader = {0};
    size_t from = p->at - 1;
    rmr_status status = RMR_OK;
    if (++p->depth > MAX_DEPTH)
        return refuse(p, from, p->at, "nested too deeply");
    *inverted = peek(p, 0) == '^';
    p->at += (size_t)*inverted;
    if (peek(p, 0) == ']') {
        p->at++;
        if (!memchr(p->pattern + p->at, ']', p->len - p->at))
            return malformed(p, from, "an empty class");
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
static rmr_status put_class_strings(parser *p, const rmr_code_set *set,
                                    size_t start, piece *out)
{
    size_t num;
    const rmr_fold_string *strings = rmr_fold_strings(&num);
    rmr_status status = RMR_OK;
    for (size_t i = 0; !status && i < num; i++) {
        /* All single ones or none are in a set that was folded. */
        if (!rmr_code_set_has(set, strings[i].same[0]))
            continue;
        if (p->look_behind)
            return refuse(p, 0, p->len,
                          "a look-behind without case, where several "
                          "characters may stand for one");
        status = put(p, "|");
        if (!status)
            status = put_fold_sequence(p, &strings[i]);
        if (strings[i].len > out->max)
            out->max = strings[i].len;
    }
    out->enclosed = out->max > 1;
    return status || !out->enclosed ? status : wrap(p, start);
}

static rmr_status parse_class(parser *p, piece *out)
{
    rmr_code_set set = {0}, copy = {0};
    int inverted;
    size_t start = p->program->count;
    rmr_status status = read_class(p, &set, &inverted);
    if (!status && p->ignore_case && !rmr_code_set_fold(&set))
        status = nomem(p);
    if (!status && inverted && !rmr_code_set_invert(&set))
        status = nomem(p);
    if (!status && p->ignore_case && !inverted &&
        !rmr_code_set_join(&copy, &set))
        status = nomem(p);
    if (status)
        rmr_code_set_free(&set);
    else
        status = put_set(p, &set);
    *out = (piece){.start = start, .min = 1, .max = 1};
    if (!status)
        status = put_class_strings(p, &copy, start, out);
    rmr_code_set_free(&copy);
    return status;
}

/* ----------------------------------------------------- what is not a letter
 */

static rmr_status put_any(parser *p, int newline_too)
{
    rmr_code_set set = {0};
    int ok = rmr_code_set_add(&set, 0, newline_too ? RMR_CODE_LIMIT : '\n');
    ok =
        ok && (newline_too || rmr_code_set_add(&set, '\n' + 1, RMR_CODE_LIMIT));
    return finish_set(p, &set, ok, 0);
}

static rmr_status put_word_boundary(parser *p, int inverted)
{
    static const char *const parts[2][5] = {
        {"(?:(?<=", ")(?!", ")|(?<!", ")(?=", "))"},
        {"(?:(?<=", ")(?=", ")|(?<!", ")(?!", "))"},
    };
    rmr_status status = put(p, parts[inverted][0]);
    for (int i = 1; !status && i < 5; i++) {
        status = put_property(p, "word", 0);
        if (!status)
            status = put(p, parts[inverted][i]);
    }
    return status;
}

/* "\r\n", or one that ends a line. */
static rmr_status put_newline(parser *p)
{
    rmr_code_set set = {0};
    rmr_status status = put(p, "(?>");
    if (!status)
        status = put_letter(p, '\r', 0);
    if (!status)
        status = put_letter(p, '\n', 0);
    if (!status)
        status = put(p, "|");
    if (status)
        return status;
    int ok = rmr_code_set_add(&set, '\n', '\r' + 1) &&
             rmr_code_set_add(&set, 0x85, 0x86) &&
             rmr_code_set_add(&set, 0x2028, 0x202A);
    status = finish_set(p, &set, ok, 0);
    return status ? status : put(p, ")");
}

/* Escapes that are no letter; *done is 0 when it is one. p->at is after the
 * backslash at `from`. */
static rmr_status parse_escape(parser *p, size_t from, piece *out, int *done)
{
    rmr_code_set set = {0};
    int c = peek(p, 0);
    *done = 1;
    *out = (piece){.start = p->program->count, .min = 1, .max = 1};
    rmr_status status = read_type(p, from, 0, &set, done);
    if (*done && !status)
        return finish_set(p, &set, 1, 0);
    rmr_code_set_free(&set);
    if (status)
        return status;
    *done = 1;
    p->at++;
    if (p->look_behind && (c | 0x20) == 'z')
        return refuse(p, from, p->at, "in a look-behind");
    if (c > 0 && strchr("AzZbB", c)) {
        static const char *const same[] = {"\\A", "\\z", "\\Z"};
        *out = (piece){.start = p->program->count, .anchor = 1};
        if ((c | 0x20) == 'b')
            return put_word_boundary(p, c == 'B');
        return put(p, same[c == 'A' ? 0 : c == 'z' ? 1 : 2]);
    }
    if (c == 'R') {
        out->max = 2;
        out->enclosed = 1;
        return put_newline(p);
    }
    if (c == 'N' || c == 'O')
        return put_any(p, c == 'O');
    p->at--;
    *done = 0;
    return RMR_OK;
}

/* -------------------------------------------------------------- quantifiers
 */

typedef struct quantifier {
    unsigned low;
    unsigned high; /* or NO_END */
    int greedy;
    int possessive;
} quantifier;

/* A decimal number, or -1; too large ones are above MAX_REPEAT. */
static long read_decimal(const parser *p, size_t *at)
{
    long value = 0;
    size_t start = *at;
    while (*at < p->len && p->pattern[*at] >= '0' && p->pattern[*at] <= '9') {
        if (value <= MAX_REPEAT)
            value = value * 10 + (p->pattern[*at] - '0');
        (*at)++;
    }
    return *at == start ? -1 : value;
}

/* {n}, {n,}, {,m} or {n,m} at p->at; 0 when it is not one, and a letter. */
static int read_interval(parser *p, long *low, long *high, int *fixed)
{
    size_t at = p->at + 1;
    *low = read_decimal(p, &at);
    *fixed = 0;
    if (at < p->len && p->pattern[at] == ',') {
        at++;
        *high = read_decimal(p, &at);
        if (*low < 0 && *high < 0)
            return 0;
        if (*low < 0)
            *low = 0;
        if (*high < 0)
            *high = NO_END;
        else if (*high > MAX_REPEAT)
            *high = NO_END + 1;
    } else {
        if (*low < 0)
            return 0;
        *high = *low;
        *fixed = 1;
    }
    if (at >= p->len || p->pattern[at] != '}')
        return 0;
    p->at = at + 1;
    return 1;
}

/* Reads a quantifier, if there is one. */
static rmr_status read_quantifier(parser *p, quantifier *q, int *found)
{
    size_t from = p->at;
    int c = peek(p, 0), fixed = 0;
    long low = c == '+', high = c == '?' ? 1 : NO_END;
    *found = c == '*' || c == '+' || c == '?';
    *q = (quantifier){.greedy = 1};
    if (*found)
        p->at++;
    else if (c == '{')
        *found = read_interval(p, &low, &high, &fixed);
    if (!*found)
        return RMR_OK;
    if (low > MAX_REPEAT || high > NO_END)
        return refuse(p, from, p->at, "too many repeats");
    if (low > high) { /* {5,2} is a possessive {2,5} */
        long other = low;
        low = high;
        high = other;
        q->possessive = 1;
    } else if (!fixed && peek(p, 0) == '?') {
        p->at++;
        q->greedy = 0;
    } else if (c != '{' && peek(p, 0) == '+') {
        p->at++;
        q->possessive = 1;
    }
    q->low = (unsigned)low;
    q->high = (unsigned)high;
    return RMR_OK;
}

static rmr_status put_quantifier(parser *p, const quantifier *q)
{
    rmr_status status;
    if (q->low == 0 && q->high == 1)
        status = put(p, "?");
    else if (q->low <= 1 && q->high == NO_END)
        status = put(p, q->low ? "+" : "*");
    else {
        status = put(p, "{");
        if (!status)
            status = put_number(p, q->low);
        if (!status && q->high != q->low)
            status = put(p, ",");
        if (!status && q->high != q->low && q->high != NO_END)
            status = put_number(p, q->high);
        if (!status)
            status = put(p, "}");
    }
    if (!status && !q->greedy)
        status = put(p, "?");
    if (!status && q->possessive)
        status = put(p, "+");
    return status;
}

static int is_popular(unsigned low, unsigned high)
{
    return (low == 0 && high == 1) || (low <= 1 && high == NO_END);
}

static size_t times(size_t length, unsigned count)
{
    if (!length || !count)
        return 0;
    if (count == NO_END || length >= MANY / count)
        return MANY;
    return length * count;
}

/*
 * Repeats a repeated thing. The reference makes one quantifier of two of ?, *
 * and +; so do we where both are greedy. 0 in *done: nothing was done.
 */
static rmr_status quantify_again(parser *p, size_t from, piece *target,
                                 quantifier *q, int *done)
{
    *done = 0;
    if (!target->quantified || !is_popular(target->low, target->high) ||
        !is_popular(q->low, q->high))
        return RMR_OK;
    if (!target->greedy || !q->greedy)
        return refuse(p, from, p->at, "a quantifier of a quantifier");
    /* What is written of the first one is taken back, with any (?: ) around
     * the whole. */
    size_t size = target->body_end - target->body;
    uint16_t *code = p->program->code;
    memmove(code + target->start, code + target->body, size * sizeof *code);
    p->program->count = target->start + size;
    target->body = target->start;
    target->body_end = p->program->count;
    q->low = target->low && q->low;
    q->high = target->high == NO_END || q->high == NO_END ? NO_END : 1;
    target->min = target->body_min;
    target->max = target->body_max;
    *done = 1;
    return RMR_OK;
}

/* Applies a quantifier that was read from `from` on to the last piece. */
static rmr_status quantify(parser *p, size_t from, piece *target, quantifier q)
{
    int merged;
    rmr_status status;
    if (target->anchor)
        return malformed(p, from, "nothing that can be repeated before this");
    if (q.low == 1 && q.high == 1 && !q.possessive)
        return RMR_OK;
    status = quantify_again(p, from, target, &q, &merged);
    if (status)
        return status;
    if (!target->min && q.high > 1)
        return refuse(p, from, p->at, "it repeats what may be empty");
    if (!merged) {
        if (!target->enclosed && p->program->count - target->start > 1)
            status = wrap(p, target->start);
        if (status)
            return status;
        target->body = target->start;
        target->body_end = p->program->count;
    }
    status = put_quantifier(p, &q);
    target->enclosed = 0;
    target->quantified = !q.possessive;
    target->low = q.low;
    target->high = q.high;
    target->greedy = q.greedy;
    target->body_min = target->min;
    target->body_max = target->max;
    target->min = times(target->min, q.low);
    target->max = times(target->max, q.high);
    target->first = target->last = 0;
    return status;
}

/* ------------------------------------------------------------------- groups
 */

static rmr_status parse_alternatives(parser *p, piece *out);

/* (?#...): p->at is at its '('. */
static rmr_status skip_comment(parser *p)
{
    size_t from = p->at;
    for (p->at += 3; p->at < p->len; p->at++) {
        if (p->pattern[p->at] == ')') {
            p->at++;
            return RMR_OK;
        }
        if (p->pattern[p->at] == '\\')
            p->at++;
    }
    return malformed(p, from, "a comment without end");
}

/* Comments, and under (?x) white space. */
static rmr_status skip_ignored(parser *p)
{
    rmr_status status = RMR_OK;
    while (!status && p->at < p->len) {
        int c = peek(p, 0);
        if (c == '(' && peek(p, 1) == '?' && peek(p, 2) == '#') {
            status = skip_comment(p);
        } else if (p->extended && c && strchr(" \t\n\r\f", c)) {
            p->at++;
        } else if (p->extended && c == '#') {
            while (p->at < p->len && p->pattern[p->at++] != '\n')
                ;
        } else {
            break;
        }
    }
    return status;
}

/* Everything up to the ')' of a group, the first part of which is written as
 * `opening`; p->at is after the part of it that is in the pattern. */
static rmr_status parse_group(parser *p, size_t from, const char *opening,
                              piece *out)
{
    size_t start = p->program->count;
    rmr_status status = put(p, opening);
    if (!status)
        status = parse_alternatives(p, out);
    if (!status && peek(p, 0) != ')')
        status = malformed(p, from, "a group without end");
    if (status)
        return status;
    p->at++;
    out->start = start;
    out->enclosed = 1;
    return put(p, ")");
}

/* What the reference takes for one thing with nothing beside it. */
static void seal(piece *out)
{
    out->quantified = 0;
    out->anchor = 0;
    out->first = out->last = 0;
}

static rmr_status parse_look_behind(parser *p, size_t from, piece *out)
{
    if (p->look_behind)
        return refuse(p, from, p->at, "in a look-behind");
    int negative = p->pattern[p->at - 1] == '!';
    p->look_behind = 1 + negative;
    rmr_status status = parse_group(p, from, negative ? "(?<!" : "(?<=", out);
    p->look_behind = 0;
    *out = (piece){.start = out->start, .anchor = 1, .enclosed = 1};
    return status;
}

static rmr_status parse_look_ahead(parser *p, size_t from, piece *out)
{
    if (p->look_behind)
        return refuse(p, from, p->at, "in a look-behind");
    rmr_status status =
        parse_group(p, from, p->pattern[p->at - 1] == '=' ? "(?=" : "(?!", out);
    *out = (piece){.start = out->start, .anchor = 1, .enclosed = 1};
    return status;
}

/* Nothing can refer to what a group captured. */
static rmr_status parse_capture(parser *p, size_t from, piece *out)
{
    if (p->look_behind == 2)
        return refuse(p, from, p->at, "in a negative look-behind");
    rmr_status status = parse_group(p, from, "(?:", out);
    seal(out);
    return status;
}

/* (?<name>...) or (?'name'...) */
static rmr_status parse_named_group(parser *p, size_t from, int closing,
                                    piece *out)
{
    size_t start = p->at;
    for (;; p->at++) {
        int c = peek(p, 0), digit = c >= '0' && c <= '9';
        int letter = c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (c == closing && p->at > start)
            break;
        if (c < 0 || !(letter || (digit && p->at > start)))
            return refuse(p, from, p->at + 1, "the name of a group");
    }
    p->at++;
    return parse_capture(p, from, out);
}

/* (?i-m:...) or (?i-m), which goes on to the end of the group around it. */
static rmr_status parse_options(parser *p, size_t from, piece *out, int *rest)
{
    parser before = *p;
    int on = 1, c;
    rmr_status status;
    while ((c = peek(p, 0)) != ':' && c != ')') {
        if (c == '-')
            on = 0;
        else if (c == 'i')
            p->ignore_case = on;
        else if (c == 'm')
            p->dot_all = on;
        else if (c == 'x')
            p->extended = on;
        else
            return refuse(p, from, p->at + 1, "");
        p->at++;
    }
    p->at++;
    *rest = c == ')';
    if (*rest) {
        size_t start = p->program->count;
        status = put(p, "(?:");
        if (!status)
            status = parse_alternatives(p, out);
        if (!status)
            status = put(p, ")");
        out->start = start;
        out->enclosed = 1;
    } else {
        status = parse_group(p, from, "(?:", out);
    }
    p->ignore_case = before.ignore_case;
    p->dot_all = before.dot_all;
    p->extended = before.extended;
    seal(out);
    return status;
}

/* Any group, p->at being after its '('. */
static rmr_status parse_parenthesis(parser *p, piece *out, int *rest)
{
    size_t from = p->at - 1;
    rmr_status status;
    *rest = 0;
    if (peek(p, 0) == '*')
        return refuse(p, from, p->at + 1, "");
    if (peek(p, 0) != '?')
        return parse_capture(p, from, out);
    p->at++;
    int c = peek(p, 0);
    p->at += c >= 0;
    switch (c) {
    case ':':
        return parse_group(p, from, "(?:", out);
    case '>':
        status = parse_group(p, from, "(?>", out);
        seal(out);
        return status;
    case '=':
    case '!':
        return parse_look_ahead(p, from, out);
    case '\'':
        return parse_named_group(p, from, '\'', out);
    case '<':
        if (peek(p, 0) != '=' && peek(p, 0) != '!')
            return parse_named_group(p, from, '>', out);
        p->at++;
        return parse_look_behind(p, from, out);
    case '-':
    case 'i':
    case 'm':
    case 'x':
        p->at--;
        return parse_options(p, from, out, rest);
    default:
        return refuse(p, from, p->at, "");
    }
}

/* ----------------------------------------------------------------- branches
 */

/* Of a sequence of pieces: what is written of it, but for letters that are
 * still held back because a quantifier may follow. */
typedef struct branch {
    run letters;
    size_t letters_at; /* where in the pattern they begin */
    piece last;
    int has_last;
    piece all;
    size_t pieces;
} branch;

/* Counts the last piece in. */
static void branch_settle(branch *b)
{
    if (!b->has_last)
        return;
    if (!b->pieces++) {
        size_t start = b->all.start;
        b->all = b->last;
        b->all.start = start;
    } else {
        b->all.min += b->last.min;
        b->all.max += b->last.max;
        b->all.last = b->last.last;
        b->all.quantified = b->all.anchor = 0;
    }
    if (b->all.max > MANY)
        b->all.max = MANY;
    if (b->all.min > MANY)
        b->all.min = MANY;
    b->has_last = 0;
}

/* Adds a piece that was written. */
static rmr_status branch_add(parser *p, branch *b, const piece *next,
                             size_t from)
{
    if (b->has_last && may_fold(b->last.last, next->first))
        return refuse(p, from, p->at,
                      "without case, it may be one character with what is "
                      "before it");
    branch_settle(b);
    b->last = *next;
    b->has_last = 1;
    return RMR_OK;
}

/* Writes the letters that were held back, but for the last `keep` ones. */
static rmr_status branch_flush(parser *p, branch *b, size_t keep)
{
    piece next;
    size_t count = b->letters.count - keep;
    if (!count)
        return RMR_OK;
    rmr_status status = put_letters(p, b->letters.codes, count, &next);
    if (!status)
        status = branch_add(p, b, &next, b->letters_at);
    memmove(b->letters.codes, b->letters.codes + count,
            keep * sizeof *b->letters.codes);
    b->letters.count = keep;
    return status;
}

/* Applies a quantifier to the last letter, or else the last piece. */
static rmr_status branch_quantify(parser *p, branch *b, size_t from,
                                  const quantifier *q)
{
    rmr_status status = RMR_OK;
    if (b->letters.count) {
        status = branch_flush(p, b, 1);
        /* The reference takes it out of its string. */
        uint32_t fold = b->has_last ? b->last.last : 0;
        b->last.last = 0;
        if (!status)
            status = branch_flush(p, b, 0);
        if (!status && q->low == 1 && q->high == 1 &&
            may_fold(fold, b->last.first))
            return refuse(p, from, p->at, "without case");
    }
    if (!status && !b->has_last)
        return malformed(p, from, "nothing to repeat before this");
    return status ? status : quantify(p, from, &b->last, *q);
}

/* A letter is held back; all else is written. */
static rmr_status parse_letter(parser *p, branch *b, size_t from, uint32_t code)
{
    if (!b->letters.count)
        b->letters_at = from;
    return run_add(p, &b->letters, code);
}

static rmr_status parse_piece(parser *p, branch *b, int *rest)
{
    size_t from = p->at;
    uint32_t code;
    piece next;
    rmr_status status = RMR_OK;
    int c = peek(p, 0), done = 1;
    *rest = 0;
    if (!c || !strchr("\\.^$[(", c)) {
        p->at += rmr_utf8_decode(p->pattern + from, p->len - from, &code);
        return parse_letter(p, b, from, code);
    }
    p->at++;
    if (c == '\\') {
        int escape = peek(p, 0);
        /* Whether it is a letter decides what becomes of those before it. */
        if (escape <= 0 || !strchr("wWdDsShHpPAzZbBRNO", escape)) {
            status = read_character(p, from, 0, &code);
            return status ? status : parse_letter(p, b, from, code);
        }
    }
    status = branch_flush(p, b, 0);
    if (status)
        return status;
    next = (piece){.start = p->program->count, .min = 1, .max = 1};
    switch (c) {
    case '\\':
        status = parse_escape(p, from, &next, &done);
        break;
    case '.':
        status = put_any(p, p->dot_all);
        break;
    case '^':
    case '$':
        next = (piece){.start = next.start, .anchor = 1};
        status = put(p, c == '^' ? "(?m:^)" : "(?m:$)");
        break;
    case '[':
        status = parse_class(p, &next);
        break;
    default:
        status = parse_parenthesis(p, &next, rest);
    }
    return status ? status : branch_add(p, b, &next, from);
}

/* One branch, up to '|', ')' or the end. */
static rmr_status parse_branch(parser *p, branch *b)
{
    int rest = 0, found;
    for (;;) {
        quantifier q;
        rmr_status status = skip_ignored(p);
        int c = peek(p, 0);
        size_t from = p->at;
        if (status)
            return status;
        if (rest || c < 0 || c == '|' || c == ')')
            break;
        status = read_quantifier(p, &q, &found);
        if (!status && found)
            status = branch_quantify(p, b, from, &q);
        else if (!status)
            status = parse_piece(p, b, &rest);
        if (status)
            return status;
    }
    rmr_status status = branch_flush(p, b, 0);
    branch_settle(b);
    return status;
}

/* Branches up to ')' or the end, which is not read. */
static rmr_status parse_alternatives(parser *p, piece *out)
{
    size_t from = p->at, branches = 0;
    rmr_status status = RMR_OK;
    int anchor = 0;
    if (++p->depth > MAX_DEPTH)
        return refuse(p, from, from + 1, "nested too deeply");
    for (;; p->at++) {
        branch b = {.all.start = p->program->count};
        size_t start = p->at;
        status = parse_branch(p, &b);
        rmr_free(b.letters.codes);
        if (status)
            return status;
        if (p->look_behind && b.all.min != b.all.max)
            return refuse(p, start, p->at, "a look-behind of varying length");
        anchor |= b.all.anchor;
        if (!branches++) {
            *out = b.all;
        } else {
            out->min = b.all.min < out->min ? b.all.min : out->min;
            out->max = b.all.max > out->max ? b.all.max : out->max;
            seal(out);
        }
        out->anchor = anchor;
        if (peek(p, 0) != '|')
            break;
        if ((status = put(p, "|")))
            return status;
    }
    p->depth--;
    return RMR_OK;
}

rmr_status rmr_regex_translate(rmr_regex_program *program, const char *pattern,
                               size_t len, const char *name, rmr_error *err)
{
    parser p = {
        .pattern = (const unsigned char *)pattern,
        .len = len,
        .name = name,
        .err = err,
        .program = program,
    };
    piece all;
    rmr_status status = parse_alternatives(&p, &all);
    if (!status && p.at < len)
        status = malformed(&p, p.at, "a ')' without '('");
    return status;
}

void rmr_regex_program_free(rmr_regex_program *program)
{
    rmr_free(program->code);
    for (size_t i = 0; i < program->num_sets; i++)
        rmr_code_set_free(&program->sets[i]);
    *program = (rmr_regex_program){0};
}
