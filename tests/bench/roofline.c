/*
 * roofline.c - how near the kernels come to what this CPU can do: each one's
 * operations a second beside the most that its instructions reach in a loop of
 * nothing else, on one core. It must never take a figure from anything but a
 * clock.
 *
 * usage: roofline [SECONDS]   of measuring in all; 60 unless given
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kern.h"
#include "kernels/pack.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ------------------------------------------------------------------ the roof
 */

enum { LOOPS = 1 << 20, CHAINS = 12 };

#if defined(__x86_64__)
/* Sums that do not wait for each other, in registers. */
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define LOOP(name, text)                                                       \
    static void name(void)                                                     \
    {                                                                          \
        for (long i = 0; i < LOOPS; i++) {                                     \
            TWELVE(text)                                                       \
        }                                                                      \
    }
#define FMA_512(n)                                                             \
    __asm__ volatile("vfmadd231ps %%zmm14,%%zmm15,%%zmm" #n ::: "xmm" #n);
#define BF16_512(n)                                                            \
    __asm__ volatile("vdpbf16ps %%zmm14,%%zmm15,%%zmm" #n ::: "xmm" #n);
#define INT8_512(n)                                                            \
    __asm__ volatile("vpdpbusd %%zmm14,%%zmm15,%%zmm" #n ::: "xmm" #n);
#define FMA_256(n)                                                             \
    __asm__ volatile("vfmadd231ps %%ymm14,%%ymm15,%%ymm" #n ::: "xmm" #n);
#define INT8_256(n)                                                            \
    __asm__ volatile("%{vex%} vpdpbusd %%ymm14,%%ymm15,%%ymm" #n ::            \
                         : "xm"                                                \
                           "m" #n);
LOOP(fma_512, FMA_512)
LOOP(bf16_512, BF16_512)
LOOP(int8_512, INT8_512)
LOOP(fma_256, FMA_256)
LOOP(int8_256, INT8_256)

/* What has which instruction, the widest first; an operation is a product or a
 * sum. */
static const struct {
    rmr_dtype dtype;
    uint32_t tier;
    void (*loop)(void);
    double operations; /* of one instruction */
} roofs[] = {
    {RMR_DTYPE_F32, RMR_TIER_AVX512, fma_512, 32},
    {RMR_DTYPE_F32, RMR_TIER_AVX2, fma_256, 16},
    {RMR_DTYPE_BF16, RMR_TIER_AVX512_BF16, bf16_512, 64},
    {RMR_DTYPE_INT8, RMR_TIER_AVX512_VNNI, int8_512, 128},
    {RMR_DTYPE_INT8, RMR_TIER_AVX_VNNI, int8_256, 64},
};

/* Operations a second, in thousands of millions: the best of some tries. */
static double roof_of(rmr_dtype dtype)
{
    double best = 0;
    for (size_t i = 0; i < sizeof roofs / sizeof *roofs && !best; i++) {
        if (roofs[i].dtype != dtype || !(roofs[i].tier & rmr_kern_tiers()))
            continue;
        for (int attempt = 0; attempt < 20; attempt++) {
            double start = now();
            roofs[i].loop();
            double rate =
                roofs[i].operations * CHAINS * LOOPS / (now() - start) * 1e-9;
            best = rate > best ? rate : best;
        }
    }
    return best;
}
#else
static double roof_of(rmr_dtype dtype)
{
    (void)dtype;
    return 0;
}
#endif

/* ----------------------------------------------------------------- measuring
 */

static rmr_kern kern;
static double share; /* seconds for each line */

static void *room(size_t bytes)
{
    void *at = aligned_alloc(RMR_ALIGNMENT, (bytes + 127) / 64 * 64);
    if (!at)
        abort();
    return memset(at, 0, (bytes + 127) / 64 * 64);
}

static float *floats(size_t count)
{
    float *values = room(count * sizeof *values);
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        values[i] = (float)(state >> 8) / 8388608.0f - 1;
    }
    return values;
}

/* Seconds of one call, the best of as many rounds as there is time for. */
static double time_of(void (*call)(void *context), void *context)
{
    double best = 1e9, end = now() + share;
    call(context);
    while (now() < end) {
        int calls = 1 + (int)(0.002 / best);
        double start = now();
        for (int i = 0; i < calls; i++)
            call(context);
        double each = (now() - start) / calls;
        best = each < best ? each : best;
    }
    return best;
}

static void print_line(const char *what, double rate, double roof)
{
    printf("%-44s %8.0f", what, rate);
    if (roof > 0)
        printf("  %3.0f %%", 100 * rate / roof);
    puts("");
    fflush(stdout);
}

/* ------------------------------------------------------------- linear layers
 */

typedef struct layer {
    rmr_weight weight;
    rmr_linear_args args;
    float *plain;
} layer;

static void call_linear(void *context)
{
    const layer *l = context;
    void (*const linear[])(const rmr_linear_args *) = {
        kern.linear_f32, kern.linear_bf16, kern.linear_int8, kern.linear_int4};
    linear[l->weight.dtype](&l->args);
}

static void pack_bytes(layer *l)
{
    rmr_weight *w = &l->weight;
    float *scales = room(rmr_panels(w->out) * sizeof *scales);
    int32_t *sums = room(rmr_panels(w->out) * sizeof *sums);
    void *values = room(w->in * w->out);
    int8_t *groups = room(rmr_panels(w->out) * rmr_groups(w->in));
    int8_t *packed = room(rmr_panels(w->out) * rmr_groups(w->in));
    if (w->dtype == RMR_DTYPE_INT8) {
        rmr_quantize_int8(w->in, w->out, l->plain, values, scales);
        rmr_pack_int8(w->in, w->out, values, (void *)w->panels, sums);
    } else {
        rmr_quantize_int4(w->in, w->out, l->plain, values, groups, scales);
        rmr_pack_int4(w->in, w->out, values, groups, (void *)w->panels, packed,
                      sums);
    }
    w->scales = scales;
    w->sums = sums;
    w->group_scales = packed;
    w->int8_from = w->out;
    free(values);
    free(groups);
}

static void make_layer(layer *l, rmr_dtype dtype, size_t rows, size_t in,
                       size_t out)
{
    size_t stride = rmr_row_bytes(rmr_operand_dtype(dtype), in);
    float *x = floats(rows * in);
    void *operand = room(rows * stride);
    rmr_row_scale *scales = room(rows * sizeof *scales);
    *l = (layer){.plain = floats(in * out)};
    l->weight = (rmr_weight){.dtype = dtype,
                             .in = in,
                             .out = out,
                             .panels = room(rmr_panels_bytes(dtype, in, out))};
    if (dtype == RMR_DTYPE_F32) {
        kern.pack_f32(in, out, l->plain, (void *)l->weight.panels);
        memcpy(operand, x, rows * stride);
    } else if (dtype == RMR_DTYPE_BF16) {
        rmr_pack_bf16(in, out, l->plain, (void *)l->weight.panels);
        kern.to_bf16(rows, in, x, operand, stride);
    } else {
        pack_bytes(l);
        kern.quantize_rows(rows, in, x, NULL, operand, stride, scales);
    }
    l->args = (rmr_linear_args){.weight = &l->weight,
                                .rows = rows,
                                .last = out,
                                .x = operand,
                                .x_stride = stride,
                                .row_scales = scales,
                                .bias = floats(out),
                                .y = room(rows * out * sizeof(float)),
                                .y_stride = out * sizeof(float),
                                .scratch = room(rmr_linear_scratch(dtype, in))};
    free(x);
}

static void free_layer(layer *l)
{
    const void *const all[] = {
        l->plain,           l->weight.panels,       l->weight.scales,
        l->weight.sums,     l->weight.group_scales, l->args.x,
        l->args.row_scales, l->args.bias,           l->args.y,
        l->args.scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free((void *)all[i]);
}

static const size_t shapes[][3] = {
    {12, 384, 1536}, {12, 1536, 384},  {64, 384, 1536}, {98, 384, 1152},
    {98, 1536, 384}, {512, 384, 1536}, {98, 768, 3072}, {98, 1024, 4096},
};

enum { NUM_SHAPES = sizeof shapes / sizeof *shapes, NUM_DTYPES = 4 };

static void run_linear(rmr_dtype dtype, double roof)
{
    for (size_t i = 0; i < NUM_SHAPES; i++) {
        size_t rows = shapes[i][0], in = shapes[i][1], out = shapes[i][2];
        layer l;
        char what[96];
        make_layer(&l, dtype, rows, in, out);
        l.args.activation =
            out == 4 * in ? RMR_ACTIVATION_GELU : RMR_ACTIVATION_NONE;
        snprintf(what, sizeof what, "linear_%-5s %4zu x %4zu x %4zu%s",
                 rmr_dtype_name(dtype), rows, in, out,
                 out == 4 * in ? " bias, gelu" : " bias");
        double seconds = time_of(call_linear, &l);
        print_line(what, 2e-9 * (double)(rows * in * out) / seconds, roof);
        free_layer(&l);
    }
}

/* ----------------------------------------------------------------- attention
 */

typedef struct heads {
    rmr_dtype dtype;
    rmr_attention_args args;
} heads;

static void call_attention(void *context)
{
    const heads *h = context;
    if (h->dtype == RMR_DTYPE_BF16)
        kern.attention_bf16(&h->args);
    else
        kern.attention_f32(&h->args);
}

/* One head of 32 components; two products of length x 32 x length. */
static void run_attention(rmr_dtype dtype, double roof)
{
    enum { HEAD = 32 };
    static const size_t lengths[] = {12, 98, 256, 2048};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n = lengths[i], stride = 3 * HEAD * rmr_dtype_size(dtype);
        float *values = floats(n * 3 * HEAD);
        char *qkv = room(n * stride), what[96];
        if (dtype == RMR_DTYPE_BF16)
            kern.to_bf16(n, (size_t)3 * HEAD, values, qkv, stride);
        else
            memcpy(qkv, values, n * stride);
        heads h = {dtype,
                   {.length = n,
                    .head_size = HEAD,
                    .scale = 0.17f,
                    .q = qkv,
                    .k = qkv + stride / 3,
                    .v = qkv + 2 * stride / 3,
                    .stride = stride,
                    .context = room(n * HEAD * sizeof(float)),
                    .context_stride = HEAD * sizeof(float),
                    .context_dtype = RMR_DTYPE_F32,
                    .scratch = room(rmr_attention_scratch(n, HEAD))}};
        snprintf(what, sizeof what, "attention_%-5s %zu tokens, a head of %d",
                 rmr_dtype_name(dtype), n, HEAD);
        double seconds = time_of(call_attention, &h);
        print_line(what, 4e-9 * (double)(n * n * HEAD) / seconds, roof);
        free(h.args.scratch);
        free(h.args.context);
        free(qkv);
        free(values);
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 60;
    share = seconds / (NUM_DTYPES * NUM_SHAPES + 8);
    rmr_kern_init(&kern, rmr_kern_tiers());
    printf("%-44s %8s  of the roof, one core\n", "kernel", "GFLOP/s");
    double roof[NUM_DTYPES] = {0};
    for (int i = RMR_DTYPE_F32; i <= RMR_DTYPE_INT8; i++) {
        char what[64];
        roof[i] = roof_of((rmr_dtype)i);
        snprintf(what, sizeof what, "the roof of %s",
                 rmr_dtype_name((rmr_dtype)i));
        if (roof[i] > 0)
            print_line(what, roof[i], roof[i]);
    }
    roof[RMR_DTYPE_INT4] = roof[RMR_DTYPE_INT8];
    for (int i = 0; i < NUM_DTYPES; i++)
        run_linear((rmr_dtype)i, roof[i]);
    run_attention(RMR_DTYPE_F32, roof[RMR_DTYPE_F32]);
    if (kern.has_bf16_attention)
        run_attention(RMR_DTYPE_BF16, roof[RMR_DTYPE_BF16]);
    return 0;
}
