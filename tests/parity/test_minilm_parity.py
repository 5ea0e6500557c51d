"""all-MiniLM-L6-v2 against the fixture that sentence-transformers made: equal
token ids, equal offsets, equal cuts, vectors within 2e-6. Must never compare
Remora with itself where the fixture has the answer.
"""

import json
import subprocess

import numpy as np
import pytest

LIMIT = 2e-6


def run_embed(build, model_dir, rows, *options):
    lines = "".join(json.dumps({"text": row.text()}) + "\n" for row in rows)
    done = subprocess.run(
        [build / "remora", "embed", model_dir, "--jsonl", "text", *options],
        input=lines.encode(), capture_output=True, check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def alone(library, rows):
    """The vectors of the fixture's texts, each computed alone."""
    return np.concatenate([library.embed([row.data])[0] for row in rows])


def test_fixture_is_wide(rows):
    assert len(rows) >= 300
    assert len({row.name for row in rows}) == len(rows)
    assert sum(row.text() is None for row in rows) >= 20
    assert sum(b"\0" in row.data for row in rows) >= 3
    assert any(len(row.data.split()) == 10000 for row in rows)
    assert any(row.data == b"" for row in rows)
    norms = [np.linalg.norm(row.vector) for row in rows]
    assert np.allclose(norms, 1, atol=1e-5)


def test_token_ids_are_equal(library, rows):
    wrong = [
        row.name for row in rows if library.tokenize(row.data)[0] != row.ids
    ]
    assert wrong == []


def test_offsets_are_equal(library, rows):
    wrong = [
        row.name for row in rows
        if library.tokenize(row.data)[1] != row.offsets
    ]
    assert wrong == []


def test_cuts_are_equal(library, rows):
    wrong = [
        row.name for row in rows
        if library.tokenize(row.data)[2] != row.truncated
    ]
    assert wrong == []


def test_vectors_of_single_texts(alone, rows, record_property):
    deltas = np.abs(alone - [row.vector for row in rows]).max(axis=1)
    worst = int(deltas.argmax())
    record_property("worst_delta", float(deltas[worst]))
    print(f"worst delta {deltas[worst]:.2e}: {rows[worst].name}")
    assert deltas[worst] <= LIMIT, rows[worst].name


def test_results_say_tokens_and_cuts(library, rows):
    _, tokens, cuts = library.embed([row.data for row in rows])
    assert tokens == [len(row.ids) for row in rows]
    assert cuts == [row.truncated for row in rows]


def test_one_job_has_the_bits_of_single_texts(library, alone, rows):
    together, _, _ = library.embed([row.data for row in rows])
    assert together.tobytes() == alone.tobytes()


def test_command_has_the_bits_of_the_library(build, model_dir, alone, rows):
    """Through JSON both ways: numbers read back as the same float32."""
    chosen = [i for i, row in enumerate(rows) if row.text() is not None]
    answers = run_embed(build, model_dir, [rows[i] for i in chosen])
    assert len(answers) == len(chosen)
    for i, answer in zip(chosen, answers):
        vector = np.array(answer["embedding"], np.float32)
        assert vector.tobytes() == alone[i].tobytes(), rows[i].name
        assert answer["tokens"] == len(rows[i].ids), rows[i].name
        assert answer["truncated"] == rows[i].truncated, rows[i].name


@pytest.mark.parametrize(
    "name", ["english_0", "plain_empty", "control_nul_inside", "words_10000"]
)
def test_command_alone_has_the_bits_of_the_library(
    build, model_dir, alone, rows, name
):
    at = next(i for i, row in enumerate(rows) if row.name == name)
    for threads in ("1", "2"):
        [answer] = run_embed(
            build, model_dir, [rows[at]], "--threads", threads
        )
        vector = np.array(answer["embedding"], np.float32)
        assert vector.tobytes() == alone[at].tobytes()


def test_command_reads_any_bytes_as_lines(
    build, model_dir, alone, rows, tmp_path
):
    """What has no line end inside goes through plain lines, NUL and bytes that
    are not UTF-8 included."""
    chosen = [
        i for i, row in enumerate(rows)
        if b"\n" not in row.data and not row.data.endswith(b"\r")
    ]
    assert any(rows[i].text() is None for i in chosen)
    assert any(b"\0" in rows[i].data for i in chosen)
    file = tmp_path / "texts"
    file.write_bytes(b"".join(rows[i].data + b"\n" for i in chosen))
    subprocess.run(
        [build / "remora", "embed", model_dir, "--input", file, "--format",
         "npy", "--output", tmp_path / "out.npy"],
        check=True, capture_output=True,
    )
    vectors = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert vectors.tobytes() == alone[chosen].tobytes()


def test_command_tokenizes_as_the_reference(build, model_dir, rows):
    chosen = [row for row in rows if row.text() is not None]
    lines = "".join(json.dumps({"t": row.text()}) + "\n" for row in chosen)
    done = subprocess.run(
        [build / "remora", "tokenize", model_dir, "--jsonl", "t"],
        input=lines.encode(), capture_output=True, check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    vocabulary = json.loads((model_dir / "tokenizer.json").read_text())
    names = {v: k for k, v in vocabulary["model"]["vocab"].items()}
    assert len(answers) == len(chosen)
    for row, answer in zip(chosen, answers):
        assert answer == {
            "ids": row.ids,
            "tokens": [names[i] for i in row.ids],
            "offsets": row.offsets,
            "truncated": row.truncated,
        }, row.name
