/*
 * family.c - binds an encoder of BERT's family by its names, and looks its
 * embeddings up. It must never look past a sequence's own tokens.
 */
#include "common/model/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"

typedef struct family {
    rmr_encoder encoder;
    rmr_table words;     /* [vocab_size, embedding_size] */
    rmr_table positions; /* [max_position_embeddings, embedding_size] */
    rmr_table types;     /* [type_vocab_size, embedding_size], or no rows */
    rmr_norm norm;       /* of their sum, if any */
    rmr_linear projection;
    int projects;
    int projects_first; /* before the norm */
    float *distances;   /* [num_attention_heads, distance_stride()], or NULL */
    rmr_encoder_layer *own;           /* each once */
    const rmr_encoder_layer **layers; /* in the order that they run in */
    const rmr_family_names *names;
    void *extra; /* names->extend's */
} family;

enum { SCOPE_CHARS = 80 };

/* ------------------------------------------------------------------ binding
 */

/* The others are small beside the words, and have one more step to spare: in
 * int8 theirs would cost MiniLM's vectors a fifth of what all else does. */
static rmr_dtype small_dtype(rmr_dtype dtype)
{
    return dtype == RMR_DTYPE_INT8   ? RMR_DTYPE_BF16
           : dtype == RMR_DTYPE_INT4 ? RMR_DTYPE_INT8
                                     : dtype;
}

static void bind_projection(rmr_binder *b, family *f)
{
    const rmr_config *c = b->config;
    const rmr_family_names *names = f->names;
    f->projects = names->projection && (names->always_projects ||
                                        c->embedding_size != c->hidden_size);
    f->projects_first = f->projects && names->projects_first;
    if (f->projects)
        rmr_bind_linear(b, "",
                        (rmr_linear_source){.names = {names->projection},
                                            .out = {c->hidden_size},
                                            .in = c->embedding_size,
                                            .without_bias = f->projects_first,
                                            .dtype = RMR_DTYPE_F32},
                        &f->projection);
}

static const char *words_of(const rmr_family_names *names)
{
    return names->words ? names->words : "embeddings.word_embeddings";
}

static void bind_embeddings(rmr_binder *b, family *f)
{
    const rmr_config *c = b->config;
    const rmr_family_names *names = f->names;
    size_t size = c->embedding_size;
    rmr_dtype small = small_dtype(b->dtype);
    f->words =
        rmr_bind_table(b, words_of(names), c->vocab_size, size, b->dtype);
    if (c->has_positions)
        f->positions = rmr_bind_table(b, "embeddings.position_embeddings",
                                      c->max_position_embeddings, size, small);
    if (names->types && c->type_vocab_size)
        f->types =
            rmr_bind_table(b, names->types, c->type_vocab_size, size, small);
    bind_projection(b, f);
    if (names->norm)
        f->norm = rmr_bind_norm(b, c->embedding_norm, "", names->norm,
                                f->projects_first ? c->hidden_size : size);
}

/* ---------------------------------------------------------------- distances
 *
 * A head's scores have a bias for each distance of two tokens: from the longest
 * backwards to the longest forwards. */

static size_t distance_stride(const rmr_config *c)
{
    return 2 * (size_t)c->max_positions - 1 + RMR_PANEL;
}

/* As MPNetEncoder.relative_position_bucket: half of the buckets for each
 * direction; of these half are a distance each, the others grow with its
 * logarithm up to 128, in float32. */
static size_t bucket_of(size_t buckets, ptrdiff_t distance)
{
    const float max_distance = 128;
    size_t half = buckets / 2, exact = half / 2;
    size_t size = (size_t)(distance < 0 ? -distance : distance);
    size_t first = distance > 0 ? half : 0;
    if (size < exact)
        return first + size;
    float steps = logf((float)size / (float)exact) /
                  logf(max_distance / (float)exact) * (float)(half - exact);
    size_t bucket = exact + (size_t)steps;
    return first + (bucket < half ? bucket : half - 1);
}

static void fill_distances(family *f, const rmr_config *c, const float *table)
{
    size_t heads = c->num_attention_heads, stride = distance_stride(c);
    ptrdiff_t longest = (ptrdiff_t)c->max_positions - 1;
    for (ptrdiff_t d = -longest; d <= longest; d++) {
        size_t bucket = bucket_of(c->relative_attention_num_buckets, d);
        for (size_t head = 0; head < heads; head++)
            f->distances[head * stride + (size_t)(d + longest)] =
                table[bucket * heads + head];
    }
}

/* How much a head minds a step (Press et al. 2022, ALiBi): powers of one root
 * for as many heads as the largest power of 2, and every other power of the
 * root's root for the rest. */
static float alibi_slope(size_t heads, size_t head)
{
    size_t whole = 1;
    while (2 * whole <= heads)
        whole *= 2;
    if (head < whole)
        return (float)exp2(-8.0 / (double)whole * (double)(head + 1));
    return (float)exp2(-4.0 / (double)whole * (double)(2 * (head - whole) + 1));
}

static void fill_alibi(family *f, const rmr_config *c)
{
    size_t heads = c->num_attention_heads, stride = distance_stride(c);
    size_t longest = (size_t)c->max_positions - 1;
    for (size_t head = 0; head < heads; head++) {
        float *middle = f->distances + head * stride + longest;
        for (size_t d = 0; d <= longest; d++) {
            float value = -alibi_slope(heads, head) * (float)d;
            middle[d] = value;
            *(middle - d) = value;
        }
    }
}

static void bind_distances(rmr_binder *b, family *f)
{
    const rmr_config *c = b->config;
    size_t heads = c->num_attention_heads;
    const float *table = NULL;
    if (f->names->distances)
        table = rmr_bind_matrix(b, f->names->distances,
                                c->relative_attention_num_buckets, heads);
    if (b->status || (!table && !c->alibi))
        return;
    f->distances = rmr_calloc(heads * distance_stride(c), sizeof(float));
    if (!f->distances)
        b->status = rmr_fail_nomem(b->err, "distances");
    else if (table)
        fill_distances(f, c, table);
    else
        fill_alibi(f, c);
}

/* A rmr_encoder_bias. */
static void family_bias(const void *context, size_t layer, size_t head,
                        float *scratch, rmr_attention_args *args,
                        rmr_attention_bias *bias)
{
    const family *f = context;
    const rmr_config *c = f->encoder.config;
    (void)layer;
    (void)scratch;
    if (f->distances)
        bias->distance =
            f->distances + head * distance_stride(c) + c->max_positions - 1;
    if (c->logn_attention_scale) {
        float scale =
            logf((float)args->length) / logf((float)c->max_position_embeddings);
        args->scale *= c->logn_attention_clip1 && scale < 1 ? 1 : scale;
    }
}

/* ------------------------------------------------------------------- layers
 */

/* Layers that a file has, and how often they run. */
static size_t num_own(const rmr_config *c)
{
    return c->num_hidden_groups
               ? (size_t)c->num_hidden_groups * c->inner_group_num
               : c->num_hidden_layers;
}

static size_t num_run(const rmr_config *c)
{
    return c->num_hidden_groups
               ? (size_t)c->num_hidden_layers * c->inner_group_num
               : c->num_hidden_layers;
}

static const rmr_layer_names *layers_of(const rmr_binder *b,
                                        const rmr_family_names *names)
{
    char mark[2 * SCOPE_CHARS];
    snprintf(mark, sizeof mark, "%s%s", b->prefix,
             names->other_mark ? names->other_mark : "");
    return names->other_layers && rmr_weights_has(b->weights, mark)
               ? names->other_layers
               : names->layers;
}

static void bind_layers(rmr_binder *b, family *f, const rmr_family_names *names)
{
    const rmr_config *c = b->config;
    int normed = f->norm.gamma && (!f->projects || f->projects_first);
    const rmr_norm *before = normed ? &f->norm : NULL;
    const rmr_layer_names *layers = layers_of(b, names);
    for (size_t i = 0; i < num_own(c) && !b->status; i++) {
        char scope[SCOPE_CHARS];
        size_t inner = c->num_hidden_groups ? c->inner_group_num : 1;
        snprintf(scope, sizeof scope, names->layer, (unsigned)(i / inner),
                 (unsigned)(i % inner));
        rmr_bind_layer(b, &f->own[i], i, scope, layers, before);
        before = &f->own[i].feed_forward.after;
    }
}

/* As AlbertTransformer does: a group's layers in a row, as often as there are
 * layers to a group. */
static void order_layers(family *f, const rmr_config *c)
{
    size_t run = num_run(c);
    for (size_t i = 0; i < run; i++) {
        size_t own = i;
        if (c->num_hidden_groups) {
            size_t layer = i / c->inner_group_num;
            size_t group = layer * c->num_hidden_groups / c->num_hidden_layers;
            own = group * c->inner_group_num + i % c->inner_group_num;
        }
        f->layers[i] = &f->own[own];
    }
}

static void family_embed(const void *embeddings, const rmr_batch *batch,
                         size_t first, size_t last, float *scratch,
                         float *hidden);

static void set_encoder(family *f, rmr_binder *b)
{
    const rmr_config *c = b->config;
    f->encoder =
        (rmr_encoder){.config = c,
                      .kern = b->kern,
                      .dtype = b->dtype,
                      .layers = f->layers,
                      .num_layers = num_run(c),
                      .embed = family_embed,
                      .embed_columns = f->projects ? c->embedding_size : 0,
                      .embeddings = f,
                      .attention_scale = c->attention_scale,
                      .bias_context = f};
    if (f->distances || c->logn_attention_scale)
        f->encoder.bias = family_bias;
    for (size_t i = 0; i < RMR_MAX_ROPES; i++)
        f->encoder.ropes[i] = c->ropes[i];
    if (f->names->last_norm)
        f->encoder.last_norm =
            rmr_bind_norm(b, c->norm, "", f->names->last_norm, c->hidden_size);
}

rmr_status rmr_family_bind(void **out, const rmr_arch *arch,
                           const rmr_config *config, rmr_weights *weights,
                           const rmr_kern *kern, rmr_dtype dtype,
                           rmr_error *err)
{
    *out = NULL;
    const rmr_family_names *names = arch->family;
    rmr_binder b = {.config = config,
                    .weights = weights,
                    .kern = kern,
                    .dtype = dtype,
                    .err = err};
    family *f = rmr_calloc(1, sizeof *f);
    if (!f)
        return rmr_fail_nomem(err, config->model_type);
    f->own = rmr_calloc(num_own(config), sizeof *f->own);
    f->layers = rmr_calloc(num_run(config), sizeof *f->layers);
    if (!f->own || !f->layers) {
        rmr_family_unbind(f);
        return rmr_fail_nomem(err, config->model_type);
    }
    f->names = names;
    char words[SCOPE_CHARS];
    snprintf(words, sizeof words, "%s.weight", words_of(names));
    b.prefix = rmr_bind_prefix(weights, names->prefixes, words);
    bind_embeddings(&b, f);
    bind_layers(&b, f, names);
    bind_distances(&b, f);
    order_layers(f, config);
    set_encoder(f, &b);
    if (names->extend && !b.status)
        names->extend(&b, &f->encoder, &f->extra);
    if (b.status) {
        rmr_family_unbind(f);
        return b.status;
    }
    *out = f;
    return RMR_OK;
}

void rmr_family_unbind(void *bound)
{
    family *f = bound;
    if (!f)
        return;
    if (f->names && f->names->release)
        f->names->release(f->extra);
    rmr_free(f->distances);
    rmr_free(f->own);
    rmr_free(f->layers);
    rmr_free(f);
}

/* ------------------------------------------------------------------ running
 */

/* Where positions begin after the id of padding, tokens that are padding have
 * that one and are not counted, as in create_position_ids_from_input_ids. */
static int is_padding(const rmr_config *c, uint32_t id)
{
    return c->positions_from && id == c->positions_from - 1;
}

/* How many of the tokens [first, last) are counted. */
static size_t count_positions(const rmr_config *c, const rmr_batch *batch,
                              size_t first, size_t last)
{
    size_t count = last - first;
    for (size_t t = first; t < last && c->positions_from; t++)
        count -= (size_t)is_padding(c, batch->ids[t]);
    return count;
}

/* The sum for token t, which comes after so many of its sequence. */
static void add_up(const family *f, const rmr_batch *batch, size_t t,
                   size_t counted, float *row)
{
    const rmr_config *c = f->encoder.config;
    const rmr_kern *kern = f->encoder.kern;
    uint32_t id = batch->ids[t];
    size_t position = c->positions_from + counted;
    if (is_padding(c, id))
        position = id;
    kern->table_row(&f->words, id, row);
    for (size_t i = 0; i < c->embedding_size && c->embedding_scale != 1; i++)
        row[i] *= c->embedding_scale;
    if (f->types.rows)
        kern->table_add(&f->types, batch->type_ids[t], row);
    if (f->positions.rows)
        kern->table_add(&f->positions, position, row);
}

static void project(const family *f, size_t rows, const float *x, float *hidden)
{
    const rmr_encoder *e = &f->encoder;
    rmr_linear_args args = {.weight = &f->projection.weight,
                            .rows = rows,
                            .last = e->config->hidden_size,
                            .x = x,
                            .x_stride = e->embed_columns * sizeof *x,
                            .bias = f->projection.bias,
                            .y = hidden,
                            .y_stride = e->config->hidden_size * sizeof *hidden,
                            .y_dtype = RMR_DTYPE_F32};
    e->kern->linear_f32(&args);
}

static void normalise(const family *f, size_t rows, float *x)
{
    const rmr_config *c = f->encoder.config;
    size_t size = f->projects_first ? c->hidden_size : c->embedding_size;
    f->encoder.kern->layer_norm(rows, size, x, f->norm.gamma, f->norm.beta,
                                c->layer_norm_eps, x);
}

/* A rmr_encoder_embed: the embeddings are the whole model. */
static void family_embed(const void *embeddings, const rmr_batch *batch,
                         size_t first, size_t last, float *scratch,
                         float *hidden)
{
    const family *f = embeddings;
    const rmr_config *c = f->encoder.config;
    float *sums = f->projects ? scratch : hidden;
    size_t size = c->embedding_size, seq = 0, counted = 0;
    for (size_t t = first; t < last; t++) {
        while (batch->cu_seqlens[seq + 1] <= t)
            seq++;
        if (t == first || t == batch->cu_seqlens[seq])
            counted = count_positions(c, batch, batch->cu_seqlens[seq], t);
        add_up(f, batch, t, counted, sums + (t - first) * size);
        counted += !is_padding(c, batch->ids[t]);
    }
    if (f->projects_first)
        project(f, last - first, sums, hidden);
    if (f->norm.gamma)
        normalise(f, last - first, f->projects_first ? hidden : sums);
    if (f->projects && !f->projects_first)
        project(f, last - first, sums, hidden);
}

void rmr_family_watch(void *bound, const rmr_encoder_tap *tap)
{
    ((family *)bound)->encoder.tap = tap;
}

size_t rmr_family_scratch_bytes(const void *bound, const rmr_batch *batch,
                                unsigned members)
{
    const family *f = bound;
    return rmr_encoder_scratch_bytes(&f->encoder, batch, members);
}

int rmr_family_forward(const void *bound, const rmr_batch *batch, void *scratch,
                       rmr_team *team, rmr_stop *stop, void *context)
{
    const family *f = bound;
    return rmr_encoder_forward(&f->encoder, batch, scratch, team, stop,
                               context);
}
