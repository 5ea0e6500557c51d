"""How the files of the repository look: formatted, small, finished, opened by
a paragraph that says what they are for, and silent about the machines they
were made on."""

import re
import subprocess

import pytest

from sources import ROOT, files, files_of, name

MEGABYTE = 1 << 20
# A folder has one of each of these; every other name is given once.
PER_FOLDER = {"README.md", "conftest.py", ".gitignore", "config"}
LONGEST_FUNCTION = 75

C_FILES = files_of(".c", ".h", ".inc")
HOUSE_STYLE = [
    path for path in files_of(".c", ".h")
    if not name(path).startswith("nginx-module/")
]


def is_script(path):
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def shell_scripts():
    found = files_of(".sh")
    for path in files():
        if path.suffix == "" and is_script(path):
            if b"sh" in path.read_bytes().split(b"\n", 1)[0]:
                found.append(path)
    return found


def texts():
    """Every file that people write by hand, with its text."""
    kinds = {".c", ".h", ".inc", ".map", ".py", ".sh", ".md", ".conf", ".txt",
             ".ini", ".sha256", ""}
    for path in files():
        if path.suffix not in kinds or path.name == "LICENSE":
            continue
        try:
            yield path, path.read_text()
        except UnicodeDecodeError:
            continue


def found(pattern):
    """file:line of every match in what people write."""
    regex = re.compile(pattern)
    return [
        f"{name(path)}:{number}: {line.strip()[:60]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if regex.search(line)
    ]


def test_file_names_are_unique():
    seen = {}
    for path in files():
        if path.name not in PER_FOLDER:
            seen.setdefault(path.name, []).append(name(path))
    assert [paths for paths in seen.values() if len(paths) > 1] == []


def test_files_are_small():
    large = [name(p) for p in files() if p.stat().st_size > 5 * MEGABYTE]
    assert large == []
    tests = sum(
        path.stat().st_size for path in files()
        if name(path).startswith("tests/")
    )
    assert tests <= 5 * MEGABYTE


def test_nothing_is_left_to_do():
    # The words are put together here so that this file does not hold them.
    words = ["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]
    assert found(r"\b(" + "|".join(words) + r")\b") == []


def test_no_path_of_a_machine():
    folders = ["wo" + "rk", "ho" + "me", "ro" + "ot", "t" + "mp"]
    pattern = r"(?<![\w.$}*-])/(" + "|".join(folders) + r")\b(?![-\w])"
    assert found(pattern) == []


def test_no_host_of_a_registry():
    hosts = ["py" + "pi.org", "python" + "hosted", "deb.de" + "bian",
             "registry." + "npm"]
    assert found("|".join(map(re.escape, hosts))) == []


def test_lines_end_cleanly():
    assert found(r"[ \t]+$|\r") == []
    assert [name(p) for p, t in texts() if t and not t.endswith("\n")] == []


@pytest.mark.parametrize("path", HOUSE_STYLE, ids=name)
def test_c_is_formatted(config, path):
    assert config["CLANG_FORMAT"], "no clang-format: ./configure --install-deps"
    run = subprocess.run(
        [config["CLANG_FORMAT"], "--dry-run", "-Werror", str(path)],
        cwd=ROOT, capture_output=True, text=True,
    )
    assert run.returncode == 0, run.stderr


def test_c_lines_fit():
    wide = [
        f"{name(path)}:{number}"
        for path in C_FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 80
    ]
    assert wide == []


def test_files_say_what_they_are_for():
    """The opening comment, at least two lines of it."""
    silent = []
    for path in C_FILES:
        comment = re.match(r"\s*/\*(.*?)\*/", path.read_text(), re.S)
        if not comment or len(comment.group(1).split()) < 8:
            silent.append(name(path))
    for path in files_of(".py"):
        text = re.sub(r"^#!.*\n", "", path.read_text())
        if not text.startswith('"""') or len(text.split()) < 8:
            silent.append(name(path))
    for path in shell_scripts() + [ROOT / "Makefile"]:
        if not re.match(r"(#!.*\n)?# \w.*\n# \w", path.read_text()):
            silent.append(name(path))
    assert silent == []


def test_functions_fit_a_screen():
    long = []
    for path in HOUSE_STYLE:
        start = None
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start is not None:
                if number - start > LONGEST_FUNCTION:
                    long.append(f"{name(path)}:{start} ({number - start})")
                start = None
    assert long == []


def test_shell_scripts_pass_shellcheck(config):
    assert config["SHELLCHECK"], "no shellcheck: ./configure --install-deps"
    scripts = shell_scripts()
    assert scripts
    run = subprocess.run(
        [config["SHELLCHECK"], *map(str, scripts)],
        cwd=ROOT, capture_output=True, text=True,
    )
    assert run.returncode == 0, run.stdout
