/*
 * adapter.c - finds for each tensor of an adapter what it is for, and adds
 * products to weights. It must never pass over a tensor.
 */
#include "common/model/adapter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/model/adapter_config.h"
#include "common/model/safetensors_header.h"

static const char root[] = "base_model.model.";
static const char a_end[] = ".lora_A.weight";
static const char b_end[] = ".lora_B.weight";
enum { END = sizeof a_end - 1, ROOT = sizeof root - 1 };

/* A and B of a layer. */
typedef struct pair {
    const char *a, *b;  /* the tensors' names; b is NULL until it is found */
    const char *module; /* without a prefix, [len] */
    size_t len;
    uint32_t rank;
    double scale;
    int is_used;
} pair;

/* A whole tensor: what it is called here, and by the model. */
typedef struct whole {
    const rmr_tensor *tensor;
    char *base; /* owned */
} whole;

struct rmr_adapter {
    char *directory;
    rmr_weights *weights; /* its own */
    rmr_weights *base;    /* the model's */
    const char *const *prefixes;
    pair *pairs; /* [num_pairs] */
    size_t num_pairs, pairs_capacity;
    whole *wholes; /* [num_wholes] */
    size_t num_wholes, wholes_capacity;
};

void rmr_adapter_close(rmr_adapter *adapter)
{
    if (!adapter)
        return;
    for (size_t i = 0; i < adapter->num_wholes; i++)
        rmr_free(adapter->wholes[i].base);
    rmr_weights_close(adapter->weights);
    rmr_free(adapter->wholes);
    rmr_free(adapter->pairs);
    rmr_free(adapter->directory);
    rmr_free(adapter);
}

const rmr_weights *rmr_adapter_weights(const rmr_adapter *adapter)
{
    return adapter->weights;
}

const char *rmr_adapter_directory(const rmr_adapter *adapter)
{
    return adapter->directory;
}

/* A name without the first prefix that it has. */
static const char *without_prefix(const rmr_adapter *adapter, const char *name)
{
    for (size_t i = 0; *adapter->prefixes[i]; i++) {
        size_t len = strlen(adapter->prefixes[i]);
        if (strncmp(name, adapter->prefixes[i], len) == 0)
            return name + len;
    }
    return name;
}

static int ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), tail = strlen(end);
    return len > tail && strcmp(name + len - tail, end) == 0;
}

static rmr_status fail_tensor(const rmr_adapter *adapter, rmr_status status,
                              const char *name, const char *why, rmr_error *err)
{
    return rmr_fail(err, status, "%s: tensor \"%s\" %s",
                    rmr_weights_file(adapter->weights, name), name, why);
}

/* -------------------------------------------------------------------- pairs
 */

static rmr_status add_a(rmr_adapter *adapter, const char *name,
                        const rmr_adapter_config *config, rmr_error *err)
{
    pair added = {.a = name};
    const char *module = name + ROOT;
    size_t len = strlen(module) - END;
    pair *pairs = rmr_grow(adapter->pairs, &adapter->pairs_capacity,
                           adapter->num_pairs + 1, sizeof *pairs);
    if (!pairs)
        return rmr_fail_nomem(err, name);
    adapter->pairs = pairs;
    rmr_adapter_config_find(config, module, len, &added.rank, &added.scale);
    added.module = without_prefix(adapter, module);
    added.len = len - (size_t)(added.module - module);
    pairs[adapter->num_pairs++] = added;
    return RMR_OK;
}

/* In the order of their names its A is the last one. */
static rmr_status add_b(rmr_adapter *adapter, const char *name, rmr_error *err)
{
    size_t stem = strlen(name) - END;
    pair *last =
        adapter->num_pairs ? &adapter->pairs[adapter->num_pairs - 1] : NULL;
    if (!last || strlen(last->a) != stem + END ||
        strncmp(last->a, name, stem) != 0)
        return fail_tensor(adapter, RMR_ERR_FORMAT, name,
                           "has no lora_A.weight beside it", err);
    last->b = name;
    return RMR_OK;
}

static rmr_status check_pairs(const rmr_adapter *adapter, rmr_error *err)
{
    for (size_t i = 0; i < adapter->num_pairs; i++) {
        if (!adapter->pairs[i].b)
            return fail_tensor(adapter, RMR_ERR_FORMAT, adapter->pairs[i].a,
                               "has no lora_B.weight beside it", err);
    }
    return RMR_OK;
}

/* ------------------------------------------------------------ whole tensors
 */

/* What the model calls the tensor that is called `name` here, allocated: with
 * another prefix where it is there by that, else the same. */
static char *base_name(const rmr_adapter *adapter, const char *name)
{
    const char *rest = without_prefix(adapter, name);
    char *found = NULL;
    for (size_t i = 0;; i++) {
        const char *prefix = adapter->prefixes[i];
        size_t size = strlen(prefix) + strlen(rest) + 1;
        found = rmr_malloc(size);
        if (!found)
            return NULL;
        snprintf(found, size, "%s%s", prefix, rest);
        if (rmr_weights_has(adapter->base, found))
            return found;
        rmr_free(found);
        if (!*prefix)
            return rmr_strndup(name, strlen(name));
    }
}

static rmr_status add_whole(rmr_adapter *adapter, const rmr_tensor *tensor,
                            rmr_error *err)
{
    whole *wholes = rmr_grow(adapter->wholes, &adapter->wholes_capacity,
                             adapter->num_wholes + 1, sizeof *wholes);
    if (!wholes)
        return rmr_fail_nomem(err, tensor->name);
    adapter->wholes = wholes;
    char *base = base_name(adapter, tensor->name + ROOT);
    if (!base)
        return rmr_fail_nomem(err, tensor->name);
    wholes[adapter->num_wholes++] = (whole){tensor, base};
    return RMR_OK;
}

/* Hands them all to the model's weights. */
static rmr_status put_wholes(rmr_adapter *adapter, rmr_error *err)
{
    size_t count = adapter->num_wholes;
    rmr_tensor *tensors = rmr_malloc_array(count, sizeof *tensors);
    if (!tensors)
        return rmr_fail_nomem(err, "an adapter");
    for (size_t i = 0; i < count; i++) {
        tensors[i] = *adapter->wholes[i].tensor;
        tensors[i].name = adapter->wholes[i].base;
    }
    rmr_status status = rmr_weights_replace(adapter->base, tensors, count, err);
    rmr_free(tensors);
    return status;
}

/* ------------------------------------------------------------------- opening
 */

static rmr_status add_tensor(rmr_adapter *adapter, const rmr_tensor *tensor,
                             const rmr_adapter_config *config, rmr_error *err)
{
    const char *name = tensor->name;
    if (strncmp(name, root, ROOT) != 0)
        return fail_tensor(adapter, RMR_ERR_FORMAT, name,
                           "is not called \"base_model.model. ...\", as PEFT "
                           "calls tensors",
                           err);
    if (ends_with(name + ROOT, a_end))
        return add_a(adapter, name, config, err);
    if (ends_with(name + ROOT, b_end))
        return add_b(adapter, name, err);
    if (strstr(name, ".lora_"))
        return fail_tensor(adapter, RMR_ERR_UNSUPPORTED, name,
                           "is not supported, only lora_A.weight and "
                           "lora_B.weight of linear layers",
                           err);
    return add_whole(adapter, tensor, err);
}

/* Sorts out all tensors. */
static rmr_status add_tensors(rmr_adapter *adapter, const char *directory,
                              rmr_error *err)
{
    const rmr_tensor *tensor;
    rmr_adapter_config config;
    rmr_status status = rmr_adapter_config_read(&config, directory, err);
    for (size_t i = 0;
         !status && (tensor = rmr_weights_tensor(adapter->weights, i)); i++)
        status = add_tensor(adapter, tensor, &config, err);
    if (!status)
        status = check_pairs(adapter, err);
    if (!status)
        status = put_wholes(adapter, err);
    rmr_adapter_config_free(&config);
    return status;
}

rmr_status rmr_adapter_open(rmr_adapter **out, const char *directory,
                            rmr_weights *weights, const char *const *prefixes,
                            rmr_error *err)
{
    *out = NULL;
    rmr_adapter *adapter = rmr_calloc(1, sizeof *adapter);
    if (!adapter)
        return rmr_fail_nomem(err, "an adapter");
    adapter->base = weights;
    adapter->prefixes = prefixes;
    adapter->directory = rmr_strndup(directory, strlen(directory));
    rmr_status status;
    if (adapter->directory)
        status = rmr_weights_open_adapter(&adapter->weights, directory, err);
    else
        status = rmr_fail_nomem(err, "an adapter");
    if (!status)
        status = add_tensors(adapter, directory, err);
    if (status) {
        rmr_adapter_close(adapter);
        return status;
    }
    rmr_weights_set_adapter(weights, adapter);
    *out = adapter;
    return RMR_OK;
}

/* ------------------------------------------------------------------- merging
 */

/* `name` is the module's, with ".weight" after it and perhaps a prefix. */
static pair *find_pair(const rmr_adapter *adapter, const char *name)
{
    const char *rest = without_prefix(adapter, name);
    for (size_t i = 0; i < adapter->num_pairs; i++) {
        pair *p = &adapter->pairs[i];
        if (strncmp(rest, p->module, p->len) == 0 &&
            strcmp(rest + p->len, ".weight") == 0)
            return p;
    }
    return NULL;
}

int rmr_adapter_changes(const rmr_adapter *adapter, const char *name)
{
    if (find_pair(adapter, name))
        return 1;
    for (size_t i = 0; i < adapter->num_wholes; i++) {
        if (strcmp(adapter->wholes[i].base, name) == 0)
            return 1;
    }
    return 0;
}

/* weight [rows, columns] += scale * b [rows, rank] a [rank, columns]; the
 * product's row in `sums`. 0 when a sum is not finite. */
static int add_product(const pair *p, const float *a, const float *b,
                       size_t rows, size_t columns, float *sums, float *weight)
{
    float scale = (float)p->scale;
    int finite = 1;
    for (size_t o = 0; o < rows; o++) {
        float *row = weight + o * columns;
        memset(sums, 0, columns * sizeof *sums);
        for (size_t k = 0; k < p->rank; k++) {
            float factor = b[o * p->rank + k];
            for (size_t i = 0; i < columns; i++)
                sums[i] += factor * a[k * columns + i];
        }
        for (size_t i = 0; i < columns; i++) {
            row[i] += scale * sums[i];
            finite &= isfinite(row[i]) != 0;
        }
    }
    return finite;
}

rmr_status rmr_adapter_merge(rmr_adapter *adapter, const char *name,
                             size_t rows, size_t columns, float *weight,
                             rmr_error *err)
{
    pair *p = find_pair(adapter, name);
    const float *a, *b;
    if (!p)
        return RMR_OK;
    p->is_used = 1;
    rmr_status status =
        rmr_weights_f32(adapter->weights, p->a, p->rank, columns, &a, err);
    if (!status)
        status =
            rmr_weights_f32(adapter->weights, p->b, rows, p->rank, &b, err);
    if (status)
        return status;
    float *sums = rmr_malloc_array(columns, sizeof *sums);
    if (!sums)
        return rmr_fail_nomem(err, name);
    if (!add_product(p, a, b, rows, columns, sums, weight))
        status = fail_tensor(adapter, RMR_ERR_RANGE, p->b,
                             "makes weights that are not finite", err);
    rmr_free(sums);
    rmr_weights_forget(adapter->weights, a, p->rank * columns);
    rmr_weights_forget(adapter->weights, b, rows * p->rank);
    return status;
}

rmr_status rmr_adapter_check_used(const rmr_adapter *adapter, rmr_error *err)
{
    for (size_t i = 0; i < adapter->num_pairs; i++) {
        if (!adapter->pairs[i].is_used)
            return fail_tensor(adapter, RMR_ERR_FORMAT, adapter->pairs[i].a,
                               "is of no linear layer that the model runs",
                               err);
    }
    for (size_t i = 0; i < adapter->num_wholes; i++) {
        const whole *w = &adapter->wholes[i];
        if (!rmr_weights_was_read(adapter->base, w->base))
            return fail_tensor(adapter, RMR_ERR_FORMAT, w->tensor->name,
                               "is none that the model reads", err);
    }
    return RMR_OK;
}
