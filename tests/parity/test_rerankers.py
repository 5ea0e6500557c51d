"""Decoders that rerank by yes and no beside the procedure of Qwen3-Reranker's
model card, and sentence-transformers: small models with random weights, and a
byte-level tokenizer. It must never pass for a document that was not asked about.
"""

import json
import math
import subprocess
from pathlib import Path

import pytest

import rerankers

REMORA = Path(rerankers.__file__).resolve().parents[2] / "build" / "remora"
CASES = {case.name: case for case in rerankers.CASES}
ASKED = range(len(rerankers.ASKED))
BOUND = 1e-5
# Of logits, which lie within 4; int4 is uncalibrated, on tiny models.
NARROW = {"bf16": 0.05, "int8": 0.2, "int4": 1}


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """A case's directory, made when it is asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = rerankers.write(
                tmp_path_factory.mktemp(name), CASES[name],
                rerankers.made()[name]["tensors"])
        return made[name]

    return get


def rerank(folder, query, instruction=None, *options):
    """The scores of the documents, in their order."""
    if instruction:
        options += ("--instruction", instruction)
    done = subprocess.run(
        [REMORA, "rerank", folder, "--query", query, "--jsonl", "text",
         *options], capture_output=True, check=False,
        input="".join(json.dumps({"text": text}) + "\n"
                      for text in rerankers.DOCUMENTS).encode())
    assert not done.returncode, done.stderr.decode()
    ranking = [json.loads(line) for line in done.stdout.splitlines()]
    scores = [one["score"] for one in ranking]
    assert scores == sorted(scores, reverse=True)
    assert len(ranking) == len(rerankers.DOCUMENTS)
    return [one["score"] for one in sorted(ranking, key=lambda r: r["index"])]


def apart(found, expected):
    return max(abs(a - b) for a, b in zip(found, expected, strict=True))


def test_fixture_is_of_the_cases():
    assert set(rerankers.made()) == set(CASES)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_the_reference(directories, name, asked):
    logits = rerankers.made()[name]["logits"][asked]
    found = rerank(directories(name), *rerankers.ASKED[asked], "--raw")
    assert apart(found, logits) <= BOUND
    shares = [1 / (1 + math.exp(-logit)) for logit in logits]
    found = rerank(directories(name), *rerankers.ASKED[asked])
    # What sentence-transformers says is that the logit is meant.
    expected = logits if CASES[name].has_modules else shares
    assert apart(found, expected) <= BOUND


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", CASES)
def test_fewer_bits_are_near(directories, tmp_path, name, dtype):
    logits = rerankers.made()[name]["logits"][0]
    query = rerankers.ASKED[0][0]
    found = rerank(directories(name), query, None, "--raw", "--dtype", dtype)
    assert apart(found, logits) <= NARROW[dtype]
    folder = tmp_path / dtype
    subprocess.run([REMORA, "quantize", directories(name), folder, "--dtype",
                    dtype], check=True, capture_output=True)
    again = rerank(folder, query, None, "--raw")
    assert apart(again, logits) <= NARROW[dtype]
    if dtype != "int4":  # which is calibrated there
        assert again == found
