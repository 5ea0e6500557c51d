"""Writes words.npz: what the reference's pipeline, and its encoder of sparse
vectors, make of the texts of words.py. It must never use Remora.

usage: make_words.py [--check]

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
from sentence_transformers import SparseEncoder  # noqa: E402

import words  # noqa: E402

transformers.utils.logging.disable_progress_bar()

MOST_DIFFERENCE = 5e-6  # between two machines


def fills(folder):
    """The ids and scores of all masks, [masks, TOP_K] each, and for each text
    what the first word makes of the first mask."""
    pipeline = transformers.pipeline(
        "fill-mask", model=folder, tokenizer=folder, device="cpu",
        top_k=words.TOP_K, tokenizer_kwargs={"truncation": True})
    found = [pipeline(text) for text in words.MASKED]
    texts = [[one] if isinstance(one[0], dict) else one for one in found]
    for field, kind in (("token", np.uint32), ("score", np.float32)):
        yield field, np.array([[word[field] for word in mask]
                               for text in texts for mask in text], kind)
    for field in ("token_str", "sequence"):
        yield field, np.array([text[0][0][field] for text in texts])


def weights(folder):
    """[texts, words]"""
    model = SparseEncoder(folder, device="cpu", local_files_only=True)
    return np.concatenate([
        model.encode([text], convert_to_sparse_tensor=False,
                     show_progress_bar=False).numpy()
        for text in words.SPARSE])


def made():
    kept = {}
    for name in words.MODELS:
        with tempfile.TemporaryDirectory() as folder:
            words.write(Path(folder), name)
            for field, values in fills(folder):
                kept[f"fill/{name}/{field}"] = values
        with tempfile.TemporaryDirectory() as folder:
            words.write_sparse(Path(folder), name)
            kept[f"sparse/{name}"] = weights(folder)
    return kept


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kept = made()
    if not arguments.check:
        np.savez_compressed(Path(__file__).with_name("words.npz"), **kept)
        return
    there = words.fixture()
    assert there.keys() == kept.keys()
    for name, values in kept.items():
        if values.dtype == np.float32:
            assert np.abs(there[name] - values).max() < MOST_DIFFERENCE, name
        else:
            assert np.array_equal(there[name], values), name


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
