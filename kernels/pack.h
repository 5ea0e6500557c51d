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

#endif
