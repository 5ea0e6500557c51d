/*
 * blas.c - matrix products by OpenBLAS, for CPUs that no packed tier is made
 * for. Called from our own threads, one product per thread: it must never start
 * threads of its own, which is why the serial flavour is linked. OpenBLAS picks
 * the order of its sums by the number of rows too, so this tier alone cannot
 * promise that a text's last bits do not depend on its batch.
 */
#include <cblas.h>

#include "kernels/kern.h"

#define RMR_NAME(name) blas_##name
#include "kernels/template/softmax_tmpl.h"

static void blas_linear(size_t tokens, size_t in, size_t out, const float *x,
                        const float *packed, const float *bias, float *y)
{
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = 0; o < out; o++)
            y[t * out + o] = bias[o];
    }
    if (!tokens || !out)
        return;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)tokens,
                (blasint)out, (blasint)in, 1, x, (blasint)in, packed,
                (blasint)in, 1, y, (blasint)out);
}

/* Some query rows of one head: scores = q k^T, softmax, context = scores v. */
static void attend(blasint rows, blasint length, blasint head_size,
                   blasint stride, float scale, const float *q, const float *k,
                   const float *v, float *context, float *scores)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, length,
                head_size, 1, q, stride, k, stride, 0, scores, length);
    for (blasint i = 0; i < rows; i++) {
        blas_softmax((size_t)length, scale,
                     scores + (size_t)i * (size_t)length);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, head_size,
                length, 1, scores, length, v, stride, 0, context, stride);
}

static void attend_head(size_t length, size_t head_size, size_t stride,
                        float scale, const float *q, const float *k,
                        const float *v, float *context, float *scores)
{
    for (size_t row = 0; row < length; row += RMR_ATTENTION_ROWS) {
        size_t left = length - row;
        size_t rows = left < RMR_ATTENTION_ROWS ? left : RMR_ATTENTION_ROWS;
        attend((blasint)rows, (blasint)length, (blasint)head_size,
               (blasint)stride, scale, q + row * stride, k, v,
               context + row * stride, scores);
    }
}

static void blas_attention(size_t num_seqs, const uint32_t *cu_seqlens,
                           size_t num_heads, size_t head_size, float scale,
                           const float *q, const float *k, const float *v,
                           float *context, float *scratch)
{
    size_t stride = num_heads * head_size;
    for (size_t s = 0; s < num_seqs; s++) {
        size_t length = cu_seqlens[s + 1] - cu_seqlens[s];
        for (size_t h = 0; h < num_heads; h++) {
            size_t head = cu_seqlens[s] * stride + h * head_size;
            attend_head(length, head_size, stride, scale, q + head, k + head,
                        v + head, context + head, scratch);
        }
    }
}

void rmr_kern_init_blas(rmr_kern *kern)
{
    kern->linear = blas_linear;
    kern->attention = blas_attention;
}
