/*
 * modernbert.c - ModernBERT (Warner et al. 2024): rotary positions, gated
 * layers with norms before their parts, most of which see a window of tokens.
 */
#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names layer_names = {
    .query = "attn.Wqkv",
    .attention_output = "attn.Wo",
    .attention = {.before = "attn_norm"},
    .feed_forward = {.before = "mlp_norm"},
    .intermediate = "mlp.Wi",
    .output = "mlp.Wo",
    .first_has_no_norm = 1,
};

static const rmr_family_names names = {
    .prefixes = {"model.", ""},
    .words = "embeddings.tok_embeddings",
    .norm = "embeddings.norm",
    .layer = "layers.%u.",
    .layers = &layer_names,
    .last_norm = "final_norm",
};

static const rmr_config_names config_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .intermediate_size = "intermediate_size",
    .hidden_act = "hidden_activation",
    .default_act = "gelu",
    .epsilon = "norm_eps",
    .default_epsilon = 1e-5,
};

static rmr_status read_biases(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    int norm = 0, attention = 0, mlp = 0;
    rmr_status status = rmr_json_get_bool(source, "norm_bias", 0, &norm, err);
    if (!status)
        status =
            rmr_json_get_bool(source, "attention_bias", 0, &attention, err);
    if (!status)
        status = rmr_json_get_bool(source, "mlp_bias", 0, &mlp, err);
    config->norm = norm ? RMR_NORM_LAYER : RMR_NORM_NO_BIAS;
    config->embedding_norm = config->norm;
    config->biases = (attention ? RMR_BIAS_QKV | RMR_BIAS_ATTENTION : 0) |
                     (mlp ? RMR_BIAS_INTERMEDIATE | RMR_BIAS_OUTPUT : 0);
    return status;
}

/* Every so many layers, from the first on, one sees all. */
static rmr_status read_layers(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    uint32_t every = 3;
    int found;
    const rmr_config_field fields[] = {
        {"local_attention", 2, 1 << 24, 128, &config->window},
        {"global_attn_every_n_layers", 1, RMR_MAX_LAYERS, 3, &every},
    };
    rmr_status status = rmr_config_read_fields(source, fields, 2, err);
    if (!status)
        status = rmr_config_read_layer_types(config, source, &found, err);
    for (size_t i = 0; i < config->num_hidden_layers && !status && !found; i++)
        config->slides[i] = i % every != 0;
    config->window /= 2;
    return status;
}

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    static const rmr_rope_names ropes[] = {
        {"global_rope_theta", "rope_scaling", "full_attention"},
        {"local_rope_theta", "rope_scaling", "sliding_attention"}};
    static const float thetas[] = {160000, 10000};
    rmr_status status =
        rmr_config_read_encoder(config, source, &config_names, err);
    config->has_positions = 0;
    config->gated = 1;
    if (!status)
        status = read_biases(config, source, err);
    if (!status)
        status = rmr_config_read_ropes(config, source, ropes, thetas, err);
    if (!status)
        status = read_layers(config, source, err);
    return status;
}

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.tok_embeddings",
    .classify = {.pooling_field = "classifier_pooling",
                 .dense = "head.dense",
                 .dense_bias = "classifier_bias",
                 .activation = {.kernel = RMR_ACTIVATION_GELU,
                                .field = "classifier_activation"},
                 .norm = "head.norm",
                 .output = "classifier"},
    .tokens = {.dense = "head.dense",
               .dense_bias = "classifier_bias",
               .activation = {.kernel = RMR_ACTIVATION_GELU,
                              .field = "classifier_activation"},
               .norm = "head.norm",
               .output = "classifier"},
    .fill = {.dense = "head.dense",
             .dense_bias = "classifier_bias",
             .activation = {.kernel = RMR_ACTIVATION_GELU,
                            .field = "classifier_activation"},
             .norm = "head.norm",
             .output = "decoder",
             .output_bias = "decoder_bias"},
};

const rmr_arch rmr_arch_modernbert = {
    .model_type = "modernbert",
    .title = "ModernBERT",
    .options =
        "`hidden_activation`, `norm_bias`, `attention_bias`, `mlp_bias`, "
        "`local_attention`, `global_attn_every_n_layers`, `layer_types`; "
        "rope: `rope_parameters`, `global_rope_theta`, `local_rope_theta`, "
        "`rope_scaling`",
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
