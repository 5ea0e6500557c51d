/*
 * blas.c - matrix products by OpenBLAS, called from our own threads, one
 * product per thread: it must never start threads of its own, which is why the
 * serial flavour is linked.
 */
#include <cblas.h>

#include "kernels/kern.h"
#include "kernels/scalar/scalar.h"

static void blas_linear(size_t tokens, size_t in, size_t out, const float *x,
                        const float *weight, const float *bias, float *y)
{
    for (size_t t = 0; bias && t < tokens; t++) {
        for (size_t o = 0; o < out; o++)
            y[t * out + o] = bias[o];
    }
    if (!tokens || !out)
        return;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)tokens,
                (blasint)out, (blasint)in, 1, x, (blasint)in, weight,
                (blasint)in, bias ? 1 : 0, y, (blasint)out);
}

/* One head of one sequence: scores = q k^T, softmax, context = scores v. */
static void attend(blasint length, blasint head_size, blasint stride,
                   float scale, const float *q, const float *k, const float *v,
                   float *context, float *scores)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, length, length,
                head_size, 1, q, stride, k, stride, 0, scores, length);
    for (blasint i = 0; i < length; i++) {
        rmr_scalar_softmax((size_t)length, scale,
                           scores + (size_t)i * (size_t)length);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, length, head_size,
                length, 1, scores, length, v, stride, 0, context, stride);
}

static void blas_attention(size_t num_seqs, const uint32_t *cu_seqlens,
                           size_t num_heads, size_t head_size, float scale,
                           const float *q, const float *k, const float *v,
                           float *context, float *scratch)
{
    size_t stride = num_heads * head_size;
    for (size_t s = 0; s < num_seqs; s++) {
        uint32_t length = cu_seqlens[s + 1] - cu_seqlens[s];
        for (size_t h = 0; length && h < num_heads; h++) {
            size_t head = cu_seqlens[s] * stride + h * head_size;
            attend((blasint)length, (blasint)head_size, (blasint)stride, scale,
                   q + head, k + head, v + head, context + head, scratch);
        }
    }
}

void rmr_kern_init_blas(rmr_kern *kern)
{
    kern->linear = blas_linear;
    kern->attention = blas_attention;
}
