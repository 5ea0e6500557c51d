/*
 * tokenizer_cache.h - the tokens of words that a thread has met before: text
 * repeats its words, and a model takes long for one. It must never give the
 * tokens of another word or model.
 */
#ifndef RMR_TOKENIZER_CACHE_H
#define RMR_TOKENIZER_CACHE_H

#include <string.h>
#include "tokenizer/tokenizer_internal.h"

/* Makes the scratch's cache ready for a model's words, emptying it when it was
 * another's. 0 when out of memory. */
int rmr_word_cache_open(struct rmr_encoder_scratch *scratch, uint64_t model);

enum {
    RMR_CACHED_BYTES = 30, /* of a word, at most */
    RMR_CACHED_TOKENS = 6
};

typedef struct rmr_cached_word {
    uint8_t len; /* 0: an empty place */
    uint8_t count;
    unsigned char bytes[RMR_CACHED_BYTES];
    uint32_t ids[RMR_CACHED_TOKENS];
    uint8_t ends[RMR_CACHED_TOKENS]; /* each token begins where the one before
                                      * it ends, the first at 0 */
    uint8_t unused[2];
} rmr_cached_word;

/* The place of a word of 1 to RMR_CACHED_BYTES bytes. */
rmr_cached_word *rmr_word_cache_place(struct rmr_word_cache *cache,
                                      const unsigned char *word, size_t len);

/* Whether it is the word that has the place. */
static inline int rmr_word_cache_has(const rmr_cached_word *place,
                                     const unsigned char *word, size_t len)
{
    return place->len == len && !memcmp(place->bytes, word, len);
}

/* Appends the tokens of a place, for a word that begins at `at`. 0 when out of
 * memory. */
int rmr_word_cache_push(const rmr_cached_word *place, size_t at,
                        rmr_encoding *encoding);

/* Gives the place to a word, whose tokens are those from `first` on; not when
 * they do not fit. */
void rmr_word_cache_store(rmr_cached_word *place, const unsigned char *word,
                          size_t len, size_t at, const rmr_encoding *encoding,
                          size_t first);

#endif
