/*
 * test_kernels_packed.c - the order of packed weights, and float32 values to
 * bfloat16 and to bytes: each against its definition, the edges of float32
 * included. It must never take a rounding that is nearly right.
 */
#include <float.h>
#include <math.h>

#include "tests/unit/kernel_operands.h"
#include "kernels/pack.h"

#define KERNELS_OF_LINEAR(name)
#define KERNELS_OF_INTEGER(name)
#define KERNELS_OF_PACKED(name) cmocka_unit_test(test_##name),
#define KERNELS_OF_ATTENTION(name)
#define KERNELS_OF_TABLE(name)

enum { MAX_TAIL = 40 };

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ------------------------------------------------------------------- panels */

/* Bytes of input i of column c in panels: NULL where there is no such step. */
static const char *place_of(const void *panels, rmr_dtype dtype, size_t in,
                            size_t i, size_t c)
{
    size_t values = RMR_STEP / rmr_dtype_size(dtype);
    size_t panel = c / RMR_PANEL, step = i / values;
    size_t steps_before = panel * ((in + values - 1) / values) + step;
    size_t columns_before = steps_before * RMR_PANEL + c % RMR_PANEL;
    return (const char *)panels + columns_before * RMR_STEP +
           i % values * rmr_dtype_size(dtype);
}

static double value_of(rmr_dtype dtype, const char *place)
{
    if (dtype == RMR_DTYPE_F32)
        return *(const float *)place;
    if (dtype == RMR_DTYPE_BF16)
        return kernel_from_bf16(*(const uint16_t *)place);
    return *(const int8_t *)place;
}

/* w [out, in], and 0 in whole steps and panels beside it. */
static void check_panels(const kernel_tier *tier, rmr_dtype dtype, size_t in,
                         size_t out, const double *w, const void *panels)
{
    size_t values = RMR_STEP / rmr_dtype_size(dtype);
    size_t inputs = rmr_steps(dtype, in) * values;
    for (size_t c = 0; c < rmr_panels(out); c++) {
        for (size_t i = 0; i < inputs; i++) {
            double expected = i < in && c < out ? w[c * in + i] : 0;
            const char *place = place_of(panels, dtype, in, i, c);
            kernel_near(tier, "packed", c * inputs + i, value_of(dtype, place),
                        expected, 0);
        }
    }
}

/* OpenBLAS reads a weight as it was. */
static void check_pack_f32(const kernel_tier *tier, size_t in, size_t out)
{
    float *weight = kernel_floats(in * out, 1);
    double *w = kernel_array(in * out, sizeof *w);
    void *panels = kernel_array(rmr_panels_bytes(RMR_DTYPE_F32, in, out), 1);
    for (size_t i = 0; i < in * out; i++)
        w[i] = weight[i];
    tier->kern.pack_f32(in, out, weight, panels);
    if (tier->mask == RMR_TIER_BLAS)
        kernel_same(tier, "a weight as it was", panels, weight, in * out,
                    sizeof *weight);
    else
        check_panels(tier, RMR_DTYPE_F32, in, out, w, panels);
    kernel_release(tier);
}

static void check_pack_bf16(const kernel_tier *tier, size_t in, size_t out)
{
    float *weight = kernel_floats(in * out, 1);
    double *w = kernel_array(in * out, sizeof *w);
    void *panels = kernel_array(rmr_panels_bytes(RMR_DTYPE_BF16, in, out), 1);
    for (size_t i = 0; i < in * out; i++)
        w[i] = kernel_from_bf16(kernel_to_bf16(weight[i]));
    rmr_pack_bf16(in, out, weight, panels);
    check_panels(tier, RMR_DTYPE_BF16, in, out, w, panels);
    kernel_release(tier);
}

static void check_pack_int8(const kernel_tier *tier, size_t in, size_t out)
{
    int8_t *values = kernel_array(in * out, 1);
    double *w = kernel_array(in * out, sizeof *w);
    void *panels = kernel_array(rmr_panels_bytes(RMR_DTYPE_INT8, in, out), 1);
    int32_t *sums = kernel_array(rmr_panels(out), sizeof *sums);
    for (size_t i = 0; i < in * out; i++)
        w[i] = values[i] = (int8_t)((int)kernel_below(256) - 128);
    rmr_pack_int8(in, out, values, panels, sums);
    check_panels(tier, RMR_DTYPE_INT8, in, out, w, panels);
    for (size_t c = 0; c < rmr_panels(out); c++) {
        double sum = 0;
        for (size_t i = 0; c < out && i < in; i++)
            sum += w[c * in + i];
        kernel_near(tier, "sums", c, sums[c], sum, 0);
    }
    kernel_release(tier);
}

/* The byte of input i of column c, of which it is the lower half or, in every
 * second step, the upper one. */
static unsigned int4_at(const uint8_t *panels, size_t in, size_t i, size_t c)
{
    size_t groups = (in + RMR_GROUP - 1) / RMR_GROUP;
    size_t pair = i / 8, column = c % RMR_PANEL;
    size_t at = c / RMR_PANEL * groups * 4 + pair;
    uint8_t byte = panels[(at * RMR_PANEL + column) * 4 + i % 4];
    return i % 8 < 4 ? byte & 15 : byte >> 4;
}

static void check_pack_int4(const kernel_tier *tier, size_t in, size_t out)
{
    size_t groups = rmr_groups(in), columns = rmr_panels(out);
    uint8_t *indexes = kernel_array(in * out, 1);
    int8_t *scales = kernel_array(out * groups, 1);
    uint8_t *panels =
        kernel_array(rmr_panels_bytes(RMR_DTYPE_INT4, in, out), 1);
    int8_t *packed = kernel_array(columns * groups, 1);
    int32_t *sums = kernel_array(columns, sizeof *sums);
    for (size_t i = 0; i < in * out; i++)
        indexes[i] = (uint8_t)kernel_below(16);
    for (size_t i = 0; i < out * groups; i++)
        scales[i] = (int8_t)((int)kernel_below(256) - 128);
    rmr_pack_int4(in, out, indexes, scales, panels, packed, sums);
    for (size_t c = 0; c < columns; c++) {
        double sum = 0;
        for (size_t i = 0; i < groups * RMR_GROUP; i++) {
            size_t at = c / RMR_PANEL * groups + i / RMR_GROUP;
            int is_there = c < out && i < in;
            int scale = c < out ? scales[c * groups + i / RMR_GROUP] : 0;
            unsigned index = is_there ? indexes[c * in + i] : 0;
            kernel_true(tier, int4_at(panels, in, i, c) == index);
            kernel_true(tier, packed[at * RMR_PANEL + c % RMR_PANEL] == scale);
            if (is_there)
                sum += floor(rmr_int4_levels[index] * scale / 128.0 + 0.5);
        }
        kernel_near(tier, "sums", c, sums[c], sum, 0);
    }
    kernel_release(tier);
}

typedef void check_pack(const kernel_tier *tier, size_t in, size_t out);

static void check_pack_shapes(const kernel_tier *tier, check_pack *check)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        check(tier, n, 1 + kernel_below(50));
        check(tier, 1 + kernel_below(50), n);
    }
    check(tier, 384, 150);
    check(tier, 1536, 16);
    check(tier, 5, 0);
}

static void check_pack_f32_shapes(const kernel_tier *tier)
{
    check_pack_shapes(tier, check_pack_f32);
}

static void test_pack_f32(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(pack_f32, check_pack_f32_shapes);
}

static void check_other_packs(const kernel_tier *tier)
{
    check_pack_shapes(tier, check_pack_bf16);
    check_pack_shapes(tier, check_pack_int8);
    check_pack_shapes(tier, check_pack_int4);
}

/* What is not a tier's own is tried once. */
static void test_packs_of_all_tiers(void **unused)
{
    (void)unused;
    kernel_one_tier(check_other_packs);
}

/* --------------------------------------------------------- weights to bytes */

/* A column's unit is the smallest that holds it in [-127, 127], and each of
 * its values the nearest multiple. */
static void check_column(const kernel_tier *tier, size_t in, const float *w,
                         const int8_t *values, float scale)
{
    double largest = 0;
    for (size_t i = 0; i < in; i++)
        largest = fabsf(w[i]) > largest ? fabsf(w[i]) : largest;
    kernel_true(tier, isfinite(scale) && scale > 0);
    if (largest > 0x1p-100) /* below, the unit's own rounding shows */
        kernel_near(tier, "unit", 0, scale, largest / 127,
                    2 * KERNEL_U * largest / 127);
    for (size_t i = 0; i < in; i++) {
        double v = values[i], unit = scale;
        kernel_true(tier, v >= -127 && v <= 127);
        kernel_near(tier, "unit times value", i, unit * v, w[i],
                    unit * (0.5 + 1e-4));
    }
}

static void check_quantize_int8(const kernel_tier *tier, size_t in, size_t out,
                                float spread)
{
    float *weight = kernel_floats(in * out, spread);
    int8_t *values = kernel_array(in * out, 1);
    float *scales = kernel_array(out, sizeof *scales);
    if (out > 2) /* a column of zeros */
        memset(weight + in, 0, in * sizeof *weight);
    rmr_quantize_int8(in, out, weight, values, scales);
    for (size_t c = 0; c < out; c++)
        check_column(tier, in, weight + c * in, values + c * in, scales[c]);
    kernel_release(tier);
}

/* The square error of a group with a scale, each value by its best index. */
static double int4_error(size_t count, const double *x, int scale)
{
    double error = 0;
    for (size_t i = 0; i < count; i++) {
        double least = INFINITY;
        for (unsigned index = 0; index < 16; index++) {
            double off = x[i] - rmr_int4_value(index, (int8_t)scale);
            least = fmin(least, off * off);
        }
        error += least;
    }
    return error;
}

/* A group's scale and indexes are nearly as good as the best of all. */
static void check_int4_group(const kernel_tier *tier, size_t count,
                             const float *w, const uint8_t *indexes, int scale,
                             double unit)
{
    double x[RMR_GROUP], error = 0, least = INFINITY, largest = 0;
    for (size_t i = 0; i < count; i++) {
        x[i] = w[i] / unit;
        largest = fmax(largest, fabs(x[i]));
        double off = x[i] - rmr_int4_value(indexes[i], (int8_t)scale);
        error += off * off;
    }
    for (int any = -127; any <= 127; any++)
        least = fmin(least, int4_error(count, x, any));
    /* Few values may fit some scale by chance. */
    double chance = count < RMR_GROUP ? 0.04 * largest : 0;
    if (error > 1.3 * least + (double)count * (chance * chance + 0.1))
        kernel_fail(tier, "a group of %zu has the error %g, not %g", count,
                    error, least);
}

static void check_quantize_int4(const kernel_tier *tier, size_t in, size_t out,
                                float spread)
{
    size_t groups = rmr_groups(in), row_bytes = (in + 1) / 2;
    float *weight = kernel_floats(in * out, spread);
    uint8_t *indexes = kernel_array(in * out, 1);
    uint8_t *bytes = kernel_array(row_bytes * out, 1);
    int8_t *group_scales = kernel_array(groups * out, 1);
    int8_t *same_groups = kernel_array(groups * out, 1);
    float *scales = kernel_array(out, sizeof *scales);
    float *same = kernel_array(out, sizeof *same);
    if (out > 2) /* a column of zeros */
        memset(weight + in, 0, in * sizeof *weight);
    rmr_quantize_int4(in, out, weight, indexes, group_scales, scales);
    rmr_quantize_int4_rows(in, out, weight, bytes, same_groups, same);
    kernel_same(tier, "scales", scales, same, out, sizeof *same);
    kernel_same(tier, "scales of groups", group_scales, same_groups,
                groups * out, 1);
    for (size_t i = 0; i < in * out; i++) {
        uint8_t byte = bytes[i / in * row_bytes + i % in / 2];
        unsigned index = i % in % 2 ? byte >> 4 : byte & 15;
        kernel_true(tier, index == indexes[i]);
    }
    for (size_t g = 0; g < groups * out; g++) {
        size_t c = g / groups, first = g % groups * RMR_GROUP;
        size_t count = in - first < RMR_GROUP ? in - first : RMR_GROUP;
        size_t at = c * in + first;
        kernel_true(tier, isfinite(scales[c]) && scales[c] > 0);
        check_int4_group(tier, count, weight + at, indexes + at,
                         group_scales[g], scales[c]);
    }
    kernel_release(tier);
}

static void check_quantize_weights(const kernel_tier *tier)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        check_quantize_int8(tier, n, 1 + kernel_below(40), 1);
        check_quantize_int8(tier, 1 + kernel_below(40), n, 0.01f);
        check_quantize_int4(tier, n, 1 + kernel_below(4), 1);
        check_quantize_int4(tier, 1 + kernel_below(100), n % 5, 0.01f);
    }
    check_quantize_int8(tier, 384, 64, 0.1f);
    /* Of every size, down to where a unit cannot be told from 0. */
    for (int exponent = -149; exponent <= 127; exponent++)
        check_quantize_int8(tier, 1 + kernel_below(20), 8, ldexpf(1, exponent));
    for (int exponent = -149; exponent <= 127; exponent += 4)
        check_quantize_int4(tier, 1 + kernel_below(40), 3, ldexpf(1, exponent));
}

static void test_quantize_weights(void **unused)
{
    (void)unused;
    kernel_one_tier(check_quantize_weights);
}

/* -------------------------------------------------------------- to bfloat16 */

/* One row of all values, from a buffer of them. */
static void check_bf16_row(const kernel_tier *tier, size_t count,
                           const float *x)
{
    size_t bytes = rmr_row_bytes(RMR_DTYPE_BF16, count);
    uint16_t *y = kernel_array(bytes, 1);
    tier->kern.to_bf16(1, count, x, y, bytes);
    for (size_t i = 0; i < bytes / 2; i++) {
        uint16_t expected = i < count ? kernel_to_bf16(x[i]) : 0;
        if (i < count && isnan(x[i])) {
            kernel_true(tier, isnan(kernel_from_bf16(y[i])));
            kernel_true(tier, y[i] >> 15 == expected >> 15);
        } else if (y[i] != expected) {
            kernel_fail(tier, "%.9g to bfloat16 %#x, not %#x",
                        i < count ? x[i] : 0, y[i], expected);
        }
    }
}

/* Every upper half with the lower halves at which rounding turns. */
static void check_bf16_values(const kernel_tier *tier)
{
    const uint32_t lower[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
    enum { ROW = 4099 };
    uint32_t high = 0, total = 65536 * LENGTH(lower);
    while (high < total) {
        uint32_t count = total - high < ROW ? total - high : ROW;
        float *x = kernel_array(count, sizeof *x);
        for (uint32_t i = 0; i < count; i++, high++)
            x[i] = of_bits(high / LENGTH(lower) << 16 |
                           lower[high % LENGTH(lower)]);
        check_bf16_row(tier, count, x);
        kernel_release(tier);
    }
}

/* Rows of every width, with gaps between those of y, which begin anywhere. */
static void check_bf16_rows(const kernel_tier *tier)
{
    for (size_t n = 0; n <= 3 * MAX_TAIL; n++) {
        size_t columns = n <= MAX_TAIL ? n : 1 + kernel_below(700);
        size_t rows = kernel_below(6);
        size_t bytes = rmr_row_bytes(RMR_DTYPE_BF16, columns);
        size_t stride = bytes + RMR_STEP * kernel_below(20);
        float *x = kernel_floats(rows * columns, 3);
        char *y = kernel_rows(rows, bytes, stride, RMR_STEP * kernel_below(16));
        tier->kern.to_bf16(rows, columns, x, y, stride);
        for (size_t i = 0; i < rows * (bytes / 2); i++) {
            size_t row = i / (bytes / 2), column = i % (bytes / 2);
            uint16_t expected = 0;
            if (column < columns)
                expected = kernel_to_bf16(x[row * columns + column]);
            kernel_same(tier, "y of to_bf16", y + row * stride + 2 * column,
                        &expected, 1, sizeof expected);
        }
        kernel_release(tier);
    }
}

static void test_to_bf16(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(to_bf16, check_bf16_values);
    KERNEL_EACH_TIER(to_bf16, check_bf16_rows);
}

/* ----------------------------------------------------------------- to bytes */

typedef struct bytes_case {
    size_t rows, columns, stride;
    float *x;
    unsigned char *y;
    rmr_row_scale *scales;
} bytes_case;

static bytes_case make_bytes(size_t rows, size_t columns)
{
    bytes_case c = {.rows = rows, .columns = columns};
    size_t bytes = rmr_row_bytes(RMR_DTYPE_INT8, columns);
    c.stride = bytes + RMR_STEP * kernel_below(20);
    c.x = kernel_floats(rows * columns, 3);
    c.y = kernel_rows(rows, bytes, c.stride, RMR_STEP * kernel_below(16));
    c.scales = kernel_array(rows, sizeof *c.scales);
    return c;
}

static void run_bytes(const kernel_tier *tier, const bytes_case *c)
{
    tier->kern.quantize_rows(c->rows, c->columns, c->x, NULL, c->y, c->stride,
                             c->scales);
}

/* The byte of a value is within half a unit of it, and the byte `zero` is 0. A
 * unit is not larger than what it takes. */
static void check_row(const kernel_tier *tier, const bytes_case *c, size_t row)
{
    const float *x = c->x + row * c->columns;
    const unsigned char *y = c->y + row * c->stride;
    double unit = c->scales[row].scale, lowest = 0, highest = 0;
    int32_t zero = c->scales[row].zero;
    kernel_true(tier, isfinite(unit) && unit > 0);
    kernel_true(tier, zero >= 0 && zero <= 255);
    for (size_t i = 0; i < c->columns; i++) {
        double value = unit * ((double)y[i] - zero);
        kernel_near(tier, "unit (q - zero)", i, value, x[i],
                    unit * (0.5 + 1e-4));
        if (x[i] == 0)
            kernel_true(tier, y[i] == zero);
        lowest = fmin(lowest, x[i]);
        highest = fmax(highest, x[i]);
    }
    if (highest - lowest > 0x1p-100)
        kernel_near(tier, "a row's unit", row, unit, (highest - lowest) / 255,
                    4 * KERNEL_U * unit);
    for (size_t i = c->columns; i < rmr_row_bytes(RMR_DTYPE_INT8, c->columns);
         i++)
        kernel_true(tier, y[i] == 0);
}

static void check_bytes(const kernel_tier *tier, const bytes_case *c)
{
    run_bytes(tier, c);
    for (size_t r = 0; r < c->rows; r++)
        check_row(tier, c, r);
}

static void check_bytes_rows(const kernel_tier *tier)
{
    for (size_t n = 0; n <= 3 * MAX_TAIL; n++) {
        size_t columns = n <= MAX_TAIL ? n : 1 + kernel_below(700);
        bytes_case c = make_bytes(kernel_below(7), columns);
        for (size_t i = 0; i < c.rows * columns; i++) {
            size_t kind = (i / columns + n) % 5;
            if (kind == 1) /* of one sign */
                c.x[i] = fabsf(c.x[i]);
            else if (kind == 2)
                c.x[i] = -1 - fabsf(c.x[i]);
            else if (kind == 3) /* nothing but 0 */
                c.x[i] = i % 2 ? 0.0f : -0.0f;
            else if (kind == 4 && kernel_one_in(2))
                c.x[i] = 0;
        }
        check_bytes(tier, &c);
        kernel_release(tier);
    }
}

/* Values of every size whose range float32 can hold. */
static void check_bytes_sizes(const kernel_tier *tier)
{
    for (int exponent = -149; exponent <= 126; exponent++) {
        bytes_case c = make_bytes(3, 1 + kernel_below(40));
        for (size_t i = 0; i < c.rows * c.columns; i++)
            c.x[i] = ldexpf(kernel_signed(1), exponent);
        check_bytes(tier, &c);
        kernel_release(tier);
    }
}

/* Both ends half way between two bytes, so that both may be rounded away from
 * 0, one more than a byte holds. */
static void check_bytes_ties(const kernel_tier *tier)
{
    for (size_t n = 0; n < 255; n++) {
        float unit = ldexpf(1, (int)kernel_below(20) - 10);
        bytes_case c = make_bytes(2, 2 + kernel_below(40));
        for (size_t i = 0; i < c.rows * c.columns; i++)
            c.x[i] = unit * (i % c.columns == 0   ? -((float)n + 0.5f)
                             : i % c.columns == 1 ? 254.5f - (float)n
                                                  : 0);
        check_bytes(tier, &c);
        kernel_release(tier);
    }
}

/* A row has the same scale and zero in all tiers; what a byte is rounded from
 * may be fused or not. */
static void check_scales_as_scalar(const kernel_tier *tier)
{
    const kernel_tier scalar = kernel_tier_at(0);
    for (size_t n = 1; n <= 3 * MAX_TAIL; n++) {
        size_t columns = n <= MAX_TAIL ? n : 1 + kernel_below(700);
        bytes_case c = make_bytes(1 + kernel_below(5), columns), same = c;
        same.scales = kernel_array(c.rows, sizeof *same.scales);
        run_bytes(tier, &c);
        run_bytes(&scalar, &same);
        kernel_same(tier, "scales as of scalar", c.scales, same.scales, c.rows,
                    sizeof *c.scales);
        kernel_release(tier);
    }
}

/* What is not finite shows in its row's scale, and in no other row. */
static void check_bytes_poison(const kernel_tier *tier)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t n = 1; n <= 3 * MAX_TAIL; n++) {
        bytes_case c = make_bytes(1 + kernel_below(6), 1 + kernel_below(80));
        size_t row = kernel_below(c.rows);
        c.x[row * c.columns + kernel_below(c.columns)] = bad[n % 3];
        if (n % 4 == 0)
            c.x[row * c.columns + kernel_below(c.columns)] = bad[n / 4 % 3];
        run_bytes(tier, &c);
        for (size_t r = 0; r < c.rows; r++) {
            if (r == row)
                kernel_true(tier, !isfinite(c.scales[r].scale));
            else
                check_row(tier, &c, r);
        }
        kernel_release(tier);
    }
}

/* With factors as without them, of values that are multiplied before. */
static void check_bytes_factors(const kernel_tier *tier)
{
    for (size_t n = 0; n <= 2 * MAX_TAIL; n++) {
        size_t columns = n <= MAX_TAIL ? n : 1 + kernel_below(700);
        bytes_case c = make_bytes(1 + kernel_below(5), columns), plain = c;
        float *factors = kernel_floats(columns, 2);
        size_t bytes = rmr_row_bytes(RMR_DTYPE_INT8, columns);
        plain.x = kernel_floats(c.rows * columns, 0);
        plain.y = kernel_rows(c.rows, bytes, c.stride, 0);
        plain.scales = kernel_array(c.rows, sizeof *plain.scales);
        for (size_t i = 0; i < c.rows * columns; i++)
            plain.x[i] = c.x[i] * factors[i % columns];
        run_bytes(tier, &plain);
        tier->kern.quantize_rows(c.rows, columns, c.x, factors, c.y, c.stride,
                                 c.scales);
        kernel_same(tier, "scales with factors", c.scales, plain.scales, c.rows,
                    sizeof *c.scales);
        for (size_t r = 0; r < c.rows; r++)
            kernel_same(tier, "bytes with factors", c.y + r * c.stride,
                        plain.y + r * c.stride, columns, 1);
        kernel_release(tier);
    }
}

static void test_quantize_rows(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(quantize_rows, check_bytes_rows);
    KERNEL_EACH_TIER(quantize_rows, check_bytes_ties);
    KERNEL_EACH_TIER(quantize_rows, check_scales_as_scalar);
    KERNEL_EACH_TIER(quantize_rows, check_bytes_poison);
    KERNEL_EACH_TIER(quantize_rows, check_bytes_sizes);
    KERNEL_EACH_TIER(quantize_rows, check_bytes_factors);
}

/* ------------------------------------------------------------------- tables */

typedef struct table_case {
    rmr_table table;
    unsigned char *values;
    float *scales;
    int8_t *groups;
} table_case;

static table_case make_table(rmr_dtype dtype, size_t rows, size_t columns)
{
    size_t bytes = rows * rmr_table_row_bytes(dtype, columns);
    table_case c = {.values = kernel_array(bytes, 1)};
    for (size_t i = 0; i < bytes; i++)
        c.values[i] = (unsigned char)kernel_below(256);
    c.scales = kernel_floats(rows, 1);
    c.groups = kernel_array(rows * rmr_groups(columns), 1);
    for (size_t i = 0; i < rows * rmr_groups(columns); i++)
        c.groups[i] = (int8_t)((int)kernel_below(256) - 128);
    c.table = (rmr_table){.dtype = dtype,
                          .rows = rows,
                          .columns = columns,
                          .values = c.values,
                          .scales = c.scales,
                          .group_scales = c.groups};
    return c;
}

/* What is in the table, by the definitions. */
static float entry_of(const table_case *c, size_t row, size_t column)
{
    size_t columns = c->table.columns, i = row * columns + column;
    unsigned byte = c->values[row * ((columns + 1) / 2) + column / 2];
    unsigned index = column % 2 ? byte >> 4 : byte & 15;
    int group = c->groups[row * rmr_groups(columns) + column / RMR_GROUP];
    switch (c->table.dtype) {
    case RMR_DTYPE_F32:
        return ((const float *)c->table.values)[i];
    case RMR_DTYPE_BF16:
        return kernel_from_bf16(((const uint16_t *)c->table.values)[i]);
    case RMR_DTYPE_INT8:
        return c->scales[row] * (float)(int8_t)c->values[i];
    case RMR_DTYPE_INT4:
        return c->scales[row] *
               (float)floor(rmr_int4_levels[index] * group / 128.0 + 0.5);
    }
    return NAN;
}

/* The same bits, or both NaN. */
static void check_same(const kernel_tier *tier, float value, float expected)
{
    if (isnan(expected))
        kernel_true(tier, isnan(value));
    else
        kernel_same(tier, "of a row of a table", &value, &expected, 1,
                    sizeof expected);
}

static void check_table(const kernel_tier *tier)
{
    for (size_t n = 0; n < 4 * 3 * MAX_TAIL; n++) {
        size_t columns = n / 4 < MAX_TAIL ? n / 4 : 1 + kernel_below(400);
        size_t rows = 1 + kernel_below(5), row = kernel_below(rows);
        table_case c = make_table((rmr_dtype)(n % 4), rows, columns);
        float *y = kernel_array(columns, sizeof *y);
        float *sum = kernel_floats(columns, 1);
        float *before = kernel_copy(sum, columns, sizeof *sum);
        tier->kern.table_row(&c.table, row, y);
        tier->kern.table_add(&c.table, row, sum);
        for (size_t i = 0; i < columns; i++) {
            float expected = entry_of(&c, row, i);
            check_same(tier, y[i], expected);
            check_same(tier, sum[i], before[i] + expected);
        }
        kernel_release(tier);
    }
}

static void test_table_row(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(table_row, check_table);
}

static void test_table_add(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(table_add, check_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define RMR_KERN(name, parameters) KERNEL_TEST(name)
#include "kernels/kern.inc"
#undef RMR_KERN
        cmocka_unit_test(test_packs_of_all_tiers),
        cmocka_unit_test(test_quantize_weights),
    };
    kernel_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
