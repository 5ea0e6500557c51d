/*
 * vmath.h - rounding of a number, to whole ones and to bfloat16, without
 * branches, so that a compiler vectorizes the loops that call them.
 */
#ifndef RMR_KERN_VMATH_H
#define RMR_KERN_VMATH_H

#include <stdint.h>
#include <string.h>

/* x to a whole number, halves to even, for |x| < 2^22. */
static inline float rmr_round(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23 */
    return (x + shift) - shift;
}

/* x to bfloat16, its upper half, to nearest even; NaN stays NaN. */
static inline uint16_t rmr_to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
    bits = (bits & 0x7FFFFFFF) > 0x7F800000 ? bits | 0x400000 : rounded;
    return (uint16_t)(bits >> 16);
}

static inline float rmr_from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
