/*
 * mpnet.c - MPNet (Song et al. 2020): BERT without segments, with positions
 * that begin at 2, and with a bias for the distance of two tokens.
 */
#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names layer_names = {
    .query = "attention.attn.q",
    .key = "attention.attn.k",
    .value = "attention.attn.v",
    .attention_output = "attention.attn.o",
    .attention = {.after = "attention.LayerNorm"},
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .feed_forward = {.after = "output.LayerNorm"},
};

static const rmr_family_names names = {
    .prefixes = {"mpnet.", ""},
    .norm = RMR_BERT_EMBEDDING_NORM,
    .distances = "encoder.relative_attention_bias",
    .layer = "encoder.layer.%u.",
    .layers = &layer_names,
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

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    const rmr_config_field fields[] = {
        {"relative_attention_num_buckets", 4, 511, 32,
         &config->relative_attention_num_buckets},
    };
    rmr_status status = rmr_config_read_bert(config, source, err);
    if (!status)
        status = rmr_config_read_fields(source, fields,
                                        sizeof fields / sizeof *fields, err);
    config->type_vocab_size = 0; /* there are no segments */
    return status;
}

const rmr_arch rmr_arch_mpnet = {
    .model_type = "mpnet",
    .title = "MPNet",
    .options = "`hidden_act`, `relative_attention_num_buckets`",
    .positions_from = 2, /* after its padding, whatever config.json says */
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
