#!/usr/bin/env python3
"""Every normalizer against the pinned `tokenizers`, live: each character of the
normal form and the part of the text that it stands for. It must never pass
over a difference: each is printed, and the exit status is 0 only when there is
none.

usage: normalizer_live.py [--quick] [--seed N] [--texts N] [TOKENIZER_JSON ...]

Every code point alone and between others, pairs of marks, random texts, random
sequences of normalizers, and long texts cut where normalizers allow it; with
the maps of characters of the given files too. --quick takes a part of the code
points. Needs requirements-parity.txt beside it, a C compiler, jansson and
PCRE2; builds the tokenizer into build/tests by itself.
"""

import argparse
import ctypes
import itertools
import json
import os
import random
import re
import subprocess
import sys
from ctypes import POINTER, c_char_p, c_size_t, c_uint64, c_void_p
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np  # noqa: E402
import tokenizers  # noqa: E402
from make_tokenizers import charsmap  # noqa: E402
from tokenizer_texts import AWKWARD_TEXTS  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = "0.23.3"
SOURCES = ["tokenizer/*.c", "tokenizer/*/*.c", "common/base/alloc.c",
           "common/base/error.c", "common/base/file.c", "common/base/json.c",
           "tests/parity/normalizer_shim.c"]
CHAR = np.dtype([("code", "<u4"), ("start", "<u4"), ("end", "<u4")])
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
SIMPLE = [{"type": name} for name in (
    "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt",
    "ByteLevel")]
BERT = [dict(zip(("clean_text", "handle_chinese_chars", "strip_accents",
                  "lowercase"), values), type="BertNormalizer")
        for values in itertools.product((True, False), (True, False),
                                        (True, False, None), (True, False))]
CLUSTERS = charsmap({
    "a": "", "b": "xyz", "e\u0301": "\u00E9", "\u0301": "", "\u0300": "=",
    "\r": "CR", "\n": "LF", "\u0915": "KA", "\u0600": "()", "\u00A9": "(c)",
    "\u1100": "G", "\u200D": "", "\u1161": "A", "\U0001F600": "<:", " ": "",
    "\u00AD": "", "\uFB01": "fi", "\u2122": "TM", "\t": " ", "c": "\u3042"})
SPACED = charsmap({"\u00A0": " ", "\u3000": " ", "\uFF21": "A", "\x1e": "",
                   "\u00AD": "", "a\u0301": "\u00E1", "\u2026": "...",
                   "\uFB03": "ffi", "\u0301": ""})


def bundled(paths):
    """The maps of characters of tokenizer.json files."""
    for path in paths:
        for found in re.findall(r'"precompiled_charsmap": *"([^"]*)"',
                                Path(path).read_text()):
            yield found


def other_steps(paths):
    for left, right in itertools.product((True, False), repeat=2):
        yield {"type": "Strip", "strip_left": left, "strip_right": right}
    for text in ("\u2581", "x\u0301 ", "\U0001F600ab", "\0"):
        yield {"type": "Prepend", "prepend": text}
    for pattern, content in ((" ", "\u2581"), ("a", ""), ("''", '"'),
                             ("\u0301", "'"), ("e\u0301", "\u00E9\u00E8"),
                             ("\u2581\u2581", " "), ("\0", "0"), (".", "$&"),
                             ("aa", "a"), ("\n", "\\n")):
        yield {"type": "Replace", "pattern": {"String": pattern},
               "content": content}
    for pattern, content in ((" {2,}", " "), (r"\s+", " "), ("[ab]+", "xyz"),
                             (r"\p{M}", ""), ("a(?=b)", "_"), (r"\d", "\u0660"),
                             ("(?<=a).", "\u00E9")):
        yield {"type": "Replace", "pattern": {"Regex": pattern},
               "content": content}
    for found in (CLUSTERS, SPACED, *bundled(paths)):
        yield {"type": "Precompiled", "precompiled_charsmap": found}


# -------------------------------------------------------------------- Remora

def load_library():
    output = ROOT / "build" / "tests" / "normalizer_shim.so"
    output.parent.mkdir(parents=True, exist_ok=True)
    sources = [str(path) for pattern in SOURCES
               for path in sorted(ROOT.glob(pattern))]
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O2",
         "-fPIC", "-shared", f"-I{ROOT}", "-o", str(output), *sources,
         "-ljansson", "-lpcre2-8"], check=True)
    lib = ctypes.CDLL(str(output))
    lib.shim_open.argtypes = [c_char_p, c_size_t]
    lib.shim_open.restype = c_void_p
    lib.shim_close.argtypes = [c_void_p]
    lib.shim_close.restype = None
    lib.shim_message.argtypes = [c_void_p]
    lib.shim_message.restype = c_char_p
    lib.shim_local.argtypes = [c_void_p]
    lib.shim_run.argtypes = [c_void_p, c_char_p, POINTER(c_uint64),
                             POINTER(c_uint64), c_size_t, POINTER(c_uint64)]
    lib.shim_run.restype = c_void_p
    return lib


class Remora:
    def __init__(self, lib, normalizer):
        text = json.dumps(normalizer).encode()
        self.lib = lib
        self.handle = lib.shim_open(text, len(text))
        message = lib.shim_message(self.handle)
        if message:
            raise ValueError(message.decode())
        self.local = bool(lib.shim_local(self.handle))

    def __del__(self):
        self.lib.shim_close(self.handle)

    def run(self, texts, cuts=None):
        """For each text, (characters, starts, ends), counted in bytes."""
        parts = [text.encode() for text in texts]
        at = np.cumsum([0] + [len(part) for part in parts]).astype("<u8")
        cut = np.zeros(len(parts) + 1, "<u8")
        for i, place in enumerate(cuts or ()):
            cut[i] = at[i] + place if place else 0
        counts = np.zeros(len(parts), "<u8")
        pointer = [array.ctypes.data_as(POINTER(c_uint64))
                   for array in (at, cut, counts)]
        found = self.lib.shim_run(self.handle, b"".join(parts), pointer[0],
                                  pointer[1], len(parts), pointer[2])
        if not found:
            raise MemoryError
        total = int(counts.sum())
        chars = np.ctypeslib.as_array(
            ctypes.cast(found, POINTER(ctypes.c_uint32)),
            (total * 3,)).copy().view(CHAR) if total else np.zeros(0, CHAR)
        done = 0
        for i, count in enumerate(map(int, counts)):
            part = chars[done:done + count]
            done += count
            yield part["code"], part["start"] - at[i], part["end"] - at[i]


# ----------------------------------------------------------------- reference

class Reference:
    def __init__(self, normalizer):
        self.tokenizer = tokenizers.Tokenizer.from_str(json.dumps({
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [], "normalizer": normalizer,
            "pre_tokenizer": {"type": "Split", "behavior": "Isolated",
                              "invert": False,
                              "pattern": {"Regex": "(?m:.)"}},
            "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": {"?": 0},
                      "unk_token": "?"}}))

    def run(self, texts):
        normalize = self.tokenizer.normalizer.normalize_str
        for text in texts:
            normal = normalize(text)
            offsets = self.tokenizer.encode(text).offsets
            codes = np.array(list(map(ord, normal)), "<u4")
            bytes_at = np.cumsum([0] + [len(c.encode()) for c in text])
            spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
            yield codes, bytes_at[spans[:, 0]], bytes_at[spans[:, 1]]


# --------------------------------------------------------------- comparisons

class Comparison:
    def __init__(self, lib):
        self.lib = lib
        self.texts = 0
        self.differences = 0

    def report(self, name, text, what):
        self.differences += 1
        if self.differences <= 30:
            print(f"{name}: {text!a}: {what}", flush=True)

    def run(self, normalizer, texts):
        name = json.dumps(normalizer)[:200]
        try:
            remora = Remora(self.lib, normalizer)
        except ValueError as error:
            self.report(name, "", f"refused: {error}")
            return
        reference = Reference(normalizer)
        texts = list(texts)
        self.texts += len(texts)
        for text, ours, theirs in zip(texts, remora.run(texts),
                                      reference.run(texts)):
            self.compare(name, text, ours, theirs)
        if remora.local:
            self.cut(name, remora, texts)

    def compare(self, name, text, ours, theirs):
        for part, a, b in zip(("characters", "starts", "ends"), ours, theirs):
            if not np.array_equal(a, b):
                where = next((i for i, (x, y) in enumerate(zip(a, b))
                              if x != y), min(len(a), len(b)))
                near = slice(max(0, where - 2), where + 3)
                chars = "".join(map(chr, theirs[0][near]))
                self.report(name, text if len(text) < 60 else "...",
                            f"{part} at {where}: {a[near]} instead of "
                            f"{b[near]}, {chars!a}")
                return

    def cut(self, name, remora, texts):
        """Where the normalizer says that it can be cut, it gives the same."""
        cuts = []
        for text in texts:
            data = text.encode()
            found = [m.start() + 1 for m in re.finditer(
                rb"[A-Za-z0-9](?= [A-Za-z])", data)]
            cuts.append(found[len(found) // 2] if found else 0)
        chosen = [i for i, cut in enumerate(cuts) if cut]
        texts = [texts[i] for i in chosen]
        cuts = [cuts[i] for i in chosen]
        for text, whole, parts in zip(texts, remora.run(texts),
                                      remora.run(texts, cuts)):
            self.compare(name + " cut", text, parts, whole)


def batches(items, size=200):
    """Items with a line feed between them, many in one text."""
    items = iter(items)
    while part := list(itertools.islice(items, size)):
        yield "\n".join(part)


def code_point_texts(codes):
    chars = list(map(chr, codes))
    yield from batches(chars)
    yield from batches("a" + c for c in chars)
    yield from batches(c + "\u0301" for c in chars)
    yield from batches("\u0323" + c + "\u0316b" for c in chars)


def marks(rng):
    nfd = tokenizers.normalizers.NFD().normalize_str
    found = [chr(c) for c in CODE_POINTS
             if c > 0x2FF and nfd("\u0345" + chr(c)) != "\u0345" + chr(c)]
    rng.shuffle(found)
    return found


class Texts:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        nfkd = tokenizers.normalizers.NFKD().normalize_str
        self.kinds = [
            "abcdeXYZ", " \t\n\r\v\f\0\x1c\x7f\x85\u00A0\u2028\u3000",
            "\u0300\u0301\u0323\u0327\u0345\u0334\u05B0\u3099\u094D\u0F71",
            "\u0344\u0958\u0F73\u1E9B\u0340\u2126\u212B\uFB01\uFDFA\u00C5",
            "\u0130\u03A3\u00DF\u1E9E\u01C5\u0149\u00E9\u1EAD\u1E69",
            "\uAC00\uAC01\u1100\u1161\u11A8\u11A7\u1112\u1175\u11C2",
            "\U0001F600\u200D\u2764\uFE0F\u200C\U0001F1E6\u00A9\U0001F3FD",
            "\u0915\u094D\u0937\u0903\u0600\u00AD\uFEFF\u2581\u200B\x1e",
            "\u4E00\uFF21\u3042\u30AB\uFF76\uFF9E\U00020000\U0002F800",
            [c for c in map(chr, CODE_POINTS[0x80:0x30000]) if nfkd(c) != c],
            list(map(chr, CODE_POINTS[:0x3000])), list(map(chr, CODE_POINTS)),
            ["a b", "word word", "  ", "e\u0301", "x y", "1 a"],
        ]

    def one(self, most=24):
        rng = self.rng
        kinds = rng.choices(self.kinds, k=rng.randint(1, 4))
        return "".join(rng.choice(rng.choice(kinds))
                       for _ in range(rng.randint(0, most)))

    def many(self, count):
        return [self.one() for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=int, default=2000)
    arguments = parser.parse_args()
    if tokenizers.__version__ != REFERENCE:
        raise SystemExit(f"needs tokenizers {REFERENCE}")
    comparison = Comparison(load_library())
    texts = Texts(arguments.seed)
    rng = texts.rng
    steps = SIMPLE + BERT + list(other_steps(arguments.files))
    codes = [c for c in CODE_POINTS if c < 0x30000 or 0xE0000 <= c < 0xE0200
             or c % 0x1000 < 4]
    if arguments.quick:
        codes = [c for c in codes if c < 0x3400 or c % 61 == 0]
    piles = marks(rng)
    pairs = list(batches("e" + a + b for a, b in zip(
        rng.choices(piles, k=40000), rng.choices(piles, k=40000))))
    for step in steps:
        if step["type"] not in ("BertNormalizer", "Prepend", "Strip",
                                "Replace"):
            comparison.run(step, code_point_texts(codes))
            comparison.run(step, pairs)
        comparison.run(step, AWKWARD_TEXTS + texts.many(arguments.texts))
        print(json.dumps(step)[:100], comparison.differences, flush=True)
    for _ in range(arguments.texts // 10):
        sequence = {"type": "Sequence",
                    "normalizers": rng.choices(steps, k=rng.randint(2, 5))}
        comparison.run(sequence, texts.many(100))
    print(f"{comparison.texts} texts, {comparison.differences} differences")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
