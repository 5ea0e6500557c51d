/*
 * test_kernels_int8.c - linear layers of bytes in every tier, and of half bytes
 * that are made such: whole numbers
 * exactly, the extremes of both operands included, and the same bits in all
 * tiers and in any company. It must never allow a sum to saturate.
 */
#include <math.h>

#include "tests/unit/kernel_linear.h"

#define KERNELS_OF_LINEAR(name)
#define KERNELS_OF_INTEGER(name) cmocka_unit_test(test_##name),
#define KERNELS_OF_PACKED(name)
#define KERNELS_OF_ATTENTION(name)
#define KERNELS_OF_TABLE(name)

enum { MAX_TAIL = 40, MAX_COLUMNS = 50 };

/* --------------------------------------------------------------- exact sums */

/* Units of 1, no more: y is the sum itself, rounded once from its 32 bits. */
static kernel_shape sum_shape(rmr_dtype dtype, size_t rows, size_t in,
                              size_t out)
{
    kernel_shape shape = kernel_plain_shape(dtype, rows, in, out);
    shape.is_plain = 1;
    shape.has_bias = 0;
    return shape;
}

/* Of whole numbers, exactly. */
static int64_t sum_of(const kernel_linear *layer, size_t row, size_t column)
{
    size_t in = layer->shape.in;
    double sum = 0;
    for (size_t i = 0; i < in; i++)
        sum += layer->x[row * in + i] * layer->w[column * in + i];
    return (int64_t)sum;
}

static void check_sums(const kernel_tier *tier, kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    kernel_linear_pack(tier, layer);
    kernel_linear_write_x(layer);
    kernel_linear_run(tier, layer);
    for (size_t r = 0; r < s->rows; r++) {
        for (size_t o = 0; o < s->out; o++) {
            const float *y = kernel_linear_y(layer, r, o);
            int64_t sum = sum_of(layer, r, o);
            if (*y != (float)sum)
                kernel_fail(tier, "[%zu, %zu] of %zu inputs is %.9g, not %lld",
                            r, o, s->in, *y, (long long)sum);
        }
    }
}

/* Random bytes about the middle, so that a sum has fewer than 24 bits and is
 * seen to the last one. */
static void check_random_sums(const kernel_tier *tier, rmr_dtype dtype,
                              size_t rows, size_t in, size_t out)
{
    kernel_shape shape = sum_shape(dtype, rows, in, out);
    kernel_linear layer = kernel_linear_make(tier, &shape);
    for (size_t r = 0; r < rows; r++) {
        int32_t zero = in > 400 ? 128 : (int32_t)kernel_below(256);
        layer.row_scales[r].zero = zero;
        for (size_t i = 0; i < in; i++)
            layer.x[r * in + i] = (double)kernel_below(256) - zero;
    }
    check_sums(tier, &layer);
    for (size_t i = 0; i < rows * out; i++)
        kernel_true(tier, llabs(sum_of(&layer, i / out, i % out)) < 1 << 24);
    kernel_release(tier);
}

static void check_exact(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        check_random_sums(tier, dtype, n, 1 + kernel_below(60),
                          1 + kernel_below(150));
        check_random_sums(tier, dtype, 1 + kernel_below(30), n,
                          1 + kernel_below(50));
        check_random_sums(tier, dtype, n, n % 2 ? 384 : 1536,
                          1 + kernel_below(50));
    }
    for (size_t n = 1; n <= MAX_COLUMNS; n++)
        check_random_sums(tier, dtype, 1 + kernel_below(40),
                          1 + kernel_below(50), n);
    for (size_t rows = 1; rows <= MAX_TAIL; rows++) {
        for (size_t panels = 1; panels <= 9; panels++)
            check_random_sums(tier, dtype, rows, 1 + kernel_below(9),
                              panels * RMR_PANEL - kernel_below(RMR_PANEL));
    }
}

/* Bytes and weights that make pairs, fours, and whole sums as large as can be,
 * by the column and the row. */
static int extreme_weight(size_t pattern, size_t i)
{
    const int patterns[][4] = {{127, 127, 127, 127},
                               {-128, -128, -128, -128},
                               {-128, 127, -128, 127},
                               {127, 127, -128, -128},
                               {-127, -127, -127, -127},
                               {0, 127, 0, -128},
                               {1, 1, 1, 1},
                               {-128, -128, 127, 127}};
    return patterns[pattern % LENGTH(patterns)][i % 4];
}

static int extreme_byte(size_t pattern, size_t i)
{
    const int patterns[][4] = {{255, 255, 255, 255}, {255, 0, 255, 0},
                               {255, 255, 0, 0},     {0, 0, 0, 0},
                               {128, 128, 128, 128}, {0, 255, 255, 0},
                               {127, 128, 127, 128}};
    return patterns[pattern % LENGTH(patterns)][i % 4];
}

/* With the zero at 255, sums that are as large as can be come to 0 again, and
 * are seen to the last bit. */
static void check_extreme_sums(const kernel_tier *tier, size_t rows, size_t in,
                               size_t out, int32_t zero)
{
    kernel_shape shape = sum_shape(RMR_DTYPE_INT8, rows, in, out);
    kernel_linear layer = kernel_linear_make(tier, &shape);
    for (size_t i = 0; i < out * in; i++)
        layer.w[i] = extreme_weight(i / in, i % in);
    for (size_t i = 0; i < rows * in; i++) {
        int byte = extreme_byte(i / in, i % in);
        layer.x[i] = byte - (byte == 255 && kernel_one_in(50)) - zero;
    }
    for (size_t r = 0; r < rows; r++)
        layer.row_scales[r].zero = zero;
    check_sums(tier, &layer);
    kernel_release(tier);
}

static void check_extremes(const kernel_tier *tier)
{
    const size_t inputs[] = {1,  2,  3,  4,   5,   6,    7,    8,    9,   31,
                             32, 33, 64, 384, 385, 1536, 2048, 3072, 4096};
    const int32_t zeros[] = {0, 255, 128, 1};
    for (size_t i = 0; i < LENGTH(inputs); i++) {
        for (size_t zero = 0; zero < LENGTH(zeros); zero++) {
            size_t rows = inputs[i] > 400 ? 7 : 1 + kernel_below(30);
            check_extreme_sums(tier, rows, inputs[i], 8 + kernel_below(30),
                               zeros[zero]);
        }
    }
}

/* ------------------------------------------------------------- whole layers */

static kernel_shape any_shape(rmr_dtype dtype, size_t n)
{
    size_t rows = n % 2 ? n : 1 + kernel_below(40);
    size_t in = n % 10 == 9 ? 384 : 1 + kernel_below(70);
    return kernel_any_shape(dtype, rows, in, kernel_below(151));
}

static void check_layers(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 0; n <= 3 * MAX_TAIL; n++) {
        kernel_shape shape = any_shape(dtype, n % (MAX_TAIL + 1));
        kernel_linear_try(tier, &shape);
    }
    const size_t plain[][3] = {{0, 0, 0}, {3, 0, 37}, {257, 33, 65}, {5, 9, 0}};
    for (size_t i = 0; i < LENGTH(plain); i++) {
        kernel_shape shape =
            kernel_plain_shape(dtype, plain[i][0], plain[i][1], plain[i][2]);
        kernel_linear_try(tier, &shape);
    }
}

/* Only the polynomials of an activation are left to a tier, which may fuse
 * their products and sums: all else has the same bits as scalar C. */
static void check_as_scalar(const kernel_tier *tier, rmr_dtype dtype)
{
    const kernel_tier scalar = kernel_tier_at(0);
    for (size_t n = 1; n <= 2 * MAX_TAIL; n++) {
        kernel_shape shape = any_shape(dtype, n);
        shape.activation =
            kernel_one_in(2) ? RMR_ACTIVATION_NONE : RMR_ACTIVATION_RELU;
        shape.residual =
            kernel_one_in(2) ? KERNEL_NO_RESIDUAL : KERNEL_RESIDUAL;
        kernel_linear layer = kernel_linear_make(tier, &shape);
        size_t first = shape.first, last = shape.last;
        const void *y =
            kernel_linear_part(tier, &layer, 0, shape.rows, first, last);
        const void *same =
            kernel_linear_part(&scalar, &layer, 0, shape.rows, first, last);
        kernel_same(tier, "y as of scalar", y, same, shape.rows * shape.out,
                    rmr_dtype_size(shape.y_dtype));
        kernel_release(tier);
    }
}

/* Any rows and columns alone are those of the whole. */
static void check_parts(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        kernel_shape shape = any_shape(dtype, n);
        shape.first = 0;
        shape.last = shape.out;
        kernel_linear layer = kernel_linear_make(tier, &shape);
        const size_t size = rmr_dtype_size(shape.y_dtype);
        const size_t panels = rmr_panels(shape.out) / RMR_PANEL;
        size_t row = kernel_below(shape.rows);
        size_t rows = 1 + kernel_below(shape.rows - row);
        size_t first = panels ? kernel_below(panels) * RMR_PANEL : 0;
        size_t last = first + kernel_below(panels + 1) * RMR_PANEL;
        last = last < shape.out ? last : shape.out;
        kernel_linear_run(tier, &layer);
        const char *part =
            kernel_linear_part(tier, &layer, row, rows, first, last);
        if (shape.residual == KERNEL_RESIDUAL_IS_Y)
            kernel_linear_check(tier, &layer);
        for (size_t r = 0; r < rows; r++)
            kernel_same(
                tier, "a part of y", part + (r * shape.out + first) * size,
                kernel_linear_y(&layer, row + r, first), last - first, size);
        kernel_release(tier);
    }
}

/* A row's scale that is not finite shows in all of the row, and nowhere else.
 */
static void check_poison(const kernel_tier *tier, rmr_dtype dtype)
{
    const float bad[] = {NAN, INFINITY};
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        kernel_shape shape = kernel_plain_shape(dtype, n, 1 + kernel_below(40),
                                                1 + kernel_below(80));
        size_t row = kernel_below(n);
        kernel_linear layer = kernel_linear_make(tier, &shape);
        kernel_linear_run(tier, &layer);
        layer.row_scales[row].scale = bad[n % 2];
        const float *y = kernel_linear_part(tier, &layer, 0, n, 0, shape.out);
        for (size_t i = 0; i < n * shape.out; i++) {
            if (i / shape.out == row)
                kernel_true(tier, !isfinite(y[i]));
            else
                kernel_same(
                    tier, "another row", &y[i],
                    kernel_linear_y(&layer, i / shape.out, i % shape.out), 1,
                    sizeof *y);
        }
        kernel_release(tier);
    }
}

static void check_gates(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        kernel_shape shape = any_shape(dtype, n);
        kernel_linear_try_gate(tier, &shape);
    }
}

static void check_all(const kernel_tier *tier, rmr_dtype dtype)
{
    check_exact(tier, dtype);
    check_layers(tier, dtype);
    check_as_scalar(tier, dtype);
    check_parts(tier, dtype);
    check_gates(tier, dtype);
    check_poison(tier, dtype);
}

static void check_int8(const kernel_tier *tier)
{
    check_extremes(tier);
    check_all(tier, RMR_DTYPE_INT8);
}

static void check_int4(const kernel_tier *tier)
{
    check_all(tier, RMR_DTYPE_INT4);
}

static void test_linear_int8(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(linear_int8, check_int8);
}

static void test_linear_int4(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(linear_int4, check_int4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define RMR_KERN(name, parameters) KERNEL_TEST(name)
#include "kernels/kern.inc"
#undef RMR_KERN
    };
    kernel_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
