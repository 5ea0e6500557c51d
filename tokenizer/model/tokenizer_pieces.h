/*
 * tokenizer_pieces.h - the tokens that merging can make, each with the merge
 * that makes it, and a long word's tokens from them in linear time: the
 * longest token that stands beside the one before it, again and again, a step
 * back where there is none. It must never give anything but what merging
 * gives.
 *
 * It rests on this: a row of tokens is what merging makes of their bytes when
 * for any two neighbours merging their bytes alone gives these two; there is
 * only one such row. Whether two tokens are such neighbours follows from the
 * merges that made them, taken back one by one (van Antwerpen and Neubeck
 * 2024, "So many tokens, so little time").
 */
#ifndef RMR_TOKENIZER_PIECES_H
#define RMR_TOKENIZER_PIECES_H

#include "tokenizer/model/tokenizer_merges.h"

/* How a token is made. */
typedef struct rmr_piece {
    uint32_t left;
    uint32_t right;
    uint32_t order;   /* 1 + the merge's rank; 0: a single byte, or no piece */
    uint32_t shorter; /* the longest piece that it begins with; RMR_NO_ID */
    uint32_t len;     /* in bytes; 0: merging never makes it */
} rmr_piece;

/* Zeroed: none. */
typedef struct rmr_pieces {
    rmr_piece *pieces; /* by id */
    rmr_trie trie;     /* their bytes to ids */
} rmr_pieces;

/* For a vocabulary written in ByteLevel's characters, without prefix or
 * suffix. byte_ids: of single bytes, or RMR_NO_ID. Errors: NOMEM, RANGE. */
rmr_status rmr_pieces_open(rmr_pieces *pieces, const rmr_vocabulary *vocabulary,
                           const rmr_merges *merges,
                           const uint32_t byte_ids[256], rmr_error *err);
void rmr_pieces_close(rmr_pieces *pieces);

/* The tokens of word[0, len), all whose bytes have an id; at most len. `dead`
 * has room for len + 1 bits, in whole bytes. 0 when there is no such row, since
 * merging makes tokens of later ones, or when finding it takes too many steps.
 */
int rmr_pieces_find(const rmr_pieces *pieces, const rmr_merges *merges,
                    const unsigned char *word, size_t len, rmr_symbol *out,
                    size_t *count, unsigned char *dead);

#endif
