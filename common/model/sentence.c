/*
 * sentence.c - opens and runs the modules after pooling. It must never let how
 * many texts there are reach a vector.
 */
#include "common/model/sentence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"

/* --------------------------------------------------------------- activations
 *
 * As torch.nn has them, with its defaults. */

static float identity(float x)
{
    return x;
}

static float relu(float x)
{
    return x > 0 ? x : 0;
}

static float leaky_relu(float x)
{
    return x > 0 ? x : 0.01f * x;
}

static float elu(float x)
{
    return x > 0 ? x : expm1f(x);
}

static float gelu(float x)
{
    return 0.5f * x * (1 + erff(x * (float)M_SQRT1_2));
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float silu(float x)
{
    return x / (1 + expf(-x));
}

static float softplus(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}

static float mish(float x)
{
    return x * tanhf(softplus(x));
}

rmr_scalar_function *rmr_module_activation(const char *name)
{
    static const struct {
        const char *name;
        rmr_scalar_function *function;
    } known[] = {
        {"Identity", identity}, {"Tanh", tanhf},
        {"ReLU", relu},         {"GELU", gelu},
        {"SiLU", silu},         {"Sigmoid", sigmoid},
        {"ELU", elu},           {"LeakyReLU", leaky_relu},
        {"Mish", mish},         {"Softplus", softplus},
    };
    static const char package[] = "torch.nn.";
    const char *last = strrchr(name, '.');
    if (strncmp(name, package, sizeof package - 1) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(last + 1, known[i].name) == 0)
            return known[i].function;
    }
    return NULL;
}

/* ------------------------------------------------------------------ opening
 */

/* Packs the tensor `name` [out, in]. */
static rmr_status bind_weight(rmr_weight *weight, rmr_module *m,
                              const char *name, const rmr_kern *kern,
                              rmr_error *err)
{
    size_t in = m->config->in, out = m->config->out;
    const float *values;
    rmr_status status =
        rmr_weights_f32(m->weights, name, out, in, &values, err);
    if (status)
        return status;
    void *panels = rmr_weights_alloc_packed(
        m->weights, rmr_panels_bytes(RMR_DTYPE_F32, in, out));
    if (!panels)
        return rmr_fail_nomem(err, name);
    kern->pack_f32(in, out, values, panels);
    rmr_weights_forget(m->weights, values, in * out);
    *weight = (rmr_weight){
        .dtype = RMR_DTYPE_F32, .in = in, .out = out, .panels = panels};
    return RMR_OK;
}

static rmr_status bind_dense(rmr_module *m, const rmr_kern *kern,
                             rmr_error *err)
{
    const rmr_module_config *c = m->config;
    rmr_status status = bind_weight(&m->linear, m, "linear.weight", kern, err);
    if (!status && c->has_bias)
        status = rmr_weights_f32(m->weights, "linear.bias", 0, c->out, &m->bias,
                                 err);
    if (!status && c->has_residual && c->in != c->out)
        status = bind_weight(&m->residual, m, "residual.weight", kern, err);
    return status;
}

static rmr_status bind_norm(rmr_module *m, rmr_error *err)
{
    uint32_t size = m->config->out;
    rmr_status status =
        rmr_weights_f32(m->weights, "norm.weight", 0, size, &m->gamma, err);
    if (!status)
        status =
            rmr_weights_f32(m->weights, "norm.bias", 0, size, &m->beta, err);
    return status;
}

static rmr_status open_module(rmr_module *m, const char *directory,
                              const rmr_kern *kern, rmr_error *err)
{
    if (m->config->kind == RMR_MODULE_NORMALIZE)
        return RMR_OK;
    char *path = rmr_path_join(directory, m->config->path);
    if (!path)
        return rmr_fail_nomem(err, m->config->path);
    rmr_status status = rmr_weights_open(&m->weights, path, NULL, err);
    rmr_free(path);
    if (status)
        return status;
    return m->config->kind == RMR_MODULE_DENSE ? bind_dense(m, kern, err)
                                               : bind_norm(m, err);
}

rmr_status rmr_sentence_open(rmr_sentence *sentence, const char *directory,
                             const rmr_module_config *configs, size_t count,
                             uint32_t in, const rmr_kern *kern, rmr_error *err)
{
    *sentence = (rmr_sentence){.widest = in};
    for (size_t i = 0; i < count; i++) {
        rmr_module *m = &sentence->modules[sentence->count++];
        m->config = &configs[i];
        if (configs[i].out > sentence->widest)
            sentence->widest = configs[i].out;
        rmr_status status = open_module(m, directory, kern, err);
        if (status)
            return status;
    }
    return RMR_OK;
}

void rmr_sentence_close(rmr_sentence *sentence)
{
    for (size_t i = 0; i < sentence->count; i++)
        rmr_weights_close(sentence->modules[i].weights);
    sentence->count = 0;
}

uint64_t rmr_sentence_num_parameters(const rmr_sentence *sentence)
{
    uint64_t count = 0;
    for (size_t i = 0; i < sentence->count; i++) {
        const rmr_weights *weights = sentence->modules[i].weights;
        count += weights ? rmr_weights_num_parameters(weights) : 0;
    }
    return count;
}

uint64_t rmr_sentence_bytes(const rmr_sentence *sentence)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < sentence->count; i++) {
        const rmr_weights *weights = sentence->modules[i].weights;
        bytes += weights ? rmr_weights_bytes(weights) : 0;
    }
    return bytes;
}

/* ------------------------------------------------------------------ running
 */

static void multiply(const rmr_kern *kern, const rmr_weight *weight,
                     const float *bias, size_t rows, const float *x,
                     const float *residual, float *y)
{
    rmr_linear_args args = {.weight = weight,
                            .rows = rows,
                            .last = weight->out,
                            .x = x,
                            .x_stride = weight->in * sizeof *x,
                            .bias = bias,
                            .residual = residual,
                            .residual_stride = weight->out * sizeof *y,
                            .y = y,
                            .y_stride = weight->out * sizeof *y,
                            .y_dtype = RMR_DTYPE_F32};
    kern->linear_f32(&args);
}

static void run_dense(const rmr_module *m, const rmr_kern *kern, size_t rows,
                      const float *x, float *y)
{
    size_t count = rows * m->config->out;
    multiply(kern, &m->linear, m->bias, rows, x, NULL, y);
    for (size_t i = 0; i < count; i++)
        y[i] = m->config->activation(y[i]);
    if (!m->config->has_residual)
        return;
    if (m->residual.panels) {
        multiply(kern, &m->residual, NULL, rows, x, y, y);
        return;
    }
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

float *rmr_sentence_run(const rmr_sentence *sentence, const rmr_kern *kern,
                        size_t rows, float *x, float *scratch)
{
    const float epsilon = 1e-5f; /* torch.nn.LayerNorm's */
    for (size_t i = 0; i < sentence->count; i++) {
        const rmr_module *m = &sentence->modules[i];
        size_t size = m->config->out;
        if (m->config->kind == RMR_MODULE_DENSE) {
            float *y = scratch;
            run_dense(m, kern, rows, x, y);
            scratch = x;
            x = y;
        } else if (m->config->kind == RMR_MODULE_LAYER_NORM) {
            kern->layer_norm(rows, size, x, m->gamma, m->beta, epsilon, x);
        } else {
            for (size_t r = 0; r < rows; r++)
                kern->l2_normalize(size, x + r * size);
        }
    }
    return x;
}
