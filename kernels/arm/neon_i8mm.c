/*
 * neon_i8mm.c - products of unsigned and signed bytes for AArch64 CPUs with
 * FEAT_I8MM. It must never run on a CPU that rmr_kern_tiers did not say has it.
 */
#include "config.h"

#if defined(__aarch64__) && RMR_CC_NEON_I8MM

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("i8mm"))),                  \
                             apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+i8mm")
#endif

#include "kernels/arm/vec_neon_tmpl.h"

#define RMR_ROUGH 1
#define RMR_NAME(name) neon_i8mm_##name
#include "kernels/template/linear_tmpl.h"

/* sums + left right, of four bytes each, the left ones unsigned. Not the
 * intrinsic: Clang 14 has it only where all of a file is compiled for the
 * extension. */
static inline __attribute__((always_inline)) int32x4_t
neon_usdot(int32x4_t sums, int32x4_t left, int32x4_t right)
{
    __asm__("usdot %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(left), "w"(right));
    return sums;
}

#define MAC_BYTES(sums, left, right) neon_usdot(sums, left, right)
#include "kernels/template/bytes_tmpl.h"

void rmr_kern_init_neon_i8mm(rmr_kern *kern)
{
    kern->linear_int8 = linear_int8;
    kern->linear_int4 = linear_int4;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
