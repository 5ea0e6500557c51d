/*
 * roberta.c - RoBERTa (Liu et al. 2019), and XLM-RoBERTa (Conneau et al. 2019)
 * and CamemBERT (Martin et al. 2019), which are the same encoder: BERT with
 * positions that begin after the id of padding.
 */
#include "common/model/family.h"

static const rmr_family_names names = {
    .prefixes = {"roberta.", ""},
    .types = "embeddings.token_type_embeddings",
    .layer = "encoder.layer.%u.",
    .layers = {.query = "attention.self.query",
               .key = "attention.self.key",
               .value = "attention.self.value",
               .attention_output = "attention.output.dense",
               .attention_norm = "attention.output.LayerNorm",
               .intermediate = "intermediate.dense",
               .output = "output.dense",
               .output_norm = "output.LayerNorm"},
};

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    return rmr_config_read_encoder(config, source, &rmr_bert_config_names, err);
}

static rmr_status bind(void **out, const rmr_config *config,
                       rmr_weights *weights, const rmr_kern *kern,
                       rmr_dtype dtype, rmr_error *err)
{
    return rmr_family_bind(out, &names, config, weights, kern, dtype, err);
}

const rmr_arch rmr_arch_roberta = {
    .model_type = "roberta",
    .positions_after_padding = 1,
    .read_config = read_config,
    .bind = bind,
    .unbind = rmr_family_unbind,
    .watch = rmr_family_watch,
    .scratch_bytes = rmr_family_scratch_bytes,
    .forward = rmr_family_forward,
};

const rmr_arch rmr_arch_xlm_roberta = {
    .model_type = "xlm-roberta",
    .positions_after_padding = 1,
    .read_config = read_config,
    .bind = bind,
    .unbind = rmr_family_unbind,
    .watch = rmr_family_watch,
    .scratch_bytes = rmr_family_scratch_bytes,
    .forward = rmr_family_forward,
};

const rmr_arch rmr_arch_camembert = {
    .model_type = "camembert",
    .positions_after_padding = 1,
    .read_config = read_config,
    .bind = bind,
    .unbind = rmr_family_unbind,
    .watch = rmr_family_watch,
    .scratch_bytes = rmr_family_scratch_bytes,
    .forward = rmr_family_forward,
};
