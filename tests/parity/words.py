"""The small models of the parity of masked language models: words for masks,
and sparse vectors. It must never import the reference: what is said here is
data.

The models are those of cases of architectures.py, whose first three words are
[CLS], [SEP] and [PAD] here, and whose last is [MASK].
"""

import json
from pathlib import Path

import numpy as np

import random_model
import sentences

HERE = Path(__file__).resolve().parent
MODELS = ("albert-fill", "bert-fill", "distilbert-fill")
MAX_TOKENS = 32
TOP_K = 6
MASKED = [
    "[MASK]", "t5 [MASK] t7", "t7 [MASK] t5", "t9 [MASK] t11 t4 [MASK]",
    "[MASK] [MASK] [MASK] t4",
    "t6 [MASK] " + " ".join(f"t{i % 20 + 4}" for i in range(60)),
]
SPARSE = [
    "t5", "", "t7 t9 t11", "t9 t7 t11",
    " ".join(f"t{i * 7 % 20 + 4}" for i in range(60)),
]
# What modules.json has of each model: no modules at all, those of before, or
# today's.
ENCODERS = {
    "albert-fill": None,
    "bert-fill": ("sparse_encoder.models.MLMTransformer",
                  "sparse_encoder.models.SpladePooling"),
    "distilbert-fill": ("base.modules.transformer.Transformer",
                        "sparse_encoder.modules.splade_pooling.SpladePooling"),
}


def described(name):
    return json.loads((HERE / "architectures" / f"{name}.json").read_text())


def write(folder, name):
    """The directory of a model."""
    description = described(name)
    random_model.write(folder, description)
    sentences.put_json(folder, "tokenizer.json", sentences.tokenizer(
        description["vocab"], mask=True))
    sentences.put_json(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]",
        "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]",
        "model_max_length": MAX_TOKENS,
    })
    return folder


def write_sparse(folder, name):
    """The same as a SparseEncoder."""
    write(folder, name)
    if ENCODERS[name] is None:
        return folder
    old = name == "bert-fill"
    sentences.put_json(folder, "modules.json", [
        {"idx": i, "name": str(i), "path": path,
         "type": "sentence_transformers." + kind}
        for i, (path, kind) in enumerate(
            zip(("", "1_SpladePooling"), ENCODERS[name]))
    ])
    sentences.put_json(folder, "1_SpladePooling/config.json", {
        "pooling_strategy": "max", "activation_function": "relu",
        ("word_embedding_dimension" if old else "embedding_dimension"): 64,
    })
    sentences.put_json(folder, "sentence_bert_config.json", {
        "max_seq_length": 24, "do_lower_case": False,
    } if old else {
        "transformer_task": "fill-mask",
        "modality_config": {"text": {
            "method": "forward", "method_output_name": "logits"}},
        "module_output_name": "token_embeddings",
    })
    sentences.put_json(folder, "config_sentence_transformers.json", {
        "model_type": "SparseEncoder", "similarity_fn_name": "dot",
        "prompts": {"query": "t20 ", "document": ""},
        "default_prompt_name": "query" if old else None,
    })
    return folder


def fixture():
    """What the reference made of the texts, by kind, model and field."""
    with np.load(HERE / "words.npz", allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}
