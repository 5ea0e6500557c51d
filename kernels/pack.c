/*
 * pack.c - weights [out, in] into the order that the kernels read, on the way
 * rounded to what they are kept in. It must never be called but when a model
 * opens.
 */
#include "kernels/pack.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/template/vmath.h"

/* Where the step is that has input i of column c. */
static char *step_of(void *panels, size_t steps, size_t values, size_t i,
                     size_t c)
{
    return (char *)panels +
           ((c / RMR_PANEL * steps + i / values) * RMR_PANEL + c % RMR_PANEL) *
               RMR_STEP;
}

static void clear(rmr_dtype dtype, size_t in, size_t out, void *panels)
{
    memset(panels, 0, rmr_panels_bytes(dtype, in, out));
}

void rmr_pack_f32(size_t in, size_t out, const float *weight, void *panels)
{
    if (out % RMR_PANEL)
        clear(RMR_DTYPE_F32, in, out, panels);
    for (size_t c = 0; c < out; c++) {
        float *to = (float *)step_of(panels, in, 1, 0, c);
        for (size_t i = 0; i < in; i++)
            to[i * RMR_PANEL] = weight[c * in + i];
    }
}

void rmr_pack_bf16(size_t in, size_t out, const float *weight, void *panels)
{
    size_t steps = rmr_steps(RMR_DTYPE_BF16, in);
    clear(RMR_DTYPE_BF16, in, out, panels);
    for (size_t c = 0; c < out; c++) {
        for (size_t i = 0; i < in; i++) {
            uint16_t value = rmr_to_bf16(weight[c * in + i]);
            memcpy(step_of(panels, steps, 2, i, c) + 2 * (i % 2), &value, 2);
        }
    }
}

/* The unit by which a column becomes whole numbers of [-127, 127]; what is
 * below all floats with full precision becomes 0. */
static float unit_of(size_t count, const float *column)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++) {
        float size = fabsf(column[i]);
        largest = size > largest ? size : largest;
    }
    float unit = largest / 127;
    return unit >= FLT_MIN ? unit : 1;
}

void rmr_quantize_int8(size_t in, size_t out, const float *weight,
                       int8_t *values, float *scales)
{
    for (size_t c = 0; c < out; c++) {
        const float *column = weight + c * in;
        scales[c] = unit_of(in, column);
        for (size_t i = 0; i < in; i++)
            values[c * in + i] = (int8_t)rmr_round(column[i] / scales[c]);
    }
}

void rmr_pack_int8(size_t in, size_t out, const int8_t *values, void *panels,
                   int32_t *sums)
{
    size_t steps = rmr_steps(RMR_DTYPE_INT8, in);
    clear(RMR_DTYPE_INT8, in, out, panels);
    memset(sums, 0, rmr_panels(out) * sizeof *sums);
    for (size_t c = 0; c < out; c++) {
        for (size_t i = 0; i < in; i++) {
            int8_t value = values[c * in + i];
            step_of(panels, steps, RMR_STEP, i, c)[i % RMR_STEP] = value;
            sums[c] += value;
        }
    }
}
