/*
 * head_config.c - what config.json says of a head: its kind, the names of its
 * labels, what its logits stand for. It must never take a label for another's.
 */
#include "common/model/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"

/* --------------------------------------------------------------------- kind
 */

static const struct {
    const char *ending;
    rmr_head_kind kind;
} endings[] = {
    {"ForSequenceClassification", RMR_HEAD_CLASSIFY},
    {"ForTokenClassification", RMR_HEAD_TOKENS},
    {"ForMaskedLM", RMR_HEAD_FILL},
    {"ForPreTraining", RMR_HEAD_FILL},
    {"ForCausalLM", RMR_HEAD_ANSWER},
};

const char *rmr_head_task(rmr_head_kind kind)
{
    switch (kind) {
    case RMR_HEAD_CLASSIFY:
        return "text-classification";
    case RMR_HEAD_TOKENS:
        return "token-classification";
    case RMR_HEAD_FILL:
        return "fill-mask";
    case RMR_HEAD_ANSWER:
        return "text-generation";
    default:
        return "none";
    }
}

static int ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text), tail = strlen(ending);
    return len >= tail && strcmp(text + len - tail, ending) == 0;
}

static rmr_status read_kind(rmr_head_kind *kind, rmr_json_source source,
                            rmr_error *err)
{
    const json_t *classes = json_object_get(source.object, "architectures");
    *kind = RMR_HEAD_NONE;
    if (!classes || json_is_null(classes))
        return RMR_OK;
    const char *name = json_string_value(json_array_get(classes, 0));
    if (!name) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"architectures\" must be a list that begins with "
                        "the name of a class",
                        source.name);
    }
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_with(name, endings[i].ending))
            *kind = endings[i].kind;
    }
    return RMR_OK;
}

rmr_status rmr_head_find(rmr_head_kind *kind, const char *directory,
                         rmr_error *err)
{
    json_t *root;
    *kind = RMR_HEAD_NONE;
    char *path = rmr_path_join(directory, "config.json");
    if (!path)
        return rmr_fail_nomem(err, "config.json");
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (!status) {
        status = read_kind(kind, (rmr_json_source){root, path}, err);
        json_decref(root);
    }
    rmr_free(path);
    return status;
}

/* ------------------------------------------------------------------- labels
 */

/* One block: the pointers, and behind them the names that they point to. */
static rmr_status alloc_labels(rmr_labels *labels, size_t count, size_t bytes,
                               rmr_error *err)
{
    labels->names = rmr_malloc(count * sizeof *labels->names + bytes);
    if (!labels->names)
        return rmr_fail_nomem(err, "labels");
    labels->count = count;
    return RMR_OK;
}

static rmr_status check_count(rmr_json_source source, size_t count,
                              rmr_error *err)
{
    if (count >= 1 && count <= RMR_MAX_LABELS)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_RANGE,
                    "%s: \"id2label\" must have from 1 to %d labels, not %zu",
                    source.name, RMR_MAX_LABELS, count);
}

/* LABEL_0, LABEL_1, ... */
static rmr_status make_labels(rmr_labels *labels, rmr_json_source source,
                              rmr_error *err)
{
    enum { NAME = sizeof "LABEL_65535" };
    int64_t count;
    rmr_status status = rmr_json_get_int(source, "num_labels", 1,
                                         RMR_MAX_LABELS, 2, &count, err);
    if (!status)
        status = alloc_labels(labels, (size_t)count, (size_t)count * NAME, err);
    if (status)
        return status;
    char *name = (char *)(labels->names + count);
    for (size_t i = 0; i < labels->count; i++, name += NAME) {
        snprintf(name, NAME, "LABEL_%u", (unsigned)i);
        labels->names[i] = name;
    }
    return RMR_OK;
}

/* The name of id `id`, borrowed. */
static rmr_status read_label(const json_t *map, rmr_json_source source,
                             size_t id, const json_t **out, rmr_error *err)
{
    char key[24];
    snprintf(key, sizeof key, "%zu", id);
    const json_t *label = *out = json_object_get(map, key);
    if (!label) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"id2label\" has %zu labels, but none for \"%s\"",
                        source.name, json_object_size(map), key);
    }
    if (!json_is_string(label) ||
        memchr(json_string_value(label), 0, json_string_length(label))) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"id2label\": \"%s\" must be a string without NUL",
                        source.name, key);
    }
    if (json_string_length(label) > RMR_MAX_LABEL_BYTES) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: \"id2label\": \"%s\" has more than %d bytes",
                        source.name, key, RMR_MAX_LABEL_BYTES);
    }
    return RMR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static rmr_status check_unique(const rmr_labels *labels, rmr_json_source source,
                               rmr_error *err)
{
    size_t count = labels->count;
    char **sorted = rmr_malloc_array(count, sizeof *sorted);
    rmr_status status = RMR_OK;
    if (!sorted)
        return rmr_fail_nomem(err, "labels");
    memcpy(sorted, labels->names, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 1; i < count && !status; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = rmr_fail(err, RMR_ERR_FORMAT,
                              "%s: \"id2label\" has the label \"%s\" twice",
                              source.name, sorted[i]);
    }
    rmr_free(sorted);
    return status;
}

/* Bytes of all names, checked, with a NUL behind each. */
static rmr_status measure_labels(const json_t *map, rmr_json_source source,
                                 size_t *bytes, rmr_error *err)
{
    rmr_status status = RMR_OK;
    *bytes = 0;
    for (size_t i = 0; i < json_object_size(map) && !status; i++) {
        const json_t *label;
        status = read_label(map, source, i, &label, err);
        if (!status)
            *bytes += json_string_length(label) + 1;
    }
    return status;
}

static rmr_status copy_labels(rmr_labels *labels, const json_t *map,
                              rmr_json_source source, rmr_error *err)
{
    size_t count = json_object_size(map), bytes;
    rmr_status status = check_count(source, count, err);
    if (!status)
        status = measure_labels(map, source, &bytes, err);
    if (!status)
        status = alloc_labels(labels, count, bytes, err);
    if (status)
        return status;
    char *name = (char *)(labels->names + count);
    for (size_t i = 0; i < count; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        const json_t *label = json_object_get(map, key);
        labels->names[i] = strcpy(name, json_string_value(label));
        name += json_string_length(label) + 1;
    }
    return check_unique(labels, source, err);
}

rmr_status rmr_labels_read(rmr_labels *labels, rmr_json_source source,
                           rmr_error *err)
{
    const json_t *map = json_object_get(source.object, "id2label");
    *labels = (rmr_labels){0};
    if (!map || json_is_null(map))
        return make_labels(labels, source, err);
    if (!json_is_object(map)) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"id2label\" must be an object", source.name);
    }
    rmr_status status = copy_labels(labels, map, source, err);
    if (status)
        rmr_labels_free(labels);
    return status;
}

rmr_status rmr_labels_set(rmr_labels *labels, const char *name, rmr_error *err)
{
    size_t bytes = strlen(name) + 1;
    *labels = (rmr_labels){0};
    rmr_status status = alloc_labels(labels, 1, bytes, err);
    if (!status)
        labels->names[0] = memcpy(labels->names + 1, name, bytes);
    return status;
}

void rmr_labels_free(rmr_labels *labels)
{
    rmr_free(labels->names);
    *labels = (rmr_labels){0};
}
