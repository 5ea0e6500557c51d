/*
 * amx_int8.c - products of bytes on the tiles of AMX, for x86 CPUs that also
 * have AVX-512 VNNI, whose products take what is not whole tiles. It must never
 * run on a CPU that rmr_kern_tiers did not say has it, nor leave tiles
 * configured behind.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AMX_INT8 && RMR_CC_AVX512_VNNI

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((target(                                                     \
        "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,amx-tile,amx-int8"))),    \
    apply_to = function)
#else
#pragma GCC target(                                                            \
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,amx-tile,amx-int8")
#endif

#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/avx512_products.h"
#include "kernels/x86/vec_avx512_tmpl.h"

#define RMR_ROUGH 1
#define RMR_NAME(name) amx_##name
#include "kernels/template/linear_tmpl.h"

#define AMX(name) int8_##name
#define AMX_MAC(sums, left, right) AMX_MAC_BYTES(sums, left, right)
#include "kernels/x86/amx_tmpl.h"

/* As many panels as there is room for: each time tiles are configured anew. */
#define INT4_PANELS(rows) 4
#include "kernels/template/int4_tmpl.h"

static void linear_int8(const rmr_linear_args *args)
{
    if (!int8_fits(args)) {
        rmr_avx512_vnni_linear_int8(args);
        return;
    }
    rmr_product p = amx_product_of(args);
    int8_multiply(&p, amx_finish, args);
    AMX_RELEASE();
}

static void linear_int4_in_tiles(const rmr_linear_args *args)
{
    if (!int8_fits(args)) {
        rmr_avx512_vnni_linear_int4(args);
        return;
    }
    linear_int4(args);
    AMX_RELEASE();
}

void rmr_kern_init_amx_int8(rmr_kern *kern)
{
    kern->linear_int8 = linear_int8;
    kern->linear_int4 = linear_int4_in_tiles;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
