#!/usr/bin/env python3
"""Puts what programs print between the marks of the documents:

    <!-- begin NAME: written by make docs -->
    ...
    <!-- end NAME -->

where build/tests/NAME prints it. With --check it writes nothing, and fails
when a document is not as it would be. It must never touch what is outside of
marks.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ["tokenizer/README.md"]
PART = re.compile(r"(<!-- begin (\w+): written by make docs -->\n)"
                  r".*?(<!-- end \2 -->\n)", re.DOTALL)


def written(text):
    """The document with every part as its program prints it."""
    def fill(match):
        program = ROOT / "build" / "tests" / match[2]
        out = subprocess.run([program], check=True, capture_output=True,
                             text=True).stdout
        return match[1] + out + match[3]
    return PART.sub(fill, text)


def main():
    stale = []
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text()
        if not PART.search(text):
            sys.exit(f"{name} has no part to write")
        if written(text) != text:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                path.write_text(written(text))
    if "--check" in sys.argv[1:] and stale:
        sys.exit(f"make docs would change {', '.join(stale)}")


if __name__ == "__main__":
    main()
