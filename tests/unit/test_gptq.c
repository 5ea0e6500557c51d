/*
 * test_gptq.c - weights to int4 by what their inputs are like: nothing changes
 * where inputs have nothing to do with each other, outputs come out better
 * where they do, and no Gram matrix does harm.
 */
#include <float.h>
#include <math.h>

#include "common/model/gptq.h"
#include "kernels/gram.h"
#include "kernels/pack.h"
#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

enum { MAX_IN = 160, MAX_OUT = 70, MAX_GROUPS = (MAX_IN + 31) / 32 };

typedef struct result {
    uint8_t indexes[MAX_OUT * MAX_IN];
    int8_t group_scales[MAX_OUT * MAX_GROUPS];
    float scales[MAX_OUT];
} result;

static float weight[MAX_OUT * MAX_IN], gram[MAX_IN * MAX_IN];

static const size_t shapes[][2] = {{1, 1},   {7, 3},    {31, 33}, {32, 32},
                                   {45, 70}, {77, 31},  {96, 65}, {101, 5},
                                   {128, 1}, {129, 40}, {160, 64}};

static void fill_weight(size_t in, size_t out, uint64_t *seed)
{
    for (size_t i = 0; i < in * out; i++)
        weight[i] = tiny_signed(seed) + tiny_signed(seed) * tiny_signed(seed);
}

/* Of inputs that are sums of a few directions, and a little besides. */
static void fill_gram(size_t in, uint64_t *seed)
{
    enum { INPUTS = 400, DIRECTIONS = 6 };
    static float directions[DIRECTIONS][MAX_IN], x[MAX_IN];
    memset(gram, 0, sizeof gram);
    for (size_t d = 0; d < DIRECTIONS; d++) {
        for (size_t i = 0; i < in; i++)
            directions[d][i] = tiny_signed(seed);
    }
    for (size_t n = 0; n < INPUTS; n++) {
        float amounts[DIRECTIONS];
        for (size_t d = 0; d < DIRECTIONS; d++)
            amounts[d] = tiny_signed(seed);
        for (size_t i = 0; i < in; i++) {
            x[i] = 0.2f * tiny_signed(seed);
            for (size_t d = 0; d < DIRECTIONS; d++)
                x[i] += amounts[d] * directions[d][i];
        }
        rmr_gram_add(1, in, x, in * sizeof *x, gram);
    }
}

static void round_with_gram(size_t in, size_t out, const float *factors,
                            result *r)
{
    static float scratch[MAX_OUT * MAX_IN];
    rmr_error err = {0};
    memset(r, 0, sizeof *r);
    memcpy(scratch, weight, in * out * sizeof *scratch);
    expect_ok(rmr_gptq(in, out, scratch, gram, factors, r->indexes,
                       r->group_scales, r->scales, &err),
              &err);
}

static void round_plainly(size_t in, size_t out, result *r)
{
    memset(r, 0, sizeof *r);
    rmr_quantize_int4(in, out, weight, r->indexes, r->group_scales, r->scales);
}

/* ------------------------------------------------------------------- values
 */

static double value_of(const result *r, size_t in, size_t row, size_t i)
{
    int8_t scale = r->group_scales[row * rmr_groups(in) + i / RMR_GROUP];
    return (double)r->scales[row] *
           rmr_int4_value(r->indexes[row * in + i], scale);
}

/* Of all outputs for all the inputs that the Gram matrix is of:
 * tr((W - Q) F G F (W - Q)^T). */
static double output_error(const result *r, size_t in, size_t out,
                           const float *factors)
{
    double error = 0, off[MAX_IN];
    for (size_t row = 0; row < out; row++) {
        for (size_t i = 0; i < in; i++)
            off[i] = (weight[row * in + i] - value_of(r, in, row, i)) *
                     (factors ? factors[i] : 1);
        for (size_t i = 0; i < in; i++) {
            error += off[i] * off[i] * gram[i * in + i];
            for (size_t j = i + 1; j < in; j++)
                error += 2 * off[i] * off[j] * gram[i * in + j];
        }
    }
    return error;
}

/* Every value near its own: the row's largest is 126 levels, and two levels
 * are at most 24 of 127 apart. */
static void check_sane(const result *r, size_t in, size_t out)
{
    for (size_t row = 0; row < out; row++) {
        assert_true(r->scales[row] >= FLT_MIN && r->scales[row] <= FLT_MAX);
        for (size_t i = 0; i < in; i++) {
            assert_in_range(r->indexes[row * in + i], 0, 15);
            double off = weight[row * in + i] - value_of(r, in, row, i);
            assert_true(fabs(off) <= 40 * (double)r->scales[row]);
        }
    }
}

/* -------------------------------------------------------------------- tests
 */

static void check_plain(size_t in, size_t out)
{
    result plain, other;
    round_plainly(in, out, &plain);
    round_with_gram(in, out, NULL, &other);
    assert_memory_equal(&plain, &other, sizeof plain);
}

/* A multiple of the identity: inputs that have nothing to do with each other
 * and are all of one size; no inputs at all, and sizes that are none. */
static void test_inputs_alike_change_nothing(void **state)
{
    (void)state;
    static const float multiples[] = {0, 1, 3, 1e-20f, 1e30f, INFINITY, -1};
    uint64_t seed = 3;
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        size_t in = shapes[s][0], out = shapes[s][1];
        fill_weight(in, out, &seed);
        for (size_t m = 0; m < LENGTH(multiples); m++) {
            memset(gram, 0, sizeof gram);
            for (size_t i = 0; i < in; i++)
                gram[i * in + i] = multiples[m];
            check_plain(in, out);
        }
    }
}

/* Outputs are what matters: they come out better than by rounding, whose own
 * error is larger the more inputs go together. */
static void test_outputs_come_out_better(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        size_t in = shapes[s][0], out = shapes[s][1];
        float factors[MAX_IN];
        result plain, better;
        if (in < RMR_GROUP)
            continue;
        fill_weight(in, out, &seed);
        fill_gram(in, &seed);
        for (size_t i = 0; i < in; i++)
            factors[i] = 0.5f + 2 * (float)tiny_uniform(&seed);
        for (int f = 0; f < 2; f++) {
            const float *by = f ? factors : NULL;
            round_plainly(in, out, &plain);
            round_with_gram(in, out, by, &better);
            check_sane(&plain, in, out);
            double ratio = output_error(&better, in, out, by) /
                           output_error(&plain, in, out, by);
            if (!(ratio < 0.7))
                fail_msg("[%zu, %zu], factors %d: %.3f of the error", out, in,
                         f, ratio);
        }
    }
}

static void check_gram(size_t in, size_t out)
{
    result r;
    round_with_gram(in, out, NULL, &r);
    check_sane(&r, in, out);
}

/* One input only, whatever its size: there is much to be had. So small or so
 * large that its squares are beyond floats, there need not be. */
static void test_gram_of_one_input(void **state)
{
    (void)state;
    static const float sizes[] = {0, 1e-22f, 1e-10f, 1, 1e15f, 1e18f, 1e19f};
    uint64_t seed = 7;
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        size_t in = shapes[s][0], out = shapes[s][1];
        fill_weight(in, out, &seed);
        for (size_t n = 0; n < LENGTH(sizes); n++) {
            float x[MAX_IN];
            memset(gram, 0, sizeof gram);
            for (size_t i = 0; i < in; i++)
                x[i] = sizes[n] * tiny_signed(&seed);
            rmr_gram_add(1, in, x, in * sizeof *x, gram);
            rmr_gram_add(1, in, x, in * sizeof *x, gram);
            result plain, better;
            round_plainly(in, out, &plain);
            round_with_gram(in, out, NULL, &better);
            for (size_t row = 0; row < out; row++)
                assert_true(better.scales[row] >= FLT_MIN &&
                            better.scales[row] <= FLT_MAX);
            if (in >= RMR_GROUP && sizes[n] >= 1e-10f && sizes[n] <= 1e15f)
                assert_true(output_error(&better, in, out, NULL) <
                            0.7 * output_error(&plain, in, out, NULL));
        }
    }
}

/* What is no size of anything is as good as nothing known. */
static void test_gram_beyond_floats(void **state)
{
    (void)state;
    static const float values[] = {INFINITY, NAN, -1};
    uint64_t seed = 8;
    fill_weight(77, 31, &seed);
    for (size_t v = 0; v < LENGTH(values); v++) {
        for (size_t i = 0; i < 77 * 77; i++)
            gram[i] = values[v];
        check_gram(77, 31);
        check_plain(77, 31);
    }
}

/* Zeros, and what is below floats with full precision. */
static void test_weights_without_a_size(void **state)
{
    (void)state;
    static const float values[] = {0, -0.0f, 1e-45f, FLT_MIN / 2};
    uint64_t seed = 9;
    fill_gram(45, &seed);
    for (size_t v = 0; v < LENGTH(values); v++) {
        for (size_t i = 0; i < 45 * 3; i++)
            weight[i] = values[v];
        check_gram(45, 3);
    }
}

static void test_a_row_is_its_own(void **state)
{
    (void)state;
    enum { IN = 77, OUT = 70 };
    static float all[OUT * IN];
    result together, alone;
    uint64_t seed = 11;
    fill_weight(IN, OUT, &seed);
    fill_gram(IN, &seed);
    round_with_gram(IN, OUT, NULL, &together);
    memcpy(all, weight, sizeof all);
    for (size_t row = 0; row < OUT; row++) {
        size_t groups = rmr_groups(IN);
        memcpy(weight, all + row * IN, IN * sizeof *weight);
        round_with_gram(IN, 1, NULL, &alone);
        assert_memory_equal(alone.indexes, together.indexes + row * IN, IN);
        assert_memory_equal(alone.group_scales,
                            together.group_scales + row * groups, groups);
        assert_memory_equal(alone.scales, together.scales + row, sizeof(float));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_alike_change_nothing),
        cmocka_unit_test(test_outputs_come_out_better),
        cmocka_unit_test(test_gram_of_one_input),
        cmocka_unit_test(test_gram_beyond_floats),
        cmocka_unit_test(test_weights_without_a_size),
        cmocka_unit_test(test_a_row_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
