/*
 * test_kern_names.c - the names of tiers and kernels. It must never expect a
 * tier of a CPU that may not have it.
 */
#include "kernels/kern.h"

#include "tests/unit/unit.h"

static void test_every_tier_has_a_name(void **state)
{
    (void)state;
    size_t count = 1; /* the scalar one has no bit */
    for (uint32_t tiers = rmr_kern_tiers(); tiers; tiers &= tiers - 1)
        count++;
    assert_string_equal(rmr_tier_at(0), "scalar");
    for (size_t i = 0; i < count; i++) {
        assert_non_null(rmr_tier_at(i));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(rmr_tier_at(i), rmr_tier_at(j));
    }
    assert_null(rmr_tier_at(count));
    assert_null(rmr_tier_at(SIZE_MAX));
}

static int is_tier(const char *name)
{
    for (size_t i = 0; rmr_tier_at(i); i++)
        if (strcmp(rmr_tier_at(i), name) == 0)
            return 1;
    return 0;
}

static void test_every_kernel_is_from_a_tier(void **state)
{
    (void)state;
    size_t count = 0;
    const char *kernel, *tier;
#define RMR_KERN(name, parameters)                                             \
    assert_int_equal(rmr_kernel_at(count++, &kernel, &tier), 1);               \
    assert_string_equal(kernel, #name);                                        \
    assert_true(is_tier(tier));
#include "kernels/kern.inc"
#undef RMR_KERN
    assert_int_equal(rmr_kernel_at(count, &kernel, &tier), 0);
    assert_null(kernel);
    assert_null(tier);
    assert_int_equal(rmr_kernel_at(SIZE_MAX, &kernel, &tier), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tier_has_a_name),
        cmocka_unit_test(test_every_kernel_is_from_a_tier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
