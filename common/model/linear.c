/*
 * linear.c - packs the weight of a linear layer once, when the model opens. It
 * must never keep two copies of it resident.
 */
#include "common/model/linear.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/adapter.h"
#include "common/model/quantize.h"
#include "common/model/shared.h"
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

/* Outputs of a layer that become one of its own. */
typedef struct part {
    size_t first, count;
} part;

size_t rmr_linear_num_names(const rmr_linear_source *source)
{
    size_t count = 0;
    while (count < RMR_MAX_LINEAR_NAMES && source->names[count])
        count++;
    return count;
}

size_t rmr_linear_first(const rmr_linear_source *source, size_t name)
{
    size_t first = 0;
    for (size_t i = 0; i < name; i++)
        first += source->out[i];
    return first;
}

/* Copies the tensor NAME.suffix, with what an adapter adds to a weight. */
static rmr_status take(rmr_weights *weights, const char *name,
                       const char *suffix, uint64_t rows, uint64_t columns,
                       uint64_t width, float *to, rmr_error *err)
{
    char full[NAME_CHARS];
    const float *values;
    size_t count = (rows ? rows : 1) * columns * (width ? width : 1);
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    rmr_status status =
        rmr_weights_f32_wide(weights, full, rows, columns, width, &values, err);
    if (status)
        return status;
    memcpy(to, values, count * sizeof *to);
    rmr_weights_forget(weights, values, count);
    if (rows && !width && rmr_weights_adapter(weights))
        status = rmr_adapter_merge(rmr_weights_adapter(weights), full, rows,
                                   columns, to, err);
    return status;
}

/* A copy of what a panel's columns have each, from `first` on; what is missing
 * to whole panels is 0. */
static float *copy_columns(rmr_weights *weights, const float *from, part p)
{
    float *to = rmr_weights_alloc(weights, rmr_panels(p.count));
    if (to) {
        memset(to, 0, rmr_panels(p.count) * sizeof *to);
        memcpy(to, from + p.first, p.count * sizeof *to);
    }
    return to;
}

static rmr_status copy_outliers(rmr_weight *weight, rmr_weights *weights,
                                const rmr_whole *w, part p)
{
    size_t stride = rmr_panels(p.count), count = w->num_outliers * stride;
    float *to = rmr_weights_alloc(weights, count);
    if (!to)
        return RMR_ERR_NOMEM;
    memset(to, 0, count * sizeof *to);
    for (size_t i = 0; i < w->num_outliers; i++)
        memcpy(to + i * stride, w->outlier_weights + i * w->out + p.first,
               p.count * sizeof *to);
    weight->num_outliers = w->num_outliers;
    weight->outlier_weights = to;
    memcpy(weight->outliers, w->outliers, sizeof w->outliers);
    return RMR_OK;
}

/* The weight of `linear` has its type and its size. Where it turns from int4
 * into int8 there is a whole panel. */
static rmr_status pack_whole(rmr_linear *linear, rmr_weights *weights,
                             const rmr_whole *w, part p)
{
    rmr_weight *weight = &linear->weight;
    size_t int4 = w->int8_from > p.first ? w->int8_from - p.first : 0;
    size_t split = int4 < p.count ? int4 : p.count, rest = p.count - split;
    size_t at = split ? p.first : 0;
    size_t int8_at = rest ? p.first + split - w->int8_from : 0;
    void *panels = rmr_weights_alloc_packed(
        weights, rmr_panels_bytes(RMR_DTYPE_INT4, w->in, split));
    int8_t *groups = rmr_weights_alloc_packed(weights, rmr_panels(split) *
                                                           rmr_groups(w->in));
    void *int8_panels = rmr_weights_alloc_packed(
        weights, rmr_panels_bytes(RMR_DTYPE_INT8, w->in, rest));
    int32_t *sums = (int32_t *)rmr_weights_alloc(weights, rmr_panels(p.count));
    float *scales = copy_columns(weights, w->scales, p);
    if (!panels || !groups || !int8_panels || !sums || !scales)
        return RMR_ERR_NOMEM;
    rmr_pack_int4(w->in, split, w->indexes + at * w->in,
                  w->group_scales + at * rmr_groups(w->in), panels, groups,
                  sums);
    rmr_pack_int8(w->in, rest, w->values + int8_at * w->in, int8_panels,
                  sums + split);
    linear->factors = w->factors;
    weight->panels = weight->dtype == RMR_DTYPE_INT4 ? panels : int8_panels;
    weight->scales = scales;
    weight->sums = sums;
    weight->group_scales = groups;
    weight->int8_from = split;
    weight->int8_panels = int8_panels;
    return copy_outliers(weight, weights, w, p);
}

static rmr_status pack(rmr_linear *linear, rmr_weights *weights,
                       const rmr_kern *kern, const plain *from, part p)
{
    rmr_weight *weight = &linear->weight;
    size_t bytes = rmr_panels_bytes(weight->dtype, from->in, p.count);
    const float *values = from->weight + p.first * from->in;
    void *panels = rmr_weights_alloc_packed(weights, bytes);
    if (!panels)
        return RMR_ERR_NOMEM;
    if (weight->dtype == RMR_DTYPE_BF16)
        rmr_pack_bf16(from->in, p.count, values, panels);
    else
        kern->pack_f32(from->in, p.count, values, panels);
    weight->panels = panels;
    return RMR_OK;
}

/* The weights of all names, in float32. */
static rmr_status take_weights(plain *p, rmr_weights *weights,
                               const rmr_linear_source *source, rmr_error *err)
{
    rmr_status status = RMR_OK;
    size_t columns = source->width ? p->in / source->width : p->in;
    p->weight = rmr_malloc_array(p->out * p->in, sizeof *p->weight);
    if (!p->weight)
        return rmr_fail_nomem(err, source->names[0]);
    for (size_t i = 0; i < rmr_linear_num_names(source) && !status; i++)
        status = take(weights, source->names[i], "weight", source->out[i],
                      columns, source->width,
                      p->weight + rmr_linear_first(source, i) * p->in, err);
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
        status = take(weights, source->names[i], "bias", 0, source->out[i], 0,
                      p->bias + rmr_linear_first(source, i), err);
    return status;
}

/* What the quantizer is to keep of a name. */
static rmr_status keep_bf16(const plain *p, rmr_quantizer *to,
                            const rmr_linear_source *source, size_t i,
                            rmr_error *err)
{
    char name[NAME_CHARS];
    snprintf(name, sizeof name, "%s.weight", source->names[i]);
    return rmr_quantizer_keep_bf16(
        to, name, source->out[i], p->in,
        p->weight + rmr_linear_first(source, i) * p->in, err);
}

/* Layers in the making: each with its type and its size. */
typedef struct parts {
    rmr_linear *linears;
    size_t count;
} parts;

static part part_of(const parts *all, size_t i)
{
    size_t count = all->linears[i].weight.out;
    return (part){i * count, count};
}

static rmr_status bind_floats(const parts *all, rmr_weights *weights,
                              const rmr_kern *kern,
                              const rmr_linear_source *source, plain *p,
                              rmr_error *err)
{
    rmr_quantizer *to = rmr_weights_quantizer(weights);
    rmr_status status = take_weights(p, weights, source, err);
    for (size_t i = 0; i < all->count && !status; i++) {
        if (pack(&all->linears[i], weights, kern, p, part_of(all, i)))
            status = rmr_fail_nomem(err, source->names[0]);
    }
    if (!to || source->dtype != RMR_DTYPE_BF16)
        return status;
    for (size_t i = 0; i < rmr_linear_num_names(source) && !status; i++)
        status = keep_bf16(p, to, source, i, err);
    return status;
}

static rmr_status bind_whole(const parts *all, rmr_weights *weights,
                             const rmr_linear_source *source, plain *p,
                             rmr_error *err)
{
    rmr_whole w;
    rmr_status status = rmr_whole_alloc(&w, source, err);
    if (!status && rmr_whole_is_stored(weights, source)) {
        status = rmr_whole_read(&w, weights, source, err);
    } else if (!status) {
        status = take_weights(p, weights, source, err);
        if (!status)
            status = rmr_whole_quantize(&w, weights, source, p->weight, err);
    }
    for (size_t i = 0; i < all->count && !status; i++) {
        if (pack_whole(&all->linears[i], weights, &w, part_of(all, i)))
            status = rmr_fail_nomem(err, source->names[0]);
    }
    rmr_whole_free(&w);
    return status;
}

static rmr_status make(rmr_linear *linears, rmr_weights *weights,
                       const rmr_kern *kern, const rmr_linear_source *source,
                       rmr_error *err)
{
    parts all = {linears, source->parts ? source->parts : 1};
    int of_bytes = rmr_operand_dtype(source->dtype) == RMR_DTYPE_INT8;
    plain p = {.in = source->in,
               .out = rmr_linear_first(source, rmr_linear_num_names(source))};
    if (of_bytes && p.in > INT8_MAX_INPUTS)
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: %s has %zu inputs, more than %s can sum",
                        rmr_weights_file(weights, source->names[0]),
                        source->names[0], p.in, rmr_dtype_name(source->dtype));
    rmr_status status = take_biases(&p, weights, source, err);
    for (size_t i = 0; i < all.count; i++) {
        linears[i] = (rmr_linear){.weight = {.dtype = source->dtype,
                                             .in = p.in,
                                             .out = p.out / all.count}};
        if (p.bias)
            linears[i].bias = p.bias + part_of(&all, i).first;
        snprintf(linears[i].name, sizeof linears[i].name, "%s",
                 source->names[0]);
    }
    if (!status)
        status = of_bytes ? bind_whole(&all, weights, source, &p, err)
                          : bind_floats(&all, weights, kern, source, &p, err);
    rmr_free(p.weight);
    return status;
}

/* 1 when an adapter has nothing that would make the layer another. */
static int is_of_files(const rmr_weights *weights,
                       const rmr_linear_source *source)
{
    static const char *const suffixes[] = {"weight", "bias"};
    const rmr_adapter *adapter = rmr_weights_adapter(weights);
    char full[NAME_CHARS];
    for (size_t i = 0; adapter && i < rmr_linear_num_names(source); i++) {
        for (size_t j = 0; j < 2; j++) {
            snprintf(full, sizeof full, "%s.%s", source->names[i], suffixes[j]);
            if (rmr_adapter_changes(adapter, full))
                return 0;
        }
    }
    return !(source->norm && source->norm->is_changed);
}

rmr_status rmr_linear_bind(rmr_linear *linears, rmr_weights *weights,
                           const rmr_kern *kern,
                           const rmr_linear_source *source, rmr_error *err)
{
    rmr_shared *shared = rmr_weights_shared(weights);
    const char *name = source->names[0];
    size_t bytes = (source->parts ? source->parts : 1) * sizeof *linears;
    if (!shared || !is_of_files(weights, source))
        return make(linears, weights, kern, source, err);
    if (rmr_shared_find(shared, weights, RMR_SHARED_LINEAR, name, linears,
                        bytes))
        return RMR_OK;
    rmr_status status =
        make(linears, rmr_shared_weights(shared), kern, source, err);
    return status ? status
                  : rmr_shared_keep(shared, weights, RMR_SHARED_LINEAR, name,
                                    linears, bytes, err);
}

/* A left operand of the layer's type; NULL when out of memory. */
static void *narrow(const rmr_linear *linear, const rmr_kern *kern, size_t rows,
                    const float *x, rmr_row_scale *scales)
{
    size_t in = linear->weight.in;
    rmr_dtype dtype = rmr_operand_dtype(linear->weight.dtype);
    size_t stride = rmr_row_bytes(dtype, in);
    void *y = rmr_malloc_array(rows, stride);
    if (y && dtype == RMR_DTYPE_F32)
        memcpy(y, x, rows * stride);
    else if (y && dtype == RMR_DTYPE_BF16)
        kern->to_bf16(rows, in, x, y, stride);
    else if (y)
        kern->quantize_rows(rows, in, x, linear->factors, y, stride, scales);
    return y;
}

rmr_status rmr_linear_apply(const rmr_linear *linear, const rmr_kern *kern,
                            size_t rows, const float *x, float *y)
{
    const rmr_weight *weight = &linear->weight;
    rmr_row_scale *scales = rmr_malloc_array(rows, sizeof *scales);
    void *scratch =
        rmr_malloc_aligned(rmr_linear_scratch(weight->dtype, weight->in) + 1);
    void *operand = scales ? narrow(linear, kern, rows, x, scales) : NULL;
    rmr_linear_args args = {
        .weight = weight,
        .rows = rows,
        .last = weight->out,
        .x = operand,
        .x_stride = rmr_row_bytes(rmr_operand_dtype(weight->dtype), weight->in),
        .row_scales = scales,
        .x_floats = x,
        .bias = linear->bias,
        .y = y,
        .y_stride = weight->out * sizeof *y,
        .y_dtype = RMR_DTYPE_F32,
        .scratch = scratch};
    int ready = operand && scratch;
    if (ready)
        rmr_kern_linear(kern, &args);
    rmr_free(scales);
    rmr_free(scratch);
    rmr_free(operand);
    return ready ? RMR_OK : RMR_ERR_NOMEM;
}
