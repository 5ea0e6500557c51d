/*
 * encoder.c - runs an encoder's layers. Everything but attention is done to
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
    TILE_ROWS = 12,  /* blocks are multiples of what kernels take at once */
    MAX_BLOCK = 120, /* rows */
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
    void *linear;          /* what rmr_linear_scratch says, */
    void *attention;       /* and rmr_attention_scratch */
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
    char *qkv;               /* [tokens, 3 * hidden_size] */
    char *context;           /* [tokens, hidden_size] */
    char *blocks;            /* the members' own */
    size_t block_bytes;
    size_t layer; /* that is being run */
} pass;

/* -------------------------------------------------------------------- sizes
 */

static size_t aligned(size_t bytes)
{
    return (bytes + RMR_ALIGNMENT - 1) / RMR_ALIGNMENT * RMR_ALIGNMENT;
}

static size_t head_size(const rmr_config *config)
{
    return config->hidden_size / config->num_attention_heads;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
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

/* Of the widest row that narrow_rows makes. */
static size_t operand_bytes(const rmr_encoder *e)
{
    const rmr_config *c = e->config;
    if (e->dtype == RMR_DTYPE_F32)
        return 0;
    return rmr_row_bytes(rmr_operand_dtype(e->dtype),
                         larger(c->hidden_size, c->intermediate_size));
}

static size_t linear_bytes(const rmr_encoder *e)
{
    const rmr_config *c = e->config;
    return rmr_linear_scratch(e->dtype,
                              larger(c->hidden_size, c->intermediate_size));
}

/* How the batch is cut for so many members. */
static void cut(pass *p)
{
    size_t tokens = p->batch->tokens;
    size_t rows = BLOCK_BYTES / inner_bytes(p->encoder);
    size_t share = (tokens + p->members - 1) / p->members;
    rows = rows > MAX_BLOCK ? MAX_BLOCK : larger(rows, MIN_BLOCK);
    p->by_columns = p->members > 1 && share < MIN_BLOCK;
    if (p->by_columns)
        rows = tokens;
    else if (rows > share)
        rows = share;
    rows = (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    p->block_rows = rows ? rows : TILE_ROWS;
    p->parts = p->by_columns ? p->members : 1;
}

/* Lays out the scratch space, at `scratch` unless it is NULL; returns its
 * size. */
static size_t lay_out(pass *p, char *scratch)
{
    const rmr_config *c = p->encoder->config;
    size_t hidden = c->hidden_size, tokens = p->batch->tokens;
    size_t at[4] = {0};
    at[1] = at[0] + aligned(tokens * hidden * sizeof(float));
    at[2] = at[1] + aligned(tokens * 3 * hidden * rmr_dtype_size(p->attention));
    at[3] = at[2] + aligned(tokens * hidden * rmr_dtype_size(p->context_dtype));
    p->block_bytes =
        aligned(p->block_rows * operand_bytes(p->encoder)) +
        aligned(p->block_rows * sizeof(rmr_row_scale)) +
        aligned(p->block_rows * inner_space(p->encoder)) +
        aligned(linear_bytes(p->encoder)) +
        aligned(rmr_attention_scratch(p->batch->longest, head_size(c)));
    if (scratch) {
        p->hidden = (float *)scratch;
        p->qkv = scratch + at[1];
        p->context = scratch + at[2];
        p->blocks = scratch + at[3];
    }
    return at[3] + p->members * p->block_bytes;
}

static pass begin(const rmr_encoder *e, const rmr_batch *batch,
                  unsigned members)
{
    pass p = {.encoder = e, .batch = batch, .members = members};
    int halves = e->dtype != RMR_DTYPE_F32 && e->kern->has_bf16_attention &&
                 head_size(e->config) % 2 == 0;
    p.attention = halves ? RMR_DTYPE_BF16 : RMR_DTYPE_F32;
    p.context_dtype = dtype_before(e->dtype, e->config->hidden_size);
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
    char *at = p->blocks + member * p->block_bytes;
    block b = {.first = first,
               .rows = left < p->block_rows ? left : p->block_rows,
               .operand = at};
    at += aligned(p->block_rows * operand_bytes(p->encoder));
    b.scales = (rmr_row_scale *)at;
    at += aligned(p->block_rows * sizeof(rmr_row_scale));
    b.inner = at;
    at += aligned(p->block_rows * inner_space(p->encoder));
    b.linear = at;
    at += aligned(linear_bytes(p->encoder));
    b.attention = at;
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

/* Where a result goes. */
typedef struct target {
    void *data; /* the block's first row */
    size_t stride;
    rmr_dtype dtype;
    const float *residual; /* in rows of hidden_size, or NULL */
} target;

static void multiply(const pass *p, const block *b, const rmr_linear *linear,
                     left x, rmr_activation activation, target y, size_t part)
{
    const rmr_kern *kern = p->encoder->kern;
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
        .activation = activation,
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
    if (weight->dtype == RMR_DTYPE_BF16)
        kern->linear_bf16(&args);
    else if (weight->dtype == RMR_DTYPE_INT8)
        kern->linear_int8(&args);
    else if (weight->dtype == RMR_DTYPE_INT4)
        kern->linear_int4(&args);
    else
        kern->linear_f32(&args);
}

static const rmr_encoder_layer *layer_of(const pass *p)
{
    return p->encoder->layers[p->layer];
}

/* The queries, keys and values of the layer after this one, or NULL. */
static const rmr_linear *next_qkv(const pass *p)
{
    size_t next = p->layer + 1;
    return next < p->encoder->num_layers ? &p->encoder->layers[next]->qkv
                                         : NULL;
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

static void step_embed(const pass *p, const block *b, size_t from, size_t to)
{
    const rmr_encoder *e = p->encoder;
    float *hidden = hidden_of(p, b);
    float *scratch = (float *)b->inner + from * e->embed_columns;
    e->embed(e->embeddings, p->batch, b->first + from, b->first + to, scratch,
             hidden + from * e->config->hidden_size);
    show_hidden(p, b, 0, from, to);
    if (e->num_layers)
        narrow_rows(p, b, &e->layers[0]->qkv, hidden, from, to);
}

static void step_qkv(const pass *p, const block *b, size_t part)
{
    const rmr_linear *qkv = &layer_of(p)->qkv;
    size_t stride = qkv->weight.out * rmr_dtype_size(p->attention);
    multiply(p, b, qkv, left_of(b, qkv, hidden_of(p, b), RMR_DTYPE_F32),
             RMR_ACTIVATION_NONE,
             (target){p->qkv + b->first * stride, stride, p->attention, NULL},
             part);
}

static const char *context_of(const pass *p, const block *b)
{
    return p->context + b->first * p->encoder->config->hidden_size *
                            rmr_dtype_size(p->context_dtype);
}

static void step_narrow_context(const pass *p, const block *b, size_t from,
                                size_t to)
{
    if (p->context_dtype != p->encoder->dtype)
        narrow_rows(p, b, &layer_of(p)->attention_output,
                    (const float *)context_of(p, b), from, to);
}

/* Adds a layer's result to the hidden state. */
static void multiply_into_hidden(const pass *p, const block *b,
                                 const rmr_linear *linear, left x, size_t part)
{
    float *hidden = hidden_of(p, b);
    size_t stride = p->encoder->config->hidden_size * sizeof *hidden;
    multiply(p, b, linear, x, RMR_ACTIVATION_NONE,
             (target){hidden, stride, RMR_DTYPE_F32, hidden}, part);
}

static void step_attention_output(const pass *p, const block *b, size_t part)
{
    const rmr_linear *output = &layer_of(p)->attention_output;
    multiply_into_hidden(p, b, output,
                         left_of(b, output, context_of(p, b), p->context_dtype),
                         part);
}

static void step_norm(const pass *p, const block *b, const rmr_norm *norm,
                      const rmr_linear *next, size_t from, size_t to)
{
    const rmr_encoder *e = p->encoder;
    size_t n = e->config->hidden_size;
    float *rows = hidden_of(p, b) + from * n;
    e->kern->layer_norm(to - from, n, rows, norm->gamma, norm->beta,
                        e->config->layer_norm_eps, rows);
    if (next)
        narrow_rows(p, b, next, hidden_of(p, b), from, to);
}

static void step_attention_norm(const pass *p, const block *b, size_t from,
                                size_t to)
{
    const rmr_encoder_layer *layer = layer_of(p);
    step_norm(p, b, &layer->attention_norm, &layer->intermediate, from, to);
}

static void step_intermediate(const pass *p, const block *b, size_t part)
{
    const rmr_linear *intermediate = &layer_of(p)->intermediate;
    rmr_dtype dtype = inner_dtype(p->encoder);
    size_t stride = inner_bytes(p->encoder);
    multiply(p, b, intermediate,
             left_of(b, intermediate, hidden_of(p, b), RMR_DTYPE_F32),
             p->encoder->config->hidden_act,
             (target){b->inner, stride, dtype, NULL}, part);
}

static int narrows_inner(const pass *p)
{
    return inner_dtype(p->encoder) != p->encoder->dtype;
}

static void step_narrow_inner(const pass *p, const block *b, size_t from,
                              size_t to)
{
    if (narrows_inner(p))
        narrow_rows(p, b, &layer_of(p)->output, (const float *)b->inner, from,
                    to);
}

static void step_output(const pass *p, const block *b, size_t part)
{
    const rmr_linear *output = &layer_of(p)->output;
    multiply_into_hidden(p, b, output,
                         left_of(b, output, b->inner, inner_dtype(p->encoder)),
                         part);
}

static void step_output_norm(const pass *p, const block *b, size_t from,
                             size_t to)
{
    step_norm(p, b, &layer_of(p)->output_norm, next_qkv(p), from, to);
    show_hidden(p, b, p->layer + 1, from, to);
}

/* One head of one sequence, with the member's own scratch. */
static void step_attend(const pass *p, size_t seq, size_t head, void *scratch)
{
    const rmr_config *c = p->encoder->config;
    size_t first = p->batch->cu_seqlens[seq], n = c->hidden_size;
    size_t size = rmr_dtype_size(p->attention), at = head * head_size(c);
    size_t context_size = rmr_dtype_size(p->context_dtype);
    const char *q = p->qkv + (first * 3 * n + at) * size;
    rmr_attention_args args = {
        .length = p->batch->cu_seqlens[seq + 1] - first,
        .head_size = head_size(c),
        .scale = 1 / sqrtf((float)head_size(c)),
        .q = q,
        .k = q + n * size,
        .v = q + 2 * n * size,
        .stride = 3 * n * size,
        .context = p->context + (first * n + at) * context_size,
        .context_stride = n * context_size,
        .context_dtype = p->context_dtype,
        .scratch = scratch,
    };
    rmr_attention_bias bias = {.before = SIZE_MAX, .after = SIZE_MAX};
    if (p->encoder->bias) {
        p->encoder->bias(p->encoder->embeddings, p->layer, head, args.length,
                         &bias);
        args.bias = &bias;
    }
    if (p->attention == RMR_DTYPE_BF16)
        p->encoder->kern->attention_bf16(&args);
    else
        p->encoder->kern->attention_f32(&args);
}

/* ------------------------------------------------------------------- phases
 */

/* A unit is a head of a sequence; or, where these are many, a sequence. */
static void attend_sequence(void *context, size_t unit, unsigned member)
{
    const pass *p = context;
    void *scratch = block_of(p, member, 0).attention;
    for (size_t h = 0; h < p->encoder->config->num_attention_heads; h++)
        step_attend(p, unit, h, scratch);
}

static void attend_head(void *context, size_t unit, unsigned member)
{
    const pass *p = context;
    size_t heads = p->encoder->config->num_attention_heads;
    step_attend(p, unit / heads, unit % heads,
                block_of(p, member, 0).attention);
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
}

/* A block from one attention to the next, or to the end. */
static void run_block(void *context, size_t unit, unsigned member)
{
    pass p = *(const pass *)context;
    block b = block_of(&p, member, unit * p.block_rows);
    step_narrow_context(&p, &b, 0, b.rows);
    step_attention_output(&p, &b, 0);
    step_attention_norm(&p, &b, 0, b.rows);
    step_intermediate(&p, &b, 0);
    step_narrow_inner(&p, &b, 0, b.rows);
    step_output(&p, &b, 0);
    step_output_norm(&p, &b, 0, b.rows);
    if (++p.layer < p.encoder->num_layers)
        step_qkv(&p, &b, 0);
}

static int run_blocks(pass *p, rmr_stop *stop, void *context)
{
    size_t blocks = (p->batch->tokens + p->block_rows - 1) / p->block_rows;
    rmr_team_run(p->team, blocks, begin_block, p);
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
    block b = f->b;
    b.linear = block_of(f->p, member, 0).linear;
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
    attend(p);
    if (p->context_dtype != p->encoder->dtype)
        run_phase(p, (phase){.rows = step_narrow_context});
    run_phase(p, (phase){.columns = step_attention_output});
    run_phase(p, (phase){.rows = step_attention_norm});
    run_phase(p, (phase){.columns = step_intermediate});
    if (narrows_inner(p))
        run_phase(p, (phase){.rows = step_narrow_inner});
    run_phase(p, (phase){.columns = step_output});
    run_phase(p, (phase){.rows = step_output_norm});
}

static int run_columns(pass *p, rmr_stop *stop, void *context)
{
    run_phase(p, (phase){.rows = step_embed});
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
