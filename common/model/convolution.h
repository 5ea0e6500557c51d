/*
 * convolution.h - a convolution over the tokens of each sequence, whose result
 * is added to a layer's and normalised (He et al. 2021, DeBERTa-v2).
 */
#ifndef RMR_MODEL_CONVOLUTION_H
#define RMR_MODEL_CONVOLUTION_H

#include "common/model/arch.h"
#include "common/model/linear.h"

/* Owns nothing. */
typedef struct rmr_convolution {
    size_t width;  /* tokens under the kernel, as many before the middle as
                    * after it, or one more after */
    size_t groups; /* that components of the hidden state are cut into */
    const rmr_linear *of_group; /* [groups], float32: hidden_size / groups
                                 * outputs, width times as many inputs, those
                                 * of a component side by side */
    rmr_activation activation;
    rmr_norm norm; /* of the sum */
} rmr_convolution;

/* Floats of scratch for the following. */
size_t rmr_convolution_floats(const rmr_convolution *convolution,
                              const rmr_config *config);

/* The activated convolution of hidden [tokens, hidden_size] at tokens
 * [first, last) of the batch, into y [last - first, hidden_size]. Beyond a
 * sequence's ends there are zeros. */
void rmr_convolve(const rmr_convolution *convolution, const rmr_config *config,
                  const rmr_kern *kern, const rmr_batch *batch,
                  const float *hidden, size_t first, size_t last,
                  float *scratch, float *y);

#endif
