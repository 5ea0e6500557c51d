/*
 * norm_tmpl.h - layer normalisation, L2 normalisation, pooling over rows, once
 * per tier. They must never divide by zero.
 */
#include <math.h>

#include "kernels/template/sum.h"

static void RMR_NAME(layer_norm)(size_t rows, size_t hidden, const float *x,
                                 const float *gamma, const float *beta,
                                 float epsilon, float *y)
{
    for (size_t r = 0; r < rows; r++, x += hidden, y += hidden) {
        float mean = rmr_sum_f32(hidden, x) / (float)hidden;
        float variance = rmr_sum_squares_f32(hidden, x, mean) / (float)hidden;
        float inverse = 1 / sqrtf(variance + epsilon);
        for (size_t i = 0; i < hidden; i++)
            y[i] = (x[i] - mean) * inverse * gamma[i] + beta[i];
    }
}

static void RMR_NAME(rms_norm)(size_t rows, size_t hidden, const float *x,
                               const float *gamma, float epsilon, float *y)
{
    for (size_t r = 0; r < rows; r++, x += hidden, y += hidden) {
        float square = rmr_sum_squares_f32(hidden, x, 0) / (float)hidden;
        float inverse = 1 / sqrtf(square + epsilon);
        for (size_t i = 0; i < hidden; i++)
            y[i] = x[i] * inverse * gamma[i];
    }
}

static void RMR_NAME(activate)(rmr_activation activation, size_t count,
                               float *x)
{
    RMR_NAME(row) row = {.y = x, .y_dtype = RMR_DTYPE_F32};
    RMR_NAME(finish_any_row)(activation, &row, count, x);
}

static void RMR_NAME(mean_rows)(size_t rows, size_t columns, const float *x,
                                float *y)
{
    for (size_t c = 0; c < columns; c++)
        y[c] = x[c];
    for (size_t r = 1; r < rows; r++) {
        for (size_t c = 0; c < columns; c++)
            y[c] += x[r * columns + c];
    }
    for (size_t c = 0; c < columns; c++)
        y[c] /= (float)rows;
}

static void RMR_NAME(max_rows)(size_t rows, size_t columns, const float *x,
                               float *y)
{
    for (size_t c = 0; c < columns; c++)
        y[c] = x[c];
    for (size_t r = 1; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            float value = x[r * columns + c];
            y[c] = value > y[c] || isnan(value) ? value : y[c];
        }
    }
}

static void RMR_NAME(l2_normalize)(size_t count, float *x)
{
    float norm = sqrtf(rmr_sum_squares_f32(count, x, 0));
    float divisor = norm < 1e-12f ? 1e-12f : norm;
    for (size_t i = 0; i < count; i++)
        x[i] /= divisor;
}
