/*
 * gte.c - the encoder of Alibaba's GTE models of 2024 (Zhang et al. 2024,
 * mGTE): BERT with rotary positions and gated layers. Its published files call
 * it "new" and point at code, which is never run; newer ones call it "gte".
 */
#include <string.h>

#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names packed_names = {
    .query = "attention.qkv_proj",
    .attention_output = "attention.o_proj",
    .attention = {.after = "attn_ln"},
    .feed_forward = {.after = "mlp_ln"},
    .intermediate = "mlp.up_gate_proj",
    .gate_is_second = 1,
    .output = "mlp.down_proj",
};

static const rmr_layer_names apart_names = {
    .query = "attention.q_proj",
    .key = "attention.k_proj",
    .value = "attention.v_proj",
    .attention_output = "attention.o_proj",
    .attention = {.after = "attn_ln"},
    .feed_forward = {.after = "mlp_ln"},
    .intermediate = "mlp.up_gate_proj",
    .gate_is_second = 1,
    .output = "mlp.down_proj",
};

static const rmr_family_names names = {
    .prefixes = {"new.", "gte.", ""},
    .types = "embeddings.token_type_embeddings",
    .norm = RMR_BERT_EMBEDDING_NORM,
    .layer = "encoder.layer.%u.",
    .layers = &packed_names,
    .other_layers = &apart_names,
    .other_mark = "encoder.layer.0.attention.q_proj.weight",
};

static const rmr_config_names config_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .intermediate_size = "intermediate_size",
    .hidden_act = "hidden_act",
    .default_act = "gelu",
    .type_vocab_size = "type_vocab_size",
    .epsilon = "layer_norm_eps",
    .default_epsilon = 1e-12,
};

static rmr_status read_norm(rmr_config *config, rmr_json_source source,
                            rmr_error *err)
{
    const char *type;
    rmr_status status = rmr_json_get_string(source, "layer_norm_type",
                                            "layer_norm", &type, err);
    if (status || strcmp(type, "layer_norm") == 0)
        return status;
    config->norm = RMR_NORM_RMS;
    if (strcmp(type, "rms_norm") == 0)
        return RMR_OK;
    return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                    "%s: \"layer_norm_type\" \"%s\" is not supported; "
                    "layer_norm and rms_norm are",
                    source.name, type);
}

static rmr_status read_positions(rmr_config *config, rmr_json_source source,
                                 rmr_error *err)
{
    static const rmr_rope_names rope = {"rope_theta", "rope_scaling", NULL};
    const char *type;
    rmr_status status = rmr_json_get_string(source, "position_embedding_type",
                                            "rope", &type, err);
    if (status)
        return status;
    config->has_positions = strcmp(type, "absolute") == 0;
    if (config->has_positions)
        return RMR_OK;
    if (strcmp(type, "rope") != 0)
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"position_embedding_type\" \"%s\" is not "
                        "supported; rope and absolute are",
                        source.name, type);
    config->ropes[0] = (rmr_rope){.size = config->head_dim, .theta = 10000};
    return rmr_rope_read(&config->ropes[0], source, &rope, err);
}

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    rmr_status status =
        rmr_config_read_encoder(config, source, &config_names, err);
    config->gated = 1;
    config->biases &= ~(unsigned)RMR_BIAS_INTERMEDIATE;
    if (!status)
        status = read_norm(config, source, err);
    if (!status)
        status = read_positions(config, source, err);
    if (!status)
        status = rmr_json_get_bool(source, "logn_attention_scale", 0,
                                   &config->logn_attention_scale, err);
    if (!status)
        status = rmr_json_get_bool(source, "logn_attention_clip1", 0,
                                   &config->logn_attention_clip1, err);
    return status;
}

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    RMR_BERT_CLASSIFIERS,
};

const rmr_arch rmr_arch_gte = {
    .model_type = "gte",
    .title = "GTE",
    .options =
        "`hidden_act`, `layer_norm_type`, `position_embedding_type`; rope: "
        "`rope_theta`, `rope_scaling`",
    .is_remote = 1,
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};

const rmr_arch rmr_arch_new = {
    .model_type = "new",
    .title = "GTE, as first published",
    .options = "as `gte`",
    .is_remote = 1,
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
