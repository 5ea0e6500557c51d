"""Writes sentences.npz: what sentence-transformers makes of the texts of
sentences.py, case by case. It must never use Remora.

usage: make_sentences.py [--check]

  --check   write nothing: compare with the fixture that is there

Runs in an environment with the requirements-parity.txt beside it: float32 on
the CPU, one text at a time, so that no padding takes part.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

import sentences  # noqa: E402

transformers.utils.logging.disable_progress_bar()

MOST_DIFFERENCE = 5e-6  # between two machines, of the largest value


def opened(folder, case, encoder):
    sentences.write(Path(folder), case, encoder)
    return SentenceTransformer(folder, device="cpu", local_files_only=True)


def tokens_made(case, encoder):
    """float32 [tokens, hidden_size] of its first texts."""
    with tempfile.TemporaryDirectory() as folder:
        model = opened(folder, case, encoder)
        return np.concatenate([
            model.encode([text], output_value="token_embeddings",
                         show_progress_bar=False)[0].numpy()
            for text in sentences.TEXTS[:sentences.TEXTS_OF_TOKENS]])


def made(case, encoder):
    """float32 [texts, components] of a case."""
    with tempfile.TemporaryDirectory() as folder:
        model = opened(folder, case, encoder)
        vectors = [
            model.encode([text], show_progress_bar=False, **case.options)[0]
            for text in sentences.TEXTS
        ]
    return np.stack(vectors).astype(np.float32)


def check(name, found, there):
    assert np.isfinite(found).all(), name
    apart = np.abs(found[:, None] - found[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 1e-4, f"{name}: texts that are not told apart"
    if there is not None:
        scale = np.abs(there).max()
        assert np.abs(found - there).max() < MOST_DIFFERENCE * scale, name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder = sentences.encoder()
    there = sentences.fixture() if arguments.check else {}
    kept = {}
    for case in sentences.CASES:
        kept[case.name] = made(case, encoder)
        check(case.name, kept[case.name], there.get(case.name))
        print(f"{case.name:32} {kept[case.name].shape}", flush=True)
        if case.name in sentences.OF_TOKENS:
            name = f"tokens/{case.name}"
            kept[name] = tokens_made(case, encoder)
            if arguments.check:
                assert np.abs(there[name] - kept[name]).max() \
                    < MOST_DIFFERENCE * np.abs(kept[name]).max(), name
    if arguments.check:
        assert there.keys() == kept.keys()
    else:
        np.savez_compressed(Path(__file__).with_name("sentences.npz"), **kept)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
