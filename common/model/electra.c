/*
 * electra.c - ELECTRA (Clark et al. 2020): BERT with embeddings that may be
 * narrower than its layers.
 */
#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_family_names names = {
    .prefixes = {"electra.", ""},
    .norm = RMR_BERT_EMBEDDING_NORM,
    .types = "embeddings.token_type_embeddings",
    .projection = "embeddings_project",
    .layer = "encoder.layer.%u.",
    .layers = &rmr_bert_layer_names,
};

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    .classify = {.dense = "classifier.dense",
                 .activation = {.kernel = RMR_ACTIVATION_GELU},
                 .output = "classifier.out_proj"},
    .tokens = {.output = "classifier"},
    .fill = {.dense = "generator_predictions.dense",
             .activation = {.kernel = RMR_ACTIVATION_GELU},
             .norm = "generator_predictions.LayerNorm",
             .output = "generator_lm_head"},
};

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    const rmr_config_field fields[] = {
        {"embedding_size", 1, 1 << 16, 128, &config->embedding_size},
    };
    rmr_status status = rmr_config_read_bert(config, source, err);
    if (!status)
        status = rmr_config_read_fields(source, fields,
                                        sizeof fields / sizeof *fields, err);
    return status;
}

const rmr_arch rmr_arch_electra = {
    .model_type = "electra",
    .title = "ELECTRA",
    .options = "`hidden_act`, `embedding_size`",
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
