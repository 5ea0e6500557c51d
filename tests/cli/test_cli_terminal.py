"""What a person at a terminal sees: progress on standard error, and only there.
Must never be seen by a program that reads the output.
"""

import json
import os
import pty
import re
import select
import subprocess
import tempfile
import time

SECONDS = 60


def run_with_terminal(arguments, **options):
    """The exit code, standard output and what the terminal behind standard
    error got."""
    master, slave = pty.openpty()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            arguments, stderr=slave, stdout=out, **options
        )
        os.close(slave)
        try:
            seen = read_terminal(master)
            code = process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
            os.close(master)
        out.seek(0)
        return code, out.read(), seen


def read_terminal(master):
    """All that is written to a terminal until its last user is gone."""
    seen = b""
    end = time.monotonic() + SECONDS
    while select.select([master], [], [], max(end - time.monotonic(), 0))[0]:
        try:
            seen += os.read(master, 4096)
        except OSError:
            return seen.decode()
    raise AssertionError(f"no end after {SECONDS} seconds: {seen[-200:]}")


def test_progress_of_a_file(command, model_dir, tmp_path):
    path = tmp_path / "texts"
    path.write_text("a small fish rides on a large one\n" * 600)
    code, out, seen = run_with_terminal(
        [command, "embed", model_dir, "--input", path, "--threads", "1"],
        stdin=subprocess.DEVNULL,
    )
    assert code == 0
    assert len(out.splitlines()) == 600
    lines = re.findall(
        r"\r(\d+) texts, \d+ texts/s, (\d+)%, \d+:\d\d left\x1b\[K", seen
    )
    assert lines, seen
    assert [int(texts) for texts, _ in lines] == sorted(
        int(texts) for texts, _ in lines
    )
    assert all(
        abs(int(texts) / 6 - int(percent)) <= 1 for texts, percent in lines
    )
    assert re.search(
        r"\r\x1b\[K600 texts, 6,000 tokens in \d+\.\d s: \d+ texts/s\r\n$", seen
    ), seen


def test_progress_of_a_pipe_has_no_end(command, model_dir):
    reader, writer = os.pipe()
    text = b"a small fish rides on a large one\n" * 600
    feeder = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=writer)
    os.close(writer)
    feeder.stdin.write(text)
    feeder.stdin.close()
    with open(reader, "rb") as stdin:
        code, _, seen = run_with_terminal(
            [command, "embed", model_dir, "--threads", "1"], stdin=stdin
        )
    feeder.wait()
    assert code == 0
    assert re.search(r"\r\d+ texts, \d+ texts/s\x1b\[K", seen), seen
    assert "left" not in seen


def test_message_replaces_the_progress_line(command, model_dir, tmp_path):
    """The last text is bad, and read when others have been computed."""
    path = tmp_path / "texts"
    line = json.dumps({"t": "a small fish rides on a large one " * 40}) + "\n"
    path.write_text(line * 160 + "{}\n")
    code, out, seen = run_with_terminal(
        [command, "embed", model_dir, "--input", path, "--jsonl", "t",
         "--threads", "1"], stdin=subprocess.DEVNULL,
    )
    assert code == 1
    assert len(out.splitlines()) == 160
    assert re.search(r"texts/s, .* left\x1b\[K", seen)
    message = seen.split("\r\x1b[Kremora: ", 1)[1]
    assert message == (
        f'{path}: line 161: the object has no field "t"\r\n'
        "remora: 160 of 160 texts were longer than 256 tokens and were cut\r\n"
    )


def test_texts_typed_at_a_terminal(command, tiny):
    """Standard input is a terminal: a hint, answers at once, no progress."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [command, "embed", tiny], stdin=slave, stderr=slave,
        stdout=subprocess.PIPE,
    )
    os.close(slave)
    try:
        os.write(master, b"hello\n")
        assert select.select([process.stdout], [], [], SECONDS)[0]
        assert json.loads(process.stdout.readline())["tokens"] == 3
        os.write(master, b"\x04")
        seen = read_terminal(master)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(master)
    assert "remora: reading texts from the terminal, one a line; " \
        "Ctrl-D ends" in seen
    assert "texts/s" not in seen
