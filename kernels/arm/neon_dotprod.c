/*
 * neon_dotprod.c - products of bytes for AArch64 CPUs with FEAT_DotProd. It
 * must never run on a CPU that rmr_kern_tiers did not say has it.
 */
#include "config.h"

#if defined(__aarch64__) && RMR_CC_NEON_DOTPROD

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))),               \
                             apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#include "kernels/arm/vec_neon_tmpl.h"

#define RMR_ROUGH 1
/* The instruction multiplies signed bytes: 128 is taken off the left ones. */
#define RMR_BYTES_OFF 128
#define RMR_NAME(name) neon_dotprod_##name
#include "kernels/template/linear_tmpl.h"

/* sums + left right, of four bytes each. Not the intrinsic: Clang 14 has it
 * only where all of a file is compiled for the extension. */
static inline __attribute__((always_inline)) int32x4_t
neon_sdot(int32x4_t sums, int32x4_t left, int32x4_t right)
{
    uint8x16_t less = veorq_u8(vreinterpretq_u8_s32(left), vdupq_n_u8(128));
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(less), "w"(right));
    return sums;
}

#define MAC_BYTES(sums, left, right) neon_sdot(sums, left, right)
#include "kernels/template/bytes_tmpl.h"

void rmr_kern_init_neon_dotprod(rmr_kern *kern)
{
    kern->linear_int8 = linear_int8;
    kern->linear_int4 = linear_int4;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
