/*
 * shared.c - a list of what was made of a directory's weights. It must never
 * give out what an adapter changes.
 */
#include "common/model/shared.h"

#include <stdatomic.h>
#include <string.h>

#include "common/base/alloc.h"

/* What rmr_weights_count takes. */
typedef struct counts {
    uint64_t parameters, bytes;
} counts;

typedef struct item {
    rmr_shared_kind kind;
    char *name;  /* owned */
    void *thing; /* [bytes], owned */
    counts made;
    struct item *next;
} item;

struct rmr_shared {
    rmr_weights *weights;
    item *items;
    counts before; /* what is made now */
    _Atomic size_t references;
};

rmr_status rmr_shared_new(rmr_shared **out, const char *directory,
                          rmr_error *err)
{
    *out = NULL;
    rmr_shared *shared = rmr_calloc(1, sizeof *shared);
    if (!shared)
        return rmr_fail_nomem(err, "weights");
    atomic_init(&shared->references, 1);
    rmr_status status =
        rmr_weights_open(&shared->weights, directory, NULL, err);
    if (status) {
        rmr_free(shared);
        return status;
    }
    *out = shared;
    return RMR_OK;
}

rmr_shared *rmr_shared_retain(rmr_shared *shared)
{
    atomic_fetch_add(&shared->references, 1);
    return shared;
}

static void free_item(item *i)
{
    rmr_free(i->name);
    rmr_free(i->thing);
    rmr_free(i);
}

void rmr_shared_release(rmr_shared *shared)
{
    if (!shared || atomic_fetch_sub(&shared->references, 1) > 1)
        return;
    while (shared->items) {
        item *first = shared->items;
        shared->items = first->next;
        free_item(first);
    }
    rmr_weights_close(shared->weights);
    rmr_free(shared);
}

rmr_weights *rmr_shared_weights(const rmr_shared *shared)
{
    return shared->weights;
}

static counts count(const rmr_shared *shared)
{
    return (counts){rmr_weights_num_parameters(shared->weights),
                    rmr_weights_bytes(shared->weights)};
}

static void count_as(rmr_weights *weights, const item *i)
{
    rmr_weights_count(weights, (int64_t)i->made.parameters,
                      (int64_t)i->made.bytes);
}

int rmr_shared_find(rmr_shared *shared, rmr_weights *weights,
                    rmr_shared_kind kind, const char *name, void *thing,
                    size_t bytes)
{
    for (const item *i = shared->items; i; i = i->next) {
        if (i->kind == kind && strcmp(i->name, name) == 0) {
            memcpy(thing, i->thing, bytes);
            count_as(weights, i);
            return 1;
        }
    }
    shared->before = count(shared);
    return 0;
}

rmr_status rmr_shared_keep(rmr_shared *shared, rmr_weights *weights,
                           rmr_shared_kind kind, const char *name,
                           const void *thing, size_t bytes, rmr_error *err)
{
    counts now = count(shared);
    item *added = rmr_calloc(1, sizeof *added);
    if (!added)
        return rmr_fail_nomem(err, name);
    added->kind = kind;
    added->name = rmr_strndup(name, strlen(name));
    added->thing = rmr_malloc(bytes);
    if (!added->name || !added->thing) {
        free_item(added);
        return rmr_fail_nomem(err, name);
    }
    memcpy(added->thing, thing, bytes);
    added->made = (counts){now.parameters - shared->before.parameters,
                           now.bytes - shared->before.bytes};
    added->next = shared->items;
    shared->items = added;
    count_as(weights, added);
    return RMR_OK;
}
