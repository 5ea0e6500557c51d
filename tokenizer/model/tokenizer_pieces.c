/*
 * tokenizer_pieces.c - which tokens merging can make, which of them can stand
 * beside each other, and finding a word's. It must never take a token for one
 * that merging makes without having taken its merges back.
 */
#include "tokenizer/model/tokenizer_pieces.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/text/tokenizer_bytechars.h"
#include "tokenizer/text/tokenizer_utf8.h"

/* ---------------------------------------------------------------- neighbours
 */

/*
 * Whether nothing merges across the edge between two pieces, going back in
 * time from when both were whole: the piece that was made last is taken apart
 * first. `limit`: a merge across of this order or later would come too late.
 */
static int is_edge(const rmr_piece *pieces, const rmr_merges *merges,
                   uint32_t left, uint32_t right, uint32_t limit)
{
    for (;;) {
        uint32_t rank = rmr_merges_rank(merges, left, right);
        const rmr_piece *a = &pieces[left], *b = &pieces[right];
        if (rank != RMR_NO_RANK && rank + 1 < limit)
            return 0;
        if (a->order > b->order) {
            limit = a->order;
            left = a->right;
        } else if (b->order) {
            /* The same merge across comes first, being further left. */
            limit = b->order + 1;
            right = b->left;
        } else {
            return 1;
        }
    }
}

static int can_stand_beside(const rmr_pieces *p, const rmr_merges *merges,
                            uint32_t left, uint32_t right)
{
    return is_edge(p->pieces, merges, left, right, RMR_NO_RANK);
}

/* ------------------------------------------------------------------ opening */

/* Whether merging the bytes of both pieces gives them, until they are merged
 * themselves. */
static int is_made(const rmr_piece *pieces, const rmr_merges *merges,
                   const rmr_merge *merge)
{
    const rmr_piece *a = &pieces[merge->left], *b = &pieces[merge->right];
    if (!a->len || !b->len)
        return 0;
    if (a->order > b->order)
        return is_edge(pieces, merges, a->right, merge->right, a->order);
    return !b->order ||
           is_edge(pieces, merges, merge->left, b->left, b->order + 1);
}

/* The places of all merges by rank, allocated; NULL when out of memory. */
static const rmr_merge **sort_by_rank(const rmr_merges *merges, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i <= merges->mask; i++) {
        uint32_t rank = merges->places[i].rank;
        if (rank != RMR_NO_RANK && rank >= *count)
            *count = (size_t)rank + 1;
    }
    const rmr_merge **sorted = rmr_calloc(*count, sizeof *sorted);
    for (size_t i = 0; i <= merges->mask && sorted; i++) {
        if (merges->places[i].rank != RMR_NO_RANK)
            sorted[merges->places[i].rank] = &merges->places[i];
    }
    return sorted;
}

/*
 * Finds the tokens that merging makes, and how: each by the first merge that
 * joins two pieces made before it without another merge coming between them.
 * (A token that is made otherwise, of a piece that comes later, is not found,
 * and a word that has it not either.) 0 when out of memory.
 */
static int find_made(rmr_piece *pieces, const rmr_merges *merges,
                     const uint32_t byte_ids[256])
{
    size_t count;
    const rmr_merge **sorted = sort_by_rank(merges, &count);
    if (!sorted)
        return 0;
    for (int byte = 0; byte < 256; byte++) {
        if (byte_ids[byte] != RMR_NO_ID)
            pieces[byte_ids[byte]].len = 1;
    }
    for (size_t i = 0; i < count; i++) {
        const rmr_merge *m = sorted[i];
        if (!m || pieces[m->id].len || !is_made(pieces, merges, m))
            continue;
        pieces[m->id].left = m->left;
        pieces[m->id].right = m->right;
        pieces[m->id].order = m->rank + 1;
        pieces[m->id].len = pieces[m->left].len + pieces[m->right].len;
    }
    rmr_free(sorted);
    return 1;
}

/* The bytes of a token. */
static void write_bytes(unsigned char *out, const unsigned char *string,
                        size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t code;
        at += rmr_utf8_decode(string + at, len - at, &code);
        *out++ = (unsigned char)rmr_char_to_byte(code);
    }
}

static rmr_status build_trie(rmr_pieces *p, const rmr_vocabulary *vocabulary,
                             unsigned char *bytes, rmr_trie_key *keys,
                             rmr_error *err)
{
    size_t count = 0;
    for (uint32_t id = 0; id < vocabulary->id_limit; id++) {
        size_t len = 0;
        const char *string = rmr_vocabulary_string(vocabulary, id, &len);
        if (!p->pieces[id].len)
            continue;
        write_bytes(bytes, (const unsigned char *)string, len);
        keys[count++] = (rmr_trie_key){bytes, p->pieces[id].len, id};
        bytes += p->pieces[id].len;
    }
    rmr_status status = rmr_trie_build(&p->trie, keys, count, err);
    for (size_t i = 0; i < count && !status; i++) {
        uint32_t node = RMR_TRIE_ROOT, shorter = RMR_NO_ID;
        for (size_t at = 0; at + 1 < keys[i].len; at++) {
            node = rmr_trie_step(&p->trie, node, keys[i].bytes[at]);
            uint32_t id = p->trie.units[node].value;
            shorter = id == RMR_TRIE_NONE ? shorter : id;
        }
        p->pieces[keys[i].value].shorter = shorter;
    }
    return status;
}

static rmr_status fill(rmr_pieces *p, const rmr_vocabulary *vocabulary,
                       const rmr_merges *merges, const uint32_t byte_ids[256],
                       rmr_error *err)
{
    size_t bytes = 0, count = 0;
    if (!find_made(p->pieces, merges, byte_ids))
        return rmr_fail_nomem(err, "the vocabulary");
    for (uint32_t id = 0; id < vocabulary->id_limit; id++) {
        bytes += p->pieces[id].len;
        count += p->pieces[id].len > 0;
    }
    unsigned char *text = rmr_malloc(bytes);
    rmr_trie_key *keys = rmr_malloc_array(count, sizeof *keys);
    rmr_status status = text && keys
                            ? build_trie(p, vocabulary, text, keys, err)
                            : rmr_fail_nomem(err, "the vocabulary");
    rmr_free(text);
    rmr_free(keys);
    return status;
}

rmr_status rmr_pieces_open(rmr_pieces *pieces, const rmr_vocabulary *vocabulary,
                           const rmr_merges *merges,
                           const uint32_t byte_ids[256], rmr_error *err)
{
    memset(pieces, 0, sizeof *pieces);
    pieces->pieces = rmr_calloc(vocabulary->id_limit, sizeof *pieces->pieces);
    if (!pieces->pieces)
        return rmr_fail_nomem(err, "the vocabulary");
    rmr_status status = fill(pieces, vocabulary, merges, byte_ids, err);
    if (status)
        rmr_pieces_close(pieces);
    return status;
}

void rmr_pieces_close(rmr_pieces *pieces)
{
    rmr_free(pieces->pieces);
    rmr_trie_free(&pieces->trie);
    memset(pieces, 0, sizeof *pieces);
}

/* ------------------------------------------------------------------ finding */

/* The longest piece that the bytes begin with; a single byte is one. */
static uint32_t longest(const rmr_trie *trie, const unsigned char *bytes,
                        size_t len, size_t *steps)
{
    uint32_t node = RMR_TRIE_ROOT, found = RMR_NO_ID;
    size_t i = 0;
    while (i < len) {
        node = rmr_trie_step(trie, node, bytes[i++]);
        if (node == RMR_TRIE_NONE)
            break;
        uint32_t id = trie->units[node].value;
        found = id == RMR_TRIE_NONE ? found : id;
    }
    *steps += i;
    return found;
}

static int is_dead(const unsigned char *dead, size_t at)
{
    return dead[at / 8] >> at % 8 & 1;
}

int rmr_pieces_find(const rmr_pieces *pieces, const rmr_merges *merges,
                    const unsigned char *word, size_t len, rmr_symbol *out,
                    size_t *count, unsigned char *dead)
{
    enum { STEPS_PER_BYTE = 64 };
    const rmr_piece *all = pieces->pieces;
    size_t at = 0, n = 0, steps = 0;
    memset(dead, 0, len / 8 + 1);
    uint32_t next = longest(&pieces->trie, word, len, &steps);
    while (at < len) {
        if (steps++ > STEPS_PER_BYTE * len)
            return 0;
        size_t end = at + all[next].len;
        if (!is_dead(dead, end) &&
            (!n || can_stand_beside(pieces, merges, out[n - 1].id, next))) {
            out[n++] = (rmr_symbol){next, all[next].len};
            at = end;
            if (at < len)
                next = longest(&pieces->trie, word + at, len - at, &steps);
            continue;
        }
        next = all[next].shorter;
        while (next == RMR_NO_ID) {
            /* Nothing goes on from here: the token before was the wrong one. */
            dead[at / 8] |= (unsigned char)(1 << at % 8);
            if (!n)
                return 0;
            n--;
            at -= out[n].len;
            next = all[out[n].id].shorter;
        }
    }
    *count = n;
    return 1;
}
