/*
 * test_kernels.c - the table of kernels, and those over rows of float32:
 * normalisation, activations, sums and pooling, in every tier against double
 * precision. It must never leave a kernel of the table untested: see
 * kernel_operands.h.
 */
#include <float.h>
#include <math.h>

#include "tests/unit/kernel_operands.h"

#define KERNELS_OF_LINEAR(name)
#define KERNELS_OF_INTEGER(name)
#define KERNELS_OF_PACKED(name)
#define KERNELS_OF_ATTENTION(name)
#define KERNELS_OF_TABLE(name) cmocka_unit_test(test_##name),

enum { MAX_TAIL = 40 };

static const float bad[] = {NAN, INFINITY, -INFINITY};

/* ----------------------------------------------------- layer_norm, rms_norm */

typedef struct norm_case {
    size_t rows, hidden;
    float *x, *gamma, *beta, *y; /* beta: NULL for rms_norm */
    float epsilon;
} norm_case;

static void check_norm_row(const kernel_tier *tier, const norm_case *c,
                           size_t row)
{
    const float *x = c->x + row * c->hidden, *y = c->y + row * c->hidden;
    double n = (double)c->hidden, mean = 0, variance = 0, size = 0;
    for (size_t i = 0; i < c->hidden; i++) {
        mean += c->beta ? x[i] / n : 0;
        size += fabs(x[i]) / n;
    }
    for (size_t i = 0; i < c->hidden; i++)
        variance += (x[i] - mean) * (x[i] - mean) / n;
    double inverse = 1 / sqrt(variance + c->epsilon);
    for (size_t i = 0; i < c->hidden; i++) {
        double scaled = (x[i] - mean) * inverse;
        double terms = fabs(scaled) + (size + fabs(x[i])) * inverse;
        double beta = c->beta ? c->beta[i] : 0;
        double bound =
            KERNEL_U *
            ((n / 16 + 24) * 2 * terms * fabs(c->gamma[i]) + 2 * fabs(beta));
        kernel_near(tier, "a norm", row * c->hidden + i, y[i],
                    scaled * c->gamma[i] + beta, bound);
    }
}

static norm_case make_norm(int rms, size_t rows, size_t hidden, float spread)
{
    norm_case c = {.rows = rows, .hidden = hidden, .epsilon = 1e-12f};
    c.x = kernel_floats(rows * hidden, spread);
    c.gamma = kernel_floats(hidden, 2);
    c.beta = rms ? NULL : kernel_floats(hidden, 1);
    c.y = kernel_array(rows * hidden, sizeof *c.y);
    return c;
}

static void run_norm(const kernel_tier *tier, const norm_case *c, float *y)
{
    if (c->beta)
        tier->kern.layer_norm(c->rows, c->hidden, c->x, c->gamma, c->beta,
                              c->epsilon, y);
    else
        tier->kern.rms_norm(c->rows, c->hidden, c->x, c->gamma, c->epsilon, y);
}

/* The definition; in place; and each row alone. */
static void check_norm(const kernel_tier *tier, int rms, size_t rows,
                       size_t hidden)
{
    size_t count = rows * hidden;
    norm_case c = make_norm(rms, rows, hidden, 3);
    run_norm(tier, &c, c.y);
    for (size_t r = 0; r < rows; r++)
        check_norm_row(tier, &c, r);
    norm_case in_place = c;
    in_place.x = kernel_copy(c.x, count, sizeof *c.x);
    run_norm(tier, &in_place, in_place.x);
    kernel_same(tier, "a norm in place", in_place.x, c.y, count, sizeof *c.y);
    for (size_t r = 0; r < rows; r++) {
        norm_case row = c;
        row.rows = 1;
        row.x += r * hidden;
        float *y = kernel_array(hidden, sizeof *y);
        run_norm(tier, &row, y);
        kernel_same(tier, "a norm of a row", y, c.y + r * hidden, hidden,
                    sizeof *y);
    }
    kernel_release(tier);
}

static void check_norms(const kernel_tier *tier, int rms)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        check_norm(tier, rms, kernel_below(5), n);
        check_norm(tier, rms, n, 1 + kernel_below(70));
    }
    check_norm(tier, rms, 2, 384);
    check_norm(tier, rms, 1, 1024);
    check_norm(tier, rms, 3, 1537);
}

/* A row of zeros gives beta; what is not finite makes NaN of its own row, or,
 * of infinity without a mean, at least of its own place. */
static void check_norm_edges(const kernel_tier *tier, int rms)
{
    for (size_t hidden = 1; hidden <= MAX_TAIL; hidden++) {
        norm_case c = make_norm(rms, 2, hidden, 0);
        run_norm(tier, &c, c.y);
        for (size_t i = 0; i < 2 * hidden; i++)
            kernel_true(tier, c.y[i] == (rms ? 0 : c.beta[i % hidden]));
        for (size_t i = 0; i < 3 * hidden; i++) {
            c.x[i % hidden] = bad[i / hidden];
            run_norm(tier, &c, c.y);
            for (size_t j = 0; j < 2 * hidden; j++) {
                int may_be = rms && j < hidden && isinf(c.x[i % hidden]);
                int must_be = may_be ? j == i % hidden : j < hidden;
                kernel_true(tier, isnan(c.y[j]) == must_be);
            }
            c.x[i % hidden] = 0;
        }
        kernel_release(tier);
    }
}

static void check_layer_norm(const kernel_tier *tier)
{
    check_norms(tier, 0);
    check_norm_edges(tier, 0);
}

static void check_rms_norm(const kernel_tier *tier)
{
    check_norms(tier, 1);
    check_norm_edges(tier, 1);
}

static void test_layer_norm(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(layer_norm, check_layer_norm);
}

static void test_rms_norm(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(rms_norm, check_rms_norm);
}

/* ------------------------------------------------------------- l2_normalize */

static void check_l2_edges(const kernel_tier *tier, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = 0;
    tier->kern.l2_normalize(count, x);
    for (size_t i = 0; i < count; i++)
        kernel_true(tier, x[i] == 0);
    if (!count)
        return;
    x[count - 1] = 1e-14f; /* shorter than what is divided by */
    tier->kern.l2_normalize(count, x);
    kernel_near(tier, "l2_normalize", count - 1, x[count - 1], 1e-2, 1e-8);
    x[kernel_below(count)] = NAN;
    tier->kern.l2_normalize(count, x);
    for (size_t i = 0; i < count; i++)
        kernel_true(tier, isnan(x[i]));
}

static void check_l2(const kernel_tier *tier)
{
    for (size_t n = 0; n <= MAX_TAIL + 1; n++) {
        size_t count = n > MAX_TAIL ? 1024 : n;
        float *x = kernel_floats(count, 3);
        float *before = kernel_copy(x, count, sizeof *x);
        double norm = 0;
        for (size_t i = 0; i < count; i++)
            norm += (double)x[i] * x[i];
        tier->kern.l2_normalize(count, x);
        for (size_t i = 0; i < count; i++) {
            double expected = before[i] / sqrt(norm);
            kernel_near(tier, "l2_normalize", i, x[i], expected,
                        ((double)count / 16 + 12) * KERNEL_U * fabs(expected));
        }
        check_l2_edges(tier, x, count);
        kernel_release(tier);
    }
}

static void test_l2_normalize(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(l2_normalize, check_l2);
}

/* ----------------------------------------------------------------- activate */

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_activated(const kernel_tier *tier, rmr_activation activation,
                            size_t count, float *x)
{
    float *before = kernel_copy(x, count, sizeof *x);
    tier->kern.activate(activation, count, x);
    for (size_t i = 0; i < count; i++) {
        double bound;
        double expected = kernel_activation(activation, before[i], &bound);
        if (isnan(before[i]))
            kernel_true(tier, isnan(x[i]));
        else if (!(fabs(x[i] - expected) <= bound))
            kernel_fail(tier, "activation %d of %.9g is %.9g, not %.17g",
                        (int)activation, before[i], x[i], expected);
    }
    kernel_release(tier);
}

/* Every length up to some vectors; then all exponents, both signs, and
 * fractions that differ each time; and densely where the functions bend. */
static void check_activation(const kernel_tier *tier, rmr_activation activation)
{
    for (size_t n = 0; n <= 3 * MAX_TAIL; n++)
        check_activated(tier, activation, n, kernel_floats(n, 6));
    for (uint32_t high = 0; high < 512; high++) {
        const uint32_t count = high % 256 == 255 ? 3 : 512;
        float *x = kernel_array(count, sizeof *x);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t fraction = i < 2   ? i
                                : i < 4 ? 0x7fffff - i + 2
                                        : (uint32_t)kernel_below(1 << 23);
            x[i] = of_bits(high << 23 | fraction);
        }
        if (high % 256 == 255)
            x[0] = NAN; /* instead of infinity, which is tried apart */
        check_activated(tier, activation, count, x);
    }
    for (int from = -100; from < 100; from++) {
        float *x = kernel_array(1000, sizeof *x);
        for (int i = 0; i < 1000; i++)
            x[i] = (float)from + (float)i * 1e-3f;
        check_activated(tier, activation, 1000, x);
    }
}

/* What infinity comes out as. */
static float limit_of(rmr_activation activation)
{
    int bounded = activation == RMR_ACTIVATION_SIGMOID ||
                  activation == RMR_ACTIVATION_TANH;
    return bounded ? 1 : INFINITY;
}

/* A NaN stays one, infinity is the limit, and neither reaches another value. */
static void check_activation_poison(const kernel_tier *tier,
                                    rmr_activation activation)
{
    for (size_t n = 1; n <= 2 * MAX_TAIL; n++) {
        float *x = kernel_floats(n, 1), value = n % 2 ? NAN : INFINITY;
        float *clean = kernel_copy(x, n, sizeof *x);
        size_t at = kernel_below(n);
        tier->kern.activate(activation, n, clean);
        x[at] = value;
        tier->kern.activate(activation, n, x);
        kernel_true(tier, isnan(value) ? isnan(x[at])
                                       : x[at] == limit_of(activation));
        clean[at] = x[at];
        kernel_same(tier, "activate", x, clean, n, sizeof *x);
        kernel_release(tier);
    }
}

static void check_activations(const kernel_tier *tier)
{
    for (size_t i = 0; i < LENGTH(kernel_activations); i++) {
        check_activation(tier, kernel_activations[i]);
        check_activation_poison(tier, kernel_activations[i]);
    }
}

static void test_activate(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(activate, check_activations);
}

/* ---------------------------------------------------------- add and pooling */

/* NaN in one value shows in its column, and in no other. */
static void check_pool_poison(const kernel_tier *tier, size_t rows,
                              size_t columns, float *x, float *mean, float *max)
{
    size_t column = kernel_below(columns);
    float *clean_mean = kernel_copy(mean, columns, sizeof *mean);
    float *clean_max = kernel_copy(max, columns, sizeof *max);
    x[kernel_below(rows) * columns + column] = NAN;
    tier->kern.mean_rows(rows, columns, x, mean);
    tier->kern.max_rows(rows, columns, x, max);
    kernel_true(tier, isnan(mean[column]) && isnan(max[column]));
    clean_mean[column] = mean[column];
    clean_max[column] = max[column];
    kernel_same(tier, "mean_rows", mean, clean_mean, columns, sizeof *mean);
    kernel_same(tier, "max_rows", max, clean_max, columns, sizeof *max);
}

static void check_pool(const kernel_tier *tier, size_t rows, size_t columns)
{
    float *x = kernel_floats(rows * columns, 3);
    float *mean = kernel_array(columns, sizeof *mean);
    float *max = kernel_array(columns, sizeof *max);
    double n = (double)rows;
    tier->kern.mean_rows(rows, columns, x, mean);
    tier->kern.max_rows(rows, columns, x, max);
    for (size_t c = 0; c < columns; c++) {
        double sum = 0, size = 0, largest = -INFINITY;
        for (size_t r = 0; r < rows; r++) {
            sum += x[r * columns + c];
            size += fabs(x[r * columns + c]);
            largest = fmax(largest, x[r * columns + c]);
        }
        kernel_near(tier, "mean_rows", c, mean[c], sum / n,
                    (n + 1) * KERNEL_U * size / n);
        kernel_near(tier, "max_rows", c, max[c], largest, 0);
    }
    if (columns)
        check_pool_poison(tier, rows, columns, x, mean, max);
    kernel_release(tier);
}

static void check_pools(const kernel_tier *tier)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        check_pool(tier, 1 + kernel_below(40), n);
        check_pool(tier, 1 + n, 1 + kernel_below(40));
    }
    check_pool(tier, 512, 384);
    const float low[] = {-INFINITY, -FLT_MAX, -INFINITY, -INFINITY};
    float max[2];
    tier->kern.max_rows(2, 2, low, max);
    kernel_true(tier, max[0] == -INFINITY && max[1] == -FLT_MAX);
}

static void test_mean_rows(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(mean_rows, check_pools);
}

static void test_max_rows(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(max_rows, check_pools);
}

/* -------------------------------------------------------------------- table */

/* Each tier fills the whole table, and the last has all that this CPU runs. */
static void test_table(void **unused)
{
    (void)unused;
    kernel_tier tier = {0};
    for (size_t i = 0; i < kernel_num_tiers(); i++) {
        tier = kernel_tier_at(i);
#define RMR_KERN(name, parameters) kernel_true(&tier, tier.kern.name != NULL);
#include "kernels/kern.inc"
#undef RMR_KERN
        print_message("tier %s\n", tier.name);
    }
    assert_int_equal(tier.mask, rmr_kern_tiers());
#if !RMR_WITHOUT_BLAS
    assert_true(tier.mask & RMR_TIER_BLAS);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
#define RMR_KERN(name, parameters) KERNEL_TEST(name)
#include "kernels/kern.inc"
#undef RMR_KERN
    };
    kernel_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
