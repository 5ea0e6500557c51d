/*
 * bert.c - BERT (Devlin et al. 2018).
 */
#include "common/model/family.h"
#include "common/model/head.h"

const rmr_layer_names rmr_bert_layer_names = {
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .attention_output = "attention.output.dense",
    .attention = {.after = "attention.output.LayerNorm"},
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .feed_forward = {.after = "output.LayerNorm"},
};

static const rmr_family_names names = {
    .prefixes = {"bert.", ""},
    .norm = RMR_BERT_EMBEDDING_NORM,
    .types = "embeddings.token_type_embeddings",
    .layer = "encoder.layer.%u.",
    .layers = &rmr_bert_layer_names,
};

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    RMR_BERT_CLASSIFIERS,
    .fill = {.dense = "cls.predictions.transform.dense",
             .activation = {.is_hidden = 1},
             .norm = "cls.predictions.transform.LayerNorm",
             .output = "cls.predictions.decoder",
             .bias = "cls.predictions.bias"},
};

const rmr_arch rmr_arch_bert = {
    .model_type = "bert",
    .title = "BERT",
    .options = "`hidden_act`",
    .read_config = rmr_config_read_bert,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
