/*
 * llama.c - Llama (Touvron et al. 2023), Mistral (Jiang et al. 2023) and Qwen3
 * (Yang et al. 2025), as embedders and rerankers: decoders whose tokens see
 * those before them or, where config.json says that they are not causal, all.
 */
#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names layer_names = {
    .query = "self_attn.q_proj",
    .key = "self_attn.k_proj",
    .value = "self_attn.v_proj",
    .attention_output = "self_attn.o_proj",
    .attention = {.before = "input_layernorm"},
    .feed_forward = {.before = "post_attention_layernorm"},
    .gate = "mlp.gate_proj",
    .intermediate = "mlp.up_proj",
    .output = "mlp.down_proj",
};

static const rmr_layer_names qwen3_layer_names = {
    .query = "self_attn.q_proj",
    .key = "self_attn.k_proj",
    .value = "self_attn.v_proj",
    .query_norm = "self_attn.q_norm",
    .key_norm = "self_attn.k_norm",
    .attention_output = "self_attn.o_proj",
    .attention = {.before = "input_layernorm"},
    .feed_forward = {.before = "post_attention_layernorm"},
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

static const rmr_family_names qwen3_names = {
    .prefixes = {"model.", ""},
    .words = "embed_tokens",
    .layer = "layers.%u.",
    .layers = &qwen3_layer_names,
    .last_norm = "norm",
};

static const rmr_config_names config_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .num_key_value_heads = "num_key_value_heads",
    .head_dim = "head_dim",
    .intermediate_size = "intermediate_size",
    .hidden_act = "hidden_act",
    .default_act = "silu",
    .epsilon = "rms_norm_eps",
    .default_epsilon = 1e-6,
};

/* What the three have in common. */
static rmr_status read_decoder(rmr_config *config, rmr_json_source source,
                               rmr_error *err)
{
    static const rmr_rope_names rope = {"rope_theta", "rope_scaling", NULL};
    rmr_status status =
        rmr_config_read_encoder(config, source, &config_names, err);
    config->has_positions = 0;
    config->gated = 1;
    config->norm = RMR_NORM_RMS;
    config->biases = 0;
    config->ropes[0] = (rmr_rope){.size = config->head_dim, .theta = 10000};
    if (!status)
        status = rmr_rope_read(&config->ropes[0], source, &rope, err);
    if (!status)
        status =
            rmr_json_get_bool(source, "is_causal", 1, &config->is_causal, err);
    config->ropes[1] = config->ropes[0];
    return status;
}

static rmr_status read_biases(rmr_config *config, rmr_json_source source,
                              const char *field, unsigned biases,
                              rmr_error *err)
{
    int is_on;
    rmr_status status = rmr_json_get_bool(source, field, 0, &is_on, err);
    if (!status && is_on)
        config->biases |= biases;
    return status;
}

static rmr_status read_llama(rmr_config *config, rmr_json_source source,
                             rmr_error *err)
{
    rmr_status status = read_decoder(config, source, err);
    if (!status)
        status = read_biases(config, source, "attention_bias",
                             RMR_BIAS_QKV | RMR_BIAS_ATTENTION, err);
    if (!status)
        status = read_biases(config, source, "mlp_bias",
                             RMR_BIAS_INTERMEDIATE | RMR_BIAS_OUTPUT, err);
    return status;
}

/* "sliding_window" is the last token that is seen no more; both ways it is the
 * last one that is. 0: there is none. */
static rmr_status read_window(rmr_config *config, rmr_json_source source,
                              uint32_t fallback, rmr_error *err)
{
    const rmr_config_field field = {"sliding_window", 1, 1 << 24, fallback,
                                    &config->window};
    const json_t *value = json_object_get(source.object, field.name);
    rmr_status status = RMR_OK;
    config->window = 0;
    if (!value || !json_is_null(value))
        status = rmr_config_read_fields(source, &field, 1, err);
    if (!status && config->window && config->is_causal)
        config->window--;
    else if (!config->window)
        config->window = UINT32_MAX;
    return status;
}

static rmr_status read_mistral(rmr_config *config, rmr_json_source source,
                               rmr_error *err)
{
    rmr_status status = read_decoder(config, source, err);
    if (!status)
        status = read_window(config, source, 4096, err);
    for (size_t i = 0; i < config->num_hidden_layers && !status; i++)
        config->slides[i] = config->window != UINT32_MAX;
    return status;
}

static rmr_status read_qwen3(rmr_config *config, rmr_json_source source,
                             rmr_error *err)
{
    uint32_t from = 0;
    int uses = 0, found = 0;
    const rmr_config_field field = {"max_window_layers", 0, RMR_MAX_LAYERS, 28,
                                    &from};
    rmr_status status = read_decoder(config, source, err);
    if (!status)
        status = read_biases(config, source, "attention_bias",
                             RMR_BIAS_QKV | RMR_BIAS_ATTENTION, err);
    if (!status)
        status = rmr_json_get_bool(source, "use_sliding_window", 0, &uses, err);
    if (!status)
        status = read_window(config, source, 4096, err);
    if (!status)
        status = rmr_config_read_fields(source, &field, 1, err);
    if (!status)
        status = rmr_config_read_layer_types(config, source, &found, err);
    for (size_t i = from; i < config->num_hidden_layers && !found; i++)
        config->slides[i] = uses && config->window != UINT32_MAX;
    return status;
}

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embed_tokens",
    RMR_DECODER_CLASSIFIER(0),
};

static const rmr_heads qwen3_heads = {
    .prefixes = names.prefixes,
    .words = "embed_tokens",
    RMR_DECODER_CLASSIFIER(0),
    .answer = {.output = "lm_head"},
};

const rmr_arch rmr_arch_llama = {
    .model_type = "llama",
    .title = "Llama",
    .options =
        "`hidden_act`, `num_key_value_heads`, `head_dim`, `is_causal`, "
        "`attention_bias`, `mlp_bias`; rope: `rope_parameters`, `rope_theta`, "
        "`rope_scaling`",
    .read_config = read_llama,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};

const rmr_arch rmr_arch_mistral = {
    .model_type = "mistral",
    .title = "Mistral",
    .options = "`hidden_act`, `num_key_value_heads`, `head_dim`, `is_causal`, "
               "`sliding_window`; rope as Llama",
    .read_config = read_mistral,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};

const rmr_arch rmr_arch_qwen3 = {
    .model_type = "qwen3",
    .title = "Qwen3",
    .options = "`hidden_act`, `num_key_value_heads`, `head_dim`, `is_causal`, "
               "`attention_bias`, `use_sliding_window`, `sliding_window`, "
               "`max_window_layers`, `layer_types`; rope as Llama",
    .read_config = read_qwen3,
    .family = &qwen3_names,
    .heads = &qwen3_heads,
    RMR_FAMILY_FUNCTIONS,
};
