/*
 * distilbert.c - DistilBERT (Sanh et al. 2019): BERT without segments, under
 * other names.
 */
#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names layer_names = {
    .query = "attention.q_lin",
    .key = "attention.k_lin",
    .value = "attention.v_lin",
    .attention_output = "attention.out_lin",
    .attention = {.after = "sa_layer_norm"},
    .intermediate = "ffn.lin1",
    .output = "ffn.lin2",
    .feed_forward = {.after = "output_layer_norm"},
};

static const rmr_family_names names = {
    .prefixes = {"distilbert.", ""},
    .norm = RMR_BERT_EMBEDDING_NORM,
    .layer = "transformer.layer.%u.",
    .layers = &layer_names,
};

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    .classify = {.dense = "pre_classifier",
                 .activation = {.kernel = RMR_ACTIVATION_RELU},
                 .output = "classifier"},
    .tokens = {.output = "classifier"},
    .fill = {.dense = "vocab_transform",
             .activation = {.is_hidden = 1},
             .norm = "vocab_layer_norm",
             .output = "vocab_projector"},
};

static const rmr_config_names config_names = {
    .hidden_size = "dim",
    .num_hidden_layers = "n_layers",
    .num_attention_heads = "n_heads",
    .intermediate_size = "hidden_dim",
    .hidden_act = "activation",
    .default_act = "gelu",
    .epsilon = "layer_norm_eps", /* which it never has */
    .default_epsilon = 1e-12,
    .position_type = "absolute",
};

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    return rmr_config_read_encoder(config, source, &config_names, err);
}

const rmr_arch rmr_arch_distilbert = {
    .model_type = "distilbert",
    .title = "DistilBERT",
    .options = "`activation`",
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
