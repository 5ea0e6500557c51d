/*
 * pretokenizer_split.h - a word cut at matches of something, in the five ways
 * that the reference has (SplitDelimiterBehavior). It must never keep more
 * than one piece at a time.
 */
#ifndef RMR_TOKENIZER_PRETOKENIZER_SPLIT_H
#define RMR_TOKENIZER_PRETOKENIZER_SPLIT_H

#include "tokenizer/tokenizer_internal.h"

/* What becomes of a match. */
typedef enum rmr_split_behavior {
    RMR_SPLIT_REMOVED,
    RMR_SPLIT_ISOLATED,        /* a word of its own */
    RMR_SPLIT_MERGED_PREVIOUS, /* the end of what it follows; the second of
                                * two matches stays alone */
    RMR_SPLIT_MERGED_NEXT,     /* the beginning of what follows it; the first
                                * of two matches stays alone */
    RMR_SPLIT_CONTIGUOUS       /* a word together with matches beside it */
} rmr_split_behavior;

/* Reads a behavior; a missing one is `fallback`, or FORMAT when that is
 * negative. */
rmr_status rmr_split_get_behavior(rmr_json_source source, int fallback,
                                  rmr_split_behavior *out, rmr_error *err);

/* One word that is being cut; the fields are private. */
typedef struct rmr_splitter {
    rmr_words *words;
    rmr_split_behavior behavior;
    int invert;
    size_t done; /* the word before this is in pieces */
    rmr_span piece;
    int has_piece;
    int piece_matched; /* the last part of the piece was a match */
    int failed;
} rmr_splitter;

/* Begins to cut a word, the pieces going to words. With invert what is
 * between matches is taken for matches, and matches for what is between. */
void rmr_splitter_begin(rmr_splitter *splitter, rmr_split_behavior behavior,
                        int invert, rmr_words *words, size_t start);

/* A match, which may be empty. Matches ascend and do not overlap. */
void rmr_splitter_match(rmr_splitter *splitter, size_t start, size_t end);

/* Ends the word; 0 when out of memory. */
int rmr_splitter_end(rmr_splitter *splitter, size_t end);

/* rmr_pre_tokenizer_type.cut of a split at a string. */
rmr_cut rmr_split_cut(const char *string, size_t len,
                      rmr_split_behavior behavior, int invert);

#endif
