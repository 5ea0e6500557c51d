/*
 * linear.c - packs the weight of a linear layer once, when the model opens. It
 * must never keep two copies of it resident.
 */
#include "common/model/linear.h"

#include <stdio.h>

enum { NAME_CHARS = 192 };

rmr_status rmr_linear_bind(rmr_linear *linear, rmr_weights *weights,
                           const rmr_kern *kern, const char *name, uint64_t out,
                           uint64_t in, rmr_error *err)
{
    char full[NAME_CHARS];
    const float *values;
    snprintf(full, sizeof full, "%s.bias", name);
    rmr_status status =
        rmr_weights_f32(weights, full, 0, out, &linear->bias, err);
    if (status)
        return status;
    snprintf(full, sizeof full, "%s.weight", name);
    status = rmr_weights_f32(weights, full, out, in, &values, err);
    if (status)
        return status;
    float *packed = rmr_weights_alloc(weights, rmr_packed_floats(in, out));
    if (!packed)
        return rmr_fail_nomem(err, full);
    kern->pack_linear(in, out, values, packed);
    rmr_weights_forget(weights, values, in * out);
    linear->packed = packed;
    return RMR_OK;
}
