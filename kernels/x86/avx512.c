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

#include "kernels/x86/vec_avx512_tmpl.h"

#define RMR_NAME(name) avx512_##name
#include "kernels/template/tier_tmpl.h"

void rmr_kern_init_avx512(rmr_kern *kern)
{
    fill(kern);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
