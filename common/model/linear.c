/*
 * linear.c - packs the weight of a linear layer once, when the model opens. It
 * must never keep two copies of it resident.
 */
#include "common/model/linear.h"

#include <math.h>
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

static rmr_status take(rmr_weights *weights, const char *name, uint64_t out,
                       uint64_t in, float *weight, float *bias, rmr_error *err)
{
    char full[NAME_CHARS];
    const float *values;
    snprintf(full, sizeof full, "%s.bias", name);
    rmr_status status = rmr_weights_f32(weights, full, 0, out, &values, err);
    if (status)
        return status;
    memcpy(bias, values, out * sizeof *bias);
    rmr_weights_forget(weights, values, out);
    snprintf(full, sizeof full, "%s.weight", name);
    status = rmr_weights_f32(weights, full, out, in, &values, err);
    if (status)
        return status;
    memcpy(weight, values, out * in * sizeof *weight);
    rmr_weights_forget(weights, values, out * in);
    return RMR_OK;
}

/* Brings the components of a norm's output closer to one size: the factors,
 * and the weight without them. A component's size is the root of its mean
 * square, sqrt(gamma^2 + beta^2), its weights' the largest of the last `rows`;
 * both get the root of the two's ratio. Of queries, keys and values these are
 * the values', which reach the result as they are: by all of them MiniLM's
 * vectors come out worse than without factors, by the values' better. */
static void smooth(const plain *p, const rmr_norm *norm, size_t rows,
                   float *factors)
{
    const float least = 1e-6f;
    for (size_t i = 0; i < p->in; i++) {
        float size = hypotf(norm->gamma[i], norm->beta[i]), largest = least;
        for (size_t o = p->out - rows; o < p->out; o++)
            largest = fmaxf(largest, fabsf(p->weight[o * p->in + i]));
        factors[i] = sqrtf(largest / fmaxf(size, least));
        for (size_t o = 0; o < p->out; o++)
            p->weight[o * p->in + i] /= factors[i];
    }
}

/* A weight as whole numbers, before it is packed. */
typedef struct whole {
    void *values;         /* int8, or int4's indexes: [out, in] */
    int8_t *group_scales; /* int4: [out, rmr_groups(in)] */
    float *scales;        /* [rmr_panels(out)], owned by the weights, */
    float *factors;       /* [in], or NULL; the same */
} whole;

static int alloc_whole(whole *w, rmr_weights *weights, const plain *p,
                       const rmr_linear_source *source)
{
    size_t columns = rmr_panels(p->out), groups = rmr_groups(p->in);
    int has_groups = source->dtype == RMR_DTYPE_INT4;
    w->values = rmr_malloc_array(p->out, p->in);
    w->scales = rmr_weights_alloc(weights, columns);
    if (w->scales)
        memset(w->scales, 0, columns * sizeof *w->scales);
    if (source->norm)
        w->factors = rmr_weights_alloc(weights, p->in);
    if (has_groups)
        w->group_scales = rmr_malloc_array(p->out, groups);
    return w->values && w->scales && (w->factors || !source->norm) &&
           (w->group_scales || !has_groups);
}

static void quantize(whole *w, const plain *p, const rmr_linear_source *source)
{
    if (source->norm)
        smooth(p, source->norm, source->out, w->factors);
    if (source->dtype == RMR_DTYPE_INT4)
        rmr_quantize_int4(p->in, p->out, p->weight, w->values, w->group_scales,
                          w->scales);
    else
        rmr_quantize_int8(p->in, p->out, p->weight, w->values, w->scales);
}

/* The weight of `linear` has its type, its size and its panels. */
static rmr_status pack_whole(rmr_linear *linear, rmr_weights *weights,
                             const whole *w, void *panels)
{
    rmr_weight *weight = &linear->weight;
    size_t columns = rmr_panels(weight->out);
    int32_t *sums = (int32_t *)rmr_weights_alloc(weights, columns);
    int8_t *groups = NULL;
    if (weight->dtype == RMR_DTYPE_INT4)
        groups =
            rmr_weights_alloc_packed(weights, columns * rmr_groups(weight->in));
    if (!sums || (w->group_scales && !groups))
        return RMR_ERR_NOMEM;
    if (weight->dtype == RMR_DTYPE_INT4)
        rmr_pack_int4(weight->in, weight->out, w->values, w->group_scales,
                      panels, groups, sums);
    else
        rmr_pack_int8(weight->in, weight->out, w->values, panels, sums);
    linear->factors = w->factors;
    weight->scales = w->scales;
    weight->sums = sums;
    weight->group_scales = groups;
    return RMR_OK;
}

static rmr_status pack_bytes(rmr_linear *linear, rmr_weights *weights,
                             const plain *p, const rmr_linear_source *source,
                             void *panels)
{
    whole w = {0};
    rmr_status status = RMR_ERR_NOMEM;
    if (alloc_whole(&w, weights, p, source)) {
        quantize(&w, p, source);
        status = pack_whole(linear, weights, &w, panels);
    }
    rmr_free(w.values);
    rmr_free(w.group_scales);
    return status;
}

static rmr_status pack(rmr_linear *linear, rmr_weights *weights,
                       const rmr_kern *kern, const rmr_linear_source *source,
                       const plain *p)
{
    rmr_dtype dtype = source->dtype;
    size_t bytes = rmr_panels_bytes(dtype, p->in, p->out);
    void *panels = rmr_weights_alloc_packed(weights, bytes);
    if (!panels)
        return RMR_ERR_NOMEM;
    linear->weight = (rmr_weight){
        .dtype = dtype, .in = p->in, .out = p->out, .panels = panels};
    if (rmr_operand_dtype(dtype) == RMR_DTYPE_INT8)
        return pack_bytes(linear, weights, p, source, panels);
    if (dtype == RMR_DTYPE_BF16)
        rmr_pack_bf16(p->in, p->out, p->weight, panels);
    else
        kern->pack_f32(p->in, p->out, p->weight, panels);
    return RMR_OK;
}

static size_t count_names(const rmr_linear_source *source)
{
    size_t count = 0;
    while (count < RMR_MAX_LINEAR_NAMES && source->names[count])
        count++;
    return count;
}

rmr_status rmr_linear_bind(rmr_linear *linear, rmr_weights *weights,
                           const rmr_kern *kern,
                           const rmr_linear_source *source, rmr_error *err)
{
    size_t in = source->in, out = source->out, count = count_names(source);
    plain p = {.in = in, .out = out * count};
    rmr_status status = RMR_OK;
    if (rmr_operand_dtype(source->dtype) == RMR_DTYPE_INT8 &&
        in > INT8_MAX_INPUTS)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s has %zu inputs, more than %s can sum",
                        source->names[0], in, rmr_dtype_name(source->dtype));
    p.weight = rmr_malloc_array(p.out * in, sizeof *p.weight);
    p.bias = rmr_weights_alloc(weights, p.out);
    if (!p.weight || !p.bias)
        status = rmr_fail_nomem(err, source->names[0]);
    for (size_t i = 0; i < count && !status; i++)
        status = take(weights, source->names[i], out, in,
                      p.weight + i * out * in, p.bias + i * out, err);
    if (!status && (status = pack(linear, weights, kern, source, &p)))
        rmr_fail_nomem(err, source->names[0]);
    linear->bias = p.bias;
    rmr_free(p.weight);
    return status;
}
