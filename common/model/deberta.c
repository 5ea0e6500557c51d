/*
 * deberta.c - DeBERTa-v2 and v3 (He et al. 2021): BERT whose attention also
 * sees how far tokens are from each other: a query looks at the position of a
 * key ("c2p"), and a key at that of a query ("p2c"), distances being told apart
 * in buckets that grow with their logarithm. It must never multiply for
 * distances that a sequence does not have.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/family.h"
#include "common/model/head.h"
#include "kernels/pack.h"

enum {
    ROWS_AT_ONCE = 24 /* of queries or keys by columns of distances */
};

static const rmr_layer_names layer_names = {
    .query = "attention.self.query_proj",
    .key = "attention.self.key_proj",
    .value = "attention.self.value_proj",
    .attention_output = "attention.output.dense",
    .attention = {.after = "attention.output.LayerNorm"},
    .feed_forward = {.after = "output.LayerNorm"},
    .intermediate = "intermediate.dense",
    .output = "output.dense",
};

static const rmr_config_names config_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .head_dim = "attention_head_size",
    .intermediate_size = "intermediate_size",
    .hidden_act = "hidden_act",
    .default_act = "gelu",
    .type_vocab_size = "type_vocab_size",
    .epsilon = "layer_norm_eps",
    .default_epsilon = 1e-7,
};

/* ------------------------------------------------------------------ reading
 */

/* 1 when a word is in a list, or in a string where "|" is between words. */
static int lists(const json_t *value, const char *word)
{
    const char *text = json_string_value(value);
    if (text)
        return strstr(text, word) != NULL;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *one = json_string_value(json_array_get(value, i));
        if (one && strcmp(one, word) == 0)
            return 1;
    }
    return 0;
}

static rmr_status read_convolution(rmr_config *config, rmr_json_source source,
                                   rmr_error *err)
{
    rmr_disentangled *d = &config->disentangled;
    const rmr_config_field fields[] = {
        {"conv_kernel_size", 0, 255, 0, &d->conv_kernel_size},
        {"conv_groups", 1, 1 << 16, 1, &d->conv_groups},
    };
    rmr_status status = rmr_config_read_fields(source, fields, 2, err);
    if (status || !d->conv_kernel_size)
        return status;
    if (d->conv_kernel_size % 2 == 0 || config->hidden_size % d->conv_groups) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"conv_kernel_size\" (%u) must be odd, and "
                        "\"conv_groups\" (%u) divide \"hidden_size\" (%u)",
                        source.name, d->conv_kernel_size, d->conv_groups,
                        config->hidden_size);
    }
    return rmr_config_read_activation(&d->conv_act, source, "conv_act", "tanh",
                                      err);
}

static rmr_status read_distances(rmr_config *config, rmr_json_source source,
                                 rmr_error *err)
{
    rmr_disentangled *d = &config->disentangled;
    int64_t positions, buckets, most;
    rmr_status status = rmr_json_get_int(source, "max_relative_positions", -1,
                                         1 << 20, -1, &positions, err);
    if (!status)
        status = rmr_json_get_int(source, "position_buckets", -1, 1 << 16, -1,
                                  &buckets, err);
    if (!status)
        status = rmr_json_get_int(source, "max_position_embeddings", 1, 1 << 20,
                                  RMR_JSON_REQUIRED, &most, err);
    if (!status)
        status = rmr_json_get_bool(source, "share_att_key", 0,
                                   &d->share_att_key, err);
    if (status)
        return status;
    d->max_relative_positions = (uint32_t)(positions < 1 ? most : positions);
    d->position_buckets = buckets > 0 ? (uint32_t)buckets : 0;
    d->span =
        d->position_buckets ? d->position_buckets : d->max_relative_positions;
    d->norm_rel_ebd =
        lists(json_object_get(source.object, "norm_rel_ebd"), "layer_norm");
    if (d->position_buckets == 1 || d->span > 1 << 16)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: \"position_buckets\" and "
                        "\"max_relative_positions\" must be from 2 to 65536",
                        source.name);
    return RMR_OK;
}

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    rmr_disentangled *d = &config->disentangled;
    const json_t *types = json_object_get(source.object, "pos_att_type");
    int relative = 0;
    rmr_status status =
        rmr_config_read_encoder(config, source, &config_names, err);
    const rmr_config_field embedding_size = {"embedding_size", 1, 1 << 16,
                                             config->hidden_size,
                                             &config->embedding_size};
    if (!status)
        status = rmr_json_get_bool(source, "position_biased_input", 1,
                                   &config->has_positions, err);
    if (!status)
        status = rmr_config_read_fields(source, &embedding_size, 1, err);
    if (!status)
        status =
            rmr_json_get_bool(source, "relative_attention", 0, &relative, err);
    if (!status && relative)
        status = read_distances(config, source, err);
    if (!status)
        status = read_convolution(config, source, err);
    d->c2p = lists(types, "c2p");
    d->p2c = lists(types, "p2c");
    config->attention_scale =
        1 / sqrtf((float)config->head_dim * (float)(1 + d->c2p + d->p2c));
    return status;
}

/* ---------------------------------------------------------------- distances
 */

/* What each layer's heads make of each bucket, packed for products with queries
 * and with keys. */
typedef struct positions {
    const rmr_config *config;
    const rmr_kern *kern;
    rmr_dtype dtype;
    rmr_weight *of_keys;    /* [layers, heads], of 2 span outputs; or NULL */
    rmr_weight *of_queries; /* the same */
    /* By the distance from query to key, whose buckets are turned around: as
     * keys follow each other, so do columns, up to `near` away. */
    int32_t *columns; /* [2 max_positions - 1 + RMR_PANEL] */
    size_t near;
    rmr_convolution convolution;
    rmr_linear *of_group;
} positions;

/* As make_log_bucket_position: in float32. */
static ptrdiff_t bucket_of(const rmr_disentangled *d, ptrdiff_t distance)
{
    ptrdiff_t middle = d->position_buckets / 2;
    ptrdiff_t size = distance < 0 ? -distance : distance;
    if (!d->position_buckets || size <= middle)
        return distance;
    float most = (float)((d->max_relative_positions - 1) / (double)middle);
    float steps =
        logf((float)size / (float)middle) / logf(most) * (float)(middle - 1);
    ptrdiff_t bucket = (ptrdiff_t)ceilf(steps) + middle;
    return distance < 0 ? -bucket : bucket;
}

static void fill_columns(positions *p)
{
    const rmr_disentangled *d = &p->config->disentangled;
    ptrdiff_t longest = (ptrdiff_t)p->config->max_positions - 1;
    ptrdiff_t last = 2 * (ptrdiff_t)d->span - 1;
    for (ptrdiff_t j = -longest; j <= longest; j++) {
        ptrdiff_t bucket = bucket_of(d, -j) + (ptrdiff_t)d->span;
        bucket = bucket < 0 ? 0 : bucket > last ? last : bucket;
        p->columns[j + longest] = (int32_t)(last - bucket);
    }
    ptrdiff_t near = 0;
    const int32_t *middle = p->columns + longest;
    while (near < longest && middle[near + 1] == middle[near] + 1 &&
           middle[-near - 1] == middle[-near] - 1)
        near++;
    p->near = (size_t)near;
}

/* ------------------------------------------------------------------ binding
 */

/* A head's components of rows [2 span, columns] from `first` on, the last row
 * first, as a weight. */
static rmr_status pack_head(const positions *p, rmr_weights *weights,
                            const float *rows, size_t columns, size_t first,
                            float *head, rmr_weight *to)
{
    size_t size = p->config->head_dim, out = 2 * p->config->disentangled.span;
    void *panels = rmr_weights_alloc_packed(
        weights, rmr_panels_bytes(p->dtype, size, out));
    if (!panels)
        return RMR_ERR_NOMEM;
    for (size_t r = 0; r < out; r++)
        memcpy(head + (out - 1 - r) * size, rows + r * columns + first,
               size * sizeof *head);
    if (p->dtype == RMR_DTYPE_BF16)
        rmr_pack_bf16(size, out, head, panels);
    else
        p->kern->pack_f32(size, out, head, panels);
    *to = (rmr_weight){
        .dtype = p->dtype, .in = size, .out = out, .panels = panels};
    return RMR_OK;
}

/* All heads of a layer, whose first components are at `first`. */
static rmr_status pack_heads(const positions *p, rmr_weights *weights,
                             const float *rows, size_t columns, size_t first,
                             float *head, rmr_weight *to)
{
    rmr_status status = RMR_OK;
    for (size_t h = 0; h < p->config->num_attention_heads && !status; h++)
        status = pack_head(p, weights, rows, columns,
                           first + h * p->config->head_dim, head, &to[h]);
    return status;
}

/* The embeddings of buckets, [2 span, hidden_size]. */
static rmr_status take_embeddings(rmr_binder *b, float *to)
{
    const rmr_config *c = b->config;
    size_t rows = 2 * (size_t)c->disentangled.span;
    const float *table =
        rmr_bind_matrix(b, "encoder.rel_embeddings", rows, c->hidden_size);
    rmr_norm norm = {0};
    if (c->disentangled.norm_rel_ebd)
        norm = rmr_bind_norm(b, RMR_NORM_LAYER, "encoder.", "LayerNorm",
                             c->hidden_size);
    if (b->status)
        return b->status;
    memcpy(to, table, rows * c->hidden_size * sizeof *to);
    if (norm.gamma)
        b->kern->layer_norm(rows, c->hidden_size, to, norm.gamma, norm.beta,
                            c->layer_norm_eps, to);
    return RMR_OK;
}

/* Room to make them in. */
typedef struct maker {
    rmr_binder *b;
    positions *p;
    float *embeddings; /* [2 span, hidden_size] */
    float *rows;       /* [2 span, 3 heads head_dim] */
    float *head;       /* [2 span, head_dim] */
} maker;

/* By the layer's own queries and keys. */
static void pack_shared(maker *m, const rmr_encoder_layer *l, size_t layer)
{
    const rmr_config *c = m->b->config;
    const positions *p = m->p;
    size_t heads = c->num_attention_heads, queries = heads * c->head_dim;
    size_t rows = 2 * (size_t)c->disentangled.span;
    rmr_status status =
        rmr_linear_apply(&l->qkv, m->b->kern, rows, m->embeddings, m->rows);
    if (!status && p->of_keys)
        status = pack_heads(p, m->b->weights, m->rows, 3 * queries, queries,
                            m->head, p->of_keys + layer * heads);
    if (!status && p->of_queries)
        status = pack_heads(p, m->b->weights, m->rows, 3 * queries, 0, m->head,
                            p->of_queries + layer * heads);
    if (status)
        m->b->status = rmr_fail_nomem(m->b->err, "positions");
}

/* By a linear layer of their own. */
static void pack_own(maker *m, size_t layer, const char *name, int has_bias,
                     rmr_weight *to)
{
    const rmr_config *c = m->b->config;
    char scope[80];
    rmr_linear linear;
    size_t columns = (size_t)c->num_attention_heads * c->head_dim;
    size_t rows = 2 * (size_t)c->disentangled.span;
    snprintf(scope, sizeof scope, "encoder.layer.%zu.attention.self.", layer);
    rmr_bind_linear(m->b, scope,
                    (rmr_linear_source){.names = {name},
                                        .out = {columns},
                                        .in = c->hidden_size,
                                        .without_bias = !has_bias,
                                        .dtype = m->b->dtype},
                    &linear);
    if (m->b->status)
        return;
    if (rmr_linear_apply(&linear, m->b->kern, rows, m->embeddings, m->rows) ||
        pack_heads(m->p, m->b->weights, m->rows, columns, 0, m->head,
                   to + layer * c->num_attention_heads))
        m->b->status = rmr_fail_nomem(m->b->err, name);
}

static void pack_positions(maker *m, const rmr_encoder *encoder)
{
    const positions *p = m->p;
    m->b->status = take_embeddings(m->b, m->embeddings);
    for (size_t i = 0; i < encoder->num_layers && !m->b->status; i++) {
        if (m->b->config->disentangled.share_att_key) {
            pack_shared(m, encoder->layers[i], i);
            continue;
        }
        if (p->of_keys)
            pack_own(m, i, "pos_key_proj", 1, p->of_keys);
        if (p->of_queries && !m->b->status)
            pack_own(m, i, "pos_query_proj", 1, p->of_queries);
    }
}

static void bind_positions(rmr_binder *b, positions *p,
                           const rmr_encoder *encoder)
{
    const rmr_config *c = b->config;
    const rmr_disentangled *d = &c->disentangled;
    size_t rows = 2 * (size_t)d->span;
    size_t queries = (size_t)c->num_attention_heads * c->head_dim;
    size_t all = encoder->num_layers * c->num_attention_heads;
    maker m = {b, p, rmr_malloc_array(rows * c->hidden_size, sizeof(float)),
               rmr_malloc_array(rows * 3 * queries, sizeof(float)),
               rmr_malloc_array(rows * c->head_dim, sizeof(float))};
    p->columns = rmr_calloc(2 * (size_t)c->max_positions - 1 + RMR_PANEL,
                            sizeof *p->columns);
    if (d->c2p)
        p->of_keys = rmr_calloc(all, sizeof *p->of_keys);
    if (d->p2c)
        p->of_queries = rmr_calloc(all, sizeof *p->of_queries);
    if (!m.embeddings || !m.rows || !m.head || !p->columns ||
        (d->c2p && !p->of_keys) || (d->p2c && !p->of_queries)) {
        b->status = rmr_fail_nomem(b->err, "positions");
    } else {
        fill_columns(p);
        pack_positions(&m, encoder);
    }
    rmr_free(m.embeddings);
    rmr_free(m.rows);
    rmr_free(m.head);
}

/* Its weight is [hidden_size, hidden_size / groups, width]: a group's rows are
 * a linear layer's, in parts. */
static void bind_convolution(rmr_binder *b, positions *p, rmr_encoder *encoder)
{
    const rmr_config *c = b->config;
    const rmr_disentangled *d = &c->disentangled;
    size_t columns = c->hidden_size / d->conv_groups;
    p->of_group = rmr_calloc(d->conv_groups, sizeof *p->of_group);
    if (!p->of_group) {
        b->status = rmr_fail_nomem(b->err, "a convolution");
        return;
    }
    rmr_bind_linear(b, "",
                    (rmr_linear_source){.names = {"encoder.conv.conv"},
                                        .out = {c->hidden_size},
                                        .in = columns * d->conv_kernel_size,
                                        .width = d->conv_kernel_size,
                                        .parts = d->conv_groups,
                                        .dtype = RMR_DTYPE_F32},
                    p->of_group);
    p->convolution = (rmr_convolution){
        .width = d->conv_kernel_size,
        .groups = d->conv_groups,
        .of_group = p->of_group,
        .activation = d->conv_act,
        .norm = rmr_bind_norm(b, RMR_NORM_LAYER, "encoder.conv.", "LayerNorm",
                              c->hidden_size)};
    encoder->convolution = &p->convolution;
}

/* ------------------------------------------------------------------ running
 */

/* Queries or keys of a head by what it makes of the columns, of which `y` takes
 * those that some key can have, [length, 2 span]: for a few rows at once, so
 * that they are not many more than the keys. A key sees queries at distances
 * whose sign is the other way around. */
static const float *multiply(const positions *p, const rmr_weight *weight,
                             const rmr_attention_args *args, const void *x,
                             int of_keys, float *y)
{
    size_t out = weight->out, last_row = args->length - 1;
    const int32_t *columns = p->columns + p->config->max_positions - 1;
    for (size_t row = 0, rows; row < args->length; row += rows) {
        size_t left = args->length - row;
        rows = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        ptrdiff_t before = (ptrdiff_t)(row + rows - 1);
        ptrdiff_t after = (ptrdiff_t)(last_row - row);
        size_t first = (size_t)columns[of_keys ? -after : -before];
        size_t last = (size_t)columns[of_keys ? before : after];
        last = rmr_panels(last + 1);
        rmr_linear_args linear = {.weight = weight,
                                  .rows = rows,
                                  .first = first / RMR_PANEL * RMR_PANEL,
                                  .last = last < out ? last : out,
                                  .x = (const char *)x + row * args->stride,
                                  .x_stride = args->stride,
                                  .y = y + row * out,
                                  .y_stride = out * sizeof *y,
                                  .y_dtype = RMR_DTYPE_F32};
        rmr_kern_linear(p->kern, &linear);
    }
    return y;
}

/* A rmr_encoder_bias. */
static void bias_of(const void *context, size_t layer, size_t head,
                    float *scratch, rmr_attention_args *args,
                    rmr_attention_bias *bias)
{
    const positions *p = context;
    size_t out = 2 * (size_t)p->config->disentangled.span;
    size_t which = layer * p->config->num_attention_heads + head;
    bias->columns = p->columns + p->config->max_positions - 1;
    bias->near = p->near;
    bias->stride = out;
    if (p->of_keys)
        bias->of_query =
            multiply(p, &p->of_keys[which], args, args->q, 0, scratch);
    if (p->of_queries)
        bias->of_key = multiply(p, &p->of_queries[which], args, args->k, 1,
                                scratch + args->length * out);
}

static size_t bias_floats(const void *context, size_t length)
{
    const positions *p = context;
    return 2 * length * 2 * p->config->disentangled.span + RMR_PANEL;
}

static void extend(rmr_binder *b, rmr_encoder *encoder, void **extra)
{
    const rmr_disentangled *d = &b->config->disentangled;
    positions *p = rmr_calloc(1, sizeof *p);
    *extra = p;
    if (!p) {
        b->status = rmr_fail_nomem(b->err, "positions");
        return;
    }
    p->config = b->config;
    p->kern = b->kern;
    p->dtype = rmr_encoder_attention_dtype(encoder);
    if (d->conv_kernel_size)
        bind_convolution(b, p, encoder);
    if (!d->span || (!d->c2p && !d->p2c) || b->status)
        return;
    bind_positions(b, p, encoder);
    encoder->bias = bias_of;
    encoder->bias_floats = bias_floats;
    encoder->bias_context = p;
}

static void release(void *extra)
{
    positions *p = extra;
    if (!p)
        return;
    rmr_free(p->of_keys);
    rmr_free(p->of_queries);
    rmr_free(p->columns);
    rmr_free(p->of_group);
    rmr_free(p);
}

static const rmr_family_names names = {
    .prefixes = {"deberta.", ""},
    .types = "embeddings.token_type_embeddings",
    .norm = RMR_BERT_EMBEDDING_NORM,
    .projection = "embeddings.embed_proj",
    .projects_first = 1,
    .layer = "encoder.layer.%u.",
    .layers = &layer_names,
    .extend = extend,
    .release = release,
};

/* As DeBERTa's authors have it. */
static const rmr_head_names newer_fill = {
    .dense = "lm_predictions.lm_head.dense",
    .activation = {.is_hidden = 1},
    .norm = "lm_predictions.lm_head.LayerNorm",
    .output = "lm_predictions.lm_head",
    .is_words = 1,
};

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    .classify = {.dense = "pooler.dense",
                 .activation = {.kernel = RMR_ACTIVATION_GELU,
                                .field = "pooler_hidden_act"},
                 .output = "classifier"},
    .tokens = {.output = "classifier"},
    .fill = {.field = "legacy",
             .where_false = &newer_fill,
             .dense = "cls.predictions.transform.dense",
             .activation = {.is_hidden = 1},
             .norm = "cls.predictions.transform.LayerNorm",
             .output = "cls.predictions.decoder",
             .bias = "cls.predictions.bias"},
};

const rmr_arch rmr_arch_deberta = {
    .model_type = "deberta-v2",
    .title = "DeBERTa-v2 and -v3",
    .options =
        "`hidden_act`, `pos_att_type`, `position_buckets`, "
        "`max_relative_positions`, `share_att_key`, `norm_rel_ebd`, "
        "`position_biased_input`, `embedding_size`, `attention_head_size`, "
        "`conv_kernel_size`, `conv_groups`, `conv_act`",
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
