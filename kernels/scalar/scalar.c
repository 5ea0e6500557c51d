/*
 * scalar.c - the reference tier: every kernel in plain C. Faster tiers are
 * compared with it, so linear and attention are their definitions and must
 * never trade clarity for speed.
 */
#include <stdint.h>
#include <string.h>

#include "kernels/kern.h"

#define RMR_NAME(name) scalar_##name
#include "kernels/template/activation_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/softmax_tmpl.h"

static void scalar_pack_linear(size_t in, size_t out, const float *weight,
                               float *packed)
{
    memcpy(packed, weight, in * out * sizeof *packed);
}

static void scalar_linear(size_t tokens, size_t in, size_t out, const float *x,
                          const float *packed, const float *bias, float *y)
{
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = 0; o < out; o++) {
            float sum = 0;
            for (size_t i = 0; i < in; i++)
                sum += x[t * in + i] * packed[o * in + i];
            y[t * out + o] = sum + bias[o];
        }
    }
}

/* One query row of one head: scores over `length` keys, softmax, context. */
static void attend(size_t length, size_t head_size, size_t stride, float scale,
                   const float *query, const float *k, const float *v,
                   float *context, float *scores)
{
    for (size_t j = 0; j < length; j++) {
        float dot = 0;
        for (size_t d = 0; d < head_size; d++)
            dot += query[d] * k[j * stride + d];
        scores[j] = dot;
    }
    scalar_softmax(length, scale, scores);
    for (size_t d = 0; d < head_size; d++)
        context[d] = 0;
    for (size_t j = 0; j < length; j++) {
        for (size_t d = 0; d < head_size; d++)
            context[d] += scores[j] * v[j * stride + d];
    }
}

static void scalar_attention(size_t num_seqs, const uint32_t *cu_seqlens,
                             size_t num_heads, size_t head_size, float scale,
                             const float *q, const float *k, const float *v,
                             float *context, float *scratch)
{
    size_t stride = num_heads * head_size;
    for (size_t s = 0; s < num_seqs; s++) {
        size_t first = cu_seqlens[s] * stride;
        size_t length = cu_seqlens[s + 1] - cu_seqlens[s];
        for (size_t h = 0; h < num_heads; h++) {
            size_t head = first + h * head_size;
            for (size_t i = 0; i < length; i++) {
                attend(length, head_size, stride, scale, q + head + i * stride,
                       k + head, v + head, context + head + i * stride,
                       scratch);
            }
        }
    }
}

void rmr_kern_init_scalar(rmr_kern *kern)
{
#define RMR_KERN(name, parameters) kern->name = scalar_##name;
#include "kernels/kern.inc"
#undef RMR_KERN
}
