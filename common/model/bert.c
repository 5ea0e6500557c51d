/*
 * bert.c - BERT (Devlin et al. 2018).
 */
#include "common/model/family.h"

const rmr_layer_names rmr_bert_layer_names = {
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .output_norm = "output.LayerNorm",
};

static const rmr_family_names names = {
    .prefixes = {"bert.", ""},
    .types = "embeddings.token_type_embeddings",
    .layer = "encoder.layer.%u.",
    .layers = &rmr_bert_layer_names,
};

const rmr_arch rmr_arch_bert = {
    .model_type = "bert",
    .read_config = rmr_config_read_bert,
    .family = &names,
    RMR_FAMILY_FUNCTIONS,
};
