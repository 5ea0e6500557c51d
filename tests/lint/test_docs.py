"""Parts of documents that programs print are as these print them."""

import subprocess
import sys

from sources import ROOT


def test_parts_are_as_printed():
    done = subprocess.run(
        [sys.executable, ROOT / "tests/docs/write_docs.py", "--check"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
