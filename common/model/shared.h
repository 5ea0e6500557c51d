/*
 * shared.h - what models of the same files and the same dtype have in common:
 * layers and tables that are made of the files alone, once, whoever of them
 * asks first. What an adapter changes each model makes for itself.
 */
#ifndef RMR_MODEL_SHARED_H
#define RMR_MODEL_SHARED_H

#include <stddef.h>
#include "common/model/safetensors.h"

/* Reference counted. Nothing is made or found in it by two threads at once: the
 * registry opens one model after another. */
typedef struct rmr_shared rmr_shared;

/* With one reference, for the weights in `directory`. Errors: those of
 * rmr_weights_open. */
rmr_status rmr_shared_new(rmr_shared **out, const char *directory,
                          rmr_error *err);
rmr_shared *rmr_shared_retain(rmr_shared *shared);
void rmr_shared_release(rmr_shared *shared);

/* Those in which things are made, which own what these point to. */
rmr_weights *rmr_shared_weights(const rmr_shared *shared);

typedef enum rmr_shared_kind {
    RMR_SHARED_LINEAR,
    RMR_SHARED_TABLE
} rmr_shared_kind;

/* What was kept under a name, into *thing of `bytes`, counted as the model's,
 * whose `weights` are; 0 when there is nothing yet: it is then made in the
 * shared weights, and kept. */
int rmr_shared_find(rmr_shared *shared, rmr_weights *weights,
                    rmr_shared_kind kind, const char *name, void *thing,
                    size_t bytes);

/* Keeps what has been made since the last find. Errors: NOMEM. */
rmr_status rmr_shared_keep(rmr_shared *shared, rmr_weights *weights,
                           rmr_shared_kind kind, const char *name,
                           const void *thing, size_t bytes, rmr_error *err);

#endif
