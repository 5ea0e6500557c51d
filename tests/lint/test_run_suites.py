"""The runner counts what happened: programs that crash, hang, fail or run
nothing must never count as passed."""

import importlib.util
import subprocess
import sys

import pytest

from sources import ROOT

# One passed, one failed, one skipped, one whose setup failed.
CMOCKA = """[==========] Running 4 test(s).
[ RUN      ] a
[       OK ] a
[ RUN      ] b
[  FAILED  ] b
[ RUN      ] c
[  SKIPPED ] c
[ RUN      ] d
[==========] 4 test(s) run.
[  ERROR   ] d
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] c

 1 SKIPPED TEST(S)
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] b

 2 FAILED TEST(S)
"""
PASSED = """[==========] t: Running 2 test(s).
[==========] t: 2 test(s) run.
[  PASSED  ] 2 test(s).
"""
NO_SETUP = """[==========] Running 4 test(s).
[  FAILED  ] GROUP SETUP
[  ERROR   ] t
[==========] 0 test(s) run.
[  PASSED  ] 0 test(s).
"""


@pytest.fixture
def runner():
    spec = importlib.util.spec_from_file_location(
        "run_suites", ROOT / "tests" / "run_suites.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(tmp_path, output, end):
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}END\n{end}\n")
    path.chmod(0o755)
    return path


def counted(runner, path, whole=False):
    counts = runner.run_program(path, whole)
    return counts.passed, counts.failed, counts.skipped


def test_results_of_a_group(runner):
    counts, ran = runner.cmocka_counts(CMOCKA)
    assert (counts.passed, counts.failed, counts.skipped) == (1, 2, 1)
    assert ran == 4


def test_results_of_two_groups(runner):
    counts, ran = runner.cmocka_counts(PASSED + CMOCKA)
    assert (counts.passed, counts.failed, counts.skipped) == (3, 2, 1)
    assert ran == 6


@pytest.mark.parametrize(
    "output, end, expected",
    [
        (PASSED, "exit 0", (2, 0, 0)),
        (PASSED, "exit 1", (2, 1, 0)),
        (PASSED, "kill -SEGV $$", (2, 1, 0)),
        (CMOCKA, "exit 1", (1, 2, 1)),
        (NO_SETUP, "exit 1", (0, 1, 0)),
        (NO_SETUP, "exit 0", (0, 1, 0)),
        ("", "exit 0", (0, 1, 0)),
        ("[==========] t: Running 2 test(s).\n", "kill -ABRT $$", (0, 1, 0)),
        (PASSED.replace("2 test(s) run", "3 test(s) run"), "exit 0",
         (2, 1, 0)),
    ],
)
def test_one_program(runner, tmp_path, output, end, expected):
    assert counted(runner, program(tmp_path, output, end)) == expected


def test_a_program_that_hangs_is_ended(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "PROGRAM_SECONDS", 0.5)
    assert counted(runner, program(tmp_path, "", "sleep 60")) == (0, 1, 0)


def test_a_whole_program_is_one_check(runner, tmp_path):
    assert counted(runner, program(tmp_path, PASSED, "exit 0"), True) == (
        1, 0, 0
    )
    assert counted(runner, program(tmp_path, PASSED, "exit 1"), True) == (
        0, 1, 0
    )


def tree(tmp_path, **folders):
    """A repository with only the runner and the given test files."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "run_suites.py").write_bytes(
        (ROOT / "tests" / "run_suites.py").read_bytes()
    )
    (tmp_path / "build" / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "build" / "config.mk").write_text("WITH_SQLITE := no\n")
    wrapper = tmp_path / "build" / "venv" / "bin" / "python"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    for name, text in folders.items():
        (tests / name).mkdir()
        if text is not None:
            (tests / name / f"test_{name}.py").write_text(text)
    return tests / "run_suites.py"


def run_tree(script, *suites):
    run = subprocess.run(
        [sys.executable, str(script), *suites], capture_output=True, text=True
    )
    return run.returncode, run.stdout.splitlines()[-1]


def test_closing_line(tmp_path):
    text = (
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): pass\n"
        "def test_c(): pytest.skip('no')\n"
    )
    script = tree(tmp_path, cli=text, nginx="def test_d(): pass\n")
    assert run_tree(script, "cli", "nginx") == (
        0, "3 passed, 0 failed, 1 skipped"
    )


def test_failures_and_errors_are_counted(tmp_path):
    text = (
        "import pytest\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_a(broken): pass\n"
        "def test_b(): assert 0\n"
        "def test_c(): pass\n"
    )
    assert run_tree(tree(tmp_path, cli=text), "cli") == (
        1, "1 passed, 2 failed"
    )


@pytest.mark.parametrize(
    "text",
    [None, "", "import nothing_of_this_name\n", "import os\nos._exit(0)\n",
     "import pytest\ndef test_a(): pytest.skip('no')\n"],
)
def test_a_suite_that_ran_nothing_fails(tmp_path, text):
    status, closing = run_tree(tree(tmp_path, cli=text), "cli")
    assert status == 1
    assert closing.startswith("0 passed, 1 failed")


def test_a_program_that_was_not_built_fails(tmp_path):
    script = tree(tmp_path, unit=None)
    (tmp_path / "tests" / "unit" / "test_json.c").write_text("")
    assert run_tree(script, "unit") == (1, "0 passed, 1 failed")
    assert run_tree(script, "asan") == (1, "0 passed, 1 failed")


def test_a_program_that_configure_left_out_is_not_missed(tmp_path):
    script = tree(tmp_path, fault="def test_a(): pass\n")
    (tmp_path / "tests" / "fault" / "fault_sqlite.c").write_text("")
    assert run_tree(script, "fault") == (0, "1 passed, 0 failed")


def test_an_unknown_suite_fails(tmp_path):
    assert run_tree(tree(tmp_path), "nonsense") == (1, "0 passed, 1 failed")
