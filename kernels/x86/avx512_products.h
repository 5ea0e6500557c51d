/*
 * avx512_products.h - products of the AVX-512 tiers, for the tiers above that
 * leave some shapes to them. It must never be reached but on a CPU that has
 * the tier in the name.
 */
#ifndef RMR_KERN_AVX512_PRODUCTS_H
#define RMR_KERN_AVX512_PRODUCTS_H

#include "kernels/kern.h"

/* The tables' linear_int8 and linear_int4 of AVX-512 VNNI, and linear_bf16 of
 * AVX-512 BF16 (kern.inc). */
void rmr_avx512_vnni_linear_int8(const rmr_linear_args *args);
void rmr_avx512_vnni_linear_int4(const rmr_linear_args *args);
void rmr_avx512_bf16_linear(const rmr_linear_args *args);

#endif
