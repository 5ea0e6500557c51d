"""Remora beside the engines that a user could take instead: the same model,
texts and threads in one run. Every engine is a process that stays alive, and
they take turns, so that what changes in the machine meanwhile changes all of
them. It must never time one while another works. README.md says what is
measured, and what the results hold.

usage: bench_peers.py [--rounds N] [--threads LIST] [--engines LIST]
                      [--share X] [--quick] [--check] BUILD MODEL

Writes BUILD/bench-peers.json, BUILD/bench-peers.md (also printed) and
BUILD/bench.png. Runs in an environment with requirements-peers.txt.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import numpy as np  # noqa: E402

import peers_report  # noqa: E402
import peers_texts  # noqa: E402
from peers_engines import ENGINES  # noqa: E402
from peers_machine import machine  # noqa: E402
from peers_protocol import Absent, Failed, Process  # noqa: E402

SERIES = ("short", "mixed", "long")
COMPARED = "mixed"  # the series whose vectors are compared
SINGLES = 200
QUICK_SINGLES = 50
REST = 0.3  # seconds: threads of the engine before have gone to sleep
# What would hold an engine to fewer threads or older instructions than the
# machine has.
SETTINGS = ("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "ONEDNN_", "DNNL_",
            "RAYON_", "TOKENIZERS_", "OV_", "NVPL_")


# ------------------------------------------------------------------ options

def chosen(words):
    """The engines that a list like "remora,ov-int8" names, by key or by the
    part of it before the hyphen."""
    wanted = words.split(",")
    unknown = [
        word for word in wanted
        if not any(word in (e.key, e.key.partition("-")[0]) for e in ENGINES)
    ]
    if unknown:
        keys = ", ".join(engine.key for engine in ENGINES)
        raise argparse.ArgumentTypeError(
            f"no engine is called {unknown[0]}; there are {keys}"
        )
    return [
        e for e in ENGINES
        if e.key in wanted or e.key.partition("-")[0] in wanted
    ]


def at_least_one(word):
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError("numbers must be at least 1")
    return int(word)


def share(word):
    value = float(word)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("a share is over 0 and at most 1")
    return value


def thread_counts(words):
    return sorted({at_least_one(word) for word in words.split(",")})


def parse(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    add = parser.add_argument
    cores = len(os.sched_getaffinity(0))
    add("--rounds", type=at_least_one, default=5,
        help="times that every engine has its turn")
    add("--threads", type=thread_counts, default=sorted({1, cores}),
        help="like 1,2 (default: one, and all)")
    add("--engines", type=chosen, default=list(ENGINES),
        help="like remora,ov-f32 (default: all)")
    add("--share", type=share, default=1.0,
        help="of each series' texts, over 0 to 1; with few texts, peers "
        "compute more padding")
    add("--quick", action="store_true",
        help="2 rounds of a quarter of the texts: an indication")
    add("--check", action="store_true",
        help="fails where a figure is below what must hold")
    add("build", type=Path)
    add("model", type=Path)
    args = parser.parse_args(arguments)
    args.singles = SINGLES
    if args.quick:
        args.rounds, args.share, args.singles = 2, 0.25, QUICK_SINGLES
    return args


def environment(threads):
    """What a process that uses so many threads is given."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
    env.update(
        OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads),
        OPENBLAS_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true",
        HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1",
        PYTHONDONTWRITEBYTECODE="1",
        NNCF_CI="1", CI="true",  # no telemetry
    )
    return env


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- measuring

def percentiles(times):
    """p50 and p99."""
    times = sorted(times)
    return times[len(times) // 2], times[len(times) * 99 // 100]


def cosines(vectors, reference):
    """Of each pair of rows, in float64."""
    a, b = vectors.astype(np.float64), reference.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(axis=1) / lengths


class Bench:
    """The engines of one run with one number of threads after the other, and
    the results as they come in."""

    def __init__(self, args, texts):
        self.args = args
        self.folder = args.build.resolve() / "peers"
        self.model = str(args.model.resolve())
        self.texts = texts
        self.running = {}
        self.exports = self.reference = self.int4 = None
        self.results = {
            "model": args.model.name, "rounds": args.rounds,
            "threads": args.threads, "machine": machine(),
            "series": peers_texts.counted(args.model, texts),
            "engines": {
                e.key: {"name": e.name, "dtype": e.dtype, "threads": {}}
                for e in args.engines
            },
        }

    def start(self, script, log, threads):
        self.folder.mkdir(parents=True, exist_ok=True)
        return Process(
            [sys.executable, HERE / script], self.folder / f"{log}.log",
            environment(threads),
        )

    def prepare(self):
        """Exports and the reference's vectors, made when they are not kept
        from before."""
        say("the model for the other engines (made once: some minutes) ...")
        request = {"folder": str(self.folder), "model": self.model}
        cores = len(os.sched_getaffinity(0))
        calibration = peers_texts.printed(
            self.args.build / "remora", self.args.model, COMPARED
        )
        with self.start("peers_export.py", "export", cores) as process:
            self.exports = process.ask(
                do="exports", texts=calibration[:100], **request
            )
            self.reference = np.load(process.ask(
                do="reference", texts=self.texts[COMPARED], **request
            ))
        if any(e.key == "remora-int4" for e in self.args.engines):
            self.int4 = self.quantized(calibration[:100])

    def quantized(self, calibration):
        """The model in Remora's int4, calibrated as the other engines' int8
        is."""
        texts, path = self.folder / "calibration", self.folder / "remora-int4"
        texts.write_text("".join(f"{text}\n" for text in calibration))
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run([
            self.args.build / "remora", "quantize", self.model, path,
            "--dtype", "int4", "--texts", texts,
        ], check=True)
        return str(path)

    def drop(self, key, reason):
        """An engine that cannot go on: its figures go with it."""
        say(f"{key}: {reason}")
        entry = self.results["engines"][key]
        entry["absent"] = str(reason)
        entry["failed"] = isinstance(reason, Failed)
        entry["threads"] = {}
        if key in self.running:
            self.running.pop(key).close()

    def ask(self, key, **request):
        """An engine's answer; None when it cannot go on."""
        try:
            return self.running[key].ask(**request)
        except (Absent, Failed) as reason:
            self.drop(key, reason)
            return None

    def open(self, engine, threads):
        entry = self.results["engines"][engine.key]
        if "absent" in entry:
            return
        log = f"{engine.key}-{threads}"
        self.running[engine.key] = self.start("peers_engines.py", log, threads)
        opened = self.ask(
            engine.key, do="open", texts=self.texts, name=engine.name,
            dtype=engine.dtype, threads=threads, model=self.model,
            exports=self.exports, int4=self.int4,
            library=str(self.args.build.resolve() / "libremora.so"),
        )
        if opened is None:
            return
        entry["version"] = opened["version"]
        measured = {name: [] for name in (*self.texts, "p50", "p99")}
        measured["weight_bytes"] = opened["weight_bytes"]
        entry["threads"][str(threads)] = measured
        self.warm_up(engine.key, measured)

    def warm_up(self, key, measured):
        """Everything once; the vectors of one series are compared."""
        path = self.folder / "vectors.npy"
        for series in self.texts:
            request = {"do": "series", "series": series}
            if series == COMPARED:
                request |= {"do": "vectors", "path": str(path)}
            self.ask(key, **request)
            if key not in self.running:
                return
        found = cosines(np.load(path), self.reference)
        measured["cosine_min"] = float(found.min())
        measured["cosine_mean"] = float(found.mean())

    def turn(self, key, measure, threads):
        """One engine, one figure; it is kept with the others."""
        time.sleep(REST)
        measured = self.results["engines"][key]["threads"][str(threads)]
        if measure == "singles":
            times = self.ask(key, do="singles", count=self.args.singles)
            if times is not None:
                for name, value in zip(("p50", "p99"), percentiles(times)):
                    measured[name].append(value)
            return
        seconds = self.ask(key, do="series", series=measure)
        if seconds is not None:
            measured[measure].append(seconds)

    def round(self, number, threads):
        """Every engine's turn at every measure, another engine first than in
        the round before."""
        say(f"{threads} threads, round {number + 1} of {self.args.rounds} ...")
        keys = list(self.running)
        for measure in (*self.texts, "singles"):
            for i in range(len(keys)):
                key = keys[(i + number) % len(keys)]
                if key in self.running:
                    self.turn(key, measure, threads)

    def run(self, threads):
        say(f"{threads} threads, opening and warming up ...")
        try:
            for engine in self.args.engines:
                self.open(engine, threads)
            for number in range(self.args.rounds):
                self.round(number, threads)
            for key in list(self.running):
                memory = self.ask(key, do="memory")
                if memory is not None:
                    entry = self.results["engines"][key]
                    entry["threads"][str(threads)].update(memory)
        finally:
            while self.running:
                self.running.popitem()[1].close()


# -------------------------------------------------------------------- report

def write(build, results):
    """The three files, and the report on standard output."""
    from peers_plot import plot

    results["ratios"] = peers_report.compared(results)
    (build / "bench-peers.json").write_text(
        json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    )
    report = peers_report.markdown(results)
    (build / "bench-peers.md").write_text(report)
    plot(results, build / "bench.png")
    print(report, end="", flush=True)


def main(arguments):
    args = parse(arguments)
    bench = Bench(args, peers_texts.taken(
        args.build / "remora", args.model, SERIES, args.share
    ))
    try:
        bench.prepare()
    except Failed as problem:
        sys.exit(f"bench_peers.py: the export: {problem}")
    for threads in args.threads:
        bench.run(threads)
    write(args.build, bench.results)
    failed = any(e.get("failed") for e in bench.results["engines"].values())
    below = any(r["verdict"] == "below" for r in bench.results["ratios"])
    return int(failed or (args.check and below))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
