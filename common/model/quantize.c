/*
 * quantize.c - writes a model directory whose weights have fewer bits: opens
 * the source in float32, runs it over texts to see what its layers' inputs are
 * like, binds its weights anew in the type that is asked for, and writes what
 * comes of that. It must never leave half a directory behind.
 */
#include "common/model/quantize.h"

#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/options.h"
#include "common/model/directory.h"
#include "common/model/encoder.h"
#include "common/model/model.h"
#include "common/model/safetensors_header.h"
#include "kernels/gram.h"
#include "kernels/pack.h"

typedef struct gram {
    char name[RMR_LINEAR_NAME_CHARS];
    size_t in;
    float *values; /* [in, in] */
} gram;

struct rmr_quantizer {
    gram *grams; /* [num_grams] */
    size_t num_grams, grams_capacity;
    rmr_tensor_list kept; /* whose data is owned */
    rmr_status status;    /* of what a tap could not say */
    rmr_error *err;
};

static void free_quantizer(rmr_quantizer *q)
{
    for (size_t i = 0; i < q->num_grams; i++)
        rmr_free(q->grams[i].values);
    for (size_t i = 0; i < q->kept.count; i++)
        rmr_free((void *)q->kept.items[i].data);
    rmr_tensor_list_free(&q->kept);
    rmr_free(q->grams);
}

void rmr_quantize_options_init(rmr_quantize_options *options)
{
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->dtype = RMR_DTYPE_INT8;
}

/* -------------------------------------------------------------- calibration
 */

static gram *find_gram(const rmr_quantizer *q, const char *name)
{
    for (size_t i = 0; i < q->num_grams; i++) {
        if (strcmp(q->grams[i].name, name) == 0)
            return &q->grams[i];
    }
    return NULL;
}

const float *rmr_quantizer_gram(const rmr_quantizer *quantizer,
                                const char *name, size_t in)
{
    const gram *found = find_gram(quantizer, name);
    return found && found->in == in ? found->values : NULL;
}

static gram *add_gram(rmr_quantizer *q, const char *name, size_t in)
{
    gram *grams =
        rmr_grow(q->grams, &q->grams_capacity, q->num_grams + 1, sizeof *grams);
    if (!grams)
        return NULL;
    q->grams = grams;
    gram *added = &grams[q->num_grams];
    *added = (gram){.in = in, .values = rmr_calloc(in * in, sizeof(float))};
    if (!added->values)
        return NULL;
    snprintf(added->name, sizeof added->name, "%s", name);
    q->num_grams++;
    return added;
}

/* A rmr_encoder_tap's. */
static void take_inputs(void *context, const rmr_linear *linear, size_t rows,
                        const float *x, size_t x_stride)
{
    rmr_quantizer *q = context;
    size_t in = linear->weight.in;
    gram *to = find_gram(q, linear->name);
    if (!to && !q->status && !(to = add_gram(q, linear->name, in)))
        q->status = rmr_fail_nomem(q->err, linear->name);
    if (to)
        rmr_gram_add(rows, in, x, x_stride, to->values);
}

static int never(void *context)
{
    (void)context;
    return 0;
}

/* What a text goes through on its way. */
typedef struct runner {
    const rmr_model *model;
    rmr_encoding encoding;
    uint32_t *ids; /* [max_tokens], and as many type ids */
    float *vector;
    rmr_workspace workspace;
} runner;

static rmr_status run_text(runner *r, rmr_text text, rmr_error *err)
{
    const rmr_config *config = &r->model->config;
    rmr_status status =
        rmr_model_encode(r->model, text, RMR_TRUNCATE_END, &r->encoding, err);
    if (status || !r->encoding.count)
        return status;
    uint32_t ends[] = {0, (uint32_t)r->encoding.count};
    uint32_t *type_ids = r->ids + config->max_tokens;
    for (size_t i = 0; i < r->encoding.count; i++) {
        r->ids[i] = r->encoding.tokens[i].id;
        type_ids[i] = r->encoding.tokens[i].type_id;
    }
    rmr_batch batch = {.ids = r->ids,
                       .type_ids = type_ids,
                       .cu_seqlens = ends,
                       .num_seqs = 1,
                       .tokens = ends[1],
                       .longest = ends[1]};
    rmr_vector vector = {.dimensions = config->output_size,
                         .values = r->vector};
    return rmr_model_run(r->model, &batch, &vector, &r->workspace, never, NULL,
                         err);
}

static rmr_status calibrate(rmr_quantizer *q, const rmr_model *model,
                            const rmr_quantize_options *options, rmr_error *err)
{
    const rmr_config *config = &model->config;
    rmr_encoder_tap tap = {.take = take_inputs, .context = q};
    runner r = {.model = model};
    rmr_status status = RMR_OK;
    r.ids = rmr_malloc_array(2 * (size_t)config->max_tokens, sizeof *r.ids);
    r.vector = rmr_malloc_array(config->output_size, sizeof *r.vector);
    if (!r.ids || !r.vector)
        status = rmr_fail_nomem(err, "calibration");
    model->arch->watch(model->bound, &tap);
    for (size_t i = 0; i < options->num_texts && !status; i++) {
        status = run_text(&r, options->texts[i], err);
        if (!status)
            status = q->status;
    }
    model->arch->watch(model->bound, NULL);
    rmr_workspace_free(&r.workspace);
    rmr_encoding_free(&r.encoding);
    rmr_free(r.vector);
    rmr_free(r.ids);
    return status;
}

/* ------------------------------------------------------------------ tensors
 */

rmr_status rmr_quantizer_keep(rmr_quantizer *q, const char *name,
                              const char *dtype, uint64_t rows,
                              uint64_t columns, const void *data,
                              rmr_error *err)
{
    size_t size = strcmp(dtype, "F32") == 0    ? 4
                  : strcmp(dtype, "BF16") == 0 ? 2
                                               : 1;
    rmr_tensor tensor = {.dtype = dtype};
    if (rows)
        tensor.shape[tensor.num_dims++] = rows;
    tensor.shape[tensor.num_dims++] = columns;
    tensor.bytes = (rows ? rows : 1) * columns * size;
    rmr_tensor *items = rmr_grow(q->kept.items, &q->kept.capacity,
                                 q->kept.count + 1, sizeof *items);
    if (!items)
        return rmr_fail_nomem(err, name);
    q->kept.items = items;
    tensor.name = rmr_strndup(name, strlen(name));
    void *copy = rmr_malloc(tensor.bytes);
    if (!tensor.name || !copy) {
        rmr_free(tensor.name);
        rmr_free(copy);
        return rmr_fail_nomem(err, name);
    }
    tensor.data = memcpy(copy, data, tensor.bytes);
    items[q->kept.count++] = tensor;
    return RMR_OK;
}

rmr_status rmr_quantizer_keep_bf16(rmr_quantizer *q, const char *name,
                                   uint64_t rows, uint64_t columns,
                                   const float *values, rmr_error *err)
{
    uint16_t *narrow = rmr_malloc_array(rows * columns, sizeof *narrow);
    if (!narrow)
        return rmr_fail_nomem(err, name);
    rmr_narrow_bf16(rows * columns, values, narrow);
    rmr_status status =
        rmr_quantizer_keep(q, name, "BF16", rows, columns, narrow, err);
    rmr_free(narrow);
    return status;
}

static int is_kept(const rmr_quantizer *q, const char *name)
{
    for (size_t i = 0; i < q->kept.count; i++) {
        if (strcmp(q->kept.items[i].name, name) == 0)
            return 1;
    }
    return 0;
}

/* The tensors of the new directory: those kept, and the source's others. They
 * own nothing. */
static rmr_status list_tensors(rmr_tensor_list *list, const rmr_quantizer *q,
                               const rmr_weights *weights, rmr_error *err)
{
    const rmr_tensor *tensor;
    size_t others = 0;
    while (rmr_weights_tensor(weights, others))
        others++;
    list->items = rmr_malloc_array(q->kept.count + others, sizeof *list->items);
    if (!list->items)
        return rmr_fail_nomem(err, "tensors");
    if (q->kept.count)
        memcpy(list->items, q->kept.items, q->kept.count * sizeof *list->items);
    list->count = q->kept.count;
    for (size_t i = 0; (tensor = rmr_weights_tensor(weights, i)); i++) {
        if (!is_kept(q, tensor->name))
            list->items[list->count++] = *tensor;
    }
    return RMR_OK;
}

/* Binds the source's weights in the new type, by which `q` gets them. */
static rmr_status bind_anew(rmr_quantizer *q, const rmr_model *model,
                            rmr_weights *weights, rmr_dtype dtype,
                            rmr_error *err)
{
    void *bound;
    rmr_weights_set_quantizer(weights, q);
    rmr_status status = model->arch->bind(&bound, model->arch, &model->config,
                                          weights, &model->kern, dtype, err);
    rmr_weights_set_quantizer(weights, NULL);
    if (!status)
        model->arch->unbind(bound);
    return status;
}

static rmr_status quantize(rmr_quantizer *q, const rmr_model *model,
                           const char *directory,
                           const rmr_quantize_options *options, rmr_error *err)
{
    rmr_weights *weights = NULL;
    rmr_tensor_list list = {0};
    rmr_status status = RMR_OK;
    if (options->dtype == RMR_DTYPE_INT4)
        status = calibrate(q, model, options, err);
    if (!status)
        status = rmr_weights_open(&weights, model->path, NULL, err);
    if (!status)
        status = bind_anew(q, model, weights, options->dtype, err);
    if (!status)
        status = list_tensors(&list, q, weights, err);
    if (!status)
        status = rmr_directory_write(directory, model->path, &list,
                                     options->dtype, err);
    rmr_free(list.items);
    rmr_weights_close(weights);
    return status;
}

static rmr_status check(const rmr_model *model, const char *path,
                        const rmr_quantize_options *options, rmr_error *err)
{
    if (options->dtype != RMR_DTYPE_BF16 && options->dtype != RMR_DTYPE_INT8 &&
        options->dtype != RMR_DTYPE_INT4)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "weights are quantized to bf16, int8 or int4");
    if (model->config.is_quantized)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s is quantized already, to %s", path,
                        rmr_dtype_name(model->config.stored_dtype));
    return RMR_OK;
}

rmr_status rmr_model_quantize(const char *path, const char *directory,
                              const rmr_quantize_options *options,
                              rmr_error *err)
{
    rmr_quantize_options full;
    rmr_model_options exact;
    rmr_quantizer q = {.err = err};
    rmr_model *model;
    int is_answer = 0;
    rmr_quantize_options_init(&full);
    rmr_read_options(&full, options);
    rmr_model_options_init(&exact);
    int is_sparse = 0;
    rmr_status status = rmr_directory_check_absent(directory, err);
    if (!status)
        status = rmr_answer_find(&is_answer, path, err);
    if (!status)
        status = rmr_config_find_sparse(&is_sparse, path, err);
    if (is_answer) /* what modules.json describes is no embedder */
        exact.task = RMR_TASK_CLASSIFY;
    if (is_sparse) /* its modules are of no vectors; masks are not asked for */
        exact.task = RMR_TASK_FILL_MASK;
    if (!status)
        status = rmr_model_load(&model, path, &exact, NULL, err);
    if (status)
        return status;
    status = check(model, path, &full, err);
    if (!status && model->config.is_static)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s has a table and no layers: open it in that dtype "
                          "instead",
                          path);
    if (!status)
        status = quantize(&q, model, directory, &full, err);
    free_quantizer(&q);
    rmr_model_unload(model);
    return status;
}
