"""What the tests of the command share: a way to run it and a tiny model. It
must never let a run go on for ever.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import tiny_bert  # noqa: E402

SECONDS = 60

# What runs the tests in the background may ignore signals, and what ignores
# them hands that down: the command would leave them ignored, as it should.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


class Done:
    """What a run of the command left behind."""

    def __init__(self, code, out, err):
        self.code = code
        self.raw = out
        self.out = out.decode(errors="replace")
        self.err = err.decode(errors="replace")

    def rows(self):
        return [json.loads(line) for line in self.raw.splitlines()]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A tiny model's directory."""
    return tiny_bert.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def command(build):
    path = build / "remora"
    assert path.is_file(), "run make first"
    return path


@pytest.fixture(scope="session")
def remora(command):
    """Runs `remora ARGUMENTS` with bytes as its standard input."""
    def run(*arguments, stdin=b"", **options):
        options.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run(
            [command, *arguments], input=stdin, stderr=subprocess.PIPE,
            timeout=SECONDS, **options,
        )
        return Done(done.returncode, done.stdout or b"", done.stderr)

    return run
