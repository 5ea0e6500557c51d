/*
 * linear.c - packs the weight of a linear layer once, when the model opens. It
 * must never keep two copies of it resident.
 */
#include "common/model/linear.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "kernels/pack.h"

enum {
    NAME_CHARS = 192,
    /* Products of two bytes are below 2^15, and sums of them 2^31. */
    INT8_MAX_INPUTS = 1 << 16
};

/* A weight and a bias in float32, of all names together. */
typedef struct plain {
    size_t in, out;
    float *weight; /* [out, in] */
    float *bias;   /* [out], owned by the weights */
} plain;

static rmr_status take(const rmr_linear_target *target, const char *name,
                       uint64_t out, uint64_t in, float *weight, float *bias,
                       rmr_error *err)
{
    char full[NAME_CHARS];
    const float *values;
    snprintf(full, sizeof full, "%s.bias", name);
    rmr_status status =
        rmr_weights_f32(target->weights, full, 0, out, &values, err);
    if (status)
        return status;
    memcpy(bias, values, out * sizeof *bias);
    rmr_weights_forget(target->weights, values, out);
    snprintf(full, sizeof full, "%s.weight", name);
    status = rmr_weights_f32(target->weights, full, out, in, &values, err);
    if (status)
        return status;
    memcpy(weight, values, out * in * sizeof *weight);
    rmr_weights_forget(target->weights, values, out * in);
    return RMR_OK;
}

static rmr_status pack_int8(rmr_weight *weight, rmr_weights *weights,
                            const plain *p, void *panels)
{
    int8_t *values = rmr_malloc(p->in * p->out);
    float *scales = rmr_weights_alloc(weights, rmr_panels(p->out));
    int32_t *sums = (int32_t *)rmr_weights_alloc(weights, rmr_panels(p->out));
    if (values && scales && sums) {
        memset(scales, 0, rmr_panels(p->out) * sizeof *scales);
        rmr_quantize_int8(p->in, p->out, p->weight, values, scales);
        rmr_pack_int8(p->in, p->out, values, panels, sums);
    }
    weight->scales = scales;
    weight->sums = sums;
    rmr_status status = values && scales && sums ? RMR_OK : RMR_ERR_NOMEM;
    rmr_free(values);
    return status;
}

static rmr_status pack(rmr_linear *linear, const rmr_linear_target *target,
                       const plain *p)
{
    rmr_dtype dtype = target->dtype;
    size_t bytes = rmr_panels_bytes(dtype, p->in, p->out);
    void *panels = rmr_weights_alloc(target->weights, bytes / sizeof(float));
    if (!panels)
        return RMR_ERR_NOMEM;
    linear->weight = (rmr_weight){
        .dtype = dtype, .in = p->in, .out = p->out, .panels = panels};
    if (dtype == RMR_DTYPE_INT8)
        return pack_int8(&linear->weight, target->weights, p, panels);
    if (dtype == RMR_DTYPE_BF16)
        rmr_pack_bf16(p->in, p->out, p->weight, panels);
    else
        target->kern->pack_f32(p->in, p->out, p->weight, panels);
    return RMR_OK;
}

rmr_status rmr_linear_bind(rmr_linear *linear, const rmr_linear_target *target,
                           const char *const *names, size_t count, uint64_t out,
                           uint64_t in, rmr_error *err)
{
    plain p = {.in = in, .out = out * count};
    rmr_status status = RMR_OK;
    if (target->dtype == RMR_DTYPE_INT8 && in > INT8_MAX_INPUTS)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s has %llu inputs, more than int8 can sum", names[0],
                        (unsigned long long)in);
    p.weight = rmr_malloc_array(p.out * in, sizeof *p.weight);
    p.bias = rmr_weights_alloc(target->weights, p.out);
    if (!p.weight || !p.bias)
        status = rmr_fail_nomem(err, names[0]);
    for (size_t i = 0; i < count && !status; i++)
        status = take(target, names[i], out, in, p.weight + i * out * in,
                      p.bias + i * out, err);
    if (!status && (status = pack(linear, target, &p)))
        rmr_fail_nomem(err, names[0]);
    linear->bias = p.bias;
    rmr_free(p.weight);
    return status;
}
