/*
 * linear.h - a linear layer's parameters in the order that the kernels want,
 * for every architecture.
 */
#ifndef RMR_MODEL_LINEAR_H
#define RMR_MODEL_LINEAR_H

#include "common/model/safetensors.h"
#include "kernels/kern.h"

typedef struct rmr_linear {
    const float *packed; /* as pack_linear left it, owned by the weights */
    const float *bias;   /* [out] */
} rmr_linear;

/* Takes the tensors NAME.weight [out, in] and NAME.bias [out]; the weight is
 * packed and its own memory is given back. Errors: those of rmr_weights_f32. */
rmr_status rmr_linear_bind(rmr_linear *linear, rmr_weights *weights,
                           const rmr_kern *kern, const char *name, uint64_t out,
                           uint64_t in, rmr_error *err);

#endif
