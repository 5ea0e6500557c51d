/*
 * vec_neon_tmpl.h - what templates need of NEON, which every AArch64 CPU has: a
 * vector of 4 floats. To be included under the target attribute of a tier, if
 * it has one, and nowhere else.
 */
#if !defined(__clang__)
/* GCC's scheduler would load the rows of a tile long before they are needed,
 * and then there are too few registers for the sums. */
#pragma GCC optimize("no-schedule-insns")
#endif

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kern.h"

typedef float32x4_t vec;
typedef int32x4_t ivec;
#define VEC_WIDTH 4
/* The tile of products, as product_tmpl.h has it. */
#define VEC_TILE_ROWS 6
#define VEC_TILE_PANELS 1
#define VEC_FLAT_ROWS 2
#define VEC_LOAD(p) vld1q_f32(p)
#define VEC_STORE(p, v) vst1q_f32(p, v)
#define VEC_SET1(x) vdupq_n_f32(x)
#define VEC_ADD(a, b) vaddq_f32(a, b)
#define VEC_SUB(a, b) vsubq_f32(a, b)
#define VEC_MUL(a, b) vmulq_f32(a, b)
#define VEC_DIV(a, b) vdivq_f32(a, b)
#define VEC_FMA(a, b, c) vfmaq_f32(c, a, b)
#define VEC_MIN(a, b) vec_min(a, b)
#define VEC_MAX(a, b) vec_max(a, b)
#define IVEC_LOAD(p) vld1q_s32((const int32_t *)(p))
#define IVEC_STORE(p, v) vst1q_s32((int32_t *)(p), v)
#define IVEC_SET1(x) vdupq_n_s32(x)
#define IVEC_SUB(a, b) vsubq_s32(a, b)
#define IVEC_MUL(a, b) vmulq_s32(a, b)
#define IVEC_AND(a, b) vandq_s32(a, b)
#define IVEC_SHIFT_LEFT(a, n) vshlq_n_s32(a, n)
#define IVEC_SHIFT_RIGHT(a, n)                                                 \
    vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), n))
#define VEC_FROM_IVEC(a) vcvtq_f32_s32(a)
/* To a whole number; and p 2^n for whole n, as far as floats go. */
#define VEC_ROUND(v) vrndnq_f32(v)
#define VEC_SCALE(p, n) vec_scale(p, n)
#define VEC_OF_BITS(a) vreinterpretq_f32_s32(a)

/* Of a and b; b when one of them is NaN, which the instructions would give. */
static inline vec vec_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vec vec_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

/* In two steps, since n may be beyond the exponents that there are. */
static inline vec vec_scale(vec p, vec n)
{
    n = VEC_MIN(VEC_SET1(254.0f), VEC_MAX(VEC_SET1(-252.0f), n));
    int32x4_t whole = vcvtnq_s32_f32(n);
    int32x4_t half = vshrq_n_s32(whole, 1);
    int32x4_t rest = vsubq_s32(whole, half);
    int32x4_t bias = vdupq_n_s32(127);
    half = vshlq_n_s32(vaddq_s32(half, bias), 23);
    rest = vshlq_n_s32(vaddq_s32(rest, bias), 23);
    p = vmulq_f32(p, vreinterpretq_f32_s32(half));
    return vmulq_f32(p, vreinterpretq_f32_s32(rest));
}

/* Of a nonnegative vector, rounded to nearest even, at most 255. */
static inline void vec_store_bytes(uint8_t *to, vec v)
{
    uint16x4_t halves = vqmovn_u32(vcvtnq_u32_f32(v));
    uint8x8_t bytes = vqmovn_u16(vcombine_u16(halves, halves));
    uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    memcpy(to, &four, sizeof four);
}

/* 4 words from each of 4 rows, `stride` bytes apart, as 4 columns of as many
 * words, RMR_PANEL words apart. */
static inline void vec_transpose_four(const char *from, size_t stride, char *to)
{
    float32x4_t a[4];
    float64x2_t b[4];
    for (size_t i = 0; i < 4; i++)
        a[i] = vld1q_f32((const float *)(from + i * stride));
    for (int i = 0; i < 4; i += 2) {
        b[i] = vreinterpretq_f64_f32(vtrn1q_f32(a[i], a[i + 1]));
        b[i + 1] = vreinterpretq_f64_f32(vtrn2q_f32(a[i], a[i + 1]));
    }
    for (int c = 0; c < 2; c++) {
        a[c] = vreinterpretq_f32_f64(vtrn1q_f64(b[c], b[2 + c]));
        a[2 + c] = vreinterpretq_f32_f64(vtrn2q_f64(b[c], b[2 + c]));
    }
    for (int i = 0; i < 4; i++)
        vst1q_f32((float *)(to + 64 * i), a[i]);
}

/* 16 words from each of 16 rows, `stride` bytes apart, as 16 columns of as many
 * words. */
static inline void vec_transpose(const char *from, size_t stride, char *to)
{
    for (size_t row = 0; row < 16; row += 4) {
        for (size_t word = 0; word < 16; word += 4)
            vec_transpose_four(from + row * stride + 4 * word, stride,
                               to + 64 * word + 4 * row);
    }
}

/* As many of bfloat16. */
static inline vec vec_load_bf16(const uint16_t *from)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(from), 16));
}

/* To the nearest bfloat16, halves to even; NaN stays NaN. */
static inline void vec_store_bf16(uint16_t *to, vec v)
{
#if VEC_HAS_BF16
    uint16x4_t halves;
    __asm__("bfcvtn %0.4h, %1.4s" : "=w"(halves) : "w"(v));
    vst1_u16(to, halves);
#else
    uint32x4_t bits = vreinterpretq_u32_f32(v);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
    uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    vst1_u16(to, vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16));
#endif
}

/* sums + left right, of four bytes each, by way of products of 16 bits, which
 * they always fit; their sums in pairs are of 32 bits. */
static inline __attribute__((always_inline)) ivec
ivec_mac_bytes(ivec sums, ivec left, ivec right)
{
    int16x8_t pairs = vreinterpretq_s16_s32(left);
    int16x8_t right_pairs = vreinterpretq_s16_s32(right);
    int16x8_t even = vandq_s16(pairs, vdupq_n_s16(255));
    int16x8_t odd =
        vreinterpretq_s16_u16(vshrq_n_u16(vreinterpretq_u16_s16(pairs), 8));
    int16x8_t right_even = vshrq_n_s16(vshlq_n_s16(right_pairs, 8), 8);
    int16x8_t right_odd = vshrq_n_s16(right_pairs, 8);
    sums = vpadalq_s16(sums, vmulq_s16(even, right_even));
    return vpadalq_s16(sums, vmulq_s16(odd, right_odd));
}

/* The scales of as many groups as there are lanes, in each half of a lane. */
static inline ivec ivec_int4_scales(const int8_t *from)
{
    uint32_t four;
    memcpy(&four, from, sizeof four);
    int16x8_t scales = vmovl_s8(vcreate_s8(four));
    return vreinterpretq_s32_s16(vzip1q_s16(scales, scales));
}

/* rmr_int4_value of the bytes: the multiplication, of 16 bits, gives the upper
 * 17 of the product, rounded. */
static inline ivec ivec_int4_values(ivec indexes, ivec scales)
{
    int16x8_t of_group = vreinterpretq_s16_s32(scales);
    int16x8_t levels = vreinterpretq_s16_s8(
        vqtbl1q_s8(vld1q_s8(rmr_int4_levels), vreinterpretq_u8_s32(indexes)));
    int16x8_t upper = vandq_s16(levels, vdupq_n_s16(-256));
    int16x8_t even = vqrdmulhq_s16(vshlq_n_s16(levels, 8), of_group);
    int16x8_t odd = vqrdmulhq_s16(upper, of_group);
    return vreinterpretq_s32_s16(vsliq_n_s16(even, odd, 8));
}
