/*
 * gptq.c - GPTQ with the levels of int4. It must never depend on the order in
 * which rows are taken: each row's result is its own.
 */
#include "common/model/gptq.h"

#include <math.h>
#include <string.h>

#include "common/base/alloc.h"
#include "kernels/pack.h"

enum {
    ROWS = 32, /* that go together past the inverse's rows */
    LANES = 16
};

/* Of the mean of the diagonal, added to all of it. */
static const float damping = 0.05f;

static float dot(size_t count, const float *x, const float *y)
{
    float lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += x[i + lane] * y[i + lane];
    }
    for (; i < count; i++)
        sum += x[i] * y[i];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* y += a x. */
static void axpy(size_t count, float a, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += a * x[i];
}

/* The matrix of the inputs' second moments, damped so that it can be inverted:
 * its upper triangle. */
static void fill_moments(size_t n, const float *gram, const float *factors,
                         float *a)
{
    double trace = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j < n; j++) {
            float both = factors ? factors[i] * factors[j] : 1;
            a[i * n + j] = gram[i * n + j] * both;
        }
        trace += a[i * n + i];
    }
    float more = damping * (float)(trace / (double)n);
    for (size_t i = 0; i < n; i++)
        a[i * n + i] += more;
}

/* A = R R^T in place, R upper triangular: Cholesky's from the last row up. 0
 * when A is not positive definite, or larger than floats. */
static int factor(size_t n, float *a)
{
    for (size_t j = n; j-- > 0;) {
        float *row = a + j * n;
        float square = row[j] - dot(n - j - 1, row + j + 1, row + j + 1);
        if (!(square > 0) || isinf(square))
            return 0;
        row[j] = sqrtf(square);
        for (size_t i = 0; i < j; i++) {
            float *above = a + i * n;
            above[j] -= dot(n - j - 1, above + j + 1, row + j + 1);
            above[j] /= row[j];
        }
    }
    return 1;
}

/* R to its inverse U, in place, so that A^-1 = U^T U. */
static void invert(size_t n, float *a, float *sums)
{
    for (size_t i = n; i-- > 0;) {
        float *row = a + i * n, inverse = 1 / row[i];
        memset(sums, 0, n * sizeof *sums);
        for (size_t k = i + 1; k < n; k++)
            axpy(n - k, row[k], a + k * n + k, sums + k);
        row[i] = inverse;
        for (size_t j = i + 1; j < n; j++)
            row[j] = -sums[j] * inverse;
    }
}

/* Where the rows are going. */
typedef struct pass {
    size_t in, groups;
    const float *inverse;    /* [in, in]: U */
    const float *importance; /* [in]: of an input's error */
    rmr_int4_coder coder;
    float *weight; /* [rows, in], in units of its row */
    uint8_t *indexes;
    int8_t *group_scales;
} pass;

/* Input i of some rows, whose groups have their scales. */
static void round_input(const pass *p, size_t rows, size_t i)
{
    const float *inverse = p->inverse + i * p->in;
    for (size_t r = 0; r < rows; r++) {
        float *row = p->weight + r * p->in;
        int8_t scale = p->group_scales[r * p->groups + i / RMR_GROUP];
        uint8_t index = rmr_int4_index(&p->coder, row[i], scale);
        float error = (row[i] - rmr_int4_value(index, scale)) / inverse[i];
        p->indexes[r * p->in + i] = index;
        axpy(p->in - i - 1, -error, inverse + i + 1, row + i + 1);
    }
}

static void round_rows(const pass *p, size_t rows)
{
    for (size_t g = 0; g < p->groups; g++) {
        size_t first = g * RMR_GROUP, left = p->in - first;
        size_t count = left < RMR_GROUP ? left : RMR_GROUP;
        for (size_t r = 0; r < rows; r++)
            p->group_scales[r * p->groups + g] = rmr_int4_group_scale(
                &p->coder, count, p->weight + r * p->in + first,
                p->importance + first);
        for (size_t i = first; i < first + count; i++)
            round_input(p, rows, i);
    }
}

/* A row into its unit, which is returned. */
static float to_units(size_t in, float *row)
{
    float unit = rmr_int4_unit(in, row);
    for (size_t i = 0; i < in; i++)
        row[i] /= unit;
    return unit;
}

static void round_all(pass *p, size_t out, float *scales)
{
    for (size_t row = 0; row < out; row += ROWS) {
        size_t rows = out - row < ROWS ? out - row : ROWS;
        for (size_t r = 0; r < rows; r++)
            scales[row + r] = to_units(p->in, p->weight + r * p->in);
        round_rows(p, rows);
        p->weight += rows * p->in;
        p->indexes += rows * p->in;
        p->group_scales += rows * p->groups;
    }
}

rmr_status rmr_gptq(size_t in, size_t out, float *weight, const float *gram,
                    const float *factors, uint8_t *indexes,
                    int8_t *group_scales, float *scales, rmr_error *err)
{
    float *inverse = rmr_malloc_array(in, in * sizeof *inverse);
    float *importance = rmr_malloc_array(in, sizeof *importance);
    pass p = {.in = in,
              .groups = rmr_groups(in),
              .inverse = inverse,
              .importance = importance,
              .weight = weight,
              .indexes = indexes,
              .group_scales = group_scales};
    rmr_status status = RMR_OK;
    if (!inverse || !importance) {
        status = rmr_fail_nomem(err, "calibration");
    } else {
        fill_moments(in, gram, factors, inverse);
        if (factor(in, inverse)) {
            invert(in, inverse, importance);
        } else { /* as if inputs had nothing to do with each other */
            memset(inverse, 0, in * in * sizeof *inverse);
            for (size_t i = 0; i < in; i++)
                inverse[i * in + i] = 1;
        }
        for (size_t i = 0; i < in; i++)
            importance[i] = 1 / (inverse[i * in + i] * inverse[i * in + i]);
        rmr_int4_coder_init(&p.coder);
        round_all(&p, out, scales);
    }
    rmr_free(inverse);
    rmr_free(importance);
    return status;
}
