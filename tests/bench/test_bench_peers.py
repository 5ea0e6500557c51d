"""The parts of bench_peers.py that need no other engine: what the rounds'
figures add up to, the report's words, the texts, and a process that answers.
It must never measure, download or import what requirements-peers.txt adds.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import bench_peers  # noqa: E402
import peers_machine  # noqa: E402
import peers_report  # noqa: E402
import peers_texts  # noqa: E402
from peers_protocol import Absent, Failed, Process  # noqa: E402

FAKE = """\
import os, sys
sys.path.insert(0, sys.argv[1])
from peers_protocol import Absent, serve

def answer(request):
    print("a library's own words")
    if request["do"] == "absent":
        raise Absent("not built")
    if request["do"] == "wrong":
        raise ValueError("no such thing")
    if request["do"] == "die":
        sys.stderr.write("the last words")
        sys.stderr.flush()
        os._exit(3)
    if request["do"] == "hang":
        import time
        time.sleep(60)
    return {"got": request["value"] * 2}

serve(answer)
"""


# ------------------------------------------------------------- the processes

@pytest.fixture
def fake(tmp_path):
    script = tmp_path / "fake_engine.py"
    script.write_text(FAKE)
    command = [sys.executable, script, HERE]
    with Process(command, tmp_path / "log", seconds=20) as process:
        yield process


def test_a_process_answers_many_times(fake):
    long = "é\n" * 100_000
    assert fake.ask(do="double", value=long) == {"got": long * 2}
    assert [fake.ask(do="double", value=n)["got"] for n in range(50)] == [
        2 * n for n in range(50)
    ]


def test_a_process_says_what_it_has_not(fake):
    with pytest.raises(Absent, match="^not built$"):
        fake.ask(do="absent")
    with pytest.raises(Failed, match="^ValueError: no such thing$"):
        fake.ask(do="wrong")
    assert fake.ask(do="double", value=4) == {"got": 8}


def test_a_process_that_dies_is_a_failure(fake):
    with pytest.raises(Failed, match="(?s)status 3.*the last words"):
        fake.ask(do="die")
    with pytest.raises(Failed, match="status 3"):
        fake.ask(do="double", value=1)


def test_a_process_that_hangs_is_ended(fake):
    fake.seconds = 0.5
    with pytest.raises(Failed, match="no answer in 0.5 seconds"):
        fake.ask(do="hang")
    assert fake.process.wait(10) != 0


def test_a_process_ends_with_its_owner(fake):
    fake.ask(do="double", value=1)
    fake.close()
    assert fake.process.returncode == 0


# ------------------------------------------------------------------ the turns

class Stub:
    """An engine that takes no time, writes down what it is asked and, where
    it is the one to fail, ends at its second series."""

    def __init__(self, key, asked, fails):
        self.key, self.asked, self.fails = key, asked, fails
        self.closed = False

    def ask(self, do, **request):
        self.asked.append((self.key, do))
        if do == "open":
            if request["dtype"] == "int4":
                raise Absent("not built")
            return {"version": "1", "weight_bytes": None}
        if do == "series":
            if self.fails and self.asked.count((self.key, do)) == 2:
                raise Failed("it ended")
            return 0.5
        if do == "singles":
            return [1.0] * request["count"]
        if do == "vectors":
            np.save(request["path"], np.ones((1, 2), np.float32))
            return None
        return {"rss_mb": 1.0, "peak_mb": 2.0}

    def close(self):
        self.closed = True


@pytest.fixture
def bench(model_dir, tmp_path, monkeypatch):
    """A run of four engines of which one is absent and one fails."""
    monkeypatch.setattr(bench_peers, "REST", 0)
    args = bench_peers.parse([
        "--engines", "ov-f32,ort-f32,remora-f32,remora-int4", "--rounds", "3",
        "--threads", "1", str(tmp_path), str(model_dir),
    ])
    made = bench_peers.Bench(args, {"short": ["a"], "mixed": ["b"]})
    made.folder = tmp_path
    made.reference = np.ones((1, 2), np.float32)
    made.asked, made.stubs = [], []

    def start(script, log, threads):
        key = log.rpartition("-")[0]
        made.stubs.append(Stub(key, made.asked, key == "ov-f32"))
        return made.stubs[-1]

    monkeypatch.setattr(made, "start", start)
    made.run(1)
    return made


def test_engines_take_turns(bench):
    singles = [key for key, do in bench.asked if do == "singles"]
    assert singles == ["ort-f32", "remora-f32"] + [
        "remora-f32", "ort-f32"] + ["ort-f32", "remora-f32"]
    for key in ("ort-f32", "remora-f32"):
        measured = bench.results["engines"][key]["threads"]["1"]
        assert measured["short"] == measured["mixed"] == [0.5] * 3
        assert measured["p50"] == measured["p99"] == [1.0] * 3
        assert measured["cosine_min"] == pytest.approx(1)
        assert measured["peak_mb"] == 2.0
    json.dumps(bench.results)


def test_an_engine_that_ends_does_not_end_the_others(bench):
    engines = bench.results["engines"]
    assert engines["ov-f32"]["threads"] == {}
    assert engines["ov-f32"]["absent"] == "it ended"
    assert engines["ov-f32"]["failed"] is True
    assert engines["remora-int4"]["absent"] == "not built"
    assert engines["remora-int4"]["failed"] is False
    assert len(bench.stubs) == 4 and all(stub.closed for stub in bench.stubs)


# ------------------------------------------------------------------- results

def entry(key, seconds, p50, **more):
    measured = {
        "mixed": seconds, "p50": p50, "p99": [2 * p for p in p50],
        "cosine_min": 1.0, "cosine_mean": 1.0, "peak_mb": 100.0,
        "weight_bytes": None, **more,
    }
    name, dtype = {e.key: (e.name, e.dtype) for e in peers_report.ENGINES}[key]
    return {"name": name, "dtype": dtype, "version": "1.2",
            "threads": {"1": measured}}


@pytest.fixture
def results():
    """Three rounds, the second of them on a machine at half its speed."""
    return {
        "model": "a-model", "rounds": 3, "threads": [1],
        "series": {"mixed": {"texts": 10, "tokens": 1000}},
        "machine": {"cpu": "A CPU", "cores": 2, "caches": {"L2": "1M"},
                    "memory_gb": 8, "flags": ["avx2"], "system": "Linux"},
        "engines": {
            "ov-f32": entry("ov-f32", [1.5, 3.0, 1.6], [4, 8, 4]),
            "ort-f32": entry("ort-f32", [2, 4, 2], [3, 6, 3.2]),
            "remora-f32": entry(
                "remora-f32", [1, 2, 1], [1.5, 3, 1.6],
                cosine_min=1 - 3e-8),
            "remora-bf16": {"name": "Remora", "dtype": "bf16", "threads": {},
                            "absent": "it is not built"},
        },
    }


def bar(dtype, measure):
    return next(b for b in peers_report.BARS
                if (b.dtype, b.measure) == (dtype, measure))


def test_figures_are_medians_of_rounds(results):
    assert peers_report.figure(results, "ov-f32", 1, "mixed") == 1000 / 1.6
    assert peers_report.figure(results, "ort-f32", 1, "p50") == 3.2
    assert peers_report.figure(results, "remora-f32", 1, "weight_bytes") is None
    assert peers_report.figure(results, "remora-bf16", 1, "mixed") is None
    assert peers_report.figure(results, "ov-f32", 2, "mixed") is None
    assert peers_report.figure(results, "ov-int8", 1, "mixed") is None


def test_ratios_are_taken_within_a_round(results):
    assert peers_report.ratio(results, bar("f32", "mixed"), 1) == 1.5
    assert peers_report.ratio(results, bar("f32", "p50"), 1) == 0.5
    assert peers_report.ratio(results, bar("f32", "cosine_min"), 1) == 1 - 3e-8
    assert peers_report.ratio(results, bar("bf16", "mixed"), 1) is None
    del results["engines"]["ov-f32"]
    assert peers_report.ratio(results, bar("f32", "mixed"), 1) is None


@pytest.mark.parametrize("measure, value, word", [
    ("mixed", 1.39, "below"), ("mixed", 1.4, "least"), ("mixed", 1.65, "goal"),
    ("p50", 0.41, "below"), ("p50", 0.4, "least"), ("p50", 0.3, "goal"),
    ("cosine_min", 1 - 2e-6, "below"), ("cosine_min", 1 - 1e-7, "least"),
])
def test_a_verdict_knows_which_way_is_better(measure, value, word):
    assert peers_report.verdict(bar("f32", measure), value) == word


def test_what_is_compared_is_what_ran(results):
    found = peers_report.compared(results)
    assert [(c["measure"], c["verdict"]) for c in found] == [
        ("mixed", "least"), ("p50", "below"), ("cosine_min", "least"),
    ]
    json.dumps(found)


def test_every_bar_names_an_engine():
    keys = {engine.key for engine in peers_report.ENGINES}
    for each in peers_report.BARS:
        assert f"remora-{each.dtype}" in keys
        assert each.peer is None or each.peer in keys
        assert each.measure in peers_report.WORDS


def test_the_report(results):
    text = peers_report.markdown(results)
    lines = text.splitlines()
    assert text.endswith("\n") and "\n\n\n" not in text
    assert ("| OpenVINO, f32 | 625 | 4.00 | 8.00 | 1 | 1 | 100 |") in lines
    assert ("| Remora, f32 | 1,000 | 1.60 | 3.20 | 1 − 3e-08 | 1 | 100 |"
            ) in lines
    assert ("| f32 | mixed, tokens/s | OpenVINO f32 | 1.50 (least) "
            "| ≥ 1.4 | ≥ 1.65 |") in lines
    assert ("| f32 | one text, p50 | ONNX Runtime f32 | 0.50 (below) "
            "| ≤ 0.4 | ≤ 0.3 |") in lines
    assert "- Remora bf16: it is not built." in lines
    assert "Mixed: 10 texts of 100.0 tokens on average" in text
    assert "A CPU, 2 cores, L2 1M, 8 GB; avx2; Linux" in text
    widths = {}
    for line in lines:
        if line.startswith("|"):
            widths.setdefault(line.count("|"), []).append(line)
    assert sorted(len(rows) for rows in widths.values()) == [5, 5]


def test_a_report_of_peers_alone(results):
    del results["engines"]["remora-f32"], results["engines"]["remora-bf16"]
    text = peers_report.markdown(results)
    assert "Remora's ratio" not in text and "Not measured" not in text
    assert "OpenVINO 1.2" in text


@pytest.mark.parametrize("value, text", [
    (1.0, "1"), (1.0000001, "1"), (1 - 3e-8, "1 − 3e-08"),
    (0.99997, "1 − 3e-05"), (0.9863, "0.9863"),
])
def test_a_cosine_near_one_shows_its_distance(value, text):
    assert peers_report.cosine_text(value) == text


# -------------------------------------------------------- texts and machines

def test_the_series_are_as_long_as_they_say(build, model_dir):
    """The averages that README.md states, in tokens as the model takes them."""
    texts = peers_texts.taken(
        build / "remora", model_dir, bench_peers.SERIES, 1
    )
    again = peers_texts.taken(
        build / "remora", model_dir, bench_peers.SERIES, 0.25
    )
    counts = peers_texts.counted(model_dir, texts)
    assert {name: c["texts"] for name, c in counts.items()} == {
        "short": 1024, "mixed": 1024, "long": 128,
    }
    averages = {n: c["tokens"] / c["texts"] for n, c in counts.items()}
    assert averages["short"] == pytest.approx(12, abs=1)
    assert averages["mixed"] == pytest.approx(98, abs=1)
    assert averages["long"] == 256
    assert set(peers_texts.BATCHES) == set(texts)
    for name, some in again.items():
        assert some == texts[name][:len(texts[name]) // 4]


def test_the_machine_is_what_its_kernel_says():
    fields = peers_machine.cpu_fields(
        "processor\t: 0\nmodel name\t: A CPU\ncpu family\t: 25\n"
        "flags\t\t: fpu avx2 avx512_bf16 fma\n\n"
        "processor\t: 1\nmodel name\t: Another\n"
    )
    assert peers_machine.cpu_name(fields) == "A CPU (family 25)"
    assert peers_machine.cpu_flags(fields) == ["avx2", "fma", "avx512_bf16"]
    assert peers_machine.machine()["cores"] >= 1


def test_caches_are_those_of_one_core(tmp_path):
    for i, files in enumerate((("1", "Data", "32K"), ("2", "Unified", "1M"))):
        folder = tmp_path / f"index{i}"
        folder.mkdir()
        for name, value in zip(("level", "type", "size"), files):
            (folder / name).write_text(value + "\n")
    assert peers_machine.caches(tmp_path) == {"L1d": "32K", "L2": "1M"}


# ------------------------------------------------------------------- options

def test_options_of_a_run():
    args = bench_peers.parse(
        ["--engines", "remora,ov-int8", "--threads", "2,1,2", "b", "m"]
    )
    assert args.threads == [1, 2] and args.share == 1 and args.rounds == 5
    assert [e.key for e in args.engines] == [
        "ov-int8", "remora-f32", "remora-bf16", "remora-int8", "remora-int4",
    ]
    quick = bench_peers.parse(["--quick", "b", "m"])
    assert quick.rounds < 5 and quick.share < 1
    assert len(quick.engines) == len(peers_report.ENGINES)


@pytest.mark.parametrize("words", [
    ["--engines", "remora,nothing"], ["--threads", "0"], ["--rounds", "x"],
    ["--share", "1.5"],
])
def test_options_that_make_no_sense(words, capsys):
    with pytest.raises(SystemExit) as stop:
        bench_peers.parse([*words, "b", "m"])
    assert stop.value.code == 2
    assert re.search("nothing|at least 1|share", capsys.readouterr().err)


def test_engines_are_not_held_back(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    env = bench_peers.environment(2)
    assert "OPENBLAS_CORETYPE" not in env
    assert env["OMP_NUM_THREADS"] == env["RAYON_NUM_THREADS"] == "2"


def test_cosines_and_percentiles():
    rows = np.array([[1, 0], [1, 1]], np.float32)
    found = bench_peers.cosines(rows, np.array([[2, 0], [0, 3]], np.float32))
    assert found == pytest.approx([1, 0.5**0.5])
    assert bench_peers.percentiles(list(range(200, 0, -1))) == (101, 199)
