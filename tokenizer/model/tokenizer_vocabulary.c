/*
 * tokenizer_vocabulary.c - the strings of a model by id, and their ids by
 * string through a hash table. It must never take more than linear time for a
 * vocabulary, however its strings were chosen: the hash has a secret seed.
 */
#include "tokenizer/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/alloc.h"
#include "tokenizer/model/tokenizer_hash.h"

/* ------------------------------------------------------------------- lookup */

const char *rmr_vocabulary_string(const rmr_vocabulary *vocabulary, uint32_t id,
                                  size_t *len)
{
    if (id >= vocabulary->id_limit || !vocabulary->entries[id].at)
        return NULL;
    *len = vocabulary->entries[id].len;
    return vocabulary->strings + vocabulary->entries[id].at - 1;
}

/* The slot that a string is in, or would be. */
static rmr_vocabulary_slot *find_slot(const rmr_vocabulary *v, uint32_t hash,
                                      const char *string, size_t len)
{
    for (size_t at = hash;; at++) {
        rmr_vocabulary_slot *slot = &v->slots[at & v->slot_mask];
        if (!slot->id)
            return slot;
        if (slot->hash != hash)
            continue;
        const rmr_vocabulary_entry *entry = &v->entries[slot->id - 1];
        if (entry->len == len &&
            !memcmp(v->strings + entry->at - 1, string, len))
            return slot;
    }
}

static uint32_t hash_of(const rmr_vocabulary *v, const char *string, size_t len)
{
    return (uint32_t)rmr_hash(v->seed, string, len);
}

uint32_t rmr_vocabulary_find(const rmr_vocabulary *vocabulary,
                             const char *string, size_t len)
{
    if (!vocabulary->slots)
        return RMR_NO_ID;
    uint32_t hash = hash_of(vocabulary, string, len);
    /* 0 becomes RMR_NO_ID. */
    return find_slot(vocabulary, hash, string, len)->id - 1;
}

/* ------------------------------------------------------------------ reading */

/* What grows while a table is read. */
typedef struct reading {
    rmr_vocabulary *v;
    const char *name;
    size_t strings_used;
    size_t strings_capacity;
    size_t entry_capacity;
    size_t used_slots;
    size_t first_slots;
    int last_id_only; /* of two ids with one string only the last has it */
} reading;

/* Few enough not to be too many for any table of so many bytes. */
static size_t first_slots(size_t bytes)
{
    size_t slots = 1024;
    while (slots < RMR_TOKENIZER_MAX_ID && 32 * slots <= bytes)
        slots *= 2;
    return slots;
}

static int grow_slots(rmr_vocabulary *v, size_t first)
{
    size_t old = v->slots ? v->slot_mask + 1 : 0;
    size_t size = old ? 2 * old : first;
    rmr_vocabulary_slot *slots = v->slots;
    rmr_vocabulary_slot *grown = rmr_calloc(size, sizeof *grown);
    if (!grown)
        return 0;
    v->slots = grown;
    v->slot_mask = size - 1;
    for (size_t i = 0; i < old; i++) {
        size_t at = slots[i].hash;
        while (slots[i].id && grown[at & v->slot_mask].id)
            at++;
        if (slots[i].id)
            grown[at & v->slot_mask] = slots[i];
    }
    rmr_free(slots);
    return 1;
}

/* Room for an id; new places are empty. */
static int reach_id(reading *r, uint32_t id)
{
    rmr_vocabulary *v = r->v;
    size_t need = (size_t)id + 1;
    if (need <= v->id_limit)
        return 1;
    rmr_vocabulary_entry *entries =
        rmr_grow(v->entries, &r->entry_capacity, need, sizeof *entries);
    if (!entries)
        return 0;
    v->entries = entries;
    memset(entries + v->id_limit, 0, (need - v->id_limit) * sizeof *entries);
    v->id_limit = (uint32_t)need;
    return 1;
}

static rmr_status store_string(reading *r, uint32_t id, rmr_json_string string,
                               rmr_error *err)
{
    rmr_vocabulary *v = r->v;
    size_t need = r->strings_used + string.len + 1;
    if (need >= UINT32_MAX)
        return rmr_fail(err, RMR_ERR_RANGE, "%s has over 4 GiB of strings",
                        r->name);
    char *strings = rmr_grow(v->strings, &r->strings_capacity, need, 1);
    if (!strings)
        return rmr_fail_nomem(err, r->name);
    v->strings = strings;
    memcpy(strings + r->strings_used, string.bytes, string.len);
    strings[need - 1] = '\0';
    v->entries[id] = (rmr_vocabulary_entry){(uint32_t)r->strings_used + 1,
                                            (uint32_t)string.len};
    r->strings_used = need;
    return RMR_OK;
}

/* Points the string's slot to id. */
static rmr_status index_string(reading *r, uint32_t id, rmr_json_string string,
                               rmr_error *err)
{
    rmr_vocabulary *v = r->v;
    if (2 * r->used_slots >= (v->slots ? v->slot_mask + 1 : 0) &&
        !grow_slots(v, r->first_slots))
        return rmr_fail_nomem(err, r->name);
    uint32_t hash = hash_of(v, string.bytes, string.len);
    rmr_vocabulary_slot *slot = find_slot(v, hash, string.bytes, string.len);
    if (!slot->id)
        r->used_slots++;
    else if (r->last_id_only)
        v->entries[slot->id - 1].at = 0;
    else
        v->shares = 1;
    *slot = (rmr_vocabulary_slot){id + 1, hash};
    return RMR_OK;
}

static rmr_status add(reading *r, uint32_t id, rmr_json_string string,
                      rmr_error *err)
{
    if (id >= RMR_TOKENIZER_MAX_ID)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: the id of \"%.*s\" is 16777216 or more", r->name,
                        (int)(string.len < 40 ? string.len : 40), string.bytes);
    if (!reach_id(r, id))
        return rmr_fail_nomem(err, r->name);
    if (r->v->entries[id].at) {
        size_t len = 0;
        const char *other = rmr_vocabulary_string(r->v, id, &len);
        if (len == string.len && !memcmp(other, string.bytes, len))
            return RMR_OK;
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: the id %u is that of two strings", r->name,
                        (unsigned)id);
    }
    /* Before it is stored: a slot is compared by what its id has. */
    rmr_status status = index_string(r, id, string, err);
    return status ? status : store_string(r, id, string, err);
}

static rmr_status begin(reading *r, rmr_vocabulary *v,
                        const rmr_document *document, rmr_error *err)
{
    *r = (reading){.v = v, .name = document->vocab.name};
    memset(v, 0, sizeof *v);
    if (!document->vocab.begin)
        return rmr_fail(err, RMR_ERR_FORMAT, "%s is missing",
                        document->vocab.name);
    r->first_slots =
        first_slots((size_t)(document->vocab.end - document->vocab.begin));
    /* Without a seed a hostile vocabulary is slow, and nothing else. */
    if (getrandom(&v->seed, sizeof v->seed, GRND_NONBLOCK) < 0)
        v->seed = (uint64_t)(uintptr_t)r;
    return RMR_OK;
}

static rmr_status finish(reading *r, rmr_error *err)
{
    rmr_vocabulary *v = r->v;
    char *strings = rmr_realloc(v->strings, r->strings_used);
    if (!strings)
        return rmr_fail_nomem(err, r->name);
    v->strings = strings;
    v->count = 0;
    for (uint32_t id = 0; id < v->id_limit; id++)
        v->count += v->entries[id].at != 0;
    return RMR_OK;
}

rmr_status rmr_vocabulary_read(rmr_vocabulary *vocabulary,
                               const rmr_document *document, rmr_error *err)
{
    reading r;
    rmr_json_cursor cursor;
    rmr_json_string string;
    uint32_t id;
    int more = 1;
    rmr_status status = begin(&r, vocabulary, document, err);
    if (status)
        return status;
    r.last_id_only = 1;
    rmr_json_cursor_begin(&cursor, &document->vocab);
    while (!(status = rmr_json_next_id(&cursor, &more, &string, &id, err)) &&
           more && !(status = add(&r, id, string, err)))
        ;
    rmr_json_cursor_end(&cursor);
    if (!status)
        status = finish(&r, err);
    if (status)
        rmr_vocabulary_free(vocabulary);
    return status;
}

rmr_status rmr_vocabulary_read_scores(rmr_vocabulary *vocabulary,
                                      double **scores,
                                      const rmr_document *document,
                                      rmr_error *err)
{
    reading r;
    rmr_json_cursor cursor;
    rmr_json_string string;
    double score, *grown = NULL;
    size_t capacity = 0;
    uint32_t id = 0;
    int more = 1;
    *scores = NULL;
    rmr_status status = begin(&r, vocabulary, document, err);
    if (status)
        return status;
    rmr_json_cursor_begin(&cursor, &document->vocab);
    for (; !(status =
                 rmr_json_next_score(&cursor, &more, &string, &score, err)) &&
           more && !(status = add(&r, id, string, err));
         id++) {
        grown = rmr_grow(*scores, &capacity, (size_t)id + 1, sizeof **scores);
        if (!grown) {
            status = rmr_fail_nomem(err, document->vocab.name);
            break;
        }
        *scores = grown;
        grown[id] = document->scores ? document->scores[id] : score;
    }
    rmr_json_cursor_end(&cursor);
    if (!status && !(status = finish(&r, err)))
        return status;
    rmr_vocabulary_free(vocabulary);
    rmr_free(*scores);
    *scores = NULL;
    return status;
}

void rmr_vocabulary_free(rmr_vocabulary *vocabulary)
{
    rmr_free(vocabulary->strings);
    rmr_free(vocabulary->entries);
    rmr_free(vocabulary->slots);
    memset(vocabulary, 0, sizeof *vocabulary);
}

rmr_status rmr_vocabulary_trie(const rmr_vocabulary *vocabulary, rmr_trie *trie,
                               rmr_error *err)
{
    size_t count = 0;
    rmr_trie_key *keys = rmr_malloc_array(vocabulary->count, sizeof *keys);
    if (!keys)
        return rmr_fail_nomem(err, "the vocabulary");
    for (uint32_t id = 0; id < vocabulary->id_limit; id++) {
        size_t len = 0;
        const char *string = rmr_vocabulary_string(vocabulary, id, &len);
        if (string && (!vocabulary->shares ||
                       rmr_vocabulary_find(vocabulary, string, len) == id))
            keys[count++] =
                (rmr_trie_key){(const unsigned char *)string, len, id};
    }
    rmr_status status = rmr_trie_build(trie, keys, count, err);
    rmr_free(keys);
    return status;
}

void rmr_byte_token_ids(const rmr_vocabulary *vocabulary, uint32_t ids[256])
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        int len = snprintf(name, sizeof name, "<0x%02X>", byte);
        ids[byte] = rmr_vocabulary_find(vocabulary, name, (size_t)len);
    }
}
