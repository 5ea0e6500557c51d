#!/usr/bin/env python3
"""Writes model_cases.inc: tokenizer.json files that are little but a model,
texts, and what the pinned reference makes of them. It must never take an
expected value from Remora.

    python tests/unit/make_model_cases.py > tests/unit/model_cases.inc

Needs the packages of tests/parity/requirements-parity.txt.
"""

import json
import random
import sys
from pathlib import Path

import tokenizers

sys.path.insert(0, str(Path(__file__).resolve().parent))

from c_literals import literal  # noqa: E402

REFERENCE = "0.23.3"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
WORDS = ("<unk> a b c d e l o h n é ▁ ab bc abc aa aaa aaaa he ll hell hello "
         "▁a ▁h ▁he an ana nan 北 ##a ##b ##ab ##n ##an a</w> b</w> ab</w> "
         "xy").split()
MERGES = [("b", "c"), ("a", "b"), ("a", "bc"), ("a", "a"), ("aa", "a"),
          ("aa", "aa"), ("l", "l"), ("h", "e"), ("he", "ll"), ("hell", "o"),
          ("▁", "h"), ("▁h", "e"), ("a", "n"), ("n", "an"), ("an", "a"),
          ("▁", "a")]
TEXTS = ["", "a", "abc", "aabc", "aaaaa", "aaaaaaa", "hello", "xhellox",
         "xxabxx", "éx北é", "banana", "xy", "▁hello▁abc▁xx▁a", "a b", "<unk>a",
         "x<unk>x", "aé" * 3, "abchello" * 9, "a" * 23, "a" * 24, "a" * 25,
         "a" * 26, "banana" * 12, "x" * 40, "▁hello" * 12,
         "éab" * 20 + "x"]


def bpe(words=WORDS, merges=MERGES, **options):
    known = set(words)
    pairs = [pair for pair in merges if {*pair, "".join(pair)} <= known]
    return {"type": "BPE", "vocab": {w: i for i, w in enumerate(words)},
            "merges": options.pop("pairs", pairs), **options}


def unigram(words=WORDS, **options):
    scores = [[w, -0.1 - len(words) / 7 + 0.01234567890123457 * len(w) ** 2 *
               (i % 5)] for i, w in enumerate(words)]
    return {"type": "Unigram", "vocab": scores, **options}


PREFIXED = [("a", "##b"), ("##a", "##b"), ("##a", "##n"), ("a", "##n")]
SUFFIXED = [("a", "b</w>"), ("a", "b")]
MODELS = [
    bpe(), bpe(unk_token="<unk>"), bpe(unk_token="<unk>", fuse_unk=True),
    bpe(merges=list(reversed(MERGES)), unk_token="<unk>"),
    bpe(WORDS + BYTES, unk_token="<unk>", byte_fallback=True),
    bpe(WORDS + BYTES[:0xC3], unk_token="<unk>", byte_fallback=True,
        fuse_unk=True),
    bpe(WORDS + ["xyxy", "abchello" * 9], unk_token="<unk>",
        ignore_merges=True),
    bpe(pairs=PREFIXED, continuing_subword_prefix="##", unk_token="<unk>"),
    bpe(pairs=SUFFIXED, end_of_word_suffix="</w>", unk_token="<unk>"),
    bpe(pairs=["#version: 0.2", *(" ".join(m) for m in MERGES),
               "b c", "a b"]),
    unigram(unk_id=0), unigram(unk_id=0, byte_fallback=True),
    unigram(WORDS + BYTES, unk_id=0, byte_fallback=True),
    unigram(WORDS + ["x", "xxxx", "ab", "hello"], unk_id=0),
    {"type": "WordLevel", "unk_token": "<unk>",
     "vocab": {w: i for i, w in enumerate(WORDS)}},
]


def file_of(model):
    return {"version": "1.0", "added_tokens": [], "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": None,
            "model": model}


def tokens(tokenizer, text):
    encoding = tokenizer.encode(text)
    ends = [len(text[:i].encode()) for i in range(len(text) + 1)]
    return [(i, ends[start], ends[end])
            for i, (start, end) in zip(encoding.ids, encoding.offsets)]


def main():
    if tokenizers.__version__ != REFERENCE:
        sys.exit(f"needs tokenizers {REFERENCE}")
    rng = random.Random(11)
    cases, numbers, files = [], [], []
    for index, model in enumerate(MODELS):
        files.append(json.dumps(file_of(model), ensure_ascii=False))
        tokenizer = tokenizers.Tokenizer.from_str(files[-1])
        texts = TEXTS + ["".join(rng.choice("abcdeloh▁né北x")
                                 for _ in range(rng.randint(1, 40)))
                         for _ in range(5)]
        for text in texts:
            found = tokens(tokenizer, text)
            cases.append((index, text.encode(), len(found)))
            numbers += [n for token in found for n in token]
    print("/*\n * model_cases.inc - tokenizer.json files, texts and the tokens "
          "that the\n * reference gives; written by make_model_cases.py from "
          f"tokenizers {REFERENCE},\n * never by hand.\n */\n")
    print("static const char *const files[] = {")
    for text in files:
        print("    " + literal(text.encode(), 4) + ",")
    print("};\n\nstatic const model_case cases[] = {")
    for index, data, count in cases:
        print(f"    {{{index}, {len(data)}, {count},\n"
              f"     {literal(data, 5)}}},")
    print("};\n\n/* id, start, end of each token */")
    print("static const unsigned numbers[] = {")
    line = "   "
    for number in numbers:
        if len(line) + len(f" {number},") > 80:
            print(line)
            line = "   "
        line += f" {number},"
    print(line + "\n};")


if __name__ == "__main__":
    main()
