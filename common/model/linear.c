/*
 * linear.c - packs the weight of a linear layer once, when the model opens. It
 * must never keep two copies of it resident.
 */
#include "common/model/linear.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/quantize.h"
#include "common/model/whole.h"
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
    float *bias;   /* [out], owned by the weights, or NULL */
} plain;

/* Copies the tensor NAME.suffix. */
static rmr_status take(rmr_weights *weights, const char *name,
                       const char *suffix, uint64_t rows, uint64_t columns,
                       float *to, rmr_error *err)
{
    char full[NAME_CHARS];
    const float *values;
    size_t count = (rows ? rows : 1) * columns;
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    rmr_status status =
        rmr_weights_f32(weights, full, rows, columns, &values, err);
    if (status)
        return status;
    memcpy(to, values, count * sizeof *to);
    rmr_weights_forget(weights, values, count);
    return RMR_OK;
}

/* The weight of `linear` has its type and its size. */
static rmr_status pack_whole(rmr_linear *linear, rmr_weights *weights,
                             const rmr_whole *w)
{
    rmr_weight *weight = &linear->weight;
    size_t split = w->int8_from, rest = w->out - split;
    void *panels = rmr_weights_alloc_packed(
        weights, rmr_panels_bytes(RMR_DTYPE_INT4, w->in, split));
    int8_t *groups = rmr_weights_alloc_packed(weights, rmr_panels(split) *
                                                           rmr_groups(w->in));
    void *int8_panels = rmr_weights_alloc_packed(
        weights, rmr_panels_bytes(RMR_DTYPE_INT8, w->in, rest));
    int32_t *sums = (int32_t *)rmr_weights_alloc(weights, rmr_panels(w->out));
    if (!panels || !groups || !int8_panels || !sums)
        return RMR_ERR_NOMEM;
    rmr_pack_int4(w->in, split, w->indexes, w->group_scales, panels, groups,
                  sums);
    rmr_pack_int8(w->in, rest, w->values, int8_panels, sums + split);
    linear->factors = w->factors;
    weight->panels = weight->dtype == RMR_DTYPE_INT4 ? panels : int8_panels;
    weight->scales = w->scales;
    weight->sums = sums;
    weight->group_scales = groups;
    weight->int8_from = split;
    weight->int8_panels = int8_panels;
    weight->num_outliers = w->num_outliers;
    weight->outlier_weights = w->outlier_weights;
    memcpy(weight->outliers, w->outliers, sizeof w->outliers);
    return RMR_OK;
}

static rmr_status pack(rmr_linear *linear, rmr_weights *weights,
                       const rmr_kern *kern, const plain *p)
{
    rmr_weight *weight = &linear->weight;
    size_t bytes = rmr_panels_bytes(weight->dtype, p->in, p->out);
    void *panels = rmr_weights_alloc_packed(weights, bytes);
    if (!panels)
        return RMR_ERR_NOMEM;
    if (weight->dtype == RMR_DTYPE_BF16)
        rmr_pack_bf16(p->in, p->out, p->weight, panels);
    else
        kern->pack_f32(p->in, p->out, p->weight, panels);
    weight->panels = panels;
    return RMR_OK;
}

size_t rmr_linear_num_names(const rmr_linear_source *source)
{
    size_t count = 0;
    while (count < RMR_MAX_LINEAR_NAMES && source->names[count])
        count++;
    return count;
}

/* The weights of all names, in float32. */
static rmr_status take_weights(plain *p, rmr_weights *weights,
                               const rmr_linear_source *source, rmr_error *err)
{
    size_t in = source->in, out = source->out;
    rmr_status status = RMR_OK;
    p->weight = rmr_malloc_array(p->out * in, sizeof *p->weight);
    if (!p->weight)
        return rmr_fail_nomem(err, source->names[0]);
    for (size_t i = 0; i < rmr_linear_num_names(source) && !status; i++)
        status = take(weights, source->names[i], "weight", out, in,
                      p->weight + i * out * in, err);
    return status;
}

static rmr_status take_biases(plain *p, rmr_weights *weights,
                              const rmr_linear_source *source, rmr_error *err)
{
    rmr_status status = RMR_OK;
    if (source->without_bias)
        return RMR_OK;
    p->bias = rmr_weights_alloc(weights, p->out);
    if (!p->bias)
        return rmr_fail_nomem(err, source->names[0]);
    for (size_t i = 0; i < rmr_linear_num_names(source) && !status; i++)
        status = take(weights, source->names[i], "bias", 0, source->out,
                      p->bias + i * source->out, err);
    return status;
}

static rmr_status bind_floats(rmr_linear *linear, rmr_weights *weights,
                              const rmr_kern *kern,
                              const rmr_linear_source *source, plain *p,
                              rmr_error *err)
{
    rmr_quantizer *to = rmr_weights_quantizer(weights);
    rmr_status status = take_weights(p, weights, source, err);
    if (!status && pack(linear, weights, kern, p))
        status = rmr_fail_nomem(err, source->names[0]);
    for (size_t i = 0; i < rmr_linear_num_names(source) && !status; i++) {
        char name[NAME_CHARS];
        snprintf(name, sizeof name, "%s.weight", source->names[i]);
        if (to && source->dtype == RMR_DTYPE_BF16)
            status = rmr_quantizer_keep_bf16(
                to, name, source->out, source->in,
                p->weight + i * source->out * source->in, err);
    }
    return status;
}

static rmr_status bind_whole(rmr_linear *linear, rmr_weights *weights,
                             const rmr_linear_source *source, plain *p,
                             rmr_error *err)
{
    rmr_whole w;
    rmr_status status = rmr_whole_alloc(&w, weights, source, err);
    if (!status && rmr_whole_is_stored(weights, source)) {
        status = rmr_whole_read(&w, weights, source, err);
    } else if (!status) {
        status = take_weights(p, weights, source, err);
        if (!status)
            status = rmr_whole_quantize(&w, weights, source, p->weight, err);
    }
    if (!status && pack_whole(linear, weights, &w))
        status = rmr_fail_nomem(err, source->names[0]);
    rmr_whole_free(&w);
    return status;
}

rmr_status rmr_linear_bind(rmr_linear *linear, rmr_weights *weights,
                           const rmr_kern *kern,
                           const rmr_linear_source *source, rmr_error *err)
{
    size_t in = source->in, out = source->out * rmr_linear_num_names(source);
    int of_bytes = rmr_operand_dtype(source->dtype) == RMR_DTYPE_INT8;
    plain p = {.in = in, .out = out};
    if (of_bytes && in > INT8_MAX_INPUTS)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: %s has %zu inputs, more than %s can sum",
                        rmr_weights_file(weights, source->names[0]),
                        source->names[0], in, rmr_dtype_name(source->dtype));
    *linear =
        (rmr_linear){.weight = {.dtype = source->dtype, .in = in, .out = out}};
    snprintf(linear->name, sizeof linear->name, "%s", source->names[0]);
    rmr_status status = take_biases(&p, weights, source, err);
    linear->bias = p.bias;
    if (!status)
        status = of_bytes ? bind_whole(linear, weights, source, &p, err)
                          : bind_floats(linear, weights, kern, source, &p, err);
    rmr_free(p.weight);
    return status;
}
