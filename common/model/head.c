/*
 * head.c - binds a head by its names, and runs it. It must never let what else
 * is in a batch reach a text's logits.
 */
#include "common/model/head.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/model/bind.h"
#include "common/model/model.h"

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
    if (heads && kind == RMR_HEAD_FILL)
        return &heads->fill;
    if (heads && kind == RMR_HEAD_ANSWER)
        return &heads->answer;
    return &none;
}

int rmr_head_exists(const rmr_arch *arch, rmr_head_kind kind)
{
    return names_of(arch, kind)->output != NULL;
}

/* The architecture's, or those that config.json asks for. */
static rmr_status choose_names(rmr_head *head, const rmr_arch *arch,
                               rmr_json_source source, rmr_error *err)
{
    int is_on = 1;
    rmr_status status = RMR_OK;
    const char *other = arch->heads->not_beside;
    head->names = names_of(arch, head->kind);
    if (other && json_object_get(source.object, other)) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: %s is not supported beside \"%s\"", source.name,
                        rmr_head_task(head->kind), other);
    }
    if (head->names->field)
        status = rmr_json_get_bool(source, head->names->field, 1, &is_on, err);
    if (!is_on)
        head->names = head->names->where_false;
    return status;
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
    if (!rmr_head_exists(arch, kind)) {
        return rmr_fail(
            err, RMR_ERR_UNSUPPORTED,
            "%s/config.json: \"architectures\": %s is not supported for "
            "\"model_type\" \"%s\"",
            path, rmr_head_task(kind), arch->model_type);
    }
    return RMR_OK;
}

static rmr_status read_pooling(rmr_head *head, rmr_json_source source,
                               rmr_error *err)
{
    const rmr_head_names *names = head->names;
    const char *mode = "";
    rmr_status status = RMR_OK;
    rmr_poolings_set(&head->pooling,
                     names->pooling ? names->pooling : RMR_POOLING_CLS);
    if (names->pooling_field)
        status =
            rmr_json_get_string(source, names->pooling_field, "", &mode, err);
    if (status || !*mode)
        return status;
    status = rmr_poolings_parse(&head->pooling, source.name, mode, err);
    if (!status && head->pooling.count != 1)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s: \"%s\" must be one mode, not \"%s\"",
                          source.name, names->pooling_field, mode);
    return status;
}

/* As GenericForSequenceClassification has it: null is none. */
static rmr_status read_padding(rmr_head *head, rmr_json_source source,
                               rmr_error *err)
{
    const rmr_head_names *names = head->names;
    static const char field[] = "pad_token_id";
    int64_t fallback = names->pads_with_0 ? 0 : -1;
    head->padding = -1;
    if (!names->ends_before_padding ||
        json_is_null(json_object_get(source.object, field)))
        return RMR_OK;
    return rmr_json_get_int(source, field, -1, UINT32_MAX, fallback,
                            &head->padding, err);
}

static rmr_status read_layers(rmr_head *head, rmr_json_source source,
                              rmr_error *err)
{
    const rmr_head_names *names = head->names;
    const rmr_head_activation *a = &names->activation;
    head->activation = a->is_hidden ? head->config->hidden_act : a->kernel;
    rmr_status status = RMR_OK;
    head->dense_has_bias = 1;
    head->output_has_bias = !names->without_bias;
    if (names->output_bias)
        status = rmr_json_get_bool(source, names->output_bias, 1,
                                   &head->output_has_bias, err);
    if (!status && names->dense_bias)
        status = rmr_json_get_bool(source, names->dense_bias, 0,
                                   &head->dense_has_bias, err);
    const json_t *value =
        a->field ? json_object_get(source.object, a->field) : NULL;
    if (status || !value || json_is_null(value))
        return status;
    return rmr_config_read_activation(&head->activation, source, a->field, NULL,
                                      err);
}

/* What sentence-transformers says is in a file of its own, or in source. */
static rmr_status read_rank_scores(rmr_head *head, const char *directory,
                                   rmr_json_source source, rmr_error *err)
{
    json_t *root = NULL;
    rmr_status status = RMR_OK;
    char *path = rmr_path_join(directory, "config_sentence_transformers.json");
    if (!path)
        return rmr_fail_nomem(err, "config_sentence_transformers.json");
    if (access(path, F_OK) == 0)
        status = rmr_json_load_file(&root, path, err);
    if (!status)
        status = rmr_rank_scores_read(&head->rank_scores, source,
                                      (rmr_json_source){root, path}, err);
    json_decref(root);
    rmr_free(path);
    return status;
}

static rmr_status read_answer(rmr_head *head, const char *directory,
                              rmr_json_source source, rmr_error *err)
{
    rmr_status status = rmr_labels_set(&head->labels, "yes", err);
    head->scores = RMR_SCORES_SIGMOID;
    if (!status)
        status = read_rank_scores(head, directory, source, err);
    if (!status)
        status = rmr_json_get_bool(source, "tie_word_embeddings", 0,
                                   &head->is_tied, err);
    return status;
}

static rmr_status read_classifier(rmr_head *head, const char *directory,
                                  rmr_json_source source, rmr_error *err)
{
    rmr_status status = rmr_labels_read(&head->labels, source, err);
    if (!status)
        status =
            rmr_scores_read(&head->scores, source, head->labels.count, err);
    if (!status && head->kind == RMR_HEAD_CLASSIFY && head->labels.count == 1)
        status = read_rank_scores(head, directory, source, err);
    if (!status)
        status = read_pooling(head, source, err);
    if (!status)
        status = read_padding(head, source, err);
    return status;
}

static rmr_status read_config(rmr_head *head, const rmr_model *model,
                              rmr_error *err)
{
    json_t *root;
    char *path = rmr_path_join(model->path, "config.json");
    if (!path)
        return rmr_fail_nomem(err, "config.json");
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (!status) {
        rmr_json_source source = {root, path};
        status = choose_names(head, model->arch, source, err);
        if (!status)
            status = read_layers(head, source, err);
        if (!status && head->kind == RMR_HEAD_FILL)
            status = rmr_json_get_bool(source, "tie_word_embeddings", 1,
                                       &head->is_tied, err);
        else if (!status && head->kind == RMR_HEAD_ANSWER)
            status = read_answer(head, model->path, source, err);
        else if (!status)
            status = read_classifier(head, model->path, source, err);
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

/* Where the encoder's tensors are. */
static const char *encoder_prefix(const rmr_model *model)
{
    const rmr_heads *heads = model->arch->heads;
    char words[RMR_LINEAR_NAME_CHARS];
    snprintf(words, sizeof words, "%s.weight", heads->words);
    return rmr_bind_prefix(model->weights, heads->prefixes, words);
}

/* Inputs of the output. */
static size_t inner_size(const rmr_head *head)
{
    return head->kind == RMR_HEAD_FILL ? head->config->embedding_size
                                       : head->config->hidden_size;
}

static void bind_dense(rmr_binder *b, rmr_head *head, const rmr_model *model)
{
    const rmr_head_names *names = head->names;
    head->has_dense = names->dense != NULL;
    if (names->dense_is_of_encoder)
        b->prefix = encoder_prefix(model);
    if (names->dense)
        rmr_bind_linear(
            b, "",
            (rmr_linear_source){.names = {names->dense},
                                .out = {inner_size(head)},
                                .in = b->config->hidden_size,
                                .without_bias = !head->dense_has_bias,
                                .dtype = RMR_DTYPE_F32},
            &head->dense);
    b->prefix = "";
    if (names->norm)
        head->norm = rmr_bind_norm(b, b->config->norm, "", names->norm,
                                   inner_size(head));
}

static void bind_labels(rmr_binder *b, rmr_head *head)
{
    rmr_bind_linear(b, "",
                    (rmr_linear_source){.names = {head->names->output},
                                        .out = {head->labels.count},
                                        .in = inner_size(head),
                                        .without_bias = !head->output_has_bias,
                                        .dtype = RMR_DTYPE_F32},
                    &head->output);
}

static int has(const rmr_binder *b, const char *name, const char *suffix)
{
    char full[RMR_LINEAR_NAME_CHARS];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    return rmr_weights_has(b->weights, full);
}

/* A weight of its own is used where there is one, as in the reference; else the
 * table that it is tied to. */
static int has_own_output(const rmr_binder *b, const rmr_head *head)
{
    return !head->names->is_words &&
           (has(b, head->names->output, "weight") || !head->is_tied);
}

/* As is a bias. */
static void bind_words_bias(rmr_binder *b, rmr_head *head)
{
    const rmr_head_names *names = head->names;
    int is_other = names->bias && !has(b, names->output, "bias");
    char own[RMR_LINEAR_NAME_CHARS];
    snprintf(own, sizeof own, "%s.bias", names->output);
    if (!b->status && head->output_has_bias)
        b->status =
            rmr_weights_f32(b->weights, is_other ? names->bias : own, 0,
                            b->config->vocab_size, &head->output.bias, b->err);
}

static void bind_words(rmr_binder *b, rmr_head *head, const rmr_model *model)
{
    size_t vocab_size = b->config->vocab_size, in = inner_size(head);
    int is_own = has_own_output(b, head);
    b->prefix = is_own ? "" : encoder_prefix(model);
    rmr_bind_linear(
        b, "",
        (rmr_linear_source){
            .names = {is_own ? head->names->output : model->arch->heads->words},
            .out = {vocab_size},
            .in = in,
            .without_bias = 1,
            .dtype = b->dtype},
        &head->output);
    b->prefix = "";
    bind_words_bias(b, head);
    if (!b->status && !is_own)
        rmr_weights_count(b->weights, -(int64_t)(vocab_size * in), 0);
}

/* Two rows of a table that is kept as whole numbers; what is read counts for
 * nothing. */
static rmr_status read_whole_rows(rmr_binder *b, const char *name,
                                  const rmr_answer *answer, size_t in,
                                  float *yes, float *no)
{
    rmr_weights *weights = b->weights;
    uint64_t parameters = rmr_weights_num_parameters(weights);
    uint64_t bytes = rmr_weights_bytes(weights);
    rmr_table table;
    rmr_status status = rmr_table_bind(
        &table, weights, name, b->config->vocab_size, in, b->dtype, b->err);
    if (status)
        return status;
    b->kern->table_row(&table, answer->yes, yes);
    b->kern->table_row(&table, answer->no, no);
    rmr_weights_count(
        weights, (int64_t)(parameters - rmr_weights_num_parameters(weights)),
        (int64_t)(bytes - rmr_weights_bytes(weights)));
    return RMR_OK;
}

/* Two rows of floats; of the table of words, as the encoder has it. */
static rmr_status read_rows(rmr_binder *b, const char *name, int is_own,
                            const rmr_answer *answer, size_t in, float *yes,
                            float *no)
{
    size_t rows = b->config->vocab_size;
    rmr_dtype dtype = is_own ? RMR_DTYPE_F32 : b->dtype;
    rmr_status status =
        rmr_weights_row(b->weights, name, rows, in, answer->yes, yes, b->err);
    if (!status)
        status =
            rmr_weights_row(b->weights, name, rows, in, answer->no, no, b->err);
    if (!status)
        status = rmr_table_round(yes, in, dtype, b->kern, b->err);
    if (!status)
        status = rmr_table_round(no, in, dtype, b->kern, b->err);
    return status;
}

/* Row yes less row no. */
static rmr_status subtract_rows(rmr_binder *b, const char *name, int is_own,
                                const rmr_answer *answer, size_t in, float *yes)
{
    const char *dtype = rmr_weights_dtype(b->weights, name);
    int is_whole =
        dtype && (strcmp(dtype, "I8") == 0 || strcmp(dtype, "U8") == 0);
    float *no = rmr_malloc_array(in, sizeof *no);
    if (!no)
        return rmr_fail_nomem(b->err, name);
    rmr_status status = is_whole
                            ? read_whole_rows(b, name, answer, in, yes, no)
                            : read_rows(b, name, is_own, answer, in, yes, no);
    for (size_t i = 0; i < in && !status; i++)
        yes[i] -= no[i];
    rmr_free(no);
    return status;
}

static void bind_answer(rmr_binder *b, rmr_head *head, const rmr_model *model)
{
    const rmr_head_names *names = head->names;
    size_t in = inner_size(head);
    int is_own = has_own_output(b, head);
    char name[RMR_LINEAR_NAME_CHARS];
    snprintf(name, sizeof name, "%s%s.weight",
             is_own ? "" : encoder_prefix(model),
             is_own ? names->output : model->arch->heads->words);
    head->answer = rmr_malloc_array(in, sizeof *head->answer);
    b->status = head->answer ? subtract_rows(b, name, is_own, model->answer, in,
                                             head->answer)
                             : rmr_fail_nomem(b->err, name);
    if (!b->status)
        rmr_weights_count(b->weights, is_own ? 2 * (int64_t)in : 0,
                          (int64_t)(in * sizeof *head->answer));
}

static rmr_status bind(rmr_head *head, const rmr_model *model, rmr_error *err)
{
    rmr_binder b = {.config = &model->config,
                    .weights = model->weights,
                    .kern = &model->kern,
                    .dtype = model->dtype,
                    .prefix = "",
                    .err = err};
    bind_dense(&b, head, model);
    if (head->kind == RMR_HEAD_ANSWER)
        bind_answer(&b, head, model);
    else if (head->kind == RMR_HEAD_FILL)
        bind_words(&b, head, model);
    else
        bind_labels(&b, head);
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
        status = read_config(head, model, err);
    if (!status &&
        (head->kind == RMR_HEAD_CLASSIFY || head->kind == RMR_HEAD_TOKENS))
        status = check_outputs(head, model, head->names->output, err);
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
    rmr_free(head->answer);
    rmr_free(head);
}

/* ------------------------------------------------------------------ running
 */

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

size_t rmr_head_inner_bytes(const rmr_head *head)
{
    return RMR_HEAD_ROWS * inner_size(head) * sizeof(float);
}

const float *rmr_head_inner(const rmr_head *head, size_t rows, const float *x,
                            float *inner)
{
    size_t size = inner_size(head);
    if (!head->has_dense)
        return x;
    multiply(head, &head->dense, rows, x, head->activation, inner);
    if (head->norm.gamma)
        head->kern->layer_norm(rows, size, inner, head->norm.gamma,
                               head->norm.beta, head->config->layer_norm_eps,
                               inner);
    return inner;
}

static void run_rows(const rmr_head *head, size_t rows, const float *x,
                     float *inner, float *logits)
{
    multiply(head, &head->output, rows, rmr_head_inner(head, rows, x, inner),
             RMR_ACTIVATION_NONE, logits);
}

/* Tokens of a sequence up to its padding; of one that is nothing else, 1. */
static size_t length_of(const rmr_head *head, const uint32_t *ids, size_t count)
{
    while (count > 1 && ids[count - 1] == head->padding)
        count--;
    return count;
}

/* By the last token, in double. */
static void answer(const rmr_head *head, const rmr_batch *batch,
                   const float *hidden, float *logits)
{
    size_t size = head->config->hidden_size;
    for (size_t s = 0; s < batch->num_seqs; s++) {
        const float *x = hidden + (batch->cu_seqlens[s + 1] - 1) * size;
        double sum = 0;
        for (size_t i = 0; i < size; i++)
            sum += (double)x[i] * head->answer[i];
        logits[s] = (float)sum;
    }
}

void rmr_head_classify(const rmr_head *head, const rmr_batch *batch,
                       const float *hidden, void *scratch, float *logits)
{
    if (head->kind == RMR_HEAD_ANSWER) {
        answer(head, batch, hidden, logits);
        return;
    }
    size_t size = head->config->hidden_size;
    float *pooled = scratch, *inner = pooled + RMR_HEAD_ROWS * size;
    for (size_t s = 0; s < batch->num_seqs; s += RMR_HEAD_ROWS) {
        size_t left = batch->num_seqs - s;
        size_t rows = left < RMR_HEAD_ROWS ? left : RMR_HEAD_ROWS;
        const uint32_t *ends = batch->cu_seqlens + s;
        for (size_t r = 0; r < rows; r++)
            rmr_pool(
                &head->pooling, head->kern,
                length_of(head, batch->ids + ends[r], ends[r + 1] - ends[r]),
                size, 0, hidden + ends[r] * size, pooled + r * size);
        run_rows(head, rows, pooled, inner, logits + s * head->labels.count);
    }
}

void rmr_head_tokens(const rmr_head *head, const rmr_batch *batch,
                     const float *hidden, void *scratch, float *logits)
{
    size_t size = head->config->hidden_size;
    for (size_t t = 0; t < batch->tokens; t += RMR_HEAD_ROWS) {
        size_t left = batch->tokens - t;
        run_rows(head, left < RMR_HEAD_ROWS ? left : RMR_HEAD_ROWS,
                 hidden + t * size, scratch, logits + t * head->labels.count);
    }
}
