/*
 * safetensors_header.c - reads and distrusts the header of a safetensors file.
 * It must never let a tensor point outside its file.
 */
#include "common/model/safetensors_header.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

enum { MAX_HEADER = 100 * 1000 * 1000 }; /* the reference's own limit */

static const struct {
    const char *name;
    unsigned bits;
} dtypes[] = {
    {"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6},
    {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},     {"F8_E4M3", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},        {"BF16", 16},       {"I32", 32},
    {"U32", 32},    {"F32", 32},        {"C64", 64},        {"F64", 64},
    {"I64", 64},    {"U64", 64},
};

/* The file being read, for the functions below. */
typedef struct header {
    const char *path;
    const char *data; /* first byte after the header */
    uint64_t size;    /* bytes there */
    rmr_error *err;
} header;

static rmr_status read_dtype(const header *h, rmr_tensor *tensor,
                             const json_t *value, unsigned *bits)
{
    const char *name = json_string_value(value);
    for (size_t i = 0; name && i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            tensor->dtype = dtypes[i].name;
            *bits = dtypes[i].bits;
            return RMR_OK;
        }
    }
    return rmr_fail(h->err, RMR_ERR_FORMAT,
                    "%s: tensor \"%s\" has no dtype that is known", h->path,
                    tensor->name);
}

/* Fills the shape; *bytes is what shape and dtype need. */
static rmr_status read_shape(const header *h, rmr_tensor *tensor,
                             const json_t *value, unsigned bits,
                             uint64_t *bytes)
{
    size_t dims = json_array_size(value);
    if (!json_is_array(value) || dims > RMR_TENSOR_MAX_DIMS) {
        return rmr_fail(h->err, RMR_ERR_FORMAT,
                        "%s: the shape of tensor \"%s\" must be an array of at "
                        "most %d whole numbers",
                        h->path, tensor->name, RMR_TENSOR_MAX_DIMS);
    }
    uint64_t total = bits;
    for (size_t i = 0; i < dims; i++) {
        const json_t *dim = json_array_get(value, i);
        json_int_t length = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (length < 0 ||
            __builtin_mul_overflow(total, (uint64_t)length, &total)) {
            return rmr_fail(h->err, RMR_ERR_FORMAT,
                            "%s: the shape of tensor \"%s\" is absurd", h->path,
                            tensor->name);
        }
        tensor->shape[i] = (uint64_t)length;
    }
    if (total % 8 != 0) {
        return rmr_fail(
            h->err, RMR_ERR_FORMAT,
            "%s: the shape of tensor \"%s\" does not end at a whole "
            "byte",
            h->path, tensor->name);
    }
    tensor->num_dims = dims;
    *bytes = total / 8;
    return RMR_OK;
}

static rmr_status read_offsets(const header *h, rmr_tensor *tensor,
                               const json_t *value, uint64_t bytes)
{
    const json_t *first = json_array_get(value, 0);
    const json_t *last = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(first) ||
        !json_is_integer(last)) {
        return rmr_fail(h->err, RMR_ERR_FORMAT,
                        "%s: the data_offsets of tensor \"%s\" must be two "
                        "whole numbers",
                        h->path, tensor->name);
    }
    json_int_t begin = json_integer_value(first);
    json_int_t end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > h->size) {
        return rmr_fail(h->err, RMR_ERR_FORMAT,
                        "%s: tensor \"%s\" lies outside the file, which is cut "
                        "short or damaged",
                        h->path, tensor->name);
    }
    if ((uint64_t)(end - begin) != bytes) {
        return rmr_fail(h->err, RMR_ERR_FORMAT,
                        "%s: tensor \"%s\" has %lld bytes where its shape and "
                        "dtype need %llu",
                        h->path, tensor->name, (long long)(end - begin),
                        (unsigned long long)bytes);
    }
    tensor->begin = (uint64_t)begin;
    tensor->data = h->data + begin;
    tensor->bytes = bytes;
    return RMR_OK;
}

static rmr_status read_tensor(const header *h, rmr_tensor *tensor,
                              const json_t *entry)
{
    unsigned bits = 0;
    uint64_t bytes = 0;
    rmr_status status =
        read_dtype(h, tensor, json_object_get(entry, "dtype"), &bits);
    if (!status)
        status = read_shape(h, tensor, json_object_get(entry, "shape"), bits,
                            &bytes);
    if (!status)
        status = read_offsets(h, tensor, json_object_get(entry, "data_offsets"),
                              bytes);
    return status;
}

static rmr_status append_tensor(const header *h, rmr_tensor_list *list,
                                const char *name, const json_t *entry)
{
    rmr_tensor *items =
        rmr_grow(list->items, &list->capacity, list->count + 1, sizeof *items);
    if (!items)
        return rmr_fail_nomem(h->err, h->path);
    list->items = items;
    rmr_tensor *tensor = &items[list->count];
    memset(tensor, 0, sizeof *tensor);
    tensor->file = h->path;
    tensor->name = rmr_strndup(name, strlen(name));
    if (!tensor->name)
        return rmr_fail_nomem(h->err, h->path);
    list->count++;
    return read_tensor(h, tensor, entry);
}

static int by_begin(const void *a, const void *b)
{
    const rmr_tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The file's tensors must follow each other without overlap or hole. */
static rmr_status check_layout(const header *h, rmr_tensor *items, size_t count)
{
    uint64_t end = 0;
    if (count)
        qsort(items, count, sizeof *items, by_begin);
    for (size_t i = 0; i < count; i++) {
        if (items[i].begin != end) {
            return rmr_fail(h->err, RMR_ERR_FORMAT, "%s: tensor \"%s\" %s",
                            h->path, items[i].name,
                            items[i].begin < end ? "overlaps another"
                                                 : "follows a hole");
        }
        end += items[i].bytes;
    }
    if (end == h->size)
        return RMR_OK;
    return rmr_fail(h->err, RMR_ERR_FORMAT,
                    "%s has %llu bytes of data that belong to no tensor",
                    h->path, (unsigned long long)(h->size - end));
}

/* Nothing is done with it, but the format says what it is. */
static rmr_status check_metadata(const header *h, json_t *metadata)
{
    const char *key;
    json_t *value;
    int good = json_is_object(metadata) || json_is_null(metadata);
    json_object_foreach(metadata, key, value) good &= json_is_string(value);
    if (good)
        return RMR_OK;
    return rmr_fail(h->err, RMR_ERR_FORMAT,
                    "%s: \"__metadata__\" must be an object of strings",
                    h->path);
}

static rmr_status list_tensors(const header *h, rmr_tensor_list *list,
                               json_t *root)
{
    if (!json_is_object(root)) {
        return rmr_fail(h->err, RMR_ERR_FORMAT,
                        "%s: the header must be a JSON object", h->path);
    }
    size_t first = list->count;
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry)
    {
        int is_metadata = strcmp(name, "__metadata__") == 0;
        rmr_status status = is_metadata ? check_metadata(h, entry)
                                        : append_tensor(h, list, name, entry);
        if (status)
            return status;
    }
    if (list->count == first) {
        return rmr_fail(h->err, RMR_ERR_FORMAT, "%s has no tensors", h->path);
    }
    return check_layout(h, list->items + first, list->count - first);
}

static uint64_t read_le64(const char *data)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | (unsigned char)data[i];
    return value;
}

rmr_status rmr_safetensors_list(rmr_tensor_list *list, const char *data,
                                size_t size, const char *path, rmr_error *err)
{
    if (size < 8) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s is too short to be a safetensors file", path);
    }
    uint64_t header_size = read_le64(data);
    if (header_size > size - 8 || header_size > MAX_HEADER) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: the header's length of %llu bytes exceeds %s, "
                        "so the file is cut short or is not safetensors",
                        path, (unsigned long long)header_size,
                        header_size > MAX_HEADER ? "what is allowed"
                                                 : "the file");
    }
    header h = {path, data + 8 + header_size, size - 8 - header_size, err};
    json_t *root;
    rmr_status status = rmr_json_load(&root, data + 8, header_size, path, err);
    if (status)
        return status;
    status = list_tensors(&h, list, root);
    json_decref(root);
    return status;
}

void rmr_tensor_list_free(rmr_tensor_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        rmr_free(list->items[i].name);
    rmr_free(list->items);
    memset(list, 0, sizeof *list);
}
