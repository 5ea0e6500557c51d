/*
 * modules.c - what sentence-transformers adds around an encoder: modules.json,
 * the pooling and normalisation it names, and the length texts are cut at. It
 * must never guess what a module that it does not know would have done.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/arch.h"
#include "common/model/config.h"

/* A model directory and what is being filled from it. */
typedef struct reader {
    const char *directory;
    rmr_config *config;
    int has_pooling; /* a Pooling module was read */
    rmr_error *err;
} reader;

/* One kind of file: how it is loaded, what its outermost value must be, and
 * what is done with that; errors use source.name. */
typedef struct file_kind {
    rmr_status (*load)(json_t **out, const char *path, rmr_error *err);
    json_type type;
    rmr_status (*read)(reader *r, rmr_json_source source);
} file_kind;

static rmr_status read_value(reader *r, const file_kind *kind, const char *path)
{
    json_t *root;
    rmr_status status = kind->load(&root, path, r->err);
    if (status)
        return status;
    if (json_typeof(root) == kind->type) {
        status = kind->read(r, (rmr_json_source){root, path});
    } else {
        status = rmr_fail(r->err, RMR_ERR_FORMAT, "%s must be a JSON %s", path,
                          kind->type == JSON_ARRAY ? "array" : "object");
    }
    json_decref(root);
    return status;
}

/* Reads directory/name. A missing file is `missing`. */
static rmr_status read_file(reader *r, const char *name, const file_kind *kind,
                            rmr_status missing)
{
    char *path = rmr_path_join(r->directory, name);
    if (!path)
        return rmr_fail_nomem(r->err, name);
    rmr_status status = RMR_OK;
    if (missing || access(path, F_OK) == 0)
        status = read_value(r, kind, path);
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
    const char *name = json_string_value(mode);
    if (!name || strlen(name) != json_string_length(mode)) {
        return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                        "%s: \"pooling_mode\" must be one mode: cls, mean or "
                        "max",
                        source.name);
    }
    return set_pooling(r, source, name);
}

/* A string field that may be absent, or have one value. */
static rmr_status expect_value(reader *r, rmr_json_source source,
                               const char *field, const char *only)
{
    const char *value;
    rmr_status status =
        rmr_json_get_string(source, field, only, &value, r->err);
    if (status || strcmp(value, only) == 0)
        return status;
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: \"%s\" \"%s\" is not supported; \"%s\" is",
                    source.name, field, value, only);
}

static rmr_status read_normalize(reader *r, rmr_json_source source)
{
    rmr_status status =
        expect_value(r, source, "module_input_name", "sentence_embedding");
    if (!status)
        status =
            expect_value(r, source, "module_output_name", "sentence_embedding");
    return status;
}

static const file_kind pooling_file = {rmr_json_load_file, JSON_OBJECT,
                                       read_pooling};
static const file_kind normalize_file = {rmr_json_load_file, JSON_OBJECT,
                                         read_normalize};

/* Reads the config.json of a module that lives in `path`. */
static rmr_status read_module_file(reader *r, const char *path,
                                   const file_kind *kind, rmr_status missing)
{
    char *name = rmr_path_join(path, "config.json");
    if (!name)
        return rmr_fail_nomem(r->err, path);
    rmr_status status = read_file(r, name, kind, missing);
    rmr_free(name);
    return status;
}

/* 1 when `type` is sentence-transformers' own module of this name: its package
 * has moved, its name has not. */
static int is_module(const char *type, const char *name)
{
    static const char package[] = "sentence_transformers.";
    const char *last = strrchr(type, '.');
    return strncmp(type, package, sizeof package - 1) == 0 &&
           strcmp(last + 1, name) == 0;
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
    if (!rmr_path_is_inside(path)) {
        return rmr_fail(r->err, RMR_ERR_FORMAT,
                        "%s: the \"path\" of module %zu leaves the model's "
                        "directory",
                        entry.name, index);
    }
    if (index == 0 && is_module(type, "Transformer") && !*path)
        return RMR_OK;
    if (index == 1 && is_module(type, "Pooling") && *path) {
        r->has_pooling = 1;
        return read_module_file(r, path, &pooling_file, RMR_ERR_IO);
    }
    if (index == 2 && is_module(type, "Normalize")) {
        r->config->normalize = 1;
        return read_module_file(r, path, &normalize_file, RMR_OK);
    }
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: module %zu, \"%s\" in \"%s\", is not supported there; "
                    "Transformer in the directory itself, Pooling and "
                    "Normalize are, in this order",
                    entry.name, index, type, path);
}

static rmr_status read_modules(reader *r, rmr_json_source source)
{
    size_t count = json_array_size(source.object);
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

/* Lowers max_tokens to what a field says. */
static rmr_status lower_limit(reader *r, rmr_json_source source,
                              const char *field)
{
    double limit;
    rmr_status status = rmr_json_get_number(
        source, field, r->config->max_tokens, &limit, r->err);
    if (status)
        return status;
    if (limit < 1 || limit != floor(limit)) {
        return rmr_fail(r->err, RMR_ERR_RANGE,
                        "%s: \"%s\" must be a whole number from 1", source.name,
                        field);
    }
    if (limit < r->config->max_tokens)
        r->config->max_tokens = (uint32_t)limit;
    return RMR_OK;
}

/* "No limit" is written as the whole number 10^30, so all numbers of this file
 * are read as doubles. */
static rmr_status read_model_max_length(reader *r, rmr_json_source source)
{
    return lower_limit(r, source,
                       json_object_get(source.object, "model_max_length")
                           ? "model_max_length"
                           : "max_len");
}

static rmr_status read_tokenizer_config(reader *r, rmr_json_source source)
{
    rmr_status status = read_model_max_length(r, source);
    if (!status)
        status = expect_value(r, source, "truncation_side", "right");
    return status;
}

/* What tells sentence-transformers to run the encoder in another way. */
static rmr_status refuse_variants(reader *r, rmr_json_source source)
{
    static const char *const arguments[] = {
        "model_args",    "model_kwargs",     "tokenizer_args",
        "config_args",   "processor_kwargs", "processing_kwargs",
        "config_kwargs",
    };
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        const json_t *value = json_object_get(source.object, arguments[i]);
        if (json_object_size(value)) {
            return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                            "%s: \"%s\" is not supported; remove it",
                            source.name, arguments[i]);
        }
    }
    const json_t *modalities =
        json_object_get(source.object, "modality_config");
    rmr_json_source text = {json_object_get(modalities, "text"), source.name};
    rmr_status status =
        expect_value(r, source, "transformer_task", "feature-extraction");
    if (!status)
        status =
            expect_value(r, source, "module_output_name", "token_embeddings");
    if (!status)
        status = expect_value(r, text, "method", "forward");
    if (!status)
        status =
            expect_value(r, text, "method_output_name", "last_hidden_state");
    return status;
}

/* max_seq_length replaces what the tokenizer says about length, in both
 * directions, as sentence-transformers does. */
static rmr_status read_max_seq_length(reader *r, rmr_json_source source)
{
    int64_t limit;
    rmr_status status = rmr_json_get_int(source, "max_seq_length", 1, INT64_MAX,
                                         r->config->max_tokens, &limit, r->err);
    if (status)
        return status;
    uint32_t positions = r->config->max_positions;
    r->config->max_tokens = limit < positions ? (uint32_t)limit : positions;
    return RMR_OK;
}

static rmr_status read_sentence_bert(reader *r, rmr_json_source source)
{
    rmr_status status = refuse_variants(r, source);
    if (!status)
        status = rmr_json_get_bool(source, "do_lower_case", 0,
                                   &r->config->do_lower_case, r->err);
    if (!status)
        status = read_max_seq_length(r, source);
    return status;
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

static const file_kind sentence_bert_file = {rmr_json_load_file, JSON_OBJECT,
                                             read_sentence_bert};
static const file_kind prompts_file = {rmr_json_load_file, JSON_OBJECT,
                                       read_prompts};

/* Without modules.json a directory is a plain encoder, and the other files of
 * sentence-transformers mean nothing. */
static rmr_status read_modules_and_options(reader *r, rmr_json_source source)
{
    rmr_status status = read_modules(r, source);
    if (!status)
        status = read_file(r, "sentence_bert_config.json", &sentence_bert_file,
                           RMR_OK);
    if (!status)
        status = read_file(r, "config_sentence_transformers.json",
                           &prompts_file, RMR_OK);
    return status;
}

static const file_kind tokenizer_file = {rmr_json_load_file_reals, JSON_OBJECT,
                                         read_tokenizer_config};
static const file_kind modules_file = {rmr_json_load_file, JSON_ARRAY,
                                       read_modules_and_options};

rmr_status rmr_config_read_modules(rmr_config *config, const char *directory,
                                   rmr_error *err)
{
    reader r = {.directory = directory, .config = config, .err = err};
    rmr_status status =
        read_file(&r, "tokenizer_config.json", &tokenizer_file, RMR_OK);
    if (!status)
        status = read_file(&r, "modules.json", &modules_file, RMR_OK);
    return status;
}

/* ------------------------------------------------------ the tokenizer alone */

/* What max_position_embeddings counts differs between architectures. */
static rmr_status read_positions(reader *r, rmr_json_source source)
{
    const char *type;
    double from, padding = -1;
    rmr_status status =
        rmr_json_get_string(source, "model_type", "", &type, r->err);
    const rmr_arch *arch =
        status ? NULL : rmr_arch_find(type, source.name, NULL);
    if (!arch)
        return status;
    status = lower_limit(r, source, "max_position_embeddings");
    if (!status && arch->positions_after_padding)
        status =
            rmr_json_get_number(source, "pad_token_id", 1, &padding, r->err);
    from = arch->positions_from + padding + 1;
    if (!status && from > 0 && from < r->config->max_tokens)
        r->config->max_tokens -= (uint32_t)from;
    r->config->max_positions = r->config->max_tokens;
    return status;
}

/* In a directory that has a modules.json. */
static rmr_status read_length_beside(reader *r, rmr_json_source source)
{
    static const file_kind file = {rmr_json_load_file, JSON_OBJECT,
                                   read_max_seq_length};
    (void)source;
    return read_file(r, "sentence_bert_config.json", &file, RMR_OK);
}

rmr_status rmr_config_read_max_tokens(uint32_t *max_tokens,
                                      const char *directory, rmr_error *err)
{
    static const file_kind config_file = {rmr_json_load_file_reals, JSON_OBJECT,
                                          read_positions};
    static const file_kind length_file = {rmr_json_load_file_reals, JSON_OBJECT,
                                          read_model_max_length};
    static const file_kind beside_modules = {rmr_json_load_file, JSON_ARRAY,
                                             read_length_beside};
    const uint32_t none = UINT32_MAX;
    rmr_config config = {.max_positions = none, .max_tokens = none};
    reader r = {.directory = directory, .config = &config, .err = err};
    rmr_status status = read_file(&r, "config.json", &config_file, RMR_OK);
    if (!status)
        status = read_file(&r, "tokenizer_config.json", &length_file, RMR_OK);
    if (!status)
        status = read_file(&r, "modules.json", &beside_modules, RMR_OK);
    *max_tokens = config.max_tokens == none ? 0 : config.max_tokens;
    return status;
}
