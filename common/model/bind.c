/*
 * bind.c - names of tensors put together, and what is taken by them. It must
 * never take a tensor of another shape than config.json says.
 */
#include "common/model/bind.h"

#include <stdio.h>

enum { NAME_CHARS = 160 };

const char *rmr_bind_prefix(const rmr_weights *weights,
                            const char *const *prefixes, const char *name)
{
    char full[NAME_CHARS];
    for (size_t i = 0;; i++) {
        snprintf(full, sizeof full, "%s%s", prefixes[i], name);
        if (!prefixes[i + 1] || rmr_weights_has(weights, full))
            return prefixes[i];
    }
}

static const float *take(rmr_binder *b, size_t size, const char *scope,
                         const char *name, const char *suffix)
{
    char full[NAME_CHARS];
    const float *values = NULL;
    snprintf(full, sizeof full, "%s%s%s.%s", b->prefix, scope, name, suffix);
    if (!b->status)
        b->status = rmr_weights_f32(b->weights, full, 0, size, &values, b->err);
    return values;
}

rmr_norm rmr_bind_norm(rmr_binder *b, const char *scope, const char *name,
                       size_t size)
{
    char gamma[NAME_CHARS];
    snprintf(gamma, sizeof gamma, "%s%s%s.gamma", b->prefix, scope, name);
    int old = rmr_weights_has(b->weights, gamma);
    return (rmr_norm){take(b, size, scope, name, old ? "gamma" : "weight"),
                      take(b, size, scope, name, old ? "beta" : "bias")};
}

const float *rmr_bind_matrix(rmr_binder *b, const char *name, size_t rows,
                             size_t columns)
{
    char full[NAME_CHARS];
    const float *values = NULL;
    snprintf(full, sizeof full, "%s%s.weight", b->prefix, name);
    if (!b->status)
        b->status =
            rmr_weights_f32(b->weights, full, rows, columns, &values, b->err);
    return values;
}

rmr_table rmr_bind_table(rmr_binder *b, const char *name, size_t rows,
                         size_t columns, rmr_dtype dtype)
{
    char full[NAME_CHARS];
    rmr_table result = {0};
    snprintf(full, sizeof full, "%s%s.weight", b->prefix, name);
    if (!b->status)
        b->status = rmr_table_bind(&result, b->weights, full, rows, columns,
                                   dtype, b->err);
    return result;
}

rmr_linear rmr_bind_linear(rmr_binder *b, const char *scope,
                           rmr_linear_source source)
{
    char full[RMR_MAX_LINEAR_NAMES][NAME_CHARS];
    rmr_linear result = {0};
    for (size_t i = 0; i < RMR_MAX_LINEAR_NAMES && source.names[i]; i++) {
        snprintf(full[i], sizeof full[i], "%s%s%s", b->prefix, scope,
                 source.names[i]);
        source.names[i] = full[i];
    }
    if (!b->status)
        b->status =
            rmr_linear_bind(&result, b->weights, b->kern, &source, b->err);
    return result;
}

void rmr_bind_layer(rmr_binder *b, rmr_encoder_layer *l, const char *scope,
                    const rmr_layer_names *names, const rmr_norm *before)
{
    size_t hidden = b->config->hidden_size;
    size_t inner = b->config->intermediate_size;
    l->qkv = rmr_bind_linear(
        b, scope,
        (rmr_linear_source){.names = {names->query, names->key, names->value},
                            .out = hidden,
                            .in = hidden,
                            .dtype = b->dtype,
                            .norm = before,
                            .int8_names = 1});
    l->attention_output =
        rmr_bind_linear(b, scope,
                        (rmr_linear_source){.names = {names->attention_output},
                                            .out = hidden,
                                            .in = hidden,
                                            .dtype = b->dtype,
                                            .int8_names = 1});
    l->attention_norm = rmr_bind_norm(b, scope, names->attention_norm, hidden);
    l->intermediate =
        rmr_bind_linear(b, scope,
                        (rmr_linear_source){.names = {names->intermediate},
                                            .out = inner,
                                            .in = hidden,
                                            .dtype = b->dtype,
                                            .norm = &l->attention_norm});
    l->output = rmr_bind_linear(b, scope,
                                (rmr_linear_source){.names = {names->output},
                                                    .out = hidden,
                                                    .in = inner,
                                                    .dtype = b->dtype});
    l->output_norm = rmr_bind_norm(b, scope, names->output_norm, hidden);
}
