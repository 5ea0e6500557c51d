"""`remora embed` and `remora tokenize` as streams: bounded memory, answers as
they come, signals, and outputs that break. Must never rely on how fast the
machine is, beyond limits that only a hang reaches.
"""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import time

import numpy as np
import pytest

SECONDS = 60


@contextlib.contextmanager
def started(arguments, **options):
    """A process that is gone afterwards, with pipes unless options differ."""
    for stream in ("stdin", "stdout", "stderr"):
        options.setdefault(stream, subprocess.PIPE)
    process = subprocess.Popen(arguments, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def endless_lines():
    """A pipe with empty lines that never ends."""
    with open("/dev/zero", "rb") as zero, started(
        ["tr", "\\0", "\\n"], stdin=zero, stderr=None
    ) as lines:
        yield lines.stdout


def read_line(process):
    """One line of a process's standard output, or a failure."""
    line = b""
    end = time.monotonic() + SECONDS
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        assert left > 0 and select.select([process.stdout], [], [], left)[0]
        byte = os.read(process.stdout.fileno(), 1)
        assert byte, "the output ended"
        line += byte
    return line


def wait_usage(process):
    """Waits for a process; its exit status and greatest resident size, KiB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss


def peak_memory(command, tiny, lines, out):
    """The greatest resident size, in KiB, of embedding so many lines."""
    with started([command, "embed", tiny, "--threads", "2", "--format", "npy",
                  "--output", out]) as process:
        for first in range(0, lines, 1000):
            process.stdin.write(b"".join(
                b"line number %d\n" % i for i in range(first, first + 1000)
            ))
        process.stdin.close()
        code, peak = wait_usage(process)
    assert code == 0
    assert np.load(out, mmap_mode="r").shape == (lines, 16)
    return peak


def test_memory_is_bounded(command, tiny, tmp_path):
    """Ten times the lines need no more memory."""
    few = peak_memory(command, tiny, 20000, tmp_path / "few")
    many = peak_memory(command, tiny, 200000, tmp_path / "many")
    assert many < few + 8 * 1024, (few, many)


def test_long_lines_in_bounded_memory(command, tiny):
    """1 GiB in lines of 5 MiB passes through far less memory."""
    line = b" " * (5 << 20) + b"\n"
    with started([command, "embed", tiny, "--threads", "4"]) as process:
        for _ in range(200):
            process.stdin.write(line)
        process.stdin.close()
        rows = process.stdout.read().splitlines()
        code, peak = wait_usage(process)
    assert code == 0
    assert len(rows) == 200 and len(set(rows)) == 1
    assert peak < 300 * 1024, peak


@pytest.mark.parametrize("name", ["embed", "tokenize"])
def test_a_text_is_answered_before_the_next_one_comes(command, tiny, name):
    with started([command, name, tiny]) as process:
        for text in (b"hello\n", b"fish river\n", b"\n", b"a\nb\n"):
            process.stdin.write(text)
            process.stdin.flush()
            for _ in range(text.count(b"\n")):
                json.loads(read_line(process))
        process.stdin.write(b"no line end")
        process.stdin.close()
        json.loads(read_line(process))
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("name", ["embed", "tokenize"])
def test_half_a_line_is_not_a_text_yet(command, tiny, name):
    with started([command, name, tiny]) as process:
        process.stdin.write(b"fi")
        process.stdin.flush()
        assert select.select([process.stdout], [], [], 0.3)[0] == []
        process.stdin.write(b"sh\n")
        process.stdin.flush()
        json.loads(read_line(process))
        out, _ = process.communicate(timeout=SECONDS)
        assert (process.returncode, out) == (0, b"")


@pytest.mark.parametrize("name", ["embed", "tokenize"])
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
)
def test_signal_while_waiting_for_input(command, tiny, name, number):
    with started([command, name, tiny]) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        read_line(process)
        process.send_signal(number)
        assert process.wait(SECONDS) == -number
        assert process.stdout.read() == b""
        if name == "embed":
            assert process.stderr.read() == (
                b"remora: interrupted after 1 texts\n"
            )


def test_signal_while_working_leaves_whole_rows(command, tiny, tmp_path):
    """An endless input, stopped once rows have arrived."""
    out = tmp_path / "out"
    with open(out, "wb") as file, endless_lines() as lines, started(
        [command, "embed", tiny, "--threads", "2"], stdin=lines, stdout=file
    ) as process:
        end = time.monotonic() + SECONDS
        while out.stat().st_size < 1 << 20 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == -signal.SIGINT
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert len(rows) > 100
    assert err.decode() == f"remora: interrupted after {len(rows)} texts\n"


def test_signal_leaves_no_file(command, tiny, tmp_path):
    with started(
        [command, "embed", tiny, "--output", tmp_path / "out"]
    ) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        end = time.monotonic() + SECONDS
        while not os.listdir(tmp_path) and time.monotonic() < end:
            time.sleep(0.01)
        [name] = os.listdir(tmp_path)
        assert name.startswith("out.")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == -signal.SIGINT
    assert os.listdir(tmp_path) == []


def test_signal_while_the_reader_sleeps(command, tiny):
    """The pipe is full and nobody reads: it stops all the same."""
    with endless_lines() as lines, started(
        [command, "embed", tiny], stdin=lines
    ) as process:
        read_line(process)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == -signal.SIGINT


def test_ignored_signal_stays_ignored(command, tiny):
    with started(
        [command, "embed", tiny],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        read_line(process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(b"world\n", timeout=SECONDS)
    assert process.returncode == 0
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("name", ["embed", "tokenize"])
def test_reader_goes_away(command, tiny, name):
    with endless_lines() as lines, started(
        [command, name, tiny], stdin=lines
    ) as process:
        read_line(process)
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(SECONDS) == 1
    assert err == b"remora: cannot write to standard output: Broken pipe\n"


FULL = "remora: cannot write to {}: No space left on device\n"


@pytest.mark.parametrize(
    "arguments", [["embed"], ["tokenize"], ["chunk"], ["inspect"],
                  ["inspect", "--json"],
                  ["bench", "--seconds", "0.1"],
                  ["bench", "--print-texts", "short"]]
)
def test_disk_is_full(remora, tiny, arguments):
    with open("/dev/full", "wb") as full:
        done = remora(*arguments, tiny, stdin=b"a\n", stdout=full)
    assert done.code == 1
    assert done.err == FULL.format("standard output")


def test_disk_is_full_by_name(remora, tiny):
    done = remora("embed", tiny, "--output", "/dev/full", stdin=b"a\n" * 5000)
    assert done.code == 1
    assert done.err == FULL.format("/dev/full")


@pytest.mark.parametrize("form", ["jsonl", "npy"])
def test_file_too_large(remora, tiny, tmp_path, form):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))

    done = remora("embed", tiny, "--format", form, "--output",
                  tmp_path / "out", stdin=b"a\n" * 5000, preexec_fn=limit)
    assert done.code == 1
    assert done.err == (
        f"remora: cannot write to {tmp_path / 'out'}: File too large\n"
    )
    assert os.listdir(tmp_path) == []


def test_closed_standard_output(command, tiny):
    done = subprocess.run(
        ["/bin/sh", "-c", 'echo a | "$0" embed "$1" >&-', command, tiny],
        capture_output=True, timeout=SECONDS,
    )
    assert done.returncode == 1
    assert b"cannot write to standard output: Bad file descriptor" in \
        done.stderr


def test_closed_standard_input(command, tiny):
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" embed "$1" <&-', command, tiny],
        capture_output=True, timeout=SECONDS,
    )
    assert done.returncode == 1
    assert b"cannot read standard input: Bad file descriptor" in done.stderr


def test_output_that_does_not_block(command, tiny):
    """A descriptor that somebody else made non-blocking loses nothing."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with started([command, "embed", tiny], stdout=writer) as process:
        os.close(writer)
        process.stdin.write(b"line number\n" * 2000)
        process.stdin.close()
        time.sleep(0.3)
        with open(reader, "rb") as file:
            rows = file.read().splitlines()
        assert process.wait(SECONDS) == 0
    assert len(rows) == 2000 and len(set(rows)) == 1
