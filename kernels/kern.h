/*
 * kern.h - the table of compute kernels, their operands, and the tiers that can
 * fill the table.
 *
 * A kernel is a plain function over caller-owned memory: it never allocates,
 * never fails, and keeps no state. What each does is written in kern.inc.
 */
#ifndef RMR_KERN_H
#define RMR_KERN_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* ----------------------------------------------------------------- operands */

enum {
    RMR_PANEL = 16,           /* columns that packed weights keep together */
    RMR_STEP = 4,             /* bytes of a column that are used at a time */
    RMR_GROUP = 32,           /* inputs that share a scale in int4 */
    RMR_MAX_OUTLIERS = 8,     /* inputs beside a product of bytes */
    RMR_ATTENTION_ROWS = 24,  /* queries that are looked at together, and */
    RMR_ATTENTION_KEYS = 256, /* with how many keys at a time */
    RMR_ALIGNMENT = 64        /* of rows and panels, as far as is asked for */
};

/* The type of values that a weight of this type is multiplied with. */
static inline rmr_dtype rmr_operand_dtype(rmr_dtype weight)
{
    return weight == RMR_DTYPE_INT4 ? RMR_DTYPE_INT8 : weight;
}

/* Bytes of one value of an operand. */
static inline size_t rmr_dtype_size(rmr_dtype dtype)
{
    return dtype == RMR_DTYPE_F32 ? 4 : dtype == RMR_DTYPE_BF16 ? 2 : 1;
}

/* n rounded up to whole panels. */
static inline size_t rmr_panels(size_t n)
{
    return (n + RMR_PANEL - 1) / RMR_PANEL * RMR_PANEL;
}

/* Steps that `in` values make: 1 float32, 2 bfloat16 or 4 bytes each. */
static inline size_t rmr_steps(rmr_dtype dtype, size_t in)
{
    size_t values = RMR_STEP / rmr_dtype_size(dtype);
    return (in + values - 1) / values;
}

/* Bytes of a row of `in` values that is the left operand of a product: whole
 * steps. */
static inline size_t rmr_row_bytes(rmr_dtype dtype, size_t in)
{
    return rmr_steps(dtype, in) * RMR_STEP;
}

/* Groups that `in` values of int4 make. */
static inline size_t rmr_groups(size_t in)
{
    return (in + RMR_GROUP - 1) / RMR_GROUP;
}

/* Bytes of a packed weight. */
static inline size_t rmr_panels_bytes(rmr_dtype dtype, size_t in, size_t out)
{
    size_t column = dtype == RMR_DTYPE_INT4 ? rmr_groups(in) * RMR_GROUP / 2
                                            : rmr_row_bytes(dtype, in);
    return column * rmr_panels(out);
}

/* Of a row of bytes q: each stands for scale (q - zero). */
typedef struct rmr_row_scale {
    float scale;
    int32_t zero;
} rmr_row_scale;

/*
 * A weight [out, in] as the kernels read it: panels of RMR_PANEL columns of
 * its transpose; inside a panel, step after step; in a step, RMR_STEP bytes of
 * each column: consecutive inputs. What is missing to whole steps and panels
 * is 0. (BLAS's float32 alone keeps the weight as it was.) int4 has two steps
 * of int8 in the place of one, the second in the upper halves of the bytes, and
 * whole groups; rmr_int4_value says what it stands for; and from a panel on it
 * may be int8. Owns nothing.
 */
typedef struct rmr_weight {
    rmr_dtype dtype;
    size_t in, out;
    const void *panels;
    const float *scales; /* bytes: [rmr_panels(out)], a column's unit */
    const int32_t *sums; /* bytes: [rmr_panels(out)], of a column's values */
    /* Bytes: inputs whose weights are too large to share the others' unit:
     * there they are 0, as the inputs are, and here [num_outliers,
     * rmr_panels(out)] float32. */
    size_t num_outliers;
    uint32_t outliers[RMR_MAX_OUTLIERS];
    const float *outlier_weights;
    /* int4: [rmr_panels(int8_from) / RMR_PANEL, rmr_groups(in), RMR_PANEL] */
    const int8_t *group_scales;
    size_t int8_from;        /* int4: columns up to which it is that: a multiple
                              * of RMR_PANEL, or `out`; */
    const void *int8_panels; /* the others */
} rmr_weight;

/* What four bits stand for, before their group's scale: of int8's values for
 * it, those with the least mean square error over groups of normal values. */
extern const int8_t rmr_int4_levels[16];

/* A weight of int4 as int8, of [-126, 126]: level scale / 128, rounded. */
static inline int8_t rmr_int4_value(unsigned index, int8_t group_scale)
{
    return (int8_t)((rmr_int4_levels[index] * group_scale + 64) >> 7);
}

/* A table [rows, columns] whose rows are looked up, row-major. int8: a row's
 * values times its scale. int4: indexes two to a byte, the first in the lower
 * half, whole bytes to a row; rmr_int4_value of each times the row's scale.
 * Owns nothing. */
typedef struct rmr_table {
    rmr_dtype dtype;
    size_t rows, columns;
    const void *values;
    const float *scales;        /* int8, int4: [rows] */
    const int8_t *group_scales; /* int4: [rows, rmr_groups(columns)] */
} rmr_table;

/* Bytes of a row of a table. */
static inline size_t rmr_table_row_bytes(rmr_dtype dtype, size_t columns)
{
    return dtype == RMR_DTYPE_INT4 ? (columns + 1) / 2
                                   : columns * rmr_dtype_size(dtype);
}

typedef enum rmr_activation {
    RMR_ACTIVATION_NONE,
    RMR_ACTIVATION_GELU,      /* with erf (Hendrycks and Gimpel 2016) */
    RMR_ACTIVATION_GELU_TANH, /* gelu_new, gelu_pytorch_tanh */
    RMR_ACTIVATION_RELU,
    RMR_ACTIVATION_SILU, /* x sigmoid(x), swish */
    RMR_ACTIVATION_SIGMOID,
    RMR_ACTIVATION_TANH
} rmr_activation;

/* What a linear kernel is given. Strides are bytes from one row to the next. */
typedef struct rmr_linear_args {
    const rmr_weight *weight;
    size_t rows;
    size_t first, last; /* columns [first, last): whole panels, or to `out` */
    const void *x;      /* [rows, in], in whole steps */
    size_t x_stride;    /* a multiple of RMR_STEP, as x is */
    const rmr_row_scale *row_scales; /* bytes: [rows] */
    const float *x_floats; /* bytes, with outliers: [rows, in] without gaps,
                            * what x was made of, before factors */
    const float *bias;     /* [out], or NULL */
    rmr_activation activation;
    int gates; /* y is multiplied by the result, rather than replaced: the
                * activation's own part of a gated layer is there already */
    const float *residual; /* [rows, out], or NULL; may be y */
    size_t residual_stride;
    void *y; /* [rows, out], of y_dtype; the columns asked for are written */
    size_t y_stride;
    rmr_dtype y_dtype; /* float32 or bfloat16 */
    void *scratch;     /* int4: rmr_linear_scratch, aligned to RMR_ALIGNMENT */
} rmr_linear_args;

/* Bytes of scratch for layers with up to `in` inputs: some panels of int4,
 * as int8. */
static inline size_t rmr_linear_scratch(rmr_dtype dtype, size_t in)
{
    size_t panels = 4;
    if (dtype != RMR_DTYPE_INT4)
        return 0;
    return panels * rmr_groups(in) * RMR_GROUP * RMR_PANEL;
}

/*
 * What a score of query i and key j has besides their product. What depends on
 * the distance is reached by distance[j - i], from 1 - length on; up to
 * RMR_PANEL values beyond length - 1 may be read.
 */
typedef struct rmr_attention_bias {
    size_t before, after;  /* keys that a query sees to each side of its own */
    const float *distance; /* added to the scaled score; or NULL */
    /* Added before it is scaled (He et al. 2021, DeBERTa): what query i, and
     * what key j, makes of the distance's column: [length, stride]; each may be
     * NULL. Up to RMR_PANEL values beyond the last row of of_query may be
     * read. */
    const float *of_query, *of_key;
    size_t stride;
    const int32_t *columns; /* below stride */
    /* Up to so far to each side, a column follows that of the distance before.
     */
    size_t near;
} rmr_attention_bias;

/* What an attention kernel is given: q, k, v, context are at the head's first
 * component of the sequence's first token; q, k and v are of the kernel's
 * type. */
typedef struct rmr_attention_args {
    size_t length;                  /* tokens of the sequence */
    size_t head_size;               /* components of the head */
    float scale;                    /* of the scores */
    const rmr_attention_bias *bias; /* NULL: each query sees all keys alike */
    const void *q, *k, *v;
    size_t stride; /* bytes from one token to the next, of q, k and v */
    void *context;
    size_t context_stride;
    rmr_dtype context_dtype; /* float32 or bfloat16 */
    void *scratch; /* rmr_attention_scratch, aligned to RMR_ALIGNMENT */
} rmr_attention_args;

/* Bytes of scratch for attention over up to `longest` tokens, linear in it:
 * the head's keys and values, packed; some scores; some context. */
static inline size_t rmr_attention_scratch(size_t longest, size_t head_size)
{
    size_t keys = rmr_panels(longest), head = rmr_panels(head_size);
    size_t rows = RMR_ATTENTION_ROWS;
    return 4 * (2 * keys * head + 2 * rows * RMR_ATTENTION_KEYS +
                rows * (head + 2) + RMR_PANEL);
}

/* -------------------------------------------------------------------- table */

typedef struct rmr_kern {
#define RMR_KERN(name, parameters) void(*name) parameters;
#include "kernels/kern.inc"
#undef RMR_KERN
    int has_bf16_attention; /* a tier that is made for it fills it in */
} rmr_kern;

/* A linear layer by the kernel of its weight's type. */
static inline void rmr_kern_linear(const rmr_kern *kern,
                                   const rmr_linear_args *args)
{
    switch (args->weight->dtype) {
    case RMR_DTYPE_F32:
        kern->linear_f32(args);
        break;
    case RMR_DTYPE_BF16:
        kern->linear_bf16(args);
        break;
    case RMR_DTYPE_INT8:
        kern->linear_int8(args);
        break;
    case RMR_DTYPE_INT4:
        kern->linear_int4(args);
        break;
    }
}

/* Tiers above the scalar reference, as bits of a mask, in rising order. */
enum {
    RMR_TIER_BLAS = 1 << 0,          /* float32 products by OpenBLAS: any CPU */
    RMR_TIER_AVX2 = 1 << 1,          /* x86 with AVX2 and FMA */
    RMR_TIER_AVX_VNNI = 1 << 2,      /* and products of bytes */
    RMR_TIER_AVX512 = 1 << 3,        /* x86 with AVX-512 F, BW, DQ, VL */
    RMR_TIER_AVX512_VNNI = 1 << 4,   /* and products of bytes */
    RMR_TIER_AVX512_BF16 = 1 << 5,   /* and of bfloat16 */
    RMR_TIER_AMX_INT8 = 1 << 6,      /* products of tiles of bytes, */
    RMR_TIER_AMX_BF16 = 1 << 7,      /* of bfloat16: above the two before */
    RMR_TIER_NEON = 1 << 16,         /* AArch64 */
    RMR_TIER_NEON_DOTPROD = 1 << 17, /* and products of signed bytes, */
    RMR_TIER_NEON_I8MM = 1 << 18,    /* of unsigned with signed bytes, */
    RMR_TIER_NEON_BF16 = 1 << 19,    /* and of bfloat16 */
};

/* The tiers that this CPU and its operating system can run. Where the CPU has
 * AMX it asks Linux to let the process use it: see kern.c. A build with
 * RMR_WITHOUT_BLAS leaves RMR_TIER_BLAS out, and kernels/blas with it. */
uint32_t rmr_kern_tiers(void);

/* Fills the table: scalar first, then every tier in the mask, in rising order.
 * 0 gives the scalar reference alone. The mask must be within
 * rmr_kern_tiers(). */
void rmr_kern_init(rmr_kern *kern, uint32_t tiers);

/* The entries of each tier; a tier leaves alone what it does not improve. */
void rmr_kern_init_scalar(rmr_kern *kern);
void rmr_kern_init_blas(rmr_kern *kern);
void rmr_kern_init_avx2(rmr_kern *kern);
void rmr_kern_init_avx_vnni(rmr_kern *kern);
void rmr_kern_init_avx512(rmr_kern *kern);
void rmr_kern_init_avx512_vnni(rmr_kern *kern);
void rmr_kern_init_avx512_bf16(rmr_kern *kern);
void rmr_kern_init_amx_int8(rmr_kern *kern);
void rmr_kern_init_amx_bf16(rmr_kern *kern);
void rmr_kern_init_neon(rmr_kern *kern);
void rmr_kern_init_neon_dotprod(rmr_kern *kern);
void rmr_kern_init_neon_i8mm(rmr_kern *kern);
void rmr_kern_init_neon_bf16(rmr_kern *kern);

#endif
