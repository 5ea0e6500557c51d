"""`remora quantize`: directories that open as they are, with the vectors of
their source; refusals, which leave nothing behind. Must never compare vectors
by eye: equal bytes, or a cosine with a limit.
"""

import json
import os
import re
import resource
import shutil
import stat

import numpy as np
import pytest

TEXTS = b"".join(
    line + b"\n" for line in (
        b"fish", b"", b"the river, hello world!", b"a b c d e f g " * 8,
        "Zürich \u4f60\u597d".encode(), b"The card was charged twice.",
    )
)
CALIBRATION = 100
HELD_OUT = 48


def tree(directory):
    """Every path in it, folders too."""
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*")
    )


def info(remora, directory, *options):
    done = remora("inspect", directory, "--json", *options)
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def vectors(remora, directory, texts, *options):
    done = remora("embed", directory, *options, stdin=texts)
    assert done.code == 0, done.err
    return done.raw


@pytest.fixture(scope="session")
def made(remora, tiny, model_dir, tmp_path_factory):
    """(source, dtype) to a directory, each made once; int4 of MiniLM is left
    out, whose texts the fixture `trained` has."""
    folder = tmp_path_factory.mktemp("quantized")
    sources = {"tiny": tiny, "minilm": model_dir}
    directories = {}

    def get(source, dtype):
        key = (source, dtype)
        if key not in directories:
            out = folder / f"{source}-{dtype}"
            done = remora("quantize", sources[source], out, "--dtype", dtype)
            assert (done.code, done.out, done.err) == (0, "", "")
            directories[key] = out
        return sources[source], directories[key]

    return get


ALL = [(source, dtype) for source in ("tiny", "minilm")
       for dtype in ("int8", "bf16")]


@pytest.mark.parametrize("source, dtype", ALL)
def test_same_vectors(remora, made, source, dtype):
    before, after = made(source, dtype)
    expected = vectors(remora, before, TEXTS, "--dtype", dtype)
    assert vectors(remora, after, TEXTS) == expected
    assert vectors(remora, after, TEXTS, "--dtype", dtype) == expected
    assert vectors(remora, before, TEXTS) != expected


@pytest.mark.parametrize("source, dtype", ALL)
def test_inspect(remora, made, source, dtype):
    before, after = made(source, dtype)
    told, expected = info(remora, after), info(remora, before)
    small = info(remora, before, "--dtype", dtype)
    assert told["dtype"] == dtype
    assert told["path"] == str(after)
    assert told["bytes"] == small["bytes"] < expected["bytes"]
    for field in ("path", "dtype", "bytes"):
        del told[field], expected[field]
    assert told == expected


@pytest.mark.parametrize("source, dtype", ALL)
def test_file_is_smaller(made, source, dtype):
    before, after = [
        (path / "model.safetensors").stat().st_size
        for path in made(source, dtype)
    ]
    # MiniLM's position table and what else is kept in float32 is little.
    most = {"int8": 0.3, "bf16": 0.53}[dtype] if source == "minilm" else 0.9
    assert after < most * before


def test_int8_is_the_default(remora, made, tiny, tmp_path):
    done = remora("quantize", tiny, tmp_path / "out")
    assert (done.code, done.out, done.err) == (0, "", "")
    _, explicit = made("tiny", "int8")
    assert tree(tmp_path / "out") == tree(explicit)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == \
            (explicit / name).read_bytes()


@pytest.mark.parametrize("source, dtype", ALL)
def test_another_dtype_is_refused(remora, made, source, dtype):
    _, directory = made(source, dtype)
    for other in {"bf16", "int8", "int4"} - {dtype}:
        done = remora("embed", directory, "--dtype", other, stdin=b"a\n")
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            f"remora: {directory} is quantized to {dtype}; {other} cannot be "
            "had from it\n"
        )


def test_no_other_file_changes(remora, made):
    source, directory = made("minilm", "int8")
    kept = [path for path in tree(directory) if (directory / path).is_file()
            and path not in ("config.json", "model.safetensors")]
    assert {"tokenizer.json", "tokenizer_config.json", "vocab.txt",
            "modules.json", "sentence_bert_config.json",
            "1_Pooling/config.json"} <= set(kept)
    for path in kept:
        assert (directory / path).read_bytes() == (source / path).read_bytes()
    old, new = [json.loads((path / "config.json").read_text())
                for path in (source, directory)]
    assert new.pop("quantization_config") == {
        "quant_method": "remora", "dtype": "int8",
    }
    assert new == old


# ----------------------------------------------------------------- the files


@pytest.fixture
def source(tiny, tmp_path):
    """A copy of the tiny model, to be changed."""
    return shutil.copytree(tiny, tmp_path / "source")


def test_files_that_are_copied(remora, source, tmp_path):
    weights = [
        "pytorch_model.bin", "pytorch_model.bin.index.json",
        "model.safetensors.index.json", "model-00001-of-00002.safetensors",
        "onnx/model.onnx", "README.md", ".hidden/a.json",
    ]
    wanted = ["vocab.txt", "spiece.model", "added_tokens.json",
              "2_Dense/config.json", "empty.txt"]
    for name in weights + wanted:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("" if name == "empty.txt" else "{}")
    (source / "nowhere.json").symlink_to("absent")
    (source / "linked.json").symlink_to("vocab.txt")
    assert remora("quantize", source, tmp_path / "out").code == 0
    assert tree(tmp_path / "out") == sorted([
        *wanted, "1_Pooling", "1_Pooling/config.json", "2_Dense",
        "config.json", "linked.json", "model.safetensors", "modules.json",
        "sentence_bert_config.json", "tokenizer.json",
    ])
    assert (tmp_path / "out" / "empty.txt").read_bytes() == b""
    assert not (tmp_path / "out" / "linked.json").is_symlink()


def test_inside_the_source(remora, source):
    before = tree(source)
    assert remora("quantize", source, source / "small").code == 0
    added = set(tree(source)) - set(before)
    assert not any("partial" in path for path in added)
    assert not any(path.count("small") > 1 for path in added)
    assert not (source / "small" / "small").exists()


@pytest.mark.parametrize("mask, files", [(0o002, 0o664), (0o077, 0o600)])
def test_permissions_follow_the_umask(remora, source, tmp_path, mask, files):
    (source / "tokenizer.json").chmod(0o640)
    out = tmp_path / "out"
    done = remora("quantize", source, out, preexec_fn=lambda: os.umask(mask))
    assert done.code == 0
    for path in [out, *out.rglob("*")]:
        expected = 0o777 & ~mask if path.is_dir() else files
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


# ------------------------------------------------------------------- refused


@pytest.fixture
def refused(remora, tmp_path):
    """Runs what must fail and leave tmp_path as it was."""
    def run(code, message, *arguments, **options):
        before = tree(tmp_path)
        done = remora("quantize", *arguments, **options)
        assert done.out == ""
        assert done.err == f"remora: {message}\n"
        assert done.code == code
        assert tree(tmp_path) == before

    return run


def test_out_exists(refused, tiny, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    refused(1, f"{out} exists already", tiny, out)
    out.rmdir()
    out.write_text("mine")
    refused(1, f"{out} exists already", tiny, out)
    assert out.read_text() == "mine"
    out.unlink()
    out.symlink_to("nowhere")
    refused(1, f"{out} exists already", tiny, out)
    refused(1, f"{tiny} exists already", tiny, tiny)


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_no_place_for_it(refused, tiny, tmp_path, dtype):
    absent = tmp_path / "absent"
    refused(1, f"{absent}: No such file or directory", tiny, absent / "out",
            "--dtype", dtype)
    refused(1, f"{absent}: No such file or directory", tiny,
            f"{absent}/out//", "--dtype", dtype)
    file = tmp_path / "file"
    file.write_text("")
    refused(1, f"{file / 'out'}: Not a directory", tiny, file / "out",
            "--dtype", dtype)


def test_source_is_quantized(refused, made, tmp_path):
    for dtype in ("int8", "bf16"):
        _, directory = made("tiny", dtype)
        for other in ("int8", "int4", "bf16"):
            refused(1, f"{directory} is quantized already, to {dtype}",
                    directory, tmp_path / "out", "--dtype", other)


def test_source_is_no_model(refused, tmp_path):
    absent = tmp_path / "absent"
    refused(1, f"{absent}: No such file or directory", absent,
            tmp_path / "out")
    refused(1, f"{tmp_path}/config.json: No such file or directory", tmp_path,
            tmp_path / "out")


def test_to_float32(refused, tiny, tmp_path):
    refused(1, "weights are quantized to bf16, int8 or int4", tiny,
            tmp_path / "out", "--dtype", "f32")


def test_texts_files(refused, tiny, tmp_path):
    int4 = [tiny, tmp_path / "out", "--dtype", "int4"]
    absent, empty = tmp_path / "absent", tmp_path / "empty"
    refused(1, f"cannot open {absent}: No such file or directory", *int4,
            "--texts", absent)
    empty.write_text("")
    refused(1, f"{empty} has no texts", *int4, "--texts", empty)
    lines = tmp_path / "lines"
    lines.write_text('{"a": "fish"}\n{"b": "fish"}\n')
    refused(1, f'{lines}: line 2: the object has no field "a"', *int4,
            "--texts", lines, "--field", "a")


@pytest.mark.parametrize("bytes_", [0, 100, 4096, 10_000])
def test_disk_is_full(remora, tiny, tmp_path, bytes_):
    out = tmp_path / "out"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))

    before = tree(tmp_path)
    done = remora("quantize", tiny, out, preexec_fn=limit)
    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(
        rf"remora: {re.escape(str(out))}\.partial-\d+/\S+: File too large\n",
        done.err,
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["vocab.txt", "1_Pooling/more.json"])
def test_a_file_that_cannot_be_read(refused, source, tmp_path, name):
    """One that has no place in memory: permissions do not stop everybody."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 34, 1 << 34))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))

    (source / name).touch()
    os.truncate(source / name, 1 << 36)
    refused(1, f"{source / name} cannot be mapped: Cannot allocate memory",
            source, tmp_path / "out", preexec_fn=limit)


# ---------------------------------------------------------------------- int4


def rows(remora, directory, texts, *options):
    done = remora("embed", directory, *options,
                  stdin=b"".join(text + b"\n" for text in texts))
    assert done.code == 0, done.err
    return np.array([row["embedding"] for row in done.rows()])


@pytest.fixture(scope="session")
def mixed(remora, model_dir):
    done = remora("bench", model_dir, "--print-texts", "mixed")
    lines = done.raw.splitlines()
    assert done.code == 0 and len(lines) >= CALIBRATION + HELD_OUT
    return lines


@pytest.fixture(scope="session")
def trained(remora, model_dir, mixed, tmp_path_factory):
    """MiniLM in int4, by texts that the tests below do not use."""
    folder = tmp_path_factory.mktemp("int4")
    texts = folder / "texts"
    texts.write_bytes(
        b"".join(line + b"\n" for line in mixed[:CALIBRATION])
    )
    done = remora("quantize", model_dir, folder / "out", "--dtype", "int4",
                  "--texts", texts)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert tree(folder)[0] == "out" and "texts" in tree(folder)
    return folder / "out"


def test_int4_by_texts(remora, model_dir, trained, mixed):
    texts = mixed[CALIBRATION:CALIBRATION + HELD_OUT]
    exact = rows(remora, model_dir, texts)
    by_texts = (rows(remora, trained, texts) * exact).sum(axis=1)
    without = (rows(remora, model_dir, texts, "--dtype", "int4")
               * exact).sum(axis=1)
    assert len(by_texts) == HELD_OUT
    assert by_texts.min() >= 0.975
    assert by_texts.mean() >= 0.99
    assert by_texts.mean() > without.mean()


def test_int4_is_small(remora, made, trained):
    source, half = made("minilm", "bf16")
    told = info(remora, trained)
    assert told["dtype"] == "int4"
    assert told["num_parameters"] == info(remora, source)["num_parameters"]
    assert told["bytes"] <= 0.3 * info(remora, half)["bytes"]


def test_int4_texts_of_a_field(remora, tiny, tmp_path):
    """The same texts, however they are given, make the same weights; others
    make others."""
    words = ["fish", "the river, hello", "a b c"]
    plain, lines = tmp_path / "plain", tmp_path / "lines"
    plain.write_text("\n".join(words) + "\n")
    lines.write_text("".join(json.dumps({"t": w}) + "\n" for w in words))
    weights = {}
    for name, options in {
        "plain": ["--texts", plain],
        "lines": ["--texts", lines, "--field", "t"],
        "made up": [],
        "again": [],
    }.items():
        out = tmp_path / ("out " + name)
        done = remora("quantize", tiny, out, "--dtype", "int4", *options)
        assert (done.code, done.err) == (0, "")
        weights[name] = (out / "model.safetensors").read_bytes()
    assert weights["plain"] == weights["lines"]
    assert weights["made up"] == weights["again"] != weights["plain"]
