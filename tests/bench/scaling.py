"""How Remora's speed changes with the number of texts, their length and the
threads: tokens a second of jobs of 1 to 1,024 texts, and of texts of 8 to
8,192 tokens. The model has the shape of all-MiniLM-L6-v2, random weights and
room for 8,192 tokens. It must never time one thing while another works.

usage: scaling.py [--dtypes LIST] [--threads LIST] [--rounds N] BUILD

Writes BUILD/scaling.md (also printed) and BUILD/scaling.png; exits with 1 when
a point is a cliff: when twice the texts, or texts twice as long, are computed
at less than CLIFF of the operations a second. Runs in an environment with
requirements-peers.txt.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "parity")]

import matplotlib  # noqa: E402

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from peers_machine import machine  # noqa: E402
from random_model import write_safetensors  # noqa: E402
from remora_ctypes import Remora  # noqa: E402

HIDDEN, INNER, LAYERS, HEADS = 384, 1536, 6, 12
POSITIONS, WORDS = 8192, 2000
BATCHES = [2 ** n for n in range(11)]
LENGTHS = [2 ** n for n in range(3, 14)]
TEXT_TOKENS = (12, 98)  # of each text of a batch
JOB_TOKENS = 16384      # of a job, in which texts of one length are measured
MIN_SECONDS = 0.15
CLIFF = 0.8


# ---------------------------------------------------------------- the model

def tensors():
    """Name and shape of each, as BertModel has them."""
    yield "embeddings.word_embeddings.weight", (WORDS, HIDDEN)
    yield "embeddings.position_embeddings.weight", (POSITIONS, HIDDEN)
    yield "embeddings.token_type_embeddings.weight", (1, HIDDEN)
    yield from norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        scope = f"encoder.layer.{layer}."
        for name in ("query", "key", "value"):
            yield from linear(scope + "attention.self." + name, HIDDEN, HIDDEN)
        yield from linear(scope + "attention.output.dense", HIDDEN, HIDDEN)
        yield from norm(scope + "attention.output.LayerNorm")
        yield from linear(scope + "intermediate.dense", INNER, HIDDEN)
        yield from linear(scope + "output.dense", HIDDEN, INNER)
        yield from norm(scope + "output.LayerNorm")


def linear(name, out, inputs):
    yield name + ".weight", (out, inputs)
    yield name + ".bias", (out,)


def norm(name):
    yield name + ".weight", (HIDDEN,)
    yield name + ".bias", (HIDDEN,)


def config():
    return {
        "model_type": "bert", "hidden_size": HIDDEN, "hidden_act": "gelu",
        "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "vocab_size": WORDS,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 1,
    }


def tokenizer():
    """A token a word, between two that begin and end a text."""
    ends = {f"w{n}": {"id": f"w{n}", "ids": [n], "tokens": [f"w{n}"]}
            for n in range(2)}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    first, last = ({"SpecialToken": {"id": end, "type_id": 0}} for end in ends)
    return {
        "version": "1.0", "added_tokens": [],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing", "special_tokens": ends,
            "single": [first, text, last], "pair": [first, text, last, {
                "Sequence": {"id": "B", "type_id": 0}
            }],
        },
        "model": {
            "type": "WordLevel", "unk_token": "w0",
            "vocab": {f"w{n}": n for n in range(WORDS)},
        },
    }


def write_model(directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config()))
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer()))
    numbers = np.random.default_rng(1)
    found = {}
    for name, shape in tensors():
        found[name] = numbers.normal(0, 0.05, shape).astype(np.float32)
        found[name] += "LayerNorm.weight" in name
    write_safetensors(directory / "model.safetensors", found, "F32")


def texts_of(count, length):
    """Texts of so many tokens."""
    numbers = np.random.default_rng(length)
    ids = numbers.integers(2, WORDS, (count, length - 2))
    return [" ".join(f"w{n}" for n in row).encode() for row in ids]


def operations(length):
    """Of a token in a text of that many, products and sums, as computed."""
    layer = 2 * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
    return LAYERS * (layer + 4 * length * HIDDEN)


# ------------------------------------------------------------- measurements

def rate(remora, texts):
    """Tokens a second of jobs of these texts, one after the other."""
    tokens, start = 0, time.perf_counter()
    while True:
        tokens += sum(remora.embed(texts)[1])
        seconds = time.perf_counter() - start
        if seconds > MIN_SECONDS:
            return tokens / seconds


def points():
    """(series, x, texts, tokens of each) of every point."""
    for length in TEXT_TOKENS:
        for batch in BATCHES:
            series = f"{length} tokens each"
            yield series, batch, texts_of(batch, length), length
    for length in LENGTHS:
        texts = texts_of(max(1, JOB_TOKENS // length), length)
        yield "length", length, texts, length


def measure(options, directory):
    """{(dtype, threads, series): {x: (median tokens/s, GFLOP/s)}}"""
    found = {}
    library = options.build / "libremora.so"
    for dtype in options.dtypes:
        for threads in options.threads:
            remora = Remora(library, directory, threads, dtype)
            remora.embed(texts_of(64, 98))
            for series, x, texts, length in points():
                speed = float(np.median(
                    [rate(remora, texts) for _ in range(options.rounds)]
                ))
                found.setdefault((dtype, threads, series), {})[x] = (
                    speed, speed * operations(length) / 1e9
                )
            remora.close()
    return found


def cliffs(found):
    """A sentence for each point that is too far below the one before."""
    for (dtype, threads, series), line in found.items():
        xs = sorted(line)
        for before, x in zip(xs, xs[1:]):
            share = line[x][1] / line[before][1]
            if share < CLIFF:
                yield (f"{dtype}, {threads} threads, {series}: {x} is at "
                       f"{share:.2f} of the operations a second of {before}")


# ------------------------------------------------------------------- report

def heading(series):
    if series == "length":
        return "tokens of each text"
    return f"texts in a job, {series}"


def column_name(dtype, threads):
    return f"{dtype}, {threads} thread{'s' * (threads > 1)}"


def table(found):
    """Tokens a second, a table for each series."""
    parts = []
    for series in dict.fromkeys(series for _, _, series in found):
        columns = [key for key in found if key[2] == series]
        names = [column_name(*key[:2]) for key in columns]
        rows = [[f"{x:,}"] + [f"{found[key][x][0]:,.0f}" for key in columns]
                for x in sorted(found[columns[0]])]
        lines = [["tokens/s by " + heading(series)] + names,
                 ["---:"] * (len(names) + 1)] + rows
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def plot(found, path):
    names = list(dict.fromkeys(series for _, _, series in found))
    fig, grid = plt.subplots(2, len(names), figsize=(15, 9),
                             layout="constrained", squeeze=False)
    colours = dict(zip(dict.fromkeys(d for d, _, _ in found),
                       ("#1d2731", "#c8102e", "#2a6f97", "#5b8c5a")))
    for (dtype, threads, series), line in found.items():
        column, xs = names.index(series), sorted(line)
        for row in (0, 1):
            grid[row][column].plot(
                xs, [line[x][row] for x in xs], marker=".",
                color=colours[dtype], linestyle="-" if threads > 1 else ":",
                label=column_name(dtype, threads),
            )
    for column, series in enumerate(names):
        for row, unit in enumerate(("tokens/s", "GFLOP/s")):
            axes = grid[row][column]
            axes.set_xscale("log", base=2)
            axes.set_ylim(bottom=0)
            axes.set_xlabel(heading(series))
            axes.set_ylabel(unit)
            axes.grid(color="#dde3e8", linewidth=0.8)
    grid[0][0].legend(fontsize=8)
    here = machine()
    fig.suptitle(f"{here['cpu']}, {here['cores']} cores")
    fig.savefig(path, dpi=100)
    plt.close(fig)


def main(argv):
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--dtypes", default="f32,bf16,int8",
                        type=lambda word: word.split(","))
    parser.add_argument("--threads", default=sorted({1, os.cpu_count()}),
                        type=lambda word: [int(n) for n in word.split(",")])
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("build", type=Path)
    options = parser.parse_args(argv)
    directory = options.build / "peers" / "scaling"
    write_model(directory)
    found = measure(options, directory)
    report = table(found)
    falls = list(cliffs(found))
    report += "\n" + ("\n".join(falls) if falls else "no cliffs") + "\n"
    (options.build / "scaling.md").write_text(report)
    plot(found, options.build / "scaling.png")
    print(report, end="")
    return 1 if falls else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
