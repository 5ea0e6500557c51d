/*
 * activation_tmpl.h - elementwise functions, once per tier. They must never
 * turn a NaN into a number.
 */
#include "kernels/template/vmath.h"

static void RMR_NAME(gelu)(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = 0.5f * x[i] * (1 + rmr_erff(x[i] * 0.70710678f));
}

/* 0.5 (1 + tanh(u)) is the logistic function of 2u. */
static void RMR_NAME(gelu_tanh)(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++) {
        float u = 1.59576912f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        x[i] = x[i] / (1 + rmr_expf(-u));
    }
}

static void RMR_NAME(relu)(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] < 0 ? 0 : x[i];
}

static void RMR_NAME(silu)(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] / (1 + rmr_expf(-x[i]));
}

static void RMR_NAME(add)(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}
