/*
 * scalar_attention.c - softmax, and attention as its definition. It must never
 * let one sequence see another.
 */
#include "kernels/scalar/scalar.h"

#include "kernels/scalar/scalar_math.h"
#include "kernels/scalar/scalar_sum.h"

void rmr_scalar_softmax(size_t count, float scale, float *x)
{
    float largest = rmr_max_f32(count, x) * scale;
    for (size_t i = 0; i < count; i++)
        x[i] = rmr_expf(x[i] * scale - largest);
    float inverse = 1 / rmr_sum_f32(count, x);
    for (size_t i = 0; i < count; i++)
        x[i] *= inverse;
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
    rmr_scalar_softmax(length, scale, scores);
    for (size_t d = 0; d < head_size; d++)
        context[d] = 0;
    for (size_t j = 0; j < length; j++) {
        for (size_t d = 0; d < head_size; d++)
            context[d] += scores[j] * v[j * stride + d];
    }
}

void rmr_scalar_attention(size_t num_seqs, const uint32_t *cu_seqlens,
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
