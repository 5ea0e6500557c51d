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

#include <immintrin.h>

#include "kernels/kern.h"

#define RMR_NAME(name) avx2_##name
typedef __m256 vec;
#define VEC_WIDTH 8
#define VEC_LOAD _mm256_loadu_ps
#define VEC_STORE _mm256_storeu_ps
#define VEC_SET1 _mm256_set1_ps
#define VEC_ZERO _mm256_setzero_ps
#define VEC_ADD _mm256_add_ps
#define VEC_FMA _mm256_fmadd_ps
#define TILE_ROWS 6
#define TILE_PANELS 1

#include "kernels/template/activation_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/softmax_tmpl.h"
#include "kernels/template/gemm_tmpl.h"
#include "kernels/template/attention_tmpl.h"

void rmr_kern_init_avx2(rmr_kern *kern)
{
#define RMR_KERN(name, parameters) kern->name = avx2_##name;
#include "kernels/kern.inc"
#undef RMR_KERN
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
