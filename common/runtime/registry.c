/*
 * registry.c - the models this process has open, so that weights exist once
 * however many hosts, connections and names use them. Models are told apart by
 * what their files are, never by what they are called.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/base/sha256.h"
#include "common/model/model.h"
#include "common/runtime/identity.h"

typedef struct entry {
    rmr_identity id;
    rmr_identity adapter;
    int has_adapter;
    rmr_dtype dtype;
    int tokenizer_only;
    rmr_task task;
    char pooling[RMR_POOLING_CHARS]; /* "": none was asked for */
    rmr_model *model;
    struct entry *next;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry *entries;
static pthread_once_t guarded = PTHREAD_ONCE_INIT;

/* A child of fork has the models; it must not inherit the lock as taken. */
static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void give_lock(void)
{
    pthread_mutex_unlock(&lock);
}

static void guard_forks(void)
{
    pthread_atfork(take_lock, give_lock, give_lock);
}

/* What is opened, by its files. */
typedef struct wanted {
    rmr_identity id;
    rmr_identity adapter; /* where options->adapter is given */
    const rmr_model_options *options;
} wanted;

static int is_same(const rmr_identity *a, const rmr_identity *b)
{
    return a->num_files == b->num_files && a->digest[0] == b->digest[0] &&
           a->digest[1] == b->digest[1];
}

static entry *find(const wanted *w)
{
    const rmr_model_options *options = w->options;
    for (entry *e = entries; e; e = e->next) {
        if (e->dtype == options->dtype &&
            e->tokenizer_only == options->tokenizer_only &&
            e->task == options->task &&
            strcmp(e->pooling, options->pooling ? options->pooling : "") == 0 &&
            e->has_adapter == (options->adapter != NULL) &&
            is_same(&e->adapter, &w->adapter) && is_same(&e->id, &w->id))
            return e;
    }
    return NULL;
}

/* An open model that packs the same files alike. */
static const rmr_model *find_sibling(const wanted *w)
{
    for (const entry *e = entries; e; e = e->next) {
        if (e->dtype == w->options->dtype && !e->tokenizer_only &&
            is_same(&e->id, &w->id))
            return e->model;
    }
    return NULL;
}

static rmr_status open_entry(entry **out, const wanted *w, const char *path,
                             rmr_error *err)
{
    const rmr_model_options *options = w->options;
    *out = find(w);
    if (*out && options->sha256)
        return rmr_weights_check_sha256((*out)->model->weights, options->sha256,
                                        err);
    if (*out)
        return RMR_OK;
    entry *added = rmr_calloc(1, sizeof *added);
    if (!added)
        return rmr_fail_nomem(err, path);
    rmr_status status =
        rmr_model_load(&added->model, path, options, find_sibling(w), err);
    if (status) {
        rmr_free(added);
        return status;
    }
    added->id = w->id;
    added->adapter = w->adapter;
    added->has_adapter = options->adapter != NULL;
    added->dtype = options->dtype;
    added->tokenizer_only = options->tokenizer_only;
    added->task = options->task;
    snprintf(added->pooling, sizeof added->pooling, "%s",
             options->pooling ? options->pooling : "");
    added->next = entries;
    entries = added;
    *out = added;
    return RMR_OK;
}

static rmr_status check_task(const rmr_model_options *options, rmr_error *err)
{
    if ((unsigned)options->task > RMR_TASK_EMBED_SPARSE) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED, "task %d is not supported",
                        (int)options->task);
    }
    if (options->task != RMR_TASK_EMBED &&
        (options->tokenizer_only || options->pooling)) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "pooling and tokenizer_only go with no task but "
                        "embedding");
    }
    return RMR_OK;
}

/* The caller's options over the defaults, as far as the caller knows them. */
static rmr_status read_options(rmr_model_options *full,
                               const rmr_model_options *given, rmr_error *err)
{
    rmr_model_options_init(full);
    rmr_read_options(full, given);
    full->tokenizer_only = full->tokenizer_only != 0;
    if ((int)full->dtype < RMR_DTYPE_F32 || full->dtype > RMR_DTYPE_INT4) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED, "dtype %d is not supported",
                        (int)full->dtype);
    }
    if (full->sha256 && !rmr_sha256_is_hex(full->sha256)) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "sha256 must be 64 hexadecimal digits");
    }
    if (full->pooling && full->tokenizer_only) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "pooling is that of vectors, which tokenizer_only "
                        "does not give");
    }
    if (full->sha256 && full->tokenizer_only) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "sha256 is that of the weights, which tokenizer_only "
                        "does not open");
    }
    if (full->adapter && full->tokenizer_only) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "adapter is that of the weights, which tokenizer_only "
                        "does not open");
    }
    return check_task(full, err);
}

rmr_status rmr_model_open(rmr_model **out, const char *path,
                          const rmr_model_options *options, rmr_error *err)
{
    *out = NULL;
    rmr_model_options full;
    wanted w = {.options = &full};
    entry *found = NULL;
    rmr_status status = read_options(&full, options, err);
    if (!status)
        status = rmr_identify(&w.id, path, err);
    if (!status && full.adapter)
        status = rmr_identify(&w.adapter, full.adapter, err);
    if (status)
        return status;
    pthread_once(&guarded, guard_forks);
    pthread_mutex_lock(&lock);
    status = open_entry(&found, &w, path, err);
    if (!status)
        *out = rmr_model_retain(found->model);
    pthread_mutex_unlock(&lock);
    return status;
}

rmr_model *rmr_model_retain(rmr_model *model)
{
    atomic_fetch_add(&model->references, 1);
    return model;
}

/* Gives one reference back without the lock, unless it may be the last. */
static int release_shared(rmr_model *model)
{
    size_t count = atomic_load(&model->references);
    while (count > 1) {
        if (atomic_compare_exchange_weak(&model->references, &count, count - 1))
            return 1;
    }
    return 0;
}

/* Takes the model's entry out of the list. */
static entry *unlink_entry(const rmr_model *model)
{
    entry **link = &entries;
    while ((*link)->model != model)
        link = &(*link)->next;
    entry *e = *link;
    *link = e->next;
    return e;
}

void rmr_model_release(rmr_model *model)
{
    if (!model || release_shared(model))
        return;
    /* With the lock held, no open can find the model and revive it. */
    entry *unused = NULL;
    pthread_mutex_lock(&lock);
    if (atomic_fetch_sub(&model->references, 1) == 1)
        unused = unlink_entry(model);
    pthread_mutex_unlock(&lock);
    if (unused) {
        rmr_model_unload(model);
        rmr_free(unused);
    }
}
