/*
 * gram.h - the Gram matrix of a layer's inputs, which calibration needs.
 */
#ifndef RMR_KERN_GRAM_H
#define RMR_KERN_GRAM_H

#include <stddef.h>

/* Adds x^T x to the upper triangle of gram [in, in], row-major; x [rows, in] in
 * float32, its rows x_stride bytes apart, a multiple of 4. */
void rmr_gram_add(size_t rows, size_t in, const float *x, size_t x_stride,
                  float *gram);

#endif
