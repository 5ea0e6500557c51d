"""--adapter of the commands that run a model: that it reaches the model, and what
is said when it cannot. Must never check an adapter against the code that merges
it: what it makes of weights is computed here.
"""

import json

import numpy as np
import pytest

import tiny_bert

LINES = b"hello world\n\nfish river the line 7\n"
LABELS = ["contradiction", "neutral", "entailment"]


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A directory with an adapter of `tiny`, and one with both merged."""
    folder = tmp_path_factory.mktemp("adapted")
    added = tiny_bert.write_adapter(folder / "adapter")
    return folder / "adapter", tiny_bert.write_merged(folder / "merged", added)


def vectors(done):
    assert done.code == 0, done.err
    return np.array([row["embedding"] for row in done.rows()])


def test_embed(remora, tiny, adapted):
    adapter, merged = adapted
    found = vectors(remora("embed", tiny, "--adapter", adapter, stdin=LINES))
    wanted = vectors(remora("embed", merged, stdin=LINES))
    plain = vectors(remora("embed", tiny, stdin=LINES))
    assert np.abs(found - wanted).max() < 1e-6
    assert np.abs(found - plain).max() > 0.01


def test_bench_prints_with_it(remora, tiny, adapted):
    done = remora("bench", tiny, "--adapter", adapted[0], "--seconds", "0.1")
    assert done.code == 0, done.err


@pytest.mark.parametrize("name, options", [
    ("classify", ()), ("zero-shot", ("--labels", "a,b")),
    ("rerank", ("--query", "fish")),
])
def test_heads(remora, tmp_path, name, options):
    labels = LABELS[:1] if name == "rerank" else LABELS
    model = tiny_bert.write_head(
        tmp_path / "model", "SequenceClassification", labels)
    tiny_bert.write_adapter(tmp_path / "adapter", prefix="bert.",
                            labels=len(labels))
    found = remora(name, model, *options, "--adapter",
                   tmp_path / "adapter", stdin=LINES)
    plain = remora(name, model, *options, stdin=LINES)
    assert found.code == plain.code == 0, found.err
    assert found.out != plain.out


def test_entities(remora, tmp_path):
    model = tiny_bert.write_head(
        tmp_path / "model", "TokenClassification", LABELS)
    tiny_bert.write_adapter(tmp_path / "adapter", prefix="bert.", labels=3)
    found = remora("ner", model, "--adapter", tmp_path / "adapter",
                   stdin=LINES)
    assert found.code == 0, found.err
    assert found.out != remora("ner", model, stdin=LINES).out


def test_inspect_says_which(remora, tiny, adapted):
    adapter = str(adapted[0])
    done = remora("inspect", tiny, "--adapter", adapter)
    assert f"adapter           {adapter}" in done.out.splitlines()
    done = remora("inspect", tiny, "--json", "--adapter", adapter)
    assert json.loads(done.out)["adapter"] == adapter
    assert "adapter" not in remora("inspect", tiny).out


@pytest.mark.parametrize("name", ["embed", "inspect", "bench"])
def test_what_is_refused_is_named(remora, tiny, tmp_path, name):
    adapter = tmp_path / "adapter"
    tiny_bert.write_adapter(adapter, labels=2)
    done = remora(name, tiny, "--adapter", adapter)
    assert done.code == 1
    assert done.err.startswith(
        f"remora: {adapter}/adapter_model.safetensors: tensor "
        '"base_model.model.classifier.')
    assert done.err.count("\n") == 1
