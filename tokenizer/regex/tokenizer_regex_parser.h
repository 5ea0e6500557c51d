/*
 * tokenizer_regex_parser.h - what the parts of the translation of a regular
 * expression share. For tokenizer_regex_*.c only. Every function that returns a
 * status has described a failure in parser->err.
 */
#ifndef RMR_TOKENIZER_REGEX_PARSER_H
#define RMR_TOKENIZER_REGEX_PARSER_H

#include "tokenizer/regex/tokenizer_regex_translate.h"

/* How long a pattern may be, in bytes: what is far longer than any in use only
 * takes time before PCRE2 refuses it. */
#define RMR_REGEX_MAX_LEN 65535
/* How deeply groups, classes and quantifiers may be nested. */
#define RMR_REGEX_MAX_DEPTH 100
/* How many letters match when there is no limit; sums of some do not
 * overflow. */
#define RMR_REGEX_MANY ((size_t)1 << 40)
/* The most repeats, as PCRE2 has it; and the end of a quantifier that has
 * none. */
#define RMR_REGEX_MAX_REPEAT 65535
#define RMR_REGEX_NO_END (RMR_REGEX_MAX_REPEAT + 1)

typedef struct rmr_regex_parser {
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
} rmr_regex_parser;

/* What a quantifier can apply to, as it was written to the program from
 * `start`. */
typedef struct rmr_regex_piece {
    size_t start;
    size_t min; /* letters that it matches */
    size_t max;
    int anchor;           /* what the reference lets nothing repeat */
    int enclosed;         /* in parentheses of its own */
    int is_all;           /* one character, whichever */
    int takes_rest;       /* begins with as many of these as there are, */
    int after_assertion;  /* which something without letters comes before, */
    int is_start;         /* other than ^ and \A, which hold where a text
                           * begins */
    unsigned quantifiers; /* that were applied to it */
    /* When all of it is one quantified thing: */
    int quantified;
    unsigned low;
    unsigned high; /* or RMR_REGEX_NO_END */
    int greedy;
    size_t body; /* where the thing is in the program */
    size_t body_end;
    size_t body_min;
    size_t body_max;
    /* The letters without case at its edges that the reference may read as one
     * string with those beside them; 0: none. */
    uint32_t first;
    uint32_t last;
} rmr_regex_piece;

/* ------------------------------------------------------------------ reading
 */

/* The byte that is `ahead` bytes further, or -1. */
static inline int rmr_regex_peek(const rmr_regex_parser *p, size_t ahead)
{
    return p->len - p->at > ahead ? p->pattern[p->at + ahead] : -1;
}

/* Failures: out of memory; not a regular expression, `what` being at `at`; and
 * pattern[from, to) that is not supported, with a reason or "". */
rmr_status rmr_regex_nomem(rmr_regex_parser *p);
rmr_status rmr_regex_malformed(rmr_regex_parser *p, size_t at,
                               const char *what);
rmr_status rmr_regex_refuse(rmr_regex_parser *p, size_t from, size_t to,
                            const char *why);

/* ------------------------------------------------------------------ writing
 */

/* Writes syntax. */
rmr_status rmr_regex_put(rmr_regex_parser *p, const char *text);
rmr_status rmr_regex_put_number(rmr_regex_parser *p, unsigned value);

/* Puts (?: ) around all from `start` on. */
rmr_status rmr_regex_wrap(rmr_regex_parser *p, size_t start);

/* Writes what stands for a set in order, which is used up whatever happens. */
rmr_status rmr_regex_put_set(rmr_regex_parser *p, rmr_code_set *set);

/* The same for a set out of order; unless ok, it was out of memory. */
rmr_status rmr_regex_put_new_set(rmr_regex_parser *p, rmr_code_set *set,
                                 int ok);

/* Writes what a property holds. */
rmr_status rmr_regex_put_property(rmr_regex_parser *p, const char *name);

/* Writes a code point, or what is the same without case. */
rmr_status rmr_regex_put_letter(rmr_regex_parser *p, uint32_t code,
                                int ignore_case);

/* The several characters of a string, without case. */
rmr_status rmr_regex_put_folded(rmr_regex_parser *p,
                                const rmr_fold_string *string);

/* Writes codes as the reference compares them: without case from the left, the
 * longest that is one character. *out is the piece. */
rmr_status rmr_regex_put_letters(rmr_regex_parser *p, const uint32_t *codes,
                                 size_t count, rmr_regex_piece *out);

/* Whether a followed by b may be one character without case. */
int rmr_regex_may_fold(uint32_t a, uint32_t b);

/* -------------------------------------------------------------- one character
 */

/* An escape that is one character, in or out of a class; p->at is after the
 * backslash at `from`. */
rmr_status rmr_regex_read_character(rmr_regex_parser *p, size_t from,
                                    int in_class, uint32_t *code);

/* \w, \p{..} and the like, p->at being after the backslash at `from`: adds to
 * *set, out of order. *is_type is 0 when it is something else, and then
 * nothing is read. */
rmr_status rmr_regex_read_type(rmr_regex_parser *p, size_t from, int in_class,
                               rmr_code_set *set, int *is_type);

/* A class, p->at being after its '['. */
rmr_status rmr_regex_parse_class(rmr_regex_parser *p, rmr_regex_piece *out);

/* -------------------------------------------------------------- quantifiers
 */

typedef struct rmr_regex_quantifier {
    unsigned low;
    unsigned high; /* or RMR_REGEX_NO_END */
    int greedy;
    int possessive;
} rmr_regex_quantifier;

/* Reads a quantifier, if there is one. */
rmr_status rmr_regex_read_quantifier(rmr_regex_parser *p,
                                     rmr_regex_quantifier *q, int *found);

/* Applies a quantifier that was read from `from` on to the last piece. */
rmr_status rmr_regex_quantify(rmr_regex_parser *p, size_t from,
                              rmr_regex_piece *target, rmr_regex_quantifier q);

#endif
