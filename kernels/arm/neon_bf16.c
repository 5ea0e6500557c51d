/*
 * neon_bf16.c - products of bfloat16 for AArch64 CPUs with FEAT_BF16, and
 * attention on them. It must never run on a CPU that rmr_kern_tiers did not say
 * has it.
 */
#include "config.h"

#if defined(__aarch64__) && RMR_CC_NEON_BF16

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("bf16"))),                  \
                             apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+bf16")
#endif

#define VEC_HAS_BF16 1
#include "kernels/arm/vec_neon_tmpl.h"

#define RMR_ROUGH 1
#define RMR_NAME(name) neon_bf16_##name
#include "kernels/template/linear_tmpl.h"

/* sums + left right, of two bfloat16 each. Not the intrinsic: Clang 14 has it
 * only where all of a file is compiled for the extension. */
static inline __attribute__((always_inline)) float32x4_t
neon_bfdot(float32x4_t sums, int32x4_t left, int32x4_t right)
{
    __asm__("bfdot %0.4s, %1.8h, %2.8h" : "+w"(sums) : "w"(left), "w"(right));
    return sums;
}

#define PRODUCT(name) bf16_##name
#define LANES_MAC(sums, left, right) neon_bfdot(sums, left, right)
#include "kernels/template/product_tmpl.h"

#define ATTENTION(name) attend_bf16_##name
#define VALUE uint16_t
#define VALUE_DTYPE RMR_DTYPE_BF16
#define MULTIPLY bf16_multiply
#define STORE(to, v) vec_store_bf16(to, v)
#include "kernels/template/attention_tmpl.h"

static void linear(const rmr_linear_args *args)
{
    rmr_product p = neon_bf16_product_of(args);
    bf16_multiply(&p, neon_bf16_finish, args);
}

void rmr_kern_init_neon_bf16(rmr_kern *kern)
{
    kern->linear_bf16 = linear;
    kern->attention_bf16 = attend_bf16_head;
    kern->has_bf16_attention = 1;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
