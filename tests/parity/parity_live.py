"""Compares Remora with the reference on thousands of random texts: token ids,
byte offsets and cuts must be equal, vectors within 2e-6 of one another. It must
never end well when it compared nothing.

usage: parity_live.py [--texts N] [--seed N] LIBRARY MODEL

LIBRARY is build/libremora.so, MODEL the all-MiniLM-L6-v2 directory. Runs in an
environment with the requirements-parity.txt beside it. The exit status is 0
only when nothing differs.
"""

import argparse
import sys

sys.dont_write_bytecode = True

import numpy as np

from random_texts import Maker
from reference import Reference, decoded
from remora_ctypes import Remora

LIMIT = 2e-6
SHOWN = 10


def expected_tokens(reference, data):
    """Ids, offsets and cut, as rmr_tokenize would give them."""
    whole, offsets = reference.whole(data)
    cut = len(whole) > reference.limit
    if cut:
        kept = reference.limit - 1
        whole = whole[:kept] + whole[-1:]
        offsets = offsets[:kept] + [[0, 0]]
    assert whole == reference.ids(decoded(data))
    return whole, offsets, cut


def compare(reference, remora, texts):
    """How many texts differ in tokens and in vectors, and the worst delta."""
    bad_tokens = bad_vectors = 0
    worst = 0.0
    for i, data in enumerate(texts):
        if remora.tokenize(data) != expected_tokens(reference, data):
            bad_tokens += 1
            if bad_tokens <= SHOWN:
                print(f"tokens of text {i} differ: {data[:80]!r}")
        [vector], _, _ = remora.embed([data])
        delta = float(np.abs(vector - reference.vector(decoded(data))).max())
        worst = max(worst, delta)
        if not delta <= LIMIT:
            bad_vectors += 1
            if bad_vectors <= SHOWN:
                print(f"vectors of text {i} differ by {delta:.2e}: "
                      f"{data[:80]!r}")
        if (i + 1) % 500 == 0:
            print(f"{i + 1} texts, worst delta {worst:.2e}", flush=True)
    return bad_tokens, bad_vectors, worst


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("library")
    parser.add_argument("model")
    args = parser.parse_args()
    if args.texts < 1:
        parser.error("--texts must be at least 1")
    maker = Maker(args.seed)
    texts = [maker.text() for _ in range(args.texts)]
    reference = Reference(args.model, threads=1)
    remora = Remora(args.library, args.model)
    bad_tokens, bad_vectors, worst = compare(reference, remora, texts)
    together, _, _ = remora.embed(texts[:256])
    alone = np.concatenate([remora.embed([data])[0] for data in texts[:256]])
    same = together.tobytes() == alone.tobytes()
    remora.close()
    print(
        f"{len(texts)} texts of seed {args.seed}: {bad_tokens} with other "
        f"tokens, {bad_vectors} with vectors further than {LIMIT:.0e} away, "
        f"worst delta {worst:.2e}; in one job "
        f"{'the same bits' if same else 'OTHER BITS'}"
    )
    return int(bad_tokens + bad_vectors > 0 or not same)


if __name__ == "__main__":
    sys.exit(main())
