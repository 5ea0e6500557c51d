/*
 * quantize.h - a model directory with smaller weights from one of floats: what
 * is asked and told while an architecture binds the weights that are to become
 * smaller.
 */
#ifndef RMR_MODEL_QUANTIZE_H
#define RMR_MODEL_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

typedef struct rmr_quantizer rmr_quantizer;

/* The Gram matrix [in, in] of the inputs of the linear layer of that name, as
 * rmr_gram_add makes it; NULL when none is known. */
const float *rmr_quantizer_gram(const rmr_quantizer *quantizer,
                                const char *name, size_t in);

/* Takes a copy of a tensor of "F32", "BF16", "I8" or "U8" [rows, columns], or
 * [columns] when rows is 0, that replaces the source's of that name or comes
 * beside it. Errors: NOMEM. */
rmr_status rmr_quantizer_keep(rmr_quantizer *quantizer, const char *name,
                              const char *dtype, uint64_t rows,
                              uint64_t columns, const void *data,
                              rmr_error *err);

/* The same of [rows, columns] floats, as bfloat16. */
rmr_status rmr_quantizer_keep_bf16(rmr_quantizer *quantizer, const char *name,
                                   uint64_t rows, uint64_t columns,
                                   const float *values, rmr_error *err);

#endif
