/*
 * avx512_bf16.c - products of bfloat16 for x86 CPUs with AVX-512 BF16, and
 * attention on them. It must never run on a CPU that rmr_kern_tiers did not
 * say has it.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX512_BF16

#if defined(__clang__)
#pragma clang attribute push(                                                  \
    __attribute__((                                                            \
        target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512bf16"))),    \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512bf16")
#endif

#include "kernels/x86/avx512_products.h"
#define VEC_HAS_BF16 1
#include "kernels/x86/vec_avx512_tmpl.h"

#define RMR_ROUGH 1
#define RMR_NAME(name) avx512_##name
#include "kernels/template/linear_tmpl.h"

#define PRODUCT(name) bf16_##name
#define LANES_MAC(sums, left, right)                                           \
    _mm512_dpbf16_ps(sums, (__m512bh)(left), (__m512bh)(right))
#include "kernels/template/product_tmpl.h"

#define ATTENTION(name) attend_bf16_##name
#define VALUE uint16_t
#define VALUE_DTYPE RMR_DTYPE_BF16
#define MULTIPLY bf16_multiply
#define STORE(to, v) vec_store_bf16(to, v)
#include "kernels/template/attention_tmpl.h"

void rmr_avx512_bf16_linear(const rmr_linear_args *args)
{
    rmr_product p = avx512_product_of(args);
    bf16_multiply(&p, avx512_finish, args);
}

void rmr_kern_init_avx512_bf16(rmr_kern *kern)
{
    kern->linear_bf16 = rmr_avx512_bf16_linear;
    kern->attention_bf16 = attend_bf16_head;
    kern->has_bf16_attention = 1;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
