/*
 * gemma3.c - Gemma 3 (Gemma Team 2025) as an embedder: a decoder with a norm
 * before and behind each part, most of whose layers see a window of tokens;
 * EmbeddingGemma's tokens see those after them too.
 */
#include <math.h>

#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names layer_names = {
    .query = "self_attn.q_proj",
    .key = "self_attn.k_proj",
    .value = "self_attn.v_proj",
    .query_norm = "self_attn.q_norm",
    .key_norm = "self_attn.k_norm",
    .attention_output = "self_attn.o_proj",
    .attention = {.before = "input_layernorm",
                  .within = "post_attention_layernorm"},
    .feed_forward = {.before = "pre_feedforward_layernorm",
                     .within = "post_feedforward_layernorm"},
    .gate = "mlp.gate_proj",
    .intermediate = "mlp.up_proj",
    .output = "mlp.down_proj",
};

static const rmr_family_names names = {
    .prefixes = {"model.", ""},
    .words = "embed_tokens",
    .layer = "layers.%u.",
    .layers = &layer_names,
    .last_norm = "norm",
};

static const rmr_config_names config_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .num_key_value_heads = "num_key_value_heads",
    .head_dim = "head_dim",
    .intermediate_size = "intermediate_size",
    .hidden_act = "hidden_activation",
    .default_act = "gelu_pytorch_tanh",
    .epsilon = "rms_norm_eps",
    .default_epsilon = 1e-6,
};

/* Every so many layers one sees all. */
static rmr_status read_layers(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    uint32_t pattern = 6;
    int found;
    const rmr_config_field fields[] = {
        {"sliding_window", 1, 1 << 24, 4096, &config->window},
        {"sliding_window_pattern", 1, RMR_MAX_LAYERS, 6, &pattern},
    };
    rmr_status status = rmr_config_read_fields(source, fields, 2, err);
    if (!status)
        status = rmr_config_read_layer_types(config, source, &found, err);
    for (size_t i = 0; i < config->num_hidden_layers && !status && !found; i++)
        config->slides[i] = (i + 1) % pattern != 0;
    config->window =
        config->is_causal ? config->window - 1 : config->window / 2;
    return status;
}

/* Caps that logits have in Gemma 2. */
static rmr_status refuse_caps(rmr_json_source source, rmr_error *err)
{
    const json_t *cap =
        json_object_get(source.object, "attn_logit_softcapping");
    if (!cap || json_is_null(cap))
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"attn_logit_softcapping\" is not supported; null is",
                    source.name);
}

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    static const rmr_rope_names ropes[] = {
        {"rope_theta", "rope_scaling", "full_attention"},
        {"rope_local_base_freq", NULL, "sliding_attention"}};
    static const float thetas[] = {1000000, 10000};
    int both = 0, biased = 0;
    double scalar = 256;
    rmr_status status =
        rmr_config_read_encoder(config, source, &config_names, err);
    if (!status)
        status = refuse_caps(source, err);
    if (!status)
        status = rmr_json_get_bool(source, "use_bidirectional_attention", 0,
                                   &both, err);
    if (!status)
        status = rmr_json_get_bool(source, "attention_bias", 0, &biased, err);
    if (!status)
        status = rmr_json_get_number(source, "query_pre_attn_scalar", 256,
                                     &scalar, err);
    if (!status && !(scalar > 0 && scalar < 1e9))
        status =
            rmr_fail(err, RMR_ERR_RANGE,
                     "%s: \"query_pre_attn_scalar\" must be greater than 0",
                     source.name);
    if (status)
        return status;
    config->has_positions = 0;
    config->gated = 1;
    config->norm = RMR_NORM_RMS_ONE;
    config->biases = biased ? RMR_BIAS_QKV | RMR_BIAS_ATTENTION : 0;
    config->is_causal = !both;
    config->attention_scale = (float)(1 / sqrt(scalar));
    config->embedding_scale = sqrtf((float)config->hidden_size);
    status = rmr_config_read_ropes(config, source, ropes, thetas, err);
    return status ? status : read_layers(config, source, err);
}

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embed_tokens",
    RMR_DECODER_CLASSIFIER(1),
};

const rmr_arch rmr_arch_gemma3 = {
    .model_type = "gemma3_text",
    .title = "Gemma 3, EmbeddingGemma",
    .options = "`hidden_activation`, `num_key_value_heads`, `head_dim`, "
               "`sliding_window`, `sliding_window_pattern`, `layer_types`, "
               "`use_bidirectional_attention`, `query_pre_attn_scalar`, "
               "`attention_bias`; rope: `rope_parameters`, `rope_theta`, "
               "`rope_scaling`, `rope_local_base_freq`",
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
