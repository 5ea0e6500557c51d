/*
 * linear.h - a linear layer's parameters in the order that the kernels want,
 * for every architecture.
 */
#ifndef RMR_MODEL_LINEAR_H
#define RMR_MODEL_LINEAR_H

#include "common/model/safetensors.h"
#include "kernels/kern.h"

/* A layer normalisation; without beta, one by the root of the mean square. */
typedef struct rmr_norm {
    const float *gamma; /* [its size]; NULL: there is none */
    const float *beta;  /* [its size], or NULL */
    int is_changed;     /* by an adapter */
} rmr_norm;

enum { RMR_LINEAR_NAME_CHARS = 160 };

typedef struct rmr_linear {
    char name[RMR_LINEAR_NAME_CHARS]; /* the first of its source's */
    rmr_weight weight;    /* what it points to is owned by the weights */
    const float *bias;    /* [out], or NULL */
    const float *factors; /* [in], of the input before it is quantized, whose
                           * inverses the weight has, 0 for an outlier; or
                           * NULL */
} rmr_linear;

enum { RMR_MAX_LINEAR_NAMES = 3 };

/* Which tensors make a layer, and of what kind. */
typedef struct rmr_linear_source {
    const char *names[RMR_MAX_LINEAR_NAMES]; /* up to the first NULL */
    uint64_t out[RMR_MAX_LINEAR_NAMES];      /* of each name */
    uint64_t in;
    uint64_t width; /* not 0: the weights are [out, in / width, width] */
    int without_bias;
    size_t parts; /* equal ones that the outputs become; 0 is 1 */
    rmr_dtype dtype;
    const rmr_norm *norm; /* whose output is the layer's input, or NULL */
    size_t norm_rows;     /* outputs, the last, that its factors go by; 0 is
                           * all */
    size_t int8_names;    /* int4: so many names, the last, are int8 instead;
                           * of a layer that stays one */
} rmr_linear_source;

/* How many names there are. */
size_t rmr_linear_num_names(const rmr_linear_source *source);

/* Where the outputs of a name begin; of the number of names, where all end. */
size_t rmr_linear_first(const rmr_linear_source *source, size_t name);

/*
 * Takes, unless models of the same files have made it before, the tensors
 * NAME.weight [out, in] and, unless the source is without,
 * NAME.bias [out] of each name, as one layer with all their outputs, or, in the
 * order of these, as `parts` layers of one input; the weights are packed and
 * their own memory is given back. They may have been quantized before, as
 * whole.h says. For int8 a norm tells which components of the input are large
 * and small: factors make them more alike, at the cost of the weight's (Xiao et
 * al. 2023, SmoothQuant, with what the norm says in place of samples). Errors:
 * those of rmr_weights_f32; RANGE (more inputs than int8's sums have room for).
 */
rmr_status rmr_linear_bind(rmr_linear *linears, rmr_weights *weights,
                           const rmr_kern *kern,
                           const rmr_linear_source *source, rmr_error *err);

/* y [rows, out] = x [rows, in], in float32, by the layer, as when it is run.
 * Errors: NOMEM. */
rmr_status rmr_linear_apply(const rmr_linear *linear, const rmr_kern *kern,
                            size_t rows, const float *x, float *y);

#endif
