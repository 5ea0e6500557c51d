/*
 * avx_vnni.c - products of bytes for x86 CPUs with AVX-VNNI: vectors of 8 sums,
 * without AVX-512. It must never run on a CPU that rmr_kern_tiers did not say
 * has it.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX_VNNI

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))),      \
                             apply_to = function)
#else
#pragma GCC target("avx2,fma,avxvnni")
#endif

#include "kernels/x86/vec_avx2_tmpl.h"

#define RMR_ROUGH 1
#define RMR_NAME(name) avx_vnni_##name
#include "kernels/template/linear_tmpl.h"

/* sums + left right, of four bytes and bytes each, without saturation. Not the
 * intrinsic: from one in a loop over an array of sums GCC 12 makes a copy of a
 * register for each product. */
static inline __attribute__((always_inline)) __m256i
avx_vnni_dpbusd(__m256i sums, __m256i left, __m256i right)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(left), "x"(right));
    return sums;
}

#define MAC_BYTES(sums, left, right) avx_vnni_dpbusd(sums, left, right)
#include "kernels/template/bytes_tmpl.h"

void rmr_kern_init_avx_vnni(rmr_kern *kern)
{
    kern->linear_int8 = linear_int8;
    kern->linear_int4 = linear_int4;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
