/*
 * scalar_linear.c - the linear layer as its definition. It is what faster
 * tiers are compared with, so it must never trade clarity for speed.
 */
#include "kernels/scalar/scalar.h"

void rmr_scalar_linear(size_t tokens, size_t in, size_t out, const float *x,
                       const float *weight, const float *bias, float *y)
{
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = 0; o < out; o++) {
            float sum = bias ? bias[o] : 0;
            for (size_t i = 0; i < in; i++)
                sum += x[t * in + i] * weight[o * in + i];
            y[t * out + o] = sum;
        }
    }
}
