/*
 * tokenizer_cache.c - the word cache: a table of fixed size in which a new
 * word takes the place of an old one. It must never grow.
 */
#include "tokenizer/model/tokenizer_cache.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/model/tokenizer_hash.h"

enum { PLACES = 4096 };
_Static_assert(sizeof(rmr_cached_word) == 64, "a word takes a cache line");

struct rmr_word_cache {
    uint64_t model;
    rmr_cached_word places[PLACES];
};

int rmr_word_cache_open(struct rmr_encoder_scratch *scratch, uint64_t model)
{
    struct rmr_word_cache *cache = scratch->cache;
    if (!cache) {
        cache = rmr_malloc_aligned(sizeof *cache);
        if (!cache)
            return 0;
        cache->model = 0;
        scratch->cache = cache;
    }
    if (cache->model != model) {
        memset(cache, 0, sizeof *cache);
        cache->model = model;
    }
    return 1;
}

rmr_cached_word *rmr_word_cache_place(struct rmr_word_cache *cache,
                                      const unsigned char *word, size_t len)
{
    return &cache->places[rmr_hash(0, word, len) % PLACES];
}

int rmr_word_cache_push(const rmr_cached_word *place, size_t at,
                        rmr_encoding *encoding)
{
    size_t start = at;
    for (size_t i = 0; i < place->count; i++) {
        size_t end = at + place->ends[i];
        if (!rmr_encoding_push(encoding, place->ids[i], start, end))
            return 0;
        start = end;
    }
    return 1;
}

void rmr_word_cache_store(rmr_cached_word *place, const unsigned char *word,
                          size_t len, size_t at, const rmr_encoding *encoding,
                          size_t first)
{
    size_t count = encoding->count - first, start = at;
    if (count > RMR_CACHED_TOKENS)
        return;
    const rmr_token *tokens = count ? encoding->tokens + first : NULL;
    for (size_t i = 0; i < count; i++) {
        if (tokens[i].start != start)
            return;
        start = tokens[i].end;
    }
    place->len = (uint8_t)len;
    place->count = (uint8_t)count;
    memcpy(place->bytes, word, len);
    for (size_t i = 0; i < count; i++) {
        place->ids[i] = tokens[i].id;
        place->ends[i] = (uint8_t)(tokens[i].end - at);
    }
}
