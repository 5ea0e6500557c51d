"""What the lint tests share: which files there are. It must see the files a
commit would hold and nothing that was built."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _walk():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders
            if name not in (".git", "__pycache__")
            and Path(folder, name) != ROOT / "build"
        ]
        for name in names:
            yield Path(folder, name)


def files():
    """Every file of the repository, as sorted paths."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True,
        ).stdout.decode().split("\0")
        found = {ROOT / name for name in listed if name}
    except (OSError, subprocess.CalledProcessError):
        found = set(_walk())  # no git here: a fresh clone has nothing else
    return sorted(path for path in found if path.is_file())


def files_of(*suffixes):
    return [path for path in files() if path.suffix in suffixes]


def name(path):
    """How a path is called in a test's identity and messages."""
    return str(path.relative_to(ROOT))
