/*
 * config.c - reads config.json. It must never let a size through that the rest
 * could overflow on, nor ignore an option that changes the numbers.
 */
#include "common/model/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/arch.h"

static const struct {
    const char *name;
    rmr_activation activation;
} activations[] = {
    {"gelu", RMR_ACTIVATION_GELU},
    {"gelu_python", RMR_ACTIVATION_GELU},
    {"gelu_new", RMR_ACTIVATION_GELU_TANH},
    {"gelu_pytorch_tanh", RMR_ACTIVATION_GELU_TANH},
    {"relu", RMR_ACTIVATION_RELU},
    {"sigmoid", RMR_ACTIVATION_SIGMOID},
    {"silu", RMR_ACTIVATION_SILU},
    {"swish", RMR_ACTIVATION_SILU},
    {"tanh", RMR_ACTIVATION_TANH},
};

rmr_status rmr_config_read_fields(rmr_json_source source,
                                  const rmr_config_field *fields, size_t count,
                                  rmr_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        rmr_status status =
            rmr_json_get_int(source, fields[i].name, fields[i].min,
                             fields[i].max, fields[i].fallback, &value, err);
        if (status)
            return status;
        *fields[i].out = (uint32_t)value;
    }
    return RMR_OK;
}

/* Where the heads' sizes do not follow from the model's. */
static rmr_status read_heads(rmr_config *config, rmr_json_source source,
                             const rmr_config_names *names, rmr_error *err)
{
    uint32_t heads = config->num_attention_heads, pairs = heads;
    uint32_t size = config->hidden_size / heads, given = 0;
    const rmr_config_field fields[] = {
        {names->num_key_value_heads, 1, heads, heads, &pairs},
        {names->head_dim, 1, 1 << 12, 0, &given},
    };
    rmr_status status = RMR_OK;
    if (names->num_key_value_heads)
        status = rmr_config_read_fields(source, &fields[0], 1, err);
    if (!status && names->head_dim)
        status = rmr_config_read_fields(source, &fields[1], 1, err);
    if (status)
        return status;
    config->num_key_value_heads = pairs;
    config->head_dim = given ? given : size;
    if (!given && config->hidden_size % heads) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" (%u) must be a multiple of \"%s\" (%u)",
                        source.name, names->hidden_size, config->hidden_size,
                        names->num_attention_heads, heads);
    }
    if (heads % pairs) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" (%u) must be a multiple of \"%s\" (%u)",
                        source.name, names->num_attention_heads, heads,
                        names->num_key_value_heads, pairs);
    }
    return RMR_OK;
}

static rmr_status read_sizes(rmr_config *config, rmr_json_source source,
                             const rmr_config_names *names, rmr_error *err)
{
    const rmr_config_field fields[] = {
        {"vocab_size", 1, 1 << 24, RMR_JSON_REQUIRED, &config->vocab_size},
        {names->hidden_size, 1, 1 << 16, RMR_JSON_REQUIRED,
         &config->hidden_size},
        {names->num_hidden_layers, 1, RMR_MAX_LAYERS, RMR_JSON_REQUIRED,
         &config->num_hidden_layers},
        {names->num_attention_heads, 1, 1024, RMR_JSON_REQUIRED,
         &config->num_attention_heads},
        {names->intermediate_size, 1, 1 << 20, RMR_JSON_REQUIRED,
         &config->intermediate_size},
        {names->type_vocab_size, names->fewest_types, 1 << 16, 2,
         &config->type_vocab_size},
    };
    rmr_status status = rmr_config_read_fields(source, fields, 4, err);
    if (!status && names->intermediate_size)
        status = rmr_config_read_fields(source, &fields[4], 1, err);
    else
        config->intermediate_size = 4 * config->hidden_size;
    if (!status && names->type_vocab_size)
        status = rmr_config_read_fields(source, &fields[5], 1, err);
    if (!status)
        status = read_heads(config, source, names, err);
    return status;
}

rmr_status rmr_config_read_activation(rmr_activation *activation,
                                      rmr_json_source source, const char *field,
                                      const char *fallback, rmr_error *err)
{
    const char *name;
    rmr_status status =
        rmr_json_get_string(source, field, fallback, &name, err);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(name, activations[i].name) == 0) {
            *activation = activations[i].activation;
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"%s\" \"%s\" is not supported; gelu, gelu_new, "
                    "gelu_pytorch_tanh, relu, sigmoid, silu and tanh are",
                    source.name, field, name);
}

rmr_status rmr_config_expect_bool(rmr_json_source source, const char *field,
                                  int expected, int fallback, rmr_error *err)
{
    int value;
    rmr_status status = rmr_json_get_bool(source, field, fallback, &value, err);
    if (!status && !value != !expected)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s: \"%s\" must be %s: the other is not supported",
                          source.name, field, expected ? "true" : "false");
    return status;
}

rmr_status rmr_config_read_ropes(rmr_config *config, rmr_json_source source,
                                 const rmr_rope_names names[RMR_MAX_ROPES],
                                 const float thetas[RMR_MAX_ROPES],
                                 rmr_error *err)
{
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < RMR_MAX_ROPES && !status; i++) {
        config->ropes[i] =
            (rmr_rope){.size = config->head_dim, .theta = thetas[i]};
        status = rmr_rope_read(&config->ropes[i], source, &names[i], err);
    }
    return status;
}

rmr_status rmr_config_read_layer_types(rmr_config *config,
                                       rmr_json_source source, int *found,
                                       rmr_error *err)
{
    const json_t *types = json_object_get(source.object, "layer_types");
    *found = types && !json_is_null(types);
    if (!*found)
        return RMR_OK;
    if (json_array_size(types) != config->num_hidden_layers) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"layer_types\" must be an array of one type for "
                        "each of the %u layers",
                        source.name, config->num_hidden_layers);
    }
    for (size_t i = 0; i < config->num_hidden_layers; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        config->slides[i] = type && strcmp(type, "sliding_attention") == 0;
        if (!config->slides[i] && !(type && !strcmp(type, "full_attention"))) {
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: \"layer_types\" %zu is not supported; "
                            "full_attention and sliding_attention are",
                            source.name, i);
        }
    }
    return RMR_OK;
}

/* Options whose other values would need other arithmetic. */
static rmr_status refuse_variants(rmr_json_source source,
                                  const rmr_config_names *names, rmr_error *err)
{
    const char *only = names->position_type, *position;
    int is_decoder, cross;
    rmr_status status =
        rmr_json_get_bool(source, "is_decoder", 0, &is_decoder, err);
    if (!status)
        status =
            rmr_json_get_bool(source, "add_cross_attention", 0, &cross, err);
    if (status)
        return status;
    if (is_decoder || cross) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"is_decoder\" and \"add_cross_attention\" must "
                        "be false: only encoders are supported",
                        source.name);
    }
    if (!only)
        return RMR_OK;
    status = rmr_json_get_string(source, "position_embedding_type", only,
                                 &position, err);
    if (!status && strcmp(position, only) != 0)
        status = rmr_fail(err, RMR_ERR_UNSUPPORTED,
                          "%s: \"position_embedding_type\" \"%s\" is not "
                          "supported; %s is",
                          source.name, position, only);
    return status;
}

static rmr_status read_epsilon(rmr_config *config, rmr_json_source source,
                               const rmr_config_names *names, rmr_error *err)
{
    double epsilon;
    rmr_status status = rmr_json_get_number(
        source, names->epsilon, names->default_epsilon, &epsilon, err);
    if (status)
        return status;
    if (!(epsilon < 1 && (float)epsilon > 0)) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: \"%s\" must be between 0 and 1", source.name,
                        names->epsilon);
    }
    config->layer_norm_eps = (float)epsilon;
    return RMR_OK;
}

/* What most encoders are. */
static void set_usual(rmr_config *config)
{
    config->embedding_size = config->hidden_size;
    config->embedding_scale = 1;
    config->has_positions = 1;
    config->biases = RMR_BIAS_ALL;
    config->attention_scale = 1 / sqrtf((float)config->head_dim);
}

rmr_status rmr_config_read_encoder(rmr_config *config, rmr_json_source source,
                                   const rmr_config_names *names,
                                   rmr_error *err)
{
    rmr_status status = read_sizes(config, source, names, err);
    if (!status && names->hidden_act)
        status = rmr_config_read_activation(&config->hidden_act, source,
                                            names->hidden_act,
                                            names->default_act, err);
    if (!status)
        status = refuse_variants(source, names, err);
    if (!status)
        status = read_epsilon(config, source, names, err);
    if (!status)
        set_usual(config);
    return status;
}

rmr_status rmr_config_read_bert(rmr_config *config, rmr_json_source source,
                                rmr_error *err)
{
    static const rmr_config_names names = {
        .hidden_size = "hidden_size",
        .num_hidden_layers = "num_hidden_layers",
        .num_attention_heads = "num_attention_heads",
        .intermediate_size = "intermediate_size",
        .hidden_act = "hidden_act",
        .default_act = "gelu",
        .type_vocab_size = "type_vocab_size",
        .fewest_types = 1,
        .epsilon = "layer_norm_eps",
        .default_epsilon = 1e-12,
        .position_type = "absolute",
    };
    return rmr_config_read_encoder(config, source, &names, err);
}

/* What rmr_model_quantize wrote. Weights of another's making would be read as
 * something else. */
static rmr_status read_quantization(rmr_config *config, rmr_json_source source,
                                    rmr_error *err)
{
    const json_t *how = json_object_get(source.object, "quantization_config");
    const char *method, *dtype;
    if (!how || json_is_null(how))
        return RMR_OK;
    if (!json_is_object(how)) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"quantization_config\" must be an object",
                        source.name);
    }
    source.object = how;
    rmr_status status =
        rmr_json_get_string(source, "quant_method", NULL, &method, err);
    if (status)
        return status;
    if (strcmp(method, "remora") != 0) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"quant_method\" \"%s\" is not supported; "
                        "remora is",
                        source.name, method);
    }
    config->is_quantized = 1;
    status = rmr_json_get_string(source, "dtype", NULL, &dtype, err);
    if (status)
        return status;
    if (rmr_dtype_parse(dtype, &config->stored_dtype, NULL) ||
        config->stored_dtype == RMR_DTYPE_F32) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"dtype\" \"%s\" of \"quantization_config\" is "
                        "not supported; bf16, int8 and int4 are",
                        source.name, dtype);
    }
    return RMR_OK;
}

/* How long a sequence may be. */
static rmr_status read_positions(rmr_config *config, const rmr_arch *arch,
                                 rmr_json_source source, rmr_error *err)
{
    const char *name = arch->max_positions;
    uint32_t padding = 0;
    if (!name || !json_object_get(source.object, name))
        name = "max_position_embeddings";
    const rmr_config_field fields[] = {
        {name, 1, 1 << 20, RMR_JSON_REQUIRED, &config->max_position_embeddings},
        {"pad_token_id", 0, 1 << 20, 1, &padding},
    };
    rmr_status status = rmr_config_read_fields(
        source, fields, arch->positions_after_padding ? 2 : 1, err);
    if (status)
        return status;
    config->positions_from =
        arch->positions_after_padding ? padding + 1 : arch->positions_from;
    if (config->positions_from >= config->max_position_embeddings) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"%s\" (%u) leaves no positions from %u on",
                        source.name, fields[0].name,
                        config->max_position_embeddings,
                        config->positions_from);
    }
    config->max_positions =
        config->max_position_embeddings - config->positions_from;
    return RMR_OK;
}

/* JinaBERT's files call it "bert". */
static int minds_distance(rmr_json_source source)
{
    const char *type = json_string_value(
        json_object_get(source.object, "position_embedding_type"));
    return type && strcmp(type, "alibi") == 0;
}

/* Code of the model's own may compute anything. */
static rmr_status check_code(const rmr_arch *arch, rmr_json_source source,
                             rmr_error *err)
{
    const json_t *map = json_object_get(source.object, "auto_map"), *value;
    const char *key;
    json_object_foreach((json_t *)map, key, value)
    {
        if (!arch->is_remote && strncmp(key, "AutoModel", 9) == 0)
            return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                            "%s: \"auto_map\": \"%s\" names code that comes "
                            "with the model, which is never run",
                            source.name, key);
    }
    return RMR_OK;
}

static rmr_status read_all(rmr_config *config, rmr_json_source source,
                           rmr_error *err)
{
    const char *name;
    if (!json_is_object(source.object)) {
        return rmr_fail(err, RMR_ERR_FORMAT, "%s must be a JSON object",
                        source.name);
    }
    rmr_status status =
        rmr_json_get_string(source, "model_type", NULL, &name, err);
    if (status)
        return status;
    if (strcmp(name, "bert") == 0 && minds_distance(source))
        name = rmr_arch_jina.model_type;
    const rmr_arch *arch = rmr_arch_find(name, source.name, err);
    if (!arch)
        return RMR_ERR_UNSUPPORTED;
    snprintf(config->model_type, sizeof config->model_type, "%s",
             arch->model_type);
    status = check_code(arch, source, err);
    if (!status)
        status = arch->read_config(config, source, err);
    if (!status && arch->forward)
        status = read_positions(config, arch, source, err);
    if (!status)
        status = read_quantization(config, source, err);
    return status;
}

rmr_status rmr_config_read(rmr_config *config, const char *directory,
                           rmr_error *err)
{
    memset(config, 0, sizeof *config);
    rmr_status found = rmr_config_find_static(config, directory, err);
    if (found || (config->is_static && !config->drops_unknown)) {
        rmr_poolings_set(&config->pooling, RMR_POOLING_MEAN);
        return found;
    }
    char *path = rmr_path_join(directory, "config.json");
    if (!path)
        return rmr_fail_nomem(err, "config.json");
    json_t *root;
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (!status) {
        rmr_json_source source = {root, path};
        status = read_all(config, source, err);
        json_decref(root);
    }
    rmr_free(path);
    if (!config->is_static)
        config->max_tokens = config->max_positions;
    rmr_poolings_set(&config->pooling, RMR_POOLING_MEAN);
    config->pooling_guessed = !config->is_static;
    config->output_size = config->dim = config->hidden_size;
    return status;
}
