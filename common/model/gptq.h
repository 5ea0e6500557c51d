/*
 * gptq.h - weights to int4 by what their inputs are like (Frantar et al. 2023,
 * GPTQ): each input's rounding error is made up for by the inputs after it that
 * go along with it.
 */
#ifndef RMR_MODEL_GPTQ_H
#define RMR_MODEL_GPTQ_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/*
 * Rows of weight [out, in] as rmr_quantize_int4 has them: indexes [out, in],
 * group_scales [out, groups], scales [out]. gram [in, in]: the sum of x^T x
 * over inputs x of which the weight multiplies factors x (NULL: x itself); its
 * upper triangle is read. The weight is changed. Errors: NOMEM.
 */
rmr_status rmr_gptq(size_t in, size_t out, float *weight, const float *gram,
                    const float *factors, uint8_t *indexes,
                    int8_t *group_scales, float *scales, rmr_error *err);

#endif
