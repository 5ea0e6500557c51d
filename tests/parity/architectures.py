"""The small models of the parity of architectures: for each, what config.json
says, which class of the reference computes it, and how its weights are stored.
Every architecture and head is here, and every option that changes the
arithmetic in at least one case. It must never import the reference: what is
said here is data.

A case's sequences are as long as `lengths` says, one sequence each; with
`pairs`, a sequence is cut into two texts where a cross-encoder would be given
two. The epsilons of norms are larger than those of real models where theirs
would not show. A task says which numbers are kept:
  hidden                the last hidden state, a row for each token
  text-classification   the logits, a row for each sequence
  token-classification  the logits, a row for each token
  fill-mask             the same, a column for each word
  next-token            the logits of what follows, a row for each sequence
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
