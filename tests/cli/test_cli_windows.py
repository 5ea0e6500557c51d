"""`--windows` of `remora embed`, `classify` and `rerank`: what is made of a text
that is too long is what its windows give one by one, put together here. It must
never take a window's result from a run with windows.
"""

import numpy as np
import pytest

import tiny_bert

WORDS = (tiny_bert.WORDS * 20)[:101]  # a token each
LONG = " ".join(WORDS)
SHORT = ["fish river", "", "the line 7"]
ROOM = tiny_bert.MAX_TOKENS - 2  # beside [CLS] and [SEP]
LABELS = ["contradiction", "neutral", "entailment"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def nli(folder):
    return tiny_bert.write_head(
        folder / "nli", "SequenceClassification", LABELS)


@pytest.fixture(scope="module")
def ranker(folder):
    return tiny_bert.write_head(
        folder / "ranker", "SequenceClassification", ["LABEL_0"])


def windows(stride, room=ROOM):
    """The windows' words as texts."""
    texts, start = [], 0
    while True:
        texts.append(" ".join(WORDS[start:start + room]))
        if start + room >= len(WORDS):
            return texts
        start += room - stride


def rows_of(remora, *arguments, texts):
    stdin = "".join(text + "\n" for text in texts).encode()
    done = remora(*arguments, stdin=stdin)
    assert (done.code, done.err) == (0, "")
    return done.rows()


def vectors(rows):
    return np.array([row["embedding"] for row in rows], np.float32)


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("stride", [0, 1, 7, ROOM - 1])
@pytest.mark.parametrize("dimensions", [tiny_bert.HIDDEN, 5])
def test_vector_is_the_mean_of_the_windows(remora, tiny, stride, dimensions):
    parts = windows(stride)
    each = vectors(rows_of(remora, "embed", tiny, texts=parts))
    own = [len(part.split()) for part in parts]
    mean = np.average(each.astype(float), axis=0, weights=own)
    whole, = rows_of(
        remora, "embed", tiny, "--windows", "--stride", str(stride),
        "--dimensions", str(dimensions), texts=[LONG])
    assert np.allclose(
        vectors([whole])[0], unit(mean[:dimensions]), rtol=0, atol=1e-6)
    assert whole["truncated"] is False
    assert whole["tokens"] == sum(own) + 2 * len(parts)


def test_vector_as_pooled(remora, tiny):
    parts = windows(3)
    each = vectors(rows_of(
        remora, "embed", tiny, "--no-normalize", texts=parts))
    own = [len(part.split()) for part in parts]
    whole = vectors(rows_of(
        remora, "embed", tiny, "--no-normalize", "--windows", "--stride", "3",
        texts=[LONG]))[0]
    assert np.allclose(whole, np.average(each, axis=0, weights=own), rtol=0,
                       atol=1e-6)


def test_each_window_has_the_prompt(remora, tiny):
    prompt = "fish : "  # two tokens
    parts = windows(0, ROOM - 2)
    each = vectors(rows_of(
        remora, "embed", tiny, "--prompt", prompt, texts=parts))
    own = [len(part.split()) for part in parts]
    whole = vectors(rows_of(
        remora, "embed", tiny, "--prompt", prompt, "--windows",
        texts=[LONG]))[0]
    mean = np.average(each.astype(float), axis=0, weights=own)
    assert np.allclose(whole, unit(mean), rtol=0, atol=1e-6)


def test_short_texts_are_as_without(remora, tiny, nli, ranker):
    for command in (["embed", tiny], ["classify", nli],
                    ["rerank", ranker, "--query", "hello"]):
        assert rows_of(remora, *command, texts=SHORT) == rows_of(
            remora, *command, "--windows", texts=SHORT)


def test_no_other_text_changes_a_long_one(remora, tiny, tmp_path):
    def run(*texts):
        output = tmp_path / "out.npy"
        rows_of(remora, "embed", tiny, "--windows", "--format", "npy",
                "--output", output, texts=texts)
        return np.load(output)

    mixed = run(*SHORT, LONG, LONG + " fish", *SHORT, LONG)
    assert mixed.shape == (9, tiny_bert.HIDDEN)
    for at in (3, 8):
        assert mixed[at].tobytes() == run(LONG)[0].tobytes()
    assert mixed[1].tobytes() == run(SHORT[1])[0].tobytes()


@pytest.mark.parametrize("stride", ["0", "12"])
def test_label_has_its_best_score(remora, nli, stride):
    each = rows_of(remora, "classify", nli, texts=windows(int(stride)))
    whole, = rows_of(remora, "classify", nli, "--windows", "--stride", stride,
                     texts=[LONG])
    best = {label: max(dict(zip(row["labels"], row["scores"]))[label]
                       for row in each) for label in LABELS}
    assert dict(zip(whole["labels"], whole["scores"])) == best
    assert whole["scores"] == sorted(whole["scores"], reverse=True)
    assert whole["truncated"] is False


def test_document_has_its_best_score(remora, ranker):
    rank = ["rerank", ranker, "--query", "hello world", "--raw"]
    parts = windows(4, ROOM - 3)  # beside the query and its [SEP]
    each = rows_of(remora, *rank, texts=parts)
    whole = rows_of(remora, *rank, "--windows", "--stride", "4",
                    texts=["fish", LONG])
    assert [row["score"] for row in whole if row["index"] == 1] == [
        each[0]["score"]]
    assert [row["score"] for row in whole if row["index"] == 0] == [
        row["score"] for row in rows_of(remora, *rank, texts=["fish"])]


@pytest.mark.parametrize("options, words", [
    (["--stride", "2"], "stride is that of windows"),
    (["--windows", "--stride", str(ROOM)],
     f"a stride of {ROOM} tokens is not below the {ROOM} that a window has of "
     "input 0"),
    (["--windows", "--prompt", "fish " * ROOM],
     "what comes with input 0 leaves it no room in the "
     f"{tiny_bert.MAX_TOKENS} tokens"),
])
def test_refusals(remora, tiny, options, words):
    done = remora("embed", tiny, *options, stdin=LONG.encode() + b"\n")
    assert (done.code, done.out) == (1, "")
    assert words in done.err and "river" not in done.err
