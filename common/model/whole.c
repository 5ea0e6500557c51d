/*
 * whole.c - quantizes the weight of a linear layer, or reads what was quantized
 * before. It must never give the two different values.
 */
#include "common/model/whole.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/gptq.h"
#include "common/model/quantize.h"
#include "kernels/pack.h"

enum { NAME_CHARS = 192 };

/* The outputs of the first names that are int4: whole panels, or all. */
static size_t find_int8_from(const rmr_linear_source *source, size_t names)
{
    size_t out = rmr_linear_first(source, names);
    size_t from = rmr_linear_first(source, names - source->int8_names);
    if (source->dtype == RMR_DTYPE_INT8)
        return 0;
    return from % RMR_PANEL ? out : from;
}

rmr_status rmr_whole_alloc(rmr_whole *w, const rmr_linear_source *source,
                           rmr_error *err)
{
    size_t names = rmr_linear_num_names(source), in = source->in;
    *w = (rmr_whole){.in = in, .out = rmr_linear_first(source, names)};
    w->int8_from = find_int8_from(source, names);
    w->indexes = rmr_malloc_array(w->int8_from, in);
    w->group_scales = rmr_malloc_array(w->int8_from, rmr_groups(in));
    w->values = rmr_malloc_array(w->out - w->int8_from, in);
    w->scales = rmr_malloc_array(w->out, sizeof *w->scales);
    if (!w->indexes || !w->group_scales || !w->values || !w->scales)
        return rmr_fail_nomem(err, source->names[0]);
    return RMR_OK;
}

/* Factors of 1, unless there are others. */
static rmr_status need_factors(rmr_whole *w, rmr_weights *weights,
                               const rmr_linear_source *source, rmr_error *err)
{
    if (w->factors)
        return RMR_OK;
    w->factors = rmr_weights_alloc(weights, w->in);
    if (!w->factors)
        return rmr_fail_nomem(err, source->names[0]);
    for (size_t i = 0; i < w->in; i++)
        w->factors[i] = 1;
    return RMR_OK;
}

static rmr_status need_outlier_weights(rmr_whole *w,
                                       const rmr_linear_source *source,
                                       rmr_error *err)
{
    w->outlier_weights =
        rmr_malloc_array(w->num_outliers * w->out, sizeof *w->outlier_weights);
    return w->outlier_weights ? RMR_OK : rmr_fail_nomem(err, source->names[0]);
}

void rmr_whole_free(rmr_whole *w)
{
    rmr_free(w->indexes);
    rmr_free(w->group_scales);
    rmr_free(w->values);
    rmr_free(w->scales);
    rmr_free(w->outlier_weights);
}

/* Name i with a suffix. */
static const char *tensor_name(char name[NAME_CHARS],
                               const rmr_linear_source *source, size_t i,
                               const char *suffix)
{
    snprintf(name, NAME_CHARS, "%s.%s", source->names[i], suffix);
    return name;
}

/* ------------------------------------------------------------------ reading
 */

int rmr_whole_is_stored(const rmr_weights *weights,
                        const rmr_linear_source *source)
{
    char name[NAME_CHARS];
    const char *dtype =
        rmr_weights_dtype(weights, tensor_name(name, source, 0, "weight"));
    return dtype && (strcmp(dtype, "I8") == 0 || strcmp(dtype, "U8") == 0);
}

/* A tensor of floats, copied. */
static rmr_status read_floats(rmr_weights *weights, const char *name,
                              size_t count, float *to, rmr_error *err)
{
    const float *values;
    rmr_status status = rmr_weights_f32(weights, name, 0, count, &values, err);
    if (!status) {
        memcpy(to, values, count * sizeof *to);
        rmr_weights_forget(weights, values, count);
        rmr_weights_count(weights, -(int64_t)count, 0);
    }
    return status;
}

static rmr_status read_int8(rmr_whole *w, rmr_weights *weights,
                            const rmr_linear_source *source, size_t i,
                            rmr_error *err)
{
    char name[NAME_CHARS];
    size_t rows = source->out[i];
    size_t first = rmr_linear_first(source, i) - w->int8_from;
    const void *bytes;
    rmr_status status =
        rmr_weights_raw(weights, tensor_name(name, source, i, "weight"), "I8",
                        rows, w->in, &bytes, err);
    if (status)
        return status;
    memcpy(w->values + first * w->in, bytes, rows * w->in);
    rmr_weights_drop(bytes, rows * w->in);
    return RMR_OK;
}

static rmr_status read_int4(rmr_whole *w, rmr_weights *weights,
                            const rmr_linear_source *source, size_t i,
                            rmr_error *err)
{
    char name[NAME_CHARS];
    size_t rows = source->out[i], first = rmr_linear_first(source, i);
    size_t row_bytes = rmr_table_row_bytes(RMR_DTYPE_INT4, w->in);
    size_t groups = rmr_groups(w->in);
    const void *bytes, *scales;
    rmr_status status =
        rmr_weights_raw(weights, tensor_name(name, source, i, "weight"), "U8",
                        rows, row_bytes, &bytes, err);
    if (!status)
        status = rmr_weights_raw(
            weights, tensor_name(name, source, i, "weight_group_scale"), "I8",
            rows, groups, &scales, err);
    if (status)
        return status;
    memcpy(w->group_scales + first * groups, scales, rows * groups);
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *from = (const uint8_t *)bytes + r * row_bytes;
        uint8_t *to = w->indexes + (first + r) * w->in;
        for (size_t c = 0; c < w->in; c++)
            to[c] = c % 2 ? from[c / 2] >> 4 : from[c / 2] & 15;
    }
    rmr_weights_drop(bytes, rows * row_bytes);
    return RMR_OK;
}

/* The inputs whose factors are 0. */
static rmr_status find_stored_outliers(rmr_whole *w, const char *file,
                                       const char *name, rmr_error *err)
{
    for (size_t i = 0; i < w->in; i++) {
        if (w->factors[i] != 0)
            continue;
        if (w->num_outliers == RMR_MAX_OUTLIERS)
            return rmr_fail(err, RMR_ERR_RANGE,
                            "%s: tensor \"%s\" has more than %d zeros", file,
                            name, RMR_MAX_OUTLIERS);
        w->outliers[w->num_outliers++] = (uint32_t)i;
    }
    return RMR_OK;
}

/* Those of name i. */
static rmr_status read_outlier_weights(rmr_whole *w, rmr_weights *weights,
                                       const rmr_linear_source *source,
                                       size_t i, rmr_error *err)
{
    char name[NAME_CHARS];
    size_t columns = source->out[i], count = w->num_outliers * columns;
    const float *values;
    rmr_status status =
        rmr_weights_f32(weights, tensor_name(name, source, i, "outlier_weight"),
                        w->num_outliers, columns, &values, err);
    if (status)
        return status;
    for (size_t k = 0; k < w->num_outliers; k++)
        memcpy(w->outlier_weights + k * w->out + rmr_linear_first(source, i),
               values + k * columns, columns * sizeof *values);
    rmr_weights_forget(weights, values, count);
    rmr_weights_count(weights, -(int64_t)count, 0);
    return RMR_OK;
}

static rmr_status read_factors(rmr_whole *w, rmr_weights *weights,
                               const rmr_linear_source *source, rmr_error *err)
{
    char name[NAME_CHARS];
    tensor_name(name, source, 0, "input_factor");
    if (!source->norm && !rmr_weights_has(weights, name))
        return RMR_OK;
    rmr_status status = need_factors(w, weights, source, err);
    if (!status)
        status = read_floats(weights, name, w->in, w->factors, err);
    if (!status)
        status =
            find_stored_outliers(w, rmr_weights_file(weights, name), name, err);
    if (!status && w->num_outliers)
        status = need_outlier_weights(w, source, err);
    for (size_t i = 0;
         i < rmr_linear_num_names(source) && w->num_outliers && !status; i++)
        status = read_outlier_weights(w, weights, source, i, err);
    return status;
}

rmr_status rmr_whole_read(rmr_whole *w, rmr_weights *weights,
                          const rmr_linear_source *source, rmr_error *err)
{
    char name[NAME_CHARS];
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < rmr_linear_num_names(source) && !status; i++) {
        size_t first = rmr_linear_first(source, i);
        status = first < w->int8_from ? read_int4(w, weights, source, i, err)
                                      : read_int8(w, weights, source, i, err);
        if (!status)
            status = read_floats(weights,
                                 tensor_name(name, source, i, "weight_scale"),
                                 source->out[i], w->scales + first, err);
    }
    if (!status)
        status = read_factors(w, weights, source, err);
    if (!status)
        rmr_weights_count(weights, (int64_t)(w->out * w->in), 0);
    return status;
}

/* ------------------------------------------------------------------ keeping
 */

static rmr_status keep_int4(const rmr_whole *w, rmr_quantizer *to,
                            const rmr_linear_source *source, size_t i,
                            rmr_error *err)
{
    char name[NAME_CHARS];
    size_t rows = source->out[i], first = rmr_linear_first(source, i);
    size_t groups = rmr_groups(w->in);
    size_t row_bytes = rmr_table_row_bytes(RMR_DTYPE_INT4, w->in);
    uint8_t *bytes = rmr_calloc(rows, row_bytes);
    if (!bytes)
        return rmr_fail_nomem(err, source->names[i]);
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *from = w->indexes + (first + r) * w->in;
        for (size_t c = 0; c < w->in; c++)
            bytes[r * row_bytes + c / 2] |=
                (uint8_t)(from[c] << (c % 2 ? 4 : 0));
    }
    rmr_status status =
        rmr_quantizer_keep(to, tensor_name(name, source, i, "weight"), "U8",
                           rows, row_bytes, bytes, err);
    rmr_free(bytes);
    if (!status)
        status = rmr_quantizer_keep(
            to, tensor_name(name, source, i, "weight_group_scale"), "I8", rows,
            groups, w->group_scales + first * groups, err);
    return status;
}

static rmr_status keep_name(const rmr_whole *w, rmr_quantizer *to,
                            const rmr_linear_source *source, size_t i,
                            rmr_error *err)
{
    char name[NAME_CHARS];
    size_t rows = source->out[i], first = rmr_linear_first(source, i);
    rmr_status status;
    if (first < w->int8_from)
        status = keep_int4(w, to, source, i, err);
    else
        status = rmr_quantizer_keep(
            to, tensor_name(name, source, i, "weight"), "I8", rows, w->in,
            w->values + (first - w->int8_from) * w->in, err);
    if (!status)
        status =
            rmr_quantizer_keep(to, tensor_name(name, source, i, "weight_scale"),
                               "F32", 0, rows, w->scales + first, err);
    return status;
}

/* Those of name i. */
static rmr_status keep_outlier_weights(const rmr_whole *w, rmr_quantizer *to,
                                       const rmr_linear_source *source,
                                       size_t i, rmr_error *err)
{
    char name[NAME_CHARS];
    size_t columns = source->out[i];
    float *values = rmr_malloc_array(w->num_outliers, columns * sizeof *values);
    if (!values)
        return rmr_fail_nomem(err, source->names[i]);
    for (size_t k = 0; k < w->num_outliers; k++)
        memcpy(values + k * columns,
               w->outlier_weights + k * w->out + rmr_linear_first(source, i),
               columns * sizeof *values);
    rmr_status status =
        rmr_quantizer_keep(to, tensor_name(name, source, i, "outlier_weight"),
                           "F32", w->num_outliers, columns, values, err);
    rmr_free(values);
    return status;
}

static rmr_status keep(const rmr_whole *w, rmr_quantizer *to,
                       const rmr_linear_source *source, rmr_error *err)
{
    char name[NAME_CHARS];
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < rmr_linear_num_names(source) && !status; i++)
        status = keep_name(w, to, source, i, err);
    for (size_t i = 0;
         i < rmr_linear_num_names(source) && w->num_outliers && !status; i++)
        status = keep_outlier_weights(w, to, source, i, err);
    if (!status && w->factors)
        status =
            rmr_quantizer_keep(to, tensor_name(name, source, 0, "input_factor"),
                               "F32", 0, w->in, w->factors, err);
    return status;
}

/* --------------------------------------------------------------- quantizing
 */

/* Brings the components of a norm's output closer to one size: the factors,
 * and the weight without them. A component's size is the root of its mean
 * square, sqrt(gamma^2 + beta^2), its weights' the largest of the last `rows`;
 * both get the root of the two's ratio. Of queries, keys and values these are
 * the values', which reach the result as they are: by all of them MiniLM's
 * vectors come out worse than without factors, by the values' better. */
static void smooth(const rmr_whole *w, const rmr_norm *norm, size_t rows,
                   float *weight)
{
    const float least = 1e-6f;
    for (size_t i = 0; i < w->in; i++) {
        float beta = norm->beta ? norm->beta[i] : 0;
        float size = hypotf(norm->gamma[i], beta), largest = least;
        for (size_t o = w->out - rows; o < w->out; o++)
            largest = fmaxf(largest, fabsf(weight[o * w->in + i]));
        w->factors[i] = sqrtf(largest / fmaxf(size, least));
        for (size_t o = 0; o < w->out; o++)
            weight[o * w->in + i] /= w->factors[i];
    }
}

/* By how much the mean square of an input's weights exceeds that of all. */
static const double outlier_ratio = 16;

/*
 * The inputs whose weights are far larger than the others', which they would
 * leave few of int8's values. These inputs tend to be large themselves: in
 * MiniLM's first layer one of 1,536, with weights of ten times the others'
 * size, reaches four times what they do, and made the int8 of that layer cost
 * as much of the mean cosine to float32 as that of all other layers together.
 * (Dettmers et al. 2022, LLM.int8(), find them in the activations.)
 */
static rmr_status find_outliers(rmr_whole *w, const float *weight,
                                const rmr_linear_source *source, rmr_error *err)
{
    double *squares = rmr_calloc(w->in, sizeof *squares), sum = 0;
    if (!squares)
        return rmr_fail_nomem(err, source->names[0]);
    for (size_t o = 0; o < w->out; o++) {
        for (size_t i = 0; i < w->in; i++)
            squares[i] += (double)weight[o * w->in + i] * weight[o * w->in + i];
    }
    for (size_t i = 0; i < w->in; i++)
        sum += squares[i];
    for (size_t i = 0; i < w->in && w->num_outliers < RMR_MAX_OUTLIERS; i++) {
        if (squares[i] * (double)w->in > outlier_ratio * sum)
            w->outliers[w->num_outliers++] = (uint32_t)i;
    }
    rmr_free(squares);
    return RMR_OK;
}

/* Takes the outliers out of the weight. */
static rmr_status split_outliers(rmr_whole *w, rmr_weights *weights,
                                 const rmr_linear_source *source, float *weight,
                                 rmr_error *err)
{
    rmr_status status = find_outliers(w, weight, source, err);
    if (!status && w->num_outliers)
        status = need_factors(w, weights, source, err);
    if (!status && w->num_outliers)
        status = need_outlier_weights(w, source, err);
    for (size_t k = 0; k < w->num_outliers && !status; k++) {
        size_t i = w->outliers[k];
        for (size_t o = 0; o < w->out; o++) {
            w->outlier_weights[k * w->out + o] =
                weight[o * w->in + i] * w->factors[i];
            weight[o * w->in + i] = 0;
        }
        w->factors[i] = 0;
    }
    return status;
}

/* The rows of int4: by what the inputs are like, where that is known. */
static rmr_status quantize_int4(rmr_whole *w, const float *gram, float *weight,
                                rmr_error *err)
{
    if (gram)
        return rmr_gptq(w->in, w->int8_from, weight, gram, w->factors,
                        w->indexes, w->group_scales, w->scales, err);
    rmr_quantize_int4(w->in, w->int8_from, weight, w->indexes, w->group_scales,
                      w->scales);
    return RMR_OK;
}

rmr_status rmr_whole_quantize(rmr_whole *w, rmr_weights *weights,
                              const rmr_linear_source *source, float *weight,
                              rmr_error *err)
{
    rmr_quantizer *to = rmr_weights_quantizer(weights);
    const float *gram =
        to ? rmr_quantizer_gram(to, source->names[0], w->in) : NULL;
    rmr_status status = RMR_OK;
    if (source->norm)
        status = need_factors(w, weights, source, err);
    if (source->norm && !status)
        smooth(w, source->norm, source->norm_rows ? source->norm_rows : w->out,
               weight);
    if (!status)
        status = split_outliers(w, weights, source, weight, err);
    if (!status)
        status = quantize_int4(w, gram, weight, err);
    rmr_quantize_int8(w->in, w->out - w->int8_from,
                      weight + w->int8_from * w->in, w->values,
                      w->scales + w->int8_from);
    if (!status && to)
        status = keep(w, to, source, err);
    return status;
}
