/*
 * vmath.h - exp and erf as short branch-free polynomials, so that a
 * compiler vectorizes the loops that call them. Errors are stated and tested.
 * They must never trap or loop, whatever the argument.
 */
#ifndef RMR_KERN_VMATH_H
#define RMR_KERN_VMATH_H

#include <stdint.h>
#include <string.h>

/*
 * e^x within 2 ulp for x in [-86.5, 88.7]; below that range its lower end,
 * e^-86.5 = 2.7e-38; above it infinity or nearly; NaN stays NaN.
 * x = n ln2 + r with |r| <= ln2 / 2, and e^r by its Taylor series.
 */
static inline float rmr_expf(float x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to whole */
    x = x < -86.5f ? -86.5f : x;
    x = x > 88.8f ? 88.8f : x;
    float shifted = x * 1.44269504f + round;
    float n = shifted - round;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = (p * r) * r + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    /* 2^n in two factors, since n = 128 is one too many for a float. */
    uint32_t half = (bits - 1) << 23;
    uint32_t exponent = half + (127u << 23);
    float scale;
    memcpy(&scale, &exponent, sizeof scale);
    return p * scale * 2.0f;
}

/*
 * erf(x) within 5e-7: x times a rational function of x^2, fitted to minimize
 * the largest error on [-3.95, 3.95], outside of which erf rounds to +-1
 * within 3e-8. NaN stays NaN.
 */
static inline float rmr_erff(float x)
{
    x = x < -3.95f ? -3.95f : x;
    x = x > 3.95f ? 3.95f : x;
    float u = x * x;
    float p = 2.01185617e-06f;
    p = p * u + 0.0002875879f;
    p = p * u + 0.00391672133f;
    p = p * u + 0.0532052219f;
    p = p * u + 0.194021627f;
    p = p * u + 1.12837899f;
    float q = 3.78402328e-05f;
    q = q * u + 0.00119805755f;
    q = q * u + 0.0152695067f;
    q = q * u + 0.115584955f;
    q = q * u + 0.505278707f;
    q = q * u + 1.0f;
    return x * p / q;
}

#endif
