/*
 * head.c - binds a head by its names, and runs it. It must never let what else
 * is in a batch reach a text's logits.
 */
#include "common/model/head.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/model/bind.h"
#include "common/model/model.h"

enum { HEAD_ROWS = 24 }; /* that are run at a time */

/* ------------------------------------------------------------------ binding
 */

static const rmr_head_names *names_of(const rmr_arch *arch, rmr_head_kind kind)
{
    static const rmr_head_names none;
    const rmr_heads *heads = arch->heads;
    if (heads && kind == RMR_HEAD_CLASSIFY)
        return &heads->classify;
    if (heads && kind == RMR_HEAD_TOKENS)
        return &heads->tokens;
    return &none;
}

static rmr_status check_kind(const char *path, rmr_head_kind named,
                             rmr_head_kind kind, const rmr_arch *arch,
                             rmr_error *err)
{
    if (named != kind) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s/config.json: \"architectures\" names no model for "
                        "%s",
                        path, rmr_head_task(kind));
    }
    if (!names_of(arch, kind)->output) {
        return rmr_fail(
            err, RMR_ERR_UNSUPPORTED,
            "%s/config.json: \"architectures\": %s is not supported for "
            "\"model_type\" \"%s\"",
            path, rmr_head_task(kind), arch->model_type);
    }
    return RMR_OK;
}

static rmr_status read_config(rmr_head *head, const char *directory,
                              rmr_error *err)
{
    json_t *root;
    char *path = rmr_path_join(directory, "config.json");
    if (!path)
        return rmr_fail_nomem(err, "config.json");
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (!status) {
        rmr_json_source source = {root, path};
        status = rmr_labels_read(&head->labels, source, err);
        if (!status)
            status =
                rmr_scores_read(&head->scores, source, head->labels.count, err);
        json_decref(root);
    }
    rmr_free(path);
    return status;
}

/* A classifier has an output for each label. */
static rmr_status check_outputs(const rmr_head *head, const rmr_model *model,
                                const char *output, rmr_error *err)
{
    char name[RMR_LINEAR_NAME_CHARS];
    snprintf(name, sizeof name, "%s.weight", output);
    uint64_t rows = rmr_weights_rows(model->weights, name);
    if (!rows || rows == head->labels.count)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s: tensor \"%s\" has %llu outputs, and config.json "
                    "(\"id2label\", \"num_labels\") %zu labels",
                    rmr_weights_file(model->weights, name), name,
                    (unsigned long long)rows, head->labels.count);
}

static rmr_status bind(rmr_head *head, const rmr_model *model, rmr_error *err)
{
    const rmr_head_names *names = names_of(model->arch, head->kind);
    const rmr_heads *heads = model->arch->heads;
    size_t hidden = model->config.hidden_size;
    rmr_binder b = {.config = &model->config,
                    .weights = model->weights,
                    .kern = &model->kern,
                    .dtype = RMR_DTYPE_F32,
                    .err = err};
    if (names->dense_is_of_encoder)
        b.prefix =
            rmr_bind_prefix(model->weights, heads->prefixes, heads->words);
    else
        b.prefix = "";
    if (names->dense)
        head->dense =
            rmr_bind_linear(&b, "",
                            (rmr_linear_source){.names = {names->dense},
                                                .out = hidden,
                                                .in = hidden,
                                                .dtype = RMR_DTYPE_F32});
    b.prefix = "";
    head->has_dense = names->dense != NULL;
    head->activation = names->activation;
    head->output =
        rmr_bind_linear(&b, "",
                        (rmr_linear_source){.names = {names->output},
                                            .out = head->labels.count,
                                            .in = hidden,
                                            .dtype = RMR_DTYPE_F32});
    return b.status;
}

static rmr_status open_head(rmr_head *head, const rmr_model *model,
                            rmr_error *err)
{
    rmr_head_kind named;
    rmr_status status = rmr_head_find(&named, model->path, err);
    if (!status)
        status = check_kind(model->path, named, head->kind, model->arch, err);
    if (!status)
        status = read_config(head, model->path, err);
    if (!status)
        status = check_outputs(head, model,
                               names_of(model->arch, head->kind)->output, err);
    if (!status)
        status = bind(head, model, err);
    return status;
}

rmr_status rmr_head_bind(rmr_head **out, rmr_head_kind kind,
                         const rmr_model *model, rmr_error *err)
{
    *out = NULL;
    rmr_head *head = rmr_calloc(1, sizeof *head);
    if (!head)
        return rmr_fail_nomem(err, "a head");
    head->kind = kind;
    head->config = &model->config;
    head->kern = &model->kern;
    rmr_status status = open_head(head, model, err);
    if (status)
        rmr_head_free(head);
    else
        *out = head;
    return status;
}

void rmr_head_free(rmr_head *head)
{
    if (!head)
        return;
    rmr_labels_free(&head->labels);
    rmr_free(head);
}

/* ------------------------------------------------------------------ running
 */

size_t rmr_head_scratch_bytes(const rmr_head *head)
{
    return 2 * HEAD_ROWS * head->config->hidden_size * sizeof(float);
}

static void multiply(const rmr_head *head, const rmr_linear *linear,
                     size_t rows, const float *x, rmr_activation activation,
                     float *y)
{
    rmr_linear_args args = {.weight = &linear->weight,
                            .rows = rows,
                            .last = linear->weight.out,
                            .x = x,
                            .x_stride = linear->weight.in * sizeof *x,
                            .bias = linear->bias,
                            .activation = activation,
                            .y = y,
                            .y_stride = linear->weight.out * sizeof *y,
                            .y_dtype = RMR_DTYPE_F32};
    head->kern->linear_f32(&args);
}

/* At most HEAD_ROWS rows x, [rows, hidden_size], to logits, by way of inner,
 * [rows, hidden_size]. */
static void run_rows(const rmr_head *head, size_t rows, const float *x,
                     float *inner, float *logits)
{
    size_t count = rows * head->config->hidden_size;
    if (head->has_dense) {
        multiply(head, &head->dense, rows, x, head->activation.kernel, inner);
        for (size_t i = 0; i < count && head->activation.is_tanh; i++)
            inner[i] = tanhf(inner[i]);
        x = inner;
    }
    multiply(head, &head->output, rows, x, RMR_ACTIVATION_NONE, logits);
}

void rmr_head_classify(const rmr_head *head, const rmr_batch *batch,
                       const float *hidden, void *scratch, float *logits)
{
    size_t size = head->config->hidden_size;
    float *first_tokens = scratch, *inner = first_tokens + HEAD_ROWS * size;
    for (size_t s = 0; s < batch->num_seqs; s += HEAD_ROWS) {
        size_t left = batch->num_seqs - s;
        size_t rows = left < HEAD_ROWS ? left : HEAD_ROWS;
        for (size_t r = 0; r < rows; r++)
            memcpy(first_tokens + r * size,
                   hidden + batch->cu_seqlens[s + r] * size,
                   size * sizeof *hidden);
        run_rows(head, rows, first_tokens, inner,
                 logits + s * head->labels.count);
    }
}

void rmr_head_tokens(const rmr_head *head, const rmr_batch *batch,
                     const float *hidden, void *scratch, float *logits)
{
    size_t size = head->config->hidden_size;
    for (size_t t = 0; t < batch->tokens; t += HEAD_ROWS) {
        size_t left = batch->tokens - t;
        run_rows(head, left < HEAD_ROWS ? left : HEAD_ROWS, hidden + t * size,
                 scratch, logits + t * head->labels.count);
    }
}
