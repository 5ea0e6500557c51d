"""LoRA adapters beside what PEFT makes of them when it merges them: hidden states
and logits of small models with random weights. It must never pass for an adapter
that was not merged.
"""

from pathlib import Path

import numpy as np
import pytest

import adapters
from test_hidden_states import hidden_states

CASES = {case.name: case for case in adapters.CASES}
BOUND = 1e-5  # of the largest value
FIXTURE = Path(adapters.__file__).with_name("adapters.npz")


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """A case's model and its adapter, made when they are asked for."""
    made = {}

    def get(name):
        if name not in made:
            folder = made[name] = tmp_path_factory.mktemp(name)
            case = CASES[name]
            adapters.random_model.write(
                folder / "model", adapters.base_of(case))
            adapters.write(folder / "adapter", case, adapters.made()[name])
        return made[name] / "model", made[name] / "adapter"

    return get


def found(name, directories, dtype="f32", merged=True):
    model, adapter = directories(name)
    description = adapters.base_of(CASES[name])
    options = () if description["task"] == "hidden" else ("--logits",)
    values = hidden_states(model, description, dtype, *options,
                           adapter=(adapter,) if merged else ())
    return values.reshape(expected(name).shape)


def expected(name):
    return np.load(FIXTURE)[name]


def test_fixture_is_of_the_cases():
    assert set(np.load(FIXTURE)) == set(adapters.made()) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_float32_is_what_peft_merges(directories, name):
    wanted = expected(name)
    largest = np.abs(wanted).max()
    difference = np.abs(found(name, directories) - wanted).max() / largest
    assert difference <= BOUND, f"{difference:.1e} of the largest value"
    if CASES[name].config.get("task_type", "CAUSAL_LM") == "CAUSAL_LM":
        plain = found(name, directories, merged=False)
        assert np.abs(plain - wanted).max() > 0.05 * largest


@pytest.mark.parametrize("dtype", ["bf16", "int8"])
@pytest.mark.parametrize("name", CASES)
def test_fewer_bits_are_close(directories, name, dtype):
    wanted, narrow = expected(name).ravel(), found(name, directories, dtype)
    narrow = narrow.ravel()
    lengths = np.linalg.norm(narrow) * np.linalg.norm(wanted)
    assert narrow @ wanted / lengths >= 0.999
