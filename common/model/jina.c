/*
 * jina.c - JinaBERT v2 (Guenther et al. 2023): BERT whose tokens mind how far
 * others are instead of having positions (ALiBi in both directions), and whose
 * layers are gated. Its files call it "bert" and point at code, which is never
 * run; the tensors tell the variant for code, which normalises queries, keys
 * and what attention gives, from the others.
 */
#include <string.h>

#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names layer_names = {
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .attention_output = "attention.output.dense",
    .attention = {.after = "attention.output.LayerNorm"},
    .feed_forward = {.after = "mlp.layernorm"},
    .intermediate = "mlp.gated_layers",
    .output = "mlp.wo",
};

static const rmr_layer_names code_names = {
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .query_norm = "attention.self.layer_norm_q",
    .key_norm = "attention.self.layer_norm_k",
    .norms_all_heads = 1,
    .attention_output = "attention.output.dense",
    .attention = {.within = "attention.output.LayerNorm",
                  .adds_twice = 1,
                  .after = "layer_norm_1"},
    .feed_forward = {.after = "layer_norm_2"},
    .intermediate = "mlp.up_gated_layer",
    .gate_is_second = 1,
    .output = "mlp.down_layer",
};

static const rmr_family_names names = {
    .prefixes = {"bert.", ""},
    .types = "embeddings.token_type_embeddings",
    .norm = RMR_BERT_EMBEDDING_NORM,
    .layer = "encoder.layer.%u.",
    .layers = &layer_names,
    .other_layers = &code_names,
    .other_mark = "encoder.layer.0.layer_norm_1.weight",
};

static const rmr_config_names config_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .intermediate_size = "intermediate_size",
    .type_vocab_size = "type_vocab_size",
    .fewest_types = 1,
    .epsilon = "layer_norm_eps",
    .default_epsilon = 1e-12,
    .position_type = "alibi",
};

/* "hidden_act" says nothing where layers are gated. */
static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    const char *type;
    rmr_status status =
        rmr_config_read_encoder(config, source, &config_names, err);
    if (!status)
        status = rmr_json_get_string(source, "feed_forward_type", "original",
                                     &type, err);
    if (status)
        return status;
    config->has_positions = 0;
    config->alibi = 1;
    config->gated = 1;
    config->biases &= ~(unsigned)RMR_BIAS_INTERMEDIATE;
    if (strcmp(type, "geglu") == 0)
        config->hidden_act = RMR_ACTIVATION_GELU;
    else if (strcmp(type, "reglu") == 0)
        config->hidden_act = RMR_ACTIVATION_RELU;
    else
        return rmr_fail(err, RMR_ERR_UNSUPPORTED,
                        "%s: \"feed_forward_type\" \"%s\" is not supported; "
                        "geglu and reglu are",
                        source.name, type);
    return RMR_OK;
}

static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    RMR_BERT_CLASSIFIERS,
};

const rmr_arch rmr_arch_jina = {
    .model_type = "jina_bert",
    .title = "JinaBERT v2, which calls itself `bert`",
    .options = "`position_embedding_type`, `feed_forward_type`",
    .is_remote = 1,
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
