#!/usr/bin/env python3
"""Pre-tokenizers alone against the pinned `tokenizers`, live: every type and
option, on every code point in several contexts and on random texts; the words,
and what each of their characters stands for. Words are also made of the parts
of texts that are cut wherever a pre-tokenizer says that they may be. It must
never pass over a difference: each is printed, and the exit status is 0 only
when there is none.

usage: pretokenizer_live.py [--texts N] [--step N] [--seed N] [--only TYPE]
                            [--speed]

Needs requirements-parity.txt beside it, a C compiler, jansson and PCRE2.
"""

import argparse
import ctypes
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint64, c_void_p
from pathlib import Path

import tokenizers
from tokenizers import PreTokenizedString, Tokenizer

from tokenizer_live import CODE_POINTS, SCRIPTS

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = "0.23.3"
SOURCES = ["tokenizer/*.c", "tokenizer/*/*.c",
           "tests/parity/pretokenizer_shim.c",
           *(f"common/base/{name}.c"
             for name in ("alloc", "error", "file", "json"))]
CUT_SPLITS = 2


# ------------------------------------------------------------------- Remora

def load_library(folder):
    output = Path(folder) / "pretokenizer.so"
    sources = [path for pattern in SOURCES
               for path in sorted(ROOT.glob(pattern))]
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O3",
         "-fPIC", "-shared", f"-I{ROOT}", "-o", str(output),
         *map(str, sources), "-ljansson", "-lpcre2-8"], check=True)
    lib = ctypes.CDLL(str(output))
    lib.shim_open.argtypes = [c_char_p, c_size_t, c_int]
    lib.shim_open.restype = c_void_p
    lib.shim_close.argtypes = lib.shim_clear.argtypes = [c_void_p]
    lib.shim_close.restype = lib.shim_clear.restype = None
    lib.shim_message.argtypes = lib.shim_cut.argtypes = [c_void_p]
    lib.shim_message.restype = c_char_p
    lib.shim_run.argtypes = [c_void_p, c_char_p, c_size_t, c_size_t]
    lib.shim_count.argtypes = [c_void_p]
    lib.shim_count.restype = c_size_t
    lib.shim_words.argtypes = lib.shim_bytes.argtypes = [c_void_p]
    lib.shim_words.restype = POINTER(c_uint64)
    lib.shim_bytes.restype = c_void_p
    return lib


# A place where texts are cut: see rmr_cut.
CUT = re.compile(rb"(?<=[A-Za-z0-9])(?= [A-Za-z])")


class Remora:
    lib = None

    def __init__(self, config, raw_bytes=False):
        data = json.dumps({"it": config}).encode()
        self.handle = self.lib.shim_open(data, len(data), raw_bytes)
        message = self.lib.shim_message(self.handle).decode()
        if message:
            raise ValueError(message)
        self.splits = self.lib.shim_cut(self.handle) == CUT_SPLITS

    def __del__(self):
        self.lib.shim_close(self.handle)

    def words(self, data, cuts=False):
        """[(bytes, (start, end))]"""
        lib, handle = self.lib, self.handle
        lib.shim_clear(handle)
        ends = [m.start() for m in CUT.finditer(data)] if cuts else []
        start = 0
        for end in [*ends, len(data)]:
            status = lib.shim_run(handle, data, start, end)
            if status:
                raise ValueError(f"status {status}")
            start = end
        count = lib.shim_count(handle)
        if not count:
            return []
        numbers = lib.shim_words(handle)[:count * 3]
        total = sum(numbers[2::3])
        text = ctypes.string_at(lib.shim_bytes(handle), total)
        found, at = [], 0
        for begin, end, size in zip(*(numbers[i::3] for i in range(3))):
            found.append((text[at:at + size], (begin, end)))
            at += size
        return found


# ---------------------------------------------------------------- reference

class Reference:
    def __init__(self, config):
        self.it = Tokenizer.from_str(json.dumps({
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [], "normalizer": None, "pre_tokenizer": config,
            "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": {"?": 0},
                      "unk_token": "?"}})).pre_tokenizer

    def words(self, data):
        text = PreTokenizedString(data.decode())
        self.it.pre_tokenize(text)
        return [(word.encode(), offsets) for word, offsets, _ in
                text.get_splits("original", "byte") if word]


# ------------------------------------------------------------ configurations

BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
             "Contiguous"]
LITERALS = [" ", "a", "aa", ",", "é", " a", "a ", "", ".*", "a#b-&~", "\0",
            "▁", "0", "  ", "中", "b c"]

REST = (r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+{}|[^\r\n\p{L}\p{N}]?"
         r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*{}|")
# Those that have a scanner.
SCANNED = [r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
           r"|\s+(?!\S)|\s+", WORD + r"\p{N}{1,3}" + REST,
           WORD + r"\p{N}" + REST,
           WORD.replace(r"\p{L}+", r"[\p{L}\p{M}]+") + r"\p{N}"
           + REST.replace(r"s\p{L}", r"s\p{L}\p{M}"),
           CASED.replace("{}", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?")
           + r"\p{N}{1,3}" + REST.replace(r"[\r\n]*", r"[\r\n/]*"),
           CASED.replace("{}", "") + r"\p{N}"
           + REST.replace(r"[\r\n]*", r"[\r\n/]*")]
DEEPSEEK = [
    "\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|"""
    r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"]
REGEXES = [" ", "\\s+", "\\s", " +", "x*", "\\p{N}{1,3}", "\\d", "(?=[A-Z])",
           "[\\r\\n]", "[一-龥぀-ゟ゠-ヿ]+", "\\s?\\p{L}+",
           " ?[^(\\s|[.,!?…。，、।۔،])]+", "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|"
           "[\\p{N}]|[^\\s\\p{L}\\p{N}]+", DEEPSEEK[2],
           "^.", "a|b", "▁", "[^a-z]+", "\\b", "(?<=a)b?", "é", ".$"]


def split(kind, pattern, behavior, invert):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior,
            "invert": invert}


def byte_level(prefix, regex):
    return {"type": "ByteLevel", "add_prefix_space": prefix,
            "trim_offsets": True, "use_regex": regex}


def metaspace(replacement, scheme, split):
    return {"type": "Metaspace", "replacement": replacement,
            "prepend_scheme": scheme, "split": split}


def singles():
    """Every type with every option."""
    yield from (byte_level(p, r) for p in (False, True) for r in (False, True))
    yield from (metaspace(c, s, p) for c in "▁ aé\U0001f600"
                for s in ("always", "first", "never") for p in (False, True))
    yield from ({"type": name} for name in
                ("BertPreTokenizer", "Whitespace", "WhitespaceSplit",
                 "UnicodeScripts", "FixedLength", "Punctuation"))
    yield from ({"type": "Punctuation", "behavior": b} for b in BEHAVIORS)
    yield from ({"type": "Digits", "individual_digits": i}
                for i in (False, True))
    yield from ({"type": "CharDelimiterSplit", "delimiter": c}
                for c in " a0,é▁\U0001f600\0")
    yield from ({"type": "FixedLength", "length": n}
                for n in (1, 2, 5, 100, 10**12))
    yield from (split("String", p, b, i) for p in LITERALS for b in BEHAVIORS
                for i in (False, True))
    yield from (split("Regex", p, b, i) for p in REGEXES for b in BEHAVIORS
                for i in (False, True))
    yield from (split("Regex", p, "Isolated", False) for p in SCANNED)
    yield from (split("Regex", p, b, i) for p in SCANNED[1:2]
                for b in BEHAVIORS for i in (False, True))


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def random_sequence(rng, choice):
    return sequence(*(rng.choice(choice) for _ in range(rng.randrange(0, 5))))


# --------------------------------------------------------------- comparison

class Tally:
    def __init__(self):
        self.compared = self.differences = 0

    def compare(self, pair, data, report=True):
        """Whether all agree: the words, their characters, the parts."""
        (ours, ours_chars, raw), (theirs, theirs_chars), config = pair
        try:
            expected = theirs.words(data)
        except BaseException as error:  # a Rust panic is no Exception
            if "Panic" not in type(error).__name__:
                raise
            return True
        checks = [("words", lambda: ours.words(data), expected),
                  ("characters", lambda: ours_chars.words(data),
                   theirs_chars.words(data))]
        if ours.splits:
            checks.append(("cut", lambda: ours.words(data, True), expected))
        if raw:
            mapped = [(from_bytes(w), o) for w, o in expected]
            checks.append(("raw", lambda: raw.words(data), mapped))
        for what, run, wanted in checks:
            self.compared += 1
            got = run()
            if got != wanted:
                if report:
                    self.difference(what, config, data, got, wanted)
                return False
        return True

    def difference(self, what, config, data, got, wanted):
        self.differences += 1
        if self.differences <= 20:
            print("DIFFERENCE", what, json.dumps(config, ensure_ascii=False),
                  repr(data[:100].decode()), "\n  ours ", repr(got)[:300],
                  "\n  other", repr(wanted)[:300], flush=True)


def alphabet():
    """ByteLevel's characters to their bytes, as the standard has them: visible
    Latin-1 stays, the others follow from U+0100 on."""
    same = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(b): b for b in same}
    others = [b for b in range(256) if b not in same]
    table.update({chr(0x100 + i): b for i, b in enumerate(others)})
    return table


ALPHABET = alphabet()


def from_bytes(word):
    return bytes(ALPHABET[c] for c in word.decode())


def open_pair(config):
    steps = config["pretokenizers"] if config["type"] == "Sequence" \
        else [config]
    one = {"type": "FixedLength", "length": 1}
    chars = sequence(config, one)
    raw = Remora(config, True) \
        if steps and steps[-1]["type"] == "ByteLevel" else None
    return ((Remora(config), Remora(chars), raw),
            (Reference(config), Reference(chars)), config)


CONTEXTS = ["{}", "a{}b", " {} ", "1{} {}a", ",{},", "{}{} a b", "'{}",
            " {}\n{} "]


def check_code_points(tally, pair, step):
    """Code points in contexts, many to a text; a text that differs is taken
    apart."""
    chosen = CODE_POINTS[:0x400] + CODE_POINTS[0x400::step]
    for context in CONTEXTS:
        pieces = [context.format(*[chr(c)] * 2).encode() for c in chosen]
        for at in range(0, len(pieces), 512):
            group = pieces[at:at + 512]
            if tally.compare(pair, b"xy z".join(group), False):
                continue
            before = tally.differences
            for piece in group:
                tally.compare(pair, piece)
            if tally.differences == before:  # only together
                tally.compare(pair, b"xy z".join(group))


PIECES = [" ", "  ", "\n", "\r\n", " a", "a b c", "x 1", "don't", "'S", "'ll",
          "we've", " 'm", "a'd", "12,345.67", "(x)", "...", "--", "\t",
          "▁", "▁▁", "a▁", "aa", "b c", ".*", "a#b-&~", "é", "e\u0301", "中 a",
          "\u00a0", "\u3000a", "\u0085", " \u2003 x", "1️⃣", "٣", "²", "Ⅷ", "½"]


# What patterns tell apart, each often.
KINDS = " \n\r\t''aSslLveEdm1²,.-/é中\u0301\u00a0\u017fDžʰ"


def random_text(rng):
    if rng.random() < 0.3:
        return "".join(rng.choices(KINDS, k=rng.randrange(1, 30))).encode()
    parts = []
    for _ in range(rng.randrange(1, 9)):
        kind = rng.random()
        if kind < 0.45:
            parts.append(rng.choice(PIECES))
        elif kind < 0.75:
            parts.append("".join(rng.choices(rng.choice(SCRIPTS),
                                             k=rng.randrange(1, 6))))
        elif kind < 0.9:
            parts.append("".join(rng.choice(rng.choice(SCRIPTS))
                                 for _ in range(rng.randrange(1, 6))))
        else:
            parts.append("".join(map(chr, rng.choices(CODE_POINTS, k=3))))
        if rng.random() < 0.5:
            parts.append(" " * rng.randrange(1, 3))
    return "".join(parts).encode()


def check_random(tally, pair, texts, rng):
    for _ in range(texts):
        tally.compare(pair, random_text(rng))


# --------------------------------------------------------------------- speed

def show_speed(configs):
    text = (ROOT / "README.md").read_bytes() * 100
    for config in configs:
        ours = Remora(config, True)
        best = 1e9
        for _ in range(5):
            start = time.process_time()
            for at in range(0, len(text), 32768):
                Remora.lib.shim_clear(ours.handle)
                Remora.lib.shim_run(ours.handle, text, at,
                                    min(at + 32768, len(text)))
            best = min(best, time.process_time() - start)
        print(f"{len(text) / best / 1e6:7.0f} MB/s with copying words "
              f"{json.dumps(config)[:100]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step", type=int, default=397)
    parser.add_argument("--only", default="")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if tokenizers.__version__ != REFERENCE:
        sys.exit(f"needs tokenizers {REFERENCE}, "
                 f"found {tokenizers.__version__}")
    rng = random.Random(options.seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        Remora.lib = load_library(folder)
    configs = [c for c in singles() if options.only in json.dumps(c)]
    if options.speed:
        show_speed(configs)
        return 0
    for config in configs:
        pair = open_pair(config)
        plain = config.get("pattern", {}).get("Regex") not in SCANNED \
            and "pattern" in config  # no character is special
        if not plain:
            check_code_points(tally, pair, options.step)
        check_random(tally, pair, options.texts // (5 if plain else 1), rng)
    print(f"single: {tally.compared} compared, {tally.differences} "
          "differences", flush=True)
    for _ in range(options.texts):
        check_random(tally, open_pair(random_sequence(rng, configs)), 20, rng)
    print(f"sequences: {tally.compared} compared, {tally.differences} "
          "differences", flush=True)
    return tally.differences > 0


if __name__ == "__main__":
    sys.exit(main())
