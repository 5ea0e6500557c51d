/*
 * kern.c - which tiers there are, and the table filled from them. It must never
 * pick a tier that the operating system does not save the registers of.
 */
#include "kernels/kern.h"

#include "config.h"

/* What the CPU has: the compiler's own check, which asks CPUID and XCR0. What
 * the compiler has: build/config.h. */
uint32_t rmr_kern_tiers(void)
{
    uint32_t tiers = RMR_TIER_BLAS;
#if defined(__x86_64__) && RMR_CC_AVX2
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tiers |= RMR_TIER_AVX2;
#endif
#if defined(__x86_64__) && RMR_CC_AVX512
    if (tiers & RMR_TIER_AVX2 && __builtin_cpu_supports("avx512f"))
        tiers |= RMR_TIER_AVX512;
#endif
    return tiers;
}

void rmr_kern_init(rmr_kern *kern, uint32_t tiers)
{
    rmr_kern_init_scalar(kern);
    if (tiers & RMR_TIER_BLAS)
        rmr_kern_init_blas(kern);
#if defined(__x86_64__) && RMR_CC_AVX2
    if (tiers & RMR_TIER_AVX2)
        rmr_kern_init_avx2(kern);
#endif
#if defined(__x86_64__) && RMR_CC_AVX512
    if (tiers & RMR_TIER_AVX512)
        rmr_kern_init_avx512(kern);
#endif
}
