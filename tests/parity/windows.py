"""The long texts of the parity of windows: which model reads each, and how far
its windows overlap. It must never import the reference: what is said here is
data.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).with_name("windows.npz")
LOG = " ".join(f"Line {i} of the log says that worker {i * 7 % 31} stopped, "
               "was started again and stopped." for i in range(60))
MIXED = " ".join(f"№{i}: Größe {i * i}, naïve 日本語 tokenization, "
                 "unbelievably hyphen-ated; 🙏 <b>x</b>\n" for i in range(30))


@dataclass
class Case:
    name: str
    model: str  # embed: all-MiniLM-L6-v2; classify: nli-deberta-v3-xsmall
    text: str
    stride: int
    max_tokens: int


CASES = [
    Case("embed", "embed", LOG, 0, 256),
    Case("embed-stride", "embed", LOG, 100, 256),
    Case("embed-mixed", "embed", MIXED, 31, 256),
    Case("classify", "classify", LOG, 0, 160),
    Case("classify-stride", "classify", MIXED, 50, 160),
]


def fixture():
    """By a case's name its vector, or its scores in the order of the labels;
    with "/tokens" how many tokens each window has."""
    return dict(np.load(FIXTURE))
