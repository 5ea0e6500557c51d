"""The small models of the parity of architectures: that their weights are the
same bytes everywhere, in files that readers accept, and that the fixture is of
the cases that there are. It must never pass for a case that has no numbers of
the reference.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

import architectures
import random_model

FIXTURE = Path(__file__).resolve().parent / "architectures"
CASES = {case.name: case for case in architectures.CASES}
BYTES = {"F32": 4, "F16": 2, "BF16": 2}
# SHA-256 of all weights of a case, by file name.
DIGESTS = {
    "bert-gelu-new":
    "928ec0eaee6a7752d4c91ad63c8a354ed5baafc166eef2b2af44f697f61363e6",
    "bert-relu":
    "992b0e8b85b6b23ff7b464620780c2271ee50176470fe9edb1b74fb4f4986e17",
    "bert-silu":
    "c30febc2a27a9c260db8f9d4d91bcc92066cc7756cc9a0a867a211284be8298e",
}


def description(name):
    return json.loads((FIXTURE / f"{name}.json").read_text())


def result(name):
    return np.load(FIXTURE / f"{name}.npy", allow_pickle=False)


def lengths(described):
    """How many tokens each sequence has, of its two texts together."""
    return [
        sum(map(len, one)) if described["pairs"] else len(one)
        for one in described["sequences"]
    ]


def test_names_are_given_once():
    assert len(CASES) == len(architectures.CASES)


def test_fixture_is_of_the_cases():
    there = sorted(path.name for path in FIXTURE.iterdir())
    wanted = sorted(f"{name}.{kind}" for name in CASES
                    for kind in ("json", "npy"))
    assert there == wanted


@pytest.mark.parametrize("name", CASES)
def test_description_is_the_case(name):
    case, described = CASES[name], description(name)
    config = {**case.config, "architectures": [case.architecture]}
    assert described["config"] == json.loads(json.dumps(config))
    for part in ("task", "storage", "shards", "seed", "pairs", "vocab",
                 "mask"):
        assert described[part] == getattr(case, part), part
    assert lengths(described) == [
        length + len(case.ending) for length in case.lengths]
    assert described["error"] < 5e-6


@pytest.mark.parametrize("name", CASES)
def test_result_has_a_row_for_each(name):
    described, kept = description(name), result(name)
    each = described["task"] == "text-classification"
    counts = lengths(described)
    assert kept.dtype == np.float32 and np.isfinite(kept).all()
    assert len(kept) == (len(counts) if each else sum(counts))
    config, task = described["config"], described["task"]
    if task == "hidden":
        columns = next(config[key] for key in ("hidden_size", "dim", "n_embd")
                       if key in config)
    elif task == "fill-mask":
        columns = described["vocab"]
    else:
        columns = len(config["id2label"])
    assert kept.shape[1] == columns


def read(folder):
    """All tensors of a directory, and the files in the order of their
    names."""
    files = sorted(folder.glob("*.safetensors"))
    tensors = {}
    for file in files:
        found = random_model.read_safetensors(file)
        assert not tensors.keys() & found.keys()
        tensors.update(found)
    return tensors, files


def check_layout(path):
    """The header of a file is what the format says: its length in front, a
    multiple of eight, the tensors behind one another up to the end."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert size % 8 == 0
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    end = 0
    for entry in header.values():
        count = int(np.prod(entry["shape"])) * BYTES[entry["dtype"]]
        assert entry["data_offsets"] == [end, end + count]
        end += count
    assert end == len(data) - 8 - size


def widened(data, storage):
    """float32 of what a file holds."""
    if storage == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(
            np.float32)
    kind = {"F32": "<f4", "F16": "<f2"}[storage]
    return np.frombuffer(data, kind).astype(np.float32)


@pytest.mark.parametrize("name", DIGESTS)
def test_directory_is_the_description(name, tmp_path):
    described = description(name)
    random_model.write(tmp_path, described)
    assert json.loads((tmp_path / "config.json").read_text()) \
        == described["config"]
    tensors, files = read(tmp_path)
    assert len(files) == described["shards"]
    assert {name: shape for name, (_, shape, _) in tensors.items()} \
        == described["tensors"]
    steps = {"F32": 0, "F16": 2.0**-11, "BF16": 2.0**-8}
    for tensor, (storage, shape, data) in tensors.items():
        assert storage == described["storage"]
        exact = random_model.values(
            described["seed"], tensor, shape,
            described["config"]["model_type"]).ravel()
        off = np.abs(widened(data, storage) - exact)
        assert (off <= steps[storage] * np.abs(exact) + 2.0**-25).all()
    for file in files:
        check_layout(file)
    if len(files) > 1:
        index = json.loads(
            (tmp_path / "model.safetensors.index.json").read_text())
        assert index["weight_map"].keys() == tensors.keys()
        for tensor, file in index["weight_map"].items():
            assert tensor in random_model.read_safetensors(tmp_path / file)


@pytest.mark.parametrize("name", DIGESTS)
def test_weights_are_the_same_everywhere(name, tmp_path):
    random_model.write(tmp_path, description(name))
    digest = hashlib.sha256()
    for file in read(tmp_path)[1]:
        digest.update(file.read_bytes())
    assert digest.hexdigest() == DIGESTS[name]


def test_bf16_is_rounded_to_nearest_even():
    exact = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-16,
                      -1 - 2**-9], np.float32)
    stored = random_model.stored(exact, "BF16")
    assert widened(stored, "BF16").tolist() == [
        1, 1, 1 + 2**-6, 1 + 2**-7, -1]


def test_values_are_of_the_seed_and_the_name():
    def made(seed, name):
        return random_model.values(seed, name, [4, 8], "bert").tobytes()
    assert made(1, "a.weight") == made(1, "a.weight")
    assert len({made(1, "a.weight"), made(2, "a.weight"),
                made(1, "b.weight")}) == 3


@pytest.mark.parametrize("name", ["bert-one", "bert-fill"])
def test_texts_are_the_ids(name):
    """With the tokenizer that reads tokenizer.json wherever it is used."""
    described = description(name)
    tokenizer = Tokenizer.from_str(json.dumps(random_model.tokenizer(
        described["vocab"], described["mask"])))
    for one in described["sequences"]:
        parts = one if described["pairs"] else [one]
        encoded = tokenizer.encode(
            *(random_model.text_of(ids, described) for ids in parts))
        assert encoded.ids == sum(parts, [])
        assert encoded.type_ids == [
            segment for segment, ids in enumerate(parts) for _ in ids]
    assert tokenizer.encode("t5 nothing t7").ids == [
        5, random_model.UNKNOWN, 7]
