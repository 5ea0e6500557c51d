/*
 * bind.h - takes the tensors of an architecture by their names, one after
 * another: the first failure stays, and later calls do nothing.
 */
#ifndef RMR_MODEL_BIND_H
#define RMR_MODEL_BIND_H

#include "common/model/encoder.h"
#include "common/model/linear.h"
#include "common/model/table.h"

/* Names begin with the prefix, then a scope such as "encoder.layer.0.". */
typedef struct rmr_binder {
    const rmr_config *config;
    rmr_weights *weights;
    const rmr_kern *kern;
    rmr_dtype dtype; /* of linear layers, and of the largest table */
    const char *prefix;
    rmr_error *err;
    rmr_status status; /* the first failure */
} rmr_binder;

/* The first of some prefixes, up to a NULL, under which there is a tensor of
 * that name; the last one when there is none. */
const char *rmr_bind_prefix(const rmr_weights *weights,
                            const char *const *prefixes, const char *name);

/* A normalisation over `size` components, of a kind. Old files call gamma and
 * beta what others call weight and bias. */
rmr_norm rmr_bind_norm(rmr_binder *binder, rmr_norm_kind kind,
                       const char *scope, const char *name, size_t size);

/* NAME.weight [rows, columns] as it is. */
const float *rmr_bind_matrix(rmr_binder *binder, const char *name, size_t rows,
                             size_t columns);

/* The table of that name, without ".weight". */
rmr_table rmr_bind_table(rmr_binder *binder, const char *name, size_t rows,
                         size_t columns, rmr_dtype dtype);

/* What `source` names, under the prefix and a scope: into linears, as many as
 * its parts. */
void rmr_bind_linear(rmr_binder *binder, const char *scope,
                     rmr_linear_source source, rmr_linear *linears);

/* How an architecture calls the norms of a residual; NULL: there is none. */
typedef struct rmr_residual_names {
    const char *before, *within, *after;
    int adds_twice;
} rmr_residual_names;

/* How it calls the parts of its layers. */
typedef struct rmr_layer_names {
    /* One tensor of all three, in that order, where there is no key. */
    const char *query, *key, *value;
    const char *query_norm, *key_norm; /* or NULL */
    int norms_all_heads;
    const char *attention_output;
    rmr_residual_names attention, feed_forward;
    /* Of a gated layer one tensor of both where there is no gate. */
    const char *gate, *intermediate;
    int gate_is_second; /* of the two in that tensor */
    const char *output;
    int first_has_no_norm; /* before the first layer's attention */
} rmr_layer_names;

/* Layer `index`, whose inputs the norm `normed` has normalised, where no norm
 * of its own does. */
void rmr_bind_layer(rmr_binder *binder, rmr_encoder_layer *layer, size_t index,
                    const char *scope, const rmr_layer_names *names,
                    const rmr_norm *normed);

#endif
