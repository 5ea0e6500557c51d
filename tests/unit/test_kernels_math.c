/*
 * test_kernels_math.c - the stated errors of exponentials, erf and GELU, rough
 * ones too, over all exponents of float32 and densely where they bend, as the
 * reference tier computes them. Other tiers fuse products and sums of the same
 * polynomials: test_kernels.c has their activations. It must never allow more
 * than vmath_tmpl.h says.
 */
#include <math.h>

#include "tests/unit/kernel_operands.h"
#include "kernels/scalar/vec_scalar.h"

#define RMR_NAME(name) exact_##name
#include "kernels/template/vmath_tmpl.h"
#undef RMR_NAME
#undef RMR_ROUGH

#define RMR_NAME(name) rough_##name
#define RMR_ROUGH 1
#include "kernels/template/vmath_tmpl.h"

static void for_many_floats(const kernel_tier *tier,
                            void (*check)(const kernel_tier *tier, float x))
{
    for (uint32_t high = 0; high < 512; high++) {
        for (uint32_t i = 0; i < 2048; i++) {
            uint32_t fraction = i < 2   ? i
                                : i < 4 ? 0x7fffff - i + 2
                                        : (uint32_t)kernel_below(1 << 23);
            uint32_t bits = high << 23 | fraction;
            float x;
            memcpy(&x, &bits, sizeof x);
            check(tier, x);
        }
    }
    for (int i = -90000; i < 90000; i++)
        check(tier, (float)i * 1e-3f);
}

static void check_exp_of(const kernel_tier *tier, float x)
{
    float y = exact_exp(x);
    double expected = exp((double)x), ulp;
    if (isnan(x) || x > 88.7f) {
        kernel_true(tier, isnan(x) ? isnan(y) : y > 3.3e38f);
        return;
    }
    if (x < -86.5f)
        expected = exp(-86.5);
    ulp = (double)nextafterf((float)expected, INFINITY) - (float)expected;
    if (!(fabs(y - expected) <= 2 * ulp))
        kernel_fail(tier, "exp(%.9g) is %.9g, %.2f ulp off", x, y,
                    fabs(y - expected) / ulp);
}

static void check_erf_of(const kernel_tier *tier, float x)
{
    float y = exact_erf(x);
    if (isnan(x)) {
        kernel_true(tier, isnan(y));
        return;
    }
    kernel_true(tier, exact_erf(-x) == -y);
    if (!(fabs(y - erf(x)) <= 5e-7))
        kernel_fail(tier, "erf(%.9g) is %.9g", x, y);
    if (fabsf(x) >= 3.95f)
        kernel_true(tier, fabsf(y) == 1); /* so that gelu of far below is 0 */
}

/* `relative`: of the polynomial, and of the rounding of its steps. Below what
 * is normal, as much as the least normal number. */
static void check_exp2_value(const kernel_tier *tier, float x, float y,
                             double relative)
{
    double expected = exp2((double)x);
    if (isnan(x) || x >= 127.9f)
        kernel_true(tier, isnan(x) ? isnan(y) : !(y < 3e38f));
    else if (!(fabs(y - expected) <= expected * relative + 0x1p-126))
        kernel_fail(tier, "2^%.9g is %.9g, not %.17g", x, y, expected);
}

static void check_exp2_of(const kernel_tier *tier, float x)
{
    check_exp2_value(tier, x, exact_exp2(x), 2e-9 + 3 * KERNEL_U);
    check_exp2_value(tier, x, rough_exp2(x), 8e-5);
    if (x == -INFINITY)
        kernel_true(tier, exact_exp2(x) == 0 && rough_exp2(x) == 0);
}

static void check_gelu_of(const kernel_tier *tier, float x)
{
    double bound, expected = kernel_activation(RMR_ACTIVATION_GELU, x, &bound);
    float y = rough_gelu(x);
    if (isnan(x) || fabsf(x) > 8e37f) /* which may overflow on the way */
        kernel_true(tier, isnan(x) ? isnan(y) : x < 0 || y >= x);
    else if (!(fabs(y - expected) <= 2.5e-4 + 6e-8 * fabs(x)))
        kernel_fail(tier, "rough gelu(%.9g) is %.9g, not %.17g", x, y,
                    expected);
}

static void check_exp(const kernel_tier *tier)
{
    for_many_floats(tier, check_exp2_of);
    for_many_floats(tier, check_exp_of);
}

static void check_erf(const kernel_tier *tier)
{
    for_many_floats(tier, check_erf_of);
    for_many_floats(tier, check_gelu_of);
}

static void test_exponentials(void **unused)
{
    (void)unused;
    kernel_one_tier(check_exp);
}

static void test_erf_and_gelu(void **unused)
{
    (void)unused;
    kernel_one_tier(check_erf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponentials),
        cmocka_unit_test(test_erf_and_gelu),
    };
    kernel_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
