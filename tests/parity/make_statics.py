"""Writes statics.npz: what the references make of the texts of statics.py, case
by case: sentence-transformers of its StaticEmbedding; of model2vec's
directories numpy, by model2vec's rules, over what the reference's tokenizer
gives. It must never use Remora.

usage: make_statics.py [--check]

  --check   write nothing: compare with the fixture that is there

Runs in an environment with the requirements-parity.txt beside it.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

import statics  # noqa: E402


def by_rules(folder, case):
    """A text is cut to as many characters as the longest list of tokens has of
    median length; to so many tokens; unknown ones go; the rows of the others,
    times their weights, have a mean; that is of unit length on request."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    limit = case.model2vec.get("max_length", 512)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.token_to_id)
    median = int(np.median([len(word) for word in vocabulary]))
    if limit:
        tokenizer.enable_truncation(limit)
    tensors = statics.made(case)
    vectors = []
    for text in statics.texts():
        text = text[:limit * median] if limit else text
        ids = [i for i in tokenizer.encode(text, add_special_tokens=False).ids
               if i != statics.UNKNOWN]
        mapping = tensors.get("mapping", np.arange(statics.VOCAB))
        found = tensors["table"][mapping[ids].astype(int)].astype(np.float64)
        if "weights" in tensors:
            found = found * tensors["weights"][ids][:, None]
        mean = found.mean(axis=0) if ids else np.zeros(statics.SIZE)
        if case.model2vec.get("normalize"):
            mean = mean / (np.linalg.norm(mean) + 1e-32)
        vectors.append(mean)
    return np.stack(vectors)


def made(case):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        statics.write(folder, case)
        if case.model2vec or not case.modules:
            return by_rules(folder, case).astype(np.float32)
        model = SentenceTransformer(name, device="cpu", local_files_only=True)
        return model.encode(statics.texts(), show_progress_bar=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    there = statics.fixture() if arguments.check else None
    kept = {}
    for case in statics.CASES:
        found = kept[case.name] = made(case)
        assert found.dtype == np.float32 and np.isfinite(found).all()
        assert np.unique(found, axis=0).shape[0] >= 7, case.name
        if there:
            assert np.abs(found - there[case.name]).max() < 1e-6, case.name
        print(f"{case.name:20} {found.shape}", flush=True)
    if not there:
        np.savez_compressed(Path(__file__).with_name("statics.npz"), **kept)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
