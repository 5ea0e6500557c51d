/*
 * avx2.c - the tier for x86 CPUs with AVX2 and FMA, 8 floats a vector: the
 * templates, compiled for it. It must never run on a CPU that rmr_kern_tiers
 * did not say has them.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX2

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))),              \
                             apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "kernels/kern.h"
#include "kernels/pack.h"
#include "kernels/template/vmath.h"
#include "kernels/x86/vec_avx2_tmpl.h"

#define RMR_NAME(name) avx2_##name
#include "kernels/template/linear_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/rows_tmpl.h"

#define PRODUCT(name) f32_##name
#define LANES __m256
#define LANE_COUNT 8
#define LANES_ZERO _mm256_setzero_ps
#define LANES_LOAD(p) _mm256_loadu_ps((const float *)(p))
#define LANES_SPREAD(p) _mm256_set1_ps(*(const float *)(p))
#define LANES_STORE(p, v) _mm256_store_ps((float *)(p), v)
#define LANES_MAC(sums, left, right) _mm256_fmadd_ps(left, right, sums)
#define TILE_ROWS 6
#define TILE_PANELS 1
#define FLAT_ROWS 3
#include "kernels/template/product_tmpl.h"

/* sums + left right, of two bfloat16 each: the upper halves of floats. */
static inline __attribute__((always_inline)) __m256
mac_bf16(__m256 sums, __m256i left, __m256i right)
{
    const __m256i upper = _mm256_set1_epi32(-65536);
    __m256 first = _mm256_castsi256_ps(_mm256_slli_epi32(left, 16));
    __m256 second = _mm256_castsi256_ps(_mm256_and_si256(left, upper));
    sums = _mm256_fmadd_ps(
        first, _mm256_castsi256_ps(_mm256_slli_epi32(right, 16)), sums);
    return _mm256_fmadd_ps(
        second, _mm256_castsi256_ps(_mm256_and_si256(right, upper)), sums);
}

/* sums + left right, of four bytes each, by way of products of 16 bits, whose
 * sums in pairs always fit. (The instruction for bytes saturates.) */
static inline __attribute__((always_inline)) __m256i
mac_int8(__m256i sums, __m256i left, __m256i right)
{
    __m256i even = _mm256_and_si256(left, _mm256_set1_epi16(255));
    __m256i odd = _mm256_srli_epi16(left, 8);
    __m256i right_even = _mm256_srai_epi16(_mm256_slli_epi16(right, 8), 8);
    __m256i right_odd = _mm256_srai_epi16(right, 8);
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(even, right_even));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(odd, right_odd));
}

#define PRODUCT(name) bf16_##name
#define LANES __m256
#define LANE_COUNT 8
#define LANES_ZERO _mm256_setzero_ps
#define LANES_LOAD(p) IVEC_LOAD(p)
#define LANES_SPREAD(p) IVEC_SET1(*(const rmr_step_bits *)(p))
#define LANES_STORE(p, v) VEC_STORE((float *)(p), v)
#define LANES_MAC(sums, left, right) mac_bf16(sums, left, right)
#define STEP ivec
#define TILE_ROWS 6
#define TILE_PANELS 1
#define FLAT_ROWS 3
#include "kernels/template/product_tmpl.h"

#define PRODUCT(name) int8_##name
#define LANES __m256i
#define LANE_COUNT 8
#define LANES_ZERO _mm256_setzero_si256
#define LANES_LOAD(p) IVEC_LOAD(p)
#define LANES_SPREAD(p) IVEC_SET1(*(const rmr_step_bits *)(p))
#define LANES_STORE(p, v) IVEC_STORE(p, v)
#define LANES_MAC(sums, left, right) mac_int8(sums, left, right)
#define STEP ivec
#define TILE_ROWS 6
#define TILE_PANELS 1
#define FLAT_ROWS 3
#include "kernels/template/product_tmpl.h"

#define ATTENTION(name) attend_f32_##name
#define VALUE float
#define VALUE_DTYPE RMR_DTYPE_F32
#define MULTIPLY f32_multiply
#define STORE(to, v) VEC_STORE(to, v)
#include "kernels/template/attention_tmpl.h"

static void linear_f32(const rmr_linear_args *args)
{
    rmr_product p = avx2_product_of(args);
    f32_multiply(&p, avx2_finish, args);
}

static void linear_bf16(const rmr_linear_args *args)
{
    rmr_product p = avx2_product_of(args);
    bf16_multiply(&p, avx2_finish, args);
}

static void linear_int8(const rmr_linear_args *args)
{
    rmr_product p = avx2_product_of(args);
    int8_multiply(&p, avx2_finish, args);
}

void rmr_kern_init_avx2(rmr_kern *kern)
{
    kern->pack_f32 = rmr_pack_f32;
    kern->linear_f32 = linear_f32;
    kern->linear_bf16 = linear_bf16;
    kern->linear_int8 = linear_int8;
    kern->attention_f32 = attend_f32_head;
    kern->to_bf16 = avx2_to_bf16;
    kern->quantize_rows = avx2_quantize_rows;
    kern->layer_norm = avx2_layer_norm;
    kern->activate = avx2_activate;
    kern->add = avx2_add;
    kern->mean_rows = avx2_mean_rows;
    kern->max_rows = avx2_max_rows;
    kern->l2_normalize = avx2_l2_normalize;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
