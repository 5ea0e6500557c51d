"""Parts of documents that programs print are as these print them."""

import re
import subprocess
import sys

from sources import ROOT


def test_parts_are_as_printed():
    done = subprocess.run(
        [sys.executable, ROOT / "tests/docs/write_docs.py", "--check"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_options_of_architectures_are_read():
    """No field is promised that no file of common/model looks up."""
    text = (ROOT / "common/README.md").read_text()
    table = text.split("<!-- begin supported_architectures")[1] \
        .split("<!-- end supported_architectures")[0]
    options = [row.split("|")[3] for row in table.splitlines()
               if row.startswith("| `")]
    fields = set(re.findall(r"`(\w+)`", " ".join(options)))
    kinds = {row.split("`")[1] for row in table.splitlines()
             if row.startswith("| `")}
    sources = "".join(path.read_text()
                      for path in (ROOT / "common/model").glob("*.c"))
    assert len(fields) > 40
    assert [f for f in fields - kinds if f'"{f}"' not in sources] == []
