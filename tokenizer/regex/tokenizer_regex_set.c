/*
 * tokenizer_regex_set.c - sets of code points and the reference's properties
 * and case relations, from the generated tables. It must never consult any
 * other source about a character.
 */
#include <stdlib.h>
#include <string.h>
#include "common/base/alloc.h"
#include "tokenizer/regex/tokenizer_regex_set.h"

typedef struct rmr_property {
    const char *name;
    uint32_t at; /* in property_bounds */
    uint32_t count;
} rmr_property;

typedef struct rmr_fold {
    uint32_t code;
    uint32_t at; /* in fold_codes */
    uint32_t count;
} rmr_fold;

#include "tokenizer/regex/tokenizer_regex_classes.inc"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* --------------------------------------------------------------------- sets
 */

void rmr_code_set_free(rmr_code_set *set)
{
    rmr_free(set->bounds);
    *set = (rmr_code_set){0};
}

static int grow(rmr_code_set *set, size_t more)
{
    size_t need;
    if (!rmr_add_size(set->count, more, &need))
        return 0;
    if (need <= set->capacity)
        return 1;
    uint32_t *bounds =
        rmr_grow(set->bounds, &set->capacity, need, sizeof *bounds);
    if (!bounds)
        return 0;
    set->bounds = bounds;
    return 1;
}

int rmr_code_set_add(rmr_code_set *set, uint32_t from, uint32_t to)
{
    if (from >= to)
        return 1;
    if (!grow(set, 2))
        return 0;
    set->bounds[set->count++] = from;
    set->bounds[set->count++] = to;
    return 1;
}

static int add_bounds(rmr_code_set *set, const uint32_t *bounds, size_t count)
{
    if (!grow(set, count))
        return 0;
    if (count)
        memcpy(set->bounds + set->count, bounds, count * sizeof *bounds);
    set->count += count;
    return 1;
}

int rmr_code_set_join(rmr_code_set *set, const rmr_code_set *other)
{
    return add_bounds(set, other->bounds, other->count);
}

static int by_start(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void rmr_code_set_sort(rmr_code_set *set)
{
    uint32_t *bounds = set->bounds;
    size_t out = 0;
    if (!set->count)
        return;
    qsort(bounds, set->count / 2, 2 * sizeof *bounds, by_start);
    for (size_t i = 2; i < set->count; i += 2) {
        if (bounds[i] <= bounds[out + 1]) {
            if (bounds[i + 1] > bounds[out + 1])
                bounds[out + 1] = bounds[i + 1];
        } else {
            out += 2;
            bounds[out] = bounds[i];
            bounds[out + 1] = bounds[i + 1];
        }
    }
    set->count = out + 2;
}

int rmr_code_set_invert(rmr_code_set *set)
{
    size_t count = set->count;
    if (!grow(set, 2))
        return 0;
    uint32_t *bounds = set->bounds;
    /* The bounds stay; the first and the last code point change sides. */
    if (count && bounds[0] == 0) {
        memmove(bounds, bounds + 1, --count * sizeof *bounds);
    } else {
        memmove(bounds + 1, bounds, count++ * sizeof *bounds);
        bounds[0] = 0;
    }
    if (count && bounds[count - 1] == RMR_CODE_LIMIT)
        count--;
    else
        bounds[count++] = RMR_CODE_LIMIT;
    set->count = count;
    return 1;
}

int rmr_code_set_intersect(rmr_code_set *set, const rmr_code_set *other)
{
    rmr_code_set both = {0};
    for (size_t i = 0, j = 0; i < set->count && j < other->count;) {
        const uint32_t *a = set->bounds + i, *b = other->bounds + j;
        uint32_t from = a[0] > b[0] ? a[0] : b[0];
        uint32_t to = a[1] < b[1] ? a[1] : b[1];
        if (!rmr_code_set_add(&both, from, to)) {
            rmr_code_set_free(&both);
            return 0;
        }
        if (a[1] < b[1])
            i += 2;
        else
            j += 2;
    }
    rmr_code_set_free(set);
    *set = both;
    return 1;
}

int rmr_code_set_has(const rmr_code_set *set, uint32_t code)
{
    size_t low = 0, high = set->count;
    while (low < high) { /* bounds before low are at most code */
        size_t middle = (low + high) / 2;
        if (set->bounds[middle] <= code)
            low = middle + 1;
        else
            high = middle;
    }
    return low & 1;
}

int rmr_code_set_equal(const rmr_code_set *a, const rmr_code_set *b)
{
    return a->count == b->count &&
           (!a->count ||
            !memcmp(a->bounds, b->bounds, a->count * sizeof *a->bounds));
}

/* --------------------------------------------------------------- properties
 */

static const rmr_property *find_property(const char *name)
{
    size_t low = 0, high = LENGTH(properties);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, properties[middle].name);
        if (!order)
            return &properties[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int rmr_code_set_add_property(rmr_code_set *set, const char *name, size_t len,
                              int flags)
{
    char plain[64];
    size_t size = 0;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c == ' ' || c == '-' || c == '_')
            continue;
        if (!c || size + 1 >= sizeof plain)
            return -1;
        plain[size++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    plain[size] = 0;
    if (flags & RMR_PROPERTY_IN_CLASS && !strcmp(plain, "word"))
        strcpy(plain, "[:word:]");
    const rmr_property *property = find_property(plain);
    if (!property)
        return -1;
    const uint32_t *bounds = property_bounds + property->at;
    if (!(flags & RMR_PROPERTY_INVERTED))
        return add_bounds(set, bounds, property->count);
    uint32_t from = 0;
    for (size_t i = 0; i < property->count; i += 2) {
        if (!rmr_code_set_add(set, from, bounds[i]))
            return 0;
        from = bounds[i + 1];
    }
    return rmr_code_set_add(set, from, RMR_CODE_LIMIT);
}

/* --------------------------------------------------------------------- case
 */

static const rmr_fold *find_fold(uint32_t code)
{
    size_t low = 0, high = LENGTH(folds);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (folds[middle].code == code)
            return &folds[middle];
        if (code < folds[middle].code)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int rmr_code_set_add_folded(rmr_code_set *set, uint32_t code)
{
    const rmr_fold *fold = find_fold(code);
    if (!fold)
        return rmr_code_set_add(set, code, code + 1);
    for (uint32_t i = 0; i < fold->count; i++) {
        uint32_t same = fold_codes[fold->at + i];
        if (!rmr_code_set_add(set, same, same + 1))
            return 0;
    }
    return 1;
}

int rmr_code_set_fold(rmr_code_set *set)
{
    rmr_code_set more = {0};
    int ok = 1;
    for (size_t i = 0; ok && i < LENGTH(folds); i++) {
        if (rmr_code_set_has(set, folds[i].code))
            ok = rmr_code_set_add_folded(&more, folds[i].code);
    }
    ok = ok && rmr_code_set_join(set, &more);
    rmr_code_set_free(&more);
    if (ok)
        rmr_code_set_sort(set);
    return ok;
}

const rmr_fold_string *rmr_fold_strings(size_t *count)
{
    *count = LENGTH(fold_strings);
    return fold_strings;
}

int rmr_code_same_folded(uint32_t a, uint32_t b)
{
    if (a == b)
        return 1;
    const rmr_fold *x = find_fold(a), *y = find_fold(b);
    return x && y && x->at == y->at;
}
