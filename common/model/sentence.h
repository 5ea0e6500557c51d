/*
 * sentence.h - the modules of sentence-transformers that come after pooling:
 * Dense, LayerNorm and Normalize, in the order and number that modules.json
 * has them.
 */
#ifndef RMR_MODEL_SENTENCE_H
#define RMR_MODEL_SENTENCE_H

#include <stddef.h>
#include <stdint.h>
#include "common/base/error.h"
#include "common/model/safetensors.h"
#include "kernels/kern.h"

enum { RMR_MAX_MODULES = 16, RMR_MODULE_PATH_CHARS = 128 };

typedef enum rmr_module_kind {
    RMR_MODULE_DENSE,
    RMR_MODULE_LAYER_NORM,
    RMR_MODULE_NORMALIZE
} rmr_module_kind;

typedef float rmr_scalar_function(float x);

/* What a module's config.json says. */
typedef struct rmr_module_config {
    rmr_module_kind kind;
    char path[RMR_MODULE_PATH_CHARS]; /* its folder in the model's directory */
    uint32_t in, out;                 /* components */
    int has_bias;                     /* Dense's: */
    int has_residual;                 /* the input is added to the output */
    rmr_scalar_function *activation;
} rmr_module_config;

/* The activation that Dense has by the name of its class in torch,
 * "torch.nn.modules.activation.Tanh"; NULL when it is not known. */
rmr_scalar_function *rmr_module_activation(const char *name);

/* A module with its weights. */
typedef struct rmr_module {
    const rmr_module_config *config;
    rmr_weights *weights; /* or NULL */
    rmr_weight linear;
    rmr_weight residual; /* where it changes the size */
    const float *gamma, *beta;
    const float *bias;
} rmr_module;

/* All of them; none when zeroed. Immutable once opened. */
typedef struct rmr_sentence {
    rmr_module modules[RMR_MAX_MODULES];
    size_t count;
    size_t widest; /* components between two modules, at most */
} rmr_sentence;

/* Opens the weights of `count` modules, of which the first takes `in`
 * components; the configs outlive them. In float32, whatever the model's dtype.
 * Errors: those of rmr_weights_open and rmr_weights_f32. To be closed whatever
 * the result. */
rmr_status rmr_sentence_open(rmr_sentence *sentence, const char *directory,
                             const rmr_module_config *configs, size_t count,
                             uint32_t in, const rmr_kern *kern, rmr_error *err);
void rmr_sentence_close(rmr_sentence *sentence);

/* Values in the tensors that are used, and bytes that are kept of them. */
uint64_t rmr_sentence_num_parameters(const rmr_sentence *sentence);
uint64_t rmr_sentence_bytes(const rmr_sentence *sentence);

/* Runs the modules on x [rows, components without gaps], which is overwritten,
 * with as much scratch; both have room for rows * widest. Returns the result,
 * in one of them. */
float *rmr_sentence_run(const rmr_sentence *sentence, const rmr_kern *kern,
                        size_t rows, float *x, float *scratch);

#endif
