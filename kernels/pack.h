/*
 * pack.h - weights into the order that the kernels read (rmr_weight), which is
 * the same for all packed tiers.
 */
#ifndef RMR_KERN_PACK_H
#define RMR_KERN_PACK_H

#include "kernels/kern.h"

/* weight [out, in] into rmr_panels_bytes of its type; bfloat16 is rounded to
 * nearest even. */
void rmr_pack_f32(size_t in, size_t out, const float *weight, void *panels);
void rmr_pack_bf16(size_t in, size_t out, const float *weight, void *panels);

/* Each row of weight [out, in], finite, to whole numbers of [-127, 127] times
 * its own unit, the smallest that holds it: values [out, in], scales [out]. */
void rmr_quantize_int8(size_t in, size_t out, const float *weight,
                       int8_t *values, float *scales);

/* values [out, in] into panels, and what each column sums up to into
 * sums [rmr_panels(out)]. */
void rmr_pack_int8(size_t in, size_t out, const int8_t *values, void *panels,
                   int32_t *sums);

/* count values to bfloat16, to nearest even. */
void rmr_narrow_bf16(size_t count, const float *values, uint16_t *to);

/* How values become int4. */
typedef struct rmr_int4_coder {
    /* The index of the level that is nearest to each number of [-127, 127]. */
    uint8_t nearest[255];
} rmr_int4_coder;

void rmr_int4_coder_init(rmr_int4_coder *coder);

/* The unit by which a row becomes values that int4 can stand for; the two
 * below take values in such units. */
float rmr_int4_unit(size_t count, const float *row);

/* The scale of a group of 1 to RMR_GROUP values, of some that are tried the one
 * with the least squared error, each weighed by its importance (NULL: all
 * alike). */
int8_t rmr_int4_group_scale(const rmr_int4_coder *coder, size_t count,
                            const float *group, const float *importance);

/* The index that stands for a value, about. */
uint8_t rmr_int4_index(const rmr_int4_coder *coder, float value, int8_t scale);

/* Each row of weight [out, in], finite, to int4: indexes [out, in] of levels,
 * one to a byte, with the scale of each group, group_scales
 * [out, rmr_groups(in)], and each row's own unit, scales [out]; of some scales
 * a group gets the one with the least square error. */
void rmr_quantize_int4(size_t in, size_t out, const float *weight,
                       uint8_t *indexes, int8_t *group_scales, float *scales);

/* The same with two indexes to a byte, as rmr_table has them. */
void rmr_quantize_int4_rows(size_t in, size_t out, const float *weight,
                            uint8_t *bytes, int8_t *group_scales,
                            float *scales);

/* Indexes and the scales of groups into panels and packed_scales, as
 * rmr_weight has them, and what each column sums up to into
 * sums [rmr_panels(out)]. */
void rmr_pack_int4(size_t in, size_t out, const uint8_t *indexes,
                   const int8_t *group_scales, void *panels,
                   int8_t *packed_scales, int32_t *sums);

#endif
