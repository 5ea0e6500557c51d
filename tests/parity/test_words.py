"""What the command makes of a masked language model beside what the reference's
pipeline, and its encoder of sparse vectors, make of it. It must never pass for a model that was not run.
"""

import json
import subprocess

import numpy as np
import pytest

import words

BOUND = 1e-5  # of probabilities, and of weights


@pytest.fixture(scope="module")
def expected():
    return words.fixture()


def rows_of(build, texts, *arguments):
    done = subprocess.run(
        [build / "remora", *map(str, arguments)], capture_output=True,
        check=False, input="".join(text + "\n" for text in texts).encode())
    assert not done.returncode, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def fills(build, folder, texts, *options):
    """A list for each mask of each text."""
    rows = rows_of(build, texts, "fill-mask", folder, "--top-k", words.TOP_K,
                   "--sequence", *options)
    return [row["fills"] if isinstance(row["fills"][0], list)
            else [row["fills"]] for row in rows]


@pytest.mark.parametrize("name", words.MODELS)
def test_fills_are_those_of_the_pipeline(build, tmp_path, expected, name):
    folder = words.write(tmp_path, name)
    found = fills(build, folder, words.MASKED)
    wanted = {field: expected[f"fill/{name}/{field}"]
              for field in ("token", "score", "token_str", "sequence")}
    for field in ("token", "score"):
        values = np.array([[word[field] for word in mask]
                           for text in found for mask in text])
        assert values.shape == wanted[field].shape
        bound = BOUND if field == "score" else 0
        assert np.abs(values - wanted[field]).max() <= bound
    for field in ("token_str", "sequence"):
        assert [text[0][0][field] for text in found] == wanted[field].tolist()
    assert [fills(build, folder, [text])[0] for text in words.MASKED] == found


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_fills_of_fewer_bits_are_near(build, tmp_path, expected, dtype):
    folder = words.write(tmp_path, "bert-fill")
    found = fills(build, folder, words.MASKED[1:2], "--dtype", dtype,
                  "--top-k", 64)
    scores = {word["token"]: word["score"] for word in found[0][0]}
    wanted = dict(zip(expected["fill/bert-fill/token"][1],
                      expected["fill/bert-fill/score"][1]))
    assert abs(sum(scores.values()) - 1) < 1e-5
    for token, score in wanted.items():
        assert abs(scores[token] - score) < {
            "bf16": 0.01, "int8": 0.02, "int4": 0.2}[dtype]


def sparse(build, folder, texts, *options):
    """[texts, words], and the rows."""
    rows = rows_of(build, texts, "sparse", folder, *options)
    dense = np.zeros((len(rows), 64), np.float32)
    for to, row in zip(dense, rows):
        assert row["indices"] == sorted(set(row["indices"]))
        assert all(value > 0 for value in row["values"])
        to[row["indices"]] = row["values"]
    return dense, rows


@pytest.mark.parametrize("name", words.MODELS)
def test_weights_are_those_of_the_encoder(build, tmp_path, expected, name):
    folder = words.write_sparse(tmp_path, name)
    wanted = expected[f"sparse/{name}"]
    found, rows = sparse(build, folder, words.SPARSE)
    assert found.shape == wanted.shape and (wanted == 0).any()
    assert np.abs(found - wanted).max() <= BOUND
    assert np.array_equal(found > 0, wanted > 0)
    assert rows[-1]["truncated"] is True
    alone = [rows_of(build, [text], "sparse", folder)[0]
             for text in words.SPARSE]
    assert alone == rows


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_weights_of_fewer_bits_are_near(build, tmp_path, expected, dtype):
    folder = words.write_sparse(tmp_path, "bert-fill")
    found, _ = sparse(build, folder, words.SPARSE, "--dtype", dtype)
    wanted = expected["sparse/bert-fill"]
    cosines = (found * wanted).sum(1) / np.sqrt(
        (found * found).sum(1) * (wanted * wanted).sum(1))
    assert cosines.min() >= {"bf16": 0.999, "int8": 0.99, "int4": 0.9}[dtype]
