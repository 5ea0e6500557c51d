/*
 * vec_avx2_tmpl.h - what templates need of AVX2 and FMA: a vector of 8 floats.
 * To be included under the target attribute of a tier, and nowhere else.
 */
#include <immintrin.h>
#include <stdint.h>

#include "kernels/kern.h"

typedef __m256 vec;
typedef __m256i ivec;
#define VEC_WIDTH 8
/* The tile of products, as product_tmpl.h has it. */
#define VEC_TILE_ROWS 6
#define VEC_TILE_PANELS 1
#define VEC_FLAT_ROWS 3
#define VEC_LOAD(p) _mm256_loadu_ps(p)
#define VEC_STORE(p, v) _mm256_storeu_ps(p, v)
#define VEC_SET1(x) _mm256_set1_ps(x)
#define VEC_ADD(a, b) _mm256_add_ps(a, b)
#define VEC_SUB(a, b) _mm256_sub_ps(a, b)
#define VEC_MUL(a, b) _mm256_mul_ps(a, b)
#define VEC_DIV(a, b) _mm256_div_ps(a, b)
#define VEC_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
/* Of a and b; b when one of them is NaN. */
#define VEC_MIN(a, b) _mm256_min_ps(a, b)
#define VEC_MAX(a, b) _mm256_max_ps(a, b)
#define IVEC_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define IVEC_STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define IVEC_SET1(x) _mm256_set1_epi32(x)
#define IVEC_SUB(a, b) _mm256_sub_epi32(a, b)
#define IVEC_MUL(a, b) _mm256_mullo_epi32(a, b)
#define IVEC_AND(a, b) _mm256_and_si256(a, b)
#define IVEC_SHIFT_LEFT(a, n) _mm256_slli_epi32(a, n)
#define IVEC_SHIFT_RIGHT(a, n) _mm256_srli_epi32(a, n)
#define VEC_FROM_IVEC(a) _mm256_cvtepi32_ps(a)
/* To a whole number; and p 2^n for whole n, as far as floats go. */
#define VEC_ROUND(v) _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT)
#define VEC_SCALE(p, n) vec_scale(p, n)
#define VEC_OF_BITS(a) _mm256_castsi256_ps(a)

/* In two steps, since n may be beyond the exponents that there are. */
static inline vec vec_scale(vec p, vec n)
{
    n = VEC_MIN(VEC_SET1(254.0f), VEC_MAX(VEC_SET1(-252.0f), n));
    __m256i whole = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half);
    __m256i bias = _mm256_set1_epi32(127);
    half = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    rest = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(half));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(rest));
}

/* Of a nonnegative vector, rounded to nearest even, at most 255. */
static inline void vec_store_bytes(uint8_t *to, vec v)
{
    __m256i whole = _mm256_cvtps_epi32(v);
    __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(whole),
                                      _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(halves, halves));
}

/* 8 words from each of 8 rows, `stride` bytes apart, as 8 columns of as many
 * words, RMR_PANEL words apart. */
static inline void vec_transpose_eight(const char *from, size_t stride,
                                       char *to)
{
    __m256 a[8], b[8];
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_loadu_ps((const float *)(from + (size_t)i * stride));
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
    }
    for (int c = 0; c < 4; c++) {
        b[c] = _mm256_permute2f128_ps(a[c], a[4 + c], 0x20);
        b[4 + c] = _mm256_permute2f128_ps(a[c], a[4 + c], 0x31);
    }
    for (int i = 0; i < 8; i++)
        _mm256_storeu_ps((float *)(to + 64 * i), b[i]);
}

/* 16 words from each of 16 rows, `stride` bytes apart, as 16 columns of as many
 * words. */
static inline void vec_transpose(const char *from, size_t stride, char *to)
{
    for (size_t row = 0; row < 16; row += 8) {
        for (size_t word = 0; word < 16; word += 8)
            vec_transpose_eight(from + row * stride + 4 * word, stride,
                                to + 64 * word + 4 * row);
    }
}

/* As many of bfloat16. */
static inline vec vec_load_bf16(const uint16_t *from)
{
    __m256i wide =
        _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

/* To the nearest bfloat16, halves to even; NaN stays NaN. */
static inline void vec_store_bf16(uint16_t *to, vec v)
{
    __m256i bits = _mm256_castps_si256(v);
    __m256i odd =
        _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(
        bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    rounded = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(rounded),
                                      _mm256_extracti128_si256(rounded, 1));
    _mm_storeu_si128((__m128i *)to, halves);
}

/* sums + left right, of four bytes each, by way of products of 16 bits, whose
 * sums in pairs always fit. (The instruction for bytes saturates.) */
static inline __attribute__((always_inline)) ivec
ivec_mac_bytes(ivec sums, ivec left, ivec right)
{
    __m256i even = _mm256_and_si256(left, _mm256_set1_epi16(255));
    __m256i odd = _mm256_srli_epi16(left, 8);
    __m256i right_even = _mm256_srai_epi16(_mm256_slli_epi16(right, 8), 8);
    __m256i right_odd = _mm256_srai_epi16(right, 8);
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(even, right_even));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(odd, right_odd));
}

/* The scales of as many groups as there are lanes, in each half of a lane. */
static inline ivec ivec_int4_scales(const int8_t *from)
{
    ivec scales = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from));
    return _mm256_or_si256(_mm256_and_si256(scales, _mm256_set1_epi32(0xFFFF)),
                           _mm256_slli_epi32(scales, 16));
}

/* rmr_int4_value of the bytes: the multiplication, of 16 bits, gives the upper
 * 17 of the product, rounded. */
static inline ivec ivec_int4_values(ivec indexes, ivec scales)
{
    const ivec upper = _mm256_set1_epi16(-256);
    ivec levels =
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(
                                (const __m128i *)rmr_int4_levels)),
                            indexes);
    ivec even = _mm256_mulhrs_epi16(_mm256_slli_epi16(levels, 8), scales);
    ivec odd = _mm256_mulhrs_epi16(_mm256_and_si256(levels, upper), scales);
    return _mm256_blendv_epi8(even, _mm256_slli_epi16(odd, 8), upper);
}
