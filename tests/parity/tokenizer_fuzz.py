#!/usr/bin/env python3
"""Random tokenizers and random texts, without end: parts of tokenizer.json put
together in ways that nobody thought of, changed at random, on both sides. What
differs is made short and kept. It must never take a refusal for an answer: what
one side reads and the other does not is counted apart.

usage: tokenizer_fuzz.py [--seconds N] [--seed N] [--texts N] [--json]
           [--sanitize] DIR

  --json   changes the file itself too: values, names, types
  --sanitize  with the address and undefined sanitizers; to be started with
              LD_PRELOAD=$(cc -print-file-name=libasan.so) and
              ASAN_OPTIONS=detect_leaks=0
  DIR      where what differs is left: NAME.json, and NAME.txt with the text

The exit status is 0 only when nothing differed.
"""

import argparse
import copy
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_tokenizers as make  # noqa: E402
import tokenizer_parity as parity  # noqa: E402
from tokenizer_pair import CUTS, END, START, Batch, Library  # noqa: E402
from tokenizer_pair import Reference, Refused, Remora  # noqa: E402
from tokenizer_pair import differing, differs, minimise  # noqa: E402
from tokenizer_pair import panics_unheard, vocabulary  # noqa: E402
from tokenizer_texts import RandomTexts  # noqa: E402

ODD_VALUES = [None, True, False, 0, 1, -1, 3, 1 << 31, 1 << 32, 1e300, -0.5,
              "", "a", " ", "\u2581", "\u00e9", "\0", "[UNK]", [], {}, [None],
              "(", "a|", r"\p{", r"(?<=a+)b", r"\K", r"(a*)*b"]


class Parts:
    """What tokenizers are put together from."""

    def __init__(self):
        self.normalizers = [self.value(n) for _, n in make.normalizer_cases()]
        self.words = [self.value(w) for _, w in make.pre_tokenizer_cases()]
        self.models = [made for _, made, _, _ in make.model_cases()]
        self.models += [make.bytes_model(), make.marked_model()] * 6
        self.posts = [self.value(p) for _, p in make.post_processor_cases()]
        self.added = [tokens for _, tokens in make.added_cases()]
        self.decoders = [self.value(d) for _, d, _ in make.decoder_cases()]

    @staticmethod
    def value(component):
        return component if isinstance(component, dict) else \
            make.part(component)

    def choose(self, rng, pool, list_name):
        count = rng.choice((0, 1, 1, 1, 2, 2, 3))
        chosen = rng.sample(pool, count)
        if count == 0:
            return None
        return chosen[0] if count == 1 else {
            "type": "Sequence", list_name: chosen}

    def config(self, rng):
        parts = {"normalizer": self.choose(rng, self.normalizers,
                                           "normalizers"),
                 "pre_tokenizer": self.choose(rng, self.words,
                                              "pretokenizers")}
        if rng.random() < 0.3:
            parts["post_processor"] = rng.choice(self.posts)
        if rng.random() < 0.4:
            parts["added_tokens"] = rng.choice(self.added)
        if rng.random() < 0.5:
            parts["decoder"] = rng.choice(self.decoders)
        return make.config(rng.choice(self.models), **{
            name: value for name, value in parts.items() if value is not None})


def places(value, path=()):
    """Where values are in a JSON value; of long tables only some."""
    yield path
    if isinstance(value, dict):
        for key in list(value)[:40]:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i in range(min(len(value), 40)):
            yield from places(value[i], (*path, i))


def changed(config, rng):
    """A copy with a few values changed, gone or put elsewhere."""
    made = copy.deepcopy(config)
    for _ in range(rng.choice((1, 1, 2, 3))):
        path = rng.choice([p for p in places(made) if p])
        holder = made
        for key in path[:-1]:
            holder = holder[key]
        kind = rng.random()
        if kind < 0.2:
            del holder[path[-1]]
        elif kind < 0.3 and isinstance(holder, list):
            holder.insert(path[-1], copy.deepcopy(holder[path[-1]]))
        elif kind < 0.35 and isinstance(holder, dict):
            holder[rng.choice(("type", "extra", "add_prefix_space", "split",
                               "pattern"))] = rng.choice(ODD_VALUES)
        else:
            holder[path[-1]] = rng.choice(ODD_VALUES)
    return made


class Hunt:
    """The state of one run."""

    def __init__(self, options):
        self.options = options
        flags = ("-O1", "-g", "-fsanitize=address,undefined",
                 "-fno-sanitize-recover=all") if options.sanitize else ()
        name = "tokenizer-sanitized" if options.sanitize else "tokenizer"
        self.library = Library(name, *flags)
        self.cuts = Library(f"{name}-cuts", *CUTS, *flags)
        self.parts = Parts()
        self.counts = dict.fromkeys(
            ("tokenizers", "refused by both", "refused by Remora",
             "read by Remora alone", "texts", "differences"), 0)
        self.found = 0
        self.sentences = {}

    def keep(self, path, note, text=b""):
        """Leaves the file and the text for a person to look at."""
        self.counts["differences"] += 1
        self.found += 1
        if self.found <= 40:
            name = self.options.folder / f"difference-{self.found:03}"
            name.with_suffix(".json").write_text(Path(path).read_text())
            name.with_suffix(".txt").write_bytes(text)
            print(f"{name}: {note}", flush=True)

    def open_both(self, path):
        """Both sides' tokenizers; None where one refuses."""
        ours = reference = None
        refusal = ""
        try:
            ours = Remora(self.library, path)
        except Refused as error:
            refusal = str(error).removeprefix(f"{path}: ")
        with panics_unheard():
            try:
                reference = Reference(path)
            except BaseException as error:
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
        if ours is None and reference is None:
            self.counts["refused by both"] += 1
        elif ours is None:
            self.counts["refused by Remora"] += 1
            short = refusal.split(" (")[0]
            self.sentences[short] = self.sentences.get(short, 0) + 1
        elif reference is None:
            self.counts["read by Remora alone"] += 1
        return ours, reference

    def one(self, config, rng):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            self.counts["tokenizers"] += 1
            ours, reference = self.open_both(file.name)
            if ours is None or reference is None:
                return
            try:
                pieces = vocabulary(file.name)
            except (KeyError, TypeError, AttributeError, IndexError):
                pieces = ()
            batch = Batch(RandomTexts(rng.random(), pieces).texts(
                self.options.texts))
            self.compare(file.name, ours, reference, batch, 0, END)
            limit = rng.randrange(1, 12) + \
                reference.tokenizer.num_special_tokens_to_add(False)
            few = batch.part(range(0, len(batch), 4))
            self.compare(file.name, ours, reference, few, limit,
                         rng.choice((END, START)))
            self.compare(file.name, Remora(self.cuts, file.name), reference,
                         few, 0, END)
            self.compare_rest(file.name, ours, reference, few, rng)

    def compare_rest(self, path, ours, reference, batch, rng):
        """Pairs, windows and decoding."""
        row = parity.Row(parity.Case(path, path, "random"))
        parity.compare_windows(row, ours, reference, batch, rng, 10)
        parity.compare_decode(row, ours, reference, reference.encode(batch),
                              rng, 10)
        self.counts["texts"] += row.texts
        for data, note, _, got, expected in row.shown:
            self.keep(path, f"{data!r} {note}\n  ours  {str(got)[:400]}"
                      f"\n  other {str(expected)[:400]}", repr(data).encode())

    def compare(self, path, ours, reference, batch, limit, truncate):
        self.counts["texts"] += len(batch)
        bad = differing(ours.encode(batch, limit, truncate),
                        reference.encode(batch, limit, truncate))
        if not bad:
            return
        data = min((batch.data[i] for i in bad), key=len)
        short = minimise(data, lambda text: differs(
            ours, reference, text, limit, truncate))
        one = Batch([short])
        got = ours.encode(one, limit, truncate)
        self.keep(path, f"{short!r}" + (f" limit {limit} {truncate}"
                                        if limit else "")
                  + f"\n  ours  {str(got.of(0) or ours.message())[:400]}"
                  f"\n  other "
                  f"{str(reference.encode(one, limit, truncate).of(0))[:400]}",
                  short)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=int, default=120)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sanitize", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    hunt = Hunt(options)
    rng = random.Random(options.seed)
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        config = hunt.parts.config(rng)
        if options.json:
            config = changed(config, rng)
        hunt.one(config, rng)
    for sentence, count in sorted(hunt.sentences.items(),
                                  key=lambda item: -item[1])[:25]:
        print(f"{count:7} {sentence[:150]}")
    print(", ".join(f"{count} {name}" for name, count in hunt.counts.items()))
    return 1 if hunt.counts["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
