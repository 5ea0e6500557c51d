/*
 * answer_fixture.c - writes the directory of a decoder that reranks. It must
 * never use the words of the code under test.
 */
#include "tests/unit/answer_fixture.h"

#include <stdio.h>

#include "tests/unit/tiny_model.h"
#include "tests/unit/unit.h"

const char answer_before[] =
    "<|im_start|>system\nJudge whether the Document meets the requirements "
    "based on the Query and the Instruct provided. Note that the answer can "
    "only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
const char answer_after[] =
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
const char answer_template[] =
    "{%- set i = m | default(\"Given a web search query, retrieve relevant "
    "passages that answer the query\") -%}\n"
    "<|im_start|>system\nJudge whether the Document meets the requirements "
    "based on the Query and the Instruct provided. Note that the answer can "
    "only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n"
    "<Instruct>: {{ i }}\n<Query>: {{ q }}\n<Document>: {{ d }}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n\n";

static const char config[] =
    "{\"architectures\": [\"%s\"], \"model_type\": \"qwen3\", "
    "\"vocab_size\": 4, \"hidden_size\": 8, \"intermediate_size\": 8, "
    "\"num_hidden_layers\": 1, \"num_attention_heads\": 1, "
    "\"num_key_value_heads\": 1, \"head_dim\": 8, \"hidden_act\": \"silu\", "
    "\"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-6, "
    "\"tie_word_embeddings\": true}";
static const char tokenizer[] =
    "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, "
    "\"added_tokens\": [], \"normalizer\": null, "
    "\"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, "
    "\"post_processor\": null, \"decoder\": null, "
    "\"model\": {\"type\": \"WordLevel\", \"unk_token\": \"[UNK]\", "
    "\"vocab\": {\"[UNK]\": 0, \"yes\": 1, \"no\": 2, \"fish\": 3}}}";

static const struct {
    const char *name, *shape;
    size_t count;
} tensors[] = {
    {"model.embed_tokens.weight", "[4,8]", 32},
    {"model.layers.0.input_layernorm.weight", "[8]", 8},
    {"model.layers.0.self_attn.q_proj.weight", "[8,8]", 64},
    {"model.layers.0.self_attn.k_proj.weight", "[8,8]", 64},
    {"model.layers.0.self_attn.v_proj.weight", "[8,8]", 64},
    {"model.layers.0.self_attn.o_proj.weight", "[8,8]", 64},
    {"model.layers.0.self_attn.q_norm.weight", "[8]", 8},
    {"model.layers.0.self_attn.k_norm.weight", "[8]", 8},
    {"model.layers.0.post_attention_layernorm.weight", "[8]", 8},
    {"model.layers.0.mlp.gate_proj.weight", "[8,8]", 64},
    {"model.layers.0.mlp.up_proj.weight", "[8,8]", 64},
    {"model.layers.0.mlp.down_proj.weight", "[8,8]", 64},
    {"model.norm.weight", "[8]", 8},
};

static float values[LENGTH(tensors)][64];

const float *answer_words(void)
{
    return values[0];
}

static void write_weights(const char *directory)
{
    tiny_part parts[LENGTH(tensors)];
    uint64_t seed = 7;
    for (size_t i = 0; i < LENGTH(tensors); i++) {
        for (size_t j = 0; j < tensors[i].count; j++)
            values[i][j] = tiny_signed(&seed);
        parts[i] = (tiny_part){tensors[i].name, "F32", tensors[i].shape,
                               values[i], tensors[i].count * sizeof(float)};
    }
    tiny_write_parts(directory, "model.safetensors", parts, LENGTH(parts));
}

char *answer_directory(const char *architecture)
{
    char text[sizeof config + 64];
    char *directory = tiny_directory();
    snprintf(text, sizeof text, config, architecture);
    tiny_write_text(directory, "config.json", text);
    tiny_write_text(directory, "tokenizer.json", tokenizer);
    write_weights(directory);
    return directory;
}

void answer_write_modules(const char *directory)
{
    tiny_write_text(
        directory, "modules.json",
        "[{\"path\": \"\", \"type\": "
        "\"sentence_transformers.base.modules.transformer.Transformer\"}, "
        "{\"path\": \"1_LogitScore\", \"type\": "
        "\"sentence_transformers.cross_encoder.modules.logit_score."
        "LogitScore\"}]");
    tiny_write_text(directory, "1_LogitScore/config.json",
                    "{\"true_token_id\": 1, \"false_token_id\": 2}");
    tiny_write_text(directory, "config_sentence_transformers.json",
                    "{\"prompts\": {\"p\": \"fish\"}, "
                    "\"default_prompt_name\": \"p\"}");
    tiny_write_text(directory, "chat_template.jinja", answer_template);
}
