/*
 * tokenizer_merges.h - the merges of a BPE model, and merging the symbols of a
 * word by them: the pair that was learnt first, leftmost first, again and
 * again (Sennrich et al. 2016). It must never take quadratic time.
 */
#ifndef RMR_TOKENIZER_MERGES_H
#define RMR_TOKENIZER_MERGES_H

#include "tokenizer/tokenizer_internal.h"

#define RMR_NO_RANK UINT32_MAX

/* What a pair of symbols becomes. A hash table by pair; rank RMR_NO_RANK: an
 * empty place. */
typedef struct rmr_merge {
    uint32_t left;
    uint32_t right;
    uint32_t rank; /* the lower, the earlier it is merged */
    uint32_t id;   /* what both become */
} rmr_merge;

typedef struct rmr_merges {
    rmr_merge *places; /* [mask + 1] */
    size_t mask;
    size_t count;
    uint64_t seed;
    uint64_t *filter;   /* by the same hash, a bit for each pair that there is:
                         * most are none, and this is small enough to be near */
    size_t filter_mask; /* of its bits */
} rmr_merges;

/* Reads model.merges: each is two entries of the vocabulary, whose
 * concatenation, less prefix_len bytes of the second, is an entry too. Of
 * equal pairs the last counts. Errors: FORMAT, UNSUPPORTED, RANGE, NOMEM. */
rmr_status rmr_merges_read(rmr_merges *merges, const rmr_vocabulary *vocabulary,
                           size_t prefix_len, const rmr_document *document,
                           rmr_error *err);
void rmr_merges_free(rmr_merges *merges);

/* The rank of a pair; RMR_NO_RANK when there is no such merge. */
uint32_t rmr_merges_rank(const rmr_merges *merges, uint32_t left,
                         uint32_t right);

/* A symbol of a word: so many of its bytes. */
typedef struct rmr_symbol {
    uint32_t id;
    uint32_t len;
} rmr_symbol;

/* Merges until no pair is left; *count becomes how many symbols remain. room
 * is for the work: rmr_merges_room(*count) bytes, of which little is touched
 * as a rule. */
void rmr_merges_apply(const rmr_merges *merges, rmr_symbol *symbols,
                      size_t *count, void *room);
size_t rmr_merges_room(size_t count);

#endif
