/*
 * safetensors.c - finds, maps, checks and converts the weights of a model. It
 * must never unpickle anything, and never give out a value that is not finite.
 */
#include "common/model/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/sha256.h"
#include "common/model/adapter.h"
#include "common/model/safetensors_header.h"
#include "common/model/shared.h"

/* A mapped weights file. */
typedef struct shard {
    char *path;
    rmr_file file;
} shard;

/* Values made from tensors. */
typedef struct block {
    float *values;
    size_t bytes;
} block;

struct rmr_weights {
    char *directory;
    shard *shards; /* [num_shards] */
    size_t num_shards;
    size_t shards_capacity;
    int sharded;             /* through an index */
    rmr_tensor_list tensors; /* sorted by name */
    block *blocks;           /* [num_blocks] */
    size_t num_blocks;
    size_t blocks_capacity;
    char *room; /* for what is packed next, at the end of a block, */
    size_t room_left;
    uint64_t num_parameters;
    uint64_t bytes;
    struct rmr_quantizer *quantizer;
    struct rmr_adapter *adapter;
    struct rmr_shared *shared;
};

void rmr_weights_close(rmr_weights *weights)
{
    if (!weights)
        return;
    rmr_shared_release(weights->shared);
    for (size_t i = 0; i < weights->num_blocks; i++)
        rmr_free(weights->blocks[i].values);
    for (size_t i = 0; i < weights->num_shards; i++) {
        rmr_file_unmap(&weights->shards[i].file);
        rmr_free(weights->shards[i].path);
    }
    rmr_tensor_list_free(&weights->tensors);
    rmr_free(weights->blocks);
    rmr_free(weights->shards);
    rmr_free(weights->directory);
    rmr_free(weights);
}

/* Says in *found whether directory/name is there. Errors: NOMEM. */
static rmr_status look_for(const char *directory, const char *name, int *found,
                           rmr_error *err)
{
    char *path = rmr_path_join(directory, name);
    *found = path && access(path, F_OK) == 0;
    if (!path)
        return rmr_fail_nomem(err, name);
    rmr_free(path);
    return RMR_OK;
}

/* Maps directory/name and lists its tensors. */
static rmr_status add_shard(rmr_weights *weights, const char *name,
                            rmr_error *err)
{
    shard *shards = rmr_grow(weights->shards, &weights->shards_capacity,
                             weights->num_shards + 1, sizeof *shards);
    if (!shards)
        return rmr_fail_nomem(err, name);
    weights->shards = shards;
    char *path = rmr_path_join(weights->directory, name);
    if (!path)
        return rmr_fail_nomem(err, name);
    shard *added = &shards[weights->num_shards++];
    added->path = path;
    rmr_status status = rmr_file_map(&added->file, path, err);
    if (status)
        return status;
    return rmr_safetensors_list(&weights->tensors, added->file.data,
                                added->file.size, path, err);
}

static int has_shard(const rmr_weights *weights, const char *name)
{
    for (size_t i = 0; i < weights->num_shards; i++) {
        const char *base = strrchr(weights->shards[i].path, '/');
        if (base && strcmp(base + 1, name) == 0)
            return 1;
    }
    return 0;
}

/* Adds every file that the index's weight_map names, once. */
static rmr_status add_index(rmr_weights *weights, const char *path,
                            const json_t *root, rmr_error *err)
{
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"weight_map\" must be an object that is not "
                        "empty",
                        path);
    }
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!name || strlen(name) != json_string_length(value) || !*name ||
            strchr(name, '/') || !rmr_path_is_inside(name)) {
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: \"weight_map\" must give \"%s\" the name of a "
                            "file in the same directory",
                            path, tensor);
        }
        if (has_shard(weights, name))
            continue;
        rmr_status status = add_shard(weights, name, err);
        if (status)
            return status;
    }
    return RMR_OK;
}

static rmr_status open_index(rmr_weights *weights, rmr_error *err)
{
    char *path =
        rmr_path_join(weights->directory, "model.safetensors.index.json");
    if (!path)
        return rmr_fail_nomem(err, weights->directory);
    json_t *root;
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (!status) {
        status = add_index(weights, path, root, err);
        json_decref(root);
    }
    rmr_free(path);
    return status;
}

static rmr_status fail_no_weights(const char *directory, rmr_error *err)
{
    static const char *const pickles[] = {"pytorch_model.bin",
                                          "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++) {
        int found;
        rmr_status status = look_for(directory, pickles[i], &found, err);
        if (status)
            return status;
        if (found) {
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s has only pytorch_model.bin, a pickle, which "
                            "can run code and is refused: convert it with "
                            "AutoModel.from_pretrained(DIR)"
                            ".save_pretrained(DIR), which writes "
                            "model.safetensors",
                            directory);
        }
    }
    return rmr_fail(err, RMR_ERR_IO,
                    "%s has no model.safetensors and no "
                    "model.safetensors.index.json",
                    directory);
}

rmr_status rmr_weights_check_sha256(const rmr_weights *weights,
                                    const char *expected, rmr_error *err)
{
    if (weights->sharded) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s has sharded weights, for which sha256 cannot be "
                        "given",
                        weights->directory);
    }
    const rmr_weights *adapter =
        weights->adapter ? rmr_adapter_weights(weights->adapter) : NULL;
    const shard *only = &weights->shards[0];
    const shard *other = adapter ? &adapter->shards[0] : NULL;
    const rmr_file files[] = {only->file, other ? other->file : (rmr_file){0}};
    char actual[RMR_SHA256_HEX];
    rmr_status status = rmr_sha256_files_hex(files, 2, actual, err);
    if (status || strcasecmp(actual, expected) == 0)
        return status;
    return rmr_fail(err, RMR_ERR_RANGE,
                    "%s%s%s has SHA-256 %s, not %s as was asked for",
                    only->path, other ? " followed by " : "",
                    other ? other->path : "", actual, expected);
}

static rmr_status open_files(rmr_weights *weights, rmr_error *err)
{
    const char *directory = weights->directory;
    int found;
    rmr_status status = look_for(directory, "model.safetensors", &found, err);
    if (!status && found)
        return add_shard(weights, "model.safetensors", err);
    if (!status)
        status =
            look_for(directory, "model.safetensors.index.json", &found, err);
    if (status)
        return status;
    if (!found)
        return fail_no_weights(directory, err);
    weights->sharded = 1;
    return open_index(weights, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const rmr_tensor *)a)->name, ((const rmr_tensor *)b)->name);
}

/* Sorts by name; a name may stand in one shard only. */
static rmr_status sort_tensors(rmr_tensor_list *list, rmr_error *err)
{
    qsort(list->items, list->count, sizeof *list->items, by_name);
    for (size_t i = 1; i < list->count; i++) {
        if (by_name(&list->items[i - 1], &list->items[i]) == 0) {
            return rmr_fail(err, RMR_ERR_FORMAT,
                            "%s: tensor \"%s\" is in another shard too",
                            list->items[i].file, list->items[i].name);
        }
    }
    return RMR_OK;
}

/* By open_files, or another that finds them. */
static rmr_status open_weights(rmr_weights **out, const char *directory,
                               rmr_status (*open)(rmr_weights *, rmr_error *),
                               const char *sha256, rmr_error *err)
{
    *out = NULL;
    rmr_weights *weights = rmr_calloc(1, sizeof *weights);
    if (!weights)
        return rmr_fail_nomem(err, "weights");
    rmr_status status;
    weights->directory = rmr_strndup(directory, strlen(directory));
    if (weights->directory)
        status = open(weights, err);
    else
        status = rmr_fail_nomem(err, "weights");
    if (!status && sha256)
        status = rmr_weights_check_sha256(weights, sha256, err);
    if (!status)
        status = sort_tensors(&weights->tensors, err);
    if (status) {
        rmr_weights_close(weights);
        return status;
    }
    *out = weights;
    return RMR_OK;
}

rmr_status rmr_weights_open(rmr_weights **out, const char *directory,
                            const char *sha256, rmr_error *err)
{
    return open_weights(out, directory, open_files, sha256, err);
}

static rmr_status open_adapter(rmr_weights *weights, rmr_error *err)
{
    static const char name[] = "adapter_model.safetensors";
    int is_pickle = 0, found;
    rmr_status status = look_for(weights->directory, name, &found, err);
    if (!status && !found)
        status =
            look_for(weights->directory, "adapter_model.bin", &is_pickle, err);
    if (status)
        return status;
    if (is_pickle)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s has only adapter_model.bin, a pickle, which can "
                        "run code and is refused: save it again with PEFT, "
                        "which writes %s",
                        weights->directory, name);
    return add_shard(weights, name, err);
}

rmr_status rmr_weights_open_adapter(rmr_weights **out, const char *directory,
                                    rmr_error *err)
{
    return open_weights(out, directory, open_adapter, NULL, err);
}

static const rmr_tensor *find(const rmr_weights *weights, const char *name)
{
    rmr_tensor key = {.name = (char *)name};
    return bsearch(&key, weights->tensors.items, weights->tensors.count,
                   sizeof key, by_name);
}

/* Puts a tensor that may be there, of those `sorted`, or adds it. */
static rmr_status put(rmr_weights *weights, size_t sorted,
                      const rmr_tensor *tensor, rmr_error *err)
{
    rmr_tensor_list *list = &weights->tensors;
    rmr_tensor *there =
        bsearch(tensor, list->items, sorted, sizeof *list->items, by_name);
    if (there && there->file == tensor->file)
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: two tensors are for the model's \"%s\"",
                        tensor->file, tensor->name);
    if (!there) {
        rmr_tensor *items = rmr_grow(list->items, &list->capacity,
                                     list->count + 1, sizeof *items);
        char *name = rmr_strndup(tensor->name, strlen(tensor->name));
        if (items)
            list->items = items;
        if (!items || !name) {
            rmr_free(name);
            return rmr_fail_nomem(err, tensor->name);
        }
        there = &items[list->count++];
        there->name = name;
    }
    char *name = there->name;
    *there = *tensor;
    there->name = name;
    return RMR_OK;
}

rmr_status rmr_weights_replace(rmr_weights *weights, const rmr_tensor *tensors,
                               size_t count, rmr_error *err)
{
    size_t sorted = weights->tensors.count;
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = put(weights, sorted, &tensors[i], err);
    return status ? status : sort_tensors(&weights->tensors, err);
}

int rmr_weights_has(const rmr_weights *weights, const char *name)
{
    return find(weights, name) != NULL;
}

uint64_t rmr_weights_rows(const rmr_weights *weights, const char *name)
{
    const rmr_tensor *tensor = find(weights, name);
    return tensor && tensor->num_dims ? tensor->shape[0] : 0;
}

enum { SHAPE_CHARS = RMR_TENSOR_MAX_DIMS * 24 };

static const char *shape_text(size_t num_dims, const uint64_t *shape,
                              char text[SHAPE_CHARS])
{
    size_t len = 0;
    *text = '\0';
    for (size_t i = 0; i < num_dims; i++)
        len += (size_t)snprintf(text + len, SHAPE_CHARS - len, "%s%llu",
                                i ? ", " : "", (unsigned long long)shape[i]);
    return text;
}

/* A width of 0: a matrix, or where there are no rows either, a vector. */
static rmr_status check_shape(const rmr_tensor *tensor, uint64_t rows,
                              uint64_t columns, uint64_t width, rmr_error *err)
{
    const uint64_t full[] = {rows, columns, width};
    const uint64_t *asked = rows ? full : full + 1;
    size_t num_dims = rows ? 2 + (width != 0) : 1;
    char expected[SHAPE_CHARS], actual[SHAPE_CHARS];
    if (tensor->num_dims == num_dims &&
        memcmp(tensor->shape, asked, num_dims * sizeof *asked) == 0)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_FORMAT,
                    "%s: tensor \"%s\" has the shape [%s] where config.json "
                    "asks for [%s]",
                    tensor->file, tensor->name,
                    shape_text(tensor->num_dims, tensor->shape, actual),
                    shape_text(num_dims, asked, expected));
}

static float bits_to_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float bf16_to_float(uint16_t half)
{
    return bits_to_float((uint32_t)half << 16);
}

/* IEEE 754 binary16, subnormals included. */
static float f16_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return bits_to_float(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return bits_to_float(sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float)fraction / 16777216.0f;
    return sign ? -value : value;
}

static void convert_values(const rmr_tensor *tensor, size_t count,
                           float *values)
{
    if (strcmp(tensor->dtype, "F32") == 0) {
        memcpy(values, tensor->data, count * sizeof *values);
        return;
    }
    int bf16 = strcmp(tensor->dtype, "BF16") == 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, (const char *)tensor->data + 2 * i, sizeof half);
        values[i] = bf16 ? bf16_to_float(half) : f16_to_float(half);
    }
}

/* A block of memory that is freed with the weights; `counted` of it are in use.
 */
static void *add_block(rmr_weights *weights, void *(*allocate)(size_t),
                       size_t bytes, size_t counted)
{
    block *blocks = rmr_grow(weights->blocks, &weights->blocks_capacity,
                             weights->num_blocks + 1, sizeof *blocks);
    if (!blocks)
        return NULL;
    weights->blocks = blocks;
    void *values = allocate(bytes);
    if (!values)
        return NULL;
    blocks[weights->num_blocks++] = (block){values, counted};
    weights->bytes += counted;
    return values;
}

float *rmr_weights_alloc(rmr_weights *weights, size_t count)
{
    size_t bytes;
    if (!rmr_mul_size(count, sizeof(float), &bytes))
        return NULL;
    return add_block(weights, rmr_malloc_aligned, bytes, bytes);
}

void *rmr_weights_alloc_packed(rmr_weights *weights, size_t bytes)
{
    enum { ALIGNMENT = 64, BLOCK = 8 * RMR_HUGE_PAGE };
    size_t rounded;
    if (!rmr_add_size(bytes, ALIGNMENT - 1, &rounded))
        return NULL;
    rounded = rounded / ALIGNMENT * ALIGNMENT;
    if (!weights->room || rounded > weights->room_left) {
        size_t size = rounded < BLOCK ? BLOCK : rounded;
        char *room = add_block(weights, rmr_malloc_huge, size, 0);
        if (!room)
            return NULL;
        weights->room = room;
        weights->room_left = size;
    }
    void *packed = weights->room;
    weights->room += rounded;
    weights->room_left -= rounded;
    weights->bytes += bytes;
    return packed;
}

void rmr_weights_drop(const void *data, size_t bytes)
{
    /* The pages that lie wholly inside. */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)data + bytes) / page * page;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void rmr_weights_forget(rmr_weights *weights, const float *values, size_t count)
{
    for (size_t i = weights->num_blocks; i-- > 0;) {
        block *b = &weights->blocks[i];
        if (b->values != values)
            continue;
        weights->bytes -= b->bytes;
        rmr_free(b->values);
        *b = weights->blocks[--weights->num_blocks];
        return;
    }
    weights->bytes -= count * sizeof *values;
    rmr_weights_drop(values, count * sizeof *values);
}

static rmr_status check_dtype(const rmr_tensor *tensor, rmr_error *err)
{
    const char *dtype = tensor->dtype;
    if (strcmp(dtype, "F32") == 0 || strcmp(dtype, "F16") == 0 ||
        strcmp(dtype, "BF16") == 0)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: tensor \"%s\" has the dtype %s, not F32, F16 or BF16",
                    tensor->file, tensor->name, dtype);
}

/* The tensor's values where they are, when that can be; else a copy. */
static rmr_status map_or_convert(rmr_weights *weights, const rmr_tensor *tensor,
                                 size_t count, const float **out,
                                 rmr_error *err)
{
    int f32 = strcmp(tensor->dtype, "F32") == 0;
    rmr_status status = check_dtype(tensor, err);
    if (status)
        return status;
    if (f32 && (uintptr_t)tensor->data % sizeof(float) == 0) {
        *out = tensor->data;
        weights->bytes += tensor->bytes;
        return RMR_OK;
    }
    float *values = rmr_weights_alloc(weights, count);
    if (!values)
        return rmr_fail_nomem(err, tensor->name);
    convert_values(tensor, count, values);
    *out = values;
    return RMR_OK;
}

/* All exponents bits set is NaN or infinity; the loop has no branch so that it
 * runs at the speed of memory. */
static int all_finite(const float *values, size_t count)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !bad;
}

const char *rmr_weights_file(const rmr_weights *weights, const char *name)
{
    const rmr_tensor *tensor = find(weights, name);
    return tensor ? tensor->file : weights->shards[0].path;
}

/* The tensor that must be there, with that shape. */
static rmr_status find_shaped(const rmr_weights *weights, const char *name,
                              uint64_t rows, uint64_t columns, uint64_t width,
                              const rmr_tensor **out, rmr_error *err)
{
    *out = find(weights, name);
    if (!*out) {
        return rmr_fail(err, RMR_ERR_FORMAT, "%s: tensor \"%s\" is missing",
                        rmr_weights_file(weights, name), name);
    }
    return check_shape(*out, rows, columns, width, err);
}

/* Values of a tensor that are given out. */
static rmr_status take(rmr_weights *weights, const rmr_tensor *tensor,
                       const float *values, size_t count, rmr_error *err)
{
    if (!all_finite(values, count)) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: tensor \"%s\" holds NaN or infinity", tensor->file,
                        tensor->name);
    }
    weights->tensors.items[tensor - weights->tensors.items].was_read = 1;
    return RMR_OK;
}

rmr_status rmr_weights_f32(rmr_weights *weights, const char *name,
                           uint64_t rows, uint64_t columns, const float **out,
                           rmr_error *err)
{
    return rmr_weights_f32_wide(weights, name, rows, columns, 0, out, err);
}

rmr_status rmr_weights_f32_wide(rmr_weights *weights, const char *name,
                                uint64_t rows, uint64_t columns, uint64_t width,
                                const float **out, rmr_error *err)
{
    *out = NULL;
    const rmr_tensor *tensor;
    rmr_status status =
        find_shaped(weights, name, rows, columns, width, &tensor, err);
    if (status)
        return status;
    size_t count = (size_t)((rows ? rows : 1) * columns * (width ? width : 1));
    const float *values = NULL;
    status = map_or_convert(weights, tensor, count, &values, err);
    if (!status)
        status = take(weights, tensor, values, count, err);
    if (status)
        return status;
    weights->num_parameters += count;
    *out = values;
    return RMR_OK;
}

rmr_status rmr_weights_row(rmr_weights *weights, const char *name,
                           uint64_t rows, uint64_t columns, uint64_t row,
                           float *out, rmr_error *err)
{
    const rmr_tensor *tensor;
    rmr_status status =
        find_shaped(weights, name, rows, columns, 0, &tensor, err);
    if (!status)
        status = check_dtype(tensor, err);
    if (status)
        return status;
    rmr_tensor one = *tensor;
    one.data = (const char *)tensor->data + tensor->bytes / rows * row;
    convert_values(&one, columns, out);
    return take(weights, tensor, out, columns, err);
}

const char *rmr_weights_dtype(const rmr_weights *weights, const char *name)
{
    const rmr_tensor *tensor = find(weights, name);
    return tensor ? tensor->dtype : NULL;
}

rmr_status rmr_weights_raw(const rmr_weights *weights, const char *name,
                           const char *dtype, uint64_t rows, uint64_t columns,
                           const void **out, rmr_error *err)
{
    const rmr_tensor *tensor;
    rmr_status status =
        find_shaped(weights, name, rows, columns, 0, &tensor, err);
    if (status)
        return status;
    if (strcmp(tensor->dtype, dtype) != 0) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: tensor \"%s\" has the dtype %s, not %s",
                        tensor->file, name, tensor->dtype, dtype);
    }
    *out = tensor->data;
    return RMR_OK;
}

void rmr_weights_count(rmr_weights *weights, int64_t parameters, int64_t bytes)
{
    weights->num_parameters += (uint64_t)parameters;
    weights->bytes += (uint64_t)bytes;
}

const rmr_tensor *rmr_weights_tensor(const rmr_weights *weights, size_t index)
{
    return index < weights->tensors.count ? &weights->tensors.items[index]
                                          : NULL;
}

int rmr_weights_was_read(const rmr_weights *weights, const char *name)
{
    const rmr_tensor *tensor = find(weights, name);
    return tensor && tensor->was_read;
}

void rmr_weights_set_adapter(rmr_weights *weights, struct rmr_adapter *adapter)
{
    weights->adapter = adapter;
}

struct rmr_adapter *rmr_weights_adapter(const rmr_weights *weights)
{
    return weights->adapter;
}

void rmr_weights_set_shared(rmr_weights *weights, rmr_shared *shared)
{
    weights->shared = shared;
}

rmr_shared *rmr_weights_shared(const rmr_weights *weights)
{
    return weights->shared;
}

void rmr_weights_set_quantizer(rmr_weights *weights,
                               struct rmr_quantizer *quantizer)
{
    weights->quantizer = quantizer;
}

struct rmr_quantizer *rmr_weights_quantizer(const rmr_weights *weights)
{
    return weights->quantizer;
}

uint64_t rmr_weights_num_parameters(const rmr_weights *weights)
{
    return weights->num_parameters;
}

uint64_t rmr_weights_bytes(const rmr_weights *weights)
{
    return weights->bytes;
}
