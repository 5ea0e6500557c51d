/*
 * linear.h - a linear layer's parameters in the order that the kernels want,
 * for every architecture.
 */
#ifndef RMR_MODEL_LINEAR_H
#define RMR_MODEL_LINEAR_H

#include "common/model/safetensors.h"
#include "kernels/kern.h"

typedef struct rmr_linear {
    rmr_weight weight; /* what it points to is owned by the weights */
    const float *bias; /* [out] */
} rmr_linear;

/* What layers are made for. */
typedef struct rmr_linear_target {
    rmr_weights *weights;
    const rmr_kern *kern;
    rmr_dtype dtype;
} rmr_linear_target;

/*
 * Takes the tensors NAME.weight [out, in] and NAME.bias [out] of each of
 * `count` names, as one layer with count * out outputs; the weights are packed
 * and their own memory is given back. Errors: those of rmr_weights_f32; RANGE
 * (more inputs than int8's sums have room for).
 */
rmr_status rmr_linear_bind(rmr_linear *linear, const rmr_linear_target *target,
                           const char *const *names, size_t count, uint64_t out,
                           uint64_t in, rmr_error *err);

#endif
