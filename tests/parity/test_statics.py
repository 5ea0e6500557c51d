"""Static embeddings beside what model2vec and sentence-transformers make of
them. It must never pass for a case that was not run.
"""

import numpy as np
import pytest

import statics
from remora_ctypes import Remora, RemoraError

CASES = {case.name: case for case in statics.CASES}
BOUND = 1e-5  # of the largest value


@pytest.fixture(scope="module")
def expected():
    return statics.fixture()


def opened(build, folder, name, **others):
    statics.write(folder, CASES[name])
    return Remora(build / "libremora.so", folder, threads=1, **others)


def texts():
    return [text.encode() for text in statics.texts()]


def test_fixture_is_of_the_cases(expected):
    assert len(CASES) == len(statics.CASES)
    assert expected.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_vectors_are_the_reference(build, tmp_path, expected, name):
    remora = opened(build, tmp_path, name)
    found, _, _ = remora.embed(texts())
    alone = [remora.embed([text])[0][0] for text in texts()]
    remora.close()
    assert found.shape == expected[name].shape
    scale = np.abs(expected[name]).max()
    assert np.abs(found - expected[name]).max() <= BOUND * scale
    assert np.array_equal(found, np.stack(alone))


@pytest.mark.parametrize("dtype, bound", [
    ("bf16", 0.004), ("int8", 0.01), ("int4", 0.2)])
@pytest.mark.parametrize("name", ["plain", "mapped-narrow", "sentence-root"])
def test_other_dtypes(build, tmp_path, expected, name, dtype, bound):
    remora = opened(build, tmp_path, name, dtype=dtype)
    found, _, _ = remora.embed(texts())
    remora.close()
    off = np.abs(found - expected[name]).max()
    assert 0 < off < bound * np.abs(expected[name]).max()


def test_what_was_cut(build, tmp_path):
    """By tokens, by characters, and not at all."""
    wanted = {"plain": [False] * 9 + [True],
              "normalized": [False] * 8 + [True, True],
              "unlimited": [False] * 10, "sentence-root": [False] * 10,
              "sentence-limit": [False] * 8 + [True, True]}
    for name, cuts in wanted.items():
        remora = opened(build, tmp_path / name, name)
        _, tokens, found = remora.embed(texts())
        assert found == cuts, name
        assert tokens[2] == 3 and tokens[1] == 0
        remora.close()


def test_info(build, tmp_path):
    remora = opened(build, tmp_path / "a", "mapped")
    assert remora.info.architecture == b"model2vec"
    assert (remora.info.dim, remora.info.max_tokens) == (statics.SIZE, 512)
    assert remora.info.vocab_size == statics.VOCAB
    assert remora.info.normalize and not remora.info.pooling_guessed
    remora.close()
    remora = opened(build, tmp_path / "b", "sentence-dense")
    assert remora.info.architecture == b"StaticEmbedding"
    assert (remora.info.dim, remora.info.max_tokens) == (5, 0)
    remora.close()


def test_pooling_is_the_mean(build, tmp_path):
    with pytest.raises(RemoraError, match="pooling is mean, not cls"):
        opened(build, tmp_path, "plain", pooling="cls")
