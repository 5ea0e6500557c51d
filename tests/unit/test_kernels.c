/*
 * test_kernels.c - every kernel of kern.inc in every tier that this CPU runs,
 * against double precision, with a guard page after each operand. A kernel
 * without a test does not compile: the list of tests is kern.inc itself.
 */
#include <float.h>
#include <math.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"
#include "kernels/kern.h"
#include "kernels/template/vmath.h"

static const double U = 0x1p-24; /* half an ulp of 1 */

enum { MAX_TAIL = 40 };

/* ------------------------------------------------------------------- tiers */

typedef struct tier {
    const char *name;
    uint32_t mask;
    int is_row_invariant; /* kern.inc's promise about sums; not OpenBLAS's */
} tier;

static const tier all_tiers[] = {
    {"scalar", 0, 1},
    {"blas", RMR_TIER_BLAS, 0},
    {"avx2", RMR_TIER_AVX2, 1},
    {"avx512", RMR_TIER_AVX2 | RMR_TIER_AVX512, 1},
};

static uint64_t seed;

/* Calls check for every tier that can run here; kern is filled for it. */
static void for_each_tier(void (*check)(const tier *, const rmr_kern *))
{
    uint64_t start = seed;
    for (size_t i = 0; i < LENGTH(all_tiers); i++) {
        rmr_kern kern;
        if ((all_tiers[i].mask & rmr_kern_tiers()) != all_tiers[i].mask)
            continue;
        seed = start;
        rmr_kern_init(&kern, all_tiers[i].mask);
        check(&all_tiers[i], &kern);
    }
}

/* --------------------------------------------------------------- operands */

/* Memory that ends at a page that cannot be touched, and whose beginning is
 * preceded by bytes that must stay as they are. */
typedef struct block {
    unsigned char *map;
    size_t size;
    size_t before; /* bytes of canary */
} block;

static block blocks[32];
static size_t num_blocks;

enum { CANARY = 0xa5 };

static void *guarded(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (bytes + 64 + page - 1) / page * page;
    assert_true(num_blocks < LENGTH(blocks));
    block *b = &blocks[num_blocks++];
    b->size = room + page;
    b->map = mmap(NULL, b->size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(b->map != MAP_FAILED);
    assert_int_equal(mprotect(b->map + room, page, PROT_NONE), 0);
    b->before = room - bytes;
    memset(b->map, CANARY, b->before);
    return b->map + b->before;
}

/* Checks the canaries and frees everything. */
static void release(void)
{
    for (; num_blocks > 0; num_blocks--) {
        block *b = &blocks[num_blocks - 1];
        for (size_t i = 0; i < b->before; i++) {
            if (b->map[i] != CANARY)
                fail_msg("a byte %zu before an operand was written",
                         b->before - i);
        }
        munmap(b->map, b->size);
    }
}

/* count floats within +-spread. */
static float *operand(size_t count, float spread)
{
    float *values = guarded(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = spread * tiny_signed(&seed);
    return values;
}

/* count floats that hold NaN until they are written. */
static float *output(size_t count)
{
    float *values = guarded(count * sizeof *values);
    memset(values, 0xff, count * sizeof *values);
    return values;
}

static float *copy_of(const float *values, size_t count)
{
    float *copy = output(count);
    if (count)
        memcpy(copy, values, count * sizeof *copy);
    return copy;
}

static size_t below(size_t limit)
{
    return (size_t)(tiny_random(&seed) % limit);
}

static void expect_near(const tier *t, const char *what, size_t index,
                        float value, double expected, double bound)
{
    if (!(fabs(value - expected) <= bound))
        fail_msg("%s %s[%zu] is %.9g, not %.17g: off by %.3g, allowed %.3g",
                 t->name, what, index, value, expected, fabs(value - expected),
                 bound);
}

static void expect_bits(const tier *t, const char *what, const float *a,
                        const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&a[i], &b[i], sizeof *a) != 0)
            fail_msg("%s %s[%zu]: %.9g and %.9g", t->name, what, i, a[i], b[i]);
    }
}

static void expect_nan(const tier *t, const char *what, const float *values,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isnan(values[i]))
            fail_msg("%s %s[%zu] is %.9g, not NaN", t->name, what, i,
                     values[i]);
    }
}

#define RMR_KERN(name, parameters) static void test_##name(void **state);
#include "kernels/kern.inc"
#undef RMR_KERN

/* ------------------------------------------------------------------ linear */

typedef struct linear_case {
    size_t tokens, in, out;
    const float *x, *weight, *bias;
    float *packed, *y;
} linear_case;

static linear_case make_linear(const rmr_kern *kern, size_t tokens, size_t in,
                               size_t out)
{
    linear_case c = {.tokens = tokens, .in = in, .out = out};
    c.x = operand(tokens * in, 2);
    c.weight = operand(out * in, 1);
    c.bias = operand(out, 1);
    c.packed = output(rmr_packed_floats(in, out));
    c.y = output(tokens * out);
    kern->pack_linear(in, out, c.weight, c.packed);
    return c;
}

static void run_linear(const rmr_kern *kern, const linear_case *c)
{
    kern->linear(c->tokens, c->in, c->out, c->x, c->packed, c->bias, c->y);
}

/* A sum of n products in any order is off by at most n u sum|a b|, to first
 * order (Higham 2002, section 3.1). */
static void check_linear(const tier *t, const linear_case *c)
{
    for (size_t r = 0; r < c->tokens; r++) {
        for (size_t o = 0; o < c->out; o++) {
            double sum = c->bias[o], size = fabs((double)c->bias[o]);
            for (size_t i = 0; i < c->in; i++) {
                double product =
                    (double)c->x[r * c->in + i] * c->weight[o * c->in + i];
                sum += product;
                size += fabs(product);
            }
            double bound = 1.001 * U * (double)(c->in + 1) * size;
            expect_near(t, "linear", r * c->out + o, c->y[r * c->out + o], sum,
                        bound);
        }
    }
}

static void check_linear_shape(const tier *t, const rmr_kern *kern,
                               size_t tokens, size_t in, size_t out)
{
    linear_case c = make_linear(kern, tokens, in, out);
    run_linear(kern, &c);
    check_linear(t, &c);
    release();
}

static void check_linear_shapes(const tier *t, const rmr_kern *kern)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        check_linear_shape(t, kern, below(30), 1 + n, 1 + below(50));
        check_linear_shape(t, kern, below(30), 1 + below(50), n);
        check_linear_shape(t, kern, n, 1 + below(50), 1 + below(50));
    }
    check_linear_shape(t, kern, 3, 0, 37);
    check_linear_shape(t, kern, 0, 0, 0);
    check_linear_shape(t, kern, 7, 384, 150);
    check_linear_shape(t, kern, 257, 33, 65);
    check_linear_shape(t, kern, 1, 1536, 16);
}

/* NaN and infinity reach what depends on them, and nothing else. */
static void check_linear_spreads(const tier *t, const rmr_kern *kern)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 30; i++) {
        size_t tokens = 1 + below(20), in = 1 + below(40);
        size_t out = 1 + below(40), row = below(tokens), column = below(out);
        linear_case c = make_linear(kern, tokens, in, out);
        run_linear(kern, &c);
        float *before = copy_of(c.y, tokens * out);
        ((float *)c.x)[row * in + below(in)] = bad[i % 3];
        run_linear(kern, &c);
        for (size_t r = 0; r < tokens; r++) {
            for (size_t o = 0; o < out; o++) {
                int same = c.y[r * out + o] == before[r * out + o];
                assert_true(r == row ? !isfinite(c.y[r * out + o]) : same);
            }
        }
        release();
        c = make_linear(kern, tokens, in, out);
        run_linear(kern, &c);
        before = copy_of(c.y, tokens * out);
        ((float *)c.weight)[column * in + below(in)] = bad[i % 3];
        kern->pack_linear(in, out, c.weight, c.packed);
        run_linear(kern, &c);
        for (size_t r = 0; r < tokens; r++) {
            for (size_t o = 0; o < out; o++) {
                int same = c.y[r * out + o] == before[r * out + o];
                assert_true(o == column ? !isfinite(c.y[r * out + o]) : same);
            }
        }
        release();
    }
    (void)t;
}

/* A row's result must be the same bits alone and among any others; of OpenBLAS
 * it is only said. */
static void check_linear_rows(const tier *t, const rmr_kern *kern)
{
    const size_t shapes[][2] = {{384, 48}, {33, 100}, {64, 16}, {7, 5}};
    size_t compared = 0, differing = 0;
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        size_t in = shapes[s][0], out = shapes[s][1], tokens = 131;
        linear_case c = make_linear(kern, tokens, in, out);
        float *alone = output(tokens * out);
        for (size_t r = 0; r < tokens; r++)
            kern->linear(1, in, out, c.x + r * in, c.packed, c.bias,
                         alone + r * out);
        for (size_t n = 1; n <= tokens; n += n < 60 ? 1 : 7) {
            size_t first = below(tokens - n + 1);
            float *y = output(n * out);
            kern->linear(n, in, out, c.x + first * in, c.packed, c.bias, y);
            if (t->is_row_invariant)
                expect_bits(t, "linear", y, alone + first * out, n * out);
            compared++;
            differing +=
                memcmp(y, alone + first * out, n * out * sizeof *y) != 0;
            /* The outputs of this loop are many; keep the operands. */
            munmap(blocks[num_blocks - 1].map, blocks[num_blocks - 1].size);
            num_blocks--;
        }
        release();
    }
    if (!t->is_row_invariant)
        print_message("%s: in %zu of %zu batches a row of linear has other "
                      "bits than alone\n",
                      t->name, differing, compared);
}

static void test_linear(void **state)
{
    (void)state;
    for_each_tier(check_linear_shapes);
    for_each_tier(check_linear_spreads);
    for_each_tier(check_linear_rows);
}

/* One 1 among zeros takes one weight out of its place, exactly. */
static void check_pack(const tier *t, const rmr_kern *kern)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        size_t in = n, out = 1 + below(50);
        const float *weight = operand(out * in, 1);
        float *packed = output(rmr_packed_floats(in, out));
        float *x = operand(in, 0), *bias = operand(out, 0), *y = output(out);
        kern->pack_linear(in, out, weight, packed);
        for (size_t i = 0; i < in; i++) {
            x[i] = 1;
            kern->linear(1, in, out, x, packed, bias, y);
            for (size_t o = 0; o < out; o++)
                expect_near(t, "pack_linear", o, y[o], weight[o * in + i], 0);
            x[i] = 0;
        }
        release();
    }
    kern->pack_linear(5, 0, guarded(0), guarded(0));
    release();
}

static void test_pack_linear(void **state)
{
    (void)state;
    for_each_tier(check_pack);
}

/* The packed tiers say that they sum in one order. */
static void test_packed_tiers_agree(void **state)
{
    (void)state;
    rmr_kern avx2, avx512;
    uint32_t both = RMR_TIER_AVX2 | RMR_TIER_AVX512;
    if ((rmr_kern_tiers() & both) != both) {
        print_message("this CPU has one packed tier at most\n");
        return;
    }
    rmr_kern_init(&avx2, RMR_TIER_AVX2);
    rmr_kern_init(&avx512, both);
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        linear_case c = make_linear(&avx2, n, 1 + below(300), 1 + below(90));
        run_linear(&avx2, &c);
        float *first = copy_of(c.y, c.tokens * c.out);
        avx512.pack_linear(c.in, c.out, c.weight, c.packed);
        run_linear(&avx512, &c);
        expect_bits(&all_tiers[3], "linear", c.y, first, c.tokens * c.out);
        release();
    }
}

/* --------------------------------------------------------------- attention */

typedef struct attention_case {
    size_t num_seqs, heads, head_size, tokens, longest;
    const uint32_t *cu_seqlens;
    float scale;
    float *q, *k, *v, *context, *scratch;
} attention_case;

/* Lengths end with UINT32_MAX. */
static attention_case make_attention(const uint32_t *lengths, size_t heads,
                                     size_t head_size, float spread)
{
    attention_case c = {.heads = heads, .head_size = head_size};
    while (lengths[c.num_seqs] != UINT32_MAX)
        c.num_seqs++;
    uint32_t *ends = guarded((c.num_seqs + 1) * sizeof *ends);
    ends[0] = 0;
    for (size_t s = 0; s < c.num_seqs; s++) {
        ends[s + 1] = ends[s] + lengths[s];
        c.longest = lengths[s] > c.longest ? lengths[s] : c.longest;
    }
    c.cu_seqlens = ends;
    c.tokens = ends[c.num_seqs];
    size_t count = c.tokens * heads * head_size;
    c.scale = 1 / sqrtf((float)head_size);
    c.q = operand(count, spread);
    c.k = operand(count, spread);
    c.v = operand(count, 1);
    c.context = output(count);
    c.scratch = output(rmr_attention_scratch(c.longest, head_size));
    return c;
}

static void run_attention(const rmr_kern *kern, const attention_case *c)
{
    kern->attention(c->num_seqs, c->cu_seqlens, c->heads, c->head_size,
                    c->scale, c->q, c->k, c->v, c->context, c->scratch);
}

/* One query: p[j] and how far a score may be off. */
static double reference_scores(const attention_case *c, size_t begin,
                               size_t length, size_t head, size_t i, double *p)
{
    size_t stride = c->heads * c->head_size;
    double largest = -INFINITY, total = 0, off = 0;
    for (size_t j = 0; j < length; j++) {
        double sum = 0, size = 0;
        for (size_t d = 0; d < c->head_size; d++) {
            double product = (double)c->q[(begin + i) * stride + head + d] *
                             c->k[(begin + j) * stride + head + d];
            sum += product;
            size += fabs(product);
        }
        p[j] = sum * c->scale;
        largest = fmax(largest, p[j]);
        off = fmax(off, (double)(c->head_size + 4) * U * size * c->scale);
    }
    for (size_t j = 0; j < length; j++)
        total += p[j] = exp(p[j] - largest);
    for (size_t j = 0; j < length; j++)
        p[j] /= total;
    return off;
}

static void check_attention(const tier *t, const attention_case *c)
{
    size_t stride = c->heads * c->head_size;
    double *p = calloc(c->longest + 1, sizeof *p);
    for (size_t s = 0; s < c->num_seqs; s++) {
        size_t begin = c->cu_seqlens[s];
        size_t length = c->cu_seqlens[s + 1] - begin;
        for (size_t at = 0; at < c->heads * length; at++) {
            size_t head = at / length * c->head_size, i = at % length;
            double off = reference_scores(c, begin, length, head, i, p);
            double relative =
                expm1(4 * off + 1e-6) + (double)(2 * length + 20) * U;
            for (size_t d = 0; d < c->head_size; d++) {
                double sum = 0, size = 0;
                for (size_t j = 0; j < length; j++) {
                    double v = c->v[(begin + j) * stride + head + d];
                    sum += p[j] * v;
                    size += p[j] * fabs(v) + 1e-30;
                }
                size_t index = (begin + i) * stride + head + d;
                expect_near(t, "attention", index, c->context[index], sum,
                            relative * size);
            }
        }
    }
    free(p);
}

static const uint32_t packs[][8] = {
    {1, UINT32_MAX},
    {0, UINT32_MAX},
    {5, 0, 2, 17, UINT32_MAX},
    {47, 48, 49, 1, UINT32_MAX},
    {16, 15, 96, 97, UINT32_MAX},
    {UINT32_MAX},
};

static void check_attention_shapes(const tier *t, const rmr_kern *kern)
{
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        uint32_t lengths[] = {(uint32_t)n, (uint32_t)below(20), UINT32_MAX};
        attention_case c = make_attention(lengths, 1 + n % 3, n, 2);
        run_attention(kern, &c);
        check_attention(t, &c);
        release();
    }
    for (size_t i = 0; i < LENGTH(packs); i++) {
        attention_case c = make_attention(packs[i], 3, 5 + 9 * i, 1);
        run_attention(kern, &c);
        check_attention(t, &c);
        release();
    }
    /* Scores so far apart that one key takes all. */
    attention_case c = make_attention(packs[2], 2, 32, 60);
    run_attention(kern, &c);
    check_attention(t, &c);
    release();
}

/* What one sequence gives depends on it alone: not on the others, nor on how
 * much scratch there is. */
static void check_attention_alone(const tier *t, const rmr_kern *kern)
{
    attention_case c = make_attention(packs[3], 2, 24, 1);
    size_t stride = c.heads * c.head_size;
    run_attention(kern, &c);
    for (size_t s = 0; s < c.num_seqs; s++) {
        size_t begin = c.cu_seqlens[s], end = c.cu_seqlens[s + 1];
        size_t count = (end - begin) * stride;
        const uint32_t ends[] = {0, (uint32_t)(end - begin)};
        float *context = output(count);
        float *scratch = output(rmr_attention_scratch(ends[1], c.head_size));
        kern->attention(1, ends, c.heads, c.head_size, c.scale,
                        c.q + begin * stride, c.k + begin * stride,
                        c.v + begin * stride, context, scratch);
        expect_bits(t, "attention alone", context, c.context + begin * stride,
                    count);
    }
    release();
}

static void check_attention_spreads(const tier *t, const rmr_kern *kern)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 36; i++) {
        attention_case c = make_attention(packs[2], 2, 20, 1);
        size_t stride = c.heads * c.head_size, count = c.tokens * stride;
        run_attention(kern, &c);
        float *before = copy_of(c.context, count);
        float *operands[] = {c.q, c.k, c.v};
        size_t begin = c.cu_seqlens[3], length = c.cu_seqlens[4] - begin;
        size_t row = begin + below(length), at = row * stride + below(20);
        operands[i % 3][at] = bad[i / 3 % 3];
        run_attention(kern, &c);
        expect_bits(t, "other sequences", c.context, before, begin * stride);
        size_t seen = 0;
        for (size_t r = begin; r < begin + length; r++) {
            for (size_t d = 0; d < stride; d++) {
                size_t index = r * stride + d;
                seen += !isfinite(c.context[index]);
                if (d >= 20) /* the other head */
                    expect_bits(t, "other head", c.context + index,
                                before + index, 1);
            }
        }
        /* A NaN always shows; an infinite query or key may be one that all
         * weights turn away from, but then it is the only one. */
        assert_true(seen > 0 || !isnan(bad[i / 3 % 3]));
        release();
    }
}

static void test_attention(void **state)
{
    (void)state;
    for_each_tier(check_attention_shapes);
    for_each_tier(check_attention_alone);
    for_each_tier(check_attention_spreads);
}

/* ------------------------------------------------------------------- norms */

typedef struct norm_case {
    size_t tokens, hidden;
    float *x, *residual, *gamma, *beta, *y;
    float epsilon;
} norm_case;

static void check_norm(const tier *t, const norm_case *c)
{
    double n = (double)c->hidden;
    for (size_t r = 0; r < c->tokens; r++) {
        const float *x = c->x + r * c->hidden;
        const float *residual =
            c->residual ? c->residual + r * c->hidden : NULL;
        double mean = 0, variance = 0, size = 0;
        for (size_t i = 0; i < c->hidden; i++) {
            mean += ((double)x[i] + (residual ? residual[i] : 0)) / n;
            size += (fabs(x[i]) + (residual ? fabs(residual[i]) : 0)) / n;
        }
        for (size_t i = 0; i < c->hidden; i++) {
            double d = (double)x[i] + (residual ? residual[i] : 0) - mean;
            variance += d * d / n;
        }
        double inverse = 1 / sqrt(variance + c->epsilon);
        for (size_t i = 0; i < c->hidden; i++) {
            double v = (double)x[i] + (residual ? residual[i] : 0);
            double scaled = (v - mean) * inverse;
            double terms = fabs(scaled) + (size + fabs(v)) * inverse;
            double bound = U * ((n / 16 + 24) * 2 * terms * fabs(c->gamma[i]) +
                                2 * fabs(c->beta[i]));
            size_t index = r * c->hidden + i;
            expect_near(t, "layer_norm", index, c->y[index],
                        scaled * c->gamma[i] + c->beta[i], bound);
        }
    }
}

static void check_norm_shape(const tier *t, const rmr_kern *kern, size_t tokens,
                             size_t hidden, int residual)
{
    size_t count = tokens * hidden;
    norm_case c = {.tokens = tokens, .hidden = hidden, .epsilon = 1e-12f};
    c.x = operand(count, 3);
    c.residual = residual ? operand(count, 1) : NULL;
    c.gamma = operand(hidden, 2);
    c.beta = operand(hidden, 1);
    c.y = output(count);
    kern->layer_norm(tokens, hidden, c.x, c.residual, c.gamma, c.beta,
                     c.epsilon, c.y);
    check_norm(t, &c);
    float *x = copy_of(c.x, count);
    kern->layer_norm(tokens, hidden, x, c.residual, c.gamma, c.beta, c.epsilon,
                     x);
    expect_bits(t, "layer_norm in place", x, c.y, count);
    if (residual) {
        float *in_residual = copy_of(c.residual, count);
        kern->layer_norm(tokens, hidden, c.x, in_residual, c.gamma, c.beta,
                         c.epsilon, in_residual);
        expect_bits(t, "layer_norm over the residual", in_residual, c.y, count);
    }
    for (size_t r = 0; r < tokens; r++) {
        float *row = output(hidden);
        kern->layer_norm(1, hidden, c.x + r * hidden,
                         residual ? c.residual + r * hidden : NULL, c.gamma,
                         c.beta, c.epsilon, row);
        expect_bits(t, "layer_norm of a row", row, c.y + r * hidden, hidden);
    }
    release();
}

static void check_norm_shapes(const tier *t, const rmr_kern *kern)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        check_norm_shape(t, kern, below(5), n, (int)n % 2);
        check_norm_shape(t, kern, below(5), n, !(n % 2));
    }
    check_norm_shape(t, kern, 2, 384, 1);
    check_norm_shape(t, kern, 1, 1024, 0);
}

static void check_norm_edges(const tier *t, const rmr_kern *kern)
{
    enum { HIDDEN = 19 };
    float *gamma = operand(HIDDEN, 1), *beta = operand(HIDDEN, 1);
    float *x = operand(2 * HIDDEN, 0), *y = output(2 * HIDDEN);
    /* All zero: beta and nothing else. */
    kern->layer_norm(2, HIDDEN, x, NULL, gamma, beta, 1e-12f, y);
    for (size_t i = 0; i < 2 * HIDDEN; i++)
        expect_near(t, "layer_norm of 0", i, y[i], beta[i % HIDDEN], 0);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3 * HIDDEN; i++) {
        x[i % HIDDEN] = bad[i / HIDDEN];
        kern->layer_norm(2, HIDDEN, x, NULL, gamma, beta, 1e-12f, y);
        expect_nan(t, "layer_norm", y, HIDDEN);
        assert_true(isfinite(y[HIDDEN]));
        x[i % HIDDEN] = 0;
    }
    release();
}

static void test_layer_norm(void **state)
{
    (void)state;
    for_each_tier(check_norm_shapes);
    for_each_tier(check_norm_edges);
}

static void check_l2(const tier *t, const rmr_kern *kern)
{
    for (size_t n = 0; n <= MAX_TAIL + 1; n++) {
        size_t count = n > MAX_TAIL ? 1024 : n;
        float *x = operand(count, 3), *before = copy_of(x, count);
        double norm = 0;
        for (size_t i = 0; i < count; i++)
            norm += (double)x[i] * x[i];
        kern->l2_normalize(count, x);
        for (size_t i = 0; i < count; i++) {
            double expected = before[i] / sqrt(norm);
            expect_near(t, "l2_normalize", i, x[i], expected,
                        ((double)count / 16 + 12) * U * fabs(expected));
        }
        for (size_t i = 0; i < count; i++)
            x[i] = 0;
        kern->l2_normalize(count, x);
        for (size_t i = 0; i < count; i++)
            assert_true(x[i] == 0);
        if (count) {
            x[count - 1] = 1e-14f; /* shorter than what is divided by */
            kern->l2_normalize(count, x);
            expect_near(t, "l2_normalize", 0, x[count - 1], 1e-2, 1e-8);
            x[below(count)] = NAN;
            kern->l2_normalize(count, x);
            expect_nan(t, "l2_normalize", x, count);
        }
        release();
    }
}

static void test_l2_normalize(void **state)
{
    (void)state;
    for_each_tier(check_l2);
}

/* ------------------------------------------------------------- elementwise */

typedef void elementwise(size_t count, float *x);
typedef void expectation(float x, double *value, double *bound);

/* Values of every size, and the edges. */
static float sample(size_t i)
{
    static const float edges[] = {
        0,      -0.0f,   1,       -1,      88.7f,    -88.7f,   89,
        -89,    3.95f,   -5.586f, FLT_MAX, -FLT_MAX, FLT_MIN,  -FLT_MIN,
        1e-45f, -1e-45f, 1e13f,   -1e13f,  103.972f, -103.972f};
    if (i < LENGTH(edges))
        return edges[i];
    return ldexpf(tiny_signed(&seed), (int)below(40) - 30) *
           (i % 3 ? 1.0f : 8.0f);
}

static void check_elementwise(const tier *t, const char *name, elementwise *f,
                              expectation *expect)
{
    for (size_t n = 0; n <= MAX_TAIL + 1; n++) {
        size_t count = n > MAX_TAIL ? 5000 : n;
        float *x = operand(count, 0);
        for (size_t i = 0; i < count; i++)
            x[i] = n > MAX_TAIL ? sample(i) : 6 * tiny_signed(&seed);
        float *before = copy_of(x, count);
        f(count, x);
        for (size_t i = 0; i < count; i++) {
            double value, bound;
            expect(before[i], &value, &bound);
            expect_near(t, name, i, x[i], value, bound);
        }
        release();
    }
    for (size_t n = 1; n <= MAX_TAIL; n++) {
        float *x = operand(n, 1), *clean = copy_of(x, n);
        size_t at = below(n);
        f(n, clean);
        x[at] = n % 2 ? NAN : -NAN;
        f(n, x);
        expect_nan(t, name, x + at, 1);
        expect_bits(t, name, x, clean, at);
        expect_bits(t, name, x + at + 1, clean + at + 1, n - at - 1);
        x[at] = INFINITY;
        f(n, x);
        assert_true(x[at] == INFINITY);
        release();
    }
}

/* erf's stated error of 5e-7 through 0.5 x (1 + erf). */
static void expect_gelu(float x, double *value, double *bound)
{
    *value = 0.5 * x * erfc(-(double)x / sqrt(2));
    *bound = 0.5 * fabs(x) * 7e-7 + 1e-44;
}

/* x * sigmoid(u), where u is off by `off`. */
static void expect_logistic(float x, double u, double off, double *value,
                            double *bound)
{
    *value = u < -700 ? 0 : x / (1 + exp(-u));
    *bound =
        fabs(*value) * (expm1(fmin(off, 1)) + 6e-7) + fabs(x) * 3e-38 + 1e-44;
}

static void expect_gelu_tanh(float x, double *value, double *bound)
{
    double u = 2 * sqrt(2 / M_PI) * (x + 0.044715 * pow(x, 3));
    expect_logistic(x, u, 8 * U * fabs(u), value, bound);
}

static void expect_silu(float x, double *value, double *bound)
{
    expect_logistic(x, x, 0, value, bound);
}

static void expect_relu(float x, double *value, double *bound)
{
    *value = x > 0 ? x : 0;
    *bound = 0;
}

#define ELEMENTWISE(name)                                                      \
    static void check_##name(const tier *t, const rmr_kern *kern)              \
    {                                                                          \
        check_elementwise(t, #name, kern->name, expect_##name);                \
    }                                                                          \
    static void test_##name(void **state)                                      \
    {                                                                          \
        (void)state;                                                           \
        for_each_tier(check_##name);                                           \
    }

ELEMENTWISE(gelu)
ELEMENTWISE(gelu_tanh)
ELEMENTWISE(silu)
ELEMENTWISE(relu)

static void check_add(const tier *t, const rmr_kern *kern)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        float *x = operand(n, 1), *y = operand(n, 1000);
        if (n)
            x[below(n)] = NAN;
        float *x_before = copy_of(x, n), *y_before = copy_of(y, n);
        kern->add(n, x, y);
        expect_bits(t, "add's x", x, x_before, n);
        for (size_t i = 0; i < n; i++) {
            if (isnan(x[i]))
                expect_nan(t, "add", y + i, 1);
            else
                assert_true(y[i] == x[i] + y_before[i]);
        }
        release();
    }
}

static void test_add(void **state)
{
    (void)state;
    for_each_tier(check_add);
}

/* -------------------------------------------------------------------- rows */

static void check_rows(const tier *t, const rmr_kern *kern, size_t rows,
                       size_t columns)
{
    const float *x = operand(rows * columns, 3);
    float *mean = output(columns), *max = output(columns);
    kern->mean_rows(rows, columns, x, mean);
    kern->max_rows(rows, columns, x, max);
    for (size_t c = 0; c < columns; c++) {
        double sum = 0, size = 0, largest = -INFINITY;
        for (size_t r = 0; r < rows; r++) {
            sum += x[r * columns + c];
            size += fabs(x[r * columns + c]);
            largest = fmax(largest, x[r * columns + c]);
        }
        double n = (double)rows;
        expect_near(t, "mean_rows", c, mean[c], sum / n,
                    (n + 1) * U * size / n);
        expect_near(t, "max_rows", c, max[c], largest, 0);
    }
    if (columns) {
        size_t column = below(columns);
        ((float *)x)[below(rows) * columns + column] = NAN;
        float *clean_mean = copy_of(mean, columns);
        float *clean_max = copy_of(max, columns);
        kern->mean_rows(rows, columns, x, mean);
        kern->max_rows(rows, columns, x, max);
        expect_nan(t, "mean_rows", mean + column, 1);
        expect_nan(t, "max_rows", max + column, 1);
        clean_mean[column] = mean[column];
        clean_max[column] = max[column];
        expect_bits(t, "mean_rows", mean, clean_mean, columns);
        expect_bits(t, "max_rows", max, clean_max, columns);
    }
    release();
}

static void check_rows_shapes(const tier *t, const rmr_kern *kern)
{
    for (size_t n = 0; n <= MAX_TAIL; n++) {
        check_rows(t, kern, 1 + below(40), n);
        check_rows(t, kern, 1 + n, 1 + below(40));
    }
    check_rows(t, kern, 512, 384);
    const float low[] = {-INFINITY, -FLT_MAX, -INFINITY, -INFINITY};
    float max[2];
    kern->max_rows(2, 2, low, max);
    assert_true(max[0] == -INFINITY && max[1] == -FLT_MAX);
}

static void test_mean_rows(void **state)
{
    (void)state;
    for_each_tier(check_rows_shapes);
}

static void test_max_rows(void **state)
{
    (void)state;
    for_each_tier(check_rows_shapes);
}

/* --------------------------------------------------------------- functions */

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Over all exponents, both signs, and fractions that differ each time. */
static void for_many_floats(void (*check)(float))
{
    for (uint32_t high = 0; high < 512; high++) {
        for (uint32_t i = 0; i < 2048; i++) {
            uint32_t fraction = i < 2   ? i
                                : i < 4 ? 0x7fffff - i + 2
                                        : (uint32_t)below(1 << 23);
            check(from_bits(high << 23 | fraction));
        }
    }
    /* Densely where the exponential is steep. */
    for (float x = -90; x < 90; x += 1e-3f)
        check(x);
}

static void check_exp(float x)
{
    float y = rmr_expf(x);
    if (isnan(x)) {
        assert_true(isnan(y));
        return;
    }
    if (x < -86.5f) {
        if (!(fabs(y / exp(-86.5) - 1) < 1e-6))
            fail_msg("exp(%.9g) is %.9g", x, y);
        return;
    }
    if (x > 88.7f) {
        assert_true(y > 3.3e38f);
        return;
    }
    double expected = exp((double)x);
    float near = (float)expected;
    double ulp = (double)nextafterf(near, INFINITY) - near;
    if (!(fabs(y - expected) <= 2 * ulp))
        fail_msg("exp(%.9g) is %.9g, %.2f ulp off", x, y,
                 fabs(y - expected) / ulp);
}

static void check_erf(float x)
{
    float y = rmr_erff(x), negative = rmr_erff(-x);
    if (isnan(x)) {
        assert_true(isnan(y));
        return;
    }
    assert_true(negative == -y);
    if (!(fabs(y - erf(x)) <= 5e-7))
        fail_msg("erf(%.9g) is %.9g", x, y);
    if (fabsf(x) >= 3.95f)
        assert_true(fabsf(y) == 1); /* so that gelu of far below is 0 */
}

static void test_exp_and_erf(void **state)
{
    (void)state;
    for_many_floats(check_exp);
    for_many_floats(check_erf);
}

/* ------------------------------------------------------------------- table */

static void check_table(const tier *t, const rmr_kern *kern)
{
    size_t entries = 0;
#define RMR_KERN(name, parameters)                                             \
    entries++;                                                                 \
    assert_non_null(kern->name);
#include "kernels/kern.inc"
#undef RMR_KERN
    assert_int_equal(entries * sizeof(void (*)(void)), sizeof *kern);
    print_message("tier %s\n", t->name);
}

static void test_table(void **state)
{
    (void)state;
    assert_true(rmr_kern_tiers() & RMR_TIER_BLAS);
    for_each_tier(check_table);
}

int main(void)
{
    const char *given = getenv("REMORA_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("REMORA_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
#define RMR_KERN(name, parameters) cmocka_unit_test(test_##name),
#include "kernels/kern.inc"
#undef RMR_KERN
        cmocka_unit_test(test_packed_tiers_agree),
        cmocka_unit_test(test_exp_and_erf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
