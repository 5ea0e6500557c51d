"""The command line itself: help, version, and every refusal of an argument.
Must never need a model: arguments are checked first.
"""

import json
import re

import pytest

WITH_MODEL = [
    "embed", "classify", "zero-shot", "rerank", "ner", "fill-mask", "sparse",
    "tokenize", "detokenize", "chunk", "inspect", "bench", "quantize"
]
# What stands after MODEL, of a command that wants more than that.
SECOND = {"quantize": ["out"]}
COMMANDS = [*WITH_MODEL, "kernels"]
# Options that a command cannot do without.
NEEDED = {"zero-shot": ["--labels", "A,B,C"], "rerank": ["--query", "Q"]}


def test_no_command(remora):
    done = remora()
    assert done.code == 2
    assert done.out == ""
    assert done.err == (
        "remora: a command is needed: embed, classify, zero-shot, rerank, "
        "ner, fill-mask, sparse, tokenize, detokenize, chunk, inspect, "
        "bench, quantize or kernels; see remora --help\n"
    )


def test_unknown_command(remora):
    done = remora("embd")
    assert done.code == 2
    assert done.err == (
        'remora: there is no command "embd": the commands are embed, '
        "classify, zero-shot, rerank, ner, fill-mask, sparse, tokenize, "
        "detokenize, chunk, inspect, bench, quantize and kernels; "
        "see remora --help\n"
    )


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(remora, option):
    done = remora(option)
    assert (done.code, done.err) == (0, "")
    for name in COMMANDS:
        assert re.search(rf"^  {name}\s+\S", done.out, re.M)
    assert all(len(line) <= 80 for line in done.out.splitlines())


def test_version(remora):
    done = remora("--version")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"remora \d+\.\d+\.\d+\n", done.out)


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_command(remora, name, option):
    model = ["model"] if name in WITH_MODEL else []
    model += SECOND.get(name, [])
    done = remora(name, *model, option)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        " ".join(["usage: remora", name, *map(str.upper, model),
                  *NEEDED.get(name, []), "[options]"])
    )
    assert "--help" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())


OPTIONS = {
    "embed": "--input --jsonl --format --output --dtype --adapter --threads "
             "--dimensions --no-normalize --windows --stride --pooling "
             "--prompt-name --prompt --tokens --normalize",
    "classify": "--input --jsonl --output --dtype --adapter --threads --top-k "
                "--function --windows --stride",
    "zero-shot": "--labels --template --multi-label --top-k --threshold "
                 "--margin --default --input --jsonl --output --dtype "
                 "--adapter --threads",
    "rerank": "--query --instruction --top-n --raw --windows --stride --input "
              "--jsonl --output --dtype --adapter --threads",
    "ner": "--aggregation --windows --stride --input --jsonl --output "
           "--dtype --adapter --threads",
    "fill-mask": "--top-k --sequence --input --jsonl --output --dtype "
                 "--adapter --threads",
    "sparse": "--top-k --strings --input --jsonl --output --dtype --adapter "
              "--threads",
    "tokenize": "--input --jsonl --pair --max-tokens --no-truncate --stride "
                "--offsets",
    "detokenize": "--input --skip-special",
    "chunk": "--input --jsonl --max-tokens --overlap --boundary",
    "inspect": "--dtype --adapter --pooling --json",
    "quantize": "--dtype --texts --field",
    "bench": "--dtype --adapter --threads --seconds --input --print-texts",
    "kernels": "--json",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_every_option_and_no_other(remora, name):
    listed = re.findall(r"^  (--[a-z-]+)", remora(name, "--help").out, re.M)
    assert listed == OPTIONS[name].split() + ["--help"]


@pytest.mark.parametrize("name", WITH_MODEL)
def test_model_missing(remora, name):
    done = remora(name)
    assert done.code == 2
    assert done.err == (
        "remora: MODEL is missing: the model's directory; "
        f"see remora {name} --help\n"
    )


def threads_message(value):
    return f'--threads takes a whole number from 1 to 1024, not "{value}"'


def seconds_message(value):
    return f'--seconds takes seconds from 0.1 to 3600, not "{value}"'


REFUSED = [
    (["embed", "m", "n"], 'one MODEL is enough: "n" is a second'),
    (["embed", ""], "MODEL is empty"),
    (["embed", "m", "--nonsense"], "there is no option --nonsense"),
    (["embed", "m", "--nonsense=3"], "there is no option --nonsense"),
    (["embed", "m", "-x"], "there is no option -x"),
    (["embed", "m", "--thread", "2"], "there is no option --thread"),
    (["embed", "m", "--threads"], "--threads needs a value"),
    (["embed", "m", "--input"], "--input needs a value"),
    (["embed", "m", "--input="], "--input is empty"),
    (["embed", "m", "--jsonl", ""], "--jsonl is empty"),
    (["embed", "m", "--output", ""], "--output is empty"),
    (["embed", "m", "--no-normalize=1"], "--no-normalize takes no value"),
    (["embed", "m", "--format", "csv"],
     '--format is jsonl or npy, not "csv"'),
    (["embed", "m", "--format", "NPY"],
     '--format is jsonl or npy, not "NPY"'),
    (["embed", "m", "--dimensions", "0"],
     '--dimensions takes a whole number from 1 to 999999999, not "0"'),
    (["embed", "m", "--dimensions", "1.5"],
     '--dimensions takes a whole number from 1 to 999999999, not "1.5"'),
    (["inspect", "m", "--json=yes"], "--json takes no value"),
    (["kernels", "m"], 'kernels takes no MODEL: "m" is one'),
    (["kernels", "--", "--json"], 'kernels takes no MODEL: "--json" is one'),
    (["kernels", ""], 'kernels takes no MODEL: "" is one'),
    (["kernels", "--dtype", "f32"], "there is no option --dtype"),
    (["inspect", "m", "--threads", "1"], "there is no option --threads"),
    (["tokenize", "m", "--output", "x"], "there is no option --output"),
    (["tokenize", "m", "--pair", "b"], "--pair needs --jsonl"),
    (["tokenize", "m", "--offsets", "words"],
     '--offsets is bytes or chars, not "words"'),
    (["tokenize", "m", "--max-tokens", "0"],
     '--max-tokens takes a whole number from 1 to 999999999, not "0"'),
    (["tokenize", "m", "--no-truncate", "--stride", "0"],
     "--no-truncate goes with neither --max-tokens nor --stride"),
    (["tokenize", "m", "--no-truncate", "--max-tokens", "9"],
     "--no-truncate goes with neither --max-tokens nor --stride"),
    (["chunk", "m", "--boundary", "line"],
     '--boundary is sentence, word or token, not "line"'),
    (["quantize", "m"], "OUT is missing"),
    (["quantize", "m", ""], "OUT is empty"),
    (["quantize", "", "o"], "MODEL is empty"),
    (["quantize", "m", "o", "p"], 'MODEL and OUT are enough: "p" is a third'),
    (["quantize", "m", "o", "--field", "f"], "--field needs --texts"),
    (["quantize", "m", "o", "--dtype", "int4", "--field", "f"],
     "--field needs --texts"),
    (["quantize", "m", "o", "--texts", "t"],
     "--texts is for int4; int8 needs none"),
    (["quantize", "m", "o", "--texts", "t", "--dtype", "bf16"],
     "--texts is for int4; bf16 needs none"),
    (["quantize", "m", "o", "--texts", ""], "--texts is empty"),
    (["quantize", "m", "o", "--threads", "2"], "there is no option --threads"),
    (["bench", "m", "--print-texts", "tall"],
     '--print-texts is short, mixed or long, not "tall"'),
]
for value in ["0", "-1", "+1", "1025", "4294967297", "99999999999999999999",
              "1e3", "0x10", " 1", "1 ", "two", ""]:
    REFUSED.append((["embed", "m", "--threads", value],
                    threads_message(value)))
    REFUSED.append((["bench", "m", f"--threads={value}"],
                    threads_message(value)))
for value in ["0", "0.05", "3601", "-1", "1.2.3", ".", "", "1s", "inf", "nan",
              "1e2", "00000000000000000000001"]:
    REFUSED.append((["bench", "m", "--seconds", value],
                    seconds_message(value)))


@pytest.mark.parametrize("arguments, message", REFUSED)
def test_refused(remora, arguments, message):
    done = remora(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err == (
        f"remora: {message}; see remora {arguments[0]} --help\n"
    )


@pytest.mark.parametrize("name", ["embed", "inspect", "quantize", "bench"])
@pytest.mark.parametrize("dtype", ["f64", "F32", "int3", "bf16 ", ""])
def test_dtype_refused(remora, name, dtype):
    done = remora(name, "m", "--dtype", dtype)
    assert done.code == 2
    assert done.err == (
        f'remora: --dtype: dtype "{dtype}" is not supported; f32, bf16, '
        f"int8 and int4 are; see remora {name} --help\n"
    )


@pytest.mark.parametrize("name", WITH_MODEL)
def test_model_not_there(remora, tmp_path, name):
    path = tmp_path / "no-such-model"
    done = remora(name, path, *NEEDED.get(name, []),
                  *[tmp_path / n for n in SECOND.get(name, [])])
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("remora: ")
    assert str(path) in done.err
    assert done.err.count("\n") == 1


def test_double_dash_ends_the_options(remora, tmp_path):
    done = remora("inspect", "--", "--json", cwd=tmp_path)
    assert done.code == 1
    assert "--json" in done.err


def test_equals_sign_and_last_value_counts(remora, tiny):
    done = remora(
        "embed", "--dimensions=9", tiny, "--dimensions=3", stdin=b"hello\n"
    )
    assert done.code == 0
    assert len(json.loads(done.out)["embedding"]) == 3


@pytest.mark.parametrize("arguments", [
    ["--help"], ["--version"], ["embed", "--help"], ["kernels"],
])
def test_full_disk(remora, arguments):
    with open("/dev/full", "wb") as full:
        done = remora(*arguments, stdout=full)
    assert done.code == 1
    assert done.err == (
        "remora: cannot write to standard output: "
        "No space left on device\n"
    )
