/*
 * bert.c - the BERT encoder (Devlin et al. 2018): embeddings, then layers of
 * self-attention and a feed-forward network, each with a residual and a layer
 * normalisation after it. It must never look past a sequence's own tokens.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/arch.h"
#include "common/model/linear.h"

typedef struct norm {
    const float *gamma; /* [hidden_size] */
    const float *beta;  /* [hidden_size] */
} norm;

typedef struct layer {
    rmr_linear query, key, value, attention_output;
    norm attention_norm;
    rmr_linear intermediate, output;
    norm output_norm;
} layer;

typedef struct bert {
    const float *words;     /* [vocab_size, hidden_size] */
    const float *positions; /* [max_position_embeddings, hidden_size] */
    const float *types;     /* [type_vocab_size, hidden_size] */
    norm embeddings_norm;
    layer layers[]; /* [num_hidden_layers] */
} bert;

/* Where tensors are taken from, under which prefix ("bert." or none). */
typedef struct binder {
    const rmr_config *config;
    rmr_weights *weights;
    const rmr_kern *kern;
    const char *prefix;
    rmr_error *err;
    rmr_status status; /* the first failure; later calls do nothing */
} binder;

enum { SCOPE_CHARS = 48, NAME_CHARS = 160 };

static const float *take(binder *b, uint64_t rows, uint64_t columns,
                         const char *scope, const char *name)
{
    char full[NAME_CHARS];
    const float *values = NULL;
    snprintf(full, sizeof full, "%s%s%s", b->prefix, scope, name);
    if (!b->status)
        b->status =
            rmr_weights_f32(b->weights, full, rows, columns, &values, b->err);
    return values;
}

static rmr_linear take_linear(binder *b, uint64_t out, uint64_t in,
                              const char *scope, const char *name)
{
    char full[NAME_CHARS];
    rmr_linear result = {0};
    snprintf(full, sizeof full, "%s%s%s", b->prefix, scope, name);
    if (!b->status)
        b->status = rmr_linear_bind(&result, b->weights, b->kern, full, out, in,
                                    b->err);
    return result;
}

/* Old checkpoints call the two parameters gamma and beta. */
static norm take_norm(binder *b, const char *scope, const char *name)
{
    char gamma[NAME_CHARS], beta[NAME_CHARS], full[NAME_CHARS * 2];
    snprintf(gamma, sizeof gamma, "%s.gamma", name);
    snprintf(full, sizeof full, "%s%s%s", b->prefix, scope, gamma);
    int old = rmr_weights_has(b->weights, full);
    snprintf(gamma, sizeof gamma, "%s.%s", name, old ? "gamma" : "weight");
    snprintf(beta, sizeof beta, "%s.%s", name, old ? "beta" : "bias");
    uint64_t hidden = b->config->hidden_size;
    norm result = {take(b, 0, hidden, scope, gamma),
                   take(b, 0, hidden, scope, beta)};
    return result;
}

static void take_embeddings(binder *b, bert *model)
{
    const rmr_config *c = b->config;
    uint64_t hidden = c->hidden_size;
    model->words =
        take(b, c->vocab_size, hidden, "embeddings.", "word_embeddings.weight");
    model->positions = take(b, c->max_position_embeddings, hidden,
                            "embeddings.", "position_embeddings.weight");
    model->types = take(b, c->type_vocab_size, hidden, "embeddings.",
                        "token_type_embeddings.weight");
    model->embeddings_norm = take_norm(b, "embeddings.", "LayerNorm");
}

static void take_layer(binder *b, layer *l, uint32_t index)
{
    uint64_t hidden = b->config->hidden_size;
    uint64_t inner = b->config->intermediate_size;
    char scope[SCOPE_CHARS];
    snprintf(scope, sizeof scope, "encoder.layer.%u.", index);
    l->query = take_linear(b, hidden, hidden, scope, "attention.self.query");
    l->key = take_linear(b, hidden, hidden, scope, "attention.self.key");
    l->value = take_linear(b, hidden, hidden, scope, "attention.self.value");
    l->attention_output =
        take_linear(b, hidden, hidden, scope, "attention.output.dense");
    l->attention_norm = take_norm(b, scope, "attention.output.LayerNorm");
    l->intermediate =
        take_linear(b, inner, hidden, scope, "intermediate.dense");
    l->output = take_linear(b, hidden, inner, scope, "output.dense");
    l->output_norm = take_norm(b, scope, "output.LayerNorm");
}

static void bert_unbind(void *bound)
{
    rmr_free(bound);
}

static rmr_status bert_bind(void **out, const rmr_config *config,
                            rmr_weights *weights, const rmr_kern *kern,
                            rmr_error *err)
{
    *out = NULL;
    bert *model = rmr_calloc(1, sizeof *model + config->num_hidden_layers *
                                                    sizeof *model->layers);
    if (!model)
        return rmr_fail_nomem(err, "the layers of a BERT model");
    const char *word_embeddings = "bert.embeddings.word_embeddings.weight";
    binder b = {.config = config, .weights = weights, .kern = kern, .err = err};
    b.prefix = rmr_weights_has(weights, word_embeddings) ? "bert." : "";
    take_embeddings(&b, model);
    for (uint32_t i = 0; i < config->num_hidden_layers && !b.status; i++)
        take_layer(&b, &model->layers[i], i);
    if (b.status) {
        bert_unbind(model);
        return b.status;
    }
    *out = model;
    return RMR_OK;
}

/* Scratch, as matrices of [tokens, hidden_size] but where said otherwise. */
typedef struct buffers {
    float *hidden; /* the layer's input and output, first of all */
    float *query, *key, *value, *context;
    float *inner;     /* [tokens, intermediate_size] */
    float *attention; /* what rmr_attention_scratch says */
} buffers;

static size_t bert_scratch_floats(const rmr_config *config, size_t tokens,
                                  size_t longest)
{
    size_t hidden = config->hidden_size;
    return tokens * (5 * hidden + config->intermediate_size) +
           rmr_attention_scratch(longest, hidden / config->num_attention_heads);
}

static buffers divide(const rmr_config *config, const rmr_batch *batch,
                      float *scratch)
{
    size_t size = batch->tokens * config->hidden_size;
    buffers b = {.hidden = scratch};
    b.query = b.hidden + size;
    b.key = b.query + size;
    b.value = b.key + size;
    b.context = b.value + size;
    b.inner = b.context + size;
    b.attention = b.inner + batch->tokens * config->intermediate_size;
    return b;
}

static void embed(const bert *model, const rmr_config *config,
                  const rmr_kern *kern, const rmr_batch *batch, float *hidden)
{
    size_t n = config->hidden_size;
    for (size_t s = 0; s < batch->num_seqs; s++) {
        size_t begin = batch->cu_seqlens[s], end = batch->cu_seqlens[s + 1];
        for (size_t t = begin; t < end; t++) {
            float *row = hidden + t * n;
            memcpy(row, model->words + batch->ids[t] * n, n * sizeof *row);
            kern->add(n, model->types + batch->type_ids[t] * n, row);
            kern->add(n, model->positions + (t - begin) * n, row);
        }
    }
    kern->layer_norm(batch->tokens, n, hidden, NULL,
                     model->embeddings_norm.gamma, model->embeddings_norm.beta,
                     config->layer_norm_eps, hidden);
}

static void activate(const rmr_config *config, const rmr_kern *kern,
                     size_t count, float *x)
{
    switch (config->hidden_act) {
    case RMR_ACTIVATION_GELU:
        kern->gelu(count, x);
        break;
    case RMR_ACTIVATION_GELU_TANH:
        kern->gelu_tanh(count, x);
        break;
    case RMR_ACTIVATION_RELU:
        kern->relu(count, x);
        break;
    case RMR_ACTIVATION_SILU:
        kern->silu(count, x);
        break;
    }
}

static void run_attention(const layer *l, const rmr_config *config,
                          const rmr_kern *kern, const rmr_batch *batch,
                          const buffers *b)
{
    size_t tokens = batch->tokens, n = config->hidden_size;
    size_t head_size = n / config->num_attention_heads;
    kern->linear(tokens, n, n, b->hidden, l->query.packed, l->query.bias,
                 b->query);
    kern->linear(tokens, n, n, b->hidden, l->key.packed, l->key.bias, b->key);
    kern->linear(tokens, n, n, b->hidden, l->value.packed, l->value.bias,
                 b->value);
    kern->attention(batch->num_seqs, batch->cu_seqlens,
                    config->num_attention_heads, head_size,
                    1 / sqrtf((float)head_size), b->query, b->key, b->value,
                    b->context, b->attention);
    kern->linear(tokens, n, n, b->context, l->attention_output.packed,
                 l->attention_output.bias, b->query);
    kern->layer_norm(tokens, n, b->query, b->hidden, l->attention_norm.gamma,
                     l->attention_norm.beta, config->layer_norm_eps, b->hidden);
}

static void run_feed_forward(const layer *l, const rmr_config *config,
                             const rmr_kern *kern, const rmr_batch *batch,
                             const buffers *b)
{
    size_t tokens = batch->tokens, n = config->hidden_size;
    size_t inner = config->intermediate_size;
    kern->linear(tokens, n, inner, b->hidden, l->intermediate.packed,
                 l->intermediate.bias, b->inner);
    activate(config, kern, tokens * inner, b->inner);
    kern->linear(tokens, inner, n, b->inner, l->output.packed, l->output.bias,
                 b->query);
    kern->layer_norm(tokens, n, b->query, b->hidden, l->output_norm.gamma,
                     l->output_norm.beta, config->layer_norm_eps, b->hidden);
}

static int bert_forward(const void *bound, const rmr_config *config,
                        const rmr_kern *kern, const rmr_batch *batch,
                        float *scratch, rmr_stop *stop, void *context)
{
    const bert *model = bound;
    buffers b = divide(config, batch, scratch);
    embed(model, config, kern, batch, b.hidden);
    for (uint32_t i = 0; i < config->num_hidden_layers; i++) {
        if (stop(context))
            return 1;
        run_attention(&model->layers[i], config, kern, batch, &b);
        run_feed_forward(&model->layers[i], config, kern, batch, &b);
    }
    return 0;
}

const rmr_arch rmr_arch_bert = {
    .model_type = "bert",
    .bind = bert_bind,
    .unbind = bert_unbind,
    .scratch_floats = bert_scratch_floats,
    .forward = bert_forward,
};
