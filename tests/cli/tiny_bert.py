"""Writes a BERT directory that is complete but tiny, with seeded weights: for
tests about streams and files, where the meaning of vectors is no matter. It must
never stand in for a real model in a test about numbers.
"""

import json

import numpy as np

HIDDEN = 16
HEADS = 2
LAYERS = 1
INTERMEDIATE = 32
POSITIONS = 64
MAX_TOKENS = 32
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = "the text line number fish river hello world".split()
VOCAB = (
    SPECIALS + list(LETTERS) + ["##" + c for c in LETTERS]
    + list('.,;:!?"\\/()[]{}<>-_') + WORDS
)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def tensors(rng):
    """Name to float32 array, as BertModel names them."""
    def normal(*shape):
        return rng.normal(0, 0.2, shape).astype(np.float32)

    named = {
        "embeddings.word_embeddings.weight": normal(len(VOCAB), HIDDEN),
        "embeddings.position_embeddings.weight": normal(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": normal(2, HIDDEN),
        "embeddings.LayerNorm.weight": normal(HIDDEN) + 1,
        "embeddings.LayerNorm.bias": normal(HIDDEN),
    }
    shapes = {
        "attention.self.query": (HIDDEN, HIDDEN),
        "attention.self.key": (HIDDEN, HIDDEN),
        "attention.self.value": (HIDDEN, HIDDEN),
        "attention.output.dense": (HIDDEN, HIDDEN),
        "intermediate.dense": (INTERMEDIATE, HIDDEN),
        "output.dense": (HIDDEN, INTERMEDIATE),
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for name, shape in shapes.items():
            named[prefix + name + ".weight"] = normal(*shape)
            named[prefix + name + ".bias"] = normal(shape[0])
        for name in ("attention.output", "output"):
            named[prefix + name + ".LayerNorm.weight"] = normal(HIDDEN) + 1
            named[prefix + name + ".LayerNorm.bias"] = normal(HIDDEN)
    return named


def write_safetensors(path, named):
    header = {}
    at = 0
    for name, array in named.items():
        header[name] = {
            "dtype": "F32", "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in named.values():
            file.write(array.tobytes())


def tokenizer():
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": i, "special": True, "content": content,
                "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False,
            }
            for i, content in enumerate(SPECIALS)
        ],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True,
            "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
            ],
            "special_tokens": {
                name: {"id": name, "ids": [SPECIALS.index(name)],
                       "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]",
            "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(VOCAB)},
        },
    }


def write_head(directory, task, labels, **config):
    """Makes a directory with a head in place of pooling; returns it. task:
    "SequenceClassification", "TokenClassification" or "MaskedLM"."""
    write(directory, pooling=False)
    read = json.loads((directory / "config.json").read_text())
    write_json(directory / "config.json", {
        **read, "architectures": ["BertFor" + task],
        "id2label": {str(i): label for i, label in enumerate(labels)},
        **config,
    })
    write_json(directory / "tokenizer_config.json",
               {"model_max_length": MAX_TOKENS})
    rng = np.random.default_rng(11)
    named = {"bert." + name: array
             for name, array in tensors(np.random.default_rng(7)).items()}
    heads = {"classifier": len(labels)}
    if task == "SequenceClassification":
        heads["bert.pooler.dense"] = HIDDEN
    elif task == "MaskedLM":
        words = "cls.predictions."
        heads = {words + "transform.dense": HIDDEN}
        named[words + "bias"] = rng.normal(
            0, 0.5, len(VOCAB)).astype(np.float32)
        named[words + "transform.LayerNorm.weight"] = np.ones(
            HIDDEN, np.float32)
        named[words + "transform.LayerNorm.bias"] = np.zeros(
            HIDDEN, np.float32)
    for name, size in heads.items():
        named[name + ".weight"] = rng.normal(
            0, 0.5, (size, HIDDEN)).astype(np.float32)
        named[name + ".bias"] = rng.normal(0, 0.5, size).astype(np.float32)
    write_safetensors(directory / "model.safetensors", named)
    return directory


def write_splade(directory, **pooling):
    """Makes a SparseEncoder's directory; returns it. pooling: what its config
    says."""
    write_head(directory, "MaskedLM", [])
    package = "sentence_transformers.sparse_encoder.models."
    write_json(directory / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": package + "MLMTransformer"},
        {"idx": 1, "name": "1", "path": "1_SpladePooling",
         "type": package + "SpladePooling"},
    ])
    write_json(directory / "1_SpladePooling" / "config.json", {
        "pooling_strategy": "max", "activation_function": "relu", **pooling})
    return directory


def write_adapter(directory, seed=5, prefix="", labels=0):
    """Makes the directory of a LoRA adapter over queries and values; returns
    what it adds to the weights of what `write` wrote, by name. labels: with a
    classifier for so many."""
    directory.mkdir(parents=True)
    write_json(directory / "adapter_config.json", {
        "peft_type": "LORA", "r": 2, "lora_alpha": 6,
        "target_modules": ["query", "value"],
        "modules_to_save": ["classifier"] if labels else None,
    })
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)

    named, added = {}, {}
    for layer in range(LAYERS):
        for name in ("query", "value"):
            module = f"encoder.layer.{layer}.attention.self.{name}"
            a, b = normal(2, HIDDEN), normal(HIDDEN, 2)
            whole = f"base_model.model.{prefix}{module}."
            named[whole + "lora_A.weight"] = a
            named[whole + "lora_B.weight"] = b
            added[module + ".weight"] = 3 * b @ a
    if labels:
        head = "base_model.model.classifier."
        named[head + "weight"] = normal(labels, HIDDEN)
        named[head + "bias"] = normal(labels)
    write_safetensors(directory / "adapter_model.safetensors", named)
    return added


def write_merged(directory, added):
    """What `write` writes, with this added to the weights; returns it."""
    write(directory)
    named = tensors(np.random.default_rng(7))
    for name, values in added.items():
        named[name] = named[name] + values
    write_safetensors(directory / "model.safetensors", named)
    return directory


def write(directory, pooling=True):
    """Makes the directory; returns it. pooling: with 1_Pooling and
    2_Normalize."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "config.json", {
        "architectures": ["BertModel"], "model_type": "bert",
        "hidden_act": "gelu", "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE, "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS, "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS, "pad_token_id": 0,
        "position_embedding_type": "absolute", "type_vocab_size": 2,
        "vocab_size": len(VOCAB),
    })
    write_json(directory / "tokenizer.json", tokenizer())
    write_json(
        directory / "sentence_bert_config.json",
        {"max_seq_length": MAX_TOKENS, "do_lower_case": False},
    )
    write_safetensors(
        directory / "model.safetensors", tensors(np.random.default_rng(7))
    )
    if pooling:
        kinds = ["Transformer", "Pooling", "Normalize"]
        write_json(directory / "modules.json", [
            {"idx": i, "name": str(i), "path": path,
             "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, path) in enumerate(
                zip(kinds, ["", "1_Pooling", "2_Normalize"])
            )
        ])
        write_json(directory / "1_Pooling" / "config.json", {
            "word_embedding_dimension": HIDDEN,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        })
        (directory / "2_Normalize").mkdir()
    return directory
