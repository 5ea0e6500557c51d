/*
 * tokenizer_regex_simple.h - the branches of a pattern that need no
 * backtracking, which is most of what tokenizers split with: runs of letters
 * that are in one set after another. For tokenizer_regex*.c only.
 */
#ifndef RMR_TOKENIZER_REGEX_SIMPLE_H
#define RMR_TOKENIZER_REGEX_SIMPLE_H

#include <stddef.h>
#include <stdint.h>
#include "tokenizer/regex/tokenizer_regex_translate.h"

enum {
    RMR_SIMPLE_BRANCHES = 15,
    RMR_SIMPLE_ITEMS = 48,
    RMR_SIMPLE_SETS = 32,
    /* In the list of a letter, where branches end: */
    RMR_SIMPLE_NONE = 0xFF,  /* nothing matches here */
    RMR_SIMPLE_OTHER = 0xFE, /* something else may: ask PCRE2 */
    RMR_SIMPLE_UNKNOWN = -1
};

/* min to max letters of a set, as many as there are. */
typedef struct rmr_simple_item {
    uint32_t set; /* its bit in sets_of */
    uint32_t min;
    uint32_t max; /* UINT32_MAX: no limit */
    int runs;     /* no limit, and nothing before it has to match: a branch that
                   * fails right after it fails from all of its letters but the
                   * first */
} rmr_simple_item;

typedef struct rmr_regex_simple {
    /* For each letter, the branches that can begin with it, in order. */
    uint8_t branches_of[256][RMR_SIMPLE_BRANCHES + 1];
    uint32_t sets_of[256];
    rmr_simple_item items[RMR_SIMPLE_ITEMS];
    uint8_t items_at[RMR_SIMPLE_BRANCHES + 1]; /* [i] to [i + 1]: branch i's */
    size_t num_items;
    size_t num_sets;
    int matches_empty; /* at the end, too, something may match */
} rmr_regex_simple;

/*
 * The set of a program that is S+ and then only assertions, or -1, with where
 * its S is in the code. When a search fails at the first of several letters of
 * S it fails at all of them, and it never goes on between two but where the
 * longer matches have failed before.
 */
int rmr_regex_simple_run(const rmr_regex_program *program, size_t *at);

/* has[set][letter]: whether a letter is in a set of the program. */
void rmr_regex_simple_make(rmr_regex_simple *simple,
                           const rmr_regex_program *program,
                           const unsigned char (*has)[256]);

/*
 * Looks for the first match from *start on. 1 with the match; 0 when there is
 * none; RMR_SIMPLE_UNKNOWN when PCRE2 has to look from the new *start on.
 */
static inline int rmr_regex_simple_find(const rmr_regex_simple *simple,
                                        const unsigned char *letters,
                                        size_t count, size_t *start,
                                        size_t *end)
{
    size_t failed_from = 0, failed_to = 0; /* where `failed` fails */
    uint8_t failed = RMR_SIMPLE_NONE;
    for (size_t from = *start; from < count; from++) {
        const uint8_t *branch = simple->branches_of[letters[from]];
        for (; *branch < RMR_SIMPLE_OTHER; branch++) {
            const rmr_simple_item *item =
                simple->items + simple->items_at[*branch];
            const rmr_simple_item *last =
                simple->items + simple->items_at[*branch + 1];
            size_t at = from, begin = from, before = from;
            if (*branch == failed && from > failed_from && from < failed_to)
                continue;
            for (; item < last; item++) {
                size_t limit = count - at > item->max ? at + item->max : count;
                before = begin;
                begin = at;
                while (at < limit && simple->sets_of[letters[at]] & item->set)
                    at++;
                if (at - begin < item->min)
                    break;
            }
            if (item == last) {
                *start = from;
                *end = at;
                return 1;
            }
            if (at == begin && begin > before && item[-1].runs) {
                failed = *branch;
                failed_from = before;
                failed_to = begin;
            }
        }
        if (*branch == RMR_SIMPLE_OTHER) {
            *start = from;
            return RMR_SIMPLE_UNKNOWN;
        }
    }
    *start = count;
    return simple->matches_empty ? RMR_SIMPLE_UNKNOWN : 0;
}

#endif
