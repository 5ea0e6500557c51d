/*
 * kern.c - which tiers there are, and the table filled from them. It must never
 * pick a tier that the operating system does not save the registers of.
 */
#include "kernels/kern.h"

#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX_VNNI
#include <cpuid.h>

/* Not all compilers know its name: leaf 7, subleaf 1, bit 4 of EAX. */
static int has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}
#endif

/* What the CPU has: the compiler's own check, which asks CPUID and XCR0. What
 * the compiler has: build/config.h. */
uint32_t rmr_kern_tiers(void)
{
    uint32_t tiers = RMR_TIER_BLAS;
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
#if defined(__x86_64__) && RMR_CC_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tiers |= RMR_TIER_AVX2;
#endif
#if defined(__x86_64__) && RMR_CC_AVX_VNNI
    if (tiers & RMR_TIER_AVX2 && has_avx_vnni())
        tiers |= RMR_TIER_AVX_VNNI;
#endif
#if defined(__x86_64__) && RMR_CC_AVX512
    if (tiers & RMR_TIER_AVX2 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        tiers |= RMR_TIER_AVX512;
#endif
#if defined(__x86_64__) && RMR_CC_AVX512_VNNI
    if (tiers & RMR_TIER_AVX512 && __builtin_cpu_supports("avx512vnni"))
        tiers |= RMR_TIER_AVX512_VNNI;
#endif
#if defined(__x86_64__) && RMR_CC_AVX512_BF16
    if (tiers & RMR_TIER_AVX512 && __builtin_cpu_supports("avx512bf16"))
        tiers |= RMR_TIER_AVX512_BF16;
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
#if defined(__x86_64__) && RMR_CC_AVX_VNNI
    if (tiers & RMR_TIER_AVX_VNNI)
        rmr_kern_init_avx_vnni(kern);
#endif
#if defined(__x86_64__) && RMR_CC_AVX512
    if (tiers & RMR_TIER_AVX512)
        rmr_kern_init_avx512(kern);
#endif
#if defined(__x86_64__) && RMR_CC_AVX512_VNNI
    if (tiers & RMR_TIER_AVX512_VNNI)
        rmr_kern_init_avx512_vnni(kern);
#endif
#if defined(__x86_64__) && RMR_CC_AVX512_BF16
    if (tiers & RMR_TIER_AVX512_BF16)
        rmr_kern_init_avx512_bf16(kern);
#endif
}
