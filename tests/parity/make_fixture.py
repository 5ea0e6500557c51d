"""Writes the parity fixture: minilm_texts.jsonl with the bytes, token ids and
byte offsets of every text, minilm_vectors.npy with the vectors, both from the
reference. It must never use Remora.

usage: make_fixture.py MODEL

MODEL is the all-MiniLM-L6-v2 directory. Runs in an environment with the
requirements-parity.txt beside it.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np

from fixture_texts import all_texts
from reference import Reference, decoded

HERE = Path(__file__).resolve().parent


def main(directory):
    reference = Reference(directory)
    named = all_texts()
    texts = [decoded(data) for _, data in named]
    vectors = np.stack([reference.vector(text) for text in texts])
    assert vectors.dtype == np.float32 and np.isfinite(vectors).all()
    cut = 0
    with open(HERE / "minilm_texts.jsonl", "w", encoding="ascii") as file:
        for (name, data), text in zip(named, texts):
            ids = reference.ids(text)
            whole, offsets = reference.whole(data)
            truncated = len(whole) > len(ids)
            # A cut text keeps its beginning and the token that ends it.
            assert ids[:-1] == whole[:len(ids) - 1] and ids[-1] == whole[-1]
            cut += truncated
            row = {
                "name": name,
                "bytes": base64.b64encode(data).decode("ascii"),
                "ids": ids,
                "offsets": offsets[:len(ids) - 1] + [[0, 0]],
                "truncated": truncated,
            }
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
    np.save(HERE / "minilm_vectors.npy", vectors)
    print(f"{len(texts)} texts, {cut} of them cut at {reference.limit} tokens")
    for size in (8, 32):
        print(
            f"the reference's own batches of {size} differ from its single "
            f"texts by up to {reference.shift(texts, vectors, size):.2e}"
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.dont_write_bytecode = True
    main(sys.argv[1])
