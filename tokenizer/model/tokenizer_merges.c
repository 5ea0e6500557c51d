/*
 * tokenizer_merges.c - reads merges, and merges symbols: few of them by
 * looking for the best pair each time, many with a heap of pairs. It must
 * never merge in another order than the reference does.
 */
#include "tokenizer/model/tokenizer_merges.h"

#include <string.h>

#include "common/base/alloc.h"
#include "tokenizer/model/tokenizer_hash.h"

/* -------------------------------------------------------------------- table */

static uint64_t hash_pair(const rmr_merges *m, uint32_t left, uint32_t right)
{
    return rmr_hash_mix(m->seed, (uint64_t)left << 32 | right);
}

/* The pair's place, or the one that it would take. */
static rmr_merge *find_place(const rmr_merges *m, uint64_t hash, uint32_t left,
                             uint32_t right)
{
    rmr_merge *merge = &m->places[hash & m->mask];
    while (merge->rank != RMR_NO_RANK &&
           (merge->left != left || merge->right != right))
        merge = merge < m->places + m->mask ? merge + 1 : m->places;
    return merge;
}

/* What a pair of symbols becomes; rank RMR_NO_RANK: nothing. */
static rmr_merge find(const rmr_merges *m, uint32_t left, uint32_t right)
{
    uint64_t hash = hash_pair(m, left, right), bit = hash & m->filter_mask;
    if (!(m->filter[bit / 64] >> bit % 64 & 1))
        return (rmr_merge){.rank = RMR_NO_RANK};
    return *find_place(m, hash, left, right);
}

uint32_t rmr_merges_rank(const rmr_merges *merges, uint32_t left,
                         uint32_t right)
{
    return find(merges, left, right).rank;
}

static int grow(rmr_merges *m)
{
    enum { FIRST_PLACES = 1024 };
    size_t old = m->places ? m->mask + 1 : 0;
    size_t size = old ? 2 * old : FIRST_PLACES;
    rmr_merge *places = m->places;
    rmr_merge *grown = rmr_malloc_array(size, sizeof *grown);
    if (!grown)
        return 0;
    memset(grown, 0xFF, size * sizeof *grown);
    m->places = grown;
    m->mask = size - 1;
    for (size_t i = 0; i < old; i++) {
        const rmr_merge *p = &places[i];
        if (p->rank != RMR_NO_RANK)
            *find_place(m, hash_pair(m, p->left, p->right), p->left, p->right) =
                *p;
    }
    rmr_free(places);
    return 1;
}

static int fill_filter(rmr_merges *m)
{
    enum { BITS_PER_PLACE = 8 };
    size_t bits = (m->mask + 1) * BITS_PER_PLACE;
    m->filter = rmr_calloc(bits / 64, sizeof *m->filter);
    if (!m->filter)
        return 0;
    m->filter_mask = bits - 1;
    for (size_t i = 0; i <= m->mask; i++) {
        const rmr_merge *p = &m->places[i];
        uint64_t bit = hash_pair(m, p->left, p->right) & m->filter_mask;
        if (p->rank != RMR_NO_RANK)
            m->filter[bit / 64] |= (uint64_t)1 << bit % 64;
    }
    return 1;
}

/* ------------------------------------------------------------------ reading */

typedef struct reading {
    rmr_merges *merges;
    const rmr_vocabulary *vocabulary;
    const rmr_document *document;
    size_t prefix_len;
    char *joined; /* room for a token */
    size_t joined_capacity;
    size_t index; /* of the entry in the file */
    int form;     /* 2: arrays of two strings; 1: strings; 0: none yet */
} reading;

static rmr_status bad(const reading *r, rmr_status status, const char *problem,
                      rmr_error *err)
{
    return rmr_fail(err, status, "%s[%zu] %s", r->document->merges.name,
                    r->index, problem);
}

/* Cuts "left right" at its one space. */
static rmr_status cut_at_space(const reading *r, rmr_json_string *left,
                               rmr_json_string *right, rmr_error *err)
{
    const char *space = memchr(left->bytes, ' ', left->len);
    const char *end = left->bytes + left->len;
    if (!space || memchr(space + 1, ' ', (size_t)(end - space - 1)))
        return bad(r, RMR_ERR_FORMAT, "must be two tokens with a space between",
                   err);
    *right = (rmr_json_string){space + 1, (size_t)(end - space - 1)};
    left->len = (size_t)(space - left->bytes);
    return RMR_OK;
}

static rmr_status find_merged(reading *r, rmr_json_string left,
                              rmr_json_string right, uint32_t *id,
                              rmr_error *err)
{
    size_t rest = right.len - r->prefix_len, len = left.len + rest;
    char *joined = rmr_grow(r->joined, &r->joined_capacity, len, 1);
    if (!joined)
        return rmr_fail_nomem(err, r->document->merges.name);
    r->joined = joined;
    memcpy(joined, left.bytes, left.len);
    memcpy(joined + left.len, right.bytes + r->prefix_len, rest);
    *id = rmr_vocabulary_find(r->vocabulary, joined, len);
    return RMR_OK;
}

static rmr_status add(reading *r, rmr_json_string left, rmr_json_string right,
                      rmr_error *err)
{
    rmr_merges *m = r->merges;
    uint32_t left_id, right_id, id = RMR_NO_ID;
    /* Tokens then grow with each merge, so that none is made twice over. */
    if (right.len <= r->prefix_len || !left.len)
        return bad(r, RMR_ERR_UNSUPPORTED,
                   "must join two tokens that are longer than "
                   "\"continuing_subword_prefix\"",
                   err);
    left_id = rmr_vocabulary_find(r->vocabulary, left.bytes, left.len);
    right_id = rmr_vocabulary_find(r->vocabulary, right.bytes, right.len);
    rmr_status status = find_merged(r, left, right, &id, err);
    if (status)
        return status;
    if (left_id == RMR_NO_ID || right_id == RMR_NO_ID || id == RMR_NO_ID)
        return bad(r, RMR_ERR_FORMAT,
                   "must join two tokens of \"vocab\" to a third", err);
    if (r->index >= RMR_NO_RANK)
        return bad(r, RMR_ERR_RANGE, "is one too many", err);
    if (4 * m->count >= 3 * (m->mask + 1) && !grow(m))
        return rmr_fail_nomem(err, r->document->merges.name);
    rmr_merge *place =
        find_place(m, hash_pair(m, left_id, right_id), left_id, right_id);
    m->count += place->rank == RMR_NO_RANK;
    *place = (rmr_merge){left_id, right_id, (uint32_t)r->index, id};
    return RMR_OK;
}

static rmr_status read_all(reading *r, rmr_json_cursor *cursor, rmr_error *err)
{
    static const char comment[] = "#version";
    rmr_json_string left, right;
    rmr_status status;
    int more;
    for (;; r->index++) {
        status = rmr_json_next_merge(cursor, &more, &left, &right, err);
        if (status || !more)
            return status;
        int form = right.bytes ? 2 : 1;
        if (r->form && r->form != form)
            return bad(r, RMR_ERR_FORMAT, "is not of the form of the others",
                       err);
        r->form = form;
        if (form == 1) {
            if (left.len >= sizeof comment - 1 &&
                !memcmp(left.bytes, comment, sizeof comment - 1))
                continue;
            if ((status = cut_at_space(r, &left, &right, err)))
                return status;
        }
        if ((status = add(r, left, right, err)))
            return status;
    }
}

rmr_status rmr_merges_read(rmr_merges *merges, const rmr_vocabulary *vocabulary,
                           size_t prefix_len, const rmr_document *document,
                           rmr_error *err)
{
    reading r = {.merges = merges,
                 .vocabulary = vocabulary,
                 .document = document,
                 .prefix_len = prefix_len};
    rmr_json_cursor cursor;
    memset(merges, 0, sizeof *merges);
    merges->seed = vocabulary->seed;
    if (!document->merges.begin)
        return rmr_fail(err, RMR_ERR_FORMAT, "%s is missing",
                        document->merges.name);
    if (!grow(merges))
        return rmr_fail_nomem(err, document->merges.name);
    rmr_json_cursor_begin(&cursor, &document->merges);
    rmr_status status = read_all(&r, &cursor, err);
    rmr_json_cursor_end(&cursor);
    rmr_free(r.joined);
    if (!status && !fill_filter(merges))
        status = rmr_fail_nomem(err, document->merges.name);
    if (status)
        rmr_merges_free(merges);
    return status;
}

void rmr_merges_free(rmr_merges *merges)
{
    rmr_free(merges->places);
    rmr_free(merges->filter);
    memset(merges, 0, sizeof *merges);
}

/* -------------------------------------------------------------- few symbols */

enum { FEW = 24 };

static void apply_to_few(const rmr_merges *m, rmr_symbol *symbols,
                         size_t *count)
{
    uint32_t ranks[FEW], ids[FEW]; /* of each symbol with the next */
    size_t n = *count;
    for (size_t i = 0; i + 1 < n; i++) {
        rmr_merge merge = find(m, symbols[i].id, symbols[i + 1].id);
        ranks[i] = merge.rank;
        ids[i] = merge.id;
    }
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = ranks[i] < ranks[best] ? i : best;
        if (ranks[best] == RMR_NO_RANK)
            break;
        symbols[best].id = ids[best];
        symbols[best].len += symbols[best + 1].len;
        n--;
        for (size_t i = best + 1; i < n; i++) {
            symbols[i] = symbols[i + 1];
            ranks[i - 1] = ranks[i];
            ids[i - 1] = ids[i];
        }
        for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < n; i++) {
            rmr_merge merge = find(m, symbols[i].id, symbols[i + 1].id);
            ranks[i] = merge.rank;
            ids[i] = merge.id;
        }
    }
    *count = n;
}

/* ------------------------------------------------------------- many symbols */

/* A symbol in a list, with its pair with the next. */
typedef struct link {
    uint32_t next; /* the number of symbols: none */
    uint32_t previous;
    uint32_t rank; /* of the pair; RMR_NO_RANK */
    uint32_t id;   /* what the pair becomes */
} link;

/* Pairs by rank, then place: rank << 32 | index of the left symbol. A pair
 * that is no more is left in it, and known by its rank. */
typedef struct heap {
    uint64_t *keys;
    size_t count;
} heap;

static void sift_down(heap *h, size_t at, uint64_t key)
{
    for (size_t child; (child = 4 * at + 1) < h->count; at = child) {
        size_t end = child + 4 < h->count ? child + 4 : h->count;
        for (size_t i = child + 1; i < end; i++)
            child = h->keys[i] < h->keys[child] ? i : child;
        if (h->keys[child] >= key)
            break;
        h->keys[at] = h->keys[child];
    }
    h->keys[at] = key;
}

static void heap_push(heap *h, uint64_t key)
{
    size_t at = h->count++;
    while (at && h->keys[(at - 1) / 4] > key) {
        h->keys[at] = h->keys[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    h->keys[at] = key;
}

static uint64_t heap_pop(heap *h)
{
    uint64_t top = h->keys[0];
    uint64_t last = h->keys[--h->count];
    if (h->count)
        sift_down(h, 0, last);
    return top;
}

/* Looks the pair of a symbol with the next one up. */
static void pair_up(const rmr_merges *m, const rmr_symbol *symbols, link *links,
                    size_t count, uint32_t at)
{
    uint32_t next = links[at].next;
    links[at].rank = RMR_NO_RANK;
    if (next < count) {
        rmr_merge merge = find(m, symbols[at].id, symbols[next].id);
        links[at].rank = merge.rank;
        links[at].id = merge.id;
    }
}

/* Joins a symbol with the next one. */
static void join(rmr_symbol *symbols, link *links, size_t count, uint32_t at)
{
    uint32_t right = links[at].next;
    symbols[at].id = links[at].id;
    symbols[at].len += symbols[right].len;
    links[at].next = links[right].next;
    links[right].rank = RMR_NO_RANK;
    if (links[right].next < count)
        links[links[right].next].previous = at;
}

static void apply_to_many(const rmr_merges *m, rmr_symbol *symbols,
                          size_t *count, void *room)
{
    size_t n = *count, kept = 0;
    heap h = {.keys = room};
    link *links = (link *)(h.keys + 2 * n);
    for (uint32_t i = 0; i < n; i++) {
        links[i].next = i + 1;
        links[i].previous = i - 1;
        pair_up(m, symbols, links, n, i);
        if (links[i].rank != RMR_NO_RANK)
            h.keys[h.count++] = (uint64_t)links[i].rank << 32 | i;
    }
    for (size_t i = h.count / 4 + 1; i-- > 0 && h.count;)
        sift_down(&h, i, h.keys[i]);
    while (h.count) {
        uint64_t top = heap_pop(&h);
        uint32_t at = (uint32_t)top, around[2] = {links[at].previous, at};
        if (links[at].rank != top >> 32)
            continue;
        join(symbols, links, n, at);
        for (int i = at ? 0 : 1; i < 2; i++) {
            pair_up(m, symbols, links, n, around[i]);
            if (links[around[i]].rank != RMR_NO_RANK)
                heap_push(&h,
                          (uint64_t)links[around[i]].rank << 32 | around[i]);
        }
    }
    for (uint32_t i = 0; i < n; i = links[i].next)
        symbols[kept++] = symbols[i];
    *count = kept;
}

/* ------------------------------------------------------------------ windows
 *
 * Which symbols a list becomes shows in pairs of neighbours: it is right when
 * merging what any two neighbours are made of, alone, gives these two again.
 * (Merging goes by rank and place, so it does in a part what it does in the
 * whole, up to the first merge across an edge of the part; and the first that
 * is across the edge between such two would be made in those two alone, too.)
 * So a long list is merged in windows that stay near, each beginning with a
 * symbol that the one before had, which makes all neighbours right.
 */
enum { WINDOW = 512, OVERLAP = 64, WIDE = 4 * WINDOW };

/* How far it has come. */
typedef struct progress {
    size_t used;         /* symbols of the list */
    size_t done;         /* symbols that these have become */
    rmr_symbol expected; /* that the next window begins with; len 0: any */
} progress;

/* Moves over the symbols of a window that begin before its overlap. 0 when
 * there is none. */
static int advance(progress *p, const rmr_symbol *list, size_t size,
                   const rmr_symbol *window, size_t count, rmr_symbol *out)
{
    size_t used = 0, kept = 0;
    for (; kept + 1 < count; kept++) {
        size_t len = 0, symbols = 0;
        while (len < window[kept].len)
            len += list[p->used + used + symbols++].len;
        if (used + symbols > size - OVERLAP)
            break;
        used += symbols;
    }
    memcpy(out + p->done, window, kept * sizeof *window);
    p->done += kept;
    p->used += used;
    p->expected = window[kept];
    return kept > 0;
}

/* 0, and the list is as it was, when windows do not fit together. */
static int apply_in_windows(const rmr_merges *m, rmr_symbol *list,
                            size_t *count, rmr_symbol *out, void *room)
{
    rmr_symbol window[WIDE];
    progress now = {0}, before = {0};
    size_t wanted = WINDOW;
    for (;;) {
        size_t left = *count - now.used, size = left < wanted ? left : wanted;
        size_t got = size;
        memcpy(window, list + now.used, size * sizeof *window);
        apply_to_many(m, window, &got, room);
        if (now.expected.len && (window->id != now.expected.id ||
                                 window->len != now.expected.len)) {
            if (wanted == WIDE)
                return 0;
            now = before;
            wanted = WIDE;
            continue;
        }
        if (size == left) {
            memcpy(out + now.done, window, got * sizeof *window);
            *count = now.done + got;
            memcpy(list, out, *count * sizeof *list);
            return 1;
        }
        before = now;
        if (!advance(&now, list, size, window, got, out))
            return 0;
        wanted = WINDOW;
    }
}

size_t rmr_merges_room(size_t count)
{
    /* Links; a heap, since each merge takes one pair out and puts two in at
     * most; and the result. */
    return count <= FEW ? 0
                        : count * (sizeof(link) + 2 * sizeof(uint64_t) +
                                   sizeof(rmr_symbol));
}

void rmr_merges_apply(const rmr_merges *merges, rmr_symbol *symbols,
                      size_t *count, void *room)
{
    rmr_symbol *out = room;
    if (*count <= FEW) {
        apply_to_few(merges, symbols, count);
        return;
    }
    room = out + *count;
    if (*count <= WINDOW ||
        !apply_in_windows(merges, symbols, count, out, room))
        apply_to_many(merges, symbols, count, room);
}
