/*
 * modules.c - what sentence-transformers adds around an encoder: modules.json,
 * the pooling and normalisation it names, and the length texts are cut at. It
 * must never guess what a module that it does not know would have done.
 */
#include <math.h>
#include <stdio.h>
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
    int has_pooling;           /* a Pooling module was read */
    rmr_module_config *module; /* that is being read, after pooling */
    rmr_error *err;
    int is_model2vec; /* config.json says so */
    /* What sentence-transformers is to run the encoder for, and what it would
     * be run for where its file does not say. */
    const char *task, *default_task;
    int is_sparse; /* modules.json names SpladePooling */
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

static rmr_status read_pooling(reader *r, rmr_json_source source)
{
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
    status = rmr_poolings_read(&r->config->pooling, source, r->err);
    r->config->pooling_guessed = 0;
    r->config->output_size =
        r->config->hidden_size * (uint32_t)r->config->pooling.count;
    return status;
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

/* The embedding is what a module takes and gives. */
static rmr_status expect_embedding(reader *r, rmr_json_source source)
{
    rmr_status status =
        expect_value(r, source, "module_input_name", "sentence_embedding");
    if (!status)
        status =
            expect_value(r, source, "module_output_name", "sentence_embedding");
    return status;
}

/* A size of the module's input, which is what came before it. */
static rmr_status expect_size(reader *r, rmr_json_source source,
                              const char *field)
{
    int64_t size;
    rmr_status status = rmr_json_get_int(source, field, 1, 1 << 16,
                                         RMR_JSON_REQUIRED, &size, r->err);
    if (status || size == r->config->output_size)
        return status;
    return rmr_fail(r->err, RMR_ERR_FORMAT,
                    "%s: \"%s\" is %lld where %u components come in",
                    source.name, field, (long long)size,
                    r->config->output_size);
}

static rmr_status read_activation(reader *r, rmr_json_source source)
{
    const json_t *given = json_object_get(source.object, "activation_function");
    const char *name = "torch.nn.modules.activation.Tanh";
    rmr_status status = RMR_OK;
    if (given && !json_is_string(given))
        return rmr_fail(r->err, RMR_ERR_FORMAT,
                        "%s: \"activation_function\" must be a string",
                        source.name);
    if (given)
        status = rmr_json_get_string(source, "activation_function", NULL, &name,
                                     r->err);
    r->module->activation = status ? NULL : rmr_module_activation(name);
    if (status || r->module->activation)
        return status;
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: \"activation_function\" \"%s\" is not supported; of "
                    "torch.nn Identity, Tanh, ReLU, GELU, SiLU, Sigmoid, ELU, "
                    "LeakyReLU, Mish and Softplus are",
                    source.name, name);
}

static rmr_status read_dense(reader *r, rmr_json_source source)
{
    rmr_module_config *m = r->module;
    int64_t out;
    rmr_status status = expect_embedding(r, source);
    if (!status)
        status = expect_size(r, source, "in_features");
    if (!status)
        status = rmr_json_get_int(source, "out_features", 1, 1 << 16,
                                  RMR_JSON_REQUIRED, &out, r->err);
    if (!status)
        status = rmr_json_get_bool(source, "bias", 1, &m->has_bias, r->err);
    if (!status)
        status = rmr_json_get_bool(source, "use_residual", 0, &m->has_residual,
                                   r->err);
    if (!status)
        status = read_activation(r, source);
    if (!status)
        m->out = r->config->output_size = (uint32_t)out;
    return status;
}

static rmr_status read_layer_norm(reader *r, rmr_json_source source)
{
    return expect_size(r, source, "dimension");
}

static const file_kind pooling_file = {rmr_json_load_file, JSON_OBJECT,
                                       read_pooling};

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
int rmr_module_is(const char *type, const char *name)
{
    static const char package[] = "sentence_transformers.";
    const char *last = strrchr(type, '.');
    return strncmp(type, package, sizeof package - 1) == 0 &&
           strcmp(last + 1, name) == 0;
}

/* The modules that may come after pooling, in any order. */
static const struct {
    const char *name;
    rmr_module_kind kind;
    file_kind file;
    rmr_status missing; /* what the absence of the file is */
} after_pooling[] = {
    {"Dense",
     RMR_MODULE_DENSE,
     {rmr_json_load_file, JSON_OBJECT, read_dense},
     RMR_ERR_IO},
    {"LayerNorm",
     RMR_MODULE_LAYER_NORM,
     {rmr_json_load_file, JSON_OBJECT, read_layer_norm},
     RMR_ERR_IO},
    {"Normalize",
     RMR_MODULE_NORMALIZE,
     {rmr_json_load_file, JSON_OBJECT, expect_embedding},
     RMR_OK},
};

enum { NUM_AFTER_POOLING = sizeof after_pooling / sizeof *after_pooling };

/* One of these; `which` says which. */
static rmr_status read_after_pooling(reader *r, rmr_json_source entry,
                                     const char *path, size_t which)
{
    rmr_config *c = r->config;
    if (c->num_modules == RMR_MAX_MODULES ||
        strlen(path) >= RMR_MODULE_PATH_CHARS)
        return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                        "%s: more than %d modules, or paths of %d bytes, are "
                        "not supported",
                        entry.name, RMR_MAX_MODULES, RMR_MODULE_PATH_CHARS);
    r->module = &c->modules[c->num_modules++];
    *r->module = (rmr_module_config){.kind = after_pooling[which].kind,
                                     .in = c->output_size,
                                     .out = c->output_size};
    snprintf(r->module->path, sizeof r->module->path, "%s", path);
    return read_module_file(r, path, &after_pooling[which].file,
                            after_pooling[which].missing);
}

/* One entry of modules.json, which must begin with Transformer and Pooling. */
static rmr_status read_module(reader *r, rmr_json_source entry, size_t index)
{
    const char *type, *path;
    size_t first = r->config->is_static ? 1 : 2; /* after pooling */
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
    if (index == 0 && r->config->is_static)
        return RMR_OK;
    if (index == 0 && rmr_module_is(type, "Transformer") && !*path)
        return RMR_OK;
    if (index == 1 && rmr_module_is(type, "Pooling") && *path &&
        !r->config->is_static) {
        r->has_pooling = 1;
        return read_module_file(r, path, &pooling_file, RMR_ERR_IO);
    }
    for (size_t i = 0; i < NUM_AFTER_POOLING && index >= first; i++) {
        if (rmr_module_is(type, after_pooling[i].name))
            return read_after_pooling(r, entry, path, i);
    }
    if (index >= first && rmr_module_is(type, "Dropout"))
        return RMR_OK; /* for training */
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: module %zu, \"%s\" in \"%s\", is not supported there; "
                    "Transformer in the directory itself and Pooling, or "
                    "StaticEmbedding, and then Dense, LayerNorm, Normalize and "
                    "Dropout are",
                    entry.name, index, type, path);
}

/* A Normalize at the end is left to whoever asks for vectors. */
static void take_last_normalize(rmr_config *c)
{
    while (c->num_modules &&
           c->modules[c->num_modules - 1].kind == RMR_MODULE_NORMALIZE) {
        c->normalize = 1;
        c->num_modules--;
    }
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
    take_last_normalize(r->config);
    r->config->dim = r->config->output_size;
    if (r->has_pooling || r->config->is_static)
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

static rmr_status expect_task(reader *r, rmr_json_source source)
{
    const char *task;
    rmr_status status = rmr_json_get_string(source, "transformer_task",
                                            r->default_task, &task, r->err);
    if (status || strcmp(task, r->task) == 0)
        return status;
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: \"transformer_task\" \"%s\" is not supported; \"%s\" "
                    "is",
                    source.name, task, r->task);
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
    const char *output =
        strcmp(r->task, "fill-mask") == 0 ? "logits" : "last_hidden_state";
    rmr_status status = expect_task(r, source);
    if (!status)
        status =
            expect_value(r, source, "module_output_name", "token_embeddings");
    if (!status)
        status = expect_value(r, text, "method", "forward");
    if (!status)
        status = expect_value(r, text, "method_output_name", output);
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

/* A name that it does not know is cosine to sentence-transformers too. */
static rmr_status read_similarity(reader *r, rmr_json_source source)
{
    const char *name;
    rmr_status status =
        rmr_json_get_string(source, "similarity_fn_name", "", &name, r->err);
    if (!status && rmr_similarity_parse(name, &r->config->similarity, NULL))
        r->config->similarity = RMR_SIMILARITY_COSINE;
    return status;
}

/* config_sentence_transformers.json, but for its prompts. */
static rmr_status read_sentence_config(reader *r, rmr_json_source source)
{
    int64_t dim;
    rmr_status status = read_similarity(r, source);
    if (!status)
        status = rmr_json_get_int(source, "truncate_dim", 1, UINT32_MAX,
                                  r->config->dim, &dim, r->err);
    if (!status && dim < r->config->dim)
        r->config->dim = (uint32_t)dim;
    return status;
}

static const file_kind sentence_bert_file = {rmr_json_load_file, JSON_OBJECT,
                                             read_sentence_bert};
static const file_kind sentence_config_file = {rmr_json_load_file, JSON_OBJECT,
                                               read_sentence_config};

/* Without modules.json a directory is a plain encoder, and the other files of
 * sentence-transformers mean nothing. */
static rmr_status read_modules_and_options(reader *r, rmr_json_source source)
{
    r->config->has_modules = 1;
    rmr_status status = read_modules(r, source);
    if (!status && !r->config->is_static)
        status = read_file(r, "sentence_bert_config.json", &sentence_bert_file,
                           RMR_OK);
    if (!status)
        status = read_file(r, "config_sentence_transformers.json",
                           &sentence_config_file, RMR_OK);
    return status;
}

static const file_kind tokenizer_file = {rmr_json_load_file_reals, JSON_OBJECT,
                                         read_tokenizer_config};
static const file_kind modules_file = {rmr_json_load_file, JSON_ARRAY,
                                       read_modules_and_options};

/* model2vec writes the modules that sentence-transformers would run instead;
 * any others are not what its config.json stands for. */
static rmr_status read_modules_of_model2vec(reader *r, rmr_json_source source)
{
    size_t count = json_array_size(source.object);
    for (size_t i = 0; i < count; i++) {
        rmr_json_source entry = {json_array_get(source.object, i), source.name};
        const char *type;
        rmr_status status =
            rmr_json_get_string(entry, "type", NULL, &type, r->err);
        if (status)
            return status;
        if (!rmr_module_is(type, i ? "Normalize" : "StaticEmbedding"))
            return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                            "%s: module %zu, \"%s\", is not supported beside "
                            "model2vec's config.json; remove that",
                            source.name, i, type);
    }
    return RMR_OK;
}

rmr_status rmr_config_read_modules(rmr_config *config, const char *directory,
                                   rmr_error *err)
{
    static const file_kind model2vec_file = {rmr_json_load_file, JSON_ARRAY,
                                             read_modules_of_model2vec};
    static const char task[] = "feature-extraction";
    reader r = {.directory = directory,
                .config = config,
                .err = err,
                .task = task,
                .default_task = task};
    if (config->drops_unknown)
        return read_file(&r, "modules.json", &model2vec_file, RMR_OK);
    rmr_status status = RMR_OK;
    if (!config->is_static)
        status =
            read_file(&r, "tokenizer_config.json", &tokenizer_file, RMR_OK);
    if (!status)
        status = read_file(&r, "modules.json", &modules_file, RMR_OK);
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

rmr_status rmr_config_read_lengths(rmr_config *config, const char *directory,
                                   rmr_error *err)
{
    static const file_kind beside_modules = {rmr_json_load_file, JSON_ARRAY,
                                             read_length_beside};
    reader r = {.directory = directory, .config = config, .err = err};
    rmr_status status =
        read_file(&r, "tokenizer_config.json", &tokenizer_file, RMR_OK);
    if (!status)
        status = read_file(&r, "modules.json", &beside_modules, RMR_OK);
    return status;
}

/* --------------------------------------------------------- sparse vectors */

static rmr_status read_splade_pooling(reader *r, rmr_json_source source)
{
    rmr_status status = expect_value(r, source, "pooling_strategy", "max");
    return status ? status
                  : expect_value(r, source, "activation_function", "relu");
}

/* The modules of a SparseEncoder: a masked language model and SpladePooling. */
static rmr_status read_sparse_module(reader *r, rmr_json_source entry,
                                     size_t index)
{
    static const file_kind pooling = {rmr_json_load_file, JSON_OBJECT,
                                      read_splade_pooling};
    const char *type, *path;
    rmr_status status = rmr_json_get_string(entry, "type", NULL, &type, r->err);
    if (!status)
        status = rmr_json_get_string(entry, "path", "", &path, r->err);
    if (status)
        return status;
    if (index == 0 && rmr_module_is(type, "MLMTransformer") && !*path) {
        r->default_task = r->task;
        return RMR_OK;
    }
    if (index == 0 && rmr_module_is(type, "Transformer") && !*path)
        return RMR_OK;
    if (index == 1 && rmr_module_is(type, "SpladePooling") &&
        rmr_path_is_inside(path))
        return read_module_file(r, path, &pooling, RMR_OK);
    return rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                    "%s: module %zu, \"%s\" in \"%s\", is not supported for "
                    "sparse vectors; MLMTransformer in the directory itself "
                    "and SpladePooling are",
                    entry.name, index, type, path);
}

static rmr_status read_sparse_modules(reader *r, rmr_json_source source)
{
    size_t count = json_array_size(source.object);
    rmr_status status = RMR_OK;
    r->config->has_modules = 1;
    for (size_t i = 0; i < count && !status; i++)
        status = read_sparse_module(
            r, (rmr_json_source){json_array_get(source.object, i), source.name},
            i);
    if (!status && count != 2)
        status = rmr_fail(r->err, RMR_ERR_UNSUPPORTED,
                          "%s: there must be two modules, the second "
                          "SpladePooling",
                          source.name);
    /* Without the file a Transformer has another task. */
    if (!status)
        status = read_file(r, "sentence_bert_config.json", &sentence_bert_file,
                           r->default_task == r->task ? RMR_OK : RMR_ERR_IO);
    return status;
}

rmr_status rmr_config_read_sparse(rmr_config *config, const char *directory,
                                  rmr_error *err)
{
    static const file_kind file = {rmr_json_load_file, JSON_ARRAY,
                                   read_sparse_modules};
    reader r = {.directory = directory,
                .config = config,
                .err = err,
                .task = "fill-mask",
                .default_task = "feature-extraction"};
    rmr_status status =
        read_file(&r, "tokenizer_config.json", &tokenizer_file, RMR_OK);
    if (!status)
        status = read_file(&r, "modules.json", &file, RMR_OK);
    return status;
}

static rmr_status find_splade_pooling(reader *r, rmr_json_source source)
{
    const json_t *second = json_array_get(source.object, 1);
    const char *type = json_string_value(json_object_get(second, "type"));
    r->is_sparse = type && rmr_module_is(type, "SpladePooling");
    return RMR_OK;
}

rmr_status rmr_config_find_sparse(int *is_sparse, const char *directory,
                                  rmr_error *err)
{
    static const file_kind file = {rmr_json_load_file, JSON_ARRAY,
                                   find_splade_pooling};
    reader r = {.directory = directory, .err = err};
    rmr_status status = read_file(&r, "modules.json", &file, RMR_OK);
    *is_sparse = r.is_sparse;
    return status;
}

/* ------------------------------------------------------ static embeddings
 */

static rmr_status find_model_type(reader *r, rmr_json_source source)
{
    const char *type;
    rmr_status status =
        rmr_json_get_string(source, "model_type", "", &type, r->err);
    r->is_model2vec = !status && strcmp(type, "model2vec") == 0;
    return RMR_OK;
}

static rmr_status find_first_module(reader *r, rmr_json_source source)
{
    const json_t *first = json_array_get(source.object, 0);
    const char *type = json_string_value(json_object_get(first, "type"));
    const char *path = json_string_value(json_object_get(first, "path"));
    rmr_config *c = r->config;
    if (!type || !rmr_module_is(type, "StaticEmbedding"))
        return RMR_OK;
    if (!path || !rmr_path_is_inside(path) ||
        strlen(path) >= sizeof c->static_path)
        return rmr_fail(r->err, RMR_ERR_FORMAT,
                        "%s: the \"path\" of module 0 must be a folder in the "
                        "model's directory",
                        source.name);
    c->is_static = 1;
    snprintf(c->static_path, sizeof c->static_path, "%s", path);
    snprintf(c->model_type, sizeof c->model_type, "StaticEmbedding");
    return RMR_OK;
}

rmr_status rmr_config_find_static(rmr_config *config, const char *directory,
                                  rmr_error *err)
{
    static const file_kind type_file = {rmr_json_load_file_reals, JSON_OBJECT,
                                        find_model_type};
    static const file_kind first_file = {rmr_json_load_file, JSON_ARRAY,
                                         find_first_module};
    rmr_error ignored; /* whoever reads config.json says what is wrong in it */
    reader r = {.directory = directory, .config = config, .err = &ignored};
    rmr_status status = read_file(&r, "config.json", &type_file, RMR_OK);
    if (status == RMR_ERR_NOMEM)
        return rmr_fail_nomem(err, "config.json");
    if (r.is_model2vec) {
        config->is_static = config->drops_unknown = 1;
        return RMR_OK;
    }
    r.err = err;
    return read_file(&r, "modules.json", &first_file, RMR_OK);
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
