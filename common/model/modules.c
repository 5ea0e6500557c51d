/*
 * modules.c - what sentence-transformers adds around an encoder: modules.json,
 * the pooling and normalisation it names, and the length texts are cut at. It
 * must never guess what a module that it does not know would have done.
 */
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/config.h"

/* A model directory and what is being filled from it. */
typedef struct reader {
    const char *directory;
    rmr_config *config;
    int has_pooling; /* a Pooling module was read */
    rmr_error *err;
} reader;

/* Called with the parsed object of a file; errors use source.name. */
typedef rmr_status read_object(reader *r, rmr_json_source source);

/* Reads directory/name with `read`. A missing file is `missing`. */
static rmr_status read_file(reader *r, const char *name, read_object *read,
                            rmr_status missing)
{
    char *path = rmr_path_join(r->directory, name);
    if (!path)
        return rmr_fail_nomem(r->err, name);
    rmr_status status = missing;
    json_t *root;
    if (missing || access(path, F_OK) == 0) {
        status = rmr_json_load_file(&root, path, r->err);
        if (!status) {
            status = read(r, (rmr_json_source){root, path});
            json_decref(root);
        }
    }
    rmr_free(path);
    return status;
}

static rmr_status set_pooling(reader *r, rmr_json_source source,
                              const char *mode)
{
    static const struct {
        const char *name;
        rmr_pooling pooling;
    } modes[] = {{"cls", RMR_POOLING_CLS},
                 {"mean", RMR_POOLING_MEAN},
                 {"max", RMR_POOLING_MAX}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(mode, modes[i].name) == 0) {
            r->config->pooling = modes[i].pooling;
            r->config->pooling_guessed = 0;
            return RMR_OK;
        }
    }
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: the pooling mode \"%s\" is not supported; cls, mean "
                    "and max are",
                    source.name, mode);
}

/* The older form: one boolean per mode, of which one must be true. */
static rmr_status read_pooling_flags(reader *r, rmr_json_source source)
{
    static const struct {
        const char *field, *mode;
    } flags[] = {
        {"pooling_mode_cls_token", "cls"},
        {"pooling_mode_max_tokens", "max"},
        {"pooling_mode_mean_tokens", "mean"},
        {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
        {"pooling_mode_weightedmean_tokens", "weightedmean"},
        {"pooling_mode_lasttoken", "lasttoken"},
    };
    const char *chosen = NULL;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        int on;
        rmr_status status =
            rmr_json_get_bool(source, flags[i].field, 0, &on, r->err);
        if (status)
            return status;
        if (on && chosen) {
            return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                            "%s: \"%s\" comes on top of another mode; one "
                            "pooling mode at a time is supported",
                            source.name, flags[i].field);
        }
        chosen = on ? flags[i].mode : chosen;
    }
    return set_pooling(r, source, chosen ? chosen : "mean");
}

static rmr_status read_pooling(reader *r, rmr_json_source source)
{
    const json_t *mode = json_object_get(source.object, "pooling_mode");
    int64_t dimension = r->config->hidden_size;
    const char *field = json_object_get(source.object, "embedding_dimension")
                            ? "embedding_dimension"
                            : "word_embedding_dimension";
    rmr_status status = rmr_json_get_int(source, field, 1, UINT32_MAX,
                                         dimension, &dimension, r->err);
    if (status)
        return status;
    if (dimension != r->config->hidden_size) {
        return rmr_fail(r->err, RMR_ERR_FORMAT,
                        "%s: \"%s\" is %lld where config.json's hidden_size "
                        "is %u",
                        source.name, field, (long long)dimension,
                        r->config->hidden_size);
    }
    if (!mode)
        return read_pooling_flags(r, source);
    if (json_array_size(mode) == 1)
        mode = json_array_get(mode, 0);
    if (!json_is_string(mode)) {
        return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                        "%s: \"pooling_mode\" must be one mode: cls, mean or "
                        "max",
                        source.name);
    }
    return set_pooling(r, source, json_string_value(mode));
}

/* Reads the config.json of a module that lives in `path`. */
static rmr_status read_pooling_module(reader *r, const char *path)
{
    char *name = rmr_path_join(path, "config.json");
    if (!name)
        return rmr_fail_nomem(r->err, path);
    rmr_status status = read_file(r, name, read_pooling, RMR_ERR_IO);
    rmr_free(name);
    r->has_pooling = 1;
    return status;
}

/* One entry of modules.json, which must come in the order Transformer,
 * Pooling, and perhaps Normalize. */
static rmr_status read_module(reader *r, rmr_json_source entry, size_t index)
{
    const char *type, *path;
    rmr_status status = rmr_json_get_string(entry, "type", NULL, &type, r->err);
    if (!status)
        status = rmr_json_get_string(entry, "path", "", &path, r->err);
    if (status)
        return status;
    const char *dot = strrchr(type, '.');
    const char *kind = dot ? dot + 1 : type;
    if (!rmr_path_is_inside(path)) {
        return rmr_fail(r->err, RMR_ERR_FORMAT,
                        "%s: the \"path\" of module %zu leaves the model's "
                        "directory",
                        entry.name, index);
    }
    if (index == 0 && strcmp(kind, "Transformer") == 0 && !*path)
        return RMR_OK;
    if (index == 1 && strcmp(kind, "Pooling") == 0)
        return read_pooling_module(r, path);
    if (index == 2 && strcmp(kind, "Normalize") == 0) {
        r->config->normalize = 1;
        return RMR_OK;
    }
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: module %zu, \"%s\" in \"%s\", is not supported there; "
                    "Transformer in the directory itself, Pooling and "
                    "Normalize are, in this order",
                    entry.name, index, kind, path);
}

static rmr_status read_modules(reader *r, rmr_json_source source)
{
    size_t count = json_array_size(source.object);
    if (!json_is_array(source.object) || !count) {
        return rmr_fail(r->err, RMR_ERR_FORMAT,
                        "%s must be an array of modules", source.name);
    }
    for (size_t i = 0; i < count; i++) {
        rmr_json_source entry = {json_array_get(source.object, i), source.name};
        rmr_status status = read_module(r, entry, i);
        if (status)
            return status;
    }
    if (r->has_pooling)
        return RMR_OK;
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s has no Pooling module, so the model gives no text "
                    "embedding",
                    source.name);
}

/* A length limit in `field`; larger ones than the model's are no limit. */
static rmr_status read_limit(reader *r, rmr_json_source source,
                             const char *field)
{
    /* tokenizer_config.json says "no limit" as 1e30, written as a number that
     * no integer type holds. */
    const json_t *value = json_object_get(source.object, field);
    if (json_is_real(value) && json_real_value(value) > 1e15)
        return RMR_OK;
    int64_t limit;
    rmr_status status = rmr_json_get_int(source, field, 1, INT64_MAX,
                                         r->config->max_tokens, &limit, r->err);
    if (!status && limit < r->config->max_tokens)
        r->config->max_tokens = (uint32_t)limit;
    return status;
}

static rmr_status read_tokenizer_config(reader *r, rmr_json_source source)
{
    return read_limit(r, source, "model_max_length");
}

/* max_seq_length replaces what the tokenizer says about length, in both
 * directions, as sentence-transformers does. */
static rmr_status read_sentence_bert(reader *r, rmr_json_source source)
{
    rmr_status status = rmr_json_get_bool(source, "do_lower_case", 0,
                                          &r->config->do_lower_case, r->err);
    const json_t *limit = json_object_get(source.object, "max_seq_length");
    if (status || !limit || json_is_null(limit))
        return status;
    r->config->max_tokens = r->config->max_position_embeddings;
    return read_limit(r, source, "max_seq_length");
}

static rmr_status read_prompts(reader *r, rmr_json_source source)
{
    const char *name;
    rmr_status status =
        rmr_json_get_string(source, "default_prompt_name", "", &name, r->err);
    if (status || !*name)
        return status;
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: \"default_prompt_name\" is set, and prompts are not "
                    "supported; set it to null and put the prompt before each "
                    "text",
                    source.name);
}

rmr_status rmr_config_read_modules(rmr_config *config, const char *directory,
                                   rmr_error *err)
{
    static const struct {
        const char *name;
        read_object *read;
    } files[] = {
        {"tokenizer_config.json", read_tokenizer_config},
        {"sentence_bert_config.json", read_sentence_bert},
        {"config_sentence_transformers.json", read_prompts},
        {"modules.json", read_modules},
    };
    reader r = {.directory = directory, .config = config, .err = err};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        rmr_status status = read_file(&r, files[i].name, files[i].read, RMR_OK);
        if (status)
            return status;
    }
    return RMR_OK;
}
