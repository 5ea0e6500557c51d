/*
 * tokenizer_trie.c - building a double-array trie from sorted keys, node by
 * node, without recursion. A search for room looks at the last blocks only, so
 * that no set of keys takes quadratic time.
 */
#include "tokenizer/model/tokenizer_trie.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

enum {
    BLOCK = 256,      /* children of one base lie in one block */
    OPEN_BLOCKS = 16, /* blocks that are searched for room */
};

/* A node whose children are still to be placed: keys [low, high) share its
 * first `depth` bytes. */
typedef struct build_task {
    size_t low;
    size_t high;
    size_t depth;
    uint32_t node;
} build_task;

/* Free places form a ring through place 0, the root, which is never free. */
typedef struct free_place {
    uint32_t next;
    uint32_t previous;
} free_place;

typedef struct builder {
    const rmr_trie_key *keys;
    rmr_trie_unit *units;
    size_t unit_capacity;
    free_place *places;
    size_t place_capacity;
    uint32_t size;
    build_task *tasks;
    size_t num_tasks;
    size_t task_capacity;
} builder;

static int compare_keys(const void *left, const void *right)
{
    const rmr_trie_key *a = left, *b = right;
    size_t len = a->len < b->len ? a->len : b->len;
    int order = len ? memcmp(a->bytes, b->bytes, len) : 0;
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* -------------------------------------------------------------------- order
 *
 * Keys are sorted by their first bytes as one number, digit by digit, and then
 * those that share these by comparison.
 */
typedef struct ordered {
    uint64_t prefix;
    size_t index;
} ordered;

static uint64_t prefix_of(const rmr_trie_key *key)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < sizeof prefix; i++)
        prefix = prefix << 8 | (i < key->len ? key->bytes[i] : 0);
    return prefix;
}

/* Sorts `list` by prefix; `other` has as much room. Where the result is. */
static ordered *sort_prefixes(ordered *list, ordered *other, size_t count)
{
    enum { DIGITS = sizeof(uint64_t) };
    size_t counts[DIGITS][256] = {{0}};
    for (size_t i = 0; i < count; i++) {
        for (int digit = 0; digit < DIGITS; digit++)
            counts[digit][list[i].prefix >> 8 * digit & 255]++;
    }
    for (int digit = 0; digit < DIGITS; digit++) {
        size_t at = 0;
        if (counts[digit][list[0].prefix >> 8 * digit & 255] == count)
            continue;
        for (int value = 0; value < 256; value++) {
            size_t n = counts[digit][value];
            counts[digit][value] = at;
            at += n;
        }
        for (size_t i = 0; i < count; i++)
            other[counts[digit][list[i].prefix >> 8 * digit & 255]++] = list[i];
        ordered *sorted = other;
        other = list;
        list = sorted;
    }
    return list;
}

/* 0 when out of memory. */
static int sort_keys(rmr_trie_key *keys, size_t count)
{
    ordered *lists = rmr_malloc_array(2 * count, sizeof *lists);
    rmr_trie_key *unsorted = rmr_malloc_array(count, sizeof *unsorted);
    int ok = lists && unsorted;
    if (ok && count) {
        for (size_t i = 0; i < count; i++)
            lists[i] = (ordered){prefix_of(&keys[i]), i};
        memcpy(unsorted, keys, count * sizeof *keys);
        const ordered *sorted = sort_prefixes(lists, lists + count, count);
        for (size_t i = 0; i < count; i++)
            keys[i] = unsorted[sorted[i].index];
        for (size_t from = 0, to; from < count; from = to) {
            for (to = from + 1;
                 to < count && sorted[to].prefix == sorted[from].prefix; to++)
                ;
            if (to - from > 1)
                qsort(keys + from, to - from, sizeof *keys, compare_keys);
        }
    }
    rmr_free(lists);
    rmr_free(unsorted);
    return ok;
}

/* ------------------------------------------------------------------ building
 */

static void take_place(builder *b, uint32_t place)
{
    free_place *p = &b->places[place];
    b->places[p->previous].next = p->next;
    b->places[p->next].previous = p->previous;
}

static void close_block(builder *b, uint32_t first)
{
    for (uint32_t i = first; i < first + BLOCK; i++) {
        if (i != RMR_TRIE_ROOT && b->units[i].parent == RMR_TRIE_NONE)
            take_place(b, i);
    }
}

static int add_block(builder *b)
{
    uint32_t first = b->size;
    if (first > UINT32_MAX / 2)
        return 0;
    void *units =
        rmr_grow(b->units, &b->unit_capacity, first + BLOCK, sizeof *b->units);
    if (!units)
        return 0;
    b->units = units;
    void *places = rmr_grow(b->places, &b->place_capacity, first + BLOCK,
                            sizeof *b->places);
    if (!places)
        return 0;
    b->places = places;
    b->size = first + BLOCK;
    if (!first)
        b->places[0] = (free_place){0, 0};
    for (uint32_t i = first; i < b->size; i++) {
        b->units[i] = (rmr_trie_unit){0, RMR_TRIE_NONE, RMR_TRIE_NONE};
        if (i == RMR_TRIE_ROOT)
            continue;
        uint32_t last = b->places[0].previous;
        b->places[i] = (free_place){0, last};
        b->places[last].next = i;
        b->places[0].previous = i;
    }
    if (first >= OPEN_BLOCKS * BLOCK)
        close_block(b, first - OPEN_BLOCKS * BLOCK);
    return 1;
}

static int is_free(const builder *b, uint32_t place)
{
    return place != RMR_TRIE_ROOT && b->units[place].parent == RMR_TRIE_NONE;
}

/* A base with a free place for each label, or RMR_TRIE_NONE. */
static uint32_t find_base(builder *b, const unsigned char *labels,
                          unsigned count)
{
    for (uint32_t at = b->places[0].next; at; at = b->places[at].next) {
        uint32_t base = at ^ labels[0];
        unsigned i = 1;
        while (i < count && is_free(b, base ^ labels[i]))
            i++;
        if (i == count)
            return base;
    }
    /* A fresh block has room for any set. */
    uint32_t base = b->size;
    return add_block(b) ? base : RMR_TRIE_NONE;
}

static int push_task(builder *b, build_task task)
{
    void *tasks = rmr_grow(b->tasks, &b->task_capacity, b->num_tasks + 1,
                           sizeof *b->tasks);
    if (!tasks)
        return 0;
    b->tasks = tasks;
    b->tasks[b->num_tasks++] = task;
    return 1;
}

/* Where the keys of [low, high) that go on with the byte of keys[low] end. */
static size_t group_end(const builder *b, const build_task *task, size_t low)
{
    unsigned char label = b->keys[low].bytes[task->depth];
    size_t high = task->high;
    /* Keys are sorted: the end is found by halving. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->keys[middle].bytes[task->depth] == label)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Gives the node its value and its children their places. */
static int place_children(builder *b, build_task task)
{
    unsigned char labels[BLOCK];
    unsigned count = 0;
    for (; task.low < task.high && b->keys[task.low].len == task.depth;
         task.low++)
        b->units[task.node].value = b->keys[task.low].value;
    for (size_t i = task.low; i < task.high; i = group_end(b, &task, i))
        labels[count++] = b->keys[i].bytes[task.depth];
    if (!count)
        return 1;
    uint32_t base = find_base(b, labels, count);
    if (base == RMR_TRIE_NONE)
        return 0;
    b->units[task.node].base = base;
    for (size_t i = task.low, end; i < task.high; i = end) {
        end = group_end(b, &task, i);
        uint32_t child = base ^ b->keys[i].bytes[task.depth];
        take_place(b, child);
        b->units[child].parent = task.node;
        if (!push_task(b, (build_task){i, end, task.depth + 1, child}))
            return 0;
    }
    return 1;
}

static int build(builder *b, size_t count)
{
    if (!add_block(b) || !push_task(b, (build_task){0, count, 0, 0}))
        return 0;
    while (b->num_tasks) {
        if (!place_children(b, b->tasks[--b->num_tasks]))
            return 0;
    }
    return 1;
}

rmr_status rmr_trie_build(rmr_trie *trie, rmr_trie_key *keys, size_t count,
                          rmr_error *err)
{
    enum { MAX_BYTES = 1 << 30 };
    builder b = {.keys = keys};
    size_t bytes = 0;
    *trie = (rmr_trie){0};
    for (size_t i = 0; i < count; i++) {
        bytes += keys[i].len;
        if (bytes > MAX_BYTES)
            return rmr_fail(err, RMR_ERR_RANGE,
                            "the vocabulary has over %d bytes", MAX_BYTES);
    }
    if (sort_keys(keys, count) && build(&b, count)) {
        trie->units = b.units;
        trie->size = b.size;
        b.units = NULL;
    }
    rmr_free(b.units);
    rmr_free(b.places);
    rmr_free(b.tasks);
    return trie->units ? RMR_OK : rmr_fail_nomem(err, "the vocabulary");
}

void rmr_trie_free(rmr_trie *trie)
{
    rmr_free(trie->units);
    *trie = (rmr_trie){0};
}
