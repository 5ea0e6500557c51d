/*
 * roberta.c - RoBERTa (Liu et al. 2019), and XLM-RoBERTa (Conneau et al. 2019)
 * and CamemBERT (Martin et al. 2019), which are the same encoder: BERT with
 * positions that begin after the id of padding.
 */
#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_family_names names = {
    .prefixes = {"roberta.", ""},
    .norm = RMR_BERT_EMBEDDING_NORM,
    .types = "embeddings.token_type_embeddings",
    .layer = "encoder.layer.%u.",
    .layers = &rmr_bert_layer_names,
};

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    .classify = {.dense = "classifier.dense",
                 .activation = {.kernel = RMR_ACTIVATION_TANH},
                 .output = "classifier.out_proj"},
    .tokens = {.output = "classifier"},
    .fill = {.dense = "lm_head.dense",
             .activation = {.kernel = RMR_ACTIVATION_GELU},
             .norm = "lm_head.layer_norm",
             .output = "lm_head.decoder",
             .bias = "lm_head.bias"},
};

const rmr_arch rmr_arch_roberta = {
    .model_type = "roberta",
    .title = "RoBERTa",
    .options = "`hidden_act`, `pad_token_id`",
    .positions_after_padding = 1,
    .read_config = rmr_config_read_bert,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};

const rmr_arch rmr_arch_xlm_roberta = {
    .model_type = "xlm-roberta",
    .title = "XLM-RoBERTa",
    .options = "`hidden_act`, `pad_token_id`",
    .positions_after_padding = 1,
    .read_config = rmr_config_read_bert,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};

const rmr_arch rmr_arch_camembert = {
    .model_type = "camembert",
    .title = "CamemBERT",
    .options = "`hidden_act`, `pad_token_id`",
    .positions_after_padding = 1,
    .read_config = rmr_config_read_bert,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
