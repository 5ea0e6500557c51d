"""The real NLI model: that the library gives the reference's scores of labels,
that their fixture is of the model and the tokenizer that are there, and that
the reader of ONNX files takes exactly what is in one. It must never accept a fixture that
was made with other tokens than tokenizer.json's.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "models"))

import onnx_file  # noqa: E402
import wheels  # noqa: E402

SUMS = HERE.parent / "models" / "nli-deberta-v3-xsmall.sha256"
ROUTES = {
    "My card was charged twice for the same invoice.": ("billing", 0.522),
    "The app crashes when I click save.": ("bug report", 0.328),
    "Please add dark mode.": ("feature request", 0.309),
    "I can't log in, my password reset mail never arrives.":
    ("account access", 0.613),
}
TEMPLATE = "This text is about {}."


@pytest.fixture(scope="module")
def pairs():
    return json.loads((HERE / "nli_pairs.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def zero_shot():
    return json.loads((HERE / "nli_zero_shot.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def tokenizer(nli_dir):
    made = Tokenizer.from_file(str(nli_dir / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(160, strategy="only_first")
    return made


def test_model_is_the_one(nli_dir):
    for name, digest in wheels.listed(SUMS).items():
        assert hashlib.sha256((nli_dir / name).read_bytes()).hexdigest() \
            == digest, name


def test_fixture_has_the_tokens_of_the_tokenizer(pairs, tokenizer):
    assert len(pairs) >= 40 and any(row["truncated"] for row in pairs)
    wrong = [
        row["text"] for row in pairs
        if tokenizer.encode(row["text"], row["hypothesis"]).ids != row["ids"]
    ]
    assert wrong == []


def scores(logits, multi_label):
    """What the labels of a text are given: entailment against its opposite,
    or against the entailment of all others."""
    against, entailed = np.array(logits).T
    if multi_label:
        return 1 / (1 + np.exp(against - entailed))
    shares = np.exp(entailed - entailed.max())
    return shares / shares.sum()


def test_scores_are_of_the_logits(pairs, zero_shot):
    """Where the one file has the logits of all labels of the other."""
    logits = {(row["text"], row["hypothesis"]): row["logits"]
              for row in pairs}
    compared = 0
    for row in zero_shot:
        assert sorted(row["scores"], reverse=True) == row["scores"]
        asked = [(row["text"], row["template"].format(label))
                 for label in row["labels"]]
        if all(pair in logits for pair in asked):
            exact = scores([logits[pair] for pair in asked],
                           row["multi_label"])
            assert np.abs(exact - row["scores"]).max() < 1e-5
            compared += 1
    assert compared == 2 * len(ROUTES)


def test_model_routes(zero_shot):
    found = {
        row["text"]: (row["labels"][0], row["scores"][0])
        for row in zero_shot
        if row["template"] == TEMPLATE and not row["multi_label"]
    }
    for text, (label, score) in ROUTES.items():
        assert found[text][0] == label
        assert abs(found[text][1] - score) < 5e-4


def command_scores(build, nli_dir, rows, dtype):
    """What the command says of rows that differ in nothing but their text."""
    row = rows[0]
    arguments = ["--labels", ",".join(row["labels"]), "--template",
                 row["template"], "--dtype", dtype, "--jsonl", "text"]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run(
        [build / "remora", "zero-shot", nli_dir, *arguments]
        + ["--multi-label"] * row["multi_label"], input=lines.encode(),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def groups(zero_shot):
    found = {}
    for row in zero_shot:
        key = row["template"], row["multi_label"], frozenset(row["labels"])
        found.setdefault(key, []).append(row)
    return found.values()


def test_scores_are_those_of_the_pipeline(build, nli_dir, zero_shot):
    for rows in groups(zero_shot):
        for row, found in zip(rows, command_scores(
                build, nli_dir, rows, "f32"), strict=True):
            assert found["labels"] == row["labels"]
            assert np.abs(np.subtract(found["scores"],
                                      row["scores"])).max() <= 1e-5


# Largest difference of a score; every route stays.
NARROW = {"bf16": 0.03, "int8": 0.08}


@pytest.mark.parametrize("dtype", NARROW)
def test_fewer_bits_route_the_same(build, nli_dir, zero_shot, dtype):
    rows = [row for row in zero_shot if row["text"] in ROUTES
            and row["template"] == TEMPLATE and not row["multi_label"]]
    assert len(rows) == len(ROUTES)
    for row, found in zip(rows, command_scores(build, nli_dir, rows, dtype)):
        exact = dict(zip(row["labels"], row["scores"]))
        near = dict(zip(found["labels"], found["scores"]))
        assert found["choice"] == ROUTES[row["text"]][0]
        assert max(abs(near[k] - exact[k]) for k in exact) <= NARROW[dtype]


# ------------------------------------------------------------- the ONNX reader

def varint(value):
    found = b""
    while value >= 0x80:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value % 2**64)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, kind, shape, *parts):
    dims = b"".join(field(1, size) for size in shape)
    return dims + field(2, kind) + field(8, name) + b"".join(parts)


def model(*parts):
    graph = b"".join(field(number, message) for number, message in parts)
    return field(1, 8) + field(7, graph) + field(14, b"ignored")


def read(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    return onnx_file.read(path)


def test_tensors_and_nodes_are_read(tmp_path):
    floats = np.array([[1.5, -2, 3]], "<f4")
    node = (field(1, b"a") + field(1, b"w") + field(2, b"out")
            + field(3, b"/m/layer/MatMul") + field(4, b"MatMulInteger"))
    packed = b"".join(varint(value % 2**64) for value in (-1, 300))
    arrays, nodes = read(tmp_path, model(
        (1, node),
        (5, tensor(b"raw", 1, [1, 3], field(9, floats.tobytes()))),
        (5, tensor(b"bytes", 3, [2], field(9, b"\x80\x7f"))),
        (5, tensor(b"listed", 1, [], field(4, floats.tobytes()[:4]))),
        (5, tensor(b"whole", 7, [2], field(7, packed))),
        (5, tensor(b"one", 3, [], field(5, -7))),
    ))
    assert nodes == [("/m/layer/MatMul", "MatMulInteger", ["a", "w"])]
    assert arrays["raw"].tolist() == [[1.5, -2, 3]]
    assert arrays["raw"].dtype == np.float32
    assert arrays["bytes"].tolist() == [-128, 127]
    assert arrays["listed"].shape == () and arrays["listed"] == 1.5
    assert arrays["whole"].tolist() == [-1, 300]
    assert arrays["one"].dtype == np.int8 and arrays["one"] == -7


@pytest.mark.parametrize("data, words", [
    (model((5, tensor(b"w", 1, [3], field(9, b"\0" * 8)))), "w is 2 numbers"),
    (model((5, tensor(b"w", 8, [1], field(9, b"\0")))), "w is of type 8"),
    (field(7, b"12345")[:-2], "runs past"),
    (b"\x80", "does not end"),
    (varint(7 << 3 | 3), "wire type 3"),
])
def test_malformed_files_are_refused(tmp_path, data, words):
    with pytest.raises(onnx_file.Malformed, match=words):
        read(tmp_path, data)
