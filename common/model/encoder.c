/*
 * encoder.c - runs a transformer's layers. Everything but attention is done to
 * each token by itself, so a batch is cut into blocks of rows that stay in a
 * core's cache from one attention to the next, a block for each member at a
 * time. When there are fewer tokens than that is worth, members share out the
 * columns of each product instead. It must never let the way the work is cut
 * reach a result.
 */
#include "common/model/encoder.h"

#include <math.h>
#include <string.h>

enum {
    TILE_ROWS = 12,  /* that kernels take at once, at most */
    MAX_BLOCK = 132, /* rows */
    MIN_BLOCK = 24,  /* rows from which a member gets a block of its own */
    /* Bytes of a block's widest matrix that a core's cache has room for. */
    BLOCK_BYTES = 512 * 1024
};

/* What a member works with: rows on their way through the layers. */
typedef struct block {
    size_t first, rows;    /* of the batch */
    char *operand;         /* left operand of a product, as narrow() makes it */
    rmr_row_scale *scales; /* int8: of its rows */
    char *inner;           /* [rows, intermediate_size]; before that, what
                            * embeddings need */
    float *beside;         /* [rows, hidden_size]: what a part takes or gives
                            * where that is not the hidden state itself */
    float *straight;       /* [rows, qkv_columns()] before they are turned */
    void *linear;          /* what rmr_linear_scratch says, */
    void *attention;       /* rmr_attention_scratch, */
    float *bias;           /* and the encoder's bias */
} block;

typedef struct pass {
    const rmr_encoder *encoder;
    const rmr_batch *batch;
    rmr_team *team;
    unsigned members;
    size_t block_rows;
    int by_columns;
    size_t parts;            /* of columns, or of the rows of the one block */
    rmr_dtype attention;     /* of qkv */
    rmr_dtype context_dtype; /* of context */
    float *hidden;           /* [tokens, hidden_size], first of all */
    char *qkv;               /* [tokens, qkv_columns()] */
    char *context;           /* [tokens, context_columns()] */
    float *convolved;        /* [tokens, hidden_size], where that is done */
    float *turns[RMR_MAX_ROPES]; /* [tokens, the rope's size] */
    char *blocks;                /* the members' own */
    size_t block_bytes;
    size_t beside_bytes, straight_bytes; /* of a row in it */
    size_t bias_bytes;
    size_t layer; /* that is being run */
} pass;

/* -------------------------------------------------------------------- sizes
 */

static size_t aligned(size_t bytes)
{
    return (bytes + RMR_ALIGNMENT - 1) / RMR_ALIGNMENT * RMR_ALIGNMENT;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Of the context, and of queries. */
static size_t context_columns(const rmr_config *c)
{
    return (size_t)c->num_attention_heads * c->head_dim;
}

static size_t qkv_columns(const rmr_config *c)
{
    return context_columns(c) +
           2 * (size_t)c->num_key_value_heads * c->head_dim;
}

/* In what type a matrix is written that is the next product's left operand:
 * the operand's, but for int8, which must see a row whole before it is
 * quantized, and for rows that do not fill their last step. The others are
 * narrowed on the way. */
static rmr_dtype dtype_before(rmr_dtype dtype, size_t columns)
{
    int whole = columns * rmr_dtype_size(dtype) % RMR_STEP == 0;
    return dtype == RMR_DTYPE_BF16 && whole ? RMR_DTYPE_BF16 : RMR_DTYPE_F32;
}

static rmr_dtype inner_dtype(const rmr_encoder *e)
{
    return dtype_before(e->dtype, e->config->intermediate_size);
}

/* Of a row of the inner matrix. */
static size_t inner_bytes(const rmr_encoder *e)
{
    return rmr_row_bytes(inner_dtype(e), e->config->intermediate_size);
}

/* What is kept for it. */
static size_t inner_space(const rmr_encoder *e)
{
    return larger(inner_bytes(e), e->embed_columns * sizeof(float));
}

/* Columns of the widest left operand. */
static size_t widest(const rmr_config *c)
{
    return larger(larger(c->hidden_size, c->intermediate_size),
                  context_columns(c));
}

/* Of the widest row that narrow_rows makes. */
static size_t operand_bytes(const rmr_encoder *e)
{
    if (e->dtype == RMR_DTYPE_F32)
        return 0;
    return rmr_row_bytes(rmr_operand_dtype(e->dtype), widest(e->config));
}

static size_t linear_bytes(const rmr_encoder *e)
{
    return rmr_linear_scratch(e->dtype, widest(e->config));
}

/* Some layer normalises what a part takes, or what it gives. */
static size_t beside_bytes(const rmr_encoder *e)
{
    int needed = 0;
    for (size_t i = 0; i < e->num_layers && !needed; i++) {
        const rmr_encoder_layer *l = e->layers[i];
        needed = l->attention.before.gamma || l->attention.within.gamma ||
                 l->feed_forward.before.gamma || l->feed_forward.within.gamma;
    }
    return needed ? e->config->hidden_size * sizeof(float) : 0;
}

/* Queries and keys are turned, or normalised, in float32. */
static int changes_queries(const rmr_encoder *e, const rmr_encoder_layer *l)
{
    return e->ropes[l->rope].size || l->query_norm.gamma;
}

static size_t straight_bytes(const pass *p)
{
    const rmr_encoder *e = p->encoder;
    int needed = 0;
    for (size_t i = 0; i < e->num_layers && !needed; i++)
        needed = changes_queries(e, e->layers[i]);
    if (!needed || p->attention == RMR_DTYPE_F32)
        return 0;
    return qkv_columns(e->config) * sizeof(float);
}

static size_t bias_bytes(const pass *p)
{
    const rmr_encoder *e = p->encoder;
    size_t floats = 0;
    if (e->bias_floats)
        floats = e->bias_floats(e->bias_context, p->batch->longest);
    if (e->convolution)
        floats =
            larger(floats, rmr_convolution_floats(e->convolution, e->config));
    return floats * sizeof(float);
}

/* How the batch is cut for so many members. Several have as many blocks each,
 * all of as many rows, since a phase ends with the last of them. */
static void cut(pass *p)
{
    size_t tokens = larger(p->batch->tokens, 1);
    size_t most = BLOCK_BYTES / inner_bytes(p->encoder);
    size_t share = (tokens + p->members - 1) / p->members;
    most = most > MAX_BLOCK ? MAX_BLOCK : larger(most, MIN_BLOCK);
    most = (most + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    size_t blocks = (share + most - 1) / most * p->members;
    p->by_columns = p->members > 1 && share < MIN_BLOCK;
    p->parts = p->by_columns ? p->members : 1;
    if (p->by_columns)
        p->block_rows = tokens;
    else if (p->members > 1)
        p->block_rows = (tokens + blocks - 1) / blocks;
    else
        p->block_rows = tokens < most ? tokens : most;
}

/* Room for the next `bytes` of scratch; NULL while it is only counted. */
static char *lay(char *scratch, size_t *at, size_t bytes)
{
    char *here = scratch ? scratch + *at : NULL;
    *at += aligned(bytes);
    return here;
}

/* A member's space. Returns its size. */
static size_t lay_out_block(const pass *p, char *scratch, block *b)
{
    const rmr_config *c = p->encoder->config;
    size_t at = 0, rows = p->block_rows;
    b->operand = lay(scratch, &at, rows * operand_bytes(p->encoder));
    b->scales =
        (rmr_row_scale *)(void *)lay(scratch, &at, rows * sizeof *b->scales);
    b->inner = lay(scratch, &at, rows * inner_space(p->encoder));
    b->beside = (float *)(void *)lay(scratch, &at, rows * p->beside_bytes);
    b->straight = (float *)(void *)lay(scratch, &at, rows * p->straight_bytes);
    b->linear = lay(scratch, &at, linear_bytes(p->encoder));
    b->attention = lay(scratch, &at,
                       rmr_attention_scratch(p->batch->longest, c->head_dim));
    b->bias = (float *)(void *)lay(scratch, &at, p->bias_bytes);
    return at;
}

/* Lays out the scratch space, at `scratch` unless it is NULL; returns its
 * size. */
static size_t lay_out(pass *p, char *scratch)
{
    const rmr_encoder *e = p->encoder;
    const rmr_config *c = e->config;
    size_t tokens = p->batch->tokens, at = 0;
    size_t rows = tokens * c->hidden_size * sizeof(float);
    block unused;
    p->hidden = (float *)(void *)lay(scratch, &at, rows);
    p->qkv = lay(scratch, &at,
                 tokens * qkv_columns(c) * rmr_dtype_size(p->attention));
    p->context =
        lay(scratch, &at,
            tokens * context_columns(c) * rmr_dtype_size(p->context_dtype));
    p->convolved =
        (float *)(void *)lay(scratch, &at, e->convolution ? rows : 0);
    for (size_t i = 0; i < RMR_MAX_ROPES; i++)
        p->turns[i] = (float *)(void *)lay(
            scratch, &at, tokens * e->ropes[i].size * sizeof(float));
    p->block_bytes = lay_out_block(p, NULL, &unused);
    p->blocks = lay(scratch, &at, p->members * p->block_bytes);
    return at;
}

rmr_dtype rmr_encoder_attention_dtype(const rmr_encoder *e)
{
    int halves = e->dtype != RMR_DTYPE_F32 && e->kern->has_bf16_attention &&
                 e->config->head_dim % 2 == 0;
    return halves ? RMR_DTYPE_BF16 : RMR_DTYPE_F32;
}

static pass begin(const rmr_encoder *e, const rmr_batch *batch,
                  unsigned members)
{
    pass p = {.encoder = e, .batch = batch, .members = members};
    p.attention = rmr_encoder_attention_dtype(e);
    p.context_dtype = dtype_before(e->dtype, context_columns(e->config));
    p.beside_bytes = beside_bytes(e);
    p.straight_bytes = straight_bytes(&p);
    p.bias_bytes = bias_bytes(&p);
    cut(&p);
    return p;
}

size_t rmr_encoder_scratch_bytes(const rmr_encoder *encoder,
                                 const rmr_batch *batch, unsigned members)
{
    pass p = begin(encoder, batch, members);
    return lay_out(&p, NULL);
}

/* The member's space, for the rows of a block. */
static block block_of(const pass *p, unsigned member, size_t first)
{
    size_t left = p->batch->tokens - first;
    block b = {.first = first,
               .rows = left < p->block_rows ? left : p->block_rows};
    lay_out_block(p, p->blocks + member * p->block_bytes, &b);
    return b;
}

/* -------------------------------------------------------------------- steps
 *
 * Each is done to some rows of a block, or for one part of the columns. */

/* What a product takes as its left operand. */
typedef struct left {
    const void *data;
    size_t stride;
    const rmr_row_scale *scales;
    const float *floats; /* what data was made of, where it was */
} left;

/* Rows [from, to) of a block's x into its operand, for the layer `next`. */
static void narrow_rows(const pass *p, const block *b, const rmr_linear *next,
                        const float *x, size_t from, size_t to)
{
    const rmr_kern *kern = p->encoder->kern;
    rmr_dtype dtype = rmr_operand_dtype(next->weight.dtype);
    size_t columns = next->weight.in, stride = rmr_row_bytes(dtype, columns);
    void *y = b->operand + from * stride;
    if (dtype == RMR_DTYPE_BF16)
        kern->to_bf16(to - from, columns, x + from * columns, y, stride);
    else if (dtype == RMR_DTYPE_INT8)
        kern->quantize_rows(to - from, columns, x + from * columns,
                            next->factors, y, stride, b->scales + from);
}

/* The left operand of the layer `next` that x is, written in `dtype`, or that
 * narrow_rows made of it. */
static left left_of(const block *b, const rmr_linear *next, const void *x,
                    rmr_dtype dtype)
{
    rmr_dtype operand = rmr_operand_dtype(next->weight.dtype);
    size_t stride = rmr_row_bytes(operand, next->weight.in);
    return (left){dtype == operand ? x : b->operand, stride, b->scales, x};
}

/* What becomes of a result, and where it goes. */
typedef struct target {
    void *data; /* the block's first row */
    size_t stride;
    rmr_dtype dtype;
    rmr_activation activation;
    int gates;             /* as rmr_linear_args */
    const float *residual; /* in rows of hidden_size, or NULL */
} target;

static void multiply(const pass *p, const block *b, const rmr_linear *linear,
                     left x, target y, size_t part)
{
    const rmr_weight *weight = &linear->weight;
    size_t panels = rmr_panels(weight->out) / RMR_PANEL;
    size_t last = panels * (part + 1) / p->parts * RMR_PANEL;
    rmr_linear_args args = {
        .weight = weight,
        .rows = b->rows,
        .first = panels * part / p->parts * RMR_PANEL,
        .last = last < weight->out ? last : weight->out,
        .x = x.data,
        .x_stride = x.stride,
        .row_scales = x.scales,
        .x_floats = x.floats,
        .bias = linear->bias,
        .activation = y.activation,
        .gates = y.gates,
        .residual = y.residual,
        .residual_stride = p->encoder->config->hidden_size * sizeof(float),
        .y = y.data,
        .y_stride = y.stride,
        .y_dtype = y.dtype,
        .scratch = b->linear,
    };
    const rmr_encoder_tap *tap = p->encoder->tap;
    if (args.first >= args.last)
        return;
    if (tap && tap->take && weight->dtype == RMR_DTYPE_F32)
        tap->take(tap->context, linear, b->rows, x.data, x.stride);
    rmr_kern_linear(p->encoder->kern, &args);
}

static const rmr_encoder_layer *layer_of(const pass *p)
{
    return p->encoder->layers[p->layer];
}

static float *hidden_of(const pass *p, const block *b)
{
    return p->hidden + b->first * p->encoder->config->hidden_size;
}

/* Rows of a block are what leaves a layer. */
static void show_hidden(const pass *p, const block *b, size_t layer,
                        size_t from, size_t to)
{
    const rmr_encoder_tap *tap = p->encoder->tap;
    size_t columns = p->encoder->config->hidden_size;
    if (tap && tap->hidden)
        tap->hidden(tap->context, layer, b->first + from, to - from,
                    hidden_of(p, b) + from * columns);
}

/* Rows of n components; y may be x. */
static void normalise(const pass *p, const rmr_norm *norm, size_t rows,
                      size_t n, const float *x, float *y)
{
    const rmr_kern *kern = p->encoder->kern;
    float epsilon = p->encoder->config->layer_norm_eps;
    if (norm->beta)
        kern->layer_norm(rows, n, x, norm->gamma, norm->beta, epsilon, y);
    else
        kern->rms_norm(rows, n, x, norm->gamma, epsilon, y);
}

/* What a part takes. */
static const float *taken(const pass *p, const block *b,
                          const rmr_residual *residual)
{
    return residual->before.gamma ? b->beside : hidden_of(p, b);
}

/* Makes that, for the part's first product. */
static void take_hidden(const pass *p, const block *b,
                        const rmr_residual *residual, const rmr_linear *first,
                        size_t from, size_t to)
{
    size_t n = p->encoder->config->hidden_size;
    if (residual->before.gamma)
        normalise(p, &residual->before, to - from, n,
                  hidden_of(p, b) + from * n, b->beside + from * n);
    narrow_rows(p, b, first, taken(p, b, residual), from, to);
}

/* The part's last product, on its way to the hidden state. */
static void multiply_into_hidden(const pass *p, const block *b,
                                 const rmr_residual *residual,
                                 const rmr_linear *last, left x, size_t part)
{
    float *hidden = hidden_of(p, b);
    int direct = !residual->within.gamma;
    target to = {.data = direct ? hidden : b->beside,
                 .stride = p->encoder->config->hidden_size * sizeof *hidden,
                 .dtype = RMR_DTYPE_F32};
    if (direct || residual->adds_twice)
        to.residual = hidden;
    multiply(p, b, last, x, to, part);
}

/* The rest of that way. */
static void join(const pass *p, const block *b, const rmr_residual *residual,
                 size_t from, size_t to)
{
    size_t n = p->encoder->config->hidden_size, count = (to - from) * n;
    float *hidden = hidden_of(p, b) + from * n;
    if (residual->within.gamma) {
        float *given = b->beside + from * n;
        normalise(p, &residual->within, to - from, n, given, given);
        for (size_t i = 0; i < count; i++)
            hidden[i] += given[i];
    }
    if (residual->after.gamma)
        normalise(p, &residual->after, to - from, n, hidden, hidden);
}

/* For the queries, keys and values of the layer that comes next, if any. */
static void take_for_attention(const pass *p, const block *b, size_t layer,
                               size_t from, size_t to)
{
    const rmr_encoder *e = p->encoder;
    if (layer < e->num_layers)
        take_hidden(p, b, &e->layers[layer]->attention, &e->layers[layer]->qkv,
                    from, to);
}

/* Cosines and sines of all positions in a block's rows. */
static void fill_turns(const pass *p, size_t first, size_t last)
{
    const rmr_encoder *e = p->encoder;
    const uint32_t *ends = p->batch->cu_seqlens;
    for (size_t seq = 0; first < last; seq++) {
        size_t begin = ends[seq], end = ends[seq + 1];
        size_t to = end < last ? end : last;
        if (end <= first)
            continue;
        for (size_t i = 0; i < RMR_MAX_ROPES; i++) {
            const rmr_rope *rope = &e->ropes[i];
            if (rope->size)
                rmr_rope_fill(rope, end - begin, first - begin, to - begin,
                              p->turns[i] + first * rope->size);
        }
        first = to;
    }
}

static void step_embed(const pass *p, const block *b, size_t from, size_t to)
{
    const rmr_encoder *e = p->encoder;
    float *scratch = (float *)(void *)b->inner + from * e->embed_columns;
    e->embed(e->embeddings, p->batch, b->first + from, b->first + to, scratch,
             hidden_of(p, b) + from * e->config->hidden_size);
    fill_turns(p, b->first + from, b->first + to);
    show_hidden(p, b, 0, from, to);
    take_for_attention(p, b, 0, from, to);
}

/* Queries, keys and values, of float32, that are not yet what they will be. */
static float *straight_of(const pass *p, const block *b)
{
    if (p->attention != RMR_DTYPE_F32)
        return b->straight;
    return (float *)(void *)p->qkv + b->first * qkv_columns(p->encoder->config);
}

static void step_qkv(const pass *p, const block *b, size_t part)
{
    const rmr_encoder_layer *l = layer_of(p);
    size_t columns = qkv_columns(p->encoder->config);
    size_t stride = columns * rmr_dtype_size(p->attention);
    target to = {.data = p->qkv + b->first * stride,
                 .stride = stride,
                 .dtype = p->attention};
    if (changes_queries(p->encoder, l))
        to = (target){.data = straight_of(p, b),
                      .stride = columns * sizeof(float),
                      .dtype = RMR_DTYPE_F32};
    multiply(p, b, &l->qkv,
             left_of(b, &l->qkv, taken(p, b, &l->attention), RMR_DTYPE_F32), to,
             part);
}

/* Some heads of a token's queries, or keys. */
static void turn_heads(const pass *p, size_t token, const rmr_norm *norm,
                       size_t heads, float *x)
{
    const rmr_encoder_layer *l = layer_of(p);
    const rmr_rope *rope = &p->encoder->ropes[l->rope];
    size_t size = p->encoder->config->head_dim;
    if (norm->gamma && l->norms_all_heads)
        normalise(p, norm, 1, heads * size, x, x);
    else if (norm->gamma)
        normalise(p, norm, heads, size, x, x);
    for (size_t h = 0; h < heads && rope->size; h++)
        rmr_rope_turn(rope, p->turns[l->rope] + token * rope->size,
                      x + h * size);
}

/* Queries and keys to what they will be. */
static void step_turn(const pass *p, const block *b, size_t from, size_t to)
{
    const rmr_config *c = p->encoder->config;
    const rmr_encoder_layer *l = layer_of(p);
    size_t columns = qkv_columns(c), stride = columns * sizeof(uint16_t);
    float *rows = straight_of(p, b);
    if (!changes_queries(p->encoder, l))
        return;
    for (size_t r = from; r < to; r++) {
        float *row = rows + r * columns;
        turn_heads(p, b->first + r, &l->query_norm, c->num_attention_heads,
                   row);
        turn_heads(p, b->first + r, &l->key_norm, c->num_key_value_heads,
                   row + context_columns(c));
    }
    if (p->attention == RMR_DTYPE_BF16)
        p->encoder->kern->to_bf16(to - from, columns, rows + from * columns,
                                  p->qkv + (b->first + from) * stride, stride);
}

static const char *context_of(const pass *p, const block *b)
{
    return p->context + b->first * context_columns(p->encoder->config) *
                            rmr_dtype_size(p->context_dtype);
}

static void step_narrow_context(const pass *p, const block *b, size_t from,
                                size_t to)
{
    if (p->context_dtype != p->encoder->dtype)
        narrow_rows(p, b, &layer_of(p)->attention_output,
                    (const float *)(const void *)context_of(p, b), from, to);
}

static void step_attention_output(const pass *p, const block *b, size_t part)
{
    const rmr_encoder_layer *l = layer_of(p);
    multiply_into_hidden(
        p, b, &l->attention, &l->attention_output,
        left_of(b, &l->attention_output, context_of(p, b), p->context_dtype),
        part);
}

static void step_join_attention(const pass *p, const block *b, size_t from,
                                size_t to)
{
    const rmr_encoder_layer *l = layer_of(p);
    join(p, b, &l->attention, from, to);
    take_hidden(p, b, &l->feed_forward, &l->intermediate, from, to);
}

/* The inner matrix, of a gated layer in two products of the same columns. */
static void step_intermediate(const pass *p, const block *b, size_t part)
{
    const rmr_encoder_layer *l = layer_of(p);
    left x = left_of(b, &l->intermediate, taken(p, b, &l->feed_forward),
                     RMR_DTYPE_F32);
    target to = {.data = b->inner,
                 .stride = inner_bytes(p->encoder),
                 .dtype = inner_dtype(p->encoder),
                 .activation = p->encoder->config->hidden_act};
    if (l->gate.weight.out) {
        multiply(p, b, &l->gate, x, to, part);
        to.activation = RMR_ACTIVATION_NONE;
        to.gates = 1;
    }
    multiply(p, b, &l->intermediate, x, to, part);
}

static int narrows_inner(const pass *p)
{
    return inner_dtype(p->encoder) != p->encoder->dtype;
}

static void step_narrow_inner(const pass *p, const block *b, size_t from,
                              size_t to)
{
    if (narrows_inner(p))
        narrow_rows(p, b, &layer_of(p)->output,
                    (const float *)(const void *)b->inner, from, to);
}

static void step_output(const pass *p, const block *b, size_t part)
{
    const rmr_encoder_layer *l = layer_of(p);
    multiply_into_hidden(
        p, b, &l->feed_forward, &l->output,
        left_of(b, &l->output, b->inner, inner_dtype(p->encoder)), part);
}

/* What was convolved beside the first layer joins what that gives. */
static void join_convolved(const pass *p, const block *b, size_t from,
                           size_t to)
{
    size_t n = p->encoder->config->hidden_size;
    float *hidden = hidden_of(p, b) + from * n;
    const float *convolved = p->convolved + (b->first + from) * n;
    for (size_t i = 0; i < (to - from) * n; i++)
        hidden[i] += convolved[i];
    normalise(p, &p->encoder->convolution->norm, to - from, n, hidden, hidden);
}

static void step_join_output(const pass *p, const block *b, size_t from,
                             size_t to)
{
    const rmr_encoder *e = p->encoder;
    size_t n = e->config->hidden_size;
    float *hidden = hidden_of(p, b) + from * n;
    join(p, b, &layer_of(p)->feed_forward, from, to);
    if (e->convolution && p->layer == 0)
        join_convolved(p, b, from, to);
    if (e->last_norm.gamma && p->layer + 1 == e->num_layers)
        normalise(p, &e->last_norm, to - from, n, hidden, hidden);
    show_hidden(p, b, p->layer + 1, from, to);
    take_for_attention(p, b, p->layer + 1, from, to);
}

/* Before the first layer changes the hidden state. */
static void step_convolve(const pass *p, const block *b, size_t from, size_t to)
{
    const rmr_encoder *e = p->encoder;
    size_t first = b->first + from, n = e->config->hidden_size;
    rmr_convolve(e->convolution, e->config, e->kern, p->batch, p->hidden, first,
                 b->first + to, b->bias, p->convolved + first * n);
}

/* One head of one sequence, in a member's space. */
static void step_attend(const pass *p, size_t seq, size_t head, const block *b)
{
    const rmr_encoder *e = p->encoder;
    const rmr_config *c = e->config;
    const rmr_encoder_layer *l = layer_of(p);
    size_t size = rmr_dtype_size(p->attention), n = c->head_dim;
    size_t first = p->batch->cu_seqlens[seq], columns = qkv_columns(c);
    size_t of_keys = head * c->num_key_value_heads / c->num_attention_heads;
    size_t keys = context_columns(c) + of_keys * n;
    size_t context_size = rmr_dtype_size(p->context_dtype);
    const char *row = p->qkv + first * columns * size;
    rmr_attention_args args = {
        .length = p->batch->cu_seqlens[seq + 1] - first,
        .head_size = n,
        .scale = e->attention_scale,
        .q = row + head * n * size,
        .k = row + keys * size,
        .v = row + (keys + (size_t)c->num_key_value_heads * n) * size,
        .stride = columns * size,
        .context =
            p->context + (first * context_columns(c) + head * n) * context_size,
        .context_stride = context_columns(c) * context_size,
        .context_dtype = p->context_dtype,
        .scratch = b->attention,
    };
    rmr_attention_bias bias = {.before = l->before, .after = l->after};
    if (e->bias)
        e->bias(e->bias_context, p->layer, head, b->bias, &args, &bias);
    if (e->bias || l->before < args.length - 1 || l->after < args.length - 1)
        args.bias = &bias;
    if (p->attention == RMR_DTYPE_BF16)
        e->kern->attention_bf16(&args);
    else
        e->kern->attention_f32(&args);
}

/* ------------------------------------------------------------------- phases
 */

/* A unit is a head of a sequence; or, where these are many, a sequence. */
static void attend_sequence(void *context, size_t unit, unsigned member)
{
    const pass *p = context;
    block b = block_of(p, member, 0);
    for (size_t h = 0; h < p->encoder->config->num_attention_heads; h++)
        step_attend(p, unit, h, &b);
}

static void attend_head(void *context, size_t unit, unsigned member)
{
    const pass *p = context;
    size_t heads = p->encoder->config->num_attention_heads;
    block b = block_of(p, member, 0);
    step_attend(p, unit / heads, unit % heads, &b);
}

static void attend(pass *p)
{
    size_t seqs = p->batch->num_seqs;
    size_t heads = p->encoder->config->num_attention_heads;
    if (seqs < 4 * p->members)
        rmr_team_run(p->team, seqs * heads, attend_head, p);
    else
        rmr_team_run(p->team, seqs, attend_sequence, p);
}

/* A block from the embeddings to the first layer's queries, keys, values. */
static void begin_block(void *context, size_t unit, unsigned member)
{
    const pass *p = context;
    block b = block_of(p, member, unit * p->block_rows);
    step_embed(p, &b, 0, b.rows);
    step_qkv(p, &b, 0);
    step_turn(p, &b, 0, b.rows);
}

static void convolve_block(void *context, size_t unit, unsigned member)
{
    const pass *p = context;
    block b = block_of(p, member, unit * p->block_rows);
    step_convolve(p, &b, 0, b.rows);
}

/* A block from one attention to the next, or to the end. */
static void run_block(void *context, size_t unit, unsigned member)
{
    pass p = *(const pass *)context;
    block b = block_of(&p, member, unit * p.block_rows);
    step_narrow_context(&p, &b, 0, b.rows);
    step_attention_output(&p, &b, 0);
    step_join_attention(&p, &b, 0, b.rows);
    step_intermediate(&p, &b, 0);
    step_narrow_inner(&p, &b, 0, b.rows);
    step_output(&p, &b, 0);
    step_join_output(&p, &b, 0, b.rows);
    if (++p.layer < p.encoder->num_layers) {
        step_qkv(&p, &b, 0);
        step_turn(&p, &b, 0, b.rows);
    }
}

static int run_blocks(pass *p, rmr_stop *stop, void *context)
{
    size_t blocks = (p->batch->tokens + p->block_rows - 1) / p->block_rows;
    rmr_team_run(p->team, blocks, begin_block, p);
    if (p->encoder->convolution)
        rmr_team_run(p->team, blocks, convolve_block, p);
    for (p->layer = 0; p->layer < p->encoder->num_layers; p->layer++) {
        if (stop(context))
            return 1;
        attend(p);
        rmr_team_run(p->team, blocks, run_block, p);
    }
    return 0;
}

/* One step of the only block, in parts: of its columns, or of its rows. */
typedef struct phase {
    const pass *p;
    block b;
    void (*columns)(const pass *p, const block *b, size_t part);
    void (*rows)(const pass *p, const block *b, size_t from, size_t to);
} phase;

static void run_part(void *context, size_t unit, unsigned member)
{
    const phase *f = context;
    size_t parts = f->p->parts;
    size_t from = f->b.rows * unit / parts, to = f->b.rows * (unit + 1) / parts;
    block b = f->b, own = block_of(f->p, member, 0);
    b.linear = own.linear;
    b.bias = own.bias;
    if (f->columns)
        f->columns(f->p, &b, unit);
    else
        f->rows(f->p, &b, from, to);
}

static void run_phase(pass *p, phase f)
{
    f.p = p;
    f.b = block_of(p, 0, 0);
    rmr_team_run(p->team, p->parts, run_part, &f);
}

static void run_layer_by_columns(pass *p)
{
    run_phase(p, (phase){.columns = step_qkv});
    if (changes_queries(p->encoder, layer_of(p)))
        run_phase(p, (phase){.rows = step_turn});
    attend(p);
    if (p->context_dtype != p->encoder->dtype)
        run_phase(p, (phase){.rows = step_narrow_context});
    run_phase(p, (phase){.columns = step_attention_output});
    run_phase(p, (phase){.rows = step_join_attention});
    run_phase(p, (phase){.columns = step_intermediate});
    if (narrows_inner(p))
        run_phase(p, (phase){.rows = step_narrow_inner});
    run_phase(p, (phase){.columns = step_output});
    run_phase(p, (phase){.rows = step_join_output});
}

static int run_columns(pass *p, rmr_stop *stop, void *context)
{
    run_phase(p, (phase){.rows = step_embed});
    if (p->encoder->convolution)
        run_phase(p, (phase){.rows = step_convolve});
    for (p->layer = 0; p->layer < p->encoder->num_layers; p->layer++) {
        if (stop(context))
            return 1;
        run_layer_by_columns(p);
    }
    return 0;
}

int rmr_encoder_forward(const rmr_encoder *encoder, const rmr_batch *batch,
                        void *scratch, rmr_team *team, rmr_stop *stop,
                        void *context)
{
    pass p = begin(encoder, batch, rmr_team_members(team));
    p.team = team;
    lay_out(&p, scratch);
    return p.by_columns ? run_columns(&p, stop, context)
                        : run_blocks(&p, stop, context);
}
