/*
 * kern.c - which tiers there are, and the table filled from them. It must never
 * pick a tier that the operating system does not save the registers of.
 */
#include "kernels/kern.h"

#include "config.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* Each leaves to the tier below it what its tiles do not fit. */
#if defined(__x86_64__) && defined(__linux__)
#if RMR_CC_AMX_INT8 && RMR_CC_AVX512_VNNI
#define HAS_AMX_INT8 1
#endif
#if RMR_CC_AMX_BF16 && RMR_CC_AVX512_BF16
#define HAS_AMX_BF16 1
#endif
#endif

#if HAS_AMX_INT8 || HAS_AMX_BF16
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__x86_64__) && RMR_CC_AVX_VNNI
/* Not all compilers know its name: leaf 7, subleaf 1, bit 4 of EAX. */
static int has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}
#endif

#if HAS_AMX_INT8 || HAS_AMX_BF16
/*
 * True when the system saves the tiles' registers, components 17 and 18 of
 * XCR0. Linux does so for a process that asked for the larger one: then for all
 * its threads, also those that run already, and for what it forks, until it
 * executes another program; to ask again changes nothing. Where a thread has a
 * stack for signals that the registers do not fit on, the answer is no; after a
 * yes such a stack can no longer be set (Linux, arch/x86/xstate).
 */
static int may_use_tiles(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low >> 17 & 3) == 3 &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* Of a CPU with AVX-512: leaf 7, bits 22, 24 and 25 of EDX. */
static uint32_t amx_tiers(uint32_t below)
{
    enum { BF16 = 1 << 22, TILES = 1 << 24, INT8 = 1 << 25 };
    unsigned a, b, c, d;
    uint32_t tiers = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & TILES))
        return 0;
#if HAS_AMX_INT8
    if (below & RMR_TIER_AVX512_VNNI && d & INT8)
        tiers |= RMR_TIER_AMX_INT8;
#endif
#if HAS_AMX_BF16
    if (below & RMR_TIER_AVX512_BF16 && d & BF16)
        tiers |= RMR_TIER_AMX_BF16;
#endif
    return tiers && may_use_tiles() ? tiers : 0;
}
#endif

#if defined(__aarch64__)
/* What Linux says that the CPU has. */
static uint32_t arm_tiers(void)
{
    uint32_t tiers = RMR_TIER_NEON;
#if RMR_CC_NEON_DOTPROD
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
        tiers |= RMR_TIER_NEON_DOTPROD;
#endif
#if RMR_CC_NEON_I8MM
    if (getauxval(AT_HWCAP2) & HWCAP2_I8MM)
        tiers |= RMR_TIER_NEON_I8MM;
#endif
#if RMR_CC_NEON_BF16
    if (getauxval(AT_HWCAP2) & HWCAP2_BF16)
        tiers |= RMR_TIER_NEON_BF16;
#endif
    return tiers;
}

static void init_arm(rmr_kern *kern, uint32_t tiers)
{
    if (tiers & RMR_TIER_NEON)
        rmr_kern_init_neon(kern);
#if RMR_CC_NEON_DOTPROD
    if (tiers & RMR_TIER_NEON_DOTPROD)
        rmr_kern_init_neon_dotprod(kern);
#endif
#if RMR_CC_NEON_I8MM
    if (tiers & RMR_TIER_NEON_I8MM)
        rmr_kern_init_neon_i8mm(kern);
#endif
#if RMR_CC_NEON_BF16
    if (tiers & RMR_TIER_NEON_BF16)
        rmr_kern_init_neon_bf16(kern);
#endif
}
#endif

/* What the CPU has: the compiler's own check, which asks CPUID and XCR0. What
 * the compiler has: build/config.h. */
uint32_t rmr_kern_tiers(void)
{
    uint32_t tiers = 0;
#if !RMR_WITHOUT_BLAS
    tiers |= RMR_TIER_BLAS;
#endif
#if defined(__aarch64__)
    tiers |= arm_tiers();
#endif
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
#if HAS_AMX_INT8 || HAS_AMX_BF16
    if (tiers & RMR_TIER_AVX512)
        tiers |= amx_tiers(tiers);
#endif
    return tiers;
}

void rmr_kern_init(rmr_kern *kern, uint32_t tiers)
{
    rmr_kern_init_scalar(kern);
#if !RMR_WITHOUT_BLAS
    if (tiers & RMR_TIER_BLAS)
        rmr_kern_init_blas(kern);
#endif
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
#if HAS_AMX_INT8
    if (tiers & RMR_TIER_AMX_INT8)
        rmr_kern_init_amx_int8(kern);
#endif
#if HAS_AMX_BF16
    if (tiers & RMR_TIER_AMX_BF16)
        rmr_kern_init_amx_bf16(kern);
#endif
#if defined(__aarch64__)
    init_arm(kern, tiers);
#endif
}
