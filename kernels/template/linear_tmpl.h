/*
 * linear_tmpl.h - what is done with a linear layer's sums while they are in the
 * first-level cache, once per tier: units of int8, bias, activation, residual,
 * and how the result is written. It must never read or write beside the columns
 * that were asked for.
 *
 *   RMR_BYTES_OFF     what the tier's products of bytes take off each byte of
 *                     the left operand, and so off its zero; 0 by default
 */
#include <string.h>

#include "kernels/template/product.h"
#include "kernels/template/vmath.h"
#include "kernels/template/vmath_tmpl.h"

#ifndef RMR_BYTES_OFF
#define RMR_BYTES_OFF 0
#endif

/*
 * The sums of VEC_WIDTH columns' bytes, from column `first` on, become floats
 * in their place. Of x = scale (q - zero) and w = unit v, the sum of products
 * is scale unit (sum q v - zero sum v), and outliers are beside it: as many as
 * the constant `outliers`, so that their weights stay in registers.
 */
static inline __attribute__((always_inline)) void
RMR_NAME(bytes_to_floats)(int outliers, const rmr_linear_args *args, size_t row,
                          size_t rows, size_t first, float *sums)
{
    const rmr_weight *weight = args->weight;
    const ivec of_column = IVEC_LOAD(weight->sums + first);
    const vec units = VEC_LOAD(weight->scales + first);
    vec weights[RMR_MAX_OUTLIERS];
#pragma GCC unroll 8
    for (int i = 0; i < outliers; i++)
        weights[i] = VEC_LOAD(weight->outlier_weights +
                              (size_t)i * rmr_panels(weight->out) + first);
    for (size_t r = row; r < row + rows; r++, sums += RMR_TILE_COLUMNS) {
        const rmr_row_scale *of_row = &args->row_scales[r];
        const float *x = args->x_floats + r * weight->in;
        ivec zero =
            IVEC_MUL(IVEC_SET1(of_row->zero - RMR_BYTES_OFF), of_column);
        vec value = VEC_FROM_IVEC(IVEC_SUB(IVEC_LOAD(sums), zero));
        value = VEC_MUL(value, VEC_MUL(VEC_SET1(of_row->scale), units));
#pragma GCC unroll 8
        for (int i = 0; i < outliers; i++)
            value = VEC_ADD(
                value, VEC_MUL(VEC_SET1(x[weight->outliers[i]]), weights[i]));
        VEC_STORE(sums, value);
    }
}

/* The same for all columns of a tile. */
static inline void RMR_NAME(tile_to_floats)(const rmr_linear_args *args,
                                            size_t row, size_t rows,
                                            size_t first, size_t count,
                                            float *sums)
{
#define CASE(outliers)                                                         \
    case outliers:                                                             \
        RMR_NAME(bytes_to_floats)                                              \
        (outliers, args, row, rows, first + c, sums + c);                      \
        break;
    for (size_t c = 0; c < count; c += VEC_WIDTH) {
        switch (args->weight->num_outliers) {
            CASE(0)
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5)
            CASE(6)
            CASE(7)
            CASE(8)
        }
    }
#undef CASE
}

_Static_assert(RMR_MAX_OUTLIERS == 8, "each number has its case");

/* What one row of a tile is finished with; columns count from the tile's. */
typedef struct RMR_NAME(row) {
    const float *bias;     /* or NULL */
    const float *residual; /* or NULL */
    int gates;
    void *y;
    rmr_dtype y_dtype;
} RMR_NAME(row);

/* VEC_WIDTH results from column c on. */
static inline __attribute__((always_inline)) void
RMR_NAME(finish_vec)(rmr_activation activation, const RMR_NAME(row) * row,
                     size_t c, const float *values)
{
    vec value = VEC_LOAD(values + c);
    if (row->bias)
        value = VEC_ADD(value, VEC_LOAD(row->bias + c));
    value = RMR_NAME(activation_of)(activation, value);
    if (row->gates)
        value = VEC_MUL(value, row->y_dtype == RMR_DTYPE_F32
                                   ? VEC_LOAD((const float *)row->y + c)
                                   : vec_load_bf16((uint16_t *)row->y + c));
    if (row->residual)
        value = VEC_ADD(value, VEC_LOAD(row->residual + c));
    if (row->y_dtype == RMR_DTYPE_F32)
        VEC_STORE((float *)row->y + c, value);
    else
        vec_store_bf16((uint16_t *)row->y + c, value);
}

/* The `count` < VEC_WIDTH columns from c on, by way of copies that are whole
 * vectors. */
static void RMR_NAME(finish_rest)(rmr_activation activation,
                                  const RMR_NAME(row) * row, size_t c,
                                  size_t count, const float *values);

static inline __attribute__((always_inline)) void
RMR_NAME(finish_row)(rmr_activation activation, const RMR_NAME(row) * row,
                     size_t count, const float *values)
{
    size_t c = 0;
    for (; c + VEC_WIDTH <= count; c += VEC_WIDTH)
        RMR_NAME(finish_vec)(activation, row, c, values);
    if (c < count)
        RMR_NAME(finish_rest)(activation, row, c, count - c, values);
}

static inline void RMR_NAME(finish_any_row)(rmr_activation activation,
                                            const RMR_NAME(row) * row,
                                            size_t count, const float *values)
{
    switch (activation) {
    case RMR_ACTIVATION_NONE:
        RMR_NAME(finish_row)(RMR_ACTIVATION_NONE, row, count, values);
        break;
    case RMR_ACTIVATION_GELU:
        RMR_NAME(finish_row)(RMR_ACTIVATION_GELU, row, count, values);
        break;
    case RMR_ACTIVATION_GELU_TANH:
        RMR_NAME(finish_row)(RMR_ACTIVATION_GELU_TANH, row, count, values);
        break;
    case RMR_ACTIVATION_RELU:
        RMR_NAME(finish_row)(RMR_ACTIVATION_RELU, row, count, values);
        break;
    case RMR_ACTIVATION_SILU:
        RMR_NAME(finish_row)(RMR_ACTIVATION_SILU, row, count, values);
        break;
    case RMR_ACTIVATION_SIGMOID:
        RMR_NAME(finish_row)(RMR_ACTIVATION_SIGMOID, row, count, values);
        break;
    case RMR_ACTIVATION_TANH:
        RMR_NAME(finish_row)(RMR_ACTIVATION_TANH, row, count, values);
        break;
    }
}

static void RMR_NAME(finish_rest)(rmr_activation activation,
                                  const RMR_NAME(row) * row, size_t c,
                                  size_t count, const float *values)
{
    float whole[VEC_WIDTH] = {0}, bias[VEC_WIDTH] = {0};
    float residual[VEC_WIDTH] = {0}, y[VEC_WIDTH] = {0};
    size_t size = rmr_dtype_size(row->y_dtype);
    RMR_NAME(row) copy = *row;
    if (row->bias)
        copy.bias = memcpy(bias, row->bias + c, count * sizeof *bias);
    if (row->residual)
        copy.residual =
            memcpy(residual, row->residual + c, count * sizeof *residual);
    copy.y = y;
    if (row->gates)
        memcpy(y, (const char *)row->y + c * size, count * size);
    memcpy(whole, values + c, count * sizeof *whole);
    RMR_NAME(finish_any_row)(activation, &copy, VEC_WIDTH, whole);
    memcpy((char *)row->y + c * size, y, count * size);
}

static inline __attribute__((always_inline)) void
RMR_NAME(finish_rows)(rmr_activation activation, const rmr_linear_args *args,
                      size_t row, size_t rows, size_t first, size_t count,
                      const float *sums)
{
    size_t size = rmr_dtype_size(args->y_dtype);
    RMR_NAME(row) to = {.gates = args->gates, .y_dtype = args->y_dtype};
    if (args->bias)
        to.bias = args->bias + first;
    for (size_t r = row; r < row + rows; r++, sums += RMR_TILE_COLUMNS) {
        if (args->residual)
            to.residual = (const float *)((const char *)args->residual +
                                          r * args->residual_stride) +
                          first;
        to.y = (char *)args->y + r * args->y_stride + first * size;
        RMR_NAME(finish_row)(activation, &to, count, sums);
    }
}

/* A rmr_product_finish: the context is the layer's arguments; columns count
 * from args->first. */
static inline void RMR_NAME(finish)(const void *context, size_t row,
                                    size_t column, size_t rows, size_t columns,
                                    void *sums)
{
    const rmr_linear_args *args = context;
    size_t first = args->first + column, left = args->last - first;
    size_t count = columns < left ? columns : left;
    if (rmr_operand_dtype(args->weight->dtype) == RMR_DTYPE_INT8)
        RMR_NAME(tile_to_floats)(args, row, rows, first, count, sums);
    switch (args->activation) {
    case RMR_ACTIVATION_NONE:
        RMR_NAME(finish_rows)
        (RMR_ACTIVATION_NONE, args, row, rows, first, count, sums);
        break;
    case RMR_ACTIVATION_GELU:
        RMR_NAME(finish_rows)
        (RMR_ACTIVATION_GELU, args, row, rows, first, count, sums);
        break;
    case RMR_ACTIVATION_GELU_TANH:
        RMR_NAME(finish_rows)
        (RMR_ACTIVATION_GELU_TANH, args, row, rows, first, count, sums);
        break;
    case RMR_ACTIVATION_RELU:
        RMR_NAME(finish_rows)
        (RMR_ACTIVATION_RELU, args, row, rows, first, count, sums);
        break;
    case RMR_ACTIVATION_SILU:
        RMR_NAME(finish_rows)
        (RMR_ACTIVATION_SILU, args, row, rows, first, count, sums);
        break;
    case RMR_ACTIVATION_SIGMOID:
        RMR_NAME(finish_rows)
        (RMR_ACTIVATION_SIGMOID, args, row, rows, first, count, sums);
        break;
    case RMR_ACTIVATION_TANH:
        RMR_NAME(finish_rows)
        (RMR_ACTIVATION_TANH, args, row, rows, first, count, sums);
        break;
    }
}

/* (Where int4's panels are, int4_tmpl.h says.) */
static inline rmr_product RMR_NAME(product_of)(const rmr_linear_args *args)
{
    const rmr_weight *weight = args->weight;
    size_t steps = rmr_steps(rmr_operand_dtype(weight->dtype), weight->in);
    size_t skipped = args->first * steps * RMR_STEP;
    size_t size = rmr_dtype_size(args->y_dtype);
    rmr_product_rows y = {(char *)args->y + args->first * size, args->y_stride,
                          size};
    rmr_product_rows residual = {0};
    if (args->residual)
        residual = (rmr_product_rows){(const char *)args->residual +
                                          args->first * sizeof(float),
                                      args->residual_stride, sizeof(float)};
    return (rmr_product){
        .rows = args->rows,
        .steps = steps,
        .panels = rmr_panels(args->last - args->first) / RMR_PANEL,
        .left = args->x,
        .stride = args->x_stride,
        .right = (const char *)weight->panels + skipped,
        .finished = {y, residual},
    };
}

/* ------------------------------------------------ values outside of products
 */

/* y = x as float32; nothing happens when they are the same. */
static inline void RMR_NAME(write_f32)(size_t count, const float *x, float *y)
{
    if (x != y)
        memcpy(y, x, count * sizeof *x);
}

static inline void RMR_NAME(write_bf16)(size_t count, const float *x,
                                        uint16_t *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = rmr_to_bf16(x[i]);
}
