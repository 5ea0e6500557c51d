"""`remora tokenize`, `detokenize` and `chunk` of directories that hold a
tokenizer and no model that Remora could run. The tokens expected are the
reference's. Must never give these commands a whole model, but to compare.
"""

import json
import shutil

import pytest

import tiny_bert
import tiny_tokenizers


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tokenizers")


@pytest.fixture(scope="session")
def byte_level(folder):
    return tiny_tokenizers.write(
        folder / "bpe", tiny_tokenizers.byte_level_bpe()
    )


@pytest.fixture(scope="session")
def unigram(folder):
    return tiny_tokenizers.write(
        folder / "unigram", tiny_tokenizers.unigram(), model_max_length=5
    )


def test_byte_level_bpe(remora, byte_level):
    done = remora("tokenize", byte_level, stdin="the fish ü!\n".encode())
    assert (done.code, done.err) == (0, "")
    [row] = done.rows()
    assert row["ids"] == [83, 260, 262, 220, 263, 0]
    assert row["tokens"] == ["t", "he", "Ġfish", "Ġ", "Ã¼", "!"]
    assert row["offsets"] == [
        [0, 1], [1, 3], [4, 8], [9, 9], [9, 11], [11, 12]
    ]
    back = remora("detokenize", byte_level, stdin=done.raw)
    assert (back.code, back.err) == (0, "")
    assert back.rows() == [{"text": "the fish ü!"}]


def test_unigram(remora, unigram):
    done = remora("tokenize", unigram, stdin="the ﬁsh xyü\n".encode())
    assert (done.code, done.err) == (0, "")
    [row] = done.rows()
    assert row["ids"] == [3, 5, 2, 0, 1]
    assert row["tokens"] == ["▁the", "▁fish", "▁", "<unk>", "</s>"]
    assert row["offsets"] == [[0, 3], [3, 9], [9, 10], [10, 14], [0, 0]]
    back = remora("detokenize", unigram, stdin=done.raw)
    assert back.rows() == [{"text": "the fish <unk></s>"}]
    back = remora("detokenize", unigram, "--skip-special", stdin=done.raw)
    assert back.rows() == [{"text": "the fish "}]


def test_files_that_are_converted(remora, tmp_path):
    gpt2 = tiny_tokenizers.write_gpt2(tmp_path)
    done = remora("tokenize", gpt2, stdin=b"the fish <|endoftext|>\n")
    assert (done.code, done.err) == (0, "")
    [row] = done.rows()
    assert row["ids"] == [83, 260, 262, 220, 264]
    done = remora("inspect", gpt2)
    assert done.code == 1
    assert "gpt2" in done.err  # which is no model that can be run


def test_limit_of_tokenizer_config(remora, unigram):
    text = b"the fish the fish the fish\n"
    done = remora("tokenize", unigram, stdin=text)
    [row] = done.rows()
    assert row["tokens"] == ["▁the", "▁fish", "▁the", "▁fish", "</s>"]
    assert row["truncated"] is True
    assert done.err == (
        "remora: 1 of 1 texts was longer than 5 tokens and was cut\n"
    )
    done = remora("tokenize", unigram, "--no-truncate", stdin=text)
    assert (len(done.rows()[0]["ids"]), done.err) == (7, "")
    done = remora("chunk", unigram, "--boundary", "word", stdin=text)
    assert (done.code, done.err) == (0, "")
    assert [(row["text"], row["tokens"]) for row in done.rows()] == [
        ("the fish the fish", 5), ("the fish", 3)
    ]


@pytest.mark.parametrize("options", [
    {}, {"model_max_length": 10 ** 30}, {"model_max_length": None},
])
def test_no_limit(remora, tmp_path, options):
    directory = tiny_tokenizers.write(
        tmp_path, tiny_tokenizers.byte_level_bpe(), **options
    )
    done = remora("tokenize", directory, stdin=b" fish" * 5000)
    assert (done.code, done.err) == (0, "")
    assert done.rows()[0]["ids"] == [262] * 5000
    done = remora("chunk", directory, stdin=b"the fish\n")
    assert done.code == 1
    assert done.err == (
        f"remora: {directory} does not say how many tokens its model takes: "
        "give --max-tokens\n"
    )
    done = remora("chunk", directory, "--max-tokens", "2",
                  stdin=b" fish the fish fish\n")
    assert done.code == 0
    assert [row["text"] for row in done.rows()] == ["fish the", "fish fish"]


def test_limit_that_is_none(remora, tmp_path):
    directory = tiny_tokenizers.write(
        tmp_path, tiny_tokenizers.unigram(), model_max_length=0
    )
    done = remora("tokenize", directory, stdin=b"the\n")
    assert done.code == 1
    assert done.err == (
        f'remora: {directory}/tokenizer_config.json: "model_max_length" must '
        "be a whole number from 1\n"
    )


def test_architecture_that_is_not_supported(remora, byte_level, tmp_path):
    directory = tmp_path / "copy"
    shutil.copytree(byte_level, directory)
    tiny_bert.write_json(directory / "config.json", {
        "model_type": "gpt2", "max_position_embeddings": 2,
    })
    done = remora("tokenize", directory, stdin=b"the fish fish\n")
    assert (done.code, done.err) == (0, "")
    assert len(done.rows()[0]["ids"]) == 4


def test_a_model_without_weights_keeps_its_limit(remora, tiny, tmp_path):
    directory = tmp_path / "copy"
    shutil.copytree(tiny, directory)
    (directory / "model.safetensors").unlink()
    for command in ("tokenize", "chunk"):
        whole = remora(command, tiny, stdin=b"fish " * 40)
        part = remora(command, directory, stdin=b"fish " * 40)
        assert (part.code, part.raw, part.err) == (0, whole.raw, whole.err)
    done = remora("embed", directory, stdin=b"fish\n")
    assert done.code == 1
    assert "model.safetensors" in done.err


def test_directory_without_tokenizer(remora, tmp_path):
    for command in ("tokenize", "detokenize", "chunk"):
        done = remora(command, tmp_path, stdin=b"1\n")
        assert done.code == 1
        assert done.raw == b""
        assert done.err.startswith(f"remora: {tmp_path} has no tokenizer.json")
        assert done.err.count("\n") == 1


def test_minilm_s_tokenizer_alone(remora, model_dir, tmp_path):
    shutil.copy(model_dir / "tokenizer.json", tmp_path)
    texts = "A man is eating food.\nnaïve Ünïcode 😀\n\n".encode()
    whole = remora("tokenize", model_dir, stdin=texts)
    part = remora("tokenize", tmp_path, stdin=texts)
    assert (part.code, part.err) == (0, "")
    assert part.raw == whole.raw
    assert json.loads(part.raw.splitlines()[0])["ids"][:3] == [101, 1037, 2158]
