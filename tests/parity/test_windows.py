"""Long texts in windows beside what the reference makes of the same windows, on
real models: the mean of its vectors, the largest of its scores. It must never
accept the result of a text that was cut.
"""

import json
import subprocess

import numpy as np
import pytest

import windows

CASES = {case.name: case for case in windows.CASES}
BOUND = {"embed": 2e-6, "classify": 2e-5}


@pytest.fixture(scope="module")
def row(build, model_dir, nli_dir):
    """What the command writes of a case's text."""
    folders = {"embed": model_dir, "classify": nli_dir}

    def get(case, *options):
        done = subprocess.run(
            [build / "remora", case.model, folders[case.model], "--jsonl",
             "text", *options],
            input=json.dumps({"text": case.text}).encode(),
            capture_output=True, check=True)
        return json.loads(done.stdout)

    return get


def values(case, row):
    if case.model == "embed":
        return np.array(row["embedding"])
    scores = dict(zip(row["labels"], row["scores"]))
    return np.array([scores["not_entailment"], scores["entailment"]])


def test_fixture_is_of_the_cases():
    assert set(windows.fixture()) == {
        *CASES, *(name + "/tokens" for name in CASES)}


@pytest.mark.parametrize("name", CASES)
def test_windows_are_the_reference_s(row, name):
    case, wanted = CASES[name], windows.fixture()[name]
    found = row(case, "--windows", "--stride", str(case.stride))
    assert found["tokens"] == windows.fixture()[name + "/tokens"].sum()
    assert found["truncated"] is False
    apart = np.abs(values(case, found) - wanted).max()
    assert apart <= BOUND[case.model], apart
    cut = row(case)
    assert cut["truncated"] is True
    assert np.abs(values(case, cut) - wanted).max() > 1e-3
