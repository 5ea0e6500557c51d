/*
 * tokenizer_trie.h - a set of byte strings with a number each, as a double
 * array (Aoe 1989): one table look-up per byte. It must never be walked with
 * a node that it did not give out.
 */
#ifndef RMR_TOKENIZER_TRIE_H
#define RMR_TOKENIZER_TRIE_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"

#define RMR_TRIE_NONE UINT32_MAX

typedef struct rmr_trie_unit {
    uint32_t base;   /* child by byte b: base ^ b */
    uint32_t parent; /* RMR_TRIE_NONE: a free place */
    uint32_t value;  /* of the string that ends here, or RMR_TRIE_NONE */
} rmr_trie_unit;

/* Zeroed: empty, not to be walked. */
typedef struct rmr_trie {
    rmr_trie_unit *units;
    uint32_t size;
} rmr_trie;

typedef struct rmr_trie_key {
    const unsigned char *bytes;
    size_t len;
    uint32_t value; /* below RMR_TRIE_NONE */
} rmr_trie_key;

/* Builds a trie of keys, which it sorts; of equal keys one stays. The bytes
 * are not needed afterwards. Errors: NOMEM; RANGE over 1 GiB of keys. On
 * failure *trie is empty. */
rmr_status rmr_trie_build(rmr_trie *trie, rmr_trie_key *keys, size_t count,
                          rmr_error *err);
void rmr_trie_free(rmr_trie *trie);

enum { RMR_TRIE_ROOT = 0 };

/* The child of node by byte, or RMR_TRIE_NONE. */
static inline uint32_t rmr_trie_step(const rmr_trie *trie, uint32_t node,
                                     unsigned char byte)
{
    uint32_t child = trie->units[node].base ^ byte;
    return trie->units[child].parent == node ? child : RMR_TRIE_NONE;
}

/* Follows len bytes from node; the node reached, or RMR_TRIE_NONE. */
static inline uint32_t rmr_trie_follow(const rmr_trie *trie, uint32_t node,
                                       const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len && node != RMR_TRIE_NONE; i++)
        node = rmr_trie_step(trie, node, bytes[i]);
    return node;
}

/* The value of a string, or RMR_TRIE_NONE. */
static inline uint32_t rmr_trie_find(const rmr_trie *trie,
                                     const unsigned char *bytes, size_t len)
{
    uint32_t node = rmr_trie_follow(trie, RMR_TRIE_ROOT, bytes, len);
    return node == RMR_TRIE_NONE ? node : trie->units[node].value;
}

#endif
