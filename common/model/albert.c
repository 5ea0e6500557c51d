/*
 * albert.c - ALBERT (Lan et al. 2019): BERT with narrow embeddings and layers
 * that share their weights, in one group or a few.
 */
#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names layer_names = {
    .query = "attention.query",
    .key = "attention.key",
    .value = "attention.value",
    .attention_output = "attention.dense",
    .attention = {.after = "attention.LayerNorm"},
    .intermediate = "ffn",
    .output = "ffn_output",
    .feed_forward = {.after = "full_layer_layer_norm"},
};

static const rmr_family_names names = {
    .prefixes = {"albert.", ""},
    .norm = RMR_BERT_EMBEDDING_NORM,
    .types = "embeddings.token_type_embeddings",
    .projection = "encoder.embedding_hidden_mapping_in",
    .always_projects = 1,
    .layer = "encoder.albert_layer_groups.%u.albert_layers.%u.",
    .layers = &layer_names,
};

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    .classify = {.dense = "pooler",
                 .dense_is_of_encoder = 1,
                 .activation = {.kernel = RMR_ACTIVATION_TANH},
                 .output = "classifier"},
    .tokens = {.output = "classifier"},
    .fill = {.dense = "predictions.dense",
             .activation = {.is_hidden = 1},
             .norm = "predictions.LayerNorm",
             .output = "predictions.decoder",
             .bias = "predictions.bias"},
};

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    const rmr_config_field fields[] = {
        {"embedding_size", 1, 1 << 16, 128, &config->embedding_size},
        {"num_hidden_groups", 1, 1024, 1, &config->num_hidden_groups},
        {"inner_group_num", 1, 64, 1, &config->inner_group_num},
    };
    rmr_status status = rmr_config_read_bert(config, source, err);
    if (!status)
        status = rmr_config_read_fields(source, fields,
                                        sizeof fields / sizeof *fields, err);
    return status;
}

const rmr_arch rmr_arch_albert = {
    .model_type = "albert",
    .title = "ALBERT",
    .options = "`hidden_act`, `embedding_size`, `num_hidden_groups`, "
               "`inner_group_num`",
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
