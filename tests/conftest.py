"""Fixtures that every Python test may use: where the tree, the build, the
configuration and the model are. It must never build or download anything:
make does, before the tests run.
"""

import os
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def build():
    """Where everything built is."""
    return ROOT / "build"


@pytest.fixture(scope="session")
def config():
    """The variables of build/config.mk, as a dict of strings."""
    values = {}
    for line in (ROOT / "build" / "config.mk").read_text().splitlines():
        name, found, value = line.partition(" :=")
        if found:
            values[name] = value.strip()
    return values


def model_folder(name):
    """The directory of a model that make brought into place."""
    models = os.environ.get("REMORA_MODELS") or ROOT / "build" / "models"
    path = Path(models) / name
    if not (path / "model.safetensors").is_file():
        pytest.fail(f"{path} is not there: run make models first.")
    return path.resolve()


@pytest.fixture(scope="session")
def model_dir():
    """The all-MiniLM-L6-v2 directory."""
    return model_folder("all-MiniLM-L6-v2")


@pytest.fixture(scope="session")
def nli_dir():
    """The nli-deberta-v3-xsmall directory."""
    return model_folder("nli-deberta-v3-xsmall")
