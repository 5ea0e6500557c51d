"""The small models of the parity of masked language models: words for masks. It
must never import the reference: what is said here is data.

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


def fixture():
    """What the reference made of the texts, by kind, model and field."""
    with np.load(HERE / "words.npz", allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}
