/*
 * tokenizer_hash.h - a hash of a short byte string, keyed by a seed. It is for
 * tables in memory only: its values must never be stored.
 */
#ifndef RMR_TOKENIZER_HASH_H
#define RMR_TOKENIZER_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t rmr_hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

static inline uint64_t rmr_hash_load(const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

/* The low bits are the good ones to index by. */
static inline uint64_t rmr_hash(uint64_t seed, const void *data, size_t len)
{
    const unsigned char *at = data;
    uint64_t hash = rmr_hash_mix(seed, len);
    if (len >= 8) {
        const unsigned char *last = at + len - 8;
        for (; at < last; at += 8)
            hash = rmr_hash_mix(hash, rmr_hash_load(at, 8));
        return rmr_hash_mix(hash ^ seed, rmr_hash_load(last, 8));
    }
    if (len >= 4) {
        uint64_t low = rmr_hash_load(at, 4);
        return rmr_hash_mix(hash ^ seed, low | rmr_hash_load(at + len - 4, 4)
                                                   << 32);
    }
    if (len)
        return rmr_hash_mix(hash ^ seed, (uint64_t)at[0] | at[len / 2] << 8 |
                                             at[len - 1] << 16);
    return hash;
}

#endif
