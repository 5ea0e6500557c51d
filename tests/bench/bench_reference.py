"""Remora against sentence-transformers: the same model, texts, threads and
float32 arithmetic in one run, taking turns, medians of the rounds. It must
never time one side while the other works, nor count a padding token.

usage: bench_reference.py [--threads N] [--rounds N] [--batch N] [--texts N]
                          BUILD MODEL

Each round runs the first N texts of every series (default: all). BUILD is the
folder of remora and libremora.so, MODEL a model's directory. Runs in an
environment with tests/parity/requirements-parity.txt.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "parity"))

SERIES = ("short", "mixed", "long")
SINGLES = 200
REST = 0.3  # seconds: threads of the other side have gone to sleep


def parse():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0))
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--texts", type=int, default=1024)
    parser.add_argument("build", type=Path)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()
    if min(args.threads, args.rounds, args.batch, args.texts) < 1:
        parser.error("numbers must be at least 1")
    return args


def series_texts(args, series):
    done = subprocess.run(
        [args.build / "remora", "bench", args.model, "--print-texts", series],
        check=True, stdout=subprocess.PIPE,
    )
    return done.stdout.decode().splitlines()[:args.texts]


def seconds(run, *arguments):
    time.sleep(REST)
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def percentiles(run, texts):
    """p50 and p99, in milliseconds, of texts that come alone."""
    time.sleep(REST)
    times = []
    for text in texts[:SINGLES]:
        start = time.perf_counter()
        run([text])
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def row(label, tokens, texts, ours, theirs):
    """Medians of both sides and their ratio."""
    ours = statistics.median(ours)
    theirs = statistics.median(theirs)
    print(
        f"{label:<8} {tokens / texts:>11.1f} {tokens / ours:>11,.0f} "
        f"{tokens / theirs:>11,.0f} {texts / ours:>10.1f} "
        f"{texts / theirs:>10.1f} {theirs / ours:>7.2f}",
        flush=True,
    )
    return theirs / ours


def measure(args, series, remora, reference):
    """One row of the table; returns the ratio."""
    import numpy as np

    texts = series_texts(args, series)
    data = [text.encode() for text in texts]
    vectors, counts, _ = remora.embed(data[:64])  # warms up
    expected = reference.vectors(texts[:64], args.batch)
    assert np.abs(vectors - expected).max() < 1e-5, "not the same vectors"
    counts = remora.embed(data)[1]
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(seconds(remora.embed, data))
        theirs.append(seconds(reference.vectors, texts, args.batch))
    return row(series, sum(counts), len(texts), ours, theirs)


def main():
    args = parse()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    from reference import Reference
    from remora_ctypes import Remora

    reference = Reference(args.model, args.threads)
    remora = Remora(args.build / "libremora.so", args.model, args.threads)
    print(
        f"{args.model.name}, f32, {args.threads} threads, medians of "
        f"{args.rounds} rounds; the reference in batches of {args.batch}\n\n"
        f"{'':<8} {'':>11} {'tokens/s':>23} {'texts/s':>21}\n"
        f"{'texts':<8} {'tokens each':>11} {'Remora':>11} {'reference':>11} "
        f"{'Remora':>10} {'reference':>10} {'ratio':>7}"
    )
    ratios = {
        series: measure(args, series, remora, reference) for series in SERIES
    }
    texts = series_texts(args, "short")
    ours = percentiles(remora.embed, [text.encode() for text in texts])
    theirs = percentiles(reference.vectors, texts)
    print(
        f"\none short text alone: Remora p50 {ours[0]:.2f} ms, p99 "
        f"{ours[1]:.2f} ms; reference p50 {theirs[0]:.2f} ms, p99 "
        f"{theirs[1]:.2f} ms"
    )
    remora.close()
    slower = ratios["mixed"] < 1
    print(f"mixed texts: {ratios['mixed']:.2f} times the reference's speed"
          f"{', SLOWER' if slower else ''}")
    return int(slower)


if __name__ == "__main__":
    sys.exit(main())
