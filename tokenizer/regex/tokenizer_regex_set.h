/*
 * tokenizer_regex_set.h - sets of code points, as a regular expression's
 * character classes need them, and what the reference's character properties
 * and its matching without case say about code points. Nothing here knows of
 * patterns.
 */
#ifndef RMR_TOKENIZER_REGEX_SET_H
#define RMR_TOKENIZER_REGEX_SET_H

#include <stddef.h>
#include <stdint.h>

#define RMR_CODE_LIMIT 0x110000u

/* Pairs: from bounds[2i] up to but not including bounds[2i + 1]. A set that is
 * in order has them ascending and apart. All zeros: the empty set. */
typedef struct rmr_code_set {
    uint32_t *bounds;
    size_t count; /* of bounds */
    size_t capacity;
} rmr_code_set;

void rmr_code_set_free(rmr_code_set *set);

/* Adds [from, to), out of order. This and what follows: 0 when out of
 * memory. */
int rmr_code_set_add(rmr_code_set *set, uint32_t from, uint32_t to);
/* Adds all of another set, out of order. */
int rmr_code_set_join(rmr_code_set *set, const rmr_code_set *other);
/* Puts a set in order. */
void rmr_code_set_sort(rmr_code_set *set);

/* These take sets in order and keep them so. */
int rmr_code_set_invert(rmr_code_set *set);
int rmr_code_set_intersect(rmr_code_set *set, const rmr_code_set *other);
int rmr_code_set_has(const rmr_code_set *set, uint32_t code);
int rmr_code_set_equal(const rmr_code_set *a, const rmr_code_set *b);

enum {
    RMR_PROPERTY_INVERTED = 1, /* all else */
    RMR_PROPERTY_IN_CLASS = 2  /* what it holds inside of brackets, where the
                                * reference's \w and \p{Word} hold less */
};

/* Adds, out of order, what a property holds. The name is looked up as
 * Oniguruma does: case, spaces, '-' and '_' do not count; "[:alpha:]" is a
 * POSIX bracket. -1 when there is no such property. */
int rmr_code_set_add_property(rmr_code_set *set, const char *name, size_t len,
                              int flags);

/* Adds, out of order, what is the same as `code` without case, itself
 * included. */
int rmr_code_set_add_folded(rmr_code_set *set, uint32_t code);
/* Puts what is the same without case into a set in order. */
int rmr_code_set_fold(rmr_code_set *set);

/* Several code points that are one without case: "ss" and U+00DF. */
typedef struct rmr_fold_string {
    uint32_t codes[3];
    uint32_t len;
    uint32_t same[3]; /* the single ones */
    uint32_t num_same;
} rmr_fold_string;

/* All of them; of two that begin alike the longer one is later. */
const rmr_fold_string *rmr_fold_strings(size_t *count);
/* Whether two code points are the same without case. */
int rmr_code_same_folded(uint32_t a, uint32_t b);

#endif
