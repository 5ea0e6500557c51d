/*
 * tokenizer_regex_translate.c - from Oniguruma's syntax, as the reference
 * reads it, to the part of PCRE2's that means the same without any table of
 * characters: branches, groups and assertions. A construct that is not known
 * to match the same is refused by name; nothing is ever passed on unread.
 */
#include <string.h>
#include "common/base/alloc.h"
#include "tokenizer/regex/tokenizer_regex_parser.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ----------------------------------------------------- what is not a letter
 */

static rmr_status put_any(rmr_regex_parser *p, int newline_too)
{
    rmr_code_set set = {0};
    int ok = rmr_code_set_add(&set, 0, newline_too ? RMR_CODE_LIMIT : '\n');
    ok =
        ok && (newline_too || rmr_code_set_add(&set, '\n' + 1, RMR_CODE_LIMIT));
    return rmr_regex_put_new_set(p, &set, ok);
}

static rmr_status put_word_boundary(rmr_regex_parser *p, int inverted)
{
    static const char *const parts[2][5] = {
        {"(?:(?<=", ")(?!", ")|(?<!", ")(?=", "))"},
        {"(?:(?<=", ")(?=", ")|(?<!", ")(?!", "))"},
    };
    rmr_status status = rmr_regex_put(p, parts[inverted][0]);
    for (int i = 1; !status && i < 5; i++) {
        status = rmr_regex_put_property(p, "word");
        if (!status)
            status = rmr_regex_put(p, parts[inverted][i]);
    }
    return status;
}

/* "\r\n", or one that ends a line. */
static rmr_status put_newline(rmr_regex_parser *p)
{
    rmr_code_set set = {0};
    rmr_status status = rmr_regex_put(p, "(?>");
    if (!status)
        status = rmr_regex_put_letter(p, '\r', 0);
    if (!status)
        status = rmr_regex_put_letter(p, '\n', 0);
    if (!status)
        status = rmr_regex_put(p, "|");
    if (status)
        return status;
    int ok = rmr_code_set_add(&set, '\n', '\r' + 1) &&
             rmr_code_set_add(&set, 0x85, 0x86) &&
             rmr_code_set_add(&set, 0x2028, 0x202A);
    status = rmr_regex_put_new_set(p, &set, ok);
    return status ? status : rmr_regex_put(p, ")");
}

/* Escapes that are no letter; *done is 0 when it is one. p->at is after the
 * backslash at `from`. */
static rmr_status parse_escape(rmr_regex_parser *p, size_t from,
                               rmr_regex_piece *out, int *done)
{
    rmr_code_set set = {0};
    int c = rmr_regex_peek(p, 0);
    *done = 1;
    *out = (rmr_regex_piece){.start = p->program->count, .min = 1, .max = 1};
    rmr_status status = rmr_regex_read_type(p, from, 0, &set, done);
    if (*done && !status)
        return rmr_regex_put_new_set(p, &set, 1);
    rmr_code_set_free(&set);
    if (status)
        return status;
    *done = 1;
    p->at++;
    if (p->look_behind && (c | 0x20) == 'z')
        return rmr_regex_refuse(p, from, p->at, "in a look-behind");
    if (c > 0 && strchr("AzZbB", c)) {
        static const char *const same[] = {"\\A", "\\z", "\\Z"};
        *out = (rmr_regex_piece){
            .start = p->program->count, .anchor = 1, .is_start = c == 'A'};
        if ((c | 0x20) == 'b')
            return put_word_boundary(p, c == 'B');
        return rmr_regex_put(p, same[c == 'A' ? 0 : c == 'z' ? 1 : 2]);
    }
    if (c == 'R') {
        out->max = 2;
        out->enclosed = 1;
        return put_newline(p);
    }
    if (c == 'N' || c == 'O') {
        out->is_all = c == 'O';
        return put_any(p, c == 'O');
    }
    p->at--;
    *done = 0;
    return RMR_OK;
}

/* ------------------------------------------------------------------- groups
 */

static rmr_status parse_alternatives(rmr_regex_parser *p, rmr_regex_piece *out);

/* (?#...): p->at is at its '('. */
static rmr_status skip_comment(rmr_regex_parser *p)
{
    size_t from = p->at;
    for (p->at += 3; p->at < p->len; p->at++) {
        int c = p->pattern[p->at];
        if (c == ')') {
            p->at++;
            return RMR_OK;
        }
        if (c == '\\' && p->at + 1 < p->len)
            p->at++;
    }
    return rmr_regex_malformed(p, from, "a comment without end");
}

/* Comments, and under (?x) white space. */
static rmr_status skip_ignored(rmr_regex_parser *p)
{
    rmr_status status = RMR_OK;
    while (!status && p->at < p->len) {
        int c = rmr_regex_peek(p, 0);
        if (c == '(' && rmr_regex_peek(p, 1) == '?' &&
            rmr_regex_peek(p, 2) == '#') {
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
static rmr_status parse_group(rmr_regex_parser *p, size_t from,
                              const char *opening, rmr_regex_piece *out)
{
    size_t start = p->program->count;
    rmr_status status = rmr_regex_put(p, opening);
    if (!status)
        status = parse_alternatives(p, out);
    if (!status && rmr_regex_peek(p, 0) != ')')
        status = rmr_regex_malformed(p, from, "a group without end");
    if (status)
        return status;
    p->at++;
    out->start = start;
    out->enclosed = 1;
    return rmr_regex_put(p, ")");
}

/* What the reference takes for one thing with nothing beside it. */
static void seal(rmr_regex_piece *out)
{
    out->quantified = 0;
    out->anchor = 0;
    out->is_all = out->is_start = 0;
    out->first = out->last = 0;
}

static rmr_status parse_look_behind(rmr_regex_parser *p, size_t from,
                                    rmr_regex_piece *out)
{
    if (p->look_behind)
        return rmr_regex_refuse(p, from, p->at, "in a look-behind");
    int negative = p->pattern[p->at - 1] == '!';
    p->look_behind = 1 + negative;
    rmr_status status = parse_group(p, from, negative ? "(?<!" : "(?<=", out);
    p->look_behind = 0;
    *out = (rmr_regex_piece){.start = out->start, .anchor = 1, .enclosed = 1};
    return status;
}

static rmr_status parse_look_ahead(rmr_regex_parser *p, size_t from,
                                   rmr_regex_piece *out)
{
    if (p->look_behind)
        return rmr_regex_refuse(p, from, p->at, "in a look-behind");
    rmr_status status =
        parse_group(p, from, p->pattern[p->at - 1] == '=' ? "(?=" : "(?!", out);
    *out = (rmr_regex_piece){.start = out->start, .anchor = 1, .enclosed = 1};
    return status;
}

/* Nothing can refer to what a group captured. */
static rmr_status parse_capture(rmr_regex_parser *p, size_t from,
                                rmr_regex_piece *out)
{
    if (p->look_behind == 2)
        return rmr_regex_refuse(p, from, p->at, "in a negative look-behind");
    rmr_status status = parse_group(p, from, "(?:", out);
    seal(out);
    return status;
}

/* (?<name>...) or (?'name'...) */
static rmr_status parse_named_group(rmr_regex_parser *p, size_t from,
                                    int closing, rmr_regex_piece *out)
{
    size_t start = p->at;
    for (;; p->at++) {
        int c = rmr_regex_peek(p, 0), digit = c >= '0' && c <= '9';
        int letter = c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (c == closing && p->at > start)
            break;
        if (c < 0 || !(letter || (digit && p->at > start)))
            return rmr_regex_refuse(p, from, p->at + 1, "the name of a group");
    }
    p->at++;
    return parse_capture(p, from, out);
}

/* (?i-m:...) or (?i-m), which goes on to the end of the group around it. */
static rmr_status parse_options(rmr_regex_parser *p, size_t from,
                                rmr_regex_piece *out, int *rest)
{
    rmr_regex_parser before = *p;
    int on = 1, c;
    rmr_status status;
    while ((c = rmr_regex_peek(p, 0)) != ':' && c != ')') {
        if (c == '-')
            on = 0;
        else if (c == 'i')
            p->ignore_case = on;
        else if (c == 'm')
            p->dot_all = on;
        else if (c == 'x')
            p->extended = on;
        else
            return rmr_regex_refuse(p, from, p->at + 1, "");
        p->at++;
    }
    p->at++;
    *rest = c == ')';
    if (*rest) {
        size_t start = p->program->count;
        status = rmr_regex_put(p, "(?:");
        if (!status)
            status = parse_alternatives(p, out);
        if (!status)
            status = rmr_regex_put(p, ")");
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
static rmr_status parse_parenthesis(rmr_regex_parser *p, rmr_regex_piece *out,
                                    int *rest)
{
    size_t from = p->at - 1;
    rmr_status status;
    *rest = 0;
    if (rmr_regex_peek(p, 0) == '*')
        return rmr_regex_refuse(p, from, p->at + 1, "");
    if (rmr_regex_peek(p, 0) != '?')
        return parse_capture(p, from, out);
    p->at++;
    int c = rmr_regex_peek(p, 0);
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
        if (rmr_regex_peek(p, 0) != '=' && rmr_regex_peek(p, 0) != '!')
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
        return rmr_regex_refuse(p, from, p->at, "");
    }
}

/* ----------------------------------------------------------------- branches
 */

/* Of a sequence of pieces: what is written of it, but for letters that are
 * still held back because a quantifier may follow. */
typedef struct branch {
    uint32_t *letters;
    size_t num_letters;
    size_t letter_capacity;
    size_t letters_at; /* where in the pattern they begin */
    rmr_regex_piece last;
    int has_last;
    rmr_regex_piece all;
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
        if (!b->all.max && b->last.takes_rest) {
            b->all.takes_rest = 1;
            b->all.after_assertion |= !b->all.is_start;
        }
        b->all.is_start &= b->last.is_start;
        b->all.is_all = 0;
        b->all.min += b->last.min;
        b->all.max += b->last.max;
        b->all.last = b->last.last;
        b->all.quantified = b->all.anchor = 0;
    }
    if (b->all.max > RMR_REGEX_MANY)
        b->all.max = RMR_REGEX_MANY;
    if (b->all.min > RMR_REGEX_MANY)
        b->all.min = RMR_REGEX_MANY;
    b->has_last = 0;
}

/* Adds a piece that was written. */
static rmr_status branch_add(rmr_regex_parser *p, branch *b,
                             const rmr_regex_piece *next, size_t from)
{
    if (b->has_last && rmr_regex_may_fold(b->last.last, next->first))
        return rmr_regex_refuse(
            p, from, p->at,
            "without case, it may be one character with what is "
            "before it");
    branch_settle(b);
    b->last = *next;
    b->has_last = 1;
    return RMR_OK;
}

/* Writes the letters that were held back, but for the last `keep` ones. */
static rmr_status branch_flush(rmr_regex_parser *p, branch *b, size_t keep)
{
    rmr_regex_piece next;
    size_t count = b->num_letters - keep;
    if (!count)
        return RMR_OK;
    rmr_status status = rmr_regex_put_letters(p, b->letters, count, &next);
    if (!status)
        status = branch_add(p, b, &next, b->letters_at);
    memmove(b->letters, b->letters + count, keep * sizeof *b->letters);
    b->num_letters = keep;
    return status;
}

/* Applies a quantifier to the last letter, or else the last piece. */
static rmr_status branch_quantify(rmr_regex_parser *p, branch *b, size_t from,
                                  const rmr_regex_quantifier *q)
{
    rmr_status status = RMR_OK;
    if (b->num_letters) {
        status = branch_flush(p, b, 1);
        /* The reference takes it out of its string. */
        uint32_t fold = b->has_last ? b->last.last : 0;
        b->last.last = 0;
        if (!status)
            status = branch_flush(p, b, 0);
        if (!status && q->low == 1 && q->high == 1 &&
            rmr_regex_may_fold(fold, b->last.first))
            return rmr_regex_refuse(p, from, p->at, "without case");
    }
    if (!status && !b->has_last)
        return rmr_regex_malformed(p, from, "nothing to repeat before this");
    return status ? status : rmr_regex_quantify(p, from, &b->last, *q);
}

/* Holds a letter back. */
static rmr_status parse_letter(rmr_regex_parser *p, branch *b, size_t from,
                               uint32_t code)
{
    if (b->num_letters == b->letter_capacity) {
        uint32_t *letters = rmr_grow(b->letters, &b->letter_capacity,
                                     b->num_letters + 1, sizeof *letters);
        if (!letters)
            return rmr_regex_nomem(p);
        b->letters = letters;
    }
    if (!b->num_letters)
        b->letters_at = from;
    b->letters[b->num_letters++] = code;
    return RMR_OK;
}

static rmr_status parse_piece(rmr_regex_parser *p, branch *b, int *rest)
{
    size_t from = p->at;
    uint32_t code;
    rmr_regex_piece next;
    rmr_status status = RMR_OK;
    int c = rmr_regex_peek(p, 0), done = 1;
    *rest = 0;
    if (!c || !strchr("\\.^$[(", c)) {
        p->at += rmr_utf8_decode(p->pattern + from, p->len - from, &code);
        return parse_letter(p, b, from, code);
    }
    p->at++;
    if (c == '\\') {
        int escape = rmr_regex_peek(p, 0);
        /* Whether it is a letter decides what becomes of those before it. */
        if (escape <= 0 || !strchr("wWdDsShHpPAzZbBRNO", escape)) {
            status = rmr_regex_read_character(p, from, 0, &code);
            return status ? status : parse_letter(p, b, from, code);
        }
    }
    status = branch_flush(p, b, 0);
    if (status)
        return status;
    next = (rmr_regex_piece){.start = p->program->count, .min = 1, .max = 1};
    switch (c) {
    case '\\':
        status = parse_escape(p, from, &next, &done);
        break;
    case '.':
        next.is_all = p->dot_all;
        status = put_any(p, p->dot_all);
        break;
    case '^':
    case '$':
        next = (rmr_regex_piece){
            .start = next.start, .anchor = 1, .is_start = c == '^'};
        status = rmr_regex_put(p, c == '^' ? "(?m:^)" : "(?m:$)");
        break;
    case '[':
        status = rmr_regex_parse_class(p, &next);
        break;
    default:
        status = parse_parenthesis(p, &next, rest);
    }
    return status ? status : branch_add(p, b, &next, from);
}

/* One branch, up to '|', ')' or the end. */
static rmr_status parse_branch(rmr_regex_parser *p, branch *b)
{
    int rest = 0, found;
    for (;;) {
        rmr_regex_quantifier q;
        rmr_status status = skip_ignored(p);
        if (status)
            return status;
        int c = rmr_regex_peek(p, 0);
        size_t from = p->at;
        if (rest || c < 0 || c == '|' || c == ')')
            break;
        status = rmr_regex_read_quantifier(p, &q, &found);
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
static rmr_status parse_alternatives(rmr_regex_parser *p, rmr_regex_piece *out)
{
    size_t from = p->at, branches = 0;
    rmr_status status = RMR_OK;
    int anchor = 0;
    if (++p->depth > RMR_REGEX_MAX_DEPTH)
        return rmr_regex_refuse(p, from, from + 1, "nested too deeply");
    for (;; p->at++) {
        branch b = {.all.start = p->program->count};
        size_t start = p->at;
        status = parse_branch(p, &b);
        rmr_free(b.letters);
        if (status)
            return status;
        if (p->look_behind && b.all.min != b.all.max)
            return rmr_regex_refuse(p, start, p->at,
                                    "a look-behind of varying length");
        anchor |= b.all.anchor;
        if (!branches++) {
            *out = b.all;
        } else {
            out->min = b.all.min < out->min ? b.all.min : out->min;
            out->max = b.all.max > out->max ? b.all.max : out->max;
            out->takes_rest &= b.all.takes_rest;
            out->after_assertion |= b.all.after_assertion;
            seal(out);
        }
        out->anchor = anchor;
        if (rmr_regex_peek(p, 0) != '|')
            break;
        if ((status = rmr_regex_put(p, "|")))
            return status;
    }
    p->depth--;
    return RMR_OK;
}

rmr_status rmr_regex_translate(rmr_regex_program *program, const char *pattern,
                               size_t len, const char *name, rmr_error *err)
{
    rmr_regex_parser p = {
        .pattern = (const unsigned char *)pattern,
        .len = len,
        .name = name,
        .err = err,
        .program = program,
    };
    rmr_regex_piece all;
    if (len > RMR_REGEX_MAX_LEN)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s is longer than %d bytes, which is not supported.",
                        name, RMR_REGEX_MAX_LEN);
    rmr_status status = parse_alternatives(&p, &all);
    if (!status && p.at < len)
        status = rmr_regex_malformed(&p, p.at, "a ')' without '('");
    /* The reference looks for all that is left nowhere but where a search
     * begins, and then forgets what an assertion may have to say elsewhere. */
    if (!status && all.takes_rest && all.after_assertion)
        status = rmr_regex_refuse(&p, 0, len,
                                  "all that is left, after an assertion");
    return status;
}

void rmr_regex_program_free(rmr_regex_program *program)
{
    rmr_free(program->code);
    for (size_t i = 0; i < program->num_sets; i++)
        rmr_code_set_free(&program->sets[i]);
    *program = (rmr_regex_program){0};
}
