"""`remora embed`: what it reads and what it writes. Must never check the values
of vectors, which is for the parity tests; here they only have to agree.
"""

import json
import os
import stat

import numpy as np
import pytest

import tiny_bert

DIM = 16


def vectors(done):
    return np.array([row["embedding"] for row in done.rows()], np.float32)


def embed_lines(remora, tiny, data, *options):
    done = remora("embed", tiny, *options, stdin=data)
    assert (done.code, done.err) == (0, "")
    return done


def json_lines(texts, **extra):
    return b"".join(
        json.dumps({"text": t, **extra}).encode() + b"\n" for t in texts
    )


def test_a_line_for_each_text(remora, tiny):
    done = embed_lines(remora, tiny, b"hello\nworld fish\n")
    assert [list(row) for row in done.rows()] == [
        ["embedding", "tokens", "truncated"]
    ] * 2
    assert [row["tokens"] for row in done.rows()] == [3, 4]
    assert [row["truncated"] for row in done.rows()] == [False, False]
    assert vectors(done).shape == (2, DIM)
    assert np.allclose(np.linalg.norm(vectors(done), axis=1), 1, atol=1e-6)


def test_lines_are_compact(remora, tiny):
    out = embed_lines(remora, tiny, b"hello\n").out
    assert " " not in out
    assert out.endswith('],"tokens":3,"truncated":false}\n')


@pytest.mark.parametrize("data, texts", [
    (b"", []),
    (b"\n", [""]),
    (b"\n\n", ["", ""]),
    (b"hello", ["hello"]),
    (b"hello\n", ["hello"]),
    (b"hello\nworld", ["hello", "world"]),
    (b"hello\r\nworld\r\n", ["hello", "world"]),
    (b"\r\n", [""]),
    (b"hello\n\nworld\n", ["hello", "", "world"]),
    (b"a\rb\n", ["a\rb"]),
    (b"a\r\r\n", ["a\r"]),
    (b"a\r", ["a\r"]),
    (b"  a  \n", ["  a  "]),
    (b"a\0b\n\0\n", ["a\0b", "\0"]),
    ("a\u2028b\x0bc\x85\n".encode(), ["a\u2028b\x0bc\x85"]),
])
def test_lines_are_texts(remora, tiny, data, texts):
    """Against the same texts through JSON, which needs no lines."""
    plain = embed_lines(remora, tiny, data)
    through_json = embed_lines(
        remora, tiny, json_lines(texts), "--jsonl", "text"
    )
    assert plain.out == through_json.out
    assert len(plain.rows()) == len(texts)


def test_nul_is_text(remora, tiny):
    done = embed_lines(remora, tiny, b"a\0b\nab\na\n")
    together, same, other = done.rows()
    assert together == same  # this tokenizer drops NUL, and nothing more
    assert together != other


def test_bytes_that_are_not_utf8_are_replaced(remora, tiny):
    done = embed_lines(remora, tiny, b"a \xff b\n" + "a \ufffd b\n".encode())
    assert done.rows()[0] == done.rows()[1]


def test_order_is_kept(remora, tiny):
    """And a text's vector has the same bits wherever it stands."""
    texts = [f"line number {i}" for i in range(3000)]
    texts[::7] = ["the river " * (i % 9) for i in range(len(texts[::7]))]
    lines = [text.encode() + b"\n" for text in texts]
    done = embed_lines(remora, tiny, b"".join(lines), "--threads", "2")
    again = embed_lines(remora, tiny, b"".join(lines[::-1]), "--threads", "1")
    assert len(done.rows()) == len(texts)
    assert done.rows() == again.rows()[::-1]
    assert len({row["tokens"] for row in done.rows()}) > 5


def test_input_file(remora, tiny, tmp_path):
    (tmp_path / "in").write_bytes(b"hello\nworld\n")
    from_file = embed_lines(remora, tiny, b"fish", "--input", tmp_path / "in")
    assert from_file.out == embed_lines(remora, tiny, b"hello\nworld\n").out


def test_dash_is_the_standard_one(remora, tiny, tmp_path):
    done = remora("embed", tiny, "--input", "-", "--output", "-",
                  stdin=b"hello\n", cwd=tmp_path)
    assert done.code == 0
    assert len(done.rows()) == 1
    assert list(tmp_path.iterdir()) == []


def test_jsonl_field(remora, tiny):
    lines = (
        b'{"id": 1, "body": "hello", "text": "no"}\n'
        b'{"body": "w\\u006frld", "nested": {"body": 3}}\n'
        b'{"body": "a\\u0000b", "n": 123456789012345678901234567890}\r\n'
        b'{"body": "first", "body": "hello"}'
    )
    done = embed_lines(remora, tiny, lines, "--jsonl", "body")
    plain = embed_lines(remora, tiny, b"hello\nworld\na\0b\nhello\n")
    assert done.out == plain.out


def test_jsonl_skips_blank_lines_and_a_byte_order_mark(remora, tiny):
    lines = b'\xef\xbb\xbf{"t": "hello"}\n\n  \t\r\n{"t": "world"}\n\n'
    done = embed_lines(remora, tiny, lines, "--jsonl", "t")
    assert done.out == embed_lines(remora, tiny, b"hello\nworld\n").out


def test_jsonl_name_beyond_ascii(remora, tiny):
    done = embed_lines(
        remora, tiny, '{"tëxt": "hello"}\n'.encode(), "--jsonl", "tëxt"
    )
    assert len(done.rows()) == 1


BAD_JSON = [
    (b"hello", "line 2, byte 5: not valid JSON: invalid syntax"),
    (b'{"text": "a"', "line 2, byte 12: not valid JSON: it ends too early"),
    (b'{"text": "a"} x',
     "line 2, byte 15: not valid JSON: something follows the object"),
    (b'{"text": "\xff"}', "line 2, byte 10: not valid JSON: it is not UTF-8"),
    (b'{"text": "\\ud800"}', "not valid JSON: invalid syntax"),
    (b'{"text": "a", "n": 1e999}', "not valid JSON: a number is too large"),
    (b"[" * 5000, "not valid JSON: it is nested too deeply"),
    (b'{"text": "a", "x": 1 "y": 2}', "not valid JSON: invalid syntax"),
    (b'["text"]', "line 2: not a JSON object"),
    (b'"text"', "line 2: not a JSON object"),
    (b"3", "line 2: not a JSON object"),
    (b'{"other": "a"}', 'line 2: the object has no field "text"'),
    (b"{}", 'line 2: the object has no field "text"'),
    (b'{"text": 3}', 'line 2: the field "text" is not a string'),
    (b'{"text": null}', 'line 2: the field "text" is not a string'),
    (b'{"text": ["a"]}', 'line 2: the field "text" is not a string'),
]


@pytest.mark.parametrize("line, message", BAD_JSON)
def test_bad_json_is_named(remora, tiny, tmp_path, line, message):
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b'{"text": "hello"}\n' + line + b'\n{"text": "x"}\n')
    done = remora("embed", tiny, "--jsonl", "text", "--input", path)
    assert done.code == 1
    assert done.err.startswith(f"remora: {path}: line 2")
    assert done.err.endswith(message + "\n")
    assert done.err.count("\n") == 1
    assert len(done.rows()) == 1  # what came before is there, what follows not


def test_bad_json_on_standard_input_quotes_no_text(remora, tiny):
    done = remora("embed", tiny, "--jsonl", "text",
                  stdin=b'{"text": secretword}\n')
    assert done.code == 1
    assert done.err.startswith("remora: standard input: line 1, byte ")
    assert "secretword" not in done.err


def test_blank_lines_count_in_messages(remora, tiny):
    done = remora("embed", tiny, "--jsonl", "t", stdin=b'\n\n{"t": 1}\n')
    assert "standard input: line 3: " in done.err


def test_cut_texts_are_reported(remora, tiny):
    data = b"fish\n" + b"fish " * 40 + b"\n" + b"a" * 33 + b"\n" + b"fish\n"
    done = remora("embed", tiny, stdin=data)
    assert done.code == 0
    assert [row["truncated"] for row in done.rows()] == [
        False, True, True, False
    ]
    assert [row["tokens"] for row in done.rows()] == [3, 32, 32, 3]
    assert done.err == (
        "remora: 2 of 4 texts were longer than 32 tokens and were cut\n"
    )


def test_one_cut_text_is_reported(remora, tiny):
    done = remora("embed", tiny, stdin=b"fish " * 31)
    assert done.err == (
        "remora: 1 of 1 texts was longer than 32 tokens and was cut\n"
    )


def test_text_of_the_longest_length_is_not_cut(remora, tiny):
    done = embed_lines(remora, tiny, b"fish " * 30)
    assert done.rows()[0]["tokens"] == 32
    assert done.rows()[0]["truncated"] is False


def test_dimensions_keep_the_first_and_normalise(remora, tiny):
    whole = vectors(embed_lines(remora, tiny, b"hello fish\n"))
    part = vectors(
        embed_lines(remora, tiny, b"hello fish\n", "--dimensions", "5")
    )
    assert part.shape == (1, 5)
    expected = whole[:, :5] / np.linalg.norm(whole[:, :5])
    assert np.allclose(part, expected, atol=1e-6)


def test_all_dimensions_change_nothing(remora, tiny):
    whole = embed_lines(remora, tiny, b"hello\n")
    assert embed_lines(
        remora, tiny, b"hello\n", "--dimensions", str(DIM)
    ).out == whole.out


def test_too_many_dimensions(remora, tiny):
    done = remora("embed", tiny, "--dimensions", "17", stdin=b"hello\n")
    assert done.code == 2
    assert done.out == ""
    assert done.err == (
        "remora: --dimensions is at most 16 with this model, not 17; "
        "see remora embed --help\n"
    )


def test_no_normalize(remora, tiny):
    unit = vectors(embed_lines(remora, tiny, b"hello fish\n"))
    pooled = vectors(
        embed_lines(remora, tiny, b"hello fish\n", "--no-normalize")
    )
    length = np.linalg.norm(pooled)
    assert abs(length - 1) > 0.01
    assert np.allclose(pooled / length, unit, atol=1e-6)


def test_dtype(remora, tiny):
    done = embed_lines(remora, tiny, b"hello\n", "--dtype", "f32")
    assert done.out == embed_lines(remora, tiny, b"hello\n").out


@pytest.fixture(scope="module")
def sentences(remora, model_dir):
    """Texts of a few tokens to many, and their vectors in float32."""
    texts = remora("bench", model_dir, "--print-texts", "mixed").raw
    data = b"".join(texts.splitlines(keepends=True)[:48])
    return data, vectors(remora("embed", model_dir, stdin=data))


@pytest.mark.parametrize("dtype, least", [
    ("bf16", 0.9999), ("int8", 0.995), ("int4", 0.95)
])
def test_dtype_is_near_f32_and_not_f32(remora, model_dir, sentences, dtype,
                                       least):
    data, exact = sentences
    rows = vectors(remora("embed", model_dir, "--dtype", dtype, stdin=data))
    assert rows.shape == exact.shape == (48, 384)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert (rows * exact).sum(axis=1).min() >= least
    assert (rows != exact).any(axis=1).all()


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_dtype_has_one_vector_a_text(remora, model_dir, dtype):
    """A text alone, in a batch, and on other threads: the same bits."""
    texts = [b"card charged twice\n", b"a " * 90 + b"\n", b"blue sky\n"] * 9
    many = vectors(embed_lines(remora, model_dir, b"".join(texts),
                               "--dtype", dtype))
    for i in range(3):
        [one] = vectors(embed_lines(remora, model_dir, texts[i],
                                    "--dtype", dtype, "--threads", "1"))
        assert (many[i::3] == one).all()


@pytest.mark.parametrize("texts", [0, 1, 1000])
@pytest.mark.parametrize("options", [[], ["--dimensions", "7"]])
def test_npy(remora, tiny, tmp_path, texts, options):
    path = tmp_path / "out.npy"
    data = b"".join(b"line number %d\n" % i for i in range(texts))
    done = embed_lines(
        remora, tiny, data, "--format", "npy", "--output", path, *options
    )
    assert done.out == ""
    array = np.load(path, allow_pickle=False)
    assert array.dtype == np.dtype("<f4")
    assert array.flags.c_contiguous
    assert array.shape == (texts, 7 if options else DIM)
    rows = vectors(embed_lines(remora, tiny, data, *options))
    assert array.tobytes() == rows.tobytes()
    header = path.read_bytes()[:128]
    assert header.startswith(b"\x93NUMPY\x01\x00\x76\x00{")
    assert header.endswith(b" \n")
    assert path.stat().st_size == 128 + array.nbytes


def test_npy_on_standard_output_into_a_file(remora, tiny, tmp_path):
    with open(tmp_path / "out.npy", "wb") as file:
        file.write(b"before")
        file.flush()
        done = remora("embed", tiny, "--format", "npy", stdin=b"a\nb\n",
                      stdout=file)
    assert done.code == 0
    with open(tmp_path / "out.npy", "rb") as file:
        assert file.read(6) == b"before"
        assert np.load(file, allow_pickle=False).shape == (2, DIM)


def test_npy_into_a_pipe_is_refused(remora, tiny):
    done = remora("embed", tiny, "--format", "npy", stdin=b"a\n")
    assert done.code == 2
    assert done.out == ""
    assert done.err == (
        "remora: --format npy begins with the number of texts and standard "
        "output cannot be rewound: name a file with --output; see remora "
        "embed --help\n"
    )


def test_npy_onto_the_end_of_a_file_is_refused(remora, tiny, tmp_path):
    with open(tmp_path / "out.npy", "ab") as file:
        done = remora("embed", tiny, "--format", "npy", stdin=b"a\n",
                      stdout=file)
    assert done.code == 2
    assert (tmp_path / "out.npy").stat().st_size == 0


def test_npy_on_standard_output_counts_what_came_before_an_error(
    remora, tiny, tmp_path
):
    with open(tmp_path / "out.npy", "wb") as file:
        done = remora("embed", tiny, "--format", "npy", "--jsonl", "t",
                      stdin=b'{"t": "a"}\n{"t": "b"}\n{}\n', stdout=file)
    assert done.code == 1
    array = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert array.shape == (2, DIM)


def test_output_file_is_new(remora, tiny, tmp_path):
    os.umask(os.umask(0o022))
    done = remora("embed", tiny, "--output", tmp_path / "out", stdin=b"a\n",
                  umask=0o027)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert os.listdir(tmp_path) == ["out"]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640
    assert len((tmp_path / "out").read_bytes().splitlines()) == 1


def test_output_replaces_a_file_and_keeps_its_mode(remora, tiny, tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old\n" * 1000)
    path.chmod(0o604)
    assert remora("embed", tiny, "--output", path, stdin=b"a\n").code == 0
    assert len(path.read_bytes().splitlines()) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_output_may_be_the_input(remora, tiny, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"hello\nworld\n")
    assert remora("embed", tiny, "--input", path, "--output", path).code == 0
    assert len(path.read_bytes().splitlines()) == 2


def test_output_follows_a_link(remora, tiny, tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    done = remora("embed", tiny, "--output", tmp_path / "link", stdin=b"a\n")
    assert done.code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes().startswith(b'{"embedding"')


def test_output_of_a_failure_does_not_appear(remora, tiny, tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    done = remora("embed", tiny, "--jsonl", "t", "--output", path,
                  stdin=b'{"t": "a"}\n[]\n')
    assert done.code == 1
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


def test_output_of_a_bad_model_does_not_appear(remora, tmp_path):
    done = remora("embed", tmp_path / "none", "--output", tmp_path / "out")
    assert done.code == 1
    assert os.listdir(tmp_path) == []


def test_output_where_none_can_be(remora, tiny, tmp_path):
    path = tmp_path / "no-folder" / "out"
    done = remora("embed", tiny, "--output", path, stdin=b"a\n")
    assert done.code == 1
    assert done.err == (
        f"remora: cannot create {path}: No such file or directory\n"
    )


def test_output_is_a_directory(remora, tiny, tmp_path):
    done = remora("embed", tiny, "--output", tmp_path, stdin=b"a\n")
    assert done.code == 1
    assert done.err == f"remora: cannot open {tmp_path}: Is a directory\n"


def test_input_not_there(remora, tiny, tmp_path):
    done = remora("embed", tiny, "--input", tmp_path / "none")
    assert done.code == 1
    assert done.err == (
        f"remora: cannot open {tmp_path / 'none'}: "
        "No such file or directory\n"
    )


def test_input_is_a_directory(remora, tiny, tmp_path):
    done = remora("embed", tiny, "--input", tmp_path)
    assert done.code == 1
    assert done.err == f"remora: cannot read {tmp_path}: Is a directory\n"


def test_longest_line(remora, tiny):
    """16 MiB are a line, one byte more is not."""
    line = b"a " * (8 << 20)
    done = remora("embed", tiny, stdin=line + b"\r\n")
    assert done.code == 0
    assert done.rows()[0]["truncated"] is True
    done = remora("embed", tiny, stdin=b"x\n" + line + b"a\nx\n")
    assert done.code == 1
    assert done.err == (
        "remora: standard input: line 2 is longer than 16 MiB; one text a "
        "line is expected\n"
    )
    assert len(done.rows()) == 1
    assert remora("embed", tiny, stdin=line * 3).code == 1
    # CR at the end of the input ends no line: it is one byte of text more.
    assert remora("embed", tiny, stdin=line).code == 0
    assert remora("embed", tiny, stdin=line + b"\r").code == 1


@pytest.fixture
def prompted(tmp_path):
    made = tiny_bert.write(tmp_path / "prompted")
    (made / "config_sentence_transformers.json").write_text(json.dumps({
        "prompts": {"query": "hello ", "passage": "the "},
        "default_prompt_name": "passage",
    }))
    return made


@pytest.mark.parametrize("options, prompt", [
    ((), b"the "), (("--prompt-name", "query"), b"hello "),
    (("--prompt", "good "), b"good "), (("--prompt", ""), b""),
    (("--prompt-name", "document"), b""),
])
def test_prompts(remora, prompted, tiny, options, prompt):
    """What a prompt gives is what the joined text gives without one."""
    found = remora("embed", prompted, *options, stdin=b"world\n")
    joined = remora("embed", tiny, stdin=prompt + b"world\n")
    assert (found.code, found.err) == (0, "")
    assert found.out == joined.out


def test_prompts_that_are_refused(remora, prompted):
    done = remora("embed", prompted, "--prompt-name", "other", stdin=b"a\n")
    assert done.code == 1
    assert 'no prompt "other"; it has query, document, passage' in done.err
    done = remora("embed", prompted, "--prompt-name", "query", "--prompt", "a",
                  stdin=b"a\n")
    assert done.code == 2
    assert "--prompt and --prompt-name exclude each other" in done.err


def test_pooling_of_a_plain_encoder(remora, tmp_path):
    plain = tiny_bert.write(tmp_path / "plain", pooling=False)
    guessed = remora("embed", plain, stdin=b"hello world\n")
    assert "mean is assumed; choose with --pooling" in guessed.err
    chosen = remora("embed", plain, "--pooling", "mean",
                    stdin=b"hello world\n")
    assert (chosen.err, chosen.out) == ("", guessed.out)
    both = remora("embed", plain, "--pooling", "cls+mean",
                  stdin=b"hello world\n")
    rows = [json.loads(done.out)["embedding"] for done in (both, guessed)]
    assert rows[0][16:] == rows[1] and rows[0][:16] != rows[1]
    refused = remora("embed", plain, "--pooling", "first", stdin=b"a\n")
    assert refused.code == 1 and '"first" is not supported' in refused.err


# ---------------------------------------------------------------------- tokens

def test_vectors_of_tokens(remora, tiny):
    """Their mean is the text's vector, before that gets its length."""
    texts = ["hello world", "", "fish river the line 7"]
    lines = "".join(text + "\n" for text in texts).encode()
    rows = remora("embed", tiny, "--tokens", stdin=lines).rows()
    whole = remora("embed", tiny, "--no-normalize", stdin=lines).rows()
    for text, row, of_text in zip(texts, rows, whole):
        assert list(row) == [
            "embeddings", "ids", "offsets", "tokens", "truncated"]
        assert len(row["embeddings"]) == len(row["ids"]) == row["tokens"]
        assert np.allclose(np.mean(row["embeddings"], axis=0),
                           of_text["embedding"], atol=1e-6)
        spans = [text[start:end] for start, end in row["offsets"]]
        assert spans == ["", *text.split(), ""]


def test_vectors_of_tokens_may_have_a_length(remora, tiny):
    lines = b"fish river\n" * 3
    plain = remora("embed", tiny, "--tokens", stdin=lines).rows()
    unit = remora("embed", tiny, "--tokens", "--normalize", stdin=lines).rows()
    for row, other in zip(plain, unit):
        vectors = np.array(row["embeddings"])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        assert np.allclose(other["embeddings"], vectors / lengths, atol=1e-6)


def test_tokens_of_many_texts(remora, tiny):
    lines = b"fish river the line\nhello world\n\n"
    few = remora("embed", tiny, "--tokens", stdin=lines).out
    many = remora("embed", tiny, "--tokens", stdin=lines * 1000)
    assert many.code == 0 and many.out == few * 1000


def test_tokens_behind_a_prompt(remora, tiny):
    row, = remora("embed", tiny, "--tokens", "--prompt", "the fish ",
                  stdin=b"hello world\n").rows()
    assert row["tokens"] == 6
    assert row["offsets"] == [
        [0, 0], [0, 0], [0, 0], [0, 5], [6, 11], [0, 0]]
    joined, = remora("embed", tiny, "--tokens",
                     stdin=b"the fish hello world\n").rows()
    assert joined["embeddings"] == row["embeddings"]
    assert joined["ids"] == row["ids"]


def test_tokens_that_are_cut(remora, tiny):
    done = remora("embed", tiny, "--tokens", stdin=b"fish " * 100)
    assert done.rows()[0]["truncated"] is True
    assert len(done.rows()[0]["embeddings"]) == tiny_bert.MAX_TOKENS
    assert "was longer than 32 tokens and was cut" in done.err


@pytest.mark.parametrize("options, words", [
    (["--tokens", "--format", "npy"], "--tokens excludes --format npy"),
    (["--tokens", "--dimensions", "3"], "--tokens excludes"),
    (["--tokens", "--pooling", "cls"], "--tokens excludes"),
    (["--tokens", "--no-normalize"], "--tokens excludes"),
    (["--normalize"], "--normalize needs --tokens"),
])
def test_what_tokens_exclude(remora, options, words):
    done = remora("embed", "M", *options)
    assert done.code == 2 and words in done.err and done.out == ""
