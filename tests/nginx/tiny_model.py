"""Makes a BERT model directory of a few kilobytes, to have several models and
broken ones. It must need nothing but numpy: files are written by hand."""

import json
import struct

import numpy

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "health", "hello",
         "world", "a", "b", "c"]
HIDDEN = 8
INTERMEDIATE = 16
POSITIONS = 32

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": HIDDEN,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": INTERMEDIATE,
    "hidden_act": "gelu",
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}


def special(token):
    return {"id": WORDS.index(token), "content": token, "single_word": False,
            "lstrip": False, "rstrip": False, "normalized": False,
            "special": True}


def tokenizer():
    cls, sep = {"id": "[CLS]", "type_id": 0}, {"id": "[SEP]", "type_id": 0}
    text = {"id": "A", "type_id": 0}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special(token) for token in WORDS[:5]],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True,
            "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": cls}, {"Sequence": text},
                       {"SpecialToken": sep}],
            "pair": [{"SpecialToken": cls}, {"Sequence": text},
                     {"SpecialToken": sep},
                     {"Sequence": {"id": "B", "type_id": 1}},
                     {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
            "special_tokens": {
                token: {"id": token, "ids": [WORDS.index(token)],
                        "tokens": [token]}
                for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: number for number, word in enumerate(WORDS)},
        },
    }


def shapes():
    layer = "encoder.layer.0."
    square, row = (HIDDEN, HIDDEN), (HIDDEN,)
    found = {
        "embeddings.word_embeddings.weight": (len(WORDS), HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": row,
        "embeddings.LayerNorm.bias": row,
        layer + "intermediate.dense.weight": (INTERMEDIATE, HIDDEN),
        layer + "intermediate.dense.bias": (INTERMEDIATE,),
        layer + "output.dense.weight": (HIDDEN, INTERMEDIATE),
        layer + "output.dense.bias": row,
        layer + "output.LayerNorm.weight": row,
        layer + "output.LayerNorm.bias": row,
    }
    for part in ("self.query", "self.key", "self.value", "output.dense"):
        found[f"{layer}attention.{part}.weight"] = square
        found[f"{layer}attention.{part}.bias"] = row
    for part in ("weight", "bias"):
        found[f"{layer}attention.output.LayerNorm.{part}"] = row
    return found


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        raw = array.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def make(folder, seed=0, scale=1.0):
    """A model whose weights are random times scale. A scale of 1e30 keeps them
    finite, but not what is computed with them."""
    folder.mkdir(parents=True)
    random = numpy.random.default_rng(seed)
    tensors = {
        name: random.standard_normal(shape) * scale
        for name, shape in shapes().items()
    }
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    return folder
