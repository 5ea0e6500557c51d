"""The small models of the parity of sentence-transformers' modules: what comes
after an encoder, and prompts before it. Every mode of pooling, every module and
every activation is in at least one case. It must never import the reference:
what is said here is data.

The encoder is that of a case of architectures.py, whose first three words are
[CLS], [SEP] and [PAD] here. A case says what the files of sentence-transformers hold,
and with which options each text is embedded.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import random_model

ENCODER = "bert-gelu"
SIZE = 36  # its hidden_size
TEXTS = [
    "t5", "", "t7 t9 t11", "t9 t7 t11", "t4 t4 t4 t4 t4 t4 t4",
    " ".join(f"t{i % 20 + 4}" for i in range(60)),
]
PROMPTS = {"query": "t20 t21 ", "passage": "t22 ", "none": ""}
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean",
         "lasttoken")
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid", "ELU",
               "LeakyReLU", "Mish", "Softplus")


# Cases of which the tokens' vectors are kept too, and of how many texts.
OF_TOKENS = ("new-mean", "prompt-default")
TEXTS_OF_TOKENS = 5


@dataclass
class Case:
    name: str
    pooling: dict
    modules: list = field(default_factory=list)  # (type, config) after pooling
    config: dict = field(default_factory=dict)  # of sentence-transformers
    options: dict = field(default_factory=dict)  # of embedding


CASES = []


def add(name, pooling, *modules, **others):
    CASES.append(Case(name, pooling, list(modules), **others))


def flags(*on):
    """The older form."""
    fields = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens",
              "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
              "weightedmean": "weightedmean_tokens",
              "lasttoken": "lasttoken"}
    return {"word_embedding_dimension": SIZE, **{
        f"pooling_mode_{fields[mode]}": mode in on for mode in MODES}}


def modes(*names, **others):
    """Today's form."""
    return {"embedding_dimension": SIZE,
            "pooling_mode": names[0] if len(names) == 1 else list(names),
            **others}


def dense(into, activation="Tanh", out=10, **others):
    kind = "linear" if activation == "Identity" else "activation"
    return "Dense", {
        "in_features": into, "out_features": out, "bias": True,
        "activation_function": f"torch.nn.modules.{kind}.{activation}",
        **others,
    }


def norm(size):
    return "LayerNorm", {"dimension": size}


NORMALIZE = ("Normalize", {})
DROPOUT = ("Dropout", {"dropout": 0.5})

for mode in MODES:
    add(f"old-{mode}", flags(mode))
    add(f"new-{mode}", modes(mode), NORMALIZE)
    add(f"without-prompt-{mode}", modes(mode, include_prompt=False),
        config={"prompts": PROMPTS}, options={"prompt_name": "query"})
add("old-several", flags("mean", "cls", "lasttoken", "max"))
add("new-several", modes("mean", "cls", "mean", "weightedmean"))
add("all", modes(*MODES), NORMALIZE)
add("several-dense", modes("lasttoken", "max"), dense(2 * SIZE), NORMALIZE)
for activation in ACTIVATIONS:
    add(f"dense-{activation}", modes("mean"), dense(SIZE, activation))
add("dense-default", modes("mean"),
    ("Dense", {"in_features": SIZE, "out_features": 7}))
add("dense-without-bias", modes("mean"),
    dense(SIZE, "Identity", 33, bias=False), NORMALIZE)
add("dense-residual", modes("mean"),
    dense(SIZE, "Tanh", SIZE, use_residual=True))
add("dense-residual-other", modes("mean"),
    dense(SIZE, "SiLU", 40, use_residual=True))
add("layer-norm", modes("cls"), norm(SIZE), NORMALIZE)
add("long", modes("mean", "max"), NORMALIZE, dense(2 * SIZE, "GELU", 50),
    norm(50), DROPOUT, dense(50, "Identity", 17, bias=False), NORMALIZE,
    norm(17), NORMALIZE)
add("normalize-twice", modes("mean"), NORMALIZE, NORMALIZE)
add("cut", modes("mean"), NORMALIZE, config={"truncate_dim": 9})
add("cut-dense", modes("mean"), dense(SIZE, "Tanh", 16),
    config={"truncate_dim": 30})
add("dimensions", modes("mean"), NORMALIZE,
    options={"truncate_dim": 5, "normalize_embeddings": True})
add("dimensions-as-they-are", modes("mean"), options={"truncate_dim": 5})
add("prompt-default", modes("mean"),
    config={"prompts": PROMPTS, "default_prompt_name": "passage"})
add("prompt-name", modes("mean"), options={"prompt_name": "query"},
    config={"prompts": PROMPTS, "default_prompt_name": "passage"})
add("prompt-empty", modes("mean"), options={"prompt_name": "document"},
    config={"prompts": PROMPTS, "default_prompt_name": "passage"})
add("prompt-text", modes("mean"), options={"prompt": "t5 t6 "},
    config={"prompts": PROMPTS, "default_prompt_name": "passage"})
add("prompt-none", modes("mean"), options={"prompt": ""},
    config={"prompts": PROMPTS, "default_prompt_name": "passage"})
add("prompt-long", modes("weightedmean", "lasttoken", include_prompt=False),
    options={"prompt": "t6 t8 " * 14})


# ------------------------------------------------------------------- directory

def shapes(kind, config):
    """The tensors of a module."""
    if kind == "LayerNorm":
        size = config["dimension"]
        return {"norm.weight": [size], "norm.bias": [size]}
    into, out = config["in_features"], config["out_features"]
    found = {"linear.weight": [out, into]}
    if config.get("bias", True):
        found["linear.bias"] = [out]
    if config.get("use_residual") and into != out:
        found["residual.weight"] = [out, into]
    return found


SPECIAL = ("[CLS]", "[SEP]", "[PAD]")


def tokenizer(vocab, mask=False):
    made = random_model.tokenizer(vocab, mask)
    words = made["model"]["vocab"]
    for index, name in enumerate(SPECIAL):
        del words[f"t{index}"]
        words[name] = index
    made["added_tokens"] += [
        {"id": index, "content": name, "single_word": False,
         "lstrip": False, "rstrip": False, "normalized": False,
         "special": True} for index, name in enumerate(SPECIAL)
    ]
    around = [{"SpecialToken": {"id": name, "type_id": 0}}
              for name in SPECIAL[:2]]
    made["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [around[0], {"Sequence": {"id": "A", "type_id": 0}},
                   around[1]],
        "pair": [around[0], {"Sequence": {"id": "A", "type_id": 0}},
                 around[1], {"Sequence": {"id": "B", "type_id": 1}},
                 around[1]],
        "special_tokens": {
            name: {"id": name, "ids": [index], "tokens": [name]}
            for index, name in enumerate(SPECIAL[:2])
        },
    }
    return made


def put_json(folder, name, value):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=1))


def write_module(folder, number, kind, config):
    """Writes a module's folder; returns its entry of modules.json."""
    place = f"{number}_{kind}"
    put_json(folder, f"{place}/config.json", config)
    if kind in ("Dense", "LayerNorm"):
        random_model.write_safetensors(
            folder / place / "model.safetensors",
            {name: random_model.values(number, name, shape, "bert")
             for name, shape in shapes(kind, config).items()}, "F32")
    return {"idx": number, "name": str(number), "path": place,
            "type": f"sentence_transformers.models.{kind}"}


def write(folder, case, encoder):
    """The model directory of a case around the encoder of a description."""
    random_model.write(folder, encoder)
    vocab = encoder["vocab"]
    put_json(folder, "tokenizer.json", tokenizer(vocab))
    put_json(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]",
        "sep_token": "[SEP]", "pad_token": "[PAD]", "model_max_length": 40,
    })
    modules = [("Pooling", case.pooling), *case.modules]
    put_json(folder, "modules.json", [
        {"idx": 0, "name": "0", "path": "",
         "type": "sentence_transformers.models.Transformer"},
        *(write_module(folder, number, *module)
          for number, module in enumerate(modules, 1)),
    ])
    put_json(folder, "sentence_bert_config.json", {"max_seq_length": 32})
    if case.config:
        put_json(folder, "config_sentence_transformers.json", case.config)


def encoder():
    """The description of the encoder."""
    path = Path(__file__).resolve().parent / "architectures"
    return json.loads((path / f"{ENCODER}.json").read_text())


def fixture():
    """What the reference made of TEXTS, by case."""
    path = Path(__file__).resolve().parent / "sentences.npz"
    with np.load(path, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}
