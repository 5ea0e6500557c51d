#!/usr/bin/env python3
"""Writes pretokenizer_cases.inc: the words that the pinned reference's
pre-tokenizers make of some texts, and the bytes that each stands for. It must
never be run with another version, nor hold what Remora itself says.

    python tests/unit/make_pretokenizer_cases.py \\
        > tests/unit/pretokenizer_cases.inc
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))

from c_literals import literal  # noqa: E402
from pretokenizer_live import BEHAVIORS, DEEPSEEK, SCANNED  # noqa: E402
from pretokenizer_live import Reference, byte_level, metaspace  # noqa: E402
from pretokenizer_live import sequence, split  # noqa: E402

PLAIN = {name: {"type": name} for name in (
    "BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts",
    "FixedLength", "Punctuation")}
TEXTS = ["", "Hello  there,\tyou're 12345 \u00e9t\u00e9s!\n\n  ok ",
         " \u2581a\u2581\u2581 b-\u2581c", "\u4e2d\u6587\u3072\u30fc 1\u00bd."]
SYMBOLS = ["...a, b!?c", "(a) -- \u00bfb\u3002"]
NUMBERS = ["1a23 4", "\u0663\u00b2\u216812\u4e00x9"]
SCRIPTS = ["  12 ab", "ab,12 \u3069\u3053\u751f\u30fc\u0301", "  ", "x \u0434 y"]
EDGES = ["'S'll'\u017fx 'Re don't", "a \n \r\n\t b", "\u00a0\u00a0c \u3000 ",
         "x-\n\r\n--'s", "\tword 1234567!\n", "e\u0301 \u0301a"]


def steps():
    """What is tried, and on which texts."""
    for prefix in (False, True):
        yield byte_level(prefix, True), TEXTS + EDGES
        yield byte_level(prefix, False), TEXTS
    for scheme in ("always", "first", "never"):
        for cuts in (False, True):
            yield metaspace("\u2581", scheme, cuts), TEXTS
    yield metaspace(" ", "always", True), TEXTS
    yield metaspace("e", "first", True), TEXTS
    for step in PLAIN.values():
        yield step, TEXTS + SYMBOLS + SCRIPTS
    for behavior in BEHAVIORS:
        yield {"type": "Punctuation", "behavior": behavior}, SYMBOLS
        for invert in (False, True):
            yield split("String", "--", behavior, invert), ["--a----b-c--"]
            yield split("String", "", behavior, invert), ["a\u00e9 "]
            yield split("Regex", "x*", behavior, invert), ["bxxc\u00e9x"]
            yield split("Regex", "\\s+", behavior, invert), TEXTS[1:2]
    for individual in (False, True):
        yield {"type": "Digits", "individual_digits": individual}, NUMBERS
    for delimiter in " \u2581\0":
        yield ({"type": "CharDelimiterSplit", "delimiter": delimiter},
               TEXTS + ["a\0\0b"])
    yield {"type": "FixedLength", "length": 2}, TEXTS
    for pattern in SCANNED:
        yield split("Regex", pattern, "Isolated", False), TEXTS + EDGES
    yield (sequence({"type": "Digits", "individual_digits": True},
                    byte_level(False, True)), TEXTS + NUMBERS)
    yield (sequence(split("Regex", SCANNED[1], "Isolated", False),
                    byte_level(False, False)), TEXTS)
    yield (sequence(*(split("Regex", pattern, "Isolated", False)
                      for pattern in DEEPSEEK), byte_level(False, False)),
           TEXTS + NUMBERS)
    yield (sequence({"type": "Punctuation", "behavior": "Contiguous"},
                    byte_level(True, True), {"type": "Digits",
                                             "individual_digits": False}),
           TEXTS + SYMBOLS)
    yield (sequence(PLAIN["WhitespaceSplit"], metaspace("\u2581", "first", True),
                    PLAIN["FixedLength"]), TEXTS)
    yield sequence(PLAIN["WhitespaceSplit"], byte_level(True, True)), TEXTS
    yield sequence(), TEXTS


def main():
    every = [(step, Reference(step), texts) for step, texts in steps()]
    cases = [(number, text, reference.words(text.encode()))
             for number, (_, reference, texts) in enumerate(every)
             for text in texts]
    print("/*\n * pretokenizer_cases.inc - the words that the reference's "
          "pre-tokenizers make\n * of texts; written by "
          "make_pretokenizer_cases.py, never by hand.\n */\n")
    print("static const char *const pre_tokenizers[] = {")
    for step, _, _ in every:
        text = json.dumps({"pre_tokenizer": step})
        print("    " + literal(text.encode(), 4) + ",")
    print("};\n\nstatic const pre_tokenizer_case cases[] = {")
    for number, text, words in cases:
        data = text.encode()
        print(f"    {{{number}, {len(data)}, {len(words)},\n     "
              + literal(data, 5) + ",\n     "
              + literal(b"".join(w for w, _ in words), 5) + "},")
    print("};\n\n/* The words: their part of the text, their length. */")
    print("static const expected_word expected[] = {")
    line = "   "
    for word, (start, end) in (w for _, _, words in cases for w in words):
        text = f" {{{start}, {end}, {len(word)}}},"
        if len(line) + len(text) > 80:
            print(line)
            line = "   "
        line += text
    print(line + "\n};")


if __name__ == "__main__":
    main()
