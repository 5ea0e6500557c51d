/*
 * electra.c - ELECTRA (Clark et al. 2020): BERT with embeddings that may be
 * narrower than its layers.
 */
#include "common/model/family.h"

static const rmr_family_names names = {
    .prefixes = {"electra.", ""},
    .types = "embeddings.token_type_embeddings",
    .projection = "embeddings_project",
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
    const rmr_config_field fields[] = {
        {"embedding_size", 1, 1 << 16, 128, &config->embedding_size},
    };
    rmr_status status =
        rmr_config_read_encoder(config, source, &rmr_bert_config_names, err);
    if (!status)
        status = rmr_config_read_fields(source, fields,
                                        sizeof fields / sizeof *fields, err);
    return status;
}

static rmr_status bind(void **out, const rmr_config *config,
                       rmr_weights *weights, const rmr_kern *kern,
                       rmr_dtype dtype, rmr_error *err)
{
    return rmr_family_bind(out, &names, config, weights, kern, dtype, err);
}

const rmr_arch rmr_arch_electra = {
    .model_type = "electra",
    .read_config = read_config,
    .bind = bind,
    .unbind = rmr_family_unbind,
    .watch = rmr_family_watch,
    .scratch_bytes = rmr_family_scratch_bytes,
    .forward = rmr_family_forward,
};
