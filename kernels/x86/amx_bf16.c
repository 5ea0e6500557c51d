/*
 * amx_bf16.c - products of bfloat16 on the tiles of AMX, for x86 CPUs that also
 * have AVX-512 BF16, whose products take what is not whole tiles. It must never
 * run on a CPU that rmr_kern_tiers did not say has it, nor leave tiles
 * configured behind.
 *
 * TDPBF16PS adds up, for each result, the 32 products of a tile: those of even
 * and those of odd inputs, then both; then it adds that to the sum. Each is
 * rounded to nearest even and flushed to 0 below the least normal number,
 * whatever the thread's rounding mode is.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AMX_BF16 && RMR_CC_AVX512_BF16

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,"       \
                          "avx512bf16,amx-tile,amx-bf16"))),                   \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,"              \
                   "avx512bf16,amx-tile,amx-bf16")
#endif

#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/avx512_products.h"
#define VEC_HAS_BF16 1
#include "kernels/x86/vec_avx512_tmpl.h"

#define RMR_ROUGH 1
#define RMR_NAME(name) amx_##name
#include "kernels/template/linear_tmpl.h"

#define AMX(name) bf16_##name
#define AMX_MAC(sums, left, right) AMX_MAC_BF16(sums, left, right)
#include "kernels/x86/amx_tmpl.h"

static void linear_bf16(const rmr_linear_args *args)
{
    if (!bf16_fits(args)) {
        rmr_avx512_bf16_linear(args);
        return;
    }
    rmr_product p = amx_product_of(args);
    bf16_multiply(&p, amx_finish, args);
    AMX_RELEASE();
}

void rmr_kern_init_amx_bf16(rmr_kern *kern)
{
    kern->linear_bf16 = linear_bf16;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
