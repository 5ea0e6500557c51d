/*
 * directory.c - writes model directories. It must never write over anything,
 * nor leave half of what it was to write under the name that was asked for.
 */
#include "common/model/directory.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/json.h"

static rmr_status fail_io(const char *path, rmr_error *err)
{
    return rmr_fail(err, RMR_ERR_IO, "%s: %s", path, strerror(errno));
}

rmr_status rmr_directory_check_absent(const char *directory, rmr_error *err)
{
    struct stat st;
    if (lstat(directory, &st) == 0)
        return rmr_fail(err, RMR_ERR_IO, "%s exists already", directory);
    if (errno != ENOENT)
        return fail_io(directory, err);
    char *copy = rmr_strndup(directory, strlen(directory));
    if (!copy)
        return rmr_fail_nomem(err, directory);
    const char *parent = dirname(copy);
    rmr_status status = access(parent, W_OK) ? fail_io(parent, err) : RMR_OK;
    rmr_free(copy);
    return status;
}

/* ------------------------------------------------------------------- writing
 */

/* A file that is being written; the first failure is kept. */
typedef struct output {
    const char *path;
    FILE *file;
    int failed; /* an errno */
} output;

static void put(output *to, const void *data, size_t bytes)
{
    if (!to->failed && bytes && fwrite(data, 1, bytes, to->file) != bytes)
        to->failed = errno ? errno : EIO;
}

static rmr_status begin_output(output *to, const char *path, rmr_error *err)
{
    *to = (output){.path = path, .file = fopen(path, "wbx")};
    return to->file ? RMR_OK : fail_io(path, err);
}

static rmr_status end_output(output *to, rmr_error *err)
{
    if (!to->failed && (fflush(to->file) || fsync(fileno(to->file))))
        to->failed = errno;
    if (fclose(to->file) && !to->failed)
        to->failed = errno;
    errno = to->failed;
    return to->failed ? fail_io(to->path, err) : RMR_OK;
}

static rmr_status write_file(const char *path, const void *data, size_t bytes,
                             rmr_error *err)
{
    output to;
    rmr_status status = begin_output(&to, path, err);
    if (status)
        return status;
    put(&to, data, bytes);
    return end_output(&to, err);
}

static rmr_status copy_file(const char *from, const char *to, rmr_error *err)
{
    rmr_file file;
    rmr_status status = rmr_file_map(&file, from, err);
    if (!status)
        status = write_file(to, file.data, file.size, err);
    rmr_file_unmap(&file);
    return status;
}

/* ------------------------------------------------------------------- weights
 */

static uint64_t value_size(const rmr_tensor *tensor)
{
    uint64_t count = 1;
    for (size_t i = 0; i < tensor->num_dims; i++)
        count *= tensor->shape[i];
    return count ? tensor->bytes / count : 0;
}

/* Wider values first, so that all are aligned; then by name. */
static int by_size(const void *a, const void *b)
{
    uint64_t one = value_size(a), other = value_size(b);
    if (one != other)
        return one < other ? 1 : -1;
    return strcmp(((const rmr_tensor *)a)->name, ((const rmr_tensor *)b)->name);
}

/* The entry of a tensor in a header, or NULL when out of memory. */
static json_t *entry_of(const rmr_tensor *tensor, uint64_t begin)
{
    json_t *shape = json_array();
    int failed = !shape;
    for (size_t i = 0; i < tensor->num_dims && !failed; i++)
        failed = json_array_append_new(
            shape, json_integer((json_int_t)tensor->shape[i]));
    if (failed) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->dtype, "shape",
                     shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + tensor->bytes));
}

/* The header's JSON text, which free() frees, or NULL. */
static char *header_of(const rmr_tensor_list *list)
{
    json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t begin = 0;
    int failed = !root;
    for (size_t i = 0; i < list->count && !failed; i++) {
        const rmr_tensor *tensor = &list->items[i];
        failed = json_object_set_new(root, tensor->name,
                                     entry_of(tensor, begin)) != 0;
        begin += tensor->bytes;
    }
    char *text = failed ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

static rmr_status write_weights(const char *path, rmr_tensor_list *list,
                                rmr_error *err)
{
    qsort(list->items, list->count, sizeof *list->items, by_size);
    char *text = header_of(list);
    if (!text)
        return rmr_fail_nomem(err, path);
    size_t len = strlen(text), padded = (len + 7) / 8 * 8;
    unsigned char size[8];
    for (size_t i = 0; i < sizeof size; i++)
        size[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    output to;
    rmr_status status = begin_output(&to, path, err);
    if (!status) {
        put(&to, size, sizeof size);
        put(&to, text, len);
        put(&to, "       ", padded - len);
        for (size_t i = 0; i < list->count; i++)
            put(&to, list->items[i].data, list->items[i].bytes);
        status = end_output(&to, err);
    }
    free(text);
    return status;
}

/* --------------------------------------------------------------- other files
 */

static rmr_status write_config(const char *path, const char *source,
                               rmr_dtype dtype, rmr_error *err)
{
    json_t *root;
    rmr_status status = rmr_json_load_file(&root, source, err);
    if (status)
        return status;
    json_t *how = json_pack("{s:s, s:s}", "quant_method", "remora", "dtype",
                            rmr_dtype_name(dtype));
    char *text = NULL;
    if (json_object_set_new(root, "quantization_config", how) == 0)
        text = json_dumps(root, JSON_INDENT(2));
    if (text)
        status = write_file(path, text, strlen(text), err);
    else
        status = rmr_fail_nomem(err, path);
    free(text);
    json_decref(root);
    return status;
}

static int ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), tail = strlen(end);
    return len > tail && strcmp(name + len - tail, end) == 0;
}

/* Whether a file says something of the model besides its weights. */
static int is_wanted(const char *name, int is_top)
{
    if (is_top && strcmp(name, "config.json") == 0)
        return 0;
    if (ends_with(name, ".index.json"))
        return 0;
    if (!is_top && strcmp(name, "model.safetensors") == 0)
        return 1; /* a module's own */
    return ends_with(name, ".json") || ends_with(name, ".txt") ||
           ends_with(name, ".model") || ends_with(name, ".jinja");
}

static rmr_status copy_files(const char *from, const char *to, int is_top,
                             rmr_error *err);

/* A folder of the source with its files, but none of its folders. */
static rmr_status copy_folder(const char *from, const char *to, rmr_error *err)
{
    if (mkdir(to, 0777))
        return fail_io(to, err);
    rmr_status status = copy_files(from, to, 0, err);
    if (!status)
        rmdir(to); /* when there was nothing to copy */
    return status;
}

/* What is written may lie in what is read. */
static int is_path_of(const char *path, const struct stat *st)
{
    struct stat found;
    return stat(path, &found) == 0 && found.st_dev == st->st_dev &&
           found.st_ino == st->st_ino;
}

static rmr_status copy_entry(const char *from, const char *to, const char *name,
                             int is_top, rmr_error *err)
{
    struct stat st;
    char *source = rmr_path_join(from, name), *copy = rmr_path_join(to, name);
    rmr_status status = RMR_OK;
    if (!source || !copy)
        status = rmr_fail_nomem(err, name);
    else if (stat(source, &st))
        status = RMR_OK; /* a link to nowhere */
    else if (S_ISREG(st.st_mode) && is_wanted(name, is_top))
        status = copy_file(source, copy, err);
    else if (S_ISDIR(st.st_mode) && is_top && name[0] != '.' &&
             !is_path_of(to, &st))
        status = copy_folder(source, copy, err);
    rmr_free(copy);
    rmr_free(source);
    return status;
}

static rmr_status copy_files(const char *from, const char *to, int is_top,
                             rmr_error *err)
{
    DIR *directory = opendir(from);
    if (!directory)
        return fail_io(from, err);
    rmr_status status = RMR_OK;
    struct dirent *entry;
    while (!status && (entry = readdir(directory)))
        status = copy_entry(from, to, entry->d_name, is_top, err);
    closedir(directory);
    return status;
}

/* ----------------------------------------------------------------- the whole
 */

static int remove_entry(const char *path, const struct stat *st, int kind,
                        struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static rmr_status fill(const char *directory, const char *source,
                       rmr_tensor_list *tensors, rmr_dtype dtype,
                       rmr_error *err)
{
    char *weights = rmr_path_join(directory, "model.safetensors");
    char *config = rmr_path_join(directory, "config.json");
    char *old = rmr_path_join(source, "config.json");
    rmr_status status = RMR_OK;
    if (!weights || !config || !old)
        status = rmr_fail_nomem(err, directory);
    if (!status)
        status = write_weights(weights, tensors, err);
    if (!status)
        status = write_config(config, old, dtype, err);
    if (!status)
        status = copy_files(source, directory, 1, err);
    rmr_free(old);
    rmr_free(config);
    rmr_free(weights);
    return status;
}

rmr_status rmr_directory_write(const char *directory, const char *source,
                               rmr_tensor_list *tensors, rmr_dtype dtype,
                               rmr_error *err)
{
    size_t len = strlen(directory), size = len + 32;
    char *partial = rmr_malloc(size);
    if (!partial)
        return rmr_fail_nomem(err, directory);
    while (len > 1 && directory[len - 1] == '/')
        len--;
    snprintf(partial, size, "%.*s.partial-%ld", (int)len, directory,
             (long)getpid());
    rmr_status status = RMR_OK;
    if (mkdir(partial, 0777)) {
        status = fail_io(partial, err);
    } else {
        status = fill(partial, source, tensors, dtype, err);
        if (!status && rename(partial, directory))
            status = fail_io(directory, err);
        if (status)
            nftw(partial, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
    rmr_free(partial);
    return status;
}
