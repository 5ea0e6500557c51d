/*
 * rows_tmpl.h - float32 rows into the types that products read, and rows of
 * tables into float32, once per tier. They must never turn a NaN or an infinity
 * into something finite.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/kern.h"
#include "kernels/template/vmath.h"

static void RMR_NAME(to_bf16)(size_t rows, size_t columns, const float *x,
                              void *y, size_t y_stride)
{
    size_t bytes = rmr_row_bytes(RMR_DTYPE_BF16, columns);
    for (size_t r = 0; r < rows; r++) {
        char *row = (char *)y + r * y_stride;
        RMR_NAME(write_bf16)(columns, x + r * columns, (uint16_t *)row);
        memset(row + 2 * columns, 0, bytes - 2 * columns);
    }
}

/* The smallest and the largest of some values and 0, and 0 times their sum:
 * NaN when one of them is not finite. */
typedef struct RMR_NAME(range) {
    float lowest, highest, poison;
} RMR_NAME(range);

static inline void RMR_NAME(add_to_range)(RMR_NAME(range) * range, float x)
{
    range->lowest = x < range->lowest ? x : range->lowest;
    range->highest = x > range->highest ? x : range->highest;
    range->poison += x * 0;
}

/* A vector, or a value, of a row after its factors. */
static inline vec RMR_NAME(factored)(const float *x, const float *factors,
                                     size_t i)
{
    vec value = VEC_LOAD(x + i);
    return factors ? VEC_MUL(value, VEC_LOAD(factors + i)) : value;
}

static inline float RMR_NAME(factored_one)(const float *x, const float *factors,
                                           size_t i)
{
    return factors ? x[i] * factors[i] : x[i];
}

static RMR_NAME(range)
    RMR_NAME(range_of)(size_t count, const float *x, const float *factors)
{
    RMR_NAME(range) range = {0, 0, 0};
    float lows[VEC_WIDTH], highs[VEC_WIDTH], poisons[VEC_WIDTH];
    vec zero = VEC_SET1(0.0f), low = zero, high = zero, poison = zero;
    size_t i = 0;
    for (; i + VEC_WIDTH <= count; i += VEC_WIDTH) {
        vec value = RMR_NAME(factored)(x, factors, i);
        low = VEC_MIN(value, low);
        high = VEC_MAX(value, high);
        poison = VEC_FMA(value, zero, poison);
    }
    VEC_STORE(lows, low);
    VEC_STORE(highs, high);
    VEC_STORE(poisons, poison);
    for (size_t lane = 0; lane < VEC_WIDTH; lane++) {
        RMR_NAME(add_to_range)(&range, lows[lane]);
        RMR_NAME(add_to_range)(&range, highs[lane]);
        range.poison += poisons[lane];
    }
    for (; i < count; i++)
        RMR_NAME(add_to_range)(&range, RMR_NAME(factored_one)(x, factors, i));
    return range;
}

/* The range has 0 in it, so that 0 has a byte of its own; a row of zeros, or
 * nearly, gets the scale 1. */
static rmr_row_scale RMR_NAME(row_scale)(size_t count, const float *x,
                                         const float *factors)
{
    RMR_NAME(range) range = RMR_NAME(range_of)(count, x, factors);
    rmr_row_scale result = {(range.highest - range.lowest) / 255, 0};
    if (result.scale < FLT_MIN)
        result.scale = 1;
    result.scale += range.poison;
    if (result.scale < INFINITY)
        result.zero = (int32_t)rmr_round(-range.lowest / result.scale);
    return result;
}

/* One row by its scale. */
static void RMR_NAME(quantize_row)(size_t count, const float *x,
                                   const float *factors, rmr_row_scale scale,
                                   uint8_t *y)
{
    float zero = (float)scale.zero, inverse = 1 / scale.scale;
    size_t i = 0;
    for (; i + VEC_WIDTH <= count; i += VEC_WIDTH) {
        vec value = VEC_FMA(RMR_NAME(factored)(x, factors, i),
                            VEC_SET1(inverse), VEC_SET1(zero));
        vec_store_bytes(y + i, VEC_MAX(value, VEC_SET1(0.0f)));
    }
    for (; i < count; i++) {
        float value = RMR_NAME(factored_one)(x, factors, i) * inverse + zero;
        value = value > 0 ? value : 0;
        y[i] = (uint8_t)rmr_round(value < 255 ? value : 255);
    }
}

static void RMR_NAME(quantize_rows)(size_t rows, size_t columns, const float *x,
                                    const float *factors, void *y,
                                    size_t y_stride, rmr_row_scale *scales)
{
    size_t bytes = rmr_row_bytes(RMR_DTYPE_INT8, columns);
    for (size_t r = 0; r < rows; r++, x += columns) {
        uint8_t *row = (uint8_t *)y + r * y_stride;
        scales[r] = RMR_NAME(row_scale)(columns, x, factors);
        RMR_NAME(quantize_row)(columns, x, factors, scales[r], row);
        memset(row + columns, 0, bytes - columns);
    }
}

/* One value of a row: written, or added. */
static inline __attribute__((always_inline)) void
RMR_NAME(give)(int adds, float value, float *y)
{
    *y = adds ? *y + value : value;
}

static inline __attribute__((always_inline)) void
RMR_NAME(give_int4_row)(int adds, const rmr_table *table, size_t row, float *y)
{
    const uint8_t *bytes =
        (const uint8_t *)table->values +
        row * rmr_table_row_bytes(RMR_DTYPE_INT4, table->columns);
    const int8_t *groups =
        table->group_scales + row * rmr_groups(table->columns);
    for (size_t c = 0; c < table->columns; c++) {
        unsigned index = c % 2 ? bytes[c / 2] >> 4 : bytes[c / 2] & 15;
        int8_t value = rmr_int4_value(index, groups[c / RMR_GROUP]);
        RMR_NAME(give)(adds, table->scales[row] * (float)value, &y[c]);
    }
}

static inline __attribute__((always_inline)) void
RMR_NAME(give_row)(int adds, const rmr_table *table, size_t row, float *y)
{
    size_t n = table->columns, first = row * n;
    const float *floats = (const float *)table->values + first;
    const uint16_t *halves = (const uint16_t *)table->values + first;
    const int8_t *bytes = (const int8_t *)table->values + first;
    switch (table->dtype) {
    case RMR_DTYPE_F32:
        for (size_t c = 0; c < n; c++)
            RMR_NAME(give)(adds, floats[c], &y[c]);
        break;
    case RMR_DTYPE_BF16:
        for (size_t c = 0; c < n; c++)
            RMR_NAME(give)(adds, rmr_from_bf16(halves[c]), &y[c]);
        break;
    case RMR_DTYPE_INT8:
        for (size_t c = 0; c < n; c++)
            RMR_NAME(give)(adds, table->scales[row] * (float)bytes[c], &y[c]);
        break;
    case RMR_DTYPE_INT4:
        RMR_NAME(give_int4_row)(adds, table, row, y);
        break;
    }
}

static void RMR_NAME(table_row)(const rmr_table *table, size_t row, float *y)
{
    RMR_NAME(give_row)(0, table, row, y);
}

static void RMR_NAME(table_add)(const rmr_table *table, size_t row, float *y)
{
    RMR_NAME(give_row)(1, table, row, y);
}
