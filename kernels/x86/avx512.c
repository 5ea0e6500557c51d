/*
 * avx512.c - the tier for x86 CPUs with AVX-512 F, BW, DQ and VL, 16 floats a
 * vector: the templates, compiled for it. It must never run on a CPU that
 * rmr_kern_tiers did not say has them.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX512

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))),    \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#include "kernels/kern.h"
#include "kernels/pack.h"
#include "kernels/template/vmath.h"
#include "kernels/x86/vec_avx512_tmpl.h"

#define RMR_NAME(name) avx512_##name
#include "kernels/template/linear_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/rows_tmpl.h"

#define PRODUCT(name) f32_##name
#define LANES __m512
#define LANE_COUNT 16
#define LANES_ZERO _mm512_setzero_ps
#define LANES_LOAD _mm512_loadu_ps
#define LANES_SPREAD(p) _mm512_set1_ps(*(const float *)(p))
#define LANES_STORE(p, v) _mm512_store_ps(p, v)
#define LANES_MAC(sums, left, right) _mm512_fmadd_ps(left, right, sums)
#define TILE_ROWS 12
#define TILE_PANELS 2
#define FLAT_ROWS 6
#include "kernels/template/product_tmpl.h"

/* sums + left right, of two bfloat16 each: the upper halves of floats. */
static inline __attribute__((always_inline)) __m512
mac_bf16(__m512 sums, __m512i left, __m512i right)
{
    const __m512i upper = _mm512_set1_epi32(-65536);
    __m512 first = _mm512_castsi512_ps(_mm512_slli_epi32(left, 16));
    __m512 second = _mm512_castsi512_ps(_mm512_and_si512(left, upper));
    sums = _mm512_fmadd_ps(
        first, _mm512_castsi512_ps(_mm512_slli_epi32(right, 16)), sums);
    return _mm512_fmadd_ps(
        second, _mm512_castsi512_ps(_mm512_and_si512(right, upper)), sums);
}

/* sums + left right, of four bytes each, by way of products of 16 bits, whose
 * sums in pairs always fit. (The instruction for bytes saturates.) */
static inline __attribute__((always_inline)) __m512i
mac_int8(__m512i sums, __m512i left, __m512i right)
{
    __m512i even = _mm512_and_si512(left, _mm512_set1_epi16(255));
    __m512i odd = _mm512_srli_epi16(left, 8);
    __m512i right_even = _mm512_srai_epi16(_mm512_slli_epi16(right, 8), 8);
    __m512i right_odd = _mm512_srai_epi16(right, 8);
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(even, right_even));
    return _mm512_add_epi32(sums, _mm512_madd_epi16(odd, right_odd));
}

#define PRODUCT(name) bf16_##name
#define LANES __m512
#define LANE_COUNT 16
#define LANES_ZERO _mm512_setzero_ps
#define LANES_LOAD(p) IVEC_LOAD(p)
#define LANES_SPREAD(p) IVEC_SET1(*(const rmr_step_bits *)(p))
#define LANES_STORE(p, v) VEC_STORE((float *)(p), v)
#define LANES_MAC(sums, left, right) mac_bf16(sums, left, right)
#define STEP ivec
#define TILE_ROWS 12
#define TILE_PANELS 2
#define FLAT_ROWS 6
#include "kernels/template/product_tmpl.h"

#define PRODUCT(name) int8_##name
#define LANES __m512i
#define LANE_COUNT 16
#define LANES_ZERO _mm512_setzero_si512
#define LANES_LOAD(p) IVEC_LOAD(p)
#define LANES_SPREAD(p) IVEC_SET1(*(const rmr_step_bits *)(p))
#define LANES_STORE(p, v) IVEC_STORE(p, v)
#define LANES_MAC(sums, left, right) mac_int8(sums, left, right)
#define STEP ivec
#define TILE_ROWS 12
#define TILE_PANELS 2
#define FLAT_ROWS 6
#include "kernels/template/product_tmpl.h"

#define ATTENTION(name) attend_f32_##name
#define VALUE float
#define VALUE_DTYPE RMR_DTYPE_F32
#define MULTIPLY f32_multiply
#define STORE(to, v) VEC_STORE(to, v)
#include "kernels/template/attention_tmpl.h"

static void linear_f32(const rmr_linear_args *args)
{
    rmr_product p = avx512_product_of(args);
    f32_multiply(&p, avx512_finish, args);
}

static void linear_bf16(const rmr_linear_args *args)
{
    rmr_product p = avx512_product_of(args);
    bf16_multiply(&p, avx512_finish, args);
}

static void linear_int8(const rmr_linear_args *args)
{
    rmr_product p = avx512_product_of(args);
    int8_multiply(&p, avx512_finish, args);
}

void rmr_kern_init_avx512(rmr_kern *kern)
{
    kern->pack_f32 = rmr_pack_f32;
    kern->linear_f32 = linear_f32;
    kern->linear_bf16 = linear_bf16;
    kern->linear_int8 = linear_int8;
    kern->attention_f32 = attend_f32_head;
    kern->to_bf16 = avx512_to_bf16;
    kern->quantize_rows = avx512_quantize_rows;
    kern->layer_norm = avx512_layer_norm;
    kern->activate = avx512_activate;
    kern->add = avx512_add;
    kern->mean_rows = avx512_mean_rows;
    kern->max_rows = avx512_max_rows;
    kern->l2_normalize = avx512_l2_normalize;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
