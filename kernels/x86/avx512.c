/*
 * avx512.c - the tier for x86 CPUs with AVX-512 F, 16 floats a vector: the
 * templates, compiled for it. It must never run on a CPU that rmr_kern_tiers
 * did not say has them.
 */
#include "config.h"

#if defined(__x86_64__) && RMR_CC_AVX512

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma"))),      \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx2,fma")
#endif

#include <immintrin.h>

#include "kernels/kern.h"

#define RMR_NAME(name) avx512_##name
typedef __m512 vec;
#define VEC_WIDTH 16
#define VEC_LOAD _mm512_loadu_ps
#define VEC_STORE _mm512_storeu_ps
#define VEC_SET1 _mm512_set1_ps
#define VEC_ZERO _mm512_setzero_ps
#define VEC_ADD _mm512_add_ps
#define VEC_FMA _mm512_fmadd_ps
#define TILE_ROWS 12
#define TILE_PANELS 2

#include "kernels/template/activation_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/softmax_tmpl.h"
#include "kernels/template/gemm_tmpl.h"
#include "kernels/template/attention_tmpl.h"

void rmr_kern_init_avx512(rmr_kern *kern)
{
#define RMR_KERN(name, parameters) kern->name = avx512_##name;
#include "kernels/kern.inc"
#undef RMR_KERN
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
