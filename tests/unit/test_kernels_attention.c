/*
 * test_kernels_attention.c - attention of float32 and bfloat16 in every tier
 * against a softmax in double, over one sequence of every length about blocks
 * of queries and keys, by itself and inside of a fused q, k, v. It must never
 * leave memory beside a head something that could go unseen in a result.
 */
#include <math.h>

#include "tests/unit/kernel_operands.h"

#define KERNELS_OF_LINEAR(name)
#define KERNELS_OF_INTEGER(name)
#define KERNELS_OF_PACKED(name)
#define KERNELS_OF_ATTENTION(name) cmocka_unit_test(test_##name),
#define KERNELS_OF_TABLE(name)

enum { MAX_TAIL = 40 };

/* ----------------------------------------------------------------- operands */

/* q, k and v [length, head_size] as they are in double, and where. */
typedef struct attention_case {
    rmr_dtype dtype;
    size_t length, head_size;
    double *q, *k, *v;
    rmr_attention_args args;
    rmr_attention_bias bias; /* of args, or not */
} attention_case;

static double *random_values(rmr_dtype dtype, size_t count, float spread)
{
    double *values = kernel_array(count, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        float value = kernel_signed(spread);
        if (dtype == RMR_DTYPE_BF16)
            value = kernel_from_bf16(kernel_to_bf16(value));
        values[i] = value;
    }
    return values;
}

static void write_rows(const attention_case *c, const double *values,
                       const void *to)
{
    for (size_t i = 0; i < c->length * c->head_size; i++) {
        size_t d = i % c->head_size;
        char *row = (char *)to + i / c->head_size * c->args.stride;
        if (c->dtype == RMR_DTYPE_BF16)
            ((uint16_t *)row)[d] = kernel_to_bf16((float)values[i]);
        else
            ((float *)row)[d] = (float)values[i];
    }
}

static void write_operands(const attention_case *c)
{
    write_rows(c, c->q, c->args.q);
    write_rows(c, c->k, c->args.k);
    write_rows(c, c->v, c->args.v);
}

/* The context of one of some heads. */
static void place_context(attention_case *c, size_t heads, size_t at)
{
    size_t head = c->head_size * rmr_dtype_size(c->args.context_dtype);
    c->args.context_stride = heads * head;
    c->args.context =
        kernel_rows(c->length, head, heads * head, (heads - 1 - at) * head);
}

/* The head among others, whose values are NaN, of a token's q, k and v one
 * after the other. */
static void place_fused(attention_case *c)
{
    size_t head = c->head_size * rmr_dtype_size(c->dtype);
    size_t heads = 1 + kernel_below(4), at = kernel_below(heads);
    size_t hidden = heads * head;
    char *qkv = kernel_rows(c->length, 3 * hidden, 3 * hidden, 0);
    c->args.stride = 3 * hidden;
    c->args.q = qkv + at * head;
    c->args.k = qkv + hidden + at * head;
    c->args.v = qkv + 2 * hidden + at * head;
    place_context(c, heads, at);
}

/* Each by itself, up to a page that cannot be touched. */
static void place_apart(attention_case *c)
{
    size_t head = c->head_size * rmr_dtype_size(c->dtype);
    size_t stride = head + RMR_STEP * kernel_below(20);
    c->args.stride = stride;
    c->args.q = kernel_rows(c->length, head, stride, 0);
    c->args.k = kernel_rows(c->length, head, stride, 0);
    c->args.v = kernel_rows(c->length, head, stride, 0);
    place_context(c, 1 + kernel_below(2), 0);
}

static void place(attention_case *c, int is_fused, size_t longest)
{
    c->args.scratch =
        kernel_array(rmr_attention_scratch(longest, c->head_size), 1);
    if (is_fused)
        place_fused(c);
    else
        place_apart(c);
    write_operands(c);
}

/* Queries and keys within +-spread. */
static attention_case make_attention(rmr_dtype dtype, size_t length,
                                     size_t head_size, float spread)
{
    attention_case c = {
        .dtype = dtype, .length = length, .head_size = head_size};
    size_t count = length * head_size;
    c.args.length = length;
    c.args.head_size = head_size;
    c.args.scale = 1 / sqrtf((float)head_size);
    c.args.context_dtype = kernel_one_in(2) ? dtype : RMR_DTYPE_F32;
    if (kernel_one_in(8))
        c.args.context_dtype = RMR_DTYPE_BF16;
    c.q = random_values(dtype, count, spread);
    c.k = random_values(dtype, count, spread);
    c.v = random_values(dtype, count, 1);
    place(&c, kernel_one_in(2), length);
    return c;
}

/* A column for each distance, of which some may follow each other; and what
 * some queries or keys make of it. */
static void make_columns(attention_case *c)
{
    rmr_attention_bias *b = &c->bias;
    size_t count = 2 * c->length + RMR_PANEL;
    int32_t *columns = kernel_array(count, sizeof *columns);
    b->near = kernel_below((uint32_t)c->length);
    b->stride = 2 * b->near + 1 + kernel_below(40);
    for (size_t i = 0; i < count; i++)
        columns[i] = (int32_t)kernel_below((uint32_t)b->stride);
    for (size_t i = 0; i <= 2 * b->near; i++)
        columns[c->length - 1 - b->near + i] = (int32_t)i;
    b->columns = columns + c->length - 1;
    if (!kernel_one_in(3))
        b->of_query = kernel_floats(c->length * b->stride + RMR_PANEL, 2);
    if (!kernel_one_in(3))
        b->of_key = kernel_floats(c->length * b->stride, 2);
}

static size_t any_reach(size_t length)
{
    return kernel_one_in(3)   ? SIZE_MAX
           : kernel_one_in(3) ? 0
                              : kernel_below((uint32_t)length + 1);
}

static void make_bias(attention_case *c)
{
    rmr_attention_bias *b = &c->bias;
    b->before = any_reach(c->length);
    b->after = any_reach(c->length);
    if (kernel_one_in(2))
        b->distance =
            kernel_floats(2 * c->length + RMR_PANEL, 2) + c->length - 1;
    if (kernel_one_in(2))
        make_columns(c);
}

static void run_attention(const kernel_tier *tier, const attention_case *c)
{
    if (c->dtype == RMR_DTYPE_BF16)
        tier->kern.attention_bf16(&c->args);
    else
        tier->kern.attention_f32(&c->args);
}

static const void *context_at(const attention_case *c, size_t i, size_t d)
{
    return (const char *)c->args.context + i * c->args.context_stride +
           d * rmr_dtype_size(c->args.context_dtype);
}

static double context_of(const attention_case *c, size_t i, size_t d)
{
    const void *at = context_at(c, i, d);
    if (c->args.context_dtype == RMR_DTYPE_BF16)
        return kernel_from_bf16(*(const uint16_t *)at);
    return *(const float *)at;
}

/* ---------------------------------------------------------------- reference */

/* What is added to a product, and to the score that is made of it. */
static double bias_of_product(const attention_case *c, size_t i, size_t j)
{
    const rmr_attention_bias *b = c->args.bias;
    double sum = 0;
    if (b && b->of_query)
        sum +=
            b->of_query[i * b->stride + (size_t)b->columns[(ptrdiff_t)(j - i)]];
    if (b && b->of_key)
        sum +=
            b->of_key[j * b->stride + (size_t)b->columns[(ptrdiff_t)(j - i)]];
    return sum;
}

static double bias_of_score(const attention_case *c, size_t i, size_t j)
{
    const rmr_attention_bias *b = c->args.bias;
    if (b && j > i && j - i > b->after)
        return -INFINITY;
    if (b && i > j && i - j > b->before)
        return -INFINITY;
    return b && b->distance ? b->distance[(ptrdiff_t)(j - i)] : 0;
}

/* The probabilities of one query's keys, and how far off a score may be: a dot
 * product's bound, once more for its scale and the largest. */
static double reference_of(const attention_case *c, size_t i, double *p)
{
    double largest = -INFINITY, total = 0, off = 0;
    for (size_t j = 0; j < c->length; j++) {
        const double *q = c->q + i * c->head_size, *k = c->k + j * c->head_size;
        double sum = 0, size = 0;
        for (size_t d = 0; d < c->head_size; d++) {
            sum += q[d] * k[d];
            size += fabs(q[d] * k[d]);
        }
        double more = bias_of_product(c, i, j), score = bias_of_score(c, i, j);
        p[j] = (sum + more) * c->args.scale + score;
        size += fabs(more) + (isfinite(score) ? fabs(score) : 0);
        largest = p[j] > largest ? p[j] : largest;
        if (isfinite(size))
            off = fmax(off, ((double)c->head_size + 8) * KERNEL_U * size *
                                (c->args.bias ? fmax(1, c->args.scale)
                                              : c->args.scale));
    }
    for (size_t j = 0; j < c->length; j++)
        total += p[j] = exp(p[j] - largest);
    for (size_t j = 0; j < c->length; j++)
        p[j] /= total;
    return c->dtype == RMR_DTYPE_BF16 ? 2 * off : off;
}

/*
 * Relative to sum p |v|, where |v| is at most 1: each exponential by its score
 * and by its own error, a sum of as many, twice, and a few roundings; of
 * bfloat16 also a rough exponential, the probabilities' rounding, and the
 * result's. What is below 1e-37 may be something else that is.
 */
static void check_query(const kernel_tier *tier, const attention_case *c,
                        size_t i, const double *p, double off)
{
    double n = (double)c->length;
    double relative = expm1(4 * off + 1e-6) + (2 * n + 20) * KERNEL_U;
    if (c->dtype == RMR_DTYPE_BF16)
        relative += 1.01 * KERNEL_U_BF16 + 2e-4;
    if (c->args.context_dtype == RMR_DTYPE_BF16)
        relative += 1.01 * KERNEL_U_BF16;
    for (size_t d = 0; d < c->head_size; d++) {
        double sum = 0, size = (n + 1) * 1e-37;
        for (size_t j = 0; j < c->length; j++) {
            double product = p[j] * c->v[j * c->head_size + d];
            sum += product;
            size += fabs(product);
        }
        kernel_near(tier, "context", i * c->head_size + d, context_of(c, i, d),
                    sum, relative * size);
    }
}

static void check_attention(const kernel_tier *tier, const attention_case *c)
{
    double *p = kernel_array(c->length, sizeof *p);
    for (size_t i = 0; i < c->length; i++) {
        double off = reference_of(c, i, p);
        check_query(tier, c, i, p, off);
    }
}

static void try_attention(const kernel_tier *tier, rmr_dtype dtype,
                          size_t length, size_t head_size, float spread)
{
    attention_case c = make_attention(dtype, length, head_size, spread);
    run_attention(tier, &c);
    check_attention(tier, &c);
    kernel_release(tier);
}

static void try_biased(const kernel_tier *tier, rmr_dtype dtype, size_t length,
                       size_t head_size)
{
    attention_case c = make_attention(dtype, length, head_size, 1);
    make_bias(&c);
    c.args.bias = &c.bias;
    run_attention(tier, &c);
    check_attention(tier, &c);
    kernel_release(tier);
}

/* ------------------------------------------------------------------- shapes */

static size_t any_head(rmr_dtype dtype)
{
    static const size_t heads[] = {16, 32, 64, 80, 2, 6, 34, 5, 33, 1};
    return heads[kernel_below(dtype == RMR_DTYPE_BF16 ? 7 : LENGTH(heads))];
}

static void check_shapes(const kernel_tier *tier, rmr_dtype dtype)
{
    static const size_t heads[] = {16, 32, 64, 80};
    static const size_t lengths[] = {48, 49, 255, 256, 257, 300};
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        try_attention(tier, dtype, n, heads[n % LENGTH(heads)], 2);
        try_attention(tier, dtype, n, any_head(dtype), 2);
    }
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        size_t head = dtype == RMR_DTYPE_BF16 ? 2 * n : n;
        try_attention(tier, dtype, 1 + kernel_below(60), head, 1);
    }
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        try_attention(tier, dtype, lengths[i], any_head(dtype), 1);
        try_attention(tier, dtype, lengths[i], heads[i % LENGTH(heads)], 3);
    }
    try_attention(tier, dtype, 600, 32, 1);
}

/* What queries do not see, and what distances add. */
static void check_biases(const kernel_tier *tier, rmr_dtype dtype)
{
    static const size_t lengths[] = {24, 25, 255, 256, 257, 300, 600};
    for (size_t n = 1; n <= 2 * MAX_TAIL; n++)
        try_biased(tier, dtype, 1 + n / 2, any_head(dtype));
    for (size_t n = 0; n < 3 * LENGTH(lengths); n++)
        try_biased(tier, dtype, lengths[n % LENGTH(lengths)], any_head(dtype));
}

/* Scores so far apart that a few keys take all, and so large that their
 * exponentials alone would overflow; rising or falling from key to key, so
 * that each block has the largest so far, or the first has. */
static void check_scores(const kernel_tier *tier, rmr_dtype dtype)
{
    const size_t lengths[] = {1, 17, 256, 300, 600};
    const float spreads[] = {30, 60, 1000};
    for (size_t i = 0; i < 3 * LENGTH(spreads) * LENGTH(lengths); i++) {
        size_t length = lengths[i % LENGTH(lengths)], kind = i / 15;
        float spread = spreads[i / LENGTH(lengths) % LENGTH(spreads)];
        attention_case c = make_attention(dtype, length, 16, spread);
        for (size_t j = 0; kind && j < length * 16; j++) {
            size_t key = j / 16;
            double slope = kind == 1 ? (double)key : (double)(length - key);
            c.q[j] = fabs(c.q[j]);
            c.k[j] = kernel_from_bf16(
                kernel_to_bf16((float)(slope / 64 + kernel_signed(0.1f))));
        }
        write_operands(&c);
        run_attention(tier, &c);
        check_attention(tier, &c);
        kernel_release(tier);
    }
}

/* Equal scores: the mean of all values. */
static void check_mean(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 1; n <= 600; n = n < MAX_TAIL ? n + 1 : n * 2) {
        attention_case c = make_attention(dtype, n, 32, 1);
        memset(c.q, 0, n * 32 * sizeof *c.q);
        write_operands(&c);
        run_attention(tier, &c);
        check_attention(tier, &c);
        kernel_release(tier);
    }
}

/* --------------------------------------------------------------- invariance */

/* The same bits of row `row` as in row `same_row` of the other. */
static void check_same_row(const kernel_tier *tier, const attention_case *c,
                           size_t row, const attention_case *other,
                           size_t other_row)
{
    kernel_same(tier, "context", context_at(c, row, 0),
                context_at(other, other_row, 0), c->head_size,
                rmr_dtype_size(c->args.context_dtype));
}

/* Nothing counts but the sequence: not where the operands are, nor how much
 * scratch there is or what it held, nor for a row which queries are beside it.
 */
static void check_invariance(const kernel_tier *tier, rmr_dtype dtype)
{
    for (size_t n = 1; n <= 330; n = n <= MAX_TAIL ? n + 1 : n + 37) {
        attention_case c = make_attention(dtype, n, any_head(dtype), 2);
        attention_case other = c;
        size_t head = c.head_size, turn = kernel_below(n);
        run_attention(tier, &c);
        place(&other, n % 2, n + kernel_below(100));
        run_attention(tier, &other);
        for (size_t i = 0; i < n; i++)
            check_same_row(tier, &other, i, &c, i);
        other.q = kernel_array(n * head, sizeof *other.q);
        for (size_t i = 0; i < n; i++)
            memcpy(other.q + i * head, c.q + (i + turn) % n * head,
                   head * sizeof *c.q);
        write_operands(&other);
        run_attention(tier, &other);
        for (size_t i = 0; i < n; i++)
            check_same_row(tier, &other, i, &c, (i + turn) % n);
        kernel_release(tier);
    }
}

/* --------------------------------------------------------- NaN and infinity */

/* What one query holds reaches its row alone. */
static void check_poisoned_query(const kernel_tier *tier, attention_case *c,
                                 size_t row, float bad)
{
    attention_case before = *c;
    c->q[row * c->head_size + kernel_below(c->head_size)] = bad;
    place(c, kernel_one_in(2), c->length);
    run_attention(tier, c);
    for (size_t i = 0; i < c->length; i++) {
        if (i != row)
            check_same_row(tier, c, i, &before, i);
        for (size_t d = 0; isnan(bad) && i == row && d < c->head_size; d++)
            kernel_true(tier, isnan(context_of(c, i, d)));
    }
}

/* NaN in a key reaches all of all rows. */
static void check_poisoned_key(const kernel_tier *tier, attention_case *c,
                               size_t row)
{
    c->k[row * c->head_size + kernel_below(c->head_size)] = NAN;
    write_operands(c);
    run_attention(tier, c);
    for (size_t i = 0; i < c->length * c->head_size; i++)
        kernel_true(tier,
                    isnan(context_of(c, i / c->head_size, i % c->head_size)));
}

/* What one value holds reaches its component of all rows. */
static void check_poisoned_value(const kernel_tier *tier, attention_case *c,
                                 size_t row, float bad)
{
    attention_case before = *c;
    size_t component = kernel_below(c->head_size);
    c->v[row * c->head_size + component] = bad;
    place(c, kernel_one_in(2), c->length);
    run_attention(tier, c);
    for (size_t i = 0; i < c->length * c->head_size; i++) {
        size_t token = i / c->head_size, d = i % c->head_size;
        if (d == component)
            kernel_true(tier, !isfinite(context_of(c, token, d)));
        else
            kernel_same(tier, "another component", context_at(c, token, d),
                        context_at(&before, token, d), 1,
                        rmr_dtype_size(c->args.context_dtype));
    }
}

/* An infinite key is one that some rows turn to, which become NaN, and the
 * others away from: these are as without it. */
static void check_infinite_key(const kernel_tier *tier, attention_case *c,
                               size_t row, float bad)
{
    c->k[row * c->head_size + kernel_below(c->head_size)] = bad;
    write_operands(c);
    run_attention(tier, c);
    check_attention(tier, c);
}

static void check_poison(const kernel_tier *tier, rmr_dtype dtype)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const size_t lengths[] = {2, 5, 16, 23, 25, 49, 100, 270};
    for (size_t i = 0; i < 4 * 3 * LENGTH(lengths); i++) {
        float value = bad[i / 4 % 3];
        size_t length = lengths[i / 12], row = kernel_below(length);
        attention_case c = make_attention(dtype, length, any_head(dtype), 1);
        if (kernel_one_in(4)) /* where vectors and blocks begin */
            row = length > 256 ? 256 : 0;
        run_attention(tier, &c);
        if (i % 4 == 0)
            check_poisoned_query(tier, &c, row, value);
        else if (i % 4 == 1)
            check_poisoned_key(tier, &c, row);
        else if (i % 4 == 2)
            check_poisoned_value(tier, &c, row, value);
        else
            check_infinite_key(tier, &c, row, value);
        kernel_release(tier);
    }
}

/* -------------------------------------------------------------- all of them */

static void check_all(const kernel_tier *tier, rmr_dtype dtype)
{
    check_shapes(tier, dtype);
    check_biases(tier, dtype);
    check_mean(tier, dtype);
    check_scores(tier, dtype);
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

static void test_attention_f32(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(attention_f32, check_f32);
}

static void test_attention_bf16(void **unused)
{
    (void)unused;
    KERNEL_EACH_TIER(attention_bf16, check_bf16);
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
