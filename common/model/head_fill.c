/*
 * head_fill.c - logits over the words, by masked language models. It must never
 * hold the logits of a whole text at once.
 */
#include "common/model/head.h"

#include <math.h>
#include <string.h>

static size_t aligned(size_t bytes)
{
    return (bytes + RMR_ALIGNMENT - 1) / RMR_ALIGNMENT * RMR_ALIGNMENT;
}

/* A few rows on their way to logits, and where they are kept meanwhile. */
typedef struct work {
    const rmr_head *head;
    size_t rows;
    float *tokens;         /* [RMR_HEAD_ROWS, hidden_size] */
    float *inner;          /* rmr_head_inner_bytes */
    void *operand;         /* of the product: inner, narrowed */
    rmr_row_scale *scales; /* int8: of its rows */
    char *members;         /* rmr_linear_scratch each */
    float *block;          /* [RMR_HEAD_ROWS, vocab_size] */
    const float *x;        /* what the logits come of, in float32, */
    const void *left;      /* and as the product takes it */
    size_t stride;
    size_t parts; /* of the columns */
    float *logits;
} work;

static size_t member_bytes(const rmr_head *head)
{
    const rmr_weight *weight = &head->output.weight;
    return aligned(rmr_linear_scratch(weight->dtype, weight->in));
}

/* Lays the scratch space out, at `scratch` unless it is NULL; returns its
 * size. */
static size_t lay_out(work *w, const rmr_head *head, unsigned members,
                      char *scratch)
{
    const rmr_weight *weight = &head->output.weight;
    rmr_dtype operand = rmr_operand_dtype(weight->dtype);
    size_t at[6] = {0};
    w->head = head;
    w->stride = rmr_row_bytes(operand, weight->in);
    at[1] = aligned(RMR_HEAD_ROWS * head->config->hidden_size * sizeof(float));
    at[2] = at[1] + aligned(rmr_head_inner_bytes(head));
    at[3] = at[2] + aligned(RMR_HEAD_ROWS * w->stride);
    at[4] = at[3] + aligned(RMR_HEAD_ROWS * sizeof(rmr_row_scale));
    at[5] = at[4] + members * member_bytes(head);
    if (scratch) {
        w->tokens = (float *)scratch;
        w->inner = (float *)(scratch + at[1]);
        w->operand = scratch + at[2];
        w->scales = (rmr_row_scale *)(scratch + at[3]);
        w->members = scratch + at[4];
        w->block = (float *)(scratch + at[5]);
    }
    if (head->kind == RMR_HEAD_FILL)
        at[5] += RMR_HEAD_ROWS * weight->out * sizeof(float);
    return at[5];
}

size_t rmr_head_scratch_bytes(const rmr_head *head, unsigned members)
{
    work w;
    return lay_out(&w, head, members, NULL);
}

/* What the product takes, of w->x. */
static void narrow(work *w)
{
    const rmr_linear *output = &w->head->output;
    const rmr_kern *kern = w->head->kern;
    rmr_dtype dtype = rmr_operand_dtype(output->weight.dtype);
    w->left = dtype == RMR_DTYPE_F32 ? (const void *)w->x : w->operand;
    if (dtype == RMR_DTYPE_BF16)
        kern->to_bf16(w->rows, output->weight.in, w->x, w->operand, w->stride);
    else if (dtype == RMR_DTYPE_INT8)
        kern->quantize_rows(w->rows, output->weight.in, w->x, output->factors,
                            w->operand, w->stride, w->scales);
}

/* An rmr_team_task: one part of the columns. */
static void multiply_part(void *context, size_t part, unsigned member)
{
    const work *w = context;
    const rmr_kern *kern = w->head->kern;
    const rmr_weight *weight = &w->head->output.weight;
    size_t panels = rmr_panels(weight->out) / RMR_PANEL;
    size_t last = panels * (part + 1) / w->parts * RMR_PANEL;
    rmr_linear_args args = {.weight = weight,
                            .rows = w->rows,
                            .first = panels * part / w->parts * RMR_PANEL,
                            .last = last < weight->out ? last : weight->out,
                            .x = w->left,
                            .x_stride = w->stride,
                            .row_scales = w->scales,
                            .x_floats = w->x,
                            .bias = w->head->output.bias,
                            .y = w->logits,
                            .y_stride = weight->out * sizeof(float),
                            .y_dtype = RMR_DTYPE_F32,
                            .scratch =
                                w->members + member * member_bytes(w->head)};
    if (args.first >= args.last)
        return;
    if (weight->dtype == RMR_DTYPE_BF16)
        kern->linear_bf16(&args);
    else if (weight->dtype == RMR_DTYPE_INT8)
        kern->linear_int8(&args);
    else if (weight->dtype == RMR_DTYPE_INT4)
        kern->linear_int4(&args);
    else
        kern->linear_f32(&args);
}

/* Rows x, [rows, hidden_size], at most RMR_HEAD_ROWS of them. */
static void run_rows(work *w, rmr_team *team, size_t rows, const float *x,
                     float *logits)
{
    w->rows = rows;
    w->logits = logits;
    w->parts = rmr_team_members(team);
    w->x = rmr_head_inner(w->head, rows, x, w->inner);
    narrow(w);
    rmr_team_run(team, w->parts, multiply_part, w);
}

void rmr_head_fill(const rmr_head *head, const float *hidden,
                   const uint32_t *tokens, size_t count, void *scratch,
                   rmr_team *team, float *logits)
{
    work w;
    size_t size = head->config->hidden_size, out = head->output.weight.out;
    lay_out(&w, head, rmr_team_members(team), scratch);
    for (size_t t = 0; t < count; t += RMR_HEAD_ROWS) {
        size_t rows = count - t < RMR_HEAD_ROWS ? count - t : RMR_HEAD_ROWS;
        for (size_t r = 0; r < rows; r++)
            memcpy(w.tokens + r * size, hidden + tokens[t + r] * size,
                   size * sizeof *hidden);
        run_rows(&w, team, rows, w.tokens, logits + t * out);
    }
}

/* The largest of each column; NaN is larger than all. */
static void raise(const float *rows, size_t count, size_t columns, float *most)
{
    for (size_t r = 0; r < count; r++, rows += columns) {
        for (size_t c = 0; c < columns; c++)
            most[c] = rows[c] > most[c] || isnan(rows[c]) ? rows[c] : most[c];
    }
}

int rmr_head_sparse(const rmr_head *head, const float *hidden, size_t first,
                    size_t last, void *scratch, rmr_team *team, float *weights)
{
    work w;
    size_t size = head->config->hidden_size, out = head->output.weight.out;
    int finite = 1;
    lay_out(&w, head, rmr_team_members(team), scratch);
    for (size_t c = 0; c < out; c++)
        weights[c] = 0;
    for (size_t t = first; t < last; t += RMR_HEAD_ROWS) {
        size_t rows = last - t < RMR_HEAD_ROWS ? last - t : RMR_HEAD_ROWS;
        run_rows(&w, team, rows, hidden + t * size, w.block);
        raise(w.block, rows, out, weights);
    }
    for (size_t c = 0; c < out; c++) {
        weights[c] = weights[c] == 0 ? 0 : log1pf(weights[c]);
        finite &= isfinite(weights[c]) != 0;
    }
    return finite;
}
