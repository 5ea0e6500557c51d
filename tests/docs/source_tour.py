#!/usr/bin/env python3
"""Prints the source tour of a folder: each file under it with what its first
paragraph says it is for. It must never describe a file in other words than
its own.

usage: source_tour.py FOLDER
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def purpose(path):
    """The first sentence of the paragraph that opens a file."""
    text = path.read_text()
    if path.suffix == ".py":
        found = re.search(r'"""(.*?)(?:\n\n|""")', text, re.DOTALL)
    else:
        found = re.search(r"/\*\s*\n?(.*?)\*/", text, re.DOTALL)
    if not found:
        sys.exit(f"{path} does not say what it is for")
    words = re.sub(r"\s*\n\s*\*?\s*", " ", " " + found[1]).strip(" *")
    words = re.sub(r"^\S+\.\w+ - ", "", words)
    sentence = re.split(r"(?<! al)\.(?: |$)", words)[0]
    return sentence.replace("|", "\\|")


def main():
    folder = ROOT / sys.argv[1]
    print("| file | what it is for |\n|---|---|")
    files = [path for path in folder.rglob("*")
             if path.is_file() and path.suffix in (".c", ".h", ".inc", ".py")]
    for path in sorted(files, key=lambda p: (p.parent != folder, str(p))):
        print(f"| `{path.relative_to(folder)}` | {purpose(path)} |")


if __name__ == "__main__":
    main()
