#!/usr/bin/env python3
"""Writes normalizer_cases.inc: what the pinned reference's normalizers make of
some texts, character by character, with the bytes that each stands for. It
must never be run with another version, nor hold what Remora itself says.

    python tests/unit/make_normalizer_cases.py > tests/unit/normalizer_cases.inc
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))

from c_literals import literal  # noqa: E402
from normalizer_live import BERT, CLUSTERS, SIMPLE, SPACED  # noqa: E402
from normalizer_live import Reference, other_steps  # noqa: E402

MARKS = ["e\u0301", "\u00E9\u0323x", "a\u0301\u0316\u0327\u0334b",
         "\u0301\u0316a", "\u0344\u0316", "\u0F73\u0F71", "q\u0307\u0323 ",
         "\u1E69\u0323\u0307", "\u0958\u093C", "s\u0323\u0307\u0301\u0301",
         "a" + "\u0301\u0316" * 12]
FORMS = ["", "plain ASCII\n", "\u00C5\u212B\u2126", "\uFB01\u0301n",
         "\uFDFA", "\uAC00\u11A8\u11A8", "\u1100\u1161\u11A8\u1161",
         "\uAC01\u0301", "\u1112\u1175\u11C2 \uD7A3", "\u0130\u0307I\u0307",
         "\0\u0301", "\uFF21\uFF9E\uFF76\uFF9E", "\u30AB\u3099\u3099",
         "\U0002F800\u0345", "x\u00BD\u2026\u2122", "\u1E9B\u0323"] + MARKS
CASED = ["ABC abc", "\u0130I\u0131i", "\u03A3\u03C3\u03C2 \u1E9E\u00DF",
         "ÀÉÎ\u01C5", "\u4E00\u0416Z", "\U00010400\u2C2F"]
SPACES = ["", " ", " a ", "\t\r\n a b\u3000\u2028", "\u00A0\u0085a",
          "\x1c\x0b\x0c\u200B a\u1680", "no", "\u3000\u3000"]
CONTROLS = ["\x01a\x1f\t\n\f\rb\x7f\x8f\x9f", "\u200B\u200F\uFEFF\u2581\uFFFD",
            "\0\x0e\u1680\u2029z"]
EDITS = ["aa aaa a", "''a''''", "e\u0301e\u0301 e", "a\0b\0", "\u2581\u2581 x",
         "x  y   z ", "ab12\u0663", "\n\n"]
MAPPED = ["abc", "\u0301abc", "b\u0301", "be\u0301\u0301", "aab", "bab aab",
          "\u0600a\u0600\u0301", "\r\n\r\u0301", "\u1100\u1161\u0300b",
          "\u0915\u094D\u0915\u0300", "\u0915\u200C\u0915",
          "\u00A9\u200D\u00A9",
          "\U0001F600\u0301\u0301", "\uFB01\u0301\u2122\u00AD", "a a\u00ADg",
          "\u00AD\u00ADhe\u2026\u0301", "\x1e\uFB03\u0301x y", "\u00A0a\u0301"]


def texts_for(step):
    kind = step["type"]
    if kind in ("NFC", "NFD", "NFKC", "NFKD"):
        return FORMS
    if kind == "Strip":
        return SPACES
    if kind == "Nmt":
        return CONTROLS + SPACES[:4]
    if kind == "StripAccents":
        return MARKS + ["\u0903\u20DD", "none"]
    if kind == "Lowercase":
        return CASED
    if kind == "Replace":
        return EDITS
    if kind == "Prepend":
        return ["", "a", "\u0301b"]
    if kind == "ByteLevel":
        return ["", "az~", " a\n\x7f\u00A0\u00AD", "\u00E9\u4E00\U0001F600\0"]
    if kind == "Precompiled":
        return MAPPED
    return MARKS[:4] + CASED[:3] + CONTROLS + ["\u4E00a", "\u00C5\0\u2126"]


def steps():
    yield from SIMPLE
    yield from (BERT[0], BERT[5], BERT[10], BERT[18])
    yield from other_steps([])
    for names in (("NFKD", "StripAccents", "Lowercase"),
                  ("Lowercase", "NFD", "StripAccents", "NFC"),
                  ("Nmt", "NFKC", "ByteLevel")):
        yield {"type": "Sequence",
               "normalizers": [{"type": name} for name in names]}
    yield {"type": "Sequence", "normalizers": [
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Precompiled", "precompiled_charsmap": SPACED},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}
    yield {"type": "Sequence", "normalizers": [
        {"type": "Sequence", "normalizers": []},
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    for pattern in ({"String": ""}, {"Regex": "^"}, {"Regex": "$"},
                    {"Regex": "a*"}):
        yield {"type": "Replace", "pattern": pattern, "content": "-+"}
    yield {"type": "Prepend", "prepend": ""}
    yield {"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"Regex": "^"}, "content": "ab"},
        {"type": "Replace", "pattern": {"String": "b"}, "content": "cd"},
        {"type": "Prepend", "prepend": "x"}]}


def shorter(step):
    """The maps are long: they have names of their own in the tests."""
    text = json.dumps(step)
    return text.replace(CLUSTERS, "@0").replace(SPACED, "@1")


def main():
    cases, expected = [], []
    every = list(steps())
    for number, step in enumerate(every):
        texts = texts_for(step)
        if step["type"] == "Sequence":
            texts = MAPPED[-6:] + FORMS[3:8] + ["  A\u00AD\u00A0 b  "]
        for text, (codes, starts, ends) in zip(texts,
                                               Reference(step).run(texts)):
            cases.append((number, len(text.encode()), len(codes), text))
            expected += zip(codes, starts, ends)
    print("/*\n * normalizer_cases.inc - what the reference's normalizers make"
          " of texts;\n * written by make_normalizer_cases.py, never by hand.\n */"
          "\n")
    print("static const char *const maps[] = {")
    for found in (CLUSTERS, SPACED):
        print("    " + literal(found.encode(), 4) + ",")
    print("};\n\nstatic const char *const normalizers[] = {")
    for step in every:
        print("    " + literal(shorter(step).encode(), 4) + ",")
    print("};\n\nstatic const normalizer_case cases[] = {")
    for number, size, count, text in cases:
        print(f"    {{{number}, {size}, {count},\n     "
              + literal(text.encode(), 5) + "},")
    print("};\n\n/* The characters of the normal forms, case by case. */")
    print("static const normalizer_char expected[] = {")
    line = "   "
    for code, start, end in expected:
        text = f" {{{code:#x}, {start}, {end}}},"
        if len(line) + len(text) > 80:
            print(line)
            line = "   "
        line += text
    print(line + "\n};")


if __name__ == "__main__":
    main()
