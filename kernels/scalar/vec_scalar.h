/*
 * vec_scalar.h - what templates need of a vector, with one float: for the
 * reference tier.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/template/vmath.h"

typedef float vec;
typedef int32_t ivec;
#define VEC_WIDTH 1
#define VEC_LOAD(p) (*(p))
#define VEC_STORE(p, v) (*(p) = (v))
#define VEC_SET1(x) (x)
#define VEC_ADD(a, b) ((a) + (b))
#define VEC_SUB(a, b) ((a) - (b))
#define VEC_MUL(a, b) ((a) * (b))
#define VEC_DIV(a, b) ((a) / (b))
#define VEC_FMA(a, b, c) ((a) * (b) + (c))
/* Of a and b; b when one of them is NaN. */
#define VEC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define VEC_MAX(a, b) ((a) > (b) ? (a) : (b))
#define IVEC_LOAD(p) vec_load_int(p)
#define IVEC_SET1(x) (x)
#define IVEC_SUB(a, b) ((int32_t)((uint32_t)(a) - (uint32_t)(b)))
#define IVEC_MUL(a, b) ((int32_t)((uint32_t)(a) * (uint32_t)(b)))
#define VEC_FROM_IVEC(a) ((float)(a))
/* To a whole number; and p 2^n for whole n, as far as floats go. */
#define VEC_ROUND(v) rintf(v)
#define VEC_SCALE(p, n) vec_scale(p, n)

static inline float vec_scale(float p, float n)
{
    if (!(n > -300))
        return n != n ? n : p * 0;
    return ldexpf(p, n < 300 ? (int)n : 300);
}

static inline int32_t vec_load_int(const void *from)
{
    int32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* Of a nonnegative number, rounded to nearest even, at most 255. */
static inline void vec_store_bytes(uint8_t *to, vec v)
{
    float whole = rmr_round(v < 255 ? v : 255);
    *to = (uint8_t)whole;
}

/* 16 words from each of 16 rows, `stride` bytes apart, as 16 columns of as many
 * words. */
static inline void vec_transpose(const char *from, size_t stride, char *to)
{
    for (size_t row = 0; row < 16; row++) {
        for (size_t word = 0; word < 16; word++)
            memcpy(to + 64 * word + 4 * row, from + row * stride + 4 * word, 4);
    }
}

/* As many of bfloat16. */
static inline vec vec_load_bf16(const uint16_t *from)
{
    return rmr_from_bf16(*from);
}

static inline void vec_store_bf16(uint16_t *to, vec v)
{
    *to = rmr_to_bf16(v);
}
