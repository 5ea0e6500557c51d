/*
 * tokenizer_regex_quantifier.c - how often something is matched, in Oniguruma's
 * syntax, where {2}+ is no possessive quantifier and {5,2} is one. It must
 * never repeat what may be empty: the two libraries leave such a loop at
 * different points.
 */
#include <string.h>
#include "tokenizer/regex/tokenizer_regex_parser.h"

/* -------------------------------------------------------------- quantifiers
 */

/* A decimal number, or -1; too large ones are above RMR_REGEX_MAX_REPEAT. */
static long read_decimal(const rmr_regex_parser *p, size_t *at)
{
    long value = 0;
    size_t start = *at;
    while (*at < p->len && p->pattern[*at] >= '0' && p->pattern[*at] <= '9') {
        if (value <= RMR_REGEX_MAX_REPEAT)
            value = value * 10 + (p->pattern[*at] - '0');
        (*at)++;
    }
    return *at == start ? -1 : value;
}

/* {n}, {n,}, {,m} or {n,m} at p->at; 0 when it is not one, and a letter. */
static int read_interval(rmr_regex_parser *p, long *low, long *high, int *fixed)
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
            *high = RMR_REGEX_NO_END;
        else if (*high > RMR_REGEX_MAX_REPEAT)
            *high = RMR_REGEX_NO_END + 1;
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

rmr_status rmr_regex_read_quantifier(rmr_regex_parser *p,
                                     rmr_regex_quantifier *q, int *found)
{
    size_t from = p->at;
    int c = rmr_regex_peek(p, 0), fixed = 0;
    long low = c == '+', high = c == '?' ? 1 : RMR_REGEX_NO_END;
    *found = c == '*' || c == '+' || c == '?';
    *q = (rmr_regex_quantifier){.greedy = 1};
    if (*found)
        p->at++;
    else if (c == '{')
        *found = read_interval(p, &low, &high, &fixed);
    if (!*found)
        return RMR_OK;
    if (low > RMR_REGEX_MAX_REPEAT || high > RMR_REGEX_NO_END)
        return rmr_regex_refuse(p, from, p->at, "too many repeats");
    if (low > high) { /* {5,2} is a possessive {2,5} */
        long other = low;
        low = high;
        high = other;
        q->possessive = 1;
    } else if (!fixed && rmr_regex_peek(p, 0) == '?') {
        p->at++;
        q->greedy = 0;
    } else if (c != '{' && rmr_regex_peek(p, 0) == '+') {
        p->at++;
        q->possessive = 1;
    }
    q->low = (unsigned)low;
    q->high = (unsigned)high;
    return RMR_OK;
}

static rmr_status put_quantifier(rmr_regex_parser *p,
                                 const rmr_regex_quantifier *q)
{
    rmr_status status;
    if (q->low == 0 && q->high == 1)
        status = rmr_regex_put(p, "?");
    else if (q->low <= 1 && q->high == RMR_REGEX_NO_END)
        status = rmr_regex_put(p, q->low ? "+" : "*");
    else {
        status = rmr_regex_put(p, "{");
        if (!status)
            status = rmr_regex_put_number(p, q->low);
        if (!status && q->high != q->low)
            status = rmr_regex_put(p, ",");
        if (!status && q->high != q->low && q->high != RMR_REGEX_NO_END)
            status = rmr_regex_put_number(p, q->high);
        if (!status)
            status = rmr_regex_put(p, "}");
    }
    if (!status && !q->greedy)
        status = rmr_regex_put(p, "?");
    if (!status && q->possessive)
        status = rmr_regex_put(p, "+");
    return status;
}

static int is_popular(unsigned low, unsigned high)
{
    return (low == 0 && high == 1) || (low <= 1 && high == RMR_REGEX_NO_END);
}

static size_t times(size_t length, unsigned count)
{
    if (!length || !count)
        return 0;
    if (count == RMR_REGEX_NO_END || length >= RMR_REGEX_MANY / count)
        return RMR_REGEX_MANY;
    return length * count;
}

/*
 * Repeats a repeated thing. The reference makes one quantifier of two of ?, *
 * and +; so do we where both are greedy. 0 in *done: nothing was done.
 */
static rmr_status quantify_again(rmr_regex_parser *p, size_t from,
                                 rmr_regex_piece *target,
                                 rmr_regex_quantifier *q, int *done)
{
    *done = 0;
    if (!target->quantified || !is_popular(target->low, target->high) ||
        !is_popular(q->low, q->high))
        return RMR_OK;
    if (!target->greedy || !q->greedy)
        return rmr_regex_refuse(p, from, p->at, "a quantifier of a quantifier");
    /* What is written of the first one is taken back, with any (?: ) around
     * the whole. */
    size_t size = target->body_end - target->body;
    uint16_t *code = p->program->code;
    memmove(code + target->start, code + target->body, size * sizeof *code);
    p->program->count = target->start + size;
    target->body = target->start;
    target->body_end = p->program->count;
    q->low = target->low && q->low;
    q->high = target->high == RMR_REGEX_NO_END || q->high == RMR_REGEX_NO_END
                  ? RMR_REGEX_NO_END
                  : 1;
    target->min = target->body_min;
    target->max = target->body_max;
    *done = 1;
    return RMR_OK;
}

rmr_status rmr_regex_quantify(rmr_regex_parser *p, size_t from,
                              rmr_regex_piece *target, rmr_regex_quantifier q)
{
    int merged;
    rmr_status status;
    if (target->anchor)
        return rmr_regex_malformed(p, from,
                                   "nothing that can be repeated before this");
    if (target->quantifiers++ == RMR_REGEX_MAX_DEPTH)
        return rmr_regex_refuse(p, from, p->at, "nested too deeply");
    if (q.low == 1 && q.high == 1 && !q.possessive)
        return RMR_OK;
    status = quantify_again(p, from, target, &q, &merged);
    if (status)
        return status;
    if (!target->min && q.high > 1)
        return rmr_regex_refuse(p, from, p->at, "it repeats what may be empty");
    if (!merged) {
        if (!target->enclosed && p->program->count - target->start > 1)
            status = rmr_regex_wrap(p, target->start);
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
    target->takes_rest |=
        target->is_all && q.greedy && q.high == RMR_REGEX_NO_END;
    return status;
}
