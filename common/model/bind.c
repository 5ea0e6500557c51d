/*
 * bind.c - names of tensors put together, and what is taken by them. It must
 * never take a tensor of another shape than config.json says.
 */
#include "common/model/bind.h"

#include <stdio.h>

#include "common/model/adapter.h"

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
                         const char *name, const char *suffix, int *is_changed)
{
    char full[NAME_CHARS];
    const float *values = NULL;
    const rmr_adapter *adapter = rmr_weights_adapter(b->weights);
    snprintf(full, sizeof full, "%s%s%s.%s", b->prefix, scope, name, suffix);
    if (adapter && rmr_adapter_changes(adapter, full))
        *is_changed = 1;
    if (!b->status)
        b->status = rmr_weights_f32(b->weights, full, 0, size, &values, b->err);
    return values;
}

/* `size` floats that are `base`, and `values` on top where there are any. */
static const float *fill(rmr_binder *b, size_t size, float base,
                         const float *values)
{
    float *made = b->status ? NULL : rmr_weights_alloc(b->weights, size);
    if (!b->status && !made)
        b->status = rmr_fail_nomem(b->err, "a norm");
    for (size_t i = 0; i < size && made; i++)
        made[i] = base + (values ? values[i] : 0);
    return made;
}

rmr_norm rmr_bind_norm(rmr_binder *b, rmr_norm_kind kind, const char *scope,
                       const char *name, size_t size)
{
    char gamma[NAME_CHARS];
    snprintf(gamma, sizeof gamma, "%s%s%s.gamma", b->prefix, scope, name);
    int old = rmr_weights_has(b->weights, gamma);
    rmr_norm norm = {0};
    norm.gamma =
        take(b, size, scope, name, old ? "gamma" : "weight", &norm.is_changed);
    if (kind == RMR_NORM_RMS_ONE)
        norm.gamma = fill(b, size, 1, norm.gamma);
    else if (kind == RMR_NORM_LAYER)
        norm.beta =
            take(b, size, scope, name, old ? "beta" : "bias", &norm.is_changed);
    else if (kind == RMR_NORM_NO_BIAS)
        norm.beta = fill(b, size, 0, NULL);
    return norm;
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

void rmr_bind_linear(rmr_binder *b, const char *scope, rmr_linear_source source,
                     rmr_linear *linears)
{
    char full[RMR_MAX_LINEAR_NAMES][NAME_CHARS];
    for (size_t i = 0; i < RMR_MAX_LINEAR_NAMES && source.names[i]; i++) {
        snprintf(full[i], sizeof full[i], "%s%s%s", b->prefix, scope,
                 source.names[i]);
        source.names[i] = full[i];
    }
    if (!b->status)
        b->status =
            rmr_linear_bind(linears, b->weights, b->kern, &source, b->err);
}

/* ------------------------------------------------------------------- layers
 */

static void bind_residual(rmr_binder *b, rmr_residual *r, const char *scope,
                          const rmr_residual_names *names)
{
    size_t size = b->config->hidden_size;
    rmr_norm_kind kind = b->config->norm;
    *r = (rmr_residual){.adds_twice = names->adds_twice};
    if (names->before)
        r->before = rmr_bind_norm(b, kind, scope, names->before, size);
    if (names->within)
        r->within = rmr_bind_norm(b, kind, scope, names->within, size);
    if (names->after)
        r->after = rmr_bind_norm(b, kind, scope, names->after, size);
}

static void bind_qkv(rmr_binder *b, rmr_encoder_layer *l, const char *scope,
                     const rmr_layer_names *names, const rmr_norm *normed)
{
    const rmr_config *c = b->config;
    size_t queries = (size_t)c->num_attention_heads * c->head_dim;
    size_t keys = (size_t)c->num_key_value_heads * c->head_dim;
    rmr_linear_source source = {
        .names = {names->query, names->key, names->value},
        .out = {queries, keys, keys},
        .in = c->hidden_size,
        .without_bias = !(c->biases & RMR_BIAS_QKV),
        .dtype = b->dtype,
        .norm = normed,
        .norm_rows = keys,
        .int8_names = 1};
    if (!names->key) {
        source.out[0] += 2 * keys;
        source.int8_names = 0;
    }
    rmr_bind_linear(b, scope, source, &l->qkv);
}

/* Queries' and keys', of each head or of all. */
static void bind_head_norms(rmr_binder *b, rmr_encoder_layer *l,
                            const char *scope, const rmr_layer_names *names)
{
    const rmr_config *c = b->config;
    size_t queries = c->head_dim, keys = queries;
    if (!names->query_norm)
        return;
    l->norms_all_heads = names->norms_all_heads;
    if (l->norms_all_heads) {
        queries *= c->num_attention_heads;
        keys *= c->num_key_value_heads;
    }
    l->query_norm =
        rmr_bind_norm(b, c->norm, scope, names->query_norm, queries);
    l->key_norm = rmr_bind_norm(b, c->norm, scope, names->key_norm, keys);
}

static void bind_attention(rmr_binder *b, rmr_encoder_layer *l,
                           const char *scope, const rmr_layer_names *names,
                           const rmr_norm *normed)
{
    const rmr_config *c = b->config;
    const rmr_norm *before = &l->attention.before;
    bind_qkv(b, l, scope, names, before->gamma ? before : normed);
    bind_head_norms(b, l, scope, names);
    rmr_bind_linear(b, scope,
                    (rmr_linear_source){
                        .names = {names->attention_output},
                        .out = {c->hidden_size},
                        .in = (uint64_t)c->num_attention_heads * c->head_dim,
                        .without_bias = !(c->biases & RMR_BIAS_ATTENTION),
                        .dtype = b->dtype,
                        .int8_names = 1},
                    &l->attention_output);
}

static void bind_intermediate(rmr_binder *b, rmr_encoder_layer *l,
                              const char *scope, const rmr_layer_names *names)
{
    const rmr_config *c = b->config;
    uint64_t inner = c->intermediate_size;
    int joined = c->gated && !names->gate;
    rmr_linear parts[2] = {{.weight = {.out = 0}}};
    const rmr_norm *before = &l->feed_forward.before;
    rmr_linear_source source = {
        .names = {names->intermediate},
        .out = {inner},
        .in = c->hidden_size,
        .without_bias = !(c->biases & RMR_BIAS_INTERMEDIATE),
        .parts = c->gated ? 2 : 1,
        .dtype = b->dtype,
        .norm = before->gamma ? before : &l->attention.after};
    if (joined)
        source.out[0] = 2 * inner;
    if (c->gated && !joined) {
        source.names[0] = names->gate;
        source.names[1] = names->intermediate;
        source.out[1] = inner;
    }
    rmr_bind_linear(b, scope, source, parts);
    int gate = joined && names->gate_is_second;
    if (c->gated)
        l->gate = parts[gate];
    l->intermediate = parts[c->gated ? !gate : 0];
}

static void bind_window(const rmr_config *c, rmr_encoder_layer *l, size_t index)
{
    int slides = c->slides[index];
    l->rope = slides != 0;
    l->before = slides ? c->window : SIZE_MAX;
    l->after = c->is_causal ? 0 : l->before;
}

void rmr_bind_layer(rmr_binder *b, rmr_encoder_layer *l, size_t index,
                    const char *scope, const rmr_layer_names *names,
                    const rmr_norm *normed)
{
    const rmr_config *c = b->config;
    rmr_residual_names attention = names->attention;
    if (names->first_has_no_norm && index == 0)
        attention.before = NULL;
    bind_residual(b, &l->attention, scope, &attention);
    bind_residual(b, &l->feed_forward, scope, &names->feed_forward);
    bind_attention(b, l, scope, names, normed);
    bind_intermediate(b, l, scope, names);
    rmr_bind_linear(
        b, scope,
        (rmr_linear_source){.names = {names->output},
                            .out = {c->hidden_size},
                            .in = c->intermediate_size,
                            .without_bias = !(c->biases & RMR_BIAS_OUTPUT),
                            .dtype = b->dtype},
        &l->output);
    bind_window(c, l, index);
}
