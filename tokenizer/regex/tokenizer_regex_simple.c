/*
 * tokenizer_regex_simple.c - finds the branches of a program that need no
 * backtracking, and which branches can begin with a letter. It must never call
 * a branch simple unless taking as many letters as there are, item by item,
 * gives the very match that backtracking finds first.
 */
#include <string.h>
#include "tokenizer/regex/tokenizer_regex_simple.h"

/* A program is what rmr_regex_translate writes, so only that is read here. */
typedef struct reader {
    const rmr_regex_program *program;
    const unsigned char (*has)[256];
    size_t at;
    size_t end;
} reader;

/* One thing with its quantifier. */
typedef struct element {
    enum { ELEMENT_SET, ELEMENT_GROUP, ELEMENT_ASSERTION } kind;
    size_t set;
    size_t inner; /* of a group, what is between its parentheses */
    size_t inner_end;
    uint32_t min;
    uint32_t max;
    int lazy;
    int possessive;
} element;

static unsigned code_at(const reader *r, size_t at)
{
    return at < r->end ? r->program->code[at] : 0;
}

/* The end of the group that begins at r->at, after its ')'. */
static size_t group_end(const reader *r)
{
    size_t at = r->at, depth = 0;
    do {
        depth += code_at(r, at) == '(';
        depth -= code_at(r, at) == ')';
        at++;
    } while (depth);
    return at;
}

static uint32_t read_number(reader *r)
{
    uint32_t value = 0;
    for (; code_at(r, r->at) >= '0' && code_at(r, r->at) <= '9'; r->at++)
        value = value * 10 + (code_at(r, r->at) - '0');
    return value;
}

static void read_quantifier(reader *r, element *e)
{
    unsigned c = code_at(r, r->at);
    e->min = e->max = 1;
    e->lazy = e->possessive = 0;
    if (c == '?' || c == '*' || c == '+') {
        e->min = c == '+';
        e->max = c == '?' ? 1 : UINT32_MAX;
        r->at++;
    } else if (c == '{') {
        r->at++;
        e->min = e->max = read_number(r);
        if (code_at(r, r->at) == ',') {
            r->at++;
            e->max = code_at(r, r->at) == '}' ? UINT32_MAX : read_number(r);
        }
        r->at++;
    } else {
        return;
    }
    e->lazy = code_at(r, r->at) == '?';
    e->possessive = code_at(r, r->at) == '+';
    r->at += (size_t)(e->lazy || e->possessive);
}

static void read_element(reader *r, element *e)
{
    unsigned c = code_at(r, r->at);
    if (c >= 256) {
        e->kind = ELEMENT_SET;
        e->set = c - 256;
        r->at++;
    } else if (c == '\\') {
        e->kind = ELEMENT_ASSERTION;
        r->at += 2;
    } else {
        unsigned type = code_at(r, r->at + 2);
        int group = type == ':' || type == '>';
        e->kind = group ? ELEMENT_GROUP : ELEMENT_ASSERTION;
        e->inner = r->at + 3;
        r->at = group_end(r);
        e->inner_end = r->at - 1;
    }
    read_quantifier(r, e);
}

/* The end of the branch that begins at r->at: a '|', or the end of it all. */
static size_t branch_end(const reader *r)
{
    size_t depth = 0;
    for (size_t at = r->at; at < r->end; at++) {
        unsigned c = code_at(r, at);
        depth += c == '(';
        depth -= c == ')';
        if (!depth && c == '|')
            return at;
    }
    return r->end;
}

static int add_firsts(reader r, unsigned char *first);

/* Adds the letters that a branch can begin with; whether it may be empty. */
static int add_branch_firsts(reader r, unsigned char *first)
{
    while (r.at < r.end) {
        element e;
        int empty = 0;
        read_element(&r, &e);
        if (e.kind == ELEMENT_ASSERTION)
            continue; /* it only takes matches away */
        if (e.kind == ELEMENT_SET) {
            for (size_t i = 0; i < 256; i++)
                first[i] |= r.has[e.set][i];
        } else {
            reader inner = r;
            inner.at = e.inner;
            inner.end = e.inner_end;
            empty = add_firsts(inner, first);
        }
        if (e.min && !empty)
            return 0;
    }
    return 1;
}

static int add_firsts(reader r, unsigned char *first)
{
    int empty = 0;
    for (;;) {
        reader branch = r;
        branch.end = branch_end(&r);
        empty |= add_branch_firsts(branch, first);
        if (branch.end == r.end)
            return empty;
        r.at = branch.end + 1;
    }
}

static int disjoint(const reader *r, size_t a, size_t b)
{
    for (size_t i = 0; i < 256; i++) {
        if (r->has[a][i] && r->has[b][i])
            return 0;
    }
    return 1;
}

/*
 * Whether the greedy way through items is the only one: no item before the
 * last one that must match could leave a letter to one after it.
 */
static int is_simple(const reader *r, const element *items, size_t count)
{
    size_t last = count;
    while (last && !items[last - 1].min)
        last--;
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind != ELEMENT_SET || items[i].lazy)
            return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].min == items[i].max || items[i].possessive)
            continue;
        for (size_t j = i + 1; j < last; j++) {
            if (!disjoint(r, items[i].set, items[j].set))
                return 0;
        }
    }
    return last > 0;
}

/* The bit of a set, or 0 when there are too many. */
static uint32_t set_bit(rmr_regex_simple *simple, const reader *r,
                        uint16_t *sets, size_t set)
{
    size_t i = 0;
    while (i < simple->num_sets && sets[i] != set)
        i++;
    if (i == RMR_SIMPLE_SETS)
        return 0;
    if (i == simple->num_sets) {
        sets[simple->num_sets++] = (uint16_t)set;
        for (size_t letter = 0; letter < 256; letter++) {
            if (r->has[set][letter])
                simple->sets_of[letter] |= (uint32_t)1 << i;
        }
    }
    return (uint32_t)1 << i;
}

/* Keeps the items of a branch if it is a simple one. */
static int keep_branch(rmr_regex_simple *simple, reader r, uint16_t *sets)
{
    element items[RMR_SIMPLE_ITEMS];
    size_t count = 0, room = RMR_SIMPLE_ITEMS - simple->num_items;
    int optional = 1;
    const reader all = r;
    while (r.at < r.end && count < room)
        read_element(&r, &items[count++]);
    if (r.at < r.end || !is_simple(&all, items, count))
        return 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bit = set_bit(simple, &all, sets, items[i].set);
        if (!bit)
            return 0;
        simple->items[simple->num_items + i] =
            (rmr_simple_item){.set = bit,
                              .min = items[i].min,
                              .max = items[i].max,
                              .runs = optional && items[i].max == UINT32_MAX};
        optional &= !items[i].min && !items[i].possessive;
    }
    simple->num_items += count;
    return 1;
}

/* What is inside when all is one group. */
static void strip_groups(reader *r)
{
    for (;;) {
        reader whole = *r;
        element e;
        if (code_at(r, r->at) != '(' || code_at(r, r->at + 2) != ':')
            return;
        read_element(&whole, &e);
        if (whole.at < r->end || e.inner_end + 1 < r->end)
            return;
        r->at = e.inner;
        r->end = e.inner_end;
    }
}

void rmr_regex_simple_make(rmr_regex_simple *simple,
                           const rmr_regex_program *program,
                           const unsigned char (*has)[256])
{
    reader r = {.program = program, .has = has, .end = program->count};
    uint16_t sets[RMR_SIMPLE_SETS];
    uint8_t used[256] = {0};
    *simple = (rmr_regex_simple){0};
    memset(simple->branches_of, RMR_SIMPLE_NONE, sizeof simple->branches_of);
    strip_groups(&r);
    for (size_t branch = 0;; branch++) {
        unsigned char first[256] = {0};
        reader one = r;
        /* What does not fit is one branch that is not simple. */
        int rest = branch == RMR_SIMPLE_BRANCHES;
        one.end = rest ? r.end : branch_end(&r);
        int empty =
            rest ? add_firsts(one, first) : add_branch_firsts(one, first);
        int kept = !rest && !empty && keep_branch(simple, one, sets);
        simple->matches_empty |= empty;
        if (!rest)
            simple->items_at[branch + 1] = (uint8_t)simple->num_items;
        for (size_t i = 0; i < 256; i++) {
            uint8_t *list = simple->branches_of[i];
            if ((first[i] || empty) &&
                (!used[i] || list[used[i] - 1] != RMR_SIMPLE_OTHER))
                list[used[i]++] =
                    kept ? (uint8_t)branch : (uint8_t)RMR_SIMPLE_OTHER;
        }
        if (one.end == r.end)
            return;
        r.at = one.end + 1;
    }
}

int rmr_regex_simple_run(const rmr_regex_program *program, size_t *at)
{
    reader r = {.program = program, .end = program->count};
    element e;
    strip_groups(&r);
    *at = r.at;
    if (r.at == r.end || branch_end(&r) < r.end)
        return -1;
    read_element(&r, &e);
    if (e.kind != ELEMENT_SET || e.min != 1 || e.max != UINT32_MAX || e.lazy)
        return -1;
    int set = (int)e.set;
    while (r.at < r.end) {
        read_element(&r, &e);
        if (e.kind != ELEMENT_ASSERTION)
            return -1;
    }
    return set;
}
