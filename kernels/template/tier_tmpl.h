/*
 * tier_tmpl.h - all kernels of a tier that has vectors of floats and fused
 * multiply-adds, and no products of narrower values of its own: those are made
 * of what the vectors have. The tier includes its vectors and names RMR_NAME.
 */
#include "kernels/pack.h"
#include "kernels/template/linear_tmpl.h"
#include "kernels/template/norm_tmpl.h"
#include "kernels/template/rows_tmpl.h"

#define PRODUCT(name) f32_##name
#define LANES_MAC(sums, left, right)                                           \
    VEC_FMA(VEC_OF_BITS(left), VEC_OF_BITS(right), sums)
#include "kernels/template/product_tmpl.h"

/* sums + left right, of two bfloat16 each: the upper halves of floats. */
static inline __attribute__((always_inline)) vec mac_bf16(vec sums, ivec left,
                                                          ivec right)
{
    const ivec upper = IVEC_SET1(-65536);
    sums = VEC_FMA(VEC_OF_BITS(IVEC_SHIFT_LEFT(left, 16)),
                   VEC_OF_BITS(IVEC_SHIFT_LEFT(right, 16)), sums);
    return VEC_FMA(VEC_OF_BITS(IVEC_AND(left, upper)),
                   VEC_OF_BITS(IVEC_AND(right, upper)), sums);
}

#define PRODUCT(name) bf16_##name
#define LANES_MAC(sums, left, right) mac_bf16(sums, left, right)
#include "kernels/template/product_tmpl.h"

#define MAC_BYTES(sums, left, right) ivec_mac_bytes(sums, left, right)
#include "kernels/template/bytes_tmpl.h"

#define ATTENTION(name) attend_f32_##name
#define VALUE float
#define VALUE_DTYPE RMR_DTYPE_F32
#define MULTIPLY f32_multiply
#define STORE(to, v) VEC_STORE(to, v)
#include "kernels/template/attention_tmpl.h"

static void linear_f32(const rmr_linear_args *args)
{
    rmr_product p = RMR_NAME(product_of)(args);
    f32_multiply(&p, RMR_NAME(finish), args);
}

static void linear_bf16(const rmr_linear_args *args)
{
    rmr_product p = RMR_NAME(product_of)(args);
    bf16_multiply(&p, RMR_NAME(finish), args);
}

static void fill(rmr_kern *kern)
{
    kern->pack_f32 = rmr_pack_f32;
    kern->linear_f32 = linear_f32;
    kern->linear_bf16 = linear_bf16;
    kern->linear_int8 = linear_int8;
    kern->linear_int4 = linear_int4;
    kern->attention_f32 = attend_f32_head;
    kern->to_bf16 = RMR_NAME(to_bf16);
    kern->quantize_rows = RMR_NAME(quantize_rows);
    kern->table_row = RMR_NAME(table_row);
    kern->table_add = RMR_NAME(table_add);
    kern->layer_norm = RMR_NAME(layer_norm);
    kern->rms_norm = RMR_NAME(rms_norm);
    kern->activate = RMR_NAME(activate);
    kern->mean_rows = RMR_NAME(mean_rows);
    kern->max_rows = RMR_NAME(max_rows);
    kern->l2_normalize = RMR_NAME(l2_normalize);
}
