/*
 * bert.c - the BERT encoder (Devlin et al. 2018): its tensors, and the sum of
 * embeddings that its layers begin with. It must never look past a sequence's
 * own tokens.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/arch.h"
#include "common/model/encoder.h"
#include "common/model/table.h"

typedef struct bert {
    rmr_encoder encoder;
    rmr_table words;     /* [vocab_size, hidden_size] */
    rmr_table positions; /* [max_position_embeddings, hidden_size] */
    rmr_table types;     /* [type_vocab_size, hidden_size] */
    rmr_norm embeddings_norm;
    rmr_encoder_layer layers[]; /* [num_hidden_layers] */
} bert;

/* Where tensors are taken from, under which prefix ("bert." or none). */
typedef struct binder {
    const rmr_config *config;
    rmr_weights *weights;
    const rmr_kern *kern;
    rmr_dtype dtype;
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

/* What `source` names, under the prefix and a scope. */
static rmr_linear take_linear(binder *b, const char *scope,
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

/* Old checkpoints call the two parameters gamma and beta. */
static rmr_norm take_norm(binder *b, const char *scope, const char *name)
{
    char gamma[NAME_CHARS], beta[NAME_CHARS], full[NAME_CHARS * 2];
    snprintf(gamma, sizeof gamma, "%s.gamma", name);
    snprintf(full, sizeof full, "%s%s%s", b->prefix, scope, gamma);
    int old = rmr_weights_has(b->weights, full);
    snprintf(gamma, sizeof gamma, "%s.%s", name, old ? "gamma" : "weight");
    snprintf(beta, sizeof beta, "%s.%s", name, old ? "beta" : "bias");
    uint64_t hidden = b->config->hidden_size;
    rmr_norm result = {take(b, 0, hidden, scope, gamma),
                       take(b, 0, hidden, scope, beta)};
    return result;
}

static rmr_table take_table(binder *b, uint64_t rows, const char *name,
                            rmr_dtype dtype)
{
    char full[NAME_CHARS];
    rmr_table result = {0};
    snprintf(full, sizeof full, "%sembeddings.%s_embeddings.weight", b->prefix,
             name);
    if (!b->status)
        b->status = rmr_table_bind(&result, b->weights, full, rows,
                                   b->config->hidden_size, dtype, b->err);
    return result;
}

/* The others are small beside the words, and have one more step to spare: in
 * int8 theirs would cost MiniLM's vectors a fifth of what all else does. */
static void take_embeddings(binder *b, bert *model)
{
    const rmr_config *c = b->config;
    rmr_dtype small = b->dtype == RMR_DTYPE_INT8   ? RMR_DTYPE_BF16
                      : b->dtype == RMR_DTYPE_INT4 ? RMR_DTYPE_INT8
                                                   : b->dtype;
    model->words = take_table(b, c->vocab_size, "word", b->dtype);
    model->positions =
        take_table(b, c->max_position_embeddings, "position", small);
    model->types = take_table(b, c->type_vocab_size, "token_type", small);
    model->embeddings_norm = take_norm(b, "embeddings.", "LayerNorm");
}

static void take_layer(binder *b, rmr_encoder_layer *l, uint32_t index,
                       const rmr_norm *before)
{
    uint64_t hidden = b->config->hidden_size;
    uint64_t inner = b->config->intermediate_size;
    char scope[SCOPE_CHARS];
    snprintf(scope, sizeof scope, "encoder.layer.%u.", index);
    l->qkv = take_linear(
        b, scope,
        (rmr_linear_source){{"attention.self.query", "attention.self.key",
                             "attention.self.value"},
                            hidden,
                            hidden,
                            b->dtype,
                            before,
                            1});
    l->attention_output = take_linear(
        b, scope,
        (rmr_linear_source){
            {"attention.output.dense"}, hidden, hidden, b->dtype, NULL, 1});
    l->attention_norm = take_norm(b, scope, "attention.output.LayerNorm");
    l->intermediate = take_linear(b, scope,
                                  (rmr_linear_source){{"intermediate.dense"},
                                                      inner,
                                                      hidden,
                                                      b->dtype,
                                                      &l->attention_norm,
                                                      0});
    l->output =
        take_linear(b, scope,
                    (rmr_linear_source){
                        {"output.dense"}, hidden, inner, b->dtype, NULL, 0});
    l->output_norm = take_norm(b, scope, "output.LayerNorm");
}

static void bert_embed(const void *embeddings, const rmr_batch *batch,
                       size_t first, size_t last, float *hidden);

static void bert_unbind(void *bound)
{
    rmr_free(bound);
}

static rmr_status bert_bind(void **out, const rmr_config *config,
                            rmr_weights *weights, const rmr_kern *kern,
                            rmr_dtype dtype, rmr_error *err)
{
    *out = NULL;
    bert *model = rmr_calloc(1, sizeof *model + config->num_hidden_layers *
                                                    sizeof *model->layers);
    if (!model)
        return rmr_fail_nomem(err, "the layers of a BERT model");
    const char *word_embeddings = "bert.embeddings.word_embeddings.weight";
    binder b = {.config = config,
                .weights = weights,
                .kern = kern,
                .dtype = dtype,
                .err = err};
    b.prefix = rmr_weights_has(weights, word_embeddings) ? "bert." : "";
    take_embeddings(&b, model);
    for (uint32_t i = 0; i < config->num_hidden_layers && !b.status; i++)
        take_layer(&b, &model->layers[i], i,
                   i ? &model->layers[i - 1].output_norm
                     : &model->embeddings_norm);
    if (b.status) {
        bert_unbind(model);
        return b.status;
    }
    model->encoder = (rmr_encoder){.config = config,
                                   .kern = kern,
                                   .dtype = dtype,
                                   .layers = model->layers,
                                   .embed = bert_embed,
                                   .embeddings = model};
    *out = model;
    return RMR_OK;
}

/* A rmr_encoder_embed: the embeddings are the whole model. */
static void bert_embed(const void *embeddings, const rmr_batch *batch,
                       size_t first, size_t last, float *hidden)
{
    const bert *model = embeddings;
    const rmr_config *config = model->encoder.config;
    const rmr_kern *kern = model->encoder.kern;
    size_t n = config->hidden_size, seq = 0;
    for (size_t t = first; t < last; t++) {
        float *row = hidden + (t - first) * n;
        while (batch->cu_seqlens[seq + 1] <= t)
            seq++;
        size_t position = t - batch->cu_seqlens[seq];
        kern->table_row(&model->words, batch->ids[t], row);
        kern->table_add(&model->types, batch->type_ids[t], row);
        kern->table_add(&model->positions, position, row);
    }
    kern->layer_norm(last - first, n, hidden, model->embeddings_norm.gamma,
                     model->embeddings_norm.beta, config->layer_norm_eps,
                     hidden);
}

static void bert_watch(void *bound, const rmr_encoder_tap *tap)
{
    ((bert *)bound)->encoder.tap = tap;
}

static size_t bert_scratch_bytes(const void *bound, const rmr_batch *batch,
                                 unsigned members)
{
    const bert *model = bound;
    return rmr_encoder_scratch_bytes(&model->encoder, batch, members);
}

static int bert_forward(const void *bound, const rmr_batch *batch,
                        void *scratch, rmr_team *team, rmr_stop *stop,
                        void *context)
{
    const bert *model = bound;
    return rmr_encoder_forward(&model->encoder, batch, scratch, team, stop,
                               context);
}

const rmr_arch rmr_arch_bert = {
    .model_type = "bert",
    .bind = bert_bind,
    .unbind = bert_unbind,
    .watch = bert_watch,
    .scratch_bytes = bert_scratch_bytes,
    .forward = bert_forward,
};
