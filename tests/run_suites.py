#!/usr/bin/env python3
"""Runs test suites and sums their results.

usage: tests/run_suites.py SUITE...

A suite is a folder of tests/: its C programs (already built by make) and its
pytest files. `asan` is the C programs of all suites once more, built with the
sanitizers, one check each; `fuzz` replays the fuzz targets' corpora; `neon`
is the tests of kernels, built for AArch64 and emulated. The last line printed
is `N passed, N failed`, with `, N skipped` where a test was skipped. The exit
status is 0 only when nothing failed, nothing crashed and every suite ran a
test; this script must never count a suite that ran nothing, or died, as
passed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "check"
PYTHON = ROOT / "build" / "venv" / "bin" / "python"
PREFIXES = {"unit": "test_", "fault": "fault_"}
PROGRAM_SECONDS = 300
PYTEST_SECONDS = 900
# On an emulated CPU without extensions, whose one tier the CPU with all of them
# has as well, the programs that take long are left out.
EMULATED_BASELINE = ("test_kern_names", "test_kernels", "test_kernels_packed")
# Of each file of a fuzz target's corpus; fewer where one input takes long.
MUTATIONS = {"fuzz_config": 300, "fuzz_http": 60}
DEFAULT_MUTATIONS = 1000


class Counts:
    """Results of one suite."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed = passed
        self.failed = failed
        self.skipped = skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def total(self):
        return self.passed + self.failed + self.skipped


def say(text):
    print(text, flush=True)


def environment():
    """The tests' environment: nothing of the make that started them."""
    drop = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
    env = {k: v for k, v in os.environ.items() if k not in drop}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


def run(command, seconds, **options):
    """Runs a command in a process group of its own; returns its exit status
    and output, and ends whatever it left running when it takes too long."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
        start_new_session=True, **options,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output or b""
    except BaseException as stop:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        if not isinstance(stop, subprocess.TimeoutExpired):
            raise
        note = f"\nended after {seconds} seconds\n".encode()
        return -9, (output or b"") + note


def cmocka_counts(output):
    """Sums what the groups of one cmocka program reported: the counts, and
    how many tests they say they ran."""

    def count(pattern):
        return sum(map(int, re.findall(pattern, output, re.M)))

    counts = Counts(
        count(r"^\[  PASSED  \] (?:\S.*: )?(\d+) test\(s\)\.$"),
        count(r"^ (\d+) FAILED TEST\(S\)$"),
        count(r"^ (\d+) SKIPPED TEST\(S\)$"),
    )
    return counts, count(r"^\[==========\] .*?(\d+) test\(s\) run\.$")


def run_program(program, whole, emulator=(), name=None):
    """Runs one cmocka program. whole: it counts as one check. emulator: the
    command that runs it; name: what it is called in the report."""
    start = time.monotonic()
    # Apart, for cmocka writes to both and only one of them is buffered.
    with tempfile.TemporaryFile() as errors:
        status, output = run(
            [*emulator, str(program)], PROGRAM_SECONDS,
            stdout=subprocess.PIPE, stderr=errors,
        )
        errors.seek(0)
        output = (output + b"\n" + errors.read()).decode(errors="replace")
    counts, ran = cmocka_counts(output)
    problem = ""
    if status != 0 and counts.failed == 0:
        problem = f"exit status {status}"
    elif counts.total() != ran:
        problem = f"{ran} tests run but {counts.total()} results"
    elif ran == 0:
        problem = "ran no test"
    if problem:
        counts.failed += 1
    if whole:
        good = counts.failed == 0
        counts = Counts(int(good), int(not good))
    if counts.failed:
        say(output.rstrip())
    say(
        f"  {name or program.name:<32} {counts.passed:>5} passed"
        f"{f', {counts.failed} failed' if counts.failed else ''}"
        f"{f', {counts.skipped} skipped' if counts.skipped else ''}"
        f"{f' ({problem})' if problem else ''}"
        f"  {time.monotonic() - start:.1f} s"
    )
    return counts


def configured(name):
    """What configure found, of build/config.mk."""
    text = (ROOT / "build" / "config.mk").read_text()
    return re.search(rf"^{name} :=[ ]?(.*)$", text, re.M)[1]


def programs(suite, tree):
    """The programs of a suite, by its sources: a program that was not built
    is a failure, not an absence."""
    prefix = PREFIXES.get(suite)
    if prefix is None:
        return []
    names = [p.stem for p in (ROOT / "tests" / suite).glob(f"{prefix}*.c")]
    if configured("WITH_SQLITE") == "no":
        names = [name for name in names if name != "fault_sqlite"]
    return [ROOT / "build" / tree / name for name in sorted(names)]


def run_programs(paths, whole, emulator=(), cpu=None):
    counts = Counts()
    for path in paths:
        if path.is_file():
            name = f"{path.name} ({cpu})" if cpu else path.name
            counts.add(run_program(path, whole, emulator, name))
        else:
            say(f"  {path.name} was not built")
            counts.add(Counts(failed=1))
    return counts


def run_replays():
    """Replays every fuzz target's corpus, mutated; one check each."""
    counts = Counts()
    for source in sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c")):
        start = time.monotonic()
        program = ROOT / "build" / "asan" / "tests" / source.stem
        corpus = f"tests/fuzz/corpus/{source.stem[len('fuzz_'):]}"
        mutations = str(MUTATIONS.get(source.stem, DEFAULT_MUTATIONS))
        status, raw = 1, b"was not built"
        if program.is_file():
            status, raw = run(
                [str(program), corpus, mutations], PROGRAM_SECONDS,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        output = raw.decode(errors="replace").rstrip()
        good = status == 0 and re.search(r"^[1-9]\d* inputs$", output, re.M)
        counts.add(Counts(int(bool(good)), int(not good)))
        say(
            f"  {program.name:<32} {output if good else 'failed: ' + output}"
            f"  {time.monotonic() - start:.1f} s"
        )
    return counts


def run_emulated():
    """The tests of kernels on each of the emulated CPUs."""
    counts = Counts()
    names = sorted(p.stem for p in (ROOT / "tests/unit").glob("test_kern*.c"))
    for cpu, which in ("max", names), ("cortex-a57", EMULATED_BASELINE):
        paths = [ROOT / "build" / "neon" / "tests" / name for name in which]
        emulator = [
            configured("QEMU_AARCH64"), "-cpu", cpu,
            "-E", "REMORA_SKIP_SCALAR=1",
        ]
        counts.add(run_programs(paths, False, emulator, cpu))
    return counts


def run_pytest(suite):
    """Runs a folder's pytest files and reads the result they wrote."""
    result = RESULTS / f"{suite}.xml"
    status, _ = run(
        [str(PYTHON), "-m", "pytest", "-q", f"tests/{suite}",
         f"--junit-xml={result}"],
        PYTEST_SECONDS,
    )
    counts = Counts()
    if result.is_file():
        for node in ElementTree.parse(result).getroot().iter("testsuite"):
            bad = int(node.get("failures")) + int(node.get("errors"))
            skipped = int(node.get("skipped"))
            good = int(node.get("tests")) - bad - skipped
            counts.add(Counts(good, bad, skipped))
    if status != 0 and counts.failed == 0:
        say(f"  pytest ended with exit status {status}")
        counts.failed += 1
    return counts


def run_suite(suite):
    counts = Counts()
    if suite == "asan":
        for name in PREFIXES:
            counts.add(run_programs(programs(name, "asan/tests"), True))
    elif suite == "fuzz":
        counts.add(run_replays())
    elif suite == "neon":
        counts.add(run_emulated())
    else:
        counts.add(run_programs(programs(suite, "tests"), False))
        if any((ROOT / "tests" / suite).glob("**/test_*.py")):
            counts.add(run_pytest(suite))
    if counts.passed + counts.failed == 0:
        say(f"  {suite} ran no test")
        counts.failed += 1
    return counts


def main(suites):
    if not suites:
        sys.exit(__doc__)
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    total = Counts()
    rows = []
    for suite in suites:
        say(f"== {suite}")
        start = time.monotonic()
        counts = run_suite(suite)
        total.add(counts)
        rows.append((suite, counts, time.monotonic() - start))
    say("")
    say(f"{'suite':<10} {'passed':>7} {'failed':>7} {'skipped':>8} {'time':>9}")
    for suite, counts, seconds in rows:
        say(
            f"{suite:<10} {counts.passed:>7} {counts.failed:>7} "
            f"{counts.skipped:>8} {seconds:>7.1f} s"
        )
    closing = f"{total.passed} passed, {total.failed} failed"
    if total.skipped:
        closing += f", {total.skipped} skipped"
    say("")
    say(closing)
    return 0 if total.failed == 0 else 1


if __name__ == "__main__":
    # Also when it is ended, what it started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
