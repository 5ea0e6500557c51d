"""What the architectures make of tokens beside what the reference makes of
them: the last hidden states of small models with random weights, and where they
differ the first layer that does. It must never pass for an architecture that
was not run.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import architectures
import random_model

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "build" / "tests" / "hidden_states"
BUILT = ("albert", "bert", "camembert", "deberta-v2", "distilbert",
         "electra", "gemma3_text", "gte", "llama", "mistral", "modernbert", "mpnet", "new", "nomic_bert",
         "qwen3", "roberta", "xlm-roberta")
CASES = {
    case.name: case for case in architectures.CASES
    if case.task == "hidden" and case.config["model_type"] in BUILT
}
BOUND = 1e-5  # of the largest value


def described(name):
    return json.loads((HERE / "architectures" / f"{name}.json").read_text())


def reference(name):
    return np.load(HERE / "architectures" / f"{name}.npy")


def lines(description):
    for sequence in description["sequences"]:
        parts = sequence if description["pairs"] else [sequence]
        yield " | ".join(" ".join(map(str, part)) for part in parts)


def hidden_states(folder, description, dtype="f32", *options, adapter=()):
    """float32 [tokens, columns] of all sequences as one batch."""
    done = subprocess.run(
        [PROGRAM, *options, folder, dtype, *adapter], capture_output=True,
        check=False,
        input="".join(line + "\n" for line in lines(description)).encode(),
    )
    assert not done.returncode, done.stderr.decode()
    return np.frombuffer(done.stdout, np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A case's directory, made when it is asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            random_model.write(made[name], described(name))
        return made[name]

    return get


@pytest.mark.parametrize("name", CASES)
def test_float32_is_the_reference(models, name):
    expected = reference(name)
    found = hidden_states(models(name), described(name))
    found = found.reshape(expected.shape)
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert difference <= BOUND, f"{difference:.1e} of the largest value"


def cosines(a, b):
    """Of each token's two vectors."""
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


@pytest.mark.parametrize("dtype, least", [("bf16", 0.9999), ("int8", 0.999),
                                          ("int4", 0.95)])
@pytest.mark.parametrize("name", CASES)
def test_fewer_bits_are_close(models, name, dtype, least):
    expected = reference(name)
    found = hidden_states(models(name), described(name), dtype)
    found = found.reshape(expected.shape)
    assert np.median(cosines(found, expected)) >= least


@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8", "int4"])
@pytest.mark.parametrize("name", CASES)
def test_a_sequence_is_the_same_alone(models, name, dtype):
    description = described(name)
    together = hidden_states(models(name), description, dtype)
    alone = [
        hidden_states(models(name), {**description, "sequences": [one]}, dtype)
        for one in description["sequences"]
    ]
    assert np.concatenate(alone).tobytes() == together.tobytes()
