"""Remora's tokenizer and the reference's, side by side on the same batches of
texts: ids, type ids and byte offsets as arrays. It must never make either
side's answer look like the other's: a refusal, a failure or a panic is told as
what it is.
"""

import contextlib
import ctypes
import itertools
import json
import os
import subprocess
import sys
from ctypes import byref, c_char_p, c_int, c_int64, c_size_t, c_uint32
from ctypes import c_uint64, c_void_p
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
import tokenizers  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = "0.23.3"
SOURCES = ["tokenizer/*.c", "tokenizer/*/*.c", "common/base/alloc.c",
           "common/base/error.c", "common/base/file.c", "common/base/json.c",
           "tests/parity/tokenizer_shim.c"]
PACKAGES = ["jansson", "libpcre2-8"]
END, START = 0, 1
ADDED = 2  # a token of neither text
STRATEGIES = ["longest_first", "only_first", "only_second"]
# Windows so small that every text is cut wherever that is thought to be safe.
CUTS = ("-DRMR_TOKENIZER_FIRST_WINDOW=4", "-DRMR_TOKENIZER_LAST_WINDOW=16")
TOKEN = np.dtype([("id", "<u4"), ("type_id", "<u4"),
                  ("start", "<u8"), ("end", "<u8")])

if tokenizers.__version__ != REFERENCE:
    raise SystemExit(
        f"needs tokenizers {REFERENCE}, found {tokenizers.__version__}")


class Options:
    """How two texts become windows. stride -1: one window only."""

    def __init__(self, limit=0, truncate=0, strategy="longest_first",
                 stride=-1, no_special=False, code_points=False):
        self.limit, self.truncate, self.strategy = limit, truncate, strategy
        self.stride, self.no_special = stride, no_special
        self.code_points = code_points

    def __repr__(self):
        return " ".join(f"{name}={value}" for name, value
                        in self.__dict__.items())


# -------------------------------------------------------------------- texts

def character_starts(data):
    """The text that bytes stand for, and where in them each of its characters
    begins, and the end."""
    text = data.decode("utf-8", errors="replace")
    if len(text) == len(data):
        return text, np.arange(len(data) + 1)
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
    sizes = 1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF)
    if 0xFFFD in codes:
        at = 0
        for i in np.flatnonzero(codes == 0xFFFD):
            at = int(sizes[:i].sum())
            sizes[i] = replaced_size(data[at:at + 4])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    assert starts[-1] == len(data)
    return text, starts


def replaced_size(data):
    """How many bytes the U+FFFD at the beginning of data stands for."""
    try:
        data[:3].decode()
        return 3
    except UnicodeDecodeError:
        pass
    for size in (3, 2, 1):
        head = data[:size]
        if len(head) == size and \
                head.decode("utf-8", errors="replace") == "\ufffd":
            return size
    raise AssertionError(data)


class Batch:
    """Texts as both sides take them, made once for many tokenizers."""

    def __init__(self, texts):
        self.data = list(texts)
        self.blob = b"".join(self.data)
        self.at = np.zeros(len(self.data) + 1, np.uint64)
        np.cumsum([len(data) for data in self.data], out=self.at[1:],
                  dtype=np.uint64)
        both = [character_starts(data) for data in self.data]
        self.strings = [text for text, _ in both]
        sizes = [len(starts) for _, starts in both]
        self.first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.starts = np.concatenate(
            [starts for _, starts in both] or [np.zeros(0)]).astype(np.int64)

    def __len__(self):
        return len(self.data)

    def part(self, chosen):
        return Batch([self.data[i] for i in chosen])


class Answer:
    """What one side made of a batch: counts[i] tokens of text i, or a negative
    number when it has no answer, and the tokens of all texts."""

    def __init__(self, counts, ids, types, starts, ends, cut=None):
        self.counts, self.ids, self.types = counts, ids, types
        self.starts, self.ends, self.cut = starts, ends, cut
        self.first = np.concatenate(
            [[0], np.cumsum(np.maximum(counts, 0))]).astype(np.int64)

    def of(self, i):
        """The tokens of one text: (id, type, start, end) each; None without
        an answer."""
        if self.counts[i] < 0:
            return None
        part = slice(self.first[i], self.first[i + 1])
        return list(zip(self.ids[part].tolist(), self.types[part].tolist(),
                        self.starts[part].tolist(), self.ends[part].tolist()))


# ------------------------------------------------------------------- Remora

class Refused(Exception):
    """Remora does not open the file; its sentence."""


class Library:
    """The tokenizer, compiled by itself with given flags; or taken out of an
    archive, and only what CUTS change compiled."""

    def __init__(self, name, *flags, archive=None):
        output = ROOT / "build" / "tests" / f"lib{name}.so"
        output.parent.mkdir(parents=True, exist_ok=True)
        patterns = SOURCES
        if archive:
            patterns = SOURCES[-1:] + ["tokenizer/tokenizer_encode.c"] * (
                flags == CUTS)
        sources = [str(path) for pattern in patterns
                   for path in sorted(ROOT.glob(pattern))]
        if archive:
            sources.append(str(archive))
        libraries = subprocess.run(
            ["pkg-config", "--cflags", "--libs", *PACKAGES], check=True,
            capture_output=True, text=True).stdout.split()
        # Beside, then over: another process may have the old one open.
        fresh = output.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O3",
             "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math",
             "-ffp-contract=off", f"-I{ROOT}", *flags, "-o", str(fresh),
             *sources, *libraries, "-lm"], check=True)
        fresh.replace(output)
        self.path = str(output)
        self.lib = ctypes.CDLL(self.path)
        for name, result, arguments in (
                ("open", c_void_p, [c_char_p]),
                ("close", None, [c_void_p]),
                ("status", c_int, [c_void_p]),
                ("message", c_char_p, [c_void_p]),
                ("string", c_char_p, [c_void_p, c_uint32]),
                ("encode", c_void_p, [c_void_p, c_char_p, c_void_p, c_size_t,
                                      c_size_t, c_int, c_void_p, c_void_p]),
                ("run", c_uint64, [c_void_p, c_char_p, c_void_p, c_size_t,
                                   c_size_t]),
                ("pair", c_int64, [c_void_p, c_void_p, c_void_p, c_uint32,
                                   c_int, c_int, c_int, c_int, c_int,
                                   c_void_p]),
                ("windows", c_void_p, [c_void_p, c_void_p]),
                ("tokens", c_void_p, [c_void_p]),
                ("texts", c_void_p, [c_void_p]),
                ("decode", c_void_p, [c_void_p, c_void_p, c_size_t, c_int,
                                      c_void_p])):
            function = getattr(self.lib, "shim_" + name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)


class Remora:
    """A tokenizer.json opened by Remora."""

    def __init__(self, library, path):
        self.library = library
        self.handle = library.open(str(path).encode())
        if library.status(self.handle):
            raise Refused(library.message(self.handle).decode())

    def __del__(self):
        self.library.close(self.handle)

    def encode(self, batch, limit=0, truncate=END):
        counts = np.zeros(len(batch), np.int64)
        cut = np.zeros(len(batch), np.uint8)
        tokens = self.library.encode(
            self.handle, batch.blob, batch.at.ctypes.data, len(batch), limit,
            truncate, counts.ctypes.data, cut.ctypes.data)
        total = int(np.maximum(counts, 0).sum())
        found = np.zeros(0, TOKEN)
        if total:
            found = np.frombuffer(
                ctypes.string_at(tokens, total * TOKEN.itemsize), TOKEN)
        return Answer(counts, found["id"], found["type_id"], found["start"],
                      found["end"], cut)

    def windows(self, texts, options):
        """What Options make of one or two texts: a list of windows, each a
        list of (id, type, text, start, end); or a negative status."""
        data = (c_char_p * 2)(*texts)
        lens = (c_int64 * 2)(len(texts[0]),
                             len(texts[1]) if len(texts) > 1 else -1)
        made = c_void_p()
        count = self.library.pair(
            self.handle, data, lens, options.limit, options.truncate,
            STRATEGIES.index(options.strategy), options.stride,
            options.no_special, options.code_points, byref(made))
        if count < 0:
            return count
        tokens = np.frombuffer(ctypes.string_at(
            self.library.tokens(made), count * TOKEN.itemsize), TOKEN) \
            if count else np.zeros(0, TOKEN)
        of = list(ctypes.string_at(self.library.texts(made), count)) \
            if count else []
        size = c_size_t()
        spans = self.library.windows(made, byref(size))
        spans = np.frombuffer(ctypes.string_at(
            spans, size.value * 16), np.uint64).reshape(-1, 2).tolist()
        rows = [(row[0], row[1], text, row[2], row[3])
                for row, text in zip(tokens.tolist(), of)]
        return [rows[start:end] for start, end in spans]

    def decode(self, ids, skip_special):
        """The text, or a negative status."""
        array = np.array(ids, np.uint32)
        size = c_int64()
        text = self.library.decode(self.handle, array.ctypes.data, len(array),
                                   skip_special, byref(size))
        if size.value < 0:
            return size.value
        return ctypes.string_at(text, size.value).decode()

    def message(self):
        """Why the last text that failed did."""
        return self.library.message(self.handle).decode()

    def run(self, batch, limit=0):
        """Encodes all and keeps nothing; the number of tokens."""
        return self.library.run(self.handle, batch.blob, batch.at.ctypes.data,
                                len(batch), limit)


# ---------------------------------------------------------------- reference

def flat(lists, count, dtype):
    return np.fromiter(itertools.chain.from_iterable(lists), dtype, count)


def keep_going(error):
    """A Rust panic is no Exception, but it is an answer; a person's wish to
    stop is not."""
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error


@contextlib.contextmanager
def panics_unheard():
    """A Rust panic also writes to standard error, once for each text."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


class Reference:
    """The same file opened by the reference, without its own truncation and
    padding, which Remora ignores."""

    def __init__(self, path):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def one(self, string):
        try:
            return self.tokenizer.encode(string)
        except BaseException as error:
            keep_going(error)
            return None

    def encode(self, batch, limit=0, truncate=END):
        if limit:
            self.tokenizer.enable_truncation(
                limit, direction="left" if truncate == START else "right")
        else:
            self.tokenizer.no_truncation()
        with panics_unheard():
            try:
                found = self.tokenizer.encode_batch(batch.strings)
            except BaseException as error:
                keep_going(error)
                found = [self.one(string) for string in batch.strings]
        self.tokenizer.no_truncation()
        # Offsets that are not in the text, as some suffixes get, are no answer,
        # nor is what exceeds the limit, as with a text that a template repeats.
        found = [made if made is not None and max(
                     (end for _, end in made.offsets), default=0) <= len(string)
                 and not 0 < limit < len(made)
                 else None for made, string in zip(found, batch.strings)]
        given = [made for made in found if made is not None]
        ids = [made.ids if made is not None else () for made in found]
        counts = np.array([len(of) for of in ids], np.int64)
        total = int(counts.sum())
        pairs = itertools.chain.from_iterable(
            made.offsets for made in given)
        offsets = flat(pairs, 2 * total, np.int64).reshape(total, 2)
        bases = np.repeat(batch.first[:-1], counts)[:, None]
        offsets = batch.starts[offsets + bases] if total else offsets
        types = flat((made.type_ids for made in given), total, np.int64)
        counts[[made is None for made in found]] = -1
        # A template that has no text in it does not tell what was cut.
        cut = np.array([made is not None and len(made.overflowing) > 0
                        for made in found], np.uint8) \
            if limit and any(0 in made.special_tokens_mask
                             for made in given) else None
        return Answer(counts, flat(ids, total, np.int64), types,
                      offsets[:, 0], offsets[:, 1], cut)

    def windows(self, texts, options):
        """As Remora.windows; None where there is no answer."""
        if options.limit:
            try:
                self.tokenizer.enable_truncation(
                    options.limit, max(options.stride, 0), options.strategy,
                    "left" if options.truncate == START else "right")
            except BaseException as error:
                keep_going(error)
                return None
        both = [character_starts(text) for text in texts]
        with panics_unheard():
            try:
                made = self.tokenizer.encode(
                    *(string for string, _ in both),
                    add_special_tokens=not options.no_special)
            except BaseException as error:
                keep_going(error)
                return None
            finally:
                self.tokenizer.no_truncation()
        every = [made, *made.overflowing] if options.stride >= 0 else [made]
        if 0 < options.limit < max(map(len, every)):
            return None
        found = []
        for window in every:
            found.append([])
            for i, t, text, (start, end), special in zip(
                    window.ids, window.type_ids, window.sequence_ids,
                    window.offsets, window.special_tokens_mask):
                if special and start == end == 0:
                    text = None  # whatever a template without a text says
                # Of a text that a template repeats, the copies are no one's,
                # or those of a third text.
                if text is None:
                    if not special:
                        return None
                elif text >= len(both) or end >= len(both[text][1]):
                    return None
                if text is not None and not options.code_points:
                    start, end = both[text][1][[start, end]].tolist()
                found[-1].append(
                    (i, t, ADDED if text is None else text, start, end))
        return found

    def decode(self, ids, skip_special):
        with panics_unheard():
            try:
                return self.tokenizer.decode(
                    ids, skip_special_tokens=bool(skip_special))
            except BaseException as error:
                keep_going(error)
                return None


# --------------------------------------------------------------- comparison

def same(one, other):
    return (np.array_equal(one.counts, other.counts)
            and np.array_equal(one.ids, other.ids)
            and np.array_equal(one.starts, other.starts)
            and np.array_equal(one.ends, other.ends)
            and np.array_equal(one.types, other.types))


def differing(ours, reference):
    """The texts with different answers. Where the reference has none, there is
    nothing to compare with."""
    if same(ours, reference):
        return []
    return [i for i in range(len(reference.counts))
            if reference.counts[i] >= 0 and ours.of(i) != reference.of(i)]


def differs(ours, reference, data, limit=0, truncate=END):
    """Whether one text has different answers."""
    batch = Batch([data])
    return bool(differing(ours.encode(batch, limit, truncate),
                          reference.encode(batch, limit, truncate)))


def minimise(data, still, tries=600):
    """A short text for which still(text) holds, as it does for data."""
    pieces = units(data)
    size = max(1, len(pieces) // 2)
    while tries > 0:
        at, shrunk = 0, False
        while at < len(pieces) and tries > 0:
            fewer = pieces[:at] + pieces[at + size:]
            tries -= 1
            if fewer and still(b"".join(fewer)):
                pieces, shrunk = fewer, True
            else:
                at += size
        if size == 1 and not shrunk:
            break
        size = size if shrunk and size == 1 else max(1, size // 2)
    for at in range(len(pieces)):
        for simple in (b"a", b" "):
            other = pieces[:at] + [simple] + pieces[at + 1:]
            if tries > 0 and pieces[at] not in (b"a", b" ") and \
                    still(b"".join(other)):
                pieces = other
                break
    return b"".join(pieces)


def units(data):
    """Characters, and bytes that are none."""
    try:
        return [c.encode() for c in data.decode()]
    except UnicodeDecodeError:
        return [data[i:i + 1] for i in range(len(data))]


def vocabulary(path):
    """The strings of a tokenizer.json's vocabulary and added tokens, as they
    are seen in texts."""
    config = json.loads(Path(path).read_text())
    vocab = config["model"]["vocab"]
    pieces = [p if isinstance(p, str) else p[0] for p in vocab]
    if "ByteLevel" in json.dumps(config.get("pre_tokenizer")):
        pieces = [from_byte_level(piece) for piece in pieces]
    pieces = [piece.replace("\u2581", " ").replace("</w>", " ")
              for piece in pieces]
    if config["model"].get("continuing_subword_prefix"):
        prefix = config["model"]["continuing_subword_prefix"]
        pieces = [piece.removeprefix(prefix) for piece in pieces]
    added = [token["content"] for token in config.get("added_tokens") or ()]
    return pieces + added * (1 + len(pieces) // (20 * len(added) + 1))


def byte_of_character():
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in shown]
    table = {chr(b): b for b in shown}
    table.update({chr(256 + i): b for i, b in enumerate(hidden)})
    return table


BYTES = byte_of_character()


def from_byte_level(piece):
    if all(c in BYTES for c in piece):
        return bytes(BYTES[c] for c in piece).decode("utf-8", "replace")
    return piece
