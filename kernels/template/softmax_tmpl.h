/*
 * softmax_tmpl.h - softmax of one row, once per tier. It must never overflow:
 * the largest value is taken off first.
 */
#include "kernels/template/sum.h"
#include "kernels/template/vmath.h"

/* x[0..count) = softmax(scale * x[0..count)), in place; count >= 1. */
static void RMR_NAME(softmax)(size_t count, float scale, float *x)
{
    float largest = rmr_max_f32(count, x) * scale;
    for (size_t i = 0; i < count; i++)
        x[i] = rmr_expf(x[i] * scale - largest);
    float inverse = 1 / rmr_sum_f32(count, x);
    for (size_t i = 0; i < count; i++)
        x[i] *= inverse;
}
