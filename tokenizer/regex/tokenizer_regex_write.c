/*
 * tokenizer_regex_write.c - what the translation of a regular expression
 * writes: PCRE2's syntax, sets of code points, and letters, which without case
 * may be one character where they are several. It must never write a
 * character that is not in a set.
 */
#include <string.h>
#include "common/base/alloc.h"
#include "tokenizer/regex/tokenizer_regex_parser.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ------------------------------------------------------------------- errors
 */

rmr_status rmr_regex_nomem(rmr_regex_parser *p)
{
    return rmr_fail_nomem(p->err, "a regular expression");
}

rmr_status rmr_regex_malformed(rmr_regex_parser *p, size_t at, const char *what)
{
    return rmr_fail(p->err, RMR_ERR_FORMAT,
                    "%s is not a regular expression: %s at offset %zu.",
                    p->name, what, at);
}

rmr_status rmr_regex_refuse(rmr_regex_parser *p, size_t from, size_t to,
                            const char *why)
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

static rmr_status put_code(rmr_regex_parser *p, uint16_t value)
{
    rmr_regex_program *program = p->program;
    if (program->count == program->capacity) {
        uint16_t *code = rmr_grow(program->code, &program->capacity,
                                  program->count + 1, sizeof *code);
        if (!code)
            return rmr_regex_nomem(p);
        program->code = code;
    }
    program->code[program->count++] = value;
    return RMR_OK;
}

rmr_status rmr_regex_put(rmr_regex_parser *p, const char *text)
{
    for (; *text; text++) {
        rmr_status status = put_code(p, (unsigned char)*text);
        if (status)
            return status;
    }
    return RMR_OK;
}

rmr_status rmr_regex_put_number(rmr_regex_parser *p, unsigned value)
{
    char digits[12];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return rmr_regex_put(p, digits + at);
}

rmr_status rmr_regex_put_set(rmr_regex_parser *p, rmr_code_set *set)
{
    rmr_regex_program *program = p->program;
    size_t i = 0;
    while (i < program->num_sets && !rmr_code_set_equal(set, &program->sets[i]))
        i++;
    if (i < program->num_sets) {
        rmr_code_set_free(set);
    } else if (i == RMR_REGEX_MAX_SETS) {
        rmr_code_set_free(set);
        return rmr_regex_refuse(p, 0, p->len,
                                "it has too many different characters");
    } else {
        program->sets[program->num_sets++] = *set;
    }
    return put_code(p, (uint16_t)(256 + i));
}

rmr_status rmr_regex_put_new_set(rmr_regex_parser *p, rmr_code_set *set, int ok)
{
    if (!ok) {
        rmr_code_set_free(set);
        return rmr_regex_nomem(p);
    }
    rmr_code_set_sort(set);
    return rmr_regex_put_set(p, set);
}

rmr_status rmr_regex_put_property(rmr_regex_parser *p, const char *name)
{
    rmr_code_set set = {0};
    int ok = rmr_code_set_add_property(&set, name, strlen(name), 0);
    return rmr_regex_put_new_set(p, &set, ok > 0);
}

rmr_status rmr_regex_put_letter(rmr_regex_parser *p, uint32_t code,
                                int ignore_case)
{
    rmr_code_set set = {0};
    int ok = ignore_case ? rmr_code_set_add_folded(&set, code)
                         : rmr_code_set_add(&set, code, code + 1);
    return rmr_regex_put_new_set(p, &set, ok);
}

rmr_status rmr_regex_wrap(rmr_regex_parser *p, size_t start)
{
    rmr_status status = rmr_regex_put(p, "(?:)");
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

int rmr_regex_may_fold(uint32_t a, uint32_t b)
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

rmr_status rmr_regex_put_folded(rmr_regex_parser *p,
                                const rmr_fold_string *string)
{
    rmr_status status = RMR_OK;
    for (uint32_t i = 0; !status && i < string->len; i++)
        status = rmr_regex_put_letter(p, string->codes[i], 1);
    return status;
}

/* Either of the single characters, or the several. */
static rmr_status put_fold_string(rmr_regex_parser *p,
                                  const rmr_fold_string *string)
{
    rmr_status status = rmr_regex_put(p, "(?:");
    if (!status)
        status = rmr_regex_put_letter(p, string->same[0], 1);
    if (!status)
        status = rmr_regex_put(p, "|");
    if (!status)
        status = rmr_regex_put_folded(p, string);
    return status ? status : rmr_regex_put(p, ")");
}

rmr_status rmr_regex_put_letters(rmr_regex_parser *p, const uint32_t *codes,
                                 size_t count, rmr_regex_piece *out)
{
    rmr_status status = RMR_OK;
    *out = (rmr_regex_piece){.start = p->program->count};
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
            return rmr_regex_refuse(p, 0, p->len,
                                    "a look-behind without case, where several "
                                    "characters may stand for one");
        if (string)
            status = put_fold_string(p, string);
        else
            status = rmr_regex_put_letter(p, codes[i], p->ignore_case);
        out->min++;
        out->max += string ? string->len : 1;
        i += used;
    }
    return status;
}
