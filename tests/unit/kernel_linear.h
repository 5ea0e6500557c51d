/*
 * kernel_linear.h - one linear layer as a test gives it to a kernel: random
 * operands of a type, what they stand for in double, and the check of the
 * result. It must never check less than every value of y and every byte
 * beside it.
 */
#ifndef RMR_TESTS_KERNEL_LINEAR_H
#define RMR_TESTS_KERNEL_LINEAR_H

#include "tests/unit/kernel_operands.h"

typedef enum kernel_residual {
    KERNEL_NO_RESIDUAL,
    KERNEL_RESIDUAL,
    KERNEL_RESIDUAL_IS_Y /* for a y of float32 */
} kernel_residual;

typedef struct kernel_shape {
    rmr_dtype dtype; /* of the weight */
    size_t rows, in, out;
    size_t first, last; /* columns */
    rmr_activation activation;
    int has_bias;
    kernel_residual residual;
    rmr_dtype y_dtype;
    int is_loose;        /* gaps between rows, and before the guard page */
    int is_plain;        /* bytes: units of 1, so that y is the sum itself */
    size_t int8_from;    /* int4: as in rmr_weight */
    size_t num_outliers; /* bytes: as in rmr_weight */
} kernel_shape;

typedef struct kernel_linear {
    kernel_shape shape;
    rmr_weight weight;
    rmr_linear_args args; /* its weight is not set */
    /* What is multiplied, [rows, in] and [out, in]: exact. Of bytes without the
     * units: q - zero, and whole numbers. */
    double *x, *w;
    /* What can be changed before a kernel runs. */
    void *panels, *left;
    rmr_row_scale *row_scales;
    float *bias;
    float *residual; /* [rows, out], also where y was the residual */
    float *scales;   /* bytes: of the weight, */
    float *x_floats; /* and what is multiplied beside them, [rows, in] and */
    float *outlier_weights; /* [num_outliers, rmr_panels(out)] */
    /* int4: what w is made of, [out, in] and [out, rmr_groups(in)]. */
    uint8_t *indexes;
    int8_t *group_scales;
} kernel_linear;

/* All columns, bias, no more, y of float32, nothing loose. */
kernel_shape kernel_plain_shape(rmr_dtype dtype, size_t rows, size_t in,
                                size_t out);

/* All that can vary about a layer at random but these. */
kernel_shape kernel_any_shape(rmr_dtype dtype, size_t rows, size_t in,
                              size_t out);

/* The layer's memory is the tests' own list's (kernel_release). */
kernel_linear kernel_linear_make(const kernel_tier *tier,
                                 const kernel_shape *shape);

/* Packs w again, after a change of it (or of what int4's is made of). */
void kernel_linear_pack(const kernel_tier *tier, kernel_linear *layer);

/* Writes x, after a change of it, and of row_scales for bytes, into the left
 * operand. */
void kernel_linear_write_x(kernel_linear *layer);

/* Calls the kernel of the layer's type. */
void kernel_linear_run(const kernel_tier *tier, const kernel_linear *layer);

/* Some rows and columns alone, into y: [rows, out] values of y_dtype without
 * gaps, which is got here. */
void *kernel_linear_part(const kernel_tier *tier, const kernel_linear *layer,
                         size_t row, size_t rows, size_t first, size_t last);

/* y's place of a row and column. */
const void *kernel_linear_y(const kernel_linear *layer, size_t row,
                            size_t column);

/* The result in double, and how far off a kernel may be. */
double kernel_linear_expected(const kernel_linear *layer, size_t row,
                              size_t column, double *bound);

/* y is what is expected, and no other column was written. */
void kernel_linear_check(const kernel_tier *tier, const kernel_linear *layer);

/* Makes, runs, checks and releases. */
void kernel_linear_try(const kernel_tier *tier, const kernel_shape *shape);

/* The same layer into a y that it gates has the bits of the product of what
 * was there with what it gives otherwise. */
void kernel_linear_try_gate(const kernel_tier *tier, const kernel_shape *shape);

#endif
