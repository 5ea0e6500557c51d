/*
 * blas.c - float32 for CPUs that no packed tier is made for: linear layers by
 * OpenBLAS, attention by the template over vectors of any compiler. It must
 * never start threads of its own, which is why the serial flavour is linked;
 * that one, as Debian builds it, gives wrong results when two threads call it
 * at once, so they take turns. OpenBLAS picks the order of its sums by the
 * number of rows too, so this tier alone cannot promise that a text's last
 * bits do not depend on its batch.
 */
#include <cblas.h>
#include <pthread.h>
#include <string.h>

#include "kernels/gram.h"
#include "kernels/kern.h"
#include "kernels/scalar/vec_scalar.h"

#define RMR_NAME(name) blas_##name
#include "kernels/template/linear_tmpl.h"

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void blas_pack_f32(size_t in, size_t out, const float *weight,
                          void *panels)
{
    memset(panels, 0, rmr_panels_bytes(RMR_DTYPE_F32, in, out));
    memcpy(panels, weight, in * out * sizeof *weight);
}

/* sums [rows, RMR_TILE_COLUMNS] = x weight^T, for rows from `row` on and
 * columns from `column` on. */
static void multiply(const rmr_linear_args *args, size_t row, size_t rows,
                     size_t column, size_t columns, float *sums)
{
    size_t in = args->weight->in;
    const char *x = (const char *)args->x + row * args->x_stride;
    const float *weight = (const float *)args->weight->panels + column * in;
    size_t stride = args->x_stride / sizeof(float);
    pthread_mutex_lock(&turn);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows,
                (blasint)columns, (blasint)in, 1, (const float *)x,
                (blasint)(stride > in ? stride : in), weight, (blasint)in, 0,
                sums, RMR_TILE_COLUMNS);
    pthread_mutex_unlock(&turn);
}

void rmr_gram_add(size_t rows, size_t in, const float *x, size_t x_stride,
                  float *gram)
{
    pthread_mutex_lock(&turn);
    cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (blasint)in,
                (blasint)rows, 1, x, (blasint)(x_stride / sizeof *x), 1, gram,
                (blasint)in);
    pthread_mutex_unlock(&turn);
}

static void blas_linear_f32(const rmr_linear_args *args)
{
    enum { ROWS = 96 };
    float sums[ROWS * RMR_TILE_COLUMNS];
    for (size_t row = 0; row < args->rows; row += ROWS) {
        size_t rows = args->rows - row < ROWS ? args->rows - row : ROWS;
        for (size_t c = args->first; c < args->last; c += RMR_TILE_COLUMNS) {
            size_t left = args->last - c;
            size_t columns = left < RMR_TILE_COLUMNS ? left : RMR_TILE_COLUMNS;
            if (args->weight->in)
                multiply(args, row, rows, c, columns, sums);
            else
                memset(sums, 0, sizeof sums);
            blas_finish(args, row, c - args->first, rows, columns, sums);
        }
    }
}

/* ----------------------------------------------------------------- attention
 */

typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

static inline quad spread(float value)
{
    return (quad){value, value, value, value};
}

#define PRODUCT(name) quad_##name
#define LANES quad
#define LANE_COUNT 4
#define LANES_ZERO() spread(0)
#define LANES_LOAD(p) (*(const quad *)(p))
#define LANES_SPREAD(p) spread(*(const float *)(p))
#define LANES_STORE(p, v) (*(quad *)(p) = (v))
#define LANES_MAC(sums, left, right) ((sums) + (left) * (right))
#define TILE_ROWS 6
#define TILE_PANELS 1
#define FLAT_ROWS 3
#include "kernels/template/product_tmpl.h"

#define ATTENTION(name) attend_##name
#define VALUE float
#define VALUE_DTYPE RMR_DTYPE_F32
#define MULTIPLY quad_multiply
#define STORE(to, v) VEC_STORE(to, v)
#include "kernels/template/attention_tmpl.h"

void rmr_kern_init_blas(rmr_kern *kern)
{
    kern->pack_f32 = blas_pack_f32;
    kern->linear_f32 = blas_linear_f32;
    kern->attention_f32 = attend_head;
}
