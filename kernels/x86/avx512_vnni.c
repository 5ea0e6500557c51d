/*
 * avx512_vnni.c - products of bytes for x86 CPUs with AVX-512 VNNI. It must
 * never run on a CPU that rmr_kern_tiers did not say has it.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX512_VNNI

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((                                                            \
        target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512vnni"))),    \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512vnni")
#endif

#include "kernels/x86/avx512_products.h"
#include "kernels/x86/vec_avx512_tmpl.h"

#define RMR_ROUGH 1
#define RMR_NAME(name) avx512_##name
#include "kernels/template/linear_tmpl.h"

/* sums + left right, of four bytes and bytes each, without saturation. Not the
 * intrinsic: from one in a loop over an array of sums GCC 12 makes a copy of a
 * register for each product. */
static inline __attribute__((always_inline)) __m512i
avx512_dpbusd(__m512i sums, __m512i left, __m512i right)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(left), "v"(right));
    return sums;
}

#define MAC_BYTES(sums, left, right) avx512_dpbusd(sums, left, right)
#include "kernels/template/bytes_tmpl.h"

void rmr_avx512_vnni_linear_int8(const rmr_linear_args *args)
{
    linear_int8(args);
}

void rmr_avx512_vnni_linear_int4(const rmr_linear_args *args)
{
    linear_int4(args);
}

void rmr_kern_init_avx512_vnni(rmr_kern *kern)
{
    kern->linear_int8 = rmr_avx512_vnni_linear_int8;
    kern->linear_int4 = rmr_avx512_vnni_linear_int4;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
