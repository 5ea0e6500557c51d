/*
 * nomic.c - NomicBERT (Nussbaum et al. 2024): BERT with rotary positions and
 * gated layers, as its published files say it, in GPT-2's words, and as newer
 * ones do. The code that those files point at is never run.
 */
#include <string.h>

#include "common/model/family.h"
#include "common/model/head.h"

static const rmr_layer_names gated_names = {
    .query = "attn.Wqkv",
    .attention_output = "attn.out_proj",
    .attention = {.after = "norm1"},
    .feed_forward = {.after = "norm2"},
    .gate = "mlp.fc12",
    .intermediate = "mlp.fc11",
    .output = "mlp.fc2",
};

static const rmr_layer_names plain_names = {
    .query = "attn.Wqkv",
    .attention_output = "attn.out_proj",
    .attention = {.after = "norm1"},
    .feed_forward = {.after = "norm2"},
    .intermediate = "mlp.fc1",
    .output = "mlp.fc2",
};

static const rmr_family_names names = {
    .prefixes = {"bert.", "nomic_bert.", ""},
    .types = "embeddings.token_type_embeddings",
    .norm = "emb_ln",
    .layer = "encoder.layers.%u.",
    .layers = &gated_names,
    .other_layers = &plain_names,
    .other_mark = "encoder.layers.0.mlp.fc1.weight",
};

static const rmr_config_names published_names = {
    .hidden_size = "n_embd",
    .num_hidden_layers = "n_layer",
    .num_attention_heads = "n_head",
    .intermediate_size = "n_inner",
    .type_vocab_size = "type_vocab_size",
    .epsilon = "layer_norm_epsilon",
    .default_epsilon = 1e-5,
};

static const rmr_config_names library_names = {
    .hidden_size = "hidden_size",
    .num_hidden_layers = "num_hidden_layers",
    .num_attention_heads = "num_attention_heads",
    .intermediate_size = "intermediate_size",
    .hidden_act = "hidden_act",
    .default_act = "silu",
    .type_vocab_size = "type_vocab_size",
    .epsilon = "layer_norm_eps",
    .default_epsilon = 1e-12,
};

static rmr_status read_library(rmr_config *config, rmr_json_source source,
                               rmr_error *err)
{
    static const rmr_rope_names rope = {"rope_theta", NULL, NULL};
    rmr_status status =
        rmr_config_read_encoder(config, source, &library_names, err);
    config->gated = 1;
    config->biases = 0;
    config->ropes[0] = (rmr_rope){.size = config->head_dim, .theta = 1000};
    if (!status)
        status = rmr_rope_read(&config->ropes[0], source, &rope, err);
    return status;
}

/* ---------------------------------------------------------- published files
 */

/* Options that no published model has other values for. */
static rmr_status refuse_variants(rmr_json_source source, rmr_error *err)
{
    static const struct {
        const char *field;
        int expected;
    } fields[] = {
        {"prenorm", 0},        {"causal", 0},
        {"use_rms_norm", 0},   {"scale_attn_weights", 1},
        {"parallel_block", 0},
    };
    rmr_status status = RMR_OK;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && !status; i++)
        status =
            rmr_config_expect_bool(source, fields[i].field, fields[i].expected,
                                   fields[i].expected, err);
    return status;
}

/* "swiglu" and its like are gated by what they are called after. */
static rmr_status read_activation(rmr_config *config, rmr_json_source source,
                                  rmr_error *err)
{
    static const struct {
        const char *name;
        rmr_activation activation;
    } gates[] = {{"swiglu", RMR_ACTIVATION_SILU},
                 {"geglu", RMR_ACTIVATION_GELU},
                 {"glu", RMR_ACTIVATION_SIGMOID}};
    const char *name;
    rmr_status status =
        rmr_json_get_string(source, "activation_function", "gelu", &name, err);
    for (size_t i = 0; i < sizeof gates / sizeof *gates && !status; i++) {
        if (strcmp(name, gates[i].name) == 0) {
            config->gated = 1;
            config->hidden_act = gates[i].activation;
            return RMR_OK;
        }
    }
    return status
               ? status
               : rmr_config_read_activation(&config->hidden_act, source,
                                            "activation_function", "gelu", err);
}

static rmr_status read_biases(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    int qkv = 1, first = 1, second = 1;
    rmr_status status =
        rmr_json_get_bool(source, "qkv_proj_bias", 1, &qkv, err);
    if (!status)
        status = rmr_json_get_bool(source, "mlp_fc1_bias", 1, &first, err);
    if (!status)
        status = rmr_json_get_bool(source, "mlp_fc2_bias", 1, &second, err);
    config->biases = (qkv ? RMR_BIAS_QKV | RMR_BIAS_ATTENTION : 0) |
                     (first ? RMR_BIAS_INTERMEDIATE : 0) |
                     (second ? RMR_BIAS_OUTPUT : 0);
    return status;
}

/* A scaling factor makes the base larger for sequences longer than trained. */
static rmr_status read_rope(rmr_config *config, rmr_json_source source,
                            rmr_error *err)
{
    double theta, fraction, factor = 0, trained = 0;
    rmr_rope *rope = &config->ropes[0];
    rmr_status status =
        rmr_json_get_number(source, "rotary_emb_base", 10000, &theta, err);
    if (!status)
        status = rmr_json_get_number(source, "rotary_emb_fraction", 0,
                                     &fraction, err);
    if (!status)
        status = rmr_json_get_bool(source, "rotary_emb_interleaved", 0,
                                   &rope->interleaved, err);
    if (!status)
        status = rmr_json_get_number(source, "rotary_scaling_factor", 0,
                                     &factor, err);
    if (!status)
        status = rmr_json_get_number(source, "max_trained_positions", 2048,
                                     &trained, err);
    if (status)
        return status;
    if (!(theta > 0 && theta < 1e30 && fraction > 0 && fraction <= 1 &&
          factor >= 0 && factor < 1e6 && trained >= 1 && trained < 1e9)) {
        return rmr_fail(err, RMR_ERR_RANGE,
                        "%s: \"rotary_emb_fraction\" must be above 0 and at "
                        "most 1, \"rotary_emb_base\" above 0, "
                        "\"rotary_scaling_factor\" not below 0 and "
                        "\"max_trained_positions\" at least 1",
                        source.name);
    }
    rope->size = (size_t)(config->head_dim * fraction) / 2 * 2;
    rope->theta = (float)theta;
    if (factor != 0)
        rope->scaling = RMR_ROPE_DYNAMIC;
    rope->factor = (float)factor;
    rope->original_positions = (float)trained;
    return RMR_OK;
}

static rmr_status read_published(rmr_config *config, rmr_json_source source,
                                 rmr_error *err)
{
    rmr_status status =
        rmr_config_read_encoder(config, source, &published_names, err);
    if (!status)
        status = refuse_variants(source, err);
    if (!status)
        status = read_activation(config, source, err);
    /* Gated layers are made wider, to whole 256. */
    if (config->gated)
        config->intermediate_size =
            (config->intermediate_size + 255) / 256 * 256;
    if (!status)
        status = read_biases(config, source, err);
    if (!status)
        status = read_rope(config, source, err);
    return status;
}

static rmr_status read_config(rmr_config *config, rmr_json_source source,
                              rmr_error *err)
{
    int is_published = json_object_get(source.object, "n_embd") != NULL;
    rmr_status status = is_published ? read_published(config, source, err)
                                     : read_library(config, source, err);
    config->has_positions = 0;
    return status;
}

/* The library's; what published files' own code makes of them is another
 * matter. */
static const rmr_heads heads = {
    .prefixes = names.prefixes,
    .words = "embeddings.word_embeddings",
    .not_beside = "n_embd",
    RMR_BERT_CLASSIFIERS,
    .fill = {.dense = "cls.predictions.transform.dense",
             .activation = {.is_hidden = 1},
             .norm = "cls.predictions.transform.layer_norm",
             .output = "cls.predictions.decoder",
             .bias = "cls.predictions.bias"},
};

const rmr_arch rmr_arch_nomic = {
    .model_type = "nomic_bert",
    .title = "NomicBERT",
    .options = "`activation_function`, `qkv_proj_bias`, `mlp_fc1_bias`, "
               "`mlp_fc2_bias`, `rotary_emb_base`, `rotary_emb_fraction`, "
               "`rotary_emb_interleaved`, `rotary_scaling_factor`, "
               "`max_trained_positions`; of transformers: `hidden_act`, "
               "`rope_parameters`, `rope_theta`",
    .is_remote = 1,
    .max_positions = "n_positions",
    .read_config = read_config,
    .family = &names,
    .heads = &heads,
    RMR_FAMILY_FUNCTIONS,
};
