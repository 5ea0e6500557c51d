/*
 * family.h - the family of transformers that encoder.h runs: embeddings of
 * words, positions and segments are summed and perhaps normalised, and layers
 * follow. What is different between its members is names and sizes, and what
 * config.json says.
 */
#ifndef RMR_MODEL_FAMILY_H
#define RMR_MODEL_FAMILY_H

#include "common/model/arch.h"
#include "common/model/bind.h"

enum { RMR_FAMILY_PREFIXES = 4 };

typedef struct rmr_family_names rmr_family_names;

struct rmr_family_names {
    /* Of all tensors, the likeliest first, then NULL; the last one is "". */
    const char *prefixes[RMR_FAMILY_PREFIXES];
    const char *words;     /* NULL: "embeddings.word_embeddings" */
    const char *types;     /* the table of segments, or NULL */
    const char *norm;      /* of the embeddings; NULL: there is none */
    const char *distances; /* of what each bucket of distances adds to each
                            * head's scores (T5's, MPNet's), or NULL */
    /* A linear layer from embedding_size to hidden_size, or NULL; it is not
     * there when they are the same, unless it always is. */
    const char *projection;
    int always_projects;
    int projects_first; /* before the norm, and without a bias */
    const char *layer;  /* a scope, with a format for the layer's number; or for
                         * the numbers of a group and of its layer */
    const rmr_layer_names *layers;
    /* Those where there is a tensor of that name under the prefix; or NULL. */
    const rmr_layer_names *other_layers;
    const char *other_mark;
    const char *last_norm; /* or NULL */

    /* What an architecture adds of its own: *extra is handed to `release`; or
     * NULL. Failures stay with the binder. */
    void (*extend)(rmr_binder *binder, rmr_encoder *encoder, void **extra);
    void (*release)(void *extra);
};

/* BERT's, under "encoder.layer.N.", and of its embeddings. */
extern const rmr_layer_names rmr_bert_layer_names;
#define RMR_BERT_EMBEDDING_NORM "embeddings.LayerNorm"

/* What rmr_arch's functions do, by its `family`. The layers are
 * num_hidden_layers, or, in num_hidden_groups groups, inner_group_num that each
 * group has of its own and repeats. */
rmr_status rmr_family_bind(void **out, const rmr_arch *arch,
                           const rmr_config *config, rmr_weights *weights,
                           const rmr_kern *kern, rmr_dtype dtype,
                           rmr_error *err);
void rmr_family_unbind(void *bound);
void rmr_family_watch(void *bound, const rmr_encoder_tap *tap);
size_t rmr_family_scratch_bytes(const void *bound, const rmr_batch *batch,
                                unsigned members);
int rmr_family_forward(const void *bound, const rmr_batch *batch, void *scratch,
                       rmr_team *team, rmr_stop *stop, void *context);

/* Of a rmr_arch. */
#define RMR_FAMILY_FUNCTIONS                                                   \
    .bind = rmr_family_bind, .unbind = rmr_family_unbind,                      \
    .watch = rmr_family_watch, .scratch_bytes = rmr_family_scratch_bytes,      \
    .forward = rmr_family_forward

#endif
