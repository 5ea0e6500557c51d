"""Documents whose parts are printed by programs are up to date, and files that
they name are there."""

import re
import subprocess
import sys

import pytest

from sources import ROOT


def test_parts_are_as_printed():
    done = subprocess.run(
        [sys.executable, ROOT / "tests/docs/write_docs.py", "--check"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("readme", ["tokenizer/README.md"])
def test_source_tour_names_every_file(readme):
    path = ROOT / readme
    tour = path.read_text().split("## Source tour")[1].split("\n## ")[0]
    named = set(re.findall(r"`([\w./]+)`", tour))
    have = {str(file.relative_to(path.parent))
            for file in path.parent.rglob("*") if file.is_file()}
    have -= {"README.md"}
    assert named - have == set(), "named, and not there"
    assert have - named == set(), "there, and not named"
