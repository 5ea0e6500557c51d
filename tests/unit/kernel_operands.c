/*
 * kernel_operands.c - tiers, guarded memory, expectations and the reference of
 * activations, for the tests of kernels. It must never call a kernel.
 */
#include "tests/unit/kernel_operands.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/tiny_model.h"

/* -------------------------------------------------------------------- tiers */

static const struct {
    uint32_t bit;
    const char *name;
} names[] = {
    {RMR_TIER_BLAS, "blas"},
    {RMR_TIER_AVX2, "avx2"},
    {RMR_TIER_AVX_VNNI, "avx_vnni"},
    {RMR_TIER_AVX512, "avx512"},
    {RMR_TIER_AVX512_VNNI, "avx512_vnni"},
    {RMR_TIER_AVX512_BF16, "avx512_bf16"},
    {RMR_TIER_AMX_INT8, "amx_int8"},
    {RMR_TIER_AMX_BF16, "amx_bf16"},
    {RMR_TIER_NEON, "neon"},
    {RMR_TIER_NEON_DOTPROD, "neon_dotprod"},
    {RMR_TIER_NEON_I8MM, "neon_i8mm"},
    {RMR_TIER_NEON_BF16, "neon_bf16"},
};

static uint64_t first_seed = 1, rounds = 1;
static int skips_scalar;
static uint64_t round_seed; /* what repeats the round that runs */
static uint64_t state;      /* of the random numbers */
static char running[24];    /* the tier that is tried, until it came back */

static void drop_blocks(size_t mark);

size_t kernel_num_tiers(void)
{
    return 1 + (size_t)__builtin_popcount(rmr_kern_tiers());
}

kernel_tier kernel_tier_at(size_t index)
{
    kernel_tier tier = {.name = "scalar"};
    uint32_t left = rmr_kern_tiers(), bit = 0;
    for (size_t i = 0; i < index; i++) {
        bit = left & -left;
        left -= bit;
        tier.mask |= bit;
        snprintf(tier.name, sizeof tier.name, "tier %#x", bit);
    }
    for (size_t i = 0; i < LENGTH(names); i++) {
        if (names[i].bit == bit)
            snprintf(tier.name, sizeof tier.name, "%s", names[i].name);
    }
    rmr_kern_init(&tier.kern, tier.mask);
    return tier;
}

/* The function at an offset of the table. */
static void (*entry(const kernel_tier *tier, size_t offset))(void)
{
    void (*function)(void);
    memcpy(&function, (const char *)&tier->kern + offset, sizeof function);
    return function;
}

/* What did not come back from a tier was ended by a signal. */
static void report_crash(void)
{
    if (running[0])
        print_error("%s, REMORA_SEED=%llu: crashed\n", running,
                    (unsigned long long)round_seed);
    running[0] = '\0';
}

static void check_tier(const kernel_tier *tier, uint64_t round,
                       kernel_check *check)
{
    report_crash();
    state = round_seed = first_seed + round;
    drop_blocks(0); /* of a test that failed */
    memcpy(running, tier->name, sizeof running);
    check(tier);
    running[0] = '\0';
}

void kernel_each_tier(size_t offset, kernel_check *check)
{
    kernel_tier scalar = kernel_tier_at(0);
    kernel_tier best = kernel_tier_at(kernel_num_tiers() - 1);
    int is_replaced = entry(&best, offset) != entry(&scalar, offset);
    for (uint64_t round = 0; round < rounds; round++) {
        void (*before)(void) = NULL;
        if (skips_scalar && is_replaced)
            before = entry(&scalar, offset);
        for (size_t i = 0; i < kernel_num_tiers(); i++) {
            kernel_tier tier = kernel_tier_at(i);
            if (entry(&tier, offset) != before)
                check_tier(&tier, round, check);
            before = entry(&tier, offset);
        }
    }
}

void kernel_this_tier(const kernel_tier *tier, kernel_check *check)
{
    for (uint64_t round = 0; round < rounds; round++)
        check_tier(tier, round, check);
}

void kernel_one_tier(kernel_check *check)
{
    kernel_tier scalar = kernel_tier_at(0);
    kernel_this_tier(&scalar, check);
}

void kernel_begin(void)
{
    const char *seed = getenv("REMORA_SEED"), *count = getenv("REMORA_ROUNDS");
    const char *skip = getenv("REMORA_SKIP_SCALAR");
    if (seed)
        first_seed = strtoull(seed, NULL, 10);
    if (count)
        rounds = strtoull(count, NULL, 10);
    if (rounds < 1)
        rounds = 1;
    skips_scalar = skip && strcmp(skip, "1") == 0;
    state = round_seed = first_seed;
    assert_int_equal(atexit(report_crash), 0);
    print_message("REMORA_SEED=%llu REMORA_ROUNDS=%llu\n",
                  (unsigned long long)first_seed, (unsigned long long)rounds);
}

/* ------------------------------------------------------------ random values */

size_t kernel_below(size_t limit)
{
    return (size_t)(tiny_random(&state) % limit);
}

int kernel_one_in(size_t n)
{
    return kernel_below(n) == 0;
}

float kernel_signed(float spread)
{
    return spread * tiny_signed(&state);
}

/* ------------------------------------------------------------------- memory */

typedef struct block {
    unsigned char *map, *begin;
    size_t size, room; /* of the map, and of it what can be touched */
    size_t rows, bytes, stride;
} block;

static block blocks[64];
static size_t num_blocks;

/* 0xFFA5 is NaN in bfloat16, and twice in float32; maps begin at even places.
 */
static unsigned char pattern_at(size_t offset)
{
    return offset % 2 ? 0xFF : 0xA5;
}

void *kernel_rows(size_t rows, size_t bytes, size_t stride, size_t slack)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t span = (rows ? (rows - 1) * stride + bytes : 0) + slack;
    assert_true(num_blocks < LENGTH(blocks) && (rows < 2 || stride >= bytes));
    block *b = &blocks[num_blocks];
    *b = (block){.rows = rows, .bytes = bytes, .stride = stride};
    b->room = (span + 64 + page - 1) / page * page;
    b->size = b->room + page;
    b->map = mmap(NULL, b->size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(b->map != MAP_FAILED);
    num_blocks++;
    assert_int_equal(mprotect(b->map + b->room, page, PROT_NONE), 0);
    for (size_t i = 0; i < b->room; i++)
        b->map[i] = pattern_at(i);
    b->begin = b->map + b->room - span;
    return b->begin;
}

void *kernel_array(size_t count, size_t size)
{
    return kernel_rows(1, count * size, 0, 0);
}

float *kernel_floats(size_t count, float spread)
{
    float *values = kernel_array(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = kernel_signed(spread);
    return values;
}

void *kernel_copy(const void *values, size_t count, size_t size)
{
    void *copy = kernel_array(count, size);
    memcpy(copy, values, count * size);
    return copy;
}

int kernel_is_untouched(const void *at, size_t bytes)
{
    const unsigned char *from = at;
    for (size_t i = 0; i < bytes; i++) {
        if (from[i] != pattern_at((uintptr_t)&from[i]))
            return 0;
    }
    return 1;
}

static void check_block(const kernel_tier *tier, const block *b)
{
    const unsigned char *at = b->map, *end = b->map + b->room;
    for (size_t r = 0; r <= b->rows; r++) {
        const unsigned char *row = b->begin + r * b->stride;
        size_t count = (size_t)((r < b->rows ? row : end) - at);
        if (!kernel_is_untouched(at, count))
            kernel_fail(tier, "something was written before row %zu of %zu", r,
                        b->rows);
        at = row + b->bytes;
    }
}

static void drop_blocks(size_t mark)
{
    while (num_blocks > mark) {
        num_blocks--;
        munmap(blocks[num_blocks].map, blocks[num_blocks].size);
    }
}

size_t kernel_mark(void)
{
    return num_blocks;
}

void kernel_release_to(const kernel_tier *tier, size_t mark)
{
    for (size_t i = mark; i < num_blocks; i++)
        check_block(tier, &blocks[i]);
    drop_blocks(mark);
}

void kernel_release(const kernel_tier *tier)
{
    kernel_release_to(tier, 0);
}

/* ------------------------------------------------------------- expectations */

void kernel_fail_at(const kernel_tier *tier, const char *file, int line,
                    const char *format, ...)
{
    char message[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    print_error("%s, REMORA_SEED=%llu: %s\n", tier->name,
                (unsigned long long)round_seed, message);
    running[0] = '\0';
    _fail(file, line);
    abort(); /* _fail does not return, but does not say so */
}

void kernel_near(const kernel_tier *tier, const char *what, size_t index,
                 double value, double expected, double bound)
{
    if (isfinite(expected) ? fabs(value - expected) <= bound : !isfinite(value))
        return;
    kernel_fail(tier, "%s[%zu] is %.9g, not %.17g: off by %.3g, allowed %.3g",
                what, index, value, expected, fabs(value - expected), bound);
}

void kernel_same(const kernel_tier *tier, const char *what, const void *a,
                 const void *b, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp((const char *)a + i * size, (const char *)b + i * size,
                   size) != 0)
            kernel_fail(tier, "%s: value %zu of %zu has other bits", what, i,
                        count);
    }
}

/* ---------------------------------------------------------------- reference */

uint16_t kernel_to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint16_t down = (uint16_t)(bits >> 16), rest = (uint16_t)bits;
    if (isnan(x))
        return down | 0x40;
    int up = rest > 0x8000 || (rest == 0x8000 && down % 2);
    return (uint16_t)(down + up);
}

float kernel_from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

const rmr_activation kernel_activations[KERNEL_ACTIVATIONS] = {
    RMR_ACTIVATION_NONE, RMR_ACTIVATION_GELU, RMR_ACTIVATION_GELU_TANH,
    RMR_ACTIVATION_RELU, RMR_ACTIVATION_SILU, RMR_ACTIVATION_SIGMOID,
    RMR_ACTIVATION_TANH};

/* x times the logistic function of u, which may be off by `off`. */
static double logistic(double x, double u, double off, double *bound)
{
    double value = u < -700 ? 0 : x / (1 + exp(-u));
    double tiny = fabs(x) * 3e-38 + 1e-44;
    *bound = fabs(value) * (expm1(fmin(off, 1)) + 6e-7) + tiny;
    return value;
}

double kernel_activation(rmr_activation activation, double x, double *bound)
{
    double u = 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    *bound = 0;
    switch (activation) {
    case RMR_ACTIVATION_NONE:
        return x;
    case RMR_ACTIVATION_GELU: /* erf within 5e-7, and what rounding adds */
        *bound = 0.5 * fabs(x) * 7e-7 + 1e-44;
        return 0.5 * x * erfc(-x / sqrt(2));
    case RMR_ACTIVATION_GELU_TANH:
        return logistic(x, u, 8 * KERNEL_U * fabs(u), bound);
    case RMR_ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case RMR_ACTIVATION_SILU:
        return logistic(x, x, 0, bound);
    case RMR_ACTIVATION_SIGMOID:
        return logistic(1, x, 0, bound);
    case RMR_ACTIVATION_TANH:
        *bound = 1e-6;
        return tanh(x);
    }
    return NAN;
}
