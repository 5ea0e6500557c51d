#!/usr/bin/env python3
"""Regular expressions against the pinned `tokenizers`, live: where each match
is, the empty ones included. It must never pass over a difference: each is
printed, and the exit status is 0 only when there is none. A pattern that Remora
refuses is counted and listed as refused, never as equal; one that Remora takes
and the reference does not is a difference.

usage: regex_live.py [--quick] [--seed N] [--patterns N] [--list-refused]

The patterns of known tokenizers, every property over every code point, random
patterns, runs of few letters, and random strings of syntax; on awkward and
random texts. Needs requirements-parity.txt beside it, a C compiler and PCRE2;
builds what it runs by itself.
"""

import argparse
import collections
import ctypes
import os
import random
import subprocess
import sys
import tempfile
from ctypes import c_char_p, c_long, c_size_t, c_void_p
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parent))
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tokenizer" / "regex"))

import tokenizers  # noqa: E402
from make_regex_classes import (BINARY, CATEGORIES, POSIX,  # noqa: E402
                                SCRIPTS)
from tokenizer_texts import AWKWARD_TEXTS  # noqa: E402
from tokenizers import Regex, normalizers, pre_tokenizers  # noqa: E402

REFERENCE = "0.23.3"
MARK = "\u2042"
RANGE = -5
CODE_POINTS = "".join(chr(c) for c in range(0x110000)
                      if not 0xD800 <= c <= 0xDFFF)

# What tokenizers in use split with.
KNOWN = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|"
    r"\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|"
    r" ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}"
    r"\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}"
    r"\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|"
    r"'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
    r"*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"\s+$", r"\p{N}+", r"\p{N}",
    r"[一-龥ࠀ-一가-퟿]+", r"[一-龥぀-ゟ゠-ヿ]+", r"\p{N}{1,3}",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]"
    r"?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-Ⴥᴀ-ᴫ"
    r"\u1e00-\u1f15\u2c00-\u2c7bꙀ-ꙭﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𞤀-𞥃]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", r"[0-9][0-9][0-9]", r"[0-9]",
    r"\d{1,3}(?=(?:\d{3})*\b)", r"(?=(\d{3})+(?!\d))", r" {2,}", r"\d", r"\n",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|"
    r"[\p{N}]|[^\s\p{L}\p{N}]+",
    r"(?i)<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|"
    r"[\p{N}]|[^\s\p{L}\p{N}]+",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"[^\s]+|\s+", r"\S+\s*", r"\w+|[^\w\s]+", r"\b", r"\w", r"[\s\n]+", r"\t",
    r"^ *", r" *$", r"(?<=\S)\s", r"▁", r"[\u4e00-\u9fff]", r"(?m)^.*$",
    r"[\x00-\x1f\x7f]", r"\p{Mn}", r"``|''", r'([^"])"', r"\.{2,}",
    r"(?<=\d)(?=(?:\d{3})+$)", r"([{}()\[\]<>,.;:?!/\\|@#$%^&*_+=~`'\"-])",
    r"[^\W\d_]+|\d+|[^\w\s]|_|\s+", r"(?<![^\s])-", r"\p{Emoji_Presentation}",
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[-_]",
    r"\s*(?:[A-Z][a-z]+|[a-z]+|[A-Z]+(?![a-z])|\d|.)", r"(?x) \d+ # digits",
]


# ------------------------------------------------------------------- Remora

def load_library(folder):
    output = Path(folder) / "regex.so"
    sources = [*sorted((ROOT / "tokenizer" / "regex").glob("*.c")),
               ROOT / "common/base/alloc.c", ROOT / "common/base/error.c",
               ROOT / "tests/parity/regex_shim.c"]
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O2",
         "-fPIC", "-shared", f"-I{ROOT}", "-o", str(output),
         *map(str, sources), "-lpcre2-8"], check=True)
    lib = ctypes.CDLL(str(output))
    lib.shim_open.argtypes = [c_char_p, c_size_t]
    lib.shim_open.restype = c_void_p
    lib.shim_close.argtypes = [c_void_p]
    lib.shim_message.restype = c_char_p
    lib.shim_replace.argtypes = [c_void_p, c_char_p, c_size_t, c_size_t,
                                 c_char_p, c_void_p, c_void_p, c_void_p]
    lib.shim_replace.restype = c_long
    return lib


class Remora:
    lib = None

    def __init__(self, pattern):
        data = pattern.encode()
        self.handle = self.lib.shim_open(data, len(data))
        self.status = self.lib.shim_status() if not self.handle else 0
        self.message = self.lib.shim_message().decode(errors="replace")

    def close(self):
        self.lib.shim_close(self.handle)

    def replace(self, text, before="", after=""):
        """The text with marks, and the spans in it; or a status. What is
        before and after must not be seen."""
        data = text.encode()
        whole = before.encode() + data + after.encode()
        at = len(before.encode())
        mark = MARK.encode()
        out = ctypes.create_string_buffer(
            len(data) * (1 + len(mark)) + len(mark) + 1)
        spans = (c_size_t * (2 * (len(data) + 1)))()
        count = c_size_t()
        size = self.lib.shim_replace(self.handle, whole, at, at + len(data),
                                     mark, out, spans, ctypes.byref(count))
        if size < 0:
            return size, None
        return out.raw[:size].decode(), [
            (spans[2 * i] - at, spans[2 * i + 1] - at)
            for i in range(count.value)]


class Reference:
    def __init__(self, pattern):
        regex = Regex(pattern)
        self.replace = normalizers.Replace(regex, MARK).normalize_str
        self.split = pre_tokenizers.Split(
            regex, "removed", invert=True).pre_tokenize_str

    def spans(self, text):
        """Of the matches that are not empty, in bytes."""
        at = [0]
        for c in text:
            at.append(at[-1] + len(c.encode()))
        return [(at[s], at[e]) for _, (s, e) in self.split(text)]


# --------------------------------------------------------------- comparison

class Tally:
    def __init__(self):
        self.patterns = self.compared = self.differences = 0
        self.gave_up = self.limited = self.both_refuse = 0
        self.refused = {}

    def difference(self, *what):
        self.differences += 1
        if self.differences <= 40:
            print("DIFFERENCE", *map(ascii, what), flush=True)

    def pattern(self, pattern, texts, note):
        """Compares one pattern on all texts."""
        ours = Remora(pattern)
        try:
            reference = Reference(pattern)
        except Exception as error:  # pylint: disable=broad-except
            if ours.handle:
                self.difference(note, pattern, "taken, the reference says",
                                str(error))
                ours.close()
            else:
                self.both_refuse += 1
            return
        if not ours.handle:
            if ours.status not in (-3, -4) or "pattern" not in ours.message:
                self.difference(note, pattern, ours.status, ours.message)
            elif ours.status == -3:
                self.difference(note, pattern, "called malformed",
                                ours.message)
            self.refused[pattern] = ours.message
            return
        self.patterns += 1
        for text in texts:
            if text and not self.text(note, pattern, ours, reference, text):
                break
        ours.close()

    def text(self, note, pattern, ours, reference, text):
        try:
            expected = reference.replace(text)
            short = len(text) < 100000
            spans = reference.spans(text) if short else None
        except BaseException as error:  # the reference panics
            if isinstance(error, KeyboardInterrupt):
                raise
            self.gave_up += 1
            return True
        got, found = ours.replace(text, "x1 ", "y\u00E9")
        self.compared += 1
        if got == RANGE:
            self.limited += 1
            return True
        if got != expected:
            self.difference(note, pattern, text[:60], "ours", got
                            if isinstance(got, int) else got[:80],
                            "reference", expected[:80])
            return False
        if short and [s for s in found if s[0] < s[1]] != spans:
            self.difference(note, pattern, text[:60], "ours", found[:20],
                            "reference", spans[:20])
            return False
        return True


# ---------------------------------------------------------- random patterns

class Patterns:
    """Random patterns over the syntax that tokenizers use, and strings of
    syntax without sense."""

    LETTERS = list("aabcssSktifl 12'-_AZK") + [
        "\u00E9", "\u00DF", "\u1E9E", "\u017F", "\u212A", "\u4E2D", "\uFB05",
        "\u0130", "\u0131", "\u03C3", "\u03C2", "\U0001F600", "\u0301",
        "\u00B2", "\u0149", "\uFB03", "\\n", "\\r", "\\t", "\\.", "\\x41",
        "\\u00e9", "\\x{1F600}", "\\-", "\\|", "\\e", "\\o{101}", "\\012"]
    TYPES = [r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\h", r"\H"]
    NAMES = ["L", "Lu", "Ll", "N", "P", "S", "Z", "M", "Han", "Latin",
             "Greek", "Alpha", "Digit", "Upper", "Lower", "Space", "Word",
             "Punct", "Nd", "Cn", "Any", "uppercase letter", "emoji"]
    SOUP = list("()[]{}|*+?^$.\\-&:,!=<>#~'\"12abcPpsSwWdiIxm ") + [
        "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i)", "(?i:", "(?#",
        "(?<n>", "[^", "[[:", ":]]", "\\p{", "\\x", "\\u00", "{1,2}", "{,2}",
        "{2}", "{2,1}", "&&", "[a-", "\\b", "\\R", "\\N", "alpha", "L}", "]]",
        "\u00E9", "\\k<n>", "\\1", "\\G", "\\K", "\\X", "(?~", "(?(", "\\Q"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def letter(self):
        return self.random.choice(self.LETTERS)

    def property(self):
        r = self.random
        return (r"\P{" if r.random() < 0.2 else r"\p{") + \
            ("^" if r.random() < 0.1 else "") + r.choice(self.NAMES) + "}"

    def class_item(self, depth):
        r = self.random
        kind = r.random()
        if kind < 0.45:
            return self.letter()
        if kind < 0.6:
            low, high = sorted(r.sample("059AKZaksz\u00E0\u00FF\u0400\u04FF"
                                        "\u4E00\u9FFF\uFB00\uFB06", 2))
            return f"{low}-{high}"
        if kind < 0.75:
            return r.choice(self.TYPES)
        if kind < 0.87:
            return self.property()
        if kind < 0.94 or depth > 2:
            return f"[:{r.choice(['', '', '^'])}{r.choice(POSIX)}:]"
        return self.klass(depth + 1)

    def klass(self, depth=0):
        r = self.random
        items = [self.class_item(depth) for _ in range(r.randint(1, 4))]
        if r.random() < 0.1:
            items.insert(r.randint(1, len(items)), "&&")
            items.append(self.class_item(depth))
        if r.random() < 0.08:
            items.append("-")
        return "[" + ("^" if r.random() < 0.25 else "") + "".join(items) + "]"

    def quantifier(self):
        r = self.random
        if r.random() < 0.3:
            low = r.randint(0, 3)
            text = r.choice([f"{{{low}}}", f"{{{low},}}",
                             f"{{{low},{low + r.randint(0, 3)}}}",
                             f"{{,{low + 1}}}", f"{{{low + 2},{low}}}"])
        else:
            text = r.choice("?*+")
        return text + r.choice(["", "", "", "?", "+"])

    def atom(self, depth):
        r = self.random
        kind = r.random()
        if kind < 0.45 or depth > 3:
            return "".join(self.letter() for _ in range(r.choice([1, 1, 2, 3])))
        if kind < 0.53:
            return r.choice(self.TYPES)
        if kind < 0.6:
            return self.property()
        if kind < 0.75:
            return self.klass()
        if kind < 0.78:
            return r.choice([".", r"\N", r"\O", r"\R"])
        opening = r.choice(["(?:", "(?:", "(?:", "(", "(?i:", "(?i:", "(?-i:",
                            "(?m:", "(?>", "(?<n>", "(?x: ", "(?mi-x:"])
        return opening + self.alternatives(depth + 1) + ")"

    def assertion(self, depth):
        r = self.random
        kind = r.random()
        if kind < 0.4:
            return r.choice([r"\b", r"\B", "^", "$", r"\A", r"\z", r"\Z"])
        inner = self.alternatives(depth + 2)
        if kind < 0.7:
            return r.choice(["(?=", "(?!"]) + inner + ")"
        inner = r.choice([inner, self.letter(), self.klass(),
                          self.letter() + "|" + self.letter() * 2])
        return r.choice(["(?<=", "(?<!"]) + inner + ")"

    def branch(self, depth):
        r = self.random
        parts = []
        for _ in range(r.choice([1, 1, 2, 2, 3, 4])):
            if r.random() < 0.12:
                parts.append(self.assertion(depth))
                continue
            part = self.atom(depth)
            if r.random() < 0.4:
                part += self.quantifier()
                if r.random() < 0.08:
                    part += self.quantifier()
            parts.append(part)
        if r.random() < 0.04:
            parts.insert(r.randint(0, len(parts)),
                         r.choice(["(?i)", "(?m)", "(?#c)", "(?-i)"]))
        return "".join(parts)

    def alternatives(self, depth=0):
        return "|".join(self.branch(depth) for _ in
                        range(self.random.choice([1, 1, 1, 2, 3])))

    def pattern(self):
        prefix = self.random.choice(["", "", "", "(?i)"])
        return prefix + self.alternatives()

    def runs(self):
        """Branches of few letters again and again, of which some need no
        backtracking and some just do."""
        r = self.random
        branches = []
        for _ in range(r.randint(1, 4)):
            branches.append("".join(
                r.choice(["a", "b", "c", " ", "[ab]", "[bc]", "[^a]", "[^ab]",
                          r"\s", r"\w", r"\d", "é", "[^\n]"]) +
                r.choice(["", "", "?", "*", "+", "+", "{2}", "{1,2}", "{2,}",
                          "++", "*+", "?+", "+?"])
                for _ in range(r.randint(1, 4))))
            if r.random() < 0.2:
                branches[-1] += r.choice(["$", "(?=a)", "(?!b)", r"\b", r"\Z",
                                          "(?<=b)", "(?!\S)", "(?:bc)?"])
        text = "|".join(branches)
        return f"(?:{text})" if r.random() < 0.1 else text

    def soup(self):
        return "".join(self.random.choice(self.SOUP)
                       for _ in range(self.random.randint(1, 9)))


class Texts:
    PARTS = list("aabcssSkKtifl 12'-_AZ.|\n\r\t") + [
        "\u00E9", "\u00DF", "\u1E9E", "\u017F", "\u212A", "\u4E2D", "\uFB05",
        "\uFB06", "\uFB00", "\uFB03", "\u0130", "\u0131", "\u03C3", "\u03C2",
        "\U0001F600", "\u0301", "\u00B2", "\u00BD", "\u0149", "\u02BCn",
        "\u0085", "\u2028", "\u00A0", "\r\n", "  ", "ss", "SS", "ffi", "st",
        "\u0660", "\u0416", "\u0378", "\u01C5", "\u3042", "\x1b", "\x00", "$"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self):
        r = self.random
        parts = self.PARTS
        if r.random() < 0.3:
            parts = r.sample(parts, 5)
        return "".join(r.choice(parts) for _ in range(r.randint(1, 40)))


    def run(self):
        return "".join(self.random.choice("aaabbbcc  1\né")
                       for _ in range(self.random.randint(1, 60)))


def strings(texts):
    return [t.decode(errors="replace") if isinstance(t, bytes) else t
            for t in texts]


def properties(tally, quick):
    names = [n for group in CATEGORIES + BINARY + SCRIPTS
             for n in group.split("=")]
    patterns = [rf"\p{{{n}}}+" for n in names]
    patterns += [f"[[:{n}:]]" for n in POSIX] + [rf"\p{{{n}}}" for n in POSIX]
    patterns += Patterns.TYPES + [f"[{t}]" for t in Patterns.TYPES]
    patterns += [f"[^{t}]" for t in Patterns.TYPES] + [r"\b", r"\R", "."]
    for i, pattern in enumerate(patterns):
        if not quick or i % 12 == 0:
            tally.pattern(pattern, [CODE_POINTS], "property")


def case(tally, quick):
    """Every character that has case, alone and in a class, against all."""
    cased = normalizers.Replace(Regex(r"[^\p{CWCM}\p{CWCF}\p{LC}]+"), "")
    cased = cased.normalize_str(CODE_POINTS)
    text = "\n".join(cased) + "\n" + "\n".join(
        c.casefold() for c in cased) + "\n" + "\n".join(
        c.upper() for c in cased)
    for i in range(0, len(cased), 40 if quick else 1):
        c = cased[i]
        tally.pattern(f"(?i){c}", [text], "case")
        if i % 4 == 0:
            tally.pattern(f"(?i)[{c}]", [text], "case")
            tally.pattern(f"(?i)[^{c}]+", [text], "case")
    for key in sorted({c.casefold() for c in cased if len(c.casefold()) > 1}):
        for pattern in (f"(?i){key}", f"(?i)x{key}y|{key}{key}",
                        f"(?i)(?:{key})+", f"(?i){key}*", f"(?i){key[1:]}"):
            tally.pattern(pattern, [text, key + key, key.upper() * 3], "case")


def generated(tally, count, seed):
    patterns, texts = Patterns(seed), Texts(seed + 1)
    for i in range(count):
        some = [texts.text() for _ in range(8)]
        if i % 200 == 0:
            some.append(CODE_POINTS)
        tally.pattern(patterns.pattern(), some, f"random {i}")
        tally.pattern(patterns.soup(), some, f"soup {i}")
        tally.pattern(patterns.runs(), [texts.run() for _ in range(8)],
                      f"runs {i}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patterns", type=int, default=5000)
    parser.add_argument("--list-refused", action="store_true")
    options = parser.parse_args()
    if tokenizers.__version__ != REFERENCE:
        raise SystemExit(f"needs tokenizers {REFERENCE}, "
                         f"found {tokenizers.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        Remora.lib = load_library(folder)
    tally = Tally()
    texts = Texts(options.seed)
    some = strings(AWKWARD_TEXTS) + [texts.text() for _ in range(300)]
    for pattern in KNOWN:
        tally.pattern(pattern, some + [CODE_POINTS], "known")
    if tally.refused or tally.both_refuse:
        tally.difference("known patterns are refused", tally.refused)
    properties(tally, options.quick)
    case(tally, options.quick)
    generated(tally, options.patterns // (10 if options.quick else 1),
              options.seed)
    why = collections.Counter(
        m.rpartition("supported")[2] or "other" for m in
        tally.refused.values())
    for reason, count in why.most_common():
        print(f"refused {count:7} {reason}")
    if options.list_refused:
        for pattern, message in tally.refused.items():
            print("refused", ascii(pattern), ascii(message))
    print(f"{tally.patterns} patterns on {tally.compared} texts; "
          f"{len(tally.refused)} refused, {tally.both_refuse} by both; "
          f"{tally.gave_up} times the reference gave up, {tally.limited} "
          f"Remora; {tally.differences} differences")
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
