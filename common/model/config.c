/*
 * config.c - reads config.json. It must never let a size through that the rest
 * could overflow on, nor ignore an option that changes the numbers.
 */
#include "common/model/config.h"

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
    {"silu", RMR_ACTIVATION_SILU},
    {"swish", RMR_ACTIVATION_SILU},
};

/* Sizes of config.json and what is believable for each. */
static rmr_status read_sizes(rmr_config *config, rmr_json_source source,
                             rmr_error *err)
{
    const struct {
        const char *field;
        int64_t min, max, fallback;
        uint32_t *out;
    } fields[] = {
        {"vocab_size", 1, 1 << 24, RMR_JSON_REQUIRED, &config->vocab_size},
        {"hidden_size", 1, 1 << 16, RMR_JSON_REQUIRED, &config->hidden_size},
        {"num_hidden_layers", 1, 1024, RMR_JSON_REQUIRED,
         &config->num_hidden_layers},
        {"num_attention_heads", 1, 1024, RMR_JSON_REQUIRED,
         &config->num_attention_heads},
        {"intermediate_size", 1, 1 << 20, RMR_JSON_REQUIRED,
         &config->intermediate_size},
        {"max_position_embeddings", 1, 1 << 20, RMR_JSON_REQUIRED,
         &config->max_position_embeddings},
        {"type_vocab_size", 1, 1 << 16, 2, &config->type_vocab_size},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int64_t value;
        rmr_status status =
            rmr_json_get_int(source, fields[i].field, fields[i].min,
                             fields[i].max, fields[i].fallback, &value, err);
        if (status)
            return status;
        *fields[i].out = (uint32_t)value;
    }
    if (config->hidden_size % config->num_attention_heads) {
        return rmr_fail(err, RMR_ERR_FORMAT,
                        "%s: \"hidden_size\" (%u) must be a multiple of "
                        "\"num_attention_heads\" (%u)",
                        source.name, config->hidden_size,
                        config->num_attention_heads);
    }
    return RMR_OK;
}

static rmr_status read_activation(rmr_config *config, rmr_json_source source,
                                  rmr_error *err)
{
    const char *name;
    rmr_status status =
        rmr_json_get_string(source, "hidden_act", "gelu", &name, err);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(name, activations[i].name) == 0) {
            config->hidden_act = activations[i].activation;
            return RMR_OK;
        }
    }
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"hidden_act\" \"%s\" is not supported; gelu, "
                    "gelu_new, gelu_pytorch_tanh, relu and silu are",
                    source.name, name);
}

/* Options whose other values would need other arithmetic. */
static rmr_status refuse_variants(rmr_json_source source, rmr_error *err)
{
    const char *position;
    int is_decoder, cross;
    rmr_status status = rmr_json_get_string(source, "position_embedding_type",
                                            "absolute", &position, err);
    if (!status)
        status = rmr_json_get_bool(source, "is_decoder", 0, &is_decoder, err);
    if (!status)
        status =
            rmr_json_get_bool(source, "add_cross_attention", 0, &cross, err);
    if (status)
        return status;
    if (strcmp(position, "absolute") != 0) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"position_embedding_type\" \"%s\" is not "
                        "supported; absolute is",
                        source.name, position);
    }
    if (is_decoder || cross) {
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"is_decoder\" and \"add_cross_attention\" must "
                        "be false: only encoders are supported",
                        source.name);
    }
    return RMR_OK;
}

static rmr_status read_epsilon(rmr_config *config, rmr_json_source source,
                               rmr_error *err)
{
    double epsilon;
    rmr_status status =
        rmr_json_get_number(source, "layer_norm_eps", 1e-12, &epsilon, err);
    if (status)
        return status;
    if (!(epsilon < 1 && (float)epsilon > 0)) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: \"layer_norm_eps\" must be between 0 and 1",
                        source.name);
    }
    config->layer_norm_eps = (float)epsilon;
    return RMR_OK;
}

static rmr_status read_model_type(rmr_config *config, rmr_json_source source,
                                  rmr_error *err)
{
    const char *name;
    rmr_status status =
        rmr_json_get_string(source, "model_type", NULL, &name, err);
    if (status)
        return status;
    const rmr_arch *arch = rmr_arch_find(name, source.name, err);
    if (!arch)
        return RMR_ERR_UNSUPPORTED;
    snprintf(config->model_type, sizeof config->model_type, "%s", name);
    return RMR_OK;
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

static rmr_status read_fields(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    if (!json_is_object(source.object)) {
        return rmr_fail(err, RMR_ERR_FORMAT, "%s must be a JSON object",
                        source.name);
    }
    rmr_status status = read_sizes(config, source, err);
    if (!status)
        status = read_activation(config, source, err);
    if (!status)
        status = refuse_variants(source, err);
    if (!status)
        status = read_epsilon(config, source, err);
    if (!status)
        status = read_quantization(config, source, err);
    return status;
}

rmr_status rmr_config_read(rmr_config *config, const char *directory,
                           rmr_error *err)
{
    memset(config, 0, sizeof *config);
    char *path = rmr_path_join(directory, "config.json");
    if (!path)
        return rmr_fail_nomem(err, "config.json");
    json_t *root;
    rmr_status status = rmr_json_load_file(&root, path, err);
    if (!status) {
        rmr_json_source source = {root, path};
        status = read_model_type(config, source, err);
        if (!status)
            status = read_fields(config, source, err);
        json_decref(root);
    }
    rmr_free(path);
    config->max_tokens = config->max_position_embeddings;
    config->pooling = RMR_POOLING_MEAN;
    config->pooling_guessed = 1;
    return status;
}
