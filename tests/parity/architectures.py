"""The small models of the parity of architectures: for each, what config.json
says, which class of the reference computes it, and how its weights are stored.
Every architecture and head is here, and every option that changes the
arithmetic in at least one case. It must never import the reference: what is
said here is data.

A case's sequences are as long as `lengths` says, one sequence each; with
`pairs`, a sequence is cut into two texts where a cross-encoder would be given
two; all end with the tokens of `ending`. The epsilons of norms are larger than
those of real models where theirs would not show. A task says which numbers are
kept:
  hidden                the last hidden state, a row for each token
  text-classification   the logits, a row for each sequence
  token-classification  the logits, a row for each token
  fill-mask             the same, a column for each word
"""

from dataclasses import dataclass, field

SHORT = (1, 2, 7, 20)
LONG = (1, 2, 3, 7, 16, 17, 33, 40)
HEADS = (1, 2, 5, 13)


@dataclass
class Case:
    name: str
    reference: str  # a class of transformers, or of reference_NAME.py here
    config: dict
    task: str = "hidden"
    lengths: tuple = LONG
    pairs: bool = False
    ending: tuple = ()
    seed: int = 1
    storage: str = "F32"
    shards: int = 1
    saved_as: str = ""  # the class whose names the file has, if another
    old_names: bool = False  # gamma and beta, as old files say
    options: dict = field(default_factory=dict)  # of the class

    @property
    def architecture(self):
        """The class that config.json names."""
        return (self.saved_as or self.reference).rpartition(".")[2]

    @property
    def vocab(self):
        return self.config["vocab_size"]

    @property
    def mask(self):
        return self.task == "fill-mask"


CASES = []


def add(name, reference, *configs, **options):
    """A case whose config.json is several dicts, the later ones' words
    last."""
    config = {}
    for part in configs:
        config.update(part)
    CASES.append(Case(name, reference, config, **options))


def labels(count, **others):
    """id2label and its inverse, and what else config.json says of a head."""
    names = [f"LABEL-{chr(ord('A') + i)}" for i in range(count)]
    return {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)}, **others,
    }


MULTI = {"problem_type": "multi_label_classification"}
REGRESSION = {"problem_type": "regression"}
SINGLE = {"problem_type": "single_label_classification"}


def add_heads(name, family, *configs, classes=3, pairs=False):
    """The three heads that most encoders are deployed with."""
    add(f"{name}-classify", f"{family}ForSequenceClassification", *configs,
        labels(classes), task="text-classification", lengths=HEADS,
        pairs=pairs)
    add(f"{name}-tokens", f"{family}ForTokenClassification", *configs,
        labels(5), task="token-classification", lengths=HEADS)
    add(f"{name}-fill", f"{family}ForMaskedLM", *configs, task="fill-mask",
        lengths=HEADS)


# ------------------------------------------------------------------------ BERT

BERT = {
    "model_type": "bert", "vocab_size": 64, "hidden_size": 36,
    "num_hidden_layers": 3, "num_attention_heads": 3,
    "intermediate_size": 52, "hidden_act": "gelu",
    "max_position_embeddings": 64, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12, "pad_token_id": 0,
}
SMALL = {"num_hidden_layers": 2}

add("bert-gelu", "BertModel", BERT)
# As a file of a whole language model holds it, under "bert.", half as wide.
add("bert-relu", "BertModel", BERT, SMALL, {"hidden_act": "relu"},
    lengths=SHORT, storage="F16", saved_as="BertForMaskedLM",
    options={"add_pooling_layer": False})
# As the oldest files hold it.
add("bert-gelu-new", "BertModel", BERT, SMALL, {"hidden_act": "gelu_new"},
    lengths=SHORT, saved_as="BertForPreTraining", old_names=True)
add("bert-gelu-tanh", "BertModel", BERT, SMALL, {
    "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-3,
    "num_attention_heads": 5, "hidden_size": 30, "type_vocab_size": 1,
}, lengths=SHORT, options={"add_pooling_layer": False})
add("bert-silu", "BertModel", BERT, SMALL, {
    "hidden_act": "silu", "num_attention_heads": 1, "hidden_size": 24,
    "intermediate_size": 25,
}, lengths=SHORT, storage="BF16", shards=3)
add_heads("bert", "Bert", BERT, SMALL, pairs=True)
add("bert-fill-untied", "BertForMaskedLM", BERT, SMALL,
    {"tie_word_embeddings": False}, task="fill-mask", lengths=HEADS)
# A cross-encoder's one logit.
add("bert-one", "BertForSequenceClassification", BERT, SMALL, labels(1),
    task="text-classification", lengths=HEADS, pairs=True)
add("bert-multi", "BertForSequenceClassification", BERT, SMALL,
    labels(4), MULTI, task="text-classification", lengths=HEADS,
    storage="BF16")
add("bert-regression", "BertForSequenceClassification", BERT, SMALL,
    labels(2), REGRESSION, task="text-classification", lengths=HEADS)

# --------------------------------------------------------------------- RoBERTa
# Positions begin after the id of padding.

ROBERTA = {
    **BERT, "model_type": "roberta", "pad_token_id": 1,
    "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1,
    "max_position_embeddings": 42, "layer_norm_eps": 1e-3,
}
XLM_ROBERTA = {**ROBERTA, "model_type": "xlm-roberta"}
CAMEMBERT = {**ROBERTA, "model_type": "camembert"}

add("roberta", "RobertaModel", ROBERTA)
add_heads("roberta", "Roberta", ROBERTA, SMALL)
add("roberta-multi", "RobertaForSequenceClassification", ROBERTA, SMALL,
    labels(6), MULTI, task="text-classification", lengths=HEADS)
add("xlm-roberta", "XLMRobertaModel", XLM_ROBERTA,
    {"pad_token_id": 4, "max_position_embeddings": 45}, storage="F16",
    options={"add_pooling_layer": False})
add_heads("xlm-roberta", "XLMRoberta", XLM_ROBERTA, SMALL)
add("xlm-roberta-one", "XLMRobertaForSequenceClassification", XLM_ROBERTA,
    SMALL, labels(1), task="text-classification", lengths=HEADS)
add("camembert", "CamembertModel", CAMEMBERT, SMALL,
    saved_as="CamembertForMaskedLM", options={"add_pooling_layer": False})
add("camembert-tokens", "CamembertForTokenClassification", CAMEMBERT, SMALL,
    labels(5), task="token-classification", lengths=HEADS)

# ------------------------------------------------------------------ DistilBERT

DISTILBERT = {
    "model_type": "distilbert", "vocab_size": 64, "dim": 36, "n_layers": 3,
    "n_heads": 3, "hidden_dim": 52, "activation": "gelu",
    "max_position_embeddings": 64, "pad_token_id": 0,
    "sinusoidal_pos_embds": False,
}
add("distilbert", "DistilBertModel", DISTILBERT)
add("distilbert-relu", "DistilBertModel", DISTILBERT,
    {"activation": "relu", "n_layers": 2, "sinusoidal_pos_embds": True},
    lengths=SHORT, saved_as="DistilBertForMaskedLM", storage="BF16")
add_heads("distilbert", "DistilBert", DISTILBERT, {"n_layers": 2}, classes=2)

# ----------------------------------------------------------------------- MPNet
# Long enough for every bucket of distances, which end at 128.

MPNET = {
    **BERT, "model_type": "mpnet", "pad_token_id": 1, "bos_token_id": 0,
    "eos_token_id": 2, "relative_attention_num_buckets": 32,
    "hidden_size": 24, "layer_norm_eps": 2e-3,
    "max_position_embeddings": 160,
}
del MPNET["type_vocab_size"]
add("mpnet", "MPNetModel", MPNET, lengths=(1, 2, 7, 8, 9, 17, 33, 140))
add_heads("mpnet", "MPNet", MPNET, SMALL)

# ---------------------------------------------------------------------- ALBERT
# Layers of a group share their weights.

ALBERT = {
    **BERT, "model_type": "albert", "embedding_size": 16,
    "num_hidden_groups": 1, "inner_group_num": 1, "hidden_act": "gelu_new",
    "bos_token_id": 2, "eos_token_id": 3, "layer_norm_eps": 1e-3,
}
add("albert", "AlbertModel", ALBERT)
add("albert-groups", "AlbertModel", ALBERT, {
    "num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2,
    "hidden_act": "gelu", "embedding_size": 36,
}, lengths=SHORT, saved_as="AlbertForMaskedLM")
add_heads("albert", "Albert", ALBERT, SMALL, pairs=True)

# --------------------------------------------------------------------- ELECTRA

ELECTRA = {
    **BERT, "model_type": "electra", "embedding_size": 16,
    "layer_norm_eps": 2e-3,
}
add("electra", "ElectraModel", ELECTRA)
# No projection where the sizes are the same.
add("electra-same", "ElectraModel", ELECTRA, SMALL, {"embedding_size": 36},
    lengths=SHORT, saved_as="ElectraForPreTraining")
add_heads("electra", "Electra", ELECTRA, SMALL, pairs=True)
add("electra-one", "ElectraForSequenceClassification", ELECTRA, SMALL,
    {"embedding_size": 36}, labels(1), task="text-classification",
    lengths=HEADS, pairs=True)

# --------------------------------------------------------------------- DeBERTa
# Sequences are longer than the buckets, and than the positions that are told
# apart.

DEBERTA = {
    **BERT, "model_type": "deberta-v2", "layer_norm_eps": 1e-3,
    "relative_attention": True, "max_relative_positions": -1,
    "position_buckets": 8, "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True, "norm_rel_ebd": "layer_norm",
    "position_biased_input": False, "type_vocab_size": 0,
    "pooler_hidden_act": "gelu", "pooler_hidden_size": 36,
}
UNSHARED = {"share_att_key": False, "norm_rel_ebd": "none"}

add("deberta-v3", "DebertaV2Model", DEBERTA)
add("deberta-v2", "DebertaV2Model", DEBERTA, {
    "conv_kernel_size": 3, "conv_act": "gelu", "attention_head_size": 12,
    "type_vocab_size": 2,
})
add("deberta-conv", "DebertaV2Model", DEBERTA, SMALL, {
    "conv_kernel_size": 5, "conv_groups": 3, "embedding_size": 16,
}, lengths=(1, 2, 4, 5, 20), saved_as="DebertaV2ForTokenClassification",
    storage="F16")
add("deberta-c2p", "DebertaV2Model", DEBERTA, SMALL, UNSHARED, {
    "pos_att_type": ["c2p"], "position_buckets": -1,
    "max_relative_positions": 8,
})
add("deberta-p2c", "DebertaV2Model", DEBERTA, SMALL, UNSHARED, {
    "pos_att_type": "p2c", "position_buckets": 4,
    "max_relative_positions": 16, "position_biased_input": True,
    "type_vocab_size": 2,
})
add("deberta-unshared", "DebertaV2Model", DEBERTA, UNSHARED, {
    "pos_att_type": "c2p|p2c", "norm_rel_ebd": "layer_norm",
    "max_relative_positions": 24, "position_buckets": 16,
    "hidden_act": "gelu_new",
})
add("deberta-shared-c2p", "DebertaV2Model", DEBERTA, SMALL, {
    "pos_att_type": ["c2p"], "position_buckets": 6, "norm_rel_ebd": "none",
})
# Distances are told apart and count for nothing.
add("deberta-content", "DebertaV2Model", DEBERTA, SMALL, UNSHARED,
    {"pos_att_type": []}, lengths=SHORT)
add("deberta-absolute", "DebertaV2Model", DEBERTA, SMALL, UNSHARED, {
    "relative_attention": False, "pos_att_type": None,
    "position_biased_input": True,
}, lengths=SHORT)
add_heads("deberta", "DebertaV2", DEBERTA, SMALL)
add("deberta-multi", "DebertaV2ForSequenceClassification", DEBERTA, SMALL,
    labels(4), MULTI, {"pooler_hidden_act": "tanh"},
    task="text-classification", lengths=HEADS)
add("deberta-one", "DebertaV2ForSequenceClassification", DEBERTA, SMALL,
    labels(1), task="text-classification", lengths=HEADS, storage="F16")
add("deberta-fill-new", "DebertaV2ForMaskedLM", DEBERTA, SMALL,
    {"legacy": False}, task="fill-mask", lengths=HEADS)

# ------------------------------------------------------------------ ModernBERT
# A token sees local_attention / 2 others to each side, in all but every third
# layer.

AROUND_8 = (1, 2, 3, 7, 8, 9, 16, 17, 40)
MODERNBERT = {
    "model_type": "modernbert", "vocab_size": 64, "hidden_size": 36,
    "num_hidden_layers": 4, "num_attention_heads": 3,
    "intermediate_size": 52, "hidden_activation": "gelu",
    "max_position_embeddings": 64, "norm_eps": 1e-3, "norm_bias": False,
    "attention_bias": False, "mlp_bias": False, "local_attention": 8,
    "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0,
    "local_rope_theta": 10000.0, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2,
    "decoder_bias": True, "classifier_pooling": "cls",
    "classifier_bias": False, "classifier_activation": "gelu",
}
BIASED = {
    "norm_bias": True, "attention_bias": True, "mlp_bias": True,
    "classifier_bias": True,
}
add("modernbert", "ModernBertModel", MODERNBERT, lengths=AROUND_8)
# As newer files say the same things.
add("modernbert-biased", "ModernBertModel", {
    key: value for key, value in MODERNBERT.items()
    if key not in ("global_attn_every_n_layers", "global_rope_theta",
                   "local_rope_theta")
}, BIASED, {
    "num_hidden_layers": 3, "local_attention": 6,
    "layer_types": ["sliding_attention", "full_attention",
                    "sliding_attention"],
    "rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": 80000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0},
    },
    "hidden_activation": "gelu_pytorch_tanh", "norm_eps": 1e-5,
}, lengths=(1, 2, 3, 4, 6, 7, 12, 40), saved_as="ModernBertForMaskedLM",
    storage="BF16")
add("modernbert-silu", "ModernBertModel", MODERNBERT, {
    "hidden_activation": "silu", "global_attn_every_n_layers": 2,
    "num_hidden_layers": 3,
}, lengths=SHORT, shards=2)
MODERN_SMALL = {"num_hidden_layers": 3}
LONGER_HEADS = (1, 2, 5, 13, 21)
for one in (("classify", labels(3), {}), ("mean", labels(3), {
        "classifier_pooling": "mean", **BIASED}),
        ("one", labels(1), {"classifier_pooling": "mean"}),
        ("multi", labels(4), {**MULTI, "classifier_activation": "silu"})):
    add(f"modernbert-{one[0]}", "ModernBertForSequenceClassification",
        MODERNBERT, MODERN_SMALL, *one[1:], task="text-classification",
        lengths=LONGER_HEADS)
add("modernbert-tokens", "ModernBertForTokenClassification", MODERNBERT,
    MODERN_SMALL, labels(5), task="token-classification",
    lengths=LONGER_HEADS)
add("modernbert-fill", "ModernBertForMaskedLM", MODERNBERT, MODERN_SMALL,
    task="fill-mask", lengths=HEADS)
add("modernbert-fill-plain", "ModernBertForMaskedLM", MODERNBERT,
    MODERN_SMALL, {"decoder_bias": False}, BIASED, task="fill-mask",
    lengths=HEADS)

# --------------------------------------------------- Qwen3, Llama and Mistral
# Heads share keys and values, and are wider or narrower than the hidden size
# divided by them.

QWEN3 = {
    "model_type": "qwen3", "vocab_size": 64, "hidden_size": 30,
    "intermediate_size": 44, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 8,
    "hidden_act": "silu", "max_position_embeddings": 64,
    "rms_norm_eps": 1e-3, "rope_theta": 1000000, "rope_scaling": None,
    "attention_bias": False, "sliding_window": None,
    "use_sliding_window": False, "max_window_layers": 3,
    "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
}
WINDOW = {
    "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1,
}
add("qwen3", "Qwen3Model", QWEN3)
add("qwen3-window", "Qwen3Model", QWEN3, WINDOW, {
    "attention_bias": True, "num_attention_heads": 3,
    "num_key_value_heads": 1, "rope_theta": 10000.0,
}, lengths=AROUND_8, saved_as="Qwen3ForCausalLM", storage="BF16")
add("qwen3-bidirectional", "Qwen3Model", QWEN3, {
    "is_causal": False, "num_attention_heads": 5, "num_key_value_heads": 5,
    "head_dim": 6,
}, lengths=SHORT)
# As newer files say the same things.
add("qwen3-layers", "Qwen3Model", {
    key: value for key, value in QWEN3.items()
    if key not in ("rope_theta", "rope_scaling")
}, WINDOW, {
    "layer_types": ["sliding_attention", "full_attention",
                    "sliding_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 2000.0},
}, lengths=(1, 2, 7, 8, 9, 20))
add("qwen3-classify", "Qwen3ForSequenceClassification", QWEN3, SMALL,
    labels(3), {"pad_token_id": 0}, task="text-classification",
    lengths=HEADS)
add("qwen3-one", "Qwen3ForSequenceClassification", QWEN3, SMALL, labels(1),
    task="text-classification", lengths=HEADS)
# What counts is the last token that is not padding.
add("qwen3-padded", "Qwen3ForSequenceClassification", QWEN3, SMALL, labels(2),
    {"pad_token_id": 2, "is_causal": False}, task="text-classification",
    lengths=(0, 1, 5), ending=(2, 2), storage="BF16")

LLAMA = {
    "model_type": "llama", "vocab_size": 64, "hidden_size": 36,
    "intermediate_size": 44, "num_hidden_layers": 3,
    "num_attention_heads": 3, "num_key_value_heads": 1,
    "hidden_act": "silu", "max_position_embeddings": 64,
    "rms_norm_eps": 1e-3, "rope_theta": 500000.0,
    "attention_bias": False, "mlp_bias": False,
    "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
}
add("llama", "LlamaModel", LLAMA, lengths=SHORT)
# One wave that is left as it is, one between, the others slower.
add("llama3", "LlamaModel", LLAMA, {
    "attention_bias": True, "mlp_bias": True, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
    },
}, storage="BF16", shards=2)
add("llama-linear", "LlamaModel", LLAMA, {
    "rope_theta": 10000.0, "rope_scaling": {"type": "linear", "factor": 4.0},
    "num_key_value_heads": 3, "hidden_act": "gelu",
}, lengths=SHORT)
# As newer files say the same.
add("llama-parameters", "LlamaModel", {
    key: value for key, value in LLAMA.items() if key != "rope_theta"
}, SMALL, {
    "rope_parameters": {"rope_type": "linear", "factor": 2.0,
                        "rope_theta": 20000.0},
    "head_dim": 10, "is_causal": False,
}, lengths=SHORT, saved_as="LlamaForCausalLM")
add("llama-classify", "LlamaForSequenceClassification", LLAMA, SMALL,
    labels(2), {"pad_token_id": 0}, task="text-classification",
    lengths=HEADS)

MISTRAL = {
    **LLAMA, "model_type": "mistral", "sliding_window": 8, "head_dim": 8,
    "rope_theta": 10000.0,
}
for key in ("attention_bias", "mlp_bias"):
    del MISTRAL[key]
add("mistral", "MistralModel", MISTRAL, lengths=AROUND_8)
add("mistral-whole", "MistralModel", MISTRAL, SMALL, {
    "sliding_window": None, "num_attention_heads": 6,
    "num_key_value_heads": 2,
}, lengths=SHORT, saved_as="MistralForCausalLM", storage="F16")
add("mistral-bidirectional", "MistralModel", MISTRAL, SMALL, {
    "is_causal": False,
}, lengths=(1, 7, 8, 9, 17))
add("mistral-one", "MistralForSequenceClassification", MISTRAL, SMALL,
    labels(1), task="text-classification", lengths=HEADS)

# ---------------------------------------------------------------------- Gemma3
# A norm before and behind each part; its weights are what is added to 1.

GEMMA3 = {
    "model_type": "gemma3_text", "vocab_size": 64, "hidden_size": 30,
    "intermediate_size": 44, "num_hidden_layers": 4,
    "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8,
    "hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 64,
    "rms_norm_eps": 1e-3, "query_pre_attn_scalar": 5,
    "rope_theta": 1000000, "rope_local_base_freq": 10000,
    "rope_scaling": None, "sliding_window": 8, "sliding_window_pattern": 3,
    "attention_bias": False, "attn_logit_softcapping": None,
    "final_logit_softcapping": None, "bos_token_id": 2, "eos_token_id": 1,
    "pad_token_id": 0,
}
add("gemma3", "Gemma3TextModel", GEMMA3, lengths=AROUND_8)
# An embedder: a token sees sliding_window / 2 others to each side.
add("gemma3-bidirectional", "Gemma3TextModel", {
    key: value for key, value in GEMMA3.items()
    if key != "sliding_window_pattern"
}, {
    "use_bidirectional_attention": True, "num_hidden_layers": 3,
    "layer_types": ["sliding_attention", "sliding_attention",
                    "full_attention"],
}, lengths=(1, 2, 3, 4, 5, 6, 8, 9, 16, 40), storage="BF16")
# As newer files say the same things.
add("gemma3-parameters", "Gemma3TextModel", {
    key: value for key, value in GEMMA3.items()
    if key not in ("sliding_window_pattern", "rope_theta", "rope_scaling",
                   "rope_local_base_freq")
}, {
    "num_hidden_layers": 3,
    "layer_types": ["full_attention", "sliding_attention",
                    "full_attention"],
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 4.0,
                           "rope_theta": 30000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
    },
}, lengths=(1, 2, 7, 8, 9, 20))
add("gemma3-scaled", "Gemma3TextModel", GEMMA3, {
    "num_hidden_layers": 3, "attention_bias": True,
    "rope_scaling": {"rope_type": "linear", "factor": 8.0},
}, lengths=(1, 2, 7, 8, 9, 20), saved_as="Gemma3ForCausalLM",
    storage="F16", shards=2)
# Where nothing says what padding is, it is 0.
add("gemma3-classify", "Gemma3TextForSequenceClassification", {
    key: value for key, value in GEMMA3.items() if key != "pad_token_id"
}, {"num_hidden_layers": 2, "sliding_window_pattern": 2}, labels(2), MULTI,
    task="text-classification", lengths=HEADS, ending=(0,))

# --------------------------------------- published with code of their own
# Their files point at code (auto_map) that is never run.

NOMIC = {
    "model_type": "nomic_bert", "vocab_size": 64, "n_embd": 36, "n_head": 3,
    "n_layer": 3, "n_inner": 256, "n_positions": 64,
    "max_trained_positions": 64, "activation_function": "swiglu",
    "layer_norm_epsilon": 1e-3, "type_vocab_size": 2,
    "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False, "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None, "qkv_proj_bias": False,
    "mlp_fc1_bias": False, "mlp_fc2_bias": False, "prenorm": False,
    "causal": False, "use_rms_norm": False, "scale_attn_weights": True,
    "parallel_block": False, "pad_vocab_size_multiple": 64,
    "auto_map": {
        "AutoConfig": "configuration_hf_nomic_bert.NomicBertConfig",
        "AutoModel": "modeling_hf_nomic_bert.NomicBertModel",
    },
}
add("nomic", "nomic.NomicBertModel", NOMIC)
# As the library writes it today.
NOMIC_LIBRARY = {
    "model_type": "nomic_bert", "vocab_size": 64, "hidden_size": 36,
    "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 52, "hidden_act": "silu",
    "max_position_embeddings": 64, "type_vocab_size": 2,
    "layer_norm_eps": 1e-3, "pad_token_id": 0,
    "rope_parameters": {"rope_type": "default", "rope_theta": 2000.0},
}
add("nomic-library", "NomicBertModel", NOMIC_LIBRARY, lengths=SHORT)
add_heads("nomic", "NomicBert", NOMIC_LIBRARY, pairs=True)
# Beyond what was trained, positions turn slower.
add("nomic-scaled", "nomic.NomicBertModel", NOMIC,
    {"n_layer": 2, "rotary_scaling_factor": 2, "max_trained_positions": 16},
    lengths=(1, 16, 17, 40))
add("nomic-biased", "nomic.NomicBertModel", NOMIC, {
    "n_layer": 2, "activation_function": "geglu", "qkv_proj_bias": True,
    "mlp_fc1_bias": True, "mlp_fc2_bias": True,
}, lengths=SHORT, storage="BF16")
add("nomic-gelu", "nomic.NomicBertModel", NOMIC, {
    "n_layer": 2, "n_inner": 52, "activation_function": "gelu",
    "qkv_proj_bias": True, "mlp_fc1_bias": True, "mlp_fc2_bias": True,
    "type_vocab_size": 1,
}, lengths=SHORT)
add("nomic-partial", "nomic.NomicBertModel", NOMIC, {
    "n_layer": 2, "activation_function": "glu", "type_vocab_size": 0,
    "rotary_emb_fraction": 0.5, "rotary_emb_interleaved": True,
}, lengths=SHORT)

GTE = {
    "model_type": "new", "vocab_size": 64, "hidden_size": 36,
    "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 52, "hidden_act": "gelu",
    "max_position_embeddings": 64, "type_vocab_size": 0,
    "layer_norm_type": "layer_norm", "layer_norm_eps": 1e-3,
    "pad_token_id": 0, "position_embedding_type": "rope",
    "rope_theta": 20000.0, "rope_scaling": {"factor": 8.0, "type": "ntk"},
    "pack_qkv": True, "unpad_inputs": False,
    "use_memory_efficient_attention": False, "logn_attention_scale": False,
    "logn_attention_clip1": False,
    "auto_map": {
        "AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig",
        "AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel",
    },
}
add("gte", "gte.NewModel", GTE)
add("gte-types", "gte.NewModel", GTE, {
    "num_hidden_layers": 3, "rope_scaling": None, "type_vocab_size": 1,
}, lengths=SHORT, storage="F16", shards=2)
add("gte-ntk", "gte.NewModel", GTE, {
    "num_hidden_layers": 3, "type_vocab_size": 2, "rope_theta": 500000.0,
    "rope_scaling": {"factor": 2.0, "type": "ntk"}, "hidden_act": "silu",
})
# As the library writes it today.
add("gte-library", "GteModel", {
    "model_type": "gte", "vocab_size": 64, "hidden_size": 36,
    "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 52, "hidden_act": "gelu",
    "max_position_embeddings": 64, "type_vocab_size": 1,
    "layer_norm_eps": 1e-3, "pad_token_id": 0,
    "rope_parameters": {"rope_type": "default", "rope_theta": 160000.0},
}, lengths=SHORT)
add("gte-rms", "gte.NewModel", GTE, {
    "layer_norm_type": "rms_norm",
    "pack_qkv": False, "logn_attention_scale": True,
    "rope_scaling": {"factor": 4.0, "type": "ntk", "mixed_b": 0.5},
}, lengths=SHORT)
add("gte-absolute", "gte.NewModel", GTE, {
    "position_embedding_type": "absolute",
    "rope_scaling": None, "logn_attention_scale": True,
    "logn_attention_clip1": True, "max_position_embeddings": 24,
}, lengths=SHORT)
add("gte-one", "gte.NewForSequenceClassification", GTE,
    {"type_vocab_size": 1}, labels(1), task="text-classification",
    lengths=HEADS)
add("gte-tokens", "gte.NewForTokenClassification", GTE, labels(5),
    task="token-classification", lengths=HEADS)

JINA = {
    **BERT, "layer_norm_eps": 1e-3, "position_embedding_type": "alibi",
    "feed_forward_type": "geglu", "emb_pooler": "mean",
    "attn_implementation": "torch",
    "auto_map": {
        "AutoConfig": "jinaai/jina-bert-implementation--"
        "configuration_bert.JinaBertConfig",
        "AutoModel": "jinaai/jina-bert-implementation--"
        "modeling_bert.JinaBertModel",
    },
}
JINA_CODE = {"auto_map": {
    "AutoConfig": "jinaai/jina-bert-v2-qk-post-norm--"
    "configuration_bert.JinaBertConfig",
    "AutoModel": "jinaai/jina-bert-v2-qk-post-norm--"
    "modeling_bert.JinaBertModel",
}}
add("jina", "jina.JinaBertModel", JINA)
add("jina-reglu", "jina.JinaBertModel", JINA, SMALL, {
    "feed_forward_type": "reglu", "num_attention_heads": 4,
}, lengths=SHORT, storage="F16")
add("jina-code", "jina.JinaBertCodeModel", JINA, SMALL, JINA_CODE,
    {"num_attention_heads": 6}, lengths=LONG)
add("jina-one", "jina.JinaBertForSequenceClassification", JINA, SMALL,
    labels(1), task="text-classification", lengths=HEADS, pairs=True)
