/*
 * scalar_activation.c - elementwise functions. They must never turn a NaN into
 * a number.
 */
#include "kernels/scalar/scalar.h"

#include "kernels/scalar/scalar_math.h"

void rmr_scalar_gelu(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = 0.5f * x[i] * (1 + rmr_erff(x[i] * 0.70710678f));
}

/* 0.5 (1 + tanh(u)) is the logistic function of 2u. */
void rmr_scalar_gelu_tanh(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++) {
        float u = 1.59576912f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        x[i] = x[i] / (1 + rmr_expf(-u));
    }
}

void rmr_scalar_relu(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] < 0 ? 0 : x[i];
}

void rmr_scalar_silu(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] / (1 + rmr_expf(-x[i]));
}

void rmr_scalar_add(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}
