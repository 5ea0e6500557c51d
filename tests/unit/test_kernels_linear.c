/*
 * test_kernels_linear.c - linear layers of float32 and bfloat16 in every tier,
 * against double precision, with everything that can be asked of one: columns,
 * strides, bias, activation, residual, type of y. It must never allow a row
 * other bits in company than alone, but where the tier says that it may.
 */
#include <math.h>

#include "tests/unit/kernel_linear.h"

#define KERNELS_OF_LINEAR(name) cmocka_unit_test(test_##name),
#define KERNELS_OF_INTEGER(name)
#define KERNELS_OF_PACKED(name)
#define KERNELS_OF_ATTENTION(name)
#define KERNELS_OF_TABLE(name)

enum { MAX_TAIL = 40, MAX_COLUMNS = 50 };

static void try_any(const kernel_tier *tier, rmr_dtype dtype, size_t rows,
                    size_t in, size_t out)
{
    kernel_shape shape = kernel_any_shape(dtype, rows, in, out);
    kernel_linear_try(tier, &shape);
}

static void try_plain(const kernel_tier *tier, rmr_dtype dtype, size_t rows,
                      size_t in, size_t out)
{
    kernel_shape shape = kernel_plain_shape(dtype, rows, in, out);
    kernel_linear_try(tier, &shape);
}

/* ------------------------------------------------------------------- shapes */

/* Every number of rows, inputs and columns up to some tiles; sizes of models;
 * nothing at all. */
static void check_shapes(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        try_any(tier, dtype, n, 1 + kernel_below(50), 1 + kernel_below(150));
        try_any(tier, dtype, 1 + kernel_below(30), n, 1 + kernel_below(50));
        try_any(tier, dtype, n, n % 2 ? 384 : 64, 1 + kernel_below(50));
    }
    for (size_t n = 0; n <= MAX_COLUMNS; n++) {
        try_any(tier, dtype, 1 + kernel_below(40), 1 + kernel_below(50), n);
        try_plain(tier, dtype, 1 + kernel_below(40), 1 + kernel_below(9), n);
    }
    try_plain(tier, dtype, 3, 0, 37);
    try_plain(tier, dtype, 0, 0, 0);
    try_plain(tier, dtype, 7, 384, 150);
    try_plain(tier, dtype, 257, 33, 65);
    try_plain(tier, dtype, 25, 384, 384);
    try_plain(tier, dtype, 1, 1536, 16);
    try_any(tier, dtype, 13, 1536, 50);
    for (size_t rows = 90; rows <= 300; rows += 1 + kernel_below(40)) {
        kernel_shape shape = kernel_any_shape(dtype, rows, 1 + kernel_below(40),
                                              1 + kernel_below(50));
        shape.is_loose = 1;
        kernel_linear_try(tier, &shape);
    }
}

/* Every number of rows beside every number of panels: each tile, and each way
 * to put tiles together. */
static void check_tiles(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t rows = 1; rows <= MAX_TAIL; rows++) {
        for (size_t panels = 1; panels <= 9; panels++) {
            size_t out = panels * RMR_PANEL - kernel_below(RMR_PANEL);
            try_plain(tier, dtype, rows, 1 + kernel_below(6), out);
        }
    }
}

/* Each combination of what comes after the sums. */
static void check_epilogues(const kernel_tier *tier, rmr_dtype dtype)
{
    enum { KINDS = KERNEL_ACTIVATIONS };
    for (size_t i = 0; i < KINDS * 2 * 3 * 2 * 2; i++) {
        kernel_shape shape =
            kernel_plain_shape(dtype, 1 + kernel_below(16),
                               1 + kernel_below(40), 1 + kernel_below(100));
        shape.activation = kernel_activations[i % KINDS];
        shape.has_bias = i / KINDS % 2 == 0;
        shape.residual = (kernel_residual)(i / KINDS / 2 % 3);
        shape.y_dtype = i / KINDS / 6 % 2 ? RMR_DTYPE_BF16 : RMR_DTYPE_F32;
        shape.is_loose = i / KINDS / 12 == 1;
        if (shape.y_dtype == RMR_DTYPE_BF16 &&
            shape.residual == KERNEL_RESIDUAL_IS_Y)
            continue;
        kernel_linear_try(tier, &shape);
    }
}

static void check_gates(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 1; n <= 2 * MAX_TAIL; n++) {
        kernel_shape shape = kernel_any_shape(dtype, 1 + kernel_below(30),
                                              1 + kernel_below(50), n);
        kernel_linear_try_gate(tier, &shape);
    }
}

/* --------------------------------------------------------------- invariance */

/* Above OpenBLAS, whose products of float32 a packed tier replaces. */
static int is_packed(const kernel_tier *tier)
{
    return (tier->mask & ~(uint32_t)RMR_TIER_BLAS) != 0;
}

/* OpenBLAS sums in an order that depends on how many rows there are. */
static int is_invariant(const kernel_tier *tier, rmr_dtype dtype)
{
    return dtype != RMR_DTYPE_F32 || is_packed(tier) || !tier->mask;
}

/* Of all tiers, to be said of those that may. */
static size_t all_compared, all_other;

/* Rows [row, row + rows) and columns [first, last) alone are those of y. */
static size_t count_other(const kernel_tier *tier, const kernel_linear *layer,
                          size_t row, size_t rows, size_t first, size_t last)
{
    size_t size = rmr_dtype_size(layer->shape.y_dtype), mark = kernel_mark();
    size_t out = layer->shape.out, other = 0;
    const char *y = kernel_linear_part(tier, layer, row, rows, first, last);
    for (size_t r = 0; r < rows; r++) {
        const char *part = y + r * out * size;
        other +=
            memcmp(part + first * size, kernel_linear_y(layer, row + r, first),
                   (last - first) * size) != 0;
        kernel_true(tier, kernel_is_untouched(part, first * size));
        kernel_true(
            tier, kernel_is_untouched(part + last * size, (out - last) * size));
    }
    kernel_release_to(tier, mark);
    return other;
}

static void check_parts(const kernel_tier *tier, const kernel_linear *layer)
{
    size_t rows = layer->shape.rows, out = layer->shape.out, other = 0;
    size_t compared = 0, panels = rmr_panels(out) / RMR_PANEL;
    for (size_t n = 1; n <= rows; n += n < 60 ? 1 : 7) {
        size_t first = kernel_below(panels) * RMR_PANEL;
        size_t last = first + (1 + kernel_below(panels)) * RMR_PANEL;
        last = last < out ? last : out;
        other +=
            count_other(tier, layer, kernel_below(rows - n + 1), n, 0, out);
        other += count_other(tier, layer, kernel_below(rows - n + 1), n, first,
                             last);
        compared += 2 * n;
    }
    for (size_t r = 0; r < rows; r++)
        other += count_other(tier, layer, r, 1, 0, out);
    all_compared += compared + rows;
    all_other += other;
    if (other && is_invariant(tier, layer->shape.dtype))
        kernel_fail(tier, "%zu of %zu rows have other bits in other company",
                    other, compared + rows);
}

static void check_invariance(const kernel_tier *tier, rmr_dtype dtype)
{
    const size_t shapes[][2] = {{384, 48}, {33, 100}, {64, 16}, {7, 145}};
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        kernel_shape shape =
            kernel_any_shape(dtype, 131, shapes[i][0], shapes[i][1]);
        shape.first = 0;
        shape.last = shape.out;
        kernel_linear layer = kernel_linear_make(tier, &shape);
        kernel_linear_run(tier, &layer);
        check_parts(tier, &layer);
        kernel_release(tier);
    }
}

/* The packed tiers say that they sum float32 in one order, and fused. */
static void check_as_lowest_packed(const kernel_tier *tier)
{
    kernel_tier lowest = kernel_tier_at(0);
    for (size_t i = 1; i < kernel_num_tiers() && !is_packed(&lowest); i++)
        lowest = kernel_tier_at(i);
    if (!is_packed(tier))
        return;
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        kernel_shape shape = kernel_plain_shape(
            RMR_DTYPE_F32, n, 1 + kernel_below(300), 1 + kernel_below(150));
        kernel_linear layer = kernel_linear_make(tier, &shape);
        size_t out = shape.out;
        const void *y = kernel_linear_part(tier, &layer, 0, n, 0, out);
        const void *same = kernel_linear_part(&lowest, &layer, 0, n, 0, out);
        kernel_same(tier, "y as of the lowest packed tier", y, same, n * out,
                    sizeof(float));
        kernel_release(tier);
    }
}

/* --------------------------------------------------------- NaN and infinity */

static int is_finite(const kernel_linear *layer, size_t row, size_t column)
{
    const void *y = kernel_linear_y(layer, row, column);
    if (layer->shape.y_dtype == RMR_DTYPE_BF16)
        return isfinite(kernel_from_bf16(*(const uint16_t *)y));
    return isfinite(*(const float *)y);
}

/* Runs again what was changed in a row, or a column, or both (SIZE_MAX: in all
 * of them): that is not finite, and the rest has the bits it had. */
static void check_spread(const kernel_tier *tier, kernel_linear *layer,
                         size_t row, size_t column)
{
    const kernel_shape *s = &layer->shape;
    size_t size = rmr_dtype_size(s->y_dtype);
    const char *before = layer->args.y;
    layer->args.y =
        kernel_rows(s->rows, s->out * size, layer->args.y_stride, 0);
    kernel_linear_run(tier, layer);
    for (size_t r = 0; r < s->rows; r++) {
        for (size_t o = 0; o < s->out; o++) {
            const char *was = before + r * layer->args.y_stride + o * size;
            if ((r == row || row == SIZE_MAX) &&
                (o == column || column == SIZE_MAX))
                kernel_true(tier, !is_finite(layer, r, o));
            else
                kernel_same(tier, "beside what is not finite",
                            kernel_linear_y(layer, r, o), was, 1, size);
        }
    }
}

/* Of an activation NaN comes through, infinity not always. */
static kernel_linear make_poisonable(const kernel_tier *tier, rmr_dtype dtype,
                                     float bad)
{
    kernel_shape shape =
        kernel_any_shape(dtype, 1 + kernel_below(30), 1 + kernel_below(40),
                         1 + kernel_below(80));
    shape.first = 0;
    shape.last = shape.out;
    shape.has_bias = 1;
    shape.residual = KERNEL_RESIDUAL;
    if (!isnan(bad))
        shape.activation = RMR_ACTIVATION_NONE;
    kernel_linear layer = kernel_linear_make(tier, &shape);
    kernel_linear_run(tier, &layer);
    return layer;
}

static void check_poison(const kernel_tier *tier, rmr_dtype dtype)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 4 * 3 * 10; i++) {
        float value = bad[i / 4 % 3];
        kernel_linear layer = make_poisonable(tier, dtype, value);
        const kernel_shape *s = &layer.shape;
        size_t row = kernel_below(s->rows), column = kernel_below(s->out);
        size_t input = kernel_below(s->in);
        if (i % 4 == 0) {
            layer.x[row * s->in + input] = value;
            kernel_linear_write_x(&layer);
            check_spread(tier, &layer, row, SIZE_MAX);
        } else if (i % 4 == 1) {
            layer.w[column * s->in + input] = value;
            kernel_linear_pack(tier, &layer);
            check_spread(tier, &layer, SIZE_MAX, column);
        } else if (i % 4 == 2) {
            layer.bias[column] = value;
            check_spread(tier, &layer, SIZE_MAX, column);
        } else {
            char *at = (char *)layer.args.residual;
            at += row * layer.args.residual_stride;
            ((float *)at)[column] = value;
            check_spread(tier, &layer, row, column);
        }
        kernel_release(tier);
    }
}

/* -------------------------------------------------------------- all of them */

static void check_all(const kernel_tier *tier, rmr_dtype dtype)
{
    check_shapes(tier, dtype);
    check_tiles(tier, dtype);
    check_epilogues(tier, dtype);
    check_gates(tier, dtype);
    check_invariance(tier, dtype);
    check_poison(tier, dtype);
}

static void check_f32(const kernel_tier *tier)
{
    check_all(tier, RMR_DTYPE_F32);
}

static void check_bf16(const kernel_tier *tier)
{
    check_all(tier, RMR_DTYPE_BF16);
}

static void test_linear_f32(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(linear_f32, check_f32);
    print_message("%zu of %zu rows, all of OpenBLAS, have other bits in other "
                  "company\n",
                  all_other, all_compared);
    KERNEL_EACH_TIER(linear_f32, check_as_lowest_packed);
}

static void test_linear_bf16(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(linear_bf16, check_bf16);
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
