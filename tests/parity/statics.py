"""The small models of the parity of static embeddings: model2vec's directories
and sentence-transformers' StaticEmbedding, of one vocabulary. It must never
import the reference: what is said here is data.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import random_model

VOCAB = 40
SIZE = 12
UNKNOWN = 1
TEXTS = [
    "w5", "", "w7 w9 w11", "w9 w7 w11", "w4 w4 w4 nothing w4", "nothing",
    "w6 w8 [CLS] w6", "nothing nothing w30", " ".join(["w12", "w13"] * 9),
    "w35" + " w20" * 700,
]
LONG_WORDS = 24  # of the vocabulary have names of eight letters


@dataclass
class Case:
    name: str
    model2vec: dict = field(default_factory=dict)  # config.json, or none
    modules: list = field(default_factory=list)  # types of modules.json
    folder: str = ""
    storage: str = "F32"
    mapping: str = ""  # its dtype
    weights: str = ""  # its dtype
    truncation: dict = None  # of tokenizer.json
    unigram: bool = False
    config: dict = field(default_factory=dict)  # of sentence-transformers


CASES = [
    Case("plain", {"normalize": False}),
    Case("normalized", {"normalize": True, "max_length": 16},
         ["StaticEmbedding", "Normalize"]),
    Case("unlimited", {"normalize": True, "max_length": None}),
    Case("half", {}, storage="F16"),
    Case("mapped", {"normalize": True}, mapping="I64"),
    Case("mapped-narrow", {}, mapping="I32", weights="F32"),
    Case("weighted", {"normalize": True}, weights="F64", storage="BF16"),
    Case("unigram", {"max_length": 3}, unigram=True),
    Case("sentence-root", modules=["StaticEmbedding", "Normalize"]),
    Case("sentence-dot", modules=["StaticEmbedding"], folder=".",
         mapping="I64", weights="F32"),
    Case("sentence-folder", modules=["StaticEmbedding", "Normalize"],
         folder="0_StaticEmbedding",
         config={"prompts": {"query": "w20 w21 "},
                 "default_prompt_name": "query", "truncate_dim": 7}),
    Case("sentence-limit", modules=["StaticEmbedding"],
         truncation={"direction": "Right", "max_length": 8,
                     "strategy": "LongestFirst", "stride": 0}),
    Case("sentence-dense", modules=["StaticEmbedding", "Dense"],
         folder="0_StaticEmbedding"),
]
DENSE = {"in_features": SIZE, "out_features": 5, "bias": True,
         "activation_function": "torch.nn.modules.activation.Tanh"}


def words():
    names = ["[CLS]", "[UNK]"]
    names += [f"w{i}" + "longer" * (i < LONG_WORDS) for i in range(2, VOCAB)]
    # Texts have the short names of all, so the long ones are spelled here.
    return names


def text(short):
    """A text of TEXTS in the vocabulary's words."""
    known = {f"w{i}": f"w{i}longer" for i in range(2, LONG_WORDS)}
    return " ".join(known.get(word, word) for word in short.split(" "))


def texts():
    return [text(short) for short in TEXTS]


def tokenizer(case):
    names = words()
    model = {"type": "WordLevel", "unk_token": "[UNK]",
             "vocab": {name: i for i, name in enumerate(names)}}
    split = {"type": "WhitespaceSplit"}
    if case.unigram:
        model = {"type": "Unigram", "unk_id": UNKNOWN, "byte_fallback": False,
                 "vocab": [[name, -float(i)] for i, name in enumerate(names)]}
    return {
        "version": "1.0", "truncation": case.truncation, "padding": None,
        "added_tokens": [
            {"id": i, "content": name, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for i, name in enumerate(names[:2])
        ],
        "normalizer": None, "pre_tokenizer": split,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [0], "tokens": ["[CLS]"]}},
        },
        "decoder": None, "model": model,
    }


def rows(case):
    return 17 if case.mapping else VOCAB


def made(case):
    """The tensors as numpy has them: float32 of what the file holds."""
    table = random_model.values(1, "embed.weight", [rows(case), SIZE], "bert")
    tensors = {"table": widened(table, case.storage)}
    if case.mapping:
        tensors["mapping"] = (np.arange(VOCAB) * 7) % rows(case)
    if case.weights:
        tensors["weights"] = np.linspace(0.25, 2, VOCAB)
    return tensors


def widened(array, storage):
    if storage == "F32":
        return array
    data = random_model.stored(array, storage)
    if storage == "F16":
        return np.frombuffer(data, "<f2").astype(np.float32).reshape(
            array.shape)
    wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
    return wide.view(np.float32).reshape(array.shape)


NUMPY = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4"}


def write_tensors(path, case):
    tensors = made(case)
    name = "embedding.weight" if case.modules and not case.model2vec \
        and not case.mapping else "embeddings"
    parts = [(name, case.storage, [rows(case), SIZE],
              random_model.stored(tensors["table"], case.storage))]
    for other in ("mapping", "weights"):
        dtype = getattr(case, other)
        if dtype:
            parts.append((other, dtype, [VOCAB],
                          tensors[other].astype(NUMPY[dtype]).tobytes()))
    parts.sort(key=lambda part: -np.dtype(NUMPY.get(part[1], "<f2")).itemsize)
    header, end = {}, 0
    for part, dtype, shape, data in parts:
        header[part] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [end, end + len(data)]}
        end += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(len(head).to_bytes(8, "little") + head
                     + b"".join(part[3] for part in parts))


def put_json(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def write(folder, case):
    folder = Path(folder)
    place = folder / case.folder
    place.mkdir(parents=True, exist_ok=True)
    put_json(place / "tokenizer.json", tokenizer(case))
    write_tensors(place / "model.safetensors", case)
    if case.model2vec or not case.modules:
        put_json(folder / "config.json",
                 {"model_type": "model2vec", "architectures": ["StaticModel"],
                  **case.model2vec})
    if case.modules:
        path = {0: case.folder or ("." if case.model2vec else "")}
        put_json(folder / "modules.json", [
            {"idx": i, "name": str(i), "path": path.get(i, f"{i}_{kind}"),
             "type": f"sentence_transformers.models.{kind}"}
            for i, kind in enumerate(case.modules)
        ])
    if "Dense" in case.modules:
        put_json(folder / "1_Dense" / "config.json", DENSE)
        random_model.write_safetensors(
            folder / "1_Dense" / "model.safetensors",
            {name: random_model.values(1, name, shape, "bert")
             for name, shape in (("linear.weight", [5, SIZE]),
                                 ("linear.bias", [5]))}, "F32")
    if case.config:
        put_json(folder / "config_sentence_transformers.json", case.config)


def fixture():
    """What the references made of the texts, by case."""
    path = Path(__file__).resolve().parent / "statics.npz"
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}
