/*
 * blas.c - matrix products by OpenBLAS, for CPUs that no packed tier is made
 * for. It must never start threads of its own, which is why the serial flavour
 * is linked; that one, as Debian builds it, gives wrong results when two
 * threads call it at once, so they take turns. OpenBLAS picks the order of its
 * sums by the number of rows too, so this tier alone cannot promise that a
 * text's last bits do not depend on its batch.
 */
#include <cblas.h>
#include <pthread.h>

#include "kernels/kern.h"

#define RMR_NAME(name) blas_##name
#include "kernels/template/softmax_tmpl.h"

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* c [m, n] = a b + beta c, with b [k, n], or [n, k] when transposed. */
static void multiply(int b_transposed, size_t m, size_t n, size_t k,
                     const float *a, size_t a_stride, const float *b,
                     size_t b_stride, float beta, float *c, size_t c_stride)
{
    pthread_mutex_lock(&turn);
    cblas_sgemm(CblasRowMajor, CblasNoTrans,
                b_transposed ? CblasTrans : CblasNoTrans, (blasint)m,
                (blasint)n, (blasint)k, 1, a, (blasint)a_stride, b,
                (blasint)b_stride, beta, c, (blasint)c_stride);
    pthread_mutex_unlock(&turn);
}

static void blas_linear(size_t tokens, size_t in, size_t out, const float *x,
                        const float *packed, const float *bias, float *y)
{
    for (size_t t = 0; t < tokens; t++) {
        for (size_t o = 0; o < out; o++)
            y[t * out + o] = bias[o];
    }
    if (!tokens || !out)
        return;
    multiply(1, tokens, out, in, x, in, packed, in, 1, y, out);
}

/* Some query rows of one head: scores = q k^T, softmax, context = scores v. */
static void attend(size_t rows, size_t length, size_t head_size, size_t stride,
                   float scale, const float *q, const float *k, const float *v,
                   float *context, float *scores)
{
    multiply(1, rows, length, head_size, q, stride, k, stride, 0, scores,
             length);
    for (size_t i = 0; i < rows; i++)
        blas_softmax(length, scale, scores + i * length);
    multiply(0, rows, head_size, length, scores, length, v, stride, 0, context,
             stride);
}

static void attend_head(size_t length, size_t head_size, size_t stride,
                        float scale, const float *q, const float *k,
                        const float *v, float *context, float *scores)
{
    for (size_t row = 0; row < length; row += RMR_ATTENTION_ROWS) {
        size_t left = length - row;
        size_t rows = left < RMR_ATTENTION_ROWS ? left : RMR_ATTENTION_ROWS;
        attend(rows, length, head_size, stride, scale, q + row * stride, k, v,
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
