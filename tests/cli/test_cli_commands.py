"""`remora tokenize`, `detokenize`, `chunk`, `inspect`, `bench` and `kernels`.
Must never check a speed against a limit: machines differ.
"""

import json
import re
import signal
import subprocess
import time

import pytest

import tiny_bert


def test_tokenize(remora, tiny):
    done = remora("tokenize", tiny, stdin="Hello, fish ab!\nü\n".encode())
    assert (done.code, done.err) == (0, "")
    first, second = done.rows()
    assert first["tokens"] == [
        "[CLS]", "hello", ",", "fish", "a", "##b", "!", "[SEP]"
    ]
    assert first["ids"] == [
        tiny_bert.VOCAB.index(token) for token in first["tokens"]
    ]
    assert first["offsets"] == [
        [0, 0], [0, 5], [5, 6], [7, 11], [12, 13], [13, 14], [14, 15], [0, 0]
    ]
    assert first["truncated"] is False
    assert list(first) == ["ids", "tokens", "offsets", "truncated"]
    assert second["tokens"] == ["[CLS]", "u", "[SEP]"]
    assert second["offsets"][1] == [0, 2]  # bytes of the text as given


def test_tokenize_escapes_tokens(remora, tiny):
    done = remora("tokenize", tiny, stdin=b'"\\/\n')
    assert done.rows()[0]["tokens"] == ["[CLS]", '"', "\\", "/", "[SEP]"]


def test_tokenize_offsets_of_json_texts_count_utf8(remora, tiny):
    done = remora(
        "tokenize", tiny, "--jsonl", "t",
        stdin=b'{"t": "\\u00fc fish"}\n{"t": "\\ud83d\\ude00 fish"}\n',
    )
    assert done.rows()[0]["offsets"][2] == [3, 7]
    assert done.rows()[1]["offsets"][2] == [5, 9]


def test_tokenize_cuts_and_says_so(remora, tiny):
    done = remora("tokenize", tiny, stdin=b"fish " * 40 + b"\nfish\n")
    assert done.code == 0
    assert [len(row["ids"]) for row in done.rows()] == [32, 3]
    assert [row["truncated"] for row in done.rows()] == [True, False]
    assert done.rows()[0]["tokens"][-1] == "[SEP]"
    assert done.err == (
        "remora: 1 of 2 texts was longer than 32 tokens and was cut\n"
    )


def test_tokenize_no_truncate(remora, tiny):
    done = remora("tokenize", tiny, "--no-truncate", stdin=b"fish " * 4000)
    assert (done.code, done.err) == (0, "")
    [row] = done.rows()
    assert len(row["ids"]) == 4002
    assert row["truncated"] is False
    assert row["offsets"][4000] == [19995, 19999]


def test_tokenize_input_file_and_bad_line(remora, tiny, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"t": "fish"}\n{"t": "a"\n')
    done = remora("tokenize", tiny, "--input", path, "--jsonl", "t")
    assert done.code == 1
    assert len(done.rows()) == 1
    assert done.err.startswith(f"remora: {path}: line 2, byte ")


def test_tokenize_pair(remora, tiny):
    done = remora("tokenize", tiny, "--jsonl", "q", "--pair", "p",
                  stdin=b'{"q": "fish", "p": "hello a"}\n')
    assert (done.code, done.err) == (0, "")
    [row] = done.rows()
    assert list(row) == ["ids", "tokens", "type_ids", "texts", "offsets",
                         "truncated"]
    assert row["tokens"] == ["[CLS]", "fish", "[SEP]", "hello", "a", "[SEP]"]
    assert row["type_ids"] == [0, 0, 0, 1, 1, 1]
    assert row["texts"] == [None, 0, None, 1, 1, None]
    assert row["offsets"][3:5] == [[0, 5], [6, 7]]


def test_tokenize_pair_needs_both(remora, tiny):
    done = remora("tokenize", tiny, "--jsonl", "q", "--pair", "p",
                  stdin=b'{"q": "fish"}\n')
    assert done.code == 1
    assert done.err == (
        'remora: standard input: line 1: the object has no field "p"\n'
    )


def test_tokenize_windows(remora, tiny):
    done = remora("tokenize", tiny, "--max-tokens", "5", "--stride", "1",
                  stdin=b"a b c d e\n")
    assert (done.code, done.err) == (0, "")
    assert [row["tokens"][1:-1] for row in done.rows()] == [
        ["a", "b", "c"], ["c", "d", "e"]
    ]
    assert [row["truncated"] for row in done.rows()] == [False, False]
    done = remora("tokenize", tiny, "--max-tokens", "5", "--stride", "3",
                  stdin=b"a b c d e\n")
    assert done.code == 1
    assert "a stride of 3 tokens" in done.err


def test_tokenize_max_tokens(remora, tiny):
    done = remora("tokenize", tiny, "--max-tokens", "4", stdin=b"a b c d e\n")
    assert done.rows()[0]["tokens"] == ["[CLS]", "a", "b", "[SEP]"]
    assert done.err == (
        "remora: 1 of 1 texts was longer than 4 tokens and was cut\n"
    )


def test_tokenize_offsets_in_code_points(remora, tiny):
    done = remora("tokenize", tiny, "--offsets", "chars",
                  stdin="ü 😀 fish\n".encode())
    assert done.rows()[0]["offsets"][1:-1] == [[0, 1], [2, 3], [4, 8]]


def test_detokenize(remora, tiny):
    tokens = remora("tokenize", tiny, stdin=b"Hello, fish ab!\n\n")
    done = remora("detokenize", tiny, stdin=tokens.raw)
    assert (done.code, done.err) == (0, "")
    assert [row["text"] for row in done.rows()] == [
        "[CLS] hello, fish ab! [SEP]", "[CLS] [SEP]"
    ]
    done = remora("detokenize", tiny, "--skip-special", stdin=tokens.raw)
    assert [row["text"] for row in done.rows()] == ["hello, fish ab!", ""]


def test_detokenize_reads_numbers_and_arrays(remora, tiny):
    fish = tiny_bert.VOCAB.index("fish")
    lines = f"{fish} {fish}\t99999999 \r\n[{fish}, 4294967295]\n\n []\n"
    done = remora("detokenize", tiny, stdin=lines.encode())
    assert (done.code, done.err) == (0, "")
    assert [row["text"] for row in done.rows()] == [
        "fish fish", "fish", "", ""
    ]


@pytest.mark.parametrize("line, message", [
    (b"fish", "an id is no whole number from 0 to 4294967295"),
    (b"4294967296", "an id is no whole number from 0 to 4294967295"),
    (b"1 2,3", "an id is no whole number from 0 to 4294967295"),
    (b"1\x002", "an id is no whole number from 0 to 4294967295"),
    (b"-1", "an id is no whole number from 0 to 4294967295"),
    (b"[1.5]", "an id is no whole number from 0 to 4294967295"),
    (b'["1"]', "an id is no whole number from 0 to 4294967295"),
    (b'{"id": [1]}',
     'neither an array of ids nor an object with one as "ids"'),
])
def test_detokenize_bad_line(remora, tiny, line, message):
    done = remora("detokenize", tiny, stdin=b"1\n" + line + b"\n")
    assert done.code == 1
    assert len(done.rows()) == 1
    assert done.err == f"remora: standard input: line 2: {message}\n"


def test_detokenize_bad_json(remora, tiny):
    done = remora("detokenize", tiny, stdin=b"[1\n")
    assert done.code == 1
    assert done.err.startswith("remora: standard input: line 1, byte ")


def test_chunk(remora, tiny):
    text = "Hello fish. A b c! D."
    done = remora("chunk", tiny, "--max-tokens", "7", stdin=text.encode())
    assert (done.code, done.err) == (0, "")
    assert done.rows() == [
        {"line": 1, "start": 0, "end": 11, "tokens": 5, "text": "Hello fish."},
        {"line": 1, "start": 12, "end": 18, "tokens": 6, "text": "A b c!"},
        {"line": 1, "start": 19, "end": 21, "tokens": 4, "text": "D."},
    ]
    [row] = remora("chunk", tiny, stdin=text.encode()).rows()
    assert (row["text"], row["tokens"]) == (text, 11)


def test_chunk_overlap_and_boundary(remora, tiny):
    done = remora("chunk", tiny, "--max-tokens=5", "--overlap=1",
                  "--boundary=word", "--jsonl=t",
                  stdin=b'{"t": "a b c\\n\\nd e"}\n\n{"t": " "}\n')
    assert (done.code, done.err) == (0, "")
    assert [row["text"] for row in done.rows()] == ["a b c", "c\n\nd e"]


def test_chunk_of_bytes_that_are_no_text(remora, tiny):
    [row] = remora("chunk", tiny, stdin=b'a \xff"\xe5\xad\n').rows()
    assert (row["start"], row["end"]) == (0, 6)
    assert row["text"] == 'a \ufffd"\ufffd\ufffd'


def test_chunk_without_room(remora, tiny):
    done = remora("chunk", tiny, "--max-tokens", "2", stdin=b"a\n")
    assert done.code == 1
    assert done.err == (
        "remora: standard input: line 1: a limit of 2 tokens leaves no room "
        "beside the 2 special ones\n"
    )


def test_inspect_table(remora, tiny):
    done = remora("inspect", tiny)
    assert (done.code, done.err) == (0, "")
    rows = dict(
        re.fullmatch(r"(.{17}\S?) *(\S.*)", line).groups()
        for line in done.out.splitlines()
    )
    rows = {key.strip(): value for key, value in rows.items()}
    assert rows["path"] == str(tiny)
    assert rows["architecture"] == "bert"
    assert rows["dtype"] == "f32"
    assert rows["dimensions"] == "16"
    assert rows["max tokens"] == "32"
    assert rows["pooling"] == "mean"
    assert rows["normalize"] == "yes"
    assert rows["similarity"] == "cosine"
    assert rows["prompt"] == '"document": ""'
    assert rows["layers"] == "1"
    assert rows["attention heads"] == "2"
    assert rows["hidden size"] == "16"
    assert rows["vocabulary"] == str(len(tiny_bert.VOCAB))
    assert len(rows) == 15
    columns = {re.search(r" {2,}\S|\S(?= \d)", line) and line.index(value)
               for line, value in zip(done.out.splitlines(),
                                    list(rows.values())[:-1])}
    assert columns == {18}


def count_parameters():
    import numpy as np

    named = tiny_bert.tensors(np.random.default_rng(7))
    return sum(array.size for array in named.values())


def test_inspect_json(remora, tiny):
    done = remora("inspect", tiny, "--json")
    assert (done.code, done.err) == (0, "")
    info = json.loads(done.out)
    weights = info.pop("bytes")
    assert weights >= count_parameters() * 4
    assert info == {
        "path": str(tiny), "architecture": "bert", "dtype": "f32",
        "dim": 16, "max_tokens": 32, "pooling": "mean",
        "pooling_guessed": False, "normalize": True,
        "similarity": "cosine", "num_layers": 1,
        "num_heads": 2, "hidden_size": 16,
        "vocab_size": len(tiny_bert.VOCAB),
        "num_parameters": count_parameters(),
        "prompts": {"query": "", "document": ""}, "default_prompt_name": None,
    }


def test_inspect_says_what_was_assumed(remora, tmp_path):
    plain = tiny_bert.write(tmp_path / "plain", pooling=False)
    done = remora("inspect", plain)
    assert "mean (assumed: choose with --pooling)" in done.out
    info = json.loads(remora("inspect", plain, "--json").out)
    assert info["pooling_guessed"] is True
    assert info["normalize"] is False
    info = json.loads(
        remora("inspect", plain, "--json", "--pooling", "cls+max").out)
    assert (info["pooling"], info["dim"]) == ("cls+max", 32)
    assert info["pooling_guessed"] is False


def test_inspect_says_the_prompts(remora, tmp_path):
    made = tiny_bert.write(tmp_path / "prompted")
    (made / "config_sentence_transformers.json").write_text(json.dumps({
        "prompts": {"query": "q: \n", "other": "\u00e9"},
        "default_prompt_name": "other", "similarity_fn_name": "dot",
    }))
    lines = remora("inspect", made).out.splitlines()
    assert [line for line in lines if line.startswith("prompt")] == [
        'prompt            "query": "q: \\u000a"',
        'prompt            "document": ""',
        'prompt            "other": "\u00e9" (default)',
    ]
    info = json.loads(remora("inspect", made, "--json").out)
    assert info["prompts"] == {"query": "q: \n", "document": "",
                               "other": "\u00e9"}
    assert info["default_prompt_name"] == "other"
    assert info["similarity"] == "dot"


def test_inspect_minilm(remora, model_dir):
    info = json.loads(remora("inspect", model_dir, "--json").out)
    assert info["dim"] == 384
    assert info["max_tokens"] == 256  # although tokenizer.json says 128
    assert info["vocab_size"] == 30522
    assert info["num_layers"] == 6
    assert info["num_heads"] == 12


@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8", "int4"])
def test_inspect_says_the_dtype(remora, model_dir, dtype):
    done = remora("inspect", model_dir, "--dtype", dtype)
    assert re.search(rf"^dtype +{dtype}$", done.out, re.M)
    info = json.loads(
        remora("inspect", model_dir, "--json", "--dtype", dtype).out
    )
    assert info["dtype"] == dtype


def test_inspect_says_how_large_the_weights_are(remora, model_dir):
    """The matrices and the tables get smaller, the rest stays."""
    f32, bf16, int8, int4 = [
        json.loads(
            remora("inspect", model_dir, "--json", "--dtype", dtype).out
        )["bytes"] for dtype in ("f32", "bf16", "int8", "int4")
    ]
    matrices = 6 * 12 * 384 * 384  # weights of the six layers
    words, small = 30522 * 384, (512 + 2) * 384
    assert f32 - bf16 == (matrices + words + small) * 2
    saved = (matrices + words + small) * 3 - small  # these are bfloat16
    assert 0.99 < (f32 - int8) / saved <= 1
    assert int4 < 0.3 * bf16


def test_bench(remora, tiny):
    done = remora("bench", tiny, "--seconds", "0.1", "--threads", "2")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"model    {tiny}"
    assert lines[1] == "dtype    f32"
    assert lines[2] == "threads  2"
    assert re.fullmatch(r"cpu      \S.*", lines[3])
    rows = re.findall(
        r"^(short|mixed|long) +([\d.]+) +([\d,]+) +([\d.]+)$", done.out, re.M
    )
    assert [row[0] for row in rows] == ["short", "mixed", "long"]
    for _, each, tokens, texts in rows:
        rate = float(tokens.replace(",", ""))
        assert rate > 0
        assert abs(rate / float(texts) / float(each) - 1) < 0.01
    assert float(rows[2][1]) == 32  # every long text is cut
    single = re.search(
        r"^one short text alone: p50 ([\d.]+) ms, p99 ([\d.]+) ms "
        r"\((\d+) times\)$", done.out, re.M
    )
    assert 0 < float(single[1]) <= float(single[2])
    assert int(single[3]) >= 100
    assert re.search(r"^peak memory: \d+ MiB$", done.out, re.M)


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_bench_of_a_dtype(remora, tiny, dtype):
    done = remora("bench", tiny, "--seconds", "0.1", "--dtype", dtype)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == f"dtype    {dtype}"


def test_bench_of_own_texts(remora, tiny, tmp_path):
    path = tmp_path / "texts"
    path.write_bytes(b"fish river\n\n")
    done = remora("bench", tiny, "--seconds", "0.1", "--input", path)
    assert done.code == 0
    [row] = re.findall(r"^input +([\d.]+) ", done.out, re.M)
    assert row == "3.0"  # four tokens and two
    assert "short" not in done.out
    assert "one input text alone: p50 " in done.out


def test_bench_without_texts(remora, tiny, tmp_path):
    (tmp_path / "none").write_bytes(b"")
    done = remora("bench", tiny, "--input", tmp_path / "none")
    assert done.code == 1
    assert done.err == f"remora: {tmp_path / 'none'} has no texts\n"


def lengths(remora, model_dir, series):
    texts = remora("bench", model_dir, "--print-texts", series)
    assert (texts.code, texts.err) == (0, "")
    again = remora("bench", model_dir, "--print-texts", series)
    assert texts.raw == again.raw
    assert len(set(texts.raw.splitlines())) >= len(
        texts.raw.splitlines()
    ) * 0.99
    done = remora("tokenize", model_dir, "--no-truncate", stdin=texts.raw)
    return [len(row["ids"]) for row in done.rows()]


def test_bench_texts_are_as_described(remora, model_dir):
    short = lengths(remora, model_dir, "short")
    assert len(short) == 1024
    assert 11 <= sum(short) / len(short) <= 13
    mixed = lengths(remora, model_dir, "mixed")
    assert len(mixed) == 1024
    cut = [min(n, 256) for n in mixed]
    assert 94 <= sum(cut) / len(cut) <= 102
    assert min(cut) < 15 and sum(n == 256 for n in cut) > 50
    long = lengths(remora, model_dir, "long")
    assert len(long) == 128
    assert min(long) >= 256


@pytest.mark.parametrize("arguments", [[], ["--input", "-"]])
def test_bench_stops_at_a_signal(command, tiny, arguments):
    process = subprocess.Popen(
        [command, "bench", tiny, "--seconds", "3600", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    if not arguments:
        assert process.stdout.readline().startswith(b"model")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert err == b""


# What /proc/cpuinfo calls that which a tier needs, in rising order.
FLAGS = {
    "avx2": {"avx2", "fma"},
    "avx_vnni": {"avx_vnni", "avx2", "fma"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512_vnni": {"avx512_vnni", "avx512f"},
    "avx512_bf16": {"avx512_bf16", "avx512f"},
    "amx_int8": {"amx_int8", "amx_tile", "avx512_vnni"},
    "amx_bf16": {"amx_bf16", "amx_tile", "avx512_bf16"},
    "neon": {"asimd"},
    "neon_dotprod": {"asimddp"},
    "neon_i8mm": {"i8mm"},
    "neon_bf16": {"bf16"},
}
# What every compiler for that CPU has.
BASELINE = {"neon"}


def cpu_flags():
    with open("/proc/cpuinfo") as cpuinfo:
        return set(re.search(
            r"^(?:flags|Features)\s*: (.*)$", cpuinfo.read(), re.M
        )[1].split())


def kernels(remora):
    done = remora("kernels", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    return json.loads(done.out)


def test_kernels_lists_each_kernel_once(remora, root):
    listed = kernels(remora)["kernels"]
    source = (root / "kernels" / "kern.inc").read_text()
    assert list(listed) == re.findall(r"^RMR_KERN\((\w+),", source, re.M)


def test_kernels_tiers_are_those_of_the_cpu(remora, build):
    """And of the compiler, which build/config.h says."""
    said = kernels(remora)
    assert list(said) == ["tiers", "kernels"]
    compiled = (build / "config.h").read_text()
    assert said["tiers"] == ["scalar", "blas"] + [
        tier for tier, flags in FLAGS.items() if flags <= cpu_flags()
        and (tier in BASELINE
             or f"#define RMR_CC_{tier.upper()} 1\n" in compiled)
    ]


def test_kernels_are_from_the_best_tier(remora):
    said = kernels(remora)
    best = {
        "linear_f32": {"scalar", "avx_vnni", "avx512_vnni", "avx512_bf16",
                       "amx_int8", "amx_bf16",
                       "neon_dotprod", "neon_i8mm", "neon_bf16"},
        "linear_bf16": {"blas", "avx_vnni", "avx512_vnni", "amx_int8",
                        "neon_dotprod", "neon_i8mm"},
        "linear_int8": {"blas", "avx512_bf16", "amx_bf16", "neon_bf16"},
        "linear_int4": {"blas", "avx512_bf16", "amx_bf16", "neon_bf16"},
    }
    for kernel, others in best.items():
        assert said["kernels"][kernel] == [
            tier for tier in said["tiers"] if tier not in others
        ][-1]
    assert set(said["kernels"].values()) <= set(said["tiers"])


def test_kernels_table(remora):
    said = kernels(remora)
    done = remora("kernels")
    assert (done.code, done.err) == (0, "")
    first, empty, *rows = done.out.splitlines()
    assert first.split(maxsplit=1) == ["tiers", ", ".join(said["tiers"])]
    assert empty == ""
    assert dict(row.split() for row in rows) == said["kernels"]
    assert {row.index(row.split()[1]) for row in rows} == {18}
