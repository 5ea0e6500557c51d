/*
 * scalar.c - the reference tier: every kernel in plain C. Faster tiers are
 * compared with it, so products and attention are their definitions and must
 * never trade clarity for speed.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kern.h"
#include "kernels/pack.h"
#include "kernels/template/vmath.h"
#include "kernels/scalar/vec_scalar.h"

#define RMR_NAME(name) scalar_##name
#include "kernels/template/linear_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/rows_tmpl.h"

/* ------------------------------------------------------------------ products
 */

#define scalar_pack_f32 rmr_pack_f32

/* One result: the sum over a row's and a panel column's steps. */
typedef void scalar_dot(size_t steps, const char *left, const char *right,
                        void *sum);

static void dot_f32(size_t steps, const char *left, const char *right,
                    void *sum)
{
    float total = 0;
    for (size_t s = 0; s < steps; s++) {
        float a, b;
        memcpy(&a, left + s * RMR_STEP, sizeof a);
        memcpy(&b, right + s * RMR_PANEL_STEP, sizeof b);
        total += a * b;
    }
    memcpy(sum, &total, sizeof total);
}

static void dot_bf16(size_t steps, const char *left, const char *right,
                     void *sum)
{
    float total = 0;
    for (size_t s = 0; s < steps; s++) {
        uint16_t a[2], b[2];
        memcpy(a, left + s * RMR_STEP, sizeof a);
        memcpy(b, right + s * RMR_PANEL_STEP, sizeof b);
        total += rmr_from_bf16(a[0]) * rmr_from_bf16(b[0]);
        total += rmr_from_bf16(a[1]) * rmr_from_bf16(b[1]);
    }
    memcpy(sum, &total, sizeof total);
}

static void dot_int8(size_t steps, const char *left, const char *right,
                     void *sum)
{
    int32_t total = 0;
    for (size_t s = 0; s < steps; s++) {
        uint8_t a[RMR_STEP];
        int8_t b[RMR_STEP];
        memcpy(a, left + s * RMR_STEP, sizeof a);
        memcpy(b, right + s * RMR_PANEL_STEP, sizeof b);
        for (size_t i = 0; i < RMR_STEP; i++)
            total += a[i] * b[i];
    }
    memcpy(sum, &total, sizeof total);
}

/* One row past one panel, `right`, whose first column counts from the first
 * that is asked for. */
static void multiply_panel(const rmr_linear_args *args, const rmr_product *p,
                           size_t row, size_t column, const char *right,
                           scalar_dot *dot)
{
    float sums[RMR_PANEL];
    for (size_t c = 0; c < RMR_PANEL; c++)
        dot(p->steps, p->left + row * p->stride, right + c * RMR_STEP,
            &sums[c]);
    scalar_finish(args, row, column, 1, RMR_PANEL, sums);
}

static void multiply(const rmr_linear_args *args, scalar_dot *dot)
{
    rmr_product p = scalar_product_of(args);
    for (size_t row = 0; row < p.rows; row++) {
        for (size_t panel = 0; panel < p.panels; panel++)
            multiply_panel(args, &p, row, panel * RMR_PANEL,
                           p.right + panel * p.steps * RMR_PANEL_STEP, dot);
    }
}

static void scalar_linear_f32(const rmr_linear_args *args)
{
    multiply(args, dot_f32);
}

static void scalar_linear_bf16(const rmr_linear_args *args)
{
    multiply(args, dot_bf16);
}

static void scalar_linear_int8(const rmr_linear_args *args)
{
    multiply(args, dot_int8);
}

/* A panel of int4 as one of int8; groups are whole. */
static void unpack_panel(const rmr_weight *weight, size_t panel, int8_t *to)
{
    size_t groups = rmr_groups(weight->in), first = panel * groups;
    const uint8_t *bytes =
        (const uint8_t *)weight->panels + first * RMR_GROUP / 2 * RMR_PANEL;
    const int8_t *scales = weight->group_scales + first * RMR_PANEL;
    size_t steps = groups * RMR_GROUP / RMR_STEP;
    for (size_t s = 0; s < steps; s++) {
        const uint8_t *step = bytes + s / 2 * RMR_PANEL_STEP;
        const int8_t *group = scales + s * RMR_STEP / RMR_GROUP * RMR_PANEL;
        for (size_t i = 0; i < RMR_PANEL_STEP; i++) {
            unsigned index = s % 2 ? step[i] >> 4 : step[i] & 15;
            *to++ = rmr_int4_value(index, group[i / RMR_STEP]);
        }
    }
}

static void scalar_linear_int4(const rmr_linear_args *args)
{
    const rmr_weight *weight = args->weight;
    rmr_product p = scalar_product_of(args);
    for (size_t panel = 0; panel < p.panels; panel++) {
        size_t column = args->first + panel * RMR_PANEL;
        const char *right = args->scratch;
        if (column < weight->int8_from)
            unpack_panel(weight, column / RMR_PANEL, args->scratch);
        else
            right = (const char *)weight->int8_panels +
                    (column - weight->int8_from) * p.steps * RMR_STEP;
        for (size_t row = 0; row < p.rows; row++)
            multiply_panel(args, &p, row, column - args->first, right,
                           dot_int8);
    }
}

/* ----------------------------------------------------------------- attention
 */

static float value_at(rmr_dtype dtype, const void *row, size_t i)
{
    if (dtype == RMR_DTYPE_BF16)
        return rmr_from_bf16(((const uint16_t *)row)[i]);
    return ((const float *)row)[i];
}

static const void *row_at(const void *rows, size_t stride, size_t i)
{
    return (const char *)rows + i * stride;
}

/* The score of query i and key j, whose product it was. */
static float biased(const rmr_attention_args *args, size_t i, size_t j,
                    float score)
{
    const rmr_attention_bias *b = args->bias;
    ptrdiff_t distance = (ptrdiff_t)j - (ptrdiff_t)i;
    if (!b)
        return score * args->scale;
    if (j > i ? j - i > b->after : i - j > b->before)
        return -INFINITY;
    if (b->of_query)
        score += b->of_query[i * b->stride + (size_t)b->columns[distance]];
    if (b->of_key)
        score += b->of_key[j * b->stride + (size_t)b->columns[distance]];
    score *= args->scale;
    return b->distance ? score + b->distance[distance] : score;
}

/* Scores of query i with all keys, to their softmax. */
static void attend_keys(const rmr_attention_args *args, rmr_dtype dtype,
                        size_t i, float *scores)
{
    const void *query = row_at(args->q, args->stride, i);
    for (size_t j = 0; j < args->length; j++) {
        const void *key = row_at(args->k, args->stride, j);
        float dot = 0;
        for (size_t d = 0; d < args->head_size; d++)
            dot += value_at(dtype, query, d) * value_at(dtype, key, d);
        scores[j] = biased(args, i, j, dot);
    }
    float largest = rmr_max_f32(args->length, scores);
    for (size_t j = 0; j < args->length; j++)
        scores[j] = scalar_exp(scores[j] - largest);
    float total = rmr_sum_f32(args->length, scores);
    for (size_t j = 0; j < args->length; j++)
        scores[j] /= total;
}

static void attend(const rmr_attention_args *args, rmr_dtype dtype)
{
    float *scores = args->scratch;
    for (size_t i = 0; i < args->length; i++) {
        void *context = (char *)args->context + i * args->context_stride;
        attend_keys(args, dtype, i, scores);
        for (size_t d = 0; d < args->head_size; d++) {
            float sum = 0;
            for (size_t j = 0; j < args->length; j++) {
                const void *value = row_at(args->v, args->stride, j);
                sum += scores[j] * value_at(dtype, value, d);
            }
            if (args->context_dtype == RMR_DTYPE_BF16)
                ((uint16_t *)context)[d] = rmr_to_bf16(sum);
            else
                ((float *)context)[d] = sum;
        }
    }
}

static void scalar_attention_f32(const rmr_attention_args *args)
{
    attend(args, RMR_DTYPE_F32);
}

static void scalar_attention_bf16(const rmr_attention_args *args)
{
    attend(args, RMR_DTYPE_BF16);
}

void rmr_kern_init_scalar(rmr_kern *kern)
{
#define RMR_KERN(name, parameters) kern->name = scalar_##name;
#include "kernels/kern.inc"
#undef RMR_KERN
    kern->has_bf16_attention = 0;
}
