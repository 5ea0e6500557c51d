#!/usr/bin/env python3
"""Puts what programs print between the marks of the documents:

    <!-- begin COMMAND: written by make docs -->
    ...
    <!-- end COMMAND -->

where the first word of COMMAND is a program in build/tests, or a script beside
this one, that prints it. With --check it writes nothing, and fails
when a document is not as it would be. It must never touch what is outside of
marks.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ["common/README.md", "tokenizer/README.md"]
PART = re.compile(r"(<!-- begin ([\w ]+): written by make docs -->\n)"
                  r".*?(<!-- end \2 -->\n)", re.DOTALL)


def output(command):
    name, *arguments = command.split()
    script = Path(__file__).with_name(name + ".py")
    program = [sys.executable, script] if script.exists() else \
        [ROOT / "build" / "tests" / name]
    return subprocess.run([*program, *arguments], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def written(text):
    """The document with every part as its command prints it."""
    return PART.sub(lambda part: part[1] + output(part[2]) + part[3], text)


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
