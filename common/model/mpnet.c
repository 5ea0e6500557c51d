/*
 * mpnet.c - MPNet (Song et al. 2020): BERT without segments, with positions
 * that begin at 2, and with a bias for the distance of two tokens.
 */
#include "common/model/family.h"

static const rmr_family_names names = {
    .prefixes = {"mpnet.", ""},
    .distances = "encoder.relative_attention_bias",
    .layer = "encoder.layer.%u.",
    .layers = {.query = "attention.attn.q",
               .key = "attention.attn.k",
               .value = "attention.attn.v",
               .attention_output = "attention.attn.o",
               .attention_norm = "attention.LayerNorm",
               .intermediate = "intermediate.dense",
               .output = "output.dense",
               .output_norm = "output.LayerNorm"},
};

static const rmr_config_names config_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .intermediate_size = "intermediate_size",
    .hidden_act = "hidden_act",
};

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    const rmr_config_field fields[] = {
        {"relative_attention_num_buckets", 4, 511, 32,
         &config->relative_attention_num_buckets},
    };
    rmr_status status =
        rmr_config_read_encoder(config, source, &config_names, err);
    if (!status)
        status = rmr_config_read_fields(source, fields,
                                        sizeof fields / sizeof *fields, err);
    return status;
}

static rmr_status bind(void **out, const rmr_config *config,
                       rmr_weights *weights, const rmr_kern *kern,
                       rmr_dtype dtype, rmr_error *err)
{
    return rmr_family_bind(out, &names, config, weights, kern, dtype, err);
}

const rmr_arch rmr_arch_mpnet = {
    .model_type = "mpnet",
    .positions_from = 2, /* after its padding, whatever config.json says */
    .read_config = read_config,
    .bind = bind,
    .unbind = rmr_family_unbind,
    .watch = rmr_family_watch,
    .scratch_bytes = rmr_family_scratch_bytes,
    .forward = rmr_family_forward,
};
