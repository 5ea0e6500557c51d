"""`remora fill-mask` and `remora sparse`: what they write, and what they refuse.
Must never check scores against numbers of its own: those are for the parity
tests.
"""

import json

import pytest

import tiny_bert

TEXTS = ["fish [MASK] river", "[MASK]", "the [MASK] of [MASK]."]
LINES = "".join(text + "\n" for text in TEXTS).encode()


@pytest.fixture(scope="module")
def filler(tmp_path_factory):
    return tiny_bert.write_head(
        tmp_path_factory.mktemp("words") / "filler", "MaskedLM", [])


def rows_of(remora, *arguments, stdin=LINES):
    done = remora(*arguments, stdin=stdin)
    assert (done.code, done.err) == (0, "")
    return done.rows()


def masks_of(row):
    """A list for each mask."""
    return (row["fills"] if isinstance(row["fills"][0], list)
            else [row["fills"]])


def test_words_of_each_mask(remora, filler):
    rows = rows_of(remora, "fill-mask", filler)
    assert [list(row) for row in rows] == [
        ["fills", "tokens", "truncated"]] * len(TEXTS)
    assert [row["tokens"] for row in rows] == [5, 3, 8]
    assert [len(masks_of(row)) for row in rows] == [1, 1, 2]
    for row in rows:
        for mask in masks_of(row):
            scores = [word["score"] for word in mask]
            assert len(mask) == 5 and sorted(scores, reverse=True) == scores
            for word in mask:
                assert list(word) == ["score", "token", "token_str"]
                assert word["token_str"] == tiny_bert.VOCAB[word["token"]]


def test_best_words(remora, filler):
    whole = rows_of(remora, "fill-mask", filler, "--top-k", "999")
    for row in whole:
        for mask in masks_of(row):
            assert len(mask) == len(tiny_bert.VOCAB)
            assert abs(sum(word["score"] for word in mask) - 1) < 1e-5
    for row, every in zip(
            rows_of(remora, "fill-mask", filler, "--top-k", "2"), whole):
        assert masks_of(row) == [mask[:2] for mask in masks_of(every)]


def test_sequences_have_the_word(remora, filler):
    """Special tokens stay only beside other masks."""
    rows = rows_of(remora, "fill-mask", filler, "--sequence")
    for word in rows[0]["fills"]:
        assert word["sequence"].startswith("fish")
        assert word["sequence"].endswith("river")
        assert "[CLS]" not in word["sequence"]
    for mask in rows[2]["fills"]:
        for word in mask:
            assert word["sequence"].startswith("[CLS] the")
            assert word["sequence"].count("[MASK]") == 1


def test_many_texts_have_the_words_of_few(remora, filler):
    few = rows_of(remora, "fill-mask", filler)
    assert rows_of(remora, "fill-mask", filler, stdin=LINES * 300) == few * 300
    alone = [rows_of(remora, "fill-mask", filler, stdin=f"{text}\n".encode())
             for text in TEXTS]
    assert sum(alone, []) == few


def refused(remora, *arguments, stdin):
    done = remora(*arguments, stdin=stdin)
    assert (done.code, done.out) == (1, "")
    assert "secret" not in done.err
    return done.err


def test_texts_without_a_mask(remora, filler):
    words = refused(remora, "fill-mask", filler,
                    stdin=b"[MASK]\nsecret\n[MASK]\n")
    assert 'lines 1 to 3: input 1 has no "[MASK]" to be filled\n' in words
    words = refused(remora, "fill-mask", filler, "--jsonl", "text",
                    stdin=b'{"text": ""}\n')
    assert 'input 0 has no "[MASK]" to be filled\n' in words
    words = refused(remora, "fill-mask", filler,
                    stdin=b"fish " * 100 + b"[MASK]\n")
    assert "among the tokens that the model takes" in words


def test_truncation_is_reported(remora, filler):
    done = remora("fill-mask", filler, stdin=b"[MASK]" + b" fish" * 100)
    assert done.code == 0 and done.rows()[0]["truncated"] is True
    assert "was longer than 32 tokens and was cut" in done.err


def test_models_without_the_head(remora, tiny, filler, tmp_path):
    assert "no model for fill-mask" in refused(
        remora, "fill-mask", tiny, stdin=b"[MASK]\n")
    for file, content, words in (
        ("tokenizer_config.json", {"mask_token": "<x>"},
         '/tokenizer_config.json: "mask_token" "<x>" is no token'),
        ("special_tokens_map.json", {"mask_token": {"content": "<y>"}},
         '/special_tokens_map.json: "mask_token" "<y>" is no token'),
    ):
        model = tiny_bert.write_head(
            tmp_path / file.split(".")[0], "MaskedLM", [])
        (model / file).write_text(json.dumps(content))
        assert words in refused(
            remora, "fill-mask", model, stdin=b"[MASK]\n")


def test_mask_is_what_the_files_say(remora, tmp_path):
    model = tiny_bert.write_head(tmp_path / "named", "MaskedLM", [])
    (model / "tokenizer_config.json").write_text(
        json.dumps({"mask_token": {"content": "fish"}}))
    row, = rows_of(remora, "fill-mask", model, stdin=b"the fish\n")
    assert len(row["fills"]) == 5
    assert 'no "fish"' in refused(remora, "fill-mask", model,
                                  stdin=b"[MASK]\n")


# ---------------------------------------------------------------------- sparse

@pytest.fixture(scope="module")
def splade(tmp_path_factory):
    return tiny_bert.write_splade(
        tmp_path_factory.mktemp("sparse") / "splade")


PLAIN = b"hello world\n\nfish river the line 7\na. b? c!\n"


def test_weights_of_each_text(remora, splade, filler):
    rows = rows_of(remora, "sparse", splade, stdin=PLAIN)
    assert [list(row) for row in rows] == [
        ["indices", "values", "tokens", "truncated"]] * 4
    assert [row["tokens"] for row in rows] == [4, 2, 7, 8]
    for row in rows:
        assert row["indices"] == sorted(set(row["indices"]))
        assert 0 < len(row["indices"]) < len(tiny_bert.VOCAB)
        assert len(row["values"]) == len(row["indices"])
        assert min(row["values"]) > 0
    assert len({str(row) for row in rows}) == 4
    assert rows_of(remora, "sparse", filler, stdin=PLAIN) == rows
    assert rows_of(remora, "sparse", splade, stdin=PLAIN * 300) == rows * 300


def test_heaviest_words(remora, splade):
    every = rows_of(remora, "sparse", splade, "--strings", stdin=PLAIN)
    for count in (1, 7, 999):
        rows = rows_of(remora, "sparse", splade, "--strings", "--top-k",
                       str(count), stdin=PLAIN)
        for row, whole in zip(rows, every):
            words = sorted(zip(whole["indices"], whole["values"]),
                           key=lambda word: (-word[1], word[0]))[:count]
            assert list(zip(row["indices"], row["values"])) == sorted(words)
            assert row["strings"] == [
                tiny_bert.VOCAB[index] for index in row["indices"]]


def test_other_sparse_encoders_are_refused(remora, tiny, tmp_path):
    for pooling, words in (
        ({"pooling_strategy": "sum"}, '"pooling_strategy" "sum"'),
        ({"activation_function": "log1p_relu"}, '"activation_function"'),
    ):
        model = tiny_bert.write_splade(tmp_path / "-".join(pooling), **pooling)
        assert words in refused(remora, "sparse", model, stdin=b"a\n")
    assert "no model for fill-mask" in refused(
        remora, "sparse", tiny_bert.write(tmp_path / "plain", pooling=False),
        stdin=b"a\n")
    assert 'module 1, "sentence_transformers.models.Pooling"' in refused(
        remora, "sparse", tiny, stdin=b"a\n")


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_quantized_directories(remora, splade, tmp_path, dtype):
    out = tmp_path / "out"
    done = remora("quantize", splade, out, "--dtype", dtype)
    assert (done.code, done.out, done.err) == (0, "", "")
    info = json.loads(remora("inspect", out, "--json").out)
    assert (info["dtype"], info["task"]) == (dtype, "embed_sparse")
    if dtype == "int4":  # calibrated
        rows_of(remora, "sparse", out, stdin=PLAIN)
        return
    for command, lines in (("sparse", PLAIN), ("fill-mask", LINES)):
        assert rows_of(remora, command, out, stdin=lines) == rows_of(
            remora, command, splade, "--dtype", dtype, stdin=lines)


def test_inspecting_a_sparse_encoder(remora, splade):
    info = json.loads(remora("inspect", splade, "--json").out)
    assert info["task"] == "embed_sparse"
    assert info["dim"] == info["vocab_size"] == len(tiny_bert.VOCAB)
    assert "pooling" not in info and "similarity" not in info
    table = remora("inspect", splade).out
    assert "task              embed_sparse\n" in table
    assert "pooling" not in table
