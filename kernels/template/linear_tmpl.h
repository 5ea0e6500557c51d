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

/* What one row of a tile is finished with; columns count from the tile's. */
typedef struct RMR_NAME(row) {
    rmr_row_scale scale;   /* bytes: of the row, */
    const float *units;    /* and of each column, */
    const int32_t *sums;   /* and a column's sum; NULL: not bytes */
    size_t num_outliers;   /* bytes: inputs beside them, */
    size_t outlier_stride; /* values from one's weights to the next's */
    const float *outlier_weights;
    float outliers[RMR_MAX_OUTLIERS];
    const float *bias;     /* or NULL */
    const float *residual; /* or NULL */
    int gates;
    void *y;
    rmr_dtype y_dtype;
} RMR_NAME(row);

/* VEC_WIDTH results from column c on. Of x = scale (q - zero) and w = unit v,
 * the sum of int8 products is scale unit (sum q v - zero sum v). */
static inline __attribute__((always_inline)) void
RMR_NAME(finish_vec)(rmr_activation activation, const RMR_NAME(row) * row,
                     size_t c, const float *values)
{
    vec value;
    if (row->sums) {
        ivec zero = IVEC_MUL(IVEC_SET1(row->scale.zero - RMR_BYTES_OFF),
                             IVEC_LOAD(row->sums + c));
        value = VEC_FROM_IVEC(IVEC_SUB(IVEC_LOAD(values + c), zero));
        value = VEC_MUL(value, VEC_MUL(VEC_SET1(row->scale.scale),
                                       VEC_LOAD(row->units + c)));
        for (size_t i = 0; i < row->num_outliers; i++) {
            const float *weights = row->outlier_weights;
            vec weight = VEC_LOAD(weights + i * row->outlier_stride + c);
            value = VEC_ADD(value, VEC_MUL(VEC_SET1(row->outliers[i]), weight));
        }
    } else {
        value = VEC_LOAD(values + c);
    }
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
 * vectors. (What belongs to the weight has whole panels.) */
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
    if (row->sums) {
        copy.sums += c;
        copy.units += c;
    }
    if (row->num_outliers)
        copy.outlier_weights += c;
    copy.y = y;
    if (row->gates)
        memcpy(y, (const char *)row->y + c * size, count * size);
    memcpy(whole, values + c, count * sizeof *whole);
    RMR_NAME(finish_any_row)(activation, &copy, VEC_WIDTH, whole);
    memcpy((char *)row->y + c * size, y, count * size);
}

/* What bytes of row r are multiplied with. */
static inline __attribute__((always_inline)) void
RMR_NAME(set_row)(RMR_NAME(row) * to, const rmr_linear_args *args, size_t r)
{
    const rmr_weight *weight = args->weight;
    to->scale = args->row_scales[r];
    for (size_t i = 0; i < weight->num_outliers; i++)
        to->outliers[i] = args->x_floats[r * weight->in + weight->outliers[i]];
}

static inline __attribute__((always_inline)) void
RMR_NAME(finish_rows)(rmr_activation activation, const rmr_linear_args *args,
                      size_t row, size_t rows, size_t first, size_t count,
                      const float *sums)
{
    size_t size = rmr_dtype_size(args->y_dtype);
    int of_bytes = rmr_operand_dtype(args->weight->dtype) == RMR_DTYPE_INT8;
    RMR_NAME(row) to = {.gates = args->gates, .y_dtype = args->y_dtype};
    if (of_bytes) {
        to.units = args->weight->scales + first;
        to.sums = args->weight->sums + first;
    }
    if (of_bytes && args->weight->num_outliers) {
        to.num_outliers = args->weight->num_outliers;
        to.outlier_stride = rmr_panels(args->weight->out);
        to.outlier_weights = args->weight->outlier_weights + first;
    }
    if (args->bias)
        to.bias = args->bias + first;
    for (size_t r = row; r < row + rows; r++, sums += RMR_TILE_COLUMNS) {
        if (of_bytes)
            RMR_NAME(set_row)(&to, args, r);
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
    return (rmr_product){
        .rows = args->rows,
        .steps = steps,
        .panels = rmr_panels(args->last - args->first) / RMR_PANEL,
        .left = args->x,
        .stride = args->x_stride,
        .right = (const char *)weight->panels + skipped,
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
