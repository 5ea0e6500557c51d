/*
 * vec_avx512_tmpl.h - what templates need of AVX-512: a vector of 16 floats. To
 * be included under the target attribute of a tier, and nowhere else.
 */
#include <immintrin.h>
#include <stdint.h>

#include "kernels/kern.h"

typedef __m512 vec;
typedef __m512i ivec;
#define VEC_WIDTH 16
/* The tile of products, as product_tmpl.h has it. */
#define VEC_TILE_ROWS 12
#define VEC_TILE_PANELS 2
#define VEC_FLAT_ROWS 6
#define VEC_LOAD(p) _mm512_loadu_ps(p)
#define VEC_STORE(p, v) _mm512_storeu_ps(p, v)
#define VEC_SET1(x) _mm512_set1_ps(x)
#define VEC_ADD(a, b) _mm512_add_ps(a, b)
#define VEC_SUB(a, b) _mm512_sub_ps(a, b)
#define VEC_MUL(a, b) _mm512_mul_ps(a, b)
#define VEC_DIV(a, b) _mm512_div_ps(a, b)
#define VEC_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
/* Of a and b; b when one of them is NaN. */
#define VEC_MIN(a, b) _mm512_min_ps(a, b)
#define VEC_MAX(a, b) _mm512_max_ps(a, b)
#define IVEC_LOAD(p) _mm512_loadu_si512(p)
#define IVEC_STORE(p, v) _mm512_storeu_si512(p, v)
#define IVEC_SET1(x) _mm512_set1_epi32(x)
#define IVEC_SUB(a, b) _mm512_sub_epi32(a, b)
#define IVEC_MUL(a, b) _mm512_mullo_epi32(a, b)
#define IVEC_AND(a, b) _mm512_and_si512(a, b)
#define IVEC_SHIFT_LEFT(a, n) _mm512_slli_epi32(a, n)
#define IVEC_SHIFT_RIGHT(a, n) _mm512_srli_epi32(a, n)
#define VEC_FROM_IVEC(a) _mm512_cvtepi32_ps(a)
/* To a whole number; and p 2^n for whole n, as far as floats go. */
#define VEC_ROUND(v) _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT)
#define VEC_SCALE(p, n) _mm512_scalef_ps(p, n)
#define VEC_OF_BITS(a) _mm512_castsi512_ps(a)

/* Of a nonnegative vector, rounded to nearest even, at most 255. */
static inline void vec_store_bytes(uint8_t *to, vec v)
{
    _mm_storeu_si128((__m128i *)to,
                     _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(v)));
}

/* 16 words from each of 16 rows, `stride` bytes apart, as 16 columns of as many
 * words. */
static inline void vec_transpose(const char *from, size_t stride, char *to)
{
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_loadu_si512(from + (size_t)i * stride);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    /* a[4 g + c] has column 4 l + c of rows 4 g ... in its quarter l. */
    for (int c = 0; c < 4; c++) {
        __m512i low = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88);
        __m512i high = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88);
        b[c] = _mm512_shuffle_i32x4(low, high, 0x88);
        b[8 + c] = _mm512_shuffle_i32x4(low, high, 0xDD);
        low = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xDD);
        high = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xDD);
        b[4 + c] = _mm512_shuffle_i32x4(low, high, 0x88);
        b[12 + c] = _mm512_shuffle_i32x4(low, high, 0xDD);
    }
    for (int i = 0; i < 16; i++)
        _mm512_storeu_si512(to + 64 * i, b[i]);
}

/* As many of bfloat16. */
static inline vec vec_load_bf16(const uint16_t *from)
{
    __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* To the nearest bfloat16, halves to even; NaN stays NaN. */
static inline void vec_store_bf16(uint16_t *to, vec v)
{
#if VEC_HAS_BF16
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(v));
#else
    __m512i bits = _mm512_castps_si512(v);
    __m512i odd =
        _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(
        bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    rounded =
        _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
    _mm256_storeu_si256((__m256i *)to, halves);
#endif
}

/* sums + left right, of four bytes each, by way of products of 16 bits, whose
 * sums in pairs always fit. (The instruction for bytes saturates.) */
static inline __attribute__((always_inline)) ivec
ivec_mac_bytes(ivec sums, ivec left, ivec right)
{
    __m512i even = _mm512_and_si512(left, _mm512_set1_epi16(255));
    __m512i odd = _mm512_srli_epi16(left, 8);
    __m512i right_even = _mm512_srai_epi16(_mm512_slli_epi16(right, 8), 8);
    __m512i right_odd = _mm512_srai_epi16(right, 8);
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(even, right_even));
    return _mm512_add_epi32(sums, _mm512_madd_epi16(odd, right_odd));
}

/* The scales of as many groups as there are lanes, in each half of a lane. */
static inline ivec ivec_int4_scales(const int8_t *from)
{
    ivec scales = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
    return _mm512_or_si512(_mm512_and_si512(scales, _mm512_set1_epi32(0xFFFF)),
                           _mm512_slli_epi32(scales, 16));
}

/* rmr_int4_value of the bytes: the multiplication, of 16 bits, gives the upper
 * 17 of the product, rounded. */
static inline ivec ivec_int4_values(ivec indexes, ivec scales)
{
    const ivec upper = _mm512_set1_epi16(-256);
    ivec levels = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(
                                          (const __m128i *)rmr_int4_levels)),
                                      indexes);
    ivec even = _mm512_mulhrs_epi16(_mm512_slli_epi16(levels, 8), scales);
    ivec odd = _mm512_mulhrs_epi16(_mm512_and_si512(levels, upper), scales);
    return _mm512_mask_blend_epi8(0xAAAAAAAAAAAAAAAAu, even,
                                  _mm512_slli_epi16(odd, 8));
}
