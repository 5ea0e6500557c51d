"""What the parity tests share: the fixture and the library on its model. It
must never compute a reference: that is in the files beside it.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from remora_ctypes import Remora  # noqa: E402


class Row:
    """One text of the fixture and what the reference made of it."""

    def __init__(self, line, vector):
        fields = json.loads(line)
        self.name = fields["name"]
        self.data = base64.b64decode(fields["bytes"], validate=True)
        self.ids = fields["ids"]
        self.offsets = fields["offsets"]
        self.truncated = fields["truncated"]
        self.vector = vector

    def text(self):
        """The text where it is UTF-8, else None."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return None


@pytest.fixture(scope="session")
def rows():
    lines = (HERE / "minilm_texts.jsonl").read_text().splitlines()
    vectors = np.load(HERE / "minilm_vectors.npy", allow_pickle=False)
    assert vectors.shape == (len(lines), 384)
    return [Row(line, vector) for line, vector in zip(lines, vectors)]


@pytest.fixture(scope="session")
def library(build, model_dir):
    remora = Remora(build / "libremora.so", model_dir)
    yield remora
    remora.close()
