/*
 * pack.c - weights [out, in] into the order that the kernels read, on the way
 * rounded to what they are kept in. It must never be called but when a model
 * opens.
 */
#include "kernels/pack.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/template/vmath.h"

/* Where the step is that has input i of column c. */
static char *step_of(void *panels, size_t steps, size_t values, size_t i,
                     size_t c)
{
    return (char *)panels +
           ((c / RMR_PANEL * steps + i / values) * RMR_PANEL + c % RMR_PANEL) *
               RMR_STEP;
}

static void clear(rmr_dtype dtype, size_t in, size_t out, void *panels)
{
    memset(panels, 0, rmr_panels_bytes(dtype, in, out));
}

void rmr_pack_f32(size_t in, size_t out, const float *weight, void *panels)
{
    if (out % RMR_PANEL)
        clear(RMR_DTYPE_F32, in, out, panels);
    for (size_t c = 0; c < out; c++) {
        float *to = (float *)step_of(panels, in, 1, 0, c);
        for (size_t i = 0; i < in; i++)
            to[i * RMR_PANEL] = weight[c * in + i];
    }
}

void rmr_narrow_bf16(size_t count, const float *values, uint16_t *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = rmr_to_bf16(values[i]);
}

void rmr_pack_bf16(size_t in, size_t out, const float *weight, void *panels)
{
    size_t steps = rmr_steps(RMR_DTYPE_BF16, in);
    clear(RMR_DTYPE_BF16, in, out, panels);
    for (size_t c = 0; c < out; c++) {
        for (size_t i = 0; i < in; i++) {
            uint16_t value = rmr_to_bf16(weight[c * in + i]);
            memcpy(step_of(panels, steps, 2, i, c) + 2 * (i % 2), &value, 2);
        }
    }
}

/* ------------------------------------------------------------ whole numbers
 */

/* The one with the largest absolute value, or 0 if there is none. */
static float largest_of(size_t count, const float *values)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fabsf(values[i]) > fabsf(largest) ? values[i] : largest;
    return largest;
}

/* The unit by which a column becomes whole numbers of [-most, most]; what is
 * below all floats with full precision becomes 0. */
static float unit_of(size_t count, const float *column, float most)
{
    float unit = fabsf(largest_of(count, column)) / most;
    return unit >= FLT_MIN ? unit : 1;
}

void rmr_quantize_int8(size_t in, size_t out, const float *weight,
                       int8_t *values, float *scales)
{
    for (size_t c = 0; c < out; c++) {
        const float *column = weight + c * in;
        scales[c] = unit_of(in, column, 127);
        for (size_t i = 0; i < in; i++)
            values[c * in + i] = (int8_t)rmr_round(column[i] / scales[c]);
    }
}

void rmr_pack_int8(size_t in, size_t out, const int8_t *values, void *panels,
                   int32_t *sums)
{
    size_t steps = rmr_steps(RMR_DTYPE_INT8, in);
    clear(RMR_DTYPE_INT8, in, out, panels);
    memset(sums, 0, rmr_panels(out) * sizeof *sums);
    for (size_t c = 0; c < out; c++) {
        for (size_t i = 0; i < in; i++) {
            int8_t value = values[c * in + i];
            step_of(panels, steps, RMR_STEP, i, c)[i % RMR_STEP] = value;
            sums[c] += value;
        }
    }
}

/* --------------------------------------------------------------------- int4
 */

const int8_t rmr_int4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};

enum { LEVELS = 16, LARGEST_LEVEL = 127, LARGEST_INT4 = 126 };

void rmr_int4_coder_init(rmr_int4_coder *coder)
{
    for (int n = -LARGEST_LEVEL; n <= LARGEST_LEVEL; n++) {
        uint8_t best = 0;
        for (uint8_t i = 1; i < LEVELS; i++) {
            if (abs(n - rmr_int4_levels[i]) < abs(n - rmr_int4_levels[best]))
                best = i;
        }
        coder->nearest[LARGEST_LEVEL + n] = best;
    }
}

float rmr_int4_unit(size_t count, const float *row)
{
    return unit_of(count, row, LARGEST_INT4);
}

static float clamp_level(float level)
{
    level = level < LARGEST_LEVEL ? level : LARGEST_LEVEL;
    return level > -LARGEST_LEVEL ? level : -LARGEST_LEVEL;
}

/* inverse: 128 / scale. */
static inline uint8_t index_of(const rmr_int4_coder *coder, float value,
                               float inverse)
{
    float level = clamp_level(value * inverse);
    return coder->nearest[LARGEST_LEVEL + (int)rmr_round(level)];
}

uint8_t rmr_int4_index(const rmr_int4_coder *coder, float value, int8_t scale)
{
    return scale ? index_of(coder, value, 128.0f / scale) : 0;
}

static float error_of(const rmr_int4_coder *coder, size_t count,
                      const float *group, const float *importance, int8_t scale)
{
    float values[LEVELS], error = 0, inverse = 128.0f / scale;
    for (unsigned i = 0; i < LEVELS; i++)
        values[i] = rmr_int4_value(i, scale);
    for (size_t i = 0; i < count; i++) {
        float off = group[i] - values[index_of(coder, group[i], inverse)];
        error += off * off * (importance ? importance[i] : 1);
    }
    return error;
}

/* Scales by which the largest value comes near one end of the levels or the
 * other. */
int8_t rmr_int4_group_scale(const rmr_int4_coder *coder, size_t count,
                            const float *group, const float *importance)
{
    static const float ends[] = {0.8f, 0.85f, 0.9f, 0.95f,
                                 1.0f, 1.05f, 1.1f, 1.15f};
    float largest = largest_of(count, group) * 128 / LARGEST_LEVEL;
    float least = INFINITY;
    int8_t best = 0;
    for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
        float scale = rmr_round(clamp_level(ends[i / 2] * largest));
        int8_t candidate = (int8_t)(i % 2 ? -scale : scale);
        float error = candidate
                          ? error_of(coder, count, group, importance, candidate)
                          : INFINITY;
        if (error < least) {
            least = error;
            best = candidate;
        }
    }
    return best;
}

/* A group of a row; returns its scale. */
static int8_t quantize_group(const rmr_int4_coder *coder, size_t count,
                             const float *values, float unit, uint8_t *indexes)
{
    float group[RMR_GROUP] = {0};
    for (size_t i = 0; i < count; i++)
        group[i] = values[i] / unit;
    int8_t scale = rmr_int4_group_scale(coder, count, group, NULL);
    for (size_t i = 0; i < count; i++)
        indexes[i] = rmr_int4_index(coder, group[i], scale);
    return scale;
}

void rmr_quantize_int4(size_t in, size_t out, const float *weight,
                       uint8_t *indexes, int8_t *group_scales, float *scales)
{
    rmr_int4_coder coder;
    rmr_int4_coder_init(&coder);
    for (size_t c = 0; c < out; c++, weight += in, indexes += in) {
        scales[c] = rmr_int4_unit(in, weight);
        for (size_t i = 0; i < in; i += RMR_GROUP) {
            size_t count = in - i < RMR_GROUP ? in - i : RMR_GROUP;
            *group_scales++ = quantize_group(&coder, count, weight + i,
                                             scales[c], indexes + i);
        }
    }
}

void rmr_quantize_int4_rows(size_t in, size_t out, const float *weight,
                            uint8_t *bytes, int8_t *group_scales, float *scales)
{
    rmr_int4_coder coder;
    rmr_int4_coder_init(&coder);
    for (size_t c = 0; c < out; c++, weight += in) {
        scales[c] = rmr_int4_unit(in, weight);
        for (size_t i = 0; i < in; i += RMR_GROUP) {
            size_t count = in - i < RMR_GROUP ? in - i : RMR_GROUP;
            uint8_t indexes[RMR_GROUP] = {0};
            *group_scales++ =
                quantize_group(&coder, count, weight + i, scales[c], indexes);
            for (size_t j = 0; j < count; j += 2)
                *bytes++ = (uint8_t)(indexes[j] | indexes[j + 1] << 4);
        }
    }
}

void rmr_pack_int4(size_t in, size_t out, const uint8_t *indexes,
                   const int8_t *group_scales, void *panels,
                   int8_t *packed_scales, int32_t *sums)
{
    size_t groups = rmr_groups(in);
    /* What two steps of int8 take up is one here. */
    size_t steps = groups * RMR_GROUP / RMR_STEP / 2;
    clear(RMR_DTYPE_INT4, in, out, panels);
    memset(packed_scales, 0, groups * rmr_panels(out));
    memset(sums, 0, rmr_panels(out) * sizeof *sums);
    for (size_t c = 0; c < out; c++) {
        const int8_t *scales = group_scales + c * groups;
        size_t first = c / RMR_PANEL * groups * RMR_PANEL + c % RMR_PANEL;
        for (size_t g = 0; g < groups; g++)
            packed_scales[first + g * RMR_PANEL] = scales[g];
        for (size_t i = 0; i < in; i++) {
            uint8_t index = indexes[c * in + i];
            int shift = i / RMR_STEP % 2 ? 4 : 0;
            step_of(panels, steps, 2 * RMR_STEP, i, c)[i % RMR_STEP] |=
                (char)(index << shift);
            sums[c] += rmr_int4_value(index, scales[i / RMR_GROUP]);
        }
    }
}
