"""Model directories with random weights, written out of a description: what
config.json says, which tensors there are, and a seed. The same description
gives the same bytes everywhere, with numpy alone. It must never ask the
reference for anything: the weights are made where the reference is not.

A description is a dict:
  config     what config.json is to hold
  tensors    the shape of every tensor, by its name in the file
  seed       with a tensor's name, what its values are made of
  storage    "F32", "F16" or "BF16": how the file holds them
  shards     how many files they are spread over, with an index if not 1
  vocab      how many words the tokenizer has: "t0" is id 0, "t1" id 1 ...
  mask       true where the last id is no word but "[MASK]", a special token

The text "t5 t7 t9" is the ids 5, 7 and 9 and nothing else; in a pair of texts
the second one's tokens are of segment 1.
"""

import hashlib
import json
import re
from pathlib import Path

import numpy as np

# How far a linear layer's outputs spread, for inputs that spread by 1: enough
# that attention has favourites and activations leave their straight part.
GAIN = 1.3
# Architectures whose norms multiply by one more than the weight.
PLUS_ONE = ("gemma",)
UNKNOWN = 3  # the id of words that the tokenizer does not have

TABLE = re.compile(r"(embed\w*|relative_attention_bias)\.weight$")
PROJECTION = re.compile(r"(project|_proj|mapping_in)")


def spread(name, shape, model_type):
    """(centre, bound) of a tensor's values, which are uniform within."""
    if len(shape) == 1:
        if not name.endswith(("weight", "gamma")):
            return 0.0, 0.2
        return (0.0 if model_type.startswith(PLUS_ONE) else 1.0), 0.3
    if TABLE.search(name) and not PROJECTION.search(name):
        return 0.0, 0.3 if model_type.startswith(PLUS_ONE) else 1.0
    return 0.0, GAIN * float(np.sqrt(3.0 / np.prod(shape[1:])))


def values(seed, name, shape, model_type):
    """float32 of a shape, from the seed and the tensor's name alone."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    whole = bits.random_raw(int(np.prod(shape))) >> np.uint64(40)
    centre, bound = spread(name, shape, model_type)
    unit = whole.astype(np.float64) / 2.0**23 - 1.0
    return (centre + bound * unit).astype(np.float32).reshape(shape)


# ----------------------------------------------------------------- safetensors

def stored(array, storage):
    """The bytes of float32 in another type, rounded to nearest, ties to
    even."""
    if storage == "F16":
        return array.astype("<f2").tobytes()
    if storage == "F32":
        return array.astype("<f4").tobytes()
    assert storage == "BF16"
    bits = array.view(np.uint32).astype(np.uint64)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16).astype("<u2").tobytes()


def write_safetensors(path, tensors, storage):
    """tensors: float32 arrays by name, written one behind the other."""
    header, data = {"__metadata__": {"format": "pt"}}, []
    end = 0
    for name, array in tensors.items():
        data.append(stored(array, storage))
        header[name] = {
            "dtype": storage, "shape": list(array.shape),
            "data_offsets": [end, end + len(data[-1])],
        }
        end += len(data[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(data)
    )
    return end


def read_safetensors(path):
    """(storage, shape, bytes) of each tensor, by name."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        start, end = (8 + size + at for at in entry["data_offsets"])
        found[name] = (entry["dtype"], entry["shape"], data[start:end])
    return found


# ------------------------------------------------------------------- directory

def write_weights(folder, description):
    model_type = description["config"]["model_type"]
    tensors = {
        name: values(description["seed"], name, shape, model_type)
        for name, shape in description["tensors"].items()
    }
    storage, count = description["storage"], description["shards"]
    if count == 1:
        write_safetensors(folder / "model.safetensors", tensors, storage)
        return
    names, index, total = list(tensors), {}, 0
    for i in range(count):
        file = f"model-{i + 1:05}-of-{count:05}.safetensors"
        part = {name: tensors[name] for name in names[i::count]}
        total += write_safetensors(folder / file, part, storage)
        index.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {"total_size": total},
         "weight_map": dict(sorted(index.items()))}, indent=1))


def tokenizer(vocab, mask):
    """What tokenizer.json holds."""
    words = {f"t{i}": i for i in range(vocab)}
    added = []
    if mask:
        del words[f"t{vocab - 1}"]
        words["[MASK]"] = vocab - 1
        added.append({
            "id": vocab - 1, "content": "[MASK]", "single_word": False,
            "lstrip": False, "rstrip": False, "normalized": False,
            "special": True,
        })

    def part(text, segment):
        return {"Sequence": {"id": text, "type_id": segment}}

    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [part("A", 0)],
            "pair": [part("A", 0), part("B", 1)], "special_tokens": {},
        },
        "decoder": None,
        "model": {
            "type": "WordLevel", "vocab": words, "unk_token": f"t{UNKNOWN}",
        },
    }


def text_of(ids, description):
    """The text whose tokens are these."""
    last = description["vocab"] - 1 if description["mask"] else None
    return " ".join("[MASK]" if i == last else f"t{i}" for i in ids)


def write(folder, description):
    """Writes the model directory of a description into an empty folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        json.dumps(description["config"], indent=2) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(
        tokenizer(description["vocab"], description["mask"]), indent=1))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if description["mask"]:
        settings["mask_token"] = "[MASK]"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    write_weights(folder, description)
