"""What a person at a terminal sees: progress on standard error, and only there.
Must never be seen by a program that reads the output.
"""

import json
import os
import pty
import re
import subprocess

SECONDS = 60


def run_with_terminal(arguments, **options):
    """The exit code, standard output and what the terminal behind standard
    error got."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        arguments, stderr=slave, stdout=subprocess.PIPE, **options
    )
    os.close(slave)
    seen = b""
    try:
        while part := os.read(master, 4096):
            seen += part
    except OSError:  # the terminal has no user any more
        pass
    os.close(master)
    out = process.stdout.read()
    process.stdout.close()
    return process.wait(SECONDS), out, seen.decode()


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
    path = tmp_path / "texts"
    line = json.dumps({"t": "a small fish rides on a large one"}) + "\n"
    path.write_text(line * 600 + "{}\n")
    code, _, seen = run_with_terminal(
        [command, "embed", model_dir, "--input", path, "--jsonl", "t",
         "--threads", "1"], stdin=subprocess.DEVNULL,
    )
    assert code == 1
    assert "\r\x1b[Kremora: " in seen
    assert "texts/s\r\n" not in seen


def test_texts_typed_at_a_terminal(command, tiny):
    """Standard input is a terminal: a hint, answers at once, no progress."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [command, "embed", tiny], stdin=slave, stderr=slave,
        stdout=subprocess.PIPE,
    )
    os.close(slave)
    os.write(master, b"hello\n")
    assert json.loads(process.stdout.readline())["tokens"] == 3
    os.write(master, b"\x04")
    assert process.wait(SECONDS) == 0
    seen = os.read(master, 4096).decode()
    os.close(master)
    process.stdout.close()
    assert "remora: reading texts from the terminal, one a line; " \
        "Ctrl-D ends" in seen
    assert "texts/s" not in seen
