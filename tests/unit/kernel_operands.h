/*
 * kernel_operands.h - what the tests of kernels share: every tier that this
 * CPU runs, random operands that end at a page that cannot be touched, and
 * expectations that say where they failed and by which seed. It must never
 * take a kernel's own arithmetic for what is expected.
 *
 * REMORA_SEED=n starts the random operands elsewhere, REMORA_ROUNDS=n tries
 * that many seeds from there on; 1 and 1 when they are not set. With
 * REMORA_SKIP_SCALAR=1 a kernel's scalar tier is left out where another tier
 * has that kernel too, to save time on a CPU that is emulated.
 */
#ifndef RMR_TESTS_KERNEL_OPERANDS_H
#define RMR_TESTS_KERNEL_OPERANDS_H

#include "tests/unit/unit.h"
#include "kernels/kern.h"

/* --------------------------------------------------- every kernel is tested */

/*
 * The program that tests a kernel. Each program lists its tests by including
 * kern.inc with KERNEL_TEST, and says of each of these names what becomes of
 * its kernels: cmocka_unit_test(test_<kernel>), or nothing. So a kernel that
 * is not here does not compile, nor one without a test where it says.
 */
#define KERNEL_HOME_pack_f32 PACKED
#define KERNEL_HOME_linear_f32 LINEAR
#define KERNEL_HOME_linear_bf16 LINEAR
#define KERNEL_HOME_linear_int8 INTEGER
#define KERNEL_HOME_linear_int4 INTEGER
#define KERNEL_HOME_attention_f32 ATTENTION
#define KERNEL_HOME_attention_bf16 ATTENTION
#define KERNEL_HOME_to_bf16 PACKED
#define KERNEL_HOME_quantize_rows PACKED
#define KERNEL_HOME_table_row PACKED
#define KERNEL_HOME_table_add PACKED
#define KERNEL_HOME_layer_norm TABLE
#define KERNEL_HOME_rms_norm TABLE
#define KERNEL_HOME_activate TABLE
#define KERNEL_HOME_mean_rows TABLE
#define KERNEL_HOME_max_rows TABLE
#define KERNEL_HOME_l2_normalize TABLE

#define KERNEL_TEST(name) KERNEL_TEST_OF(KERNEL_HOME_##name, name)
#define KERNEL_TEST_OF(home, name) KERNEL_TEST_IN(home, name)
#define KERNEL_TEST_IN(home, name) KERNELS_OF_##home(name)

/* -------------------------------------------------------------------- tiers */

typedef struct kernel_tier {
    uint32_t mask; /* this tier and all below it */
    char name[24]; /* of the highest */
    rmr_kern kern;
} kernel_tier;

typedef void kernel_check(const kernel_tier *tier);

/* Calls check for each tier that has its own kernel at that offset of the
 * table, each time from the same seed, and all that once for each round. */
void kernel_each_tier(size_t offset, kernel_check *check);
#define KERNEL_EACH_TIER(name, check)                                          \
    kernel_each_tier(offsetof(rmr_kern, name), check)

/* The same with one tier; with scalar, for what no tier has of its own. */
void kernel_this_tier(const kernel_tier *tier, kernel_check *check);
void kernel_one_tier(kernel_check *check);

/* How many tiers there are, and each: scalar first, all of them last. */
size_t kernel_num_tiers(void);
kernel_tier kernel_tier_at(size_t index);

/* For a program's main: takes the seed and the rounds from the environment and
 * prints them. */
void kernel_begin(void);

/* ------------------------------------------------------------ random values */

size_t kernel_below(size_t limit); /* [0, limit) */
int kernel_one_in(size_t n);       /* true once in n times */
float kernel_signed(float spread); /* [-spread, spread) */

/* ------------------------------------------------------------------- memory */

/*
 * Rows of `bytes` bytes, `stride` apart; `slack` bytes after the last there is
 * a page that cannot be touched. All of it holds a pattern that is NaN in
 * float32 and in bfloat16; what is not of a row must keep it. Owned by the
 * list of all memory until kernel_release.
 */
void *kernel_rows(size_t rows, size_t bytes, size_t stride, size_t slack);

/* count values of `size` bytes, one after the other, up to that page. */
void *kernel_array(size_t count, size_t size);

/* count floats within +-spread. */
float *kernel_floats(size_t count, float spread);

/* An array of the same bytes. */
void *kernel_copy(const void *values, size_t count, size_t size);

/* Checks that nothing was written beside rows, and frees all memory. */
void kernel_release(const kernel_tier *tier);

/* The same, of what was got since the mark: kernel_mark() before. */
size_t kernel_mark(void);
void kernel_release_to(const kernel_tier *tier, size_t mark);

/* True when memory from kernel_rows still has its pattern there. */
int kernel_is_untouched(const void *at, size_t bytes);

/* ------------------------------------------------------------- expectations */

/* Fails the test, with tier and seed. */
#define kernel_fail(tier, ...)                                                 \
    kernel_fail_at(tier, __FILE__, __LINE__, __VA_ARGS__)
void kernel_fail_at(const kernel_tier *tier, const char *file, int line,
                    const char *format, ...)
    __attribute__((format(printf, 4, 5), noreturn));

#define kernel_true(tier, condition)                                           \
    do {                                                                       \
        if (!(condition))                                                      \
            kernel_fail(tier, "not true: %s", #condition);                     \
    } while (0)

/* what[index] is value, at most bound off what is expected; an expected value
 * that is not finite allows any value that is not. */
void kernel_near(const kernel_tier *tier, const char *what, size_t index,
                 double value, double expected, double bound);

/* count values of `size` bytes each are the same bits. */
void kernel_same(const kernel_tier *tier, const char *what, const void *a,
                 const void *b, size_t count, size_t size);

/* ---------------------------------------------------------------- reference */

static const double KERNEL_U = 0x1p-24;     /* half an ulp of 1 in float32 */
static const double KERNEL_U_BF16 = 0x1p-8; /* the same in bfloat16 */

/* float32 to bfloat16, to nearest even, by comparing; NaN to a NaN. */
uint16_t kernel_to_bf16(float x);
float kernel_from_bf16(uint16_t x);

/* activation(x), and how far off a kernel may be. */
double kernel_activation(rmr_activation activation, double x, double *bound);

enum { KERNEL_ACTIVATIONS = 7 };
extern const rmr_activation kernel_activations[KERNEL_ACTIVATIONS];

#endif
