/*
 * test_amx_emulated.c - the AMX tiers over tiles of plain C, for CPUs that have
 * no AMX (where one has it, test_kernels_int8 and test_kernels_linear try its
 * own): once their source, compiled over those tiles, and once the library's
 * machine code, each instruction of which traps. It tests their results, and
 * that no instruction is used in a way that faults; it must never be taken for
 * a run on the real ones.
 */
#include "tests/unit/amx_emulated.h"
#include "tests/unit/amx_trapped.h"
#include "tests/unit/kernel_linear.h"

enum { MAX_ROWS = 70, MAX_PANELS = 9, TILE_BYTES = 64, TILE_ROWS = 16 };

/* ------------------------------------------------------- the emulated tiers
 */

#if AMX_IS_EMULATED

static rmr_kern watched;

static size_t ceiling(size_t n, size_t unit)
{
    return (n + unit - 1) / unit;
}

/* Calls the kernel and checks what it did with tiles: all that is whole tiles
 * goes through them, nothing else does, and none stays configured. Strips have
 * two heights at most; int4 has four panels at a time, and then what is int8.
 */
static void watch(void (*linear)(const rmr_linear_args *),
                  const rmr_linear_args *args)
{
    rmr_dtype dtype = args->weight->dtype;
    size_t bytes = rmr_row_bytes(rmr_operand_dtype(dtype), args->weight->in);
    size_t panels = ceiling(args->last - args->first, RMR_PANEL);
    size_t least = ceiling(args->rows, TILE_ROWS) * panels *
                   (bytes % TILE_BYTES ? 0 : bytes / TILE_BYTES);
    size_t turns = dtype == RMR_DTYPE_INT4 ? ceiling(panels, 4) + 1 : 1;
    amx_emulated_start();
    linear(args);
    amx_emulated_counts counts = amx_emulated_count();
    assert_false(counts.is_configured);
    assert_true(counts.products >= least);
    assert_true(counts.products <= 2 * least);
    assert_true(counts.configurations <= 2 * turns);
    if (bytes % TILE_BYTES)
        assert_int_equal(counts.configurations, 0);
}

static void linear_int8(const rmr_linear_args *args)
{
    watch(watched.linear_int8, args);
}

static void linear_int4(const rmr_linear_args *args)
{
    watch(watched.linear_int4, args);
}

static void linear_bf16(const rmr_linear_args *args)
{
    watch(watched.linear_bf16, args);
}

typedef void fill(rmr_kern *kern);

/* The tier below does some of the work, and is this CPU's. */
static kernel_tier watched_tier(const char *name, fill *int8, fill *bf16)
{
    const uint32_t below = RMR_TIER_AVX512_VNNI | RMR_TIER_AVX512_BF16;
    kernel_tier tier = kernel_tier_at(kernel_num_tiers() - 1);
    if ((tier.mask & below) != below) {
        print_message("no AVX-512 VNNI and BF16 on this CPU\n");
        skip();
    }
    snprintf(tier.name, sizeof tier.name, "%s", name);
    watched = tier.kern;
    int8(&watched);
    bf16(&watched);
    tier.kern = watched;
    tier.kern.linear_int8 = linear_int8;
    tier.kern.linear_int4 = linear_int4;
    tier.kern.linear_bf16 = linear_bf16;
    return tier;
}

/* ------------------------------------------------------------------- shapes */

/* Inputs that are whole tiles; the last step may have fewer. */
static size_t whole_tiles(rmr_dtype dtype, size_t tiles)
{
    size_t size = rmr_dtype_size(rmr_operand_dtype(dtype));
    return tiles * TILE_BYTES / size - kernel_below(RMR_STEP / size);
}

static kernel_shape any_shape(rmr_dtype dtype, size_t rows)
{
    size_t in = whole_tiles(dtype, 1 + kernel_below(4));
    return kernel_any_shape(dtype, rows, in, 1 + kernel_below(150));
}

/* Every number of rows, beside whole tiles and others; each number of panels
 * beside each way to cut strips; sizes of models; nothing at all. */
static void check_shapes(const kernel_tier *tier, rmr_dtype dtype)
{
    const size_t strips[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 49, 64, 65, 70};
    const size_t plain[][3] = {{0, 64, 37}, {3, 0, 37},    {5, 64, 0},
                               {0, 0, 0},   {12, 384, 70}, {40, 384, 40}};
    kernel_shape shape;
    for (size_t rows = 1; rows <= MAX_ROWS; rows++) {
        shape = any_shape(dtype, rows);
        kernel_linear_try(tier, &shape);
        shape = kernel_any_shape(dtype, rows, 1 + kernel_below(200),
                                 1 + kernel_below(100));
        kernel_linear_try(tier, &shape);
    }
    for (size_t i = 0; i < LENGTH(strips); i++) {
        for (size_t panels = 1; panels <= MAX_PANELS; panels++) {
            size_t out = panels * RMR_PANEL - kernel_below(RMR_PANEL);
            shape = kernel_plain_shape(dtype, strips[i],
                                       whole_tiles(dtype, 1 + panels % 2), out);
            kernel_linear_try(tier, &shape);
        }
    }
    for (size_t i = 0; i < LENGTH(plain); i++) {
        shape =
            kernel_plain_shape(dtype, plain[i][0], plain[i][1], plain[i][2]);
        kernel_linear_try(tier, &shape);
    }
}

/* Each combination of what comes after the sums. */
static void check_epilogues(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t i = 0; i < 5 * 2 * 3 * 2 * 2; i++) {
        kernel_shape shape =
            kernel_plain_shape(dtype, 1 + kernel_below(40),
                               whole_tiles(dtype, 1), 1 + kernel_below(100));
        shape.activation = kernel_activations[i % 5];
        shape.has_bias = i / 5 % 2 == 0;
        shape.residual = (kernel_residual)(i / 10 % 3);
        shape.y_dtype = i / 30 % 2 ? RMR_DTYPE_BF16 : RMR_DTYPE_F32;
        shape.is_loose = i / 60 == 1;
        if (shape.y_dtype == RMR_DTYPE_BF16 &&
            shape.residual == KERNEL_RESIDUAL_IS_Y)
            continue;
        kernel_linear_try(tier, &shape);
    }
}

/* --------------------------------------------------------------- invariance */

/* Rows [row, row + rows) and columns [first, last) alone are those of y. */
static void check_part(const kernel_tier *tier, const kernel_linear *layer,
                       size_t row, size_t rows, size_t first, size_t last)
{
    size_t size = rmr_dtype_size(layer->shape.y_dtype), mark = kernel_mark();
    size_t out = layer->shape.out;
    const char *y = kernel_linear_part(tier, layer, row, rows, first, last);
    for (size_t r = 0; r < rows; r++)
        kernel_same(tier, "a part of y", y + (r * out + first) * size,
                    kernel_linear_y(layer, row + r, first), last - first, size);
    kernel_release_to(tier, mark);
}

static void check_invariance(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 0; n < 3; n++) {
        kernel_shape shape = any_shape(dtype, MAX_ROWS);
        size_t panels = rmr_panels(shape.out) / RMR_PANEL;
        shape.first = 0;
        shape.last = shape.out;
        kernel_linear layer = kernel_linear_make(tier, &shape);
        kernel_linear_run(tier, &layer);
        for (size_t r = 0; r < MAX_ROWS; r++) {
            size_t rows = 1 + kernel_below(MAX_ROWS - r);
            size_t first = kernel_below(panels) * RMR_PANEL;
            size_t last = first + (1 + kernel_below(panels)) * RMR_PANEL;
            last = last < shape.out ? last : shape.out;
            check_part(tier, &layer, r, 1, 0, shape.out);
            check_part(tier, &layer, r, rows, first, last);
        }
        kernel_release(tier);
    }
}

/* Of bytes all but the activations' polynomials has the bits of scalar C. */
static void check_as_scalar(const kernel_tier *tier, rmr_dtype dtype)
{
    const kernel_tier scalar = kernel_tier_at(0);
    for (size_t rows = 1; rows <= MAX_ROWS; rows++) {
        kernel_shape shape = any_shape(dtype, rows);
        size_t first = shape.first, last = shape.last;
        shape.activation =
            kernel_one_in(2) ? RMR_ACTIVATION_NONE : RMR_ACTIVATION_RELU;
        shape.residual =
            kernel_one_in(2) ? KERNEL_NO_RESIDUAL : KERNEL_RESIDUAL;
        kernel_linear layer = kernel_linear_make(tier, &shape);
        const void *y = kernel_linear_part(tier, &layer, 0, rows, first, last);
        const void *same =
            kernel_linear_part(&scalar, &layer, 0, rows, first, last);
        kernel_same(tier, "y as of scalar", y, same, rows * shape.out,
                    rmr_dtype_size(shape.y_dtype));
        kernel_release(tier);
    }
}

/* Where 16 bits would saturate, and the sum itself is as large as can be. */
static void check_extremes(const kernel_tier *tier)
{
    for (size_t n = 0; n < 4; n++) {
        kernel_shape shape =
            kernel_plain_shape(RMR_DTYPE_INT8, 33, n % 2 ? 4096 : 64, 33);
        shape.is_plain = 1;
        kernel_linear layer = kernel_linear_make(tier, &shape);
        for (size_t i = 0; i < shape.out * shape.in; i++)
            layer.w[i] = i / shape.in % 2 ? 127 : -128;
        for (size_t i = 0; i < shape.rows * shape.in; i++) {
            rmr_row_scale *scale = &layer.row_scales[i / shape.in];
            scale->zero = n < 2 ? 0 : 255;
            layer.x[i] = (i / shape.in % 2 ? 255 : 0) - scale->zero;
        }
        kernel_linear_pack(tier, &layer);
        kernel_linear_write_x(&layer);
        kernel_linear_run(tier, &layer);
        kernel_linear_check(tier, &layer);
        kernel_release(tier);
    }
}

static void check_all(const kernel_tier *tier, rmr_dtype dtype)
{
    check_shapes(tier, dtype);
    check_epilogues(tier, dtype);
    check_invariance(tier, dtype);
}

static void check_int8(const kernel_tier *tier)
{
    check_all(tier, RMR_DTYPE_INT8);
    check_as_scalar(tier, RMR_DTYPE_INT8);
    check_extremes(tier);
}

static void check_int4(const kernel_tier *tier)
{
    check_all(tier, RMR_DTYPE_INT4);
    check_as_scalar(tier, RMR_DTYPE_INT4);
}

static void check_bf16(const kernel_tier *tier)
{
    check_all(tier, RMR_DTYPE_BF16);
}

static void try_source(kernel_check *check)
{
    kernel_tier tier = watched_tier("amx, its source", amx_emulated_init_int8,
                                    amx_emulated_init_bf16);
    kernel_this_tier(&tier, check);
}

static void try_library(kernel_check *check)
{
    if (rmr_kern_tiers() & (RMR_TIER_AMX_INT8 | RMR_TIER_AMX_BF16)) {
        print_message("this CPU has AMX, and nothing to trap\n");
        skip();
    }
    kernel_tier tier = watched_tier("amx, trapped", rmr_kern_init_amx_int8,
                                    rmr_kern_init_amx_bf16);
    amx_trap_begin();
    kernel_this_tier(&tier, check);
    amx_trap_end();
}

#else

static void try_source(void (*check)(void))
{
    (void)check;
    print_message("this compiler does not build the AMX tiers\n");
    skip();
}

static void try_library(void (*check)(void))
{
    try_source(check);
}

static void check_int8(void)
{
}
static void check_int4(void)
{
}
static void check_bf16(void)
{
}

#endif

static void test_source_int8(void **unused)
{
    (void)unused;
    try_source(check_int8);
}

static void test_library_int8(void **unused)
{
    (void)unused;
    try_library(check_int8);
}

static void test_source_int4(void **unused)
{
    (void)unused;
    try_source(check_int4);
}

static void test_library_int4(void **unused)
{
    (void)unused;
    try_library(check_int4);
}

static void test_source_bf16(void **unused)
{
    (void)unused;
    try_source(check_bf16);
}

static void test_library_bf16(void **unused)
{
    (void)unused;
    try_library(check_bf16);
}

/* -------------------------------------------------------- the tiles' faults */

/* Of each tile the rows and the bytes of one; all else is 0. */
typedef struct tile_shapes {
    unsigned char bytes[64];
} tile_shapes;

static tile_shapes shapes_of(const unsigned (*shapes)[2], size_t count)
{
    tile_shapes config = {{1}};
    for (size_t t = 0; t < count; t++) {
        config.bytes[16 + 2 * t] = (unsigned char)shapes[t][1];
        config.bytes[48 + t] = (unsigned char)shapes[t][0];
    }
    return config;
}

/* sums [3, 2], left [3, 4], right [4, 2], and shapes beside them that fit
 * nowhere. */
static const unsigned some_shapes[][2] = {
    {3, 8}, {3, 16}, {4, 8}, {3, 12}, {5, 8}};

static void expect_fault(size_t at, unsigned char value)
{
    tile_shapes config = shapes_of(some_shapes, LENGTH(some_shapes));
    config.bytes[at] = value;
    expect_assert_failure(amx_emulated_configure(&config));
}

static void test_configurations_that_fault(void **unused)
{
    const struct {
        size_t at;
        unsigned char value;
    } bad[] = {{0, 0},   {0, 2},  {1, 1},   {2, 1},  {15, 1},
               {16, 65}, {17, 1}, {48, 17}, {16, 0}, {48, 0},
               {32, 1},  {56, 1}, {53, 16}, {26, 64}};
    (void)unused;
    for (size_t i = 0; i < LENGTH(bad); i++)
        expect_fault(bad[i].at, bad[i].value);
    amx_emulated_release();
}

static void test_tiles_without_a_shape_fault(void **unused)
{
    const tile_shapes config = shapes_of(some_shapes, LENGTH(some_shapes));
    unsigned char memory[16 * 64] = {0};
    (void)unused;
    expect_assert_failure(amx_emulated_zero(0));
    amx_emulated_configure(&config);
    expect_assert_failure(amx_emulated_zero(6));
    expect_assert_failure(amx_emulated_zero(8));
    expect_assert_failure(amx_emulated_load(7, memory, 64));
    expect_assert_failure(amx_emulated_store(6, memory, 64));
    expect_assert_failure(amx_emulated_mac_bytes(0, 1, 7));
    amx_emulated_zero(0);
    amx_emulated_release();
    expect_assert_failure(amx_emulated_load(0, memory, 64));
    expect_assert_failure(amx_emulated_mac_bf16(0, 1, 2));
}

static void test_products_that_fault(void **unused)
{
    const tile_shapes config = shapes_of(some_shapes, LENGTH(some_shapes));
    (void)unused;
    amx_emulated_configure(&config);
    amx_emulated_mac_bytes(0, 1, 2);
    amx_emulated_mac_bf16(0, 1, 2);
    expect_assert_failure(amx_emulated_mac_bytes(0, 0, 2)); /* the same tile */
    expect_assert_failure(amx_emulated_mac_bytes(0, 1, 1));
    expect_assert_failure(amx_emulated_mac_bytes(2, 1, 2));
    expect_assert_failure(amx_emulated_mac_bytes(4, 1, 2)); /* rows */
    expect_assert_failure(amx_emulated_mac_bytes(3, 1, 2)); /* columns */
    expect_assert_failure(amx_emulated_mac_bf16(0, 1, 4));  /* inputs */
    expect_assert_failure(amx_emulated_mac_bf16(0, 3, 2));
    amx_emulated_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configurations_that_fault),
        cmocka_unit_test(test_tiles_without_a_shape_fault),
        cmocka_unit_test(test_products_that_fault),
        cmocka_unit_test(test_source_int8),
        cmocka_unit_test(test_library_int8),
        cmocka_unit_test(test_source_int4),
        cmocka_unit_test(test_library_int4),
        cmocka_unit_test(test_source_bf16),
        cmocka_unit_test(test_library_bf16),
    };
    kernel_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
