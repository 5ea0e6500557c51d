/*
 * avx2.c - the tier for x86 CPUs with AVX2 and FMA, 8 floats a vector: the
 * templates, compiled for it. It must never run on a CPU that rmr_kern_tiers
 * did not say has them.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX2

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))),              \
                             apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "kernels/x86/vec_avx2_tmpl.h"

#define RMR_NAME(name) avx2_##name
#include "kernels/template/tier_tmpl.h"

void rmr_kern_init_avx2(rmr_kern *kern)
{
    fill(kern);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
