/*
 * whole.h - the weight of a linear layer as whole numbers: int8, or int4 with
 * the last of its outputs in int8. It comes from float32, or from tensors that
 * a model was quantized to before, and is packed by linear.c.
 *
 * Tensors of a name: NAME.weight, I8 [out, in] or U8 [out, ceil(in / 2)], two
 * of int4 to a byte, the first in the lower half; NAME.weight_scale F32 [out];
 * for int4 NAME.weight_group_scale I8 [out, groups]; where the input is
 * multiplied by factors before it is quantized, NAME.input_factor F32 [in]; and
 * where some of these are 0, NAME.outlier_weight F32 [zeros, out] with the
 * weights of these inputs, in their order, which are 0 in NAME.weight.
 */
#ifndef RMR_MODEL_WHOLE_H
#define RMR_MODEL_WHOLE_H

#include "common/model/linear.h"

typedef struct rmr_whole {
    size_t in, out;       /* of all names together */
    size_t int8_from;     /* outputs up to which it is int4 */
    uint8_t *indexes;     /* int4: [int8_from, in], one to a byte */
    int8_t *group_scales; /* int4: [int8_from, rmr_groups(in)] */
    int8_t *values;       /* int8: [out - int8_from, in] */
    float *scales;        /* [out] */
    float *factors;       /* [in], or NULL; owned by the weights */
    size_t num_outliers;  /* as rmr_weight has them */
    uint32_t outliers[RMR_MAX_OUTLIERS];
    float *outlier_weights; /* [num_outliers, out] */
} rmr_whole;

/* Memory for a layer. Errors: NOMEM. To be freed whatever the result. */
rmr_status rmr_whole_alloc(rmr_whole *whole, const rmr_linear_source *source,
                           rmr_error *err);
void rmr_whole_free(rmr_whole *whole);

/* 1 when the tensors of the source are whole numbers. */
int rmr_whole_is_stored(const rmr_weights *weights,
                        const rmr_linear_source *source);

/* Reads them. Errors: those of rmr_weights_raw and rmr_weights_f32; RANGE (more
 * than RMR_MAX_OUTLIERS factors are 0). */
rmr_status rmr_whole_read(rmr_whole *whole, rmr_weights *weights,
                          const rmr_linear_source *source, rmr_error *err);

/* Quantizes weight [out, in], which is changed. When the weights have a
 * quantizer, it is asked what the layer's inputs are like, and keeps what comes
 * of it. Errors: NOMEM. */
rmr_status rmr_whole_quantize(rmr_whole *whole, rmr_weights *weights,
                              const rmr_linear_source *source, float *weight,
                              rmr_error *err);

#endif
