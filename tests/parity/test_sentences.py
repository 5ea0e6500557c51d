"""What comes after an encoder, and prompts before it, beside what
sentence-transformers makes of them. It must never pass for a case that was not
run.
"""

import json
import subprocess

import numpy as np
import pytest

import sentences
from remora_ctypes import Remora, RemoraError

CASES = {case.name: case for case in sentences.CASES}
BOUND = 1e-5  # of the largest value


@pytest.fixture(scope="module")
def expected():
    return sentences.fixture()


def options_of(case):
    """The same in remora.h's words."""
    given = dict(case.options)
    given.pop("normalize_embeddings", None)
    if "truncate_dim" in given:
        given["dimensions"] = given.pop("truncate_dim")
    if "prompt" in given:
        given["prompt"] = given["prompt"].encode()
    return given


def opened(build, folder, case, **others):
    sentences.write(folder, case, sentences.encoder())
    return Remora(build / "libremora.so", folder, threads=1, **others)


def texts():
    return [text.encode() for text in sentences.TEXTS]


def test_fixture_is_of_the_cases(expected):
    assert len(CASES) == len(sentences.CASES)
    assert expected.keys() == CASES.keys() | {
        f"tokens/{name}" for name in sentences.OF_TOKENS}


@pytest.mark.parametrize("name", CASES)
def test_vectors_are_the_reference(build, tmp_path, expected, name):
    case = CASES[name]
    remora = opened(build, tmp_path, case)
    found, _, _ = remora.embed(texts(), **options_of(case))
    alone = [remora.embed([text], **options_of(case))[0][0]
             for text in texts()]
    remora.close()
    assert found.shape == expected[name].shape
    scale = np.abs(expected[name]).max()
    difference = np.abs(found - expected[name]).max() / scale
    assert difference <= BOUND, f"{difference:.1e} of the largest value"
    assert np.array_equal(found, np.stack(alone))


def tokens_of(build, folder, texts, *options):
    """What the command writes of the tokens of each text."""
    done = subprocess.run(
        [build / "remora", "embed", folder, "--tokens", *options],
        input="".join(text + "\n" for text in texts).encode(),
        capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", sentences.OF_TOKENS)
def test_token_vectors_are_the_reference(build, tmp_path, expected, name):
    """output_value="token_embeddings" there."""
    sentences.write(tmp_path, CASES[name], sentences.encoder())
    texts = sentences.TEXTS[:sentences.TEXTS_OF_TOKENS]
    rows = tokens_of(build, tmp_path, texts)
    wanted = expected[f"tokens/{name}"]
    found = np.array(sum((row["embeddings"] for row in rows), []), np.float32)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= BOUND * np.abs(wanted).max()
    assert rows == [tokens_of(build, tmp_path, [text])[0] for text in texts]
    unit = tokens_of(build, tmp_path, texts, "--normalize")
    found = np.array(sum((row["embeddings"] for row in unit), []), np.float32)
    wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.abs(found - wanted).max() <= BOUND
    for text, row in zip(texts, rows):
        spans = [text[start:end] for start, end in row["offsets"] if end]
        assert spans == text.split()


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_modules_of_other_dtypes(build, tmp_path, expected, dtype):
    remora = opened(build, tmp_path, CASES["long"], dtype=dtype)
    found, _, _ = remora.embed(texts())
    remora.close()
    cosines = (found * expected["long"]).sum(axis=1)
    assert cosines.min() > {"bf16": 0.999, "int8": 0.98, "int4": 0.8}[dtype]
    assert np.abs(found - expected["long"]).max() > 0


@pytest.mark.parametrize("mode", [*sentences.MODES, "cls+mean", "all"])
def test_pooling_of_a_plain_encoder(build, tmp_path, expected, mode):
    """What is asked for, and where nothing is, a guess that says so."""
    name = {"cls+mean": "cls+mean", "all": "+".join(sentences.MODES)}
    modes = name.get(mode, mode)
    case = sentences.Case(mode, {})
    sentences.write(tmp_path, case, sentences.encoder())
    (tmp_path / "modules.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(
        '{"model_max_length": 32}')
    remora = Remora(build / "libremora.so", tmp_path, threads=1,
                    pooling=modes)
    found, _, _ = remora.embed(texts())
    assert remora.info.pooling.decode() == modes
    assert remora.info.pooling_guessed == 0
    remora.close()
    wanted = np.concatenate([expected[f"old-{each}"]
                             for each in modes.split("+")], axis=1)
    assert np.abs(found - wanted).max() <= BOUND * np.abs(wanted).max()
    guessed = Remora(build / "libremora.so", tmp_path, threads=1)
    assert guessed.info.pooling == b"mean" and guessed.info.pooling_guessed
    guessed.close()


def test_pooling_that_contradicts_the_modules(build, tmp_path):
    with pytest.raises(RemoraError, match="pooling is cls, not mean"):
        opened(build, tmp_path, CASES["old-cls"], pooling="mean")


def test_prompts_that_are_not_there(build, tmp_path):
    remora = opened(build, tmp_path, CASES["prompt-default"])
    assert remora.info.default_prompt == b"passage"
    with pytest.raises(RemoraError, match='no prompt "other"; it has query, '
                                          "document, passage, none"):
        remora.embed(texts(), prompt_name="other")
    with pytest.raises(RemoraError, match="exclude each other"):
        remora.embed(texts(), prompt_name="query", prompt=b"a")
    remora.close()
