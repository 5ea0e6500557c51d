/*
 * kernel_linear.c - random linear layers for the tests of kernels, and their
 * results in double. It must never call a kernel but where it says so.
 */
#include "tests/unit/kernel_linear.h"

#include <math.h>

#include "kernels/pack.h"

/* ------------------------------------------------------------------- shapes */

kernel_shape kernel_plain_shape(rmr_dtype dtype, size_t rows, size_t in,
                                size_t out)
{
    return (kernel_shape){
        .dtype = dtype,
        .rows = rows,
        .in = in,
        .out = out,
        .last = out,
        .has_bias = 1,
        .y_dtype = RMR_DTYPE_F32,
        .int8_from = out,
    };
}

kernel_shape kernel_any_shape(rmr_dtype dtype, size_t rows, size_t in,
                              size_t out)
{
    kernel_shape s = kernel_plain_shape(dtype, rows, in, out);
    size_t panels = rmr_panels(out) / RMR_PANEL;
    s.first = kernel_one_in(2) ? 0 : kernel_below(panels + 1) * RMR_PANEL;
    s.first = s.first < out ? s.first : out;
    if (kernel_one_in(2)) {
        size_t left = rmr_panels(out - s.first) / RMR_PANEL;
        size_t last = s.first + kernel_below(left + 1) * RMR_PANEL;
        s.last = last < out ? last : out;
    }
    s.activation = kernel_activations[kernel_below(KERNEL_ACTIVATIONS)];
    s.has_bias = !kernel_one_in(3);
    s.y_dtype = kernel_one_in(3) ? RMR_DTYPE_BF16 : RMR_DTYPE_F32;
    s.residual = (kernel_residual)kernel_below(3);
    if (s.y_dtype != RMR_DTYPE_F32 && s.residual == KERNEL_RESIDUAL_IS_Y)
        s.residual = KERNEL_RESIDUAL;
    s.is_loose = kernel_one_in(2);
    if (dtype == RMR_DTYPE_INT4 && kernel_one_in(2))
        s.int8_from = kernel_below(out / RMR_PANEL + 1) * RMR_PANEL;
    if (rmr_operand_dtype(dtype) == RMR_DTYPE_INT8 && kernel_one_in(2))
        s.num_outliers =
            kernel_below(in < RMR_MAX_OUTLIERS ? in + 1 : RMR_MAX_OUTLIERS + 1);
    return s;
}

/* ----------------------------------------------------------------- operands */

/* rows of `bytes` bytes with a random stride, a multiple of `unit`. */
static void *make_rows(const kernel_shape *s, size_t bytes, size_t unit,
                       size_t *stride)
{
    *stride = bytes + (s->is_loose ? kernel_below(40) * unit : 0);
    return kernel_rows(s->rows, bytes, *stride,
                       s->is_loose ? kernel_below(16) * RMR_STEP : 0);
}

static double random_value(rmr_dtype dtype, float spread)
{
    float value = kernel_signed(spread);
    if (dtype == RMR_DTYPE_BF16)
        return kernel_from_bf16(kernel_to_bf16(value));
    if (rmr_operand_dtype(dtype) == RMR_DTYPE_INT8)
        return (double)kernel_below(255) - 127;
    return value;
}

static int of_bytes(const kernel_shape *s)
{
    return rmr_operand_dtype(s->dtype) == RMR_DTYPE_INT8;
}

/* Any four bits with any scale: level scale / 128, halves upwards. */
static void make_int4(kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    size_t groups = rmr_groups(s->in), count = s->int8_from * s->in;
    size_t int8_bytes =
        rmr_panels_bytes(RMR_DTYPE_INT8, s->in, s->out - s->int8_from);
    layer->indexes = kernel_array(count, 1);
    layer->group_scales = kernel_array(s->int8_from * groups, 1);
    layer->weight.group_scales =
        kernel_array(rmr_panels(s->int8_from) * groups, 1);
    layer->weight.int8_from = s->int8_from;
    layer->weight.int8_panels = kernel_array(int8_bytes, 1);
    for (size_t i = 0; i < s->int8_from * groups; i++)
        layer->group_scales[i] = (int8_t)((int)kernel_below(256) - 128);
    for (size_t i = 0; i < count; i++) {
        size_t group = i / s->in * groups + i % s->in / RMR_GROUP;
        layer->indexes[i] = (uint8_t)kernel_below(16);
        layer->w[i] = floor(rmr_int4_levels[layer->indexes[i]] *
                                layer->group_scales[group] / 128.0 +
                            0.5);
    }
}

static void make_weight(kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    size_t columns = rmr_panels(s->out);
    layer->w = kernel_array(s->out * s->in, sizeof *layer->w);
    for (size_t i = 0; i < s->out * s->in; i++)
        layer->w[i] = random_value(s->dtype, 1);
    layer->panels =
        kernel_array(rmr_panels_bytes(s->dtype, s->in, s->int8_from), 1);
    layer->weight = (rmr_weight){
        .dtype = s->dtype, .in = s->in, .out = s->out, .panels = layer->panels};
    if (s->dtype == RMR_DTYPE_INT4)
        make_int4(layer);
    if (!of_bytes(s))
        return;
    layer->scales = kernel_array(columns, sizeof *layer->scales);
    for (size_t c = 0; c < columns; c++)
        layer->scales[c] = s->is_plain ? 1 : 0.001f + kernel_signed(0.0009f);
    layer->weight.scales = layer->scales;
    layer->weight.sums = kernel_array(columns, sizeof *layer->weight.sums);
}

/* Any inputs, in rising order. */
static void make_outliers(kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    rmr_weight *weight = &layer->weight;
    size_t left = s->num_outliers;
    weight->num_outliers = left;
    for (size_t i = 0; i < s->in && left > 0; i++) {
        if (kernel_below(s->in - i) < left)
            weight->outliers[s->num_outliers - left--] = (uint32_t)i;
    }
    layer->outlier_weights =
        kernel_floats(s->num_outliers * rmr_panels(s->out), 1);
    layer->x_floats = kernel_floats(s->rows * s->in, 2);
    weight->outlier_weights = layer->outlier_weights;
    layer->args.x_floats = layer->x_floats;
}

static void make_x(kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    rmr_linear_args *args = &layer->args;
    layer->left =
        make_rows(s, rmr_row_bytes(rmr_operand_dtype(s->dtype), s->in),
                  RMR_STEP, &args->x_stride);
    args->x = layer->left;
    layer->x = kernel_array(s->rows * s->in, sizeof *layer->x);
    for (size_t i = 0; i < s->rows * s->in; i++)
        layer->x[i] = random_value(s->dtype, 2);
    if (!of_bytes(s))
        return;
    layer->row_scales = kernel_array(s->rows, sizeof *layer->row_scales);
    for (size_t r = 0; r < s->rows; r++) {
        rmr_row_scale *scale = &layer->row_scales[r];
        scale->scale = s->is_plain ? 1 : 0.02f + kernel_signed(0.019f);
        scale->zero = (int32_t)kernel_below(256);
        for (size_t i = r * s->in; i < (r + 1) * s->in; i++)
            layer->x[i] = (double)kernel_below(256) - scale->zero;
    }
    args->row_scales = layer->row_scales;
}

static void make_y(kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    rmr_linear_args *args = &layer->args;
    size_t size = rmr_dtype_size(s->y_dtype), count = s->rows * s->out;
    args->y = make_rows(s, s->out * size, size, &args->y_stride);
    args->y_dtype = s->y_dtype;
    if (s->residual == KERNEL_NO_RESIDUAL)
        return;
    layer->residual = kernel_floats(count, 2);
    args->residual = args->y;
    args->residual_stride = args->y_stride;
    if (s->residual == KERNEL_RESIDUAL)
        args->residual = make_rows(s, s->out * sizeof(float), sizeof(float),
                                   &args->residual_stride);
    for (size_t r = 0; r < s->rows; r++)
        memcpy((char *)args->residual + r * args->residual_stride,
               layer->residual + r * s->out, s->out * sizeof(float));
}

kernel_linear kernel_linear_make(const kernel_tier *tier,
                                 const kernel_shape *shape)
{
    kernel_linear layer = {.shape = *shape};
    layer.args = (rmr_linear_args){.rows = shape->rows,
                                   .first = shape->first,
                                   .last = shape->last,
                                   .activation = shape->activation};
    make_weight(&layer);
    make_x(&layer);
    if (shape->num_outliers)
        make_outliers(&layer);
    make_y(&layer);
    layer.args.scratch =
        kernel_array(rmr_linear_scratch(shape->dtype, shape->in), 1);
    if (shape->has_bias)
        layer.args.bias = layer.bias = kernel_floats(shape->out, 1);
    kernel_linear_pack(tier, &layer);
    kernel_linear_write_x(&layer);
    return layer;
}

static void pack_int4(kernel_linear *layer, const int8_t *bytes)
{
    const kernel_shape *s = &layer->shape;
    const rmr_weight *weight = &layer->weight;
    size_t from = s->int8_from;
    int32_t *sums = (int32_t *)weight->sums;
    rmr_pack_int4(s->in, from, layer->indexes, layer->group_scales,
                  layer->panels, (int8_t *)weight->group_scales, sums);
    rmr_pack_int8(s->in, s->out - from, bytes + from * s->in,
                  (void *)weight->int8_panels, sums + from);
}

void kernel_linear_pack(const kernel_tier *tier, kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    size_t count = s->in * s->out, mark = kernel_mark();
    float *values = kernel_array(count, sizeof *values);
    int8_t *bytes = kernel_array(count, sizeof *bytes);
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)layer->w[i];
        if (of_bytes(s))
            bytes[i] = (int8_t)layer->w[i];
    }
    if (s->dtype == RMR_DTYPE_F32)
        tier->kern.pack_f32(s->in, s->out, values, layer->panels);
    else if (s->dtype == RMR_DTYPE_BF16)
        rmr_pack_bf16(s->in, s->out, values, layer->panels);
    else if (s->dtype == RMR_DTYPE_INT8)
        rmr_pack_int8(s->in, s->out, bytes, layer->panels,
                      (int32_t *)layer->weight.sums);
    else
        pack_int4(layer, bytes);
    kernel_release_to(tier, mark);
}

void kernel_linear_write_x(kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    for (size_t r = 0; r < s->rows; r++) {
        char *row = (char *)layer->left + r * layer->args.x_stride;
        const double *x = layer->x + r * s->in;
        memset(row, 0, rmr_row_bytes(rmr_operand_dtype(s->dtype), s->in));
        for (size_t i = 0; i < s->in; i++) {
            if (s->dtype == RMR_DTYPE_F32)
                ((float *)row)[i] = (float)x[i];
            else if (s->dtype == RMR_DTYPE_BF16)
                ((uint16_t *)row)[i] = kernel_to_bf16((float)x[i]);
            else
                row[i] = (char)(int)(x[i] + layer->row_scales[r].zero);
        }
    }
}

/* ------------------------------------------------------------------ running */

static void call(const kernel_tier *tier, const rmr_linear_args *args)
{
    if (args->weight->dtype == RMR_DTYPE_F32)
        tier->kern.linear_f32(args);
    else if (args->weight->dtype == RMR_DTYPE_BF16)
        tier->kern.linear_bf16(args);
    else if (args->weight->dtype == RMR_DTYPE_INT8)
        tier->kern.linear_int8(args);
    else
        tier->kern.linear_int4(args);
}

void kernel_linear_run(const kernel_tier *tier, const kernel_linear *layer)
{
    rmr_linear_args args = layer->args;
    args.weight = &layer->weight;
    call(tier, &args);
}

void *kernel_linear_part(const kernel_tier *tier, const kernel_linear *layer,
                         size_t row, size_t rows, size_t first, size_t last)
{
    size_t size = rmr_dtype_size(layer->shape.y_dtype);
    rmr_linear_args args = layer->args;
    args.weight = &layer->weight;
    args.rows = rows;
    args.first = first;
    args.last = last;
    args.x = (const char *)args.x + row * args.x_stride;
    if (args.row_scales)
        args.row_scales += row;
    if (args.x_floats)
        args.x_floats += row * layer->shape.in;
    if (args.residual) {
        args.residual = layer->residual + row * layer->shape.out;
        args.residual_stride = layer->shape.out * sizeof(float);
    }
    args.y = kernel_array(rows * layer->shape.out, size);
    args.y_stride = layer->shape.out * size;
    call(tier, &args);
    return args.y;
}

/* ----------------------------------------------------------------- checking */

const void *kernel_linear_y(const kernel_linear *layer, size_t row,
                            size_t column)
{
    const rmr_linear_args *args = &layer->args;
    return (const char *)args->y + row * args->y_stride +
           column * rmr_dtype_size(args->y_dtype);
}

/*
 * What a kernel's products sum up to. Of n products of float32 in any order
 * that is off by at most n u sum|a b|, to first order (Higham 2002, section
 * 3.1). vdpbf16ps has products of bfloat16 that are exact, sums them one by
 * one, and takes for 0 what is below the least normal number: allowed for
 * twice the bound, and that much.
 */
static double sum_of(const kernel_linear *layer, size_t row, size_t column,
                     double *bound)
{
    const kernel_shape *s = &layer->shape;
    const double *x = layer->x + row * s->in, *w = layer->w + column * s->in;
    double sum = 0, size = 0, n = (double)s->in;
    for (size_t i = 0; i < s->in; i++) {
        sum += x[i] * w[i];
        size += fabs(x[i] * w[i]);
    }
    if (of_bytes(s)) {
        sum *= (double)layer->row_scales[row].scale * layer->scales[column];
        *bound = 3.001 * KERNEL_U * fabs(sum);
    } else if (s->dtype == RMR_DTYPE_BF16) {
        *bound = 2 * KERNEL_U * n * size + 2 * n * 0x1p-126;
    } else {
        *bound = 1.001 * KERNEL_U * n * size;
    }
    return sum;
}

/* Adds what is multiplied beside bytes, product by product. */
static double add_outliers(const kernel_linear *layer, size_t row,
                           size_t column, double value, double *bound)
{
    const kernel_shape *s = &layer->shape;
    for (size_t k = 0; k < s->num_outliers; k++) {
        size_t at = k * rmr_panels(s->out) + column;
        double product =
            (double)layer->x_floats[row * s->in + layer->weight.outliers[k]] *
            layer->outlier_weights[at];
        value += product;
        *bound += KERNEL_U * (fabs(value) + fabs(product) + *bound);
    }
    return value;
}

double kernel_linear_expected(const kernel_linear *layer, size_t row,
                              size_t column, double *bound)
{
    const kernel_shape *s = &layer->shape;
    double off, exact, own = 0, value = sum_of(layer, row, column, &off);
    value = add_outliers(layer, row, column, value, &off);
    if (layer->bias) {
        value += layer->bias[column];
        off += KERNEL_U * (fabs(value) + off);
    }
    if (s->activation == RMR_ACTIVATION_GELU && s->dtype != RMR_DTYPE_F32)
        own += 2.5e-4 + 6e-8 * fabs(value); /* a rough one may do */
    value = kernel_activation(s->activation, value, &exact);
    off = 1.13 * off + own + exact; /* no activation is steeper */
    if (layer->residual) {
        value += layer->residual[row * s->out + column];
        off += KERNEL_U * (fabs(value) + off);
    }
    if (s->y_dtype == RMR_DTYPE_BF16)
        off += KERNEL_U_BF16 * (fabs(value) + off) + 0x1p-126;
    *bound = off;
    return value;
}

static double value_at(const kernel_linear *layer, size_t row, size_t column)
{
    const void *y = kernel_linear_y(layer, row, column);
    if (layer->shape.y_dtype == RMR_DTYPE_BF16)
        return kernel_from_bf16(*(const uint16_t *)y);
    return *(const float *)y;
}

/* A column that was not asked for. */
static void check_untouched(const kernel_tier *tier, const kernel_linear *layer,
                            size_t row, size_t column)
{
    const kernel_shape *s = &layer->shape;
    const void *y = kernel_linear_y(layer, row, column);
    if (s->residual == KERNEL_RESIDUAL_IS_Y)
        kernel_same(tier, "a column not asked for", y,
                    layer->residual + row * s->out + column, 1, sizeof(float));
    else if (!kernel_is_untouched(y, rmr_dtype_size(s->y_dtype)))
        kernel_fail(tier, "column %zu is not of [%zu, %zu), but written",
                    column, s->first, s->last);
}

void kernel_linear_check(const kernel_tier *tier, const kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    char what[160];
    snprintf(what, sizeof what,
             "linear %s [%zu, %zu] to [%zu, %zu) of %zu, activation %d, "
             "residual %d, y %s, y",
             rmr_dtype_name(s->dtype), s->rows, s->in, s->first, s->last,
             s->out, (int)s->activation, (int)s->residual,
             rmr_dtype_name(s->y_dtype));
    for (size_t r = 0; r < s->rows; r++) {
        for (size_t o = 0; o < s->out; o++) {
            double bound, expected;
            if (o < s->first || o >= s->last) {
                check_untouched(tier, layer, r, o);
                continue;
            }
            expected = kernel_linear_expected(layer, r, o, &bound);
            kernel_near(tier, what, r * s->out + o, value_at(layer, r, o),
                        expected, bound);
        }
    }
}

void kernel_linear_try(const kernel_tier *tier, const kernel_shape *shape)
{
    kernel_linear layer = kernel_linear_make(tier, shape);
    kernel_linear_run(tier, &layer);
    kernel_linear_check(tier, &layer);
    kernel_release(tier);
}

/* y of the layer's type and place, of random values; a copy of them. */
static void *make_gate(kernel_linear *layer)
{
    const kernel_shape *s = &layer->shape;
    size_t size = rmr_dtype_size(s->y_dtype), count = s->rows * s->out;
    char *values = kernel_array(count, size);
    for (size_t i = 0; i < count; i++) {
        float value = kernel_signed(2);
        if (s->y_dtype == RMR_DTYPE_F32)
            ((float *)(void *)values)[i] = value;
        else
            ((uint16_t *)(void *)values)[i] = kernel_to_bf16(value);
    }
    for (size_t r = 0; r < s->rows; r++)
        memcpy((char *)layer->args.y + r * layer->args.y_stride,
               values + r * s->out * size, s->out * size);
    return values;
}

/* What a value of y is to be, and was. */
static void check_gated(const kernel_tier *tier, const kernel_linear *layer,
                        const void *gate, const float *ungated, size_t i)
{
    const kernel_shape *s = &layer->shape;
    size_t column = i % s->out;
    const void *y = kernel_linear_y(layer, i / s->out, column);
    float given = 1, product;
    if (column >= s->first && column < s->last)
        given = ungated[i];
    if (s->y_dtype == RMR_DTYPE_F32) {
        product = ((const float *)gate)[i] * given;
        kernel_same(tier, "a gated y", y, &product, 1, sizeof product);
    } else {
        product = kernel_from_bf16(((const uint16_t *)gate)[i]) * given;
        uint16_t narrow = kernel_to_bf16(product);
        kernel_same(tier, "a gated y", y, &narrow, 1, sizeof narrow);
    }
}

void kernel_linear_try_gate(const kernel_tier *tier, const kernel_shape *shape)
{
    kernel_shape wide = *shape;
    wide.residual = KERNEL_NO_RESIDUAL;
    kernel_linear layer = kernel_linear_make(tier, &wide);
    layer.shape.y_dtype = layer.args.y_dtype = RMR_DTYPE_F32;
    const float *ungated =
        kernel_linear_part(tier, &layer, 0, wide.rows, wide.first, wide.last);
    layer.shape.y_dtype = layer.args.y_dtype = wide.y_dtype;
    layer.args.gates = 1;
    const void *gate = make_gate(&layer);
    kernel_linear_run(tier, &layer);
    for (size_t i = 0; i < wide.rows * wide.out; i++)
        check_gated(tier, &layer, gate, ungated, i);
    kernel_release(tier);
}
