"""What heads make of the last hidden state beside what the reference makes of
it: the logits of small models with random weights, and the scores that they
stand for. It must never pass for a head that was not run.
"""

import numpy as np
import pytest

import architectures
from test_hidden_states import (  # noqa: F401
    described, hidden_states, models, reference)

HEADED = ("albert", "bert", "camembert", "deberta-v2", "distilbert", "electra",
          "gemma3_text", "llama", "mistral", "modernbert", "mpnet", "new",
          "nomic_bert", "qwen3", "roberta", "xlm-roberta")
CASES = {
    case.name: case for case in architectures.CASES
    if case.task in ("text-classification", "token-classification",
                     "fill-mask")
    and case.config["model_type"] in HEADED
}
CLASSIFIERS = [
    name for name, case in CASES.items() if case.task == "text-classification"
]
FILLERS = [name for name, case in CASES.items() if case.task == "fill-mask"]
BOUND = 1e-5  # of the largest value; of scores


def scores_of(config, logits):
    """As the reference's pipeline has them."""
    problem = config.get("problem_type")
    if problem == "regression":
        return logits
    if problem == "multi_label_classification" or logits.shape[1] == 1:
        return 1 / (1 + np.exp(-logits))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_reference(models, name):  # noqa: F811
    expected = reference(name)
    found = hidden_states(models(name), described(name), "f32", "--logits")
    found = found.reshape(expected.shape)
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert difference <= BOUND, f"{difference:.1e} of the largest value"


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_scores_are_those_of_the_reference(models, name):  # noqa: F811
    logits = reference(name)
    expected = scores_of(described(name)["config"], logits)
    found = hidden_states(models(name), described(name), "f32", "--scores")
    found = found.reshape(expected.shape)
    scale = max(1, np.abs(expected).max())  # of raw ones
    assert np.abs(found - expected).max() <= BOUND * scale


@pytest.mark.parametrize("name", FILLERS)
def test_sparse_weights_are_of_the_logits(models, name):  # noqa: F811
    """As SPLADE has them: a row for each sequence."""
    logits = reference(name)
    ends = np.cumsum([len(one) for one in described(name)["sequences"]])
    expected = [np.log1p(np.maximum(part, 0)).max(axis=0)
                for part in np.split(logits, ends[:-1])]
    found = hidden_states(models(name), described(name), "f32", "--sparse")
    found = found.reshape(np.shape(expected))
    assert np.abs(found - expected).max() <= BOUND


# Cosine of all logits of words; int4 is uncalibrated, on tiny models.
NARROW = {"bf16": 0.9999, "int8": 0.999, "int4": 0.96}
# Of small encoders with gated layers, 36 wide.
NEAR = {
    "modernbert-fill": {"int4": 0.92},
    "nomic-fill": {"bf16": 0.9998, "int4": 0.92},
}


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", FILLERS)
def test_logits_of_fewer_bits_are_near(models, name, dtype):  # noqa: F811
    expected = reference(name).ravel()
    found = hidden_states(models(name), described(name), dtype, "--logits")
    lengths = np.linalg.norm(found) * np.linalg.norm(expected)
    bound = NEAR.get(name, {}).get(dtype, NARROW[dtype])
    assert found @ expected / lengths >= bound
