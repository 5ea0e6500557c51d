#!/usr/bin/env python3
"""Writes tokenizer_cases.inc: small tokenizer.json files, texts, and what the
pinned reference makes of them. It must never take an expected value from
Remora.

    python tests/unit/make_tokenizer_cases.py > tests/unit/tokenizer_cases.inc

Needs the packages of tests/parity/requirements.txt.
"""

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))

from c_literals import literal  # noqa: E402
from tokenizer_live import (  # noqa: E402
    Reference, added_text, bert_normalizer, random_text, wordpiece)
from tokenizer_pair import END, REFERENCE, START  # noqa: E402

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h i j k l m n o p q r s t u "
    "v w x y z 0 1 2 3 ##a ##b ##c ##d ##e ##f ##g ##h ##i ##j ##k ##l ##m ##n "
    "##o ##p ##q ##r ##s ##t ##u ##v ##w ##x ##y ##z , . ! ? - _ ( ) [ ] < > ' "
    "hello world foo bar ##bar ##ing un ##aff ##able the card charged twice "
    "Hello É é ##é ß ı ##ı σ ς ##ς ά й и ф 北 京 豈 か が ##\u3099 \u1112 "
    "##\u1161 ##\u11ab 한 ##국 न ##\u093c ##\u1b44 \u1b44 👍 ##🏽 ❤ \u200d "
    "\ufffd ## ##. hello! it").split()
# The id before the last is free: the reference gives a new token the number of
# entries as its id, which then is the last entry's too.
VOCABULARY = {word: i + (i == len(WORDS) - 1) for i, word in enumerate(WORDS)}
TEXTS = [
    "", " ", "hello", "Hello world!", "unaffable foo-barring", "the card, "
    "charged twice?", "HELLO [MASK] [CLS]world[SEP]", "  foo\t\n bar\r ",
    "École ÉTÉ e\u0301te\u0301", "İstanbul ıI ẞß", "ΟΔΟΣ Σς άΆ", "Йи йф",
    "北京 foo北bar", "豈更 \ufa0e", "がか゚ か\u3099", "한국어 \u1112\u1161\u11ab",
    "न\u093c क़ \u0958", "x\u0323\u0307\u1b44y \u1b44\u0301\u0334",
    "👍🏽 👨\u200d👩 ❤\ufe0f", "a\u0000b\u0007c\u00add\u200be\ufefff",
    "a\u00a0b\u2003c\u3000d\u0085e\u2028f\u000bg", "a" * 8, "a" * 9,
    "é" * 8 + " " + "é" * 9, "it's (foo) <bar> [x] a_b", "foo\ufffdbar",
    "##ing ## x##a", "«a» “b” — c… ¿d¡", "\u0301hello \u0301", "hello!hello",
    b"foo\xffbar \xc3\x28 \xed\xa0\x80 \xf0\x9f\x98 \xe4\xb8",
    b"\x80\xbf\xc0\xaf\xf4\x90\x80\x80 a", "[cls] [CLS", "ab " * 12,
]
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def added(content, *flags):
    return {"id": VOCABULARY.get(content, 999), "content": content,
            **{flag: flag in flags for flag in FLAGS}}


SPECIAL = [added(name, "special") for name in WORDS[:5]]
TRICKY = [
    added("[MASK]", "special", "lstrip"), added("<x>", "rstrip"),
    added("foo", "single_word"), added("é", "normalized"),
    added("Hello World", "normalized", "lstrip", "rstrip"),
    added("_", "single_word", "normalized"), added("\ufffd", "rstrip"),
    added("x\ufffd"), added("北", "normalized"), added("ab"), added("abc"),
]
SPACES = [added(" ", "rstrip"), added(" b"), added("a\n", "normalized"),
          added("\u3000", "lstrip", "rstrip", "normalized")]


def template(*type_ids):
    special = [{"SpecialToken": {"id": name, "type_id": type_id}}
               for name, type_id in zip(("[CLS]", "[SEP]"), type_ids[::2])]
    text = {"Sequence": {"id": "A", "type_id": type_ids[1]}}
    return {"type": "TemplateProcessing", "single": [special[0], text,
            special[1]], "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {name: {"id": name, "ids": [i], "tokens": [name]}
                               for i, name in ((2, "[CLS]"), (3, "[SEP]"))}}


def config(normalizer, added_tokens=SPECIAL, post=template(0, 0, 0),
           pre={"type": "BertPreTokenizer"}, **model):
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": added_tokens, "normalizer": normalizer,
            "pre_tokenizer": pre, "post_processor": post, "decoder": None,
            "model": wordpiece(VOCABULARY, **{"max_chars": 8, **model})}


CONFIGS = [
    config(bert_normalizer()),
    config(bert_normalizer(lower=False), TRICKY, template(1, 2, 3)),
    config(bert_normalizer(strip=False), TRICKY),
    config(bert_normalizer(clean=False, strip=True, lower=False), TRICKY, None),
    config(bert_normalizer(chinese=False), SPACES + TRICKY[:4]),
    config(None, TRICKY, {"type": "BertProcessing", "sep": ["[SEP]", 3],
                          "cls": ["[CLS]", 2]}),
    config(bert_normalizer(), SPACES, pre=None, max_chars=10**9),
    config(None, [], None, None, prefix="", max_chars=100),
]


def main():
    rng = random.Random(7)
    cases, numbers = [], []
    for index, options in enumerate(CONFIGS):
        reference = Reference(options)
        texts = [t if isinstance(t, bytes) else t.encode() for t in TEXTS]
        texts += [added_text(rng) for _ in range(25)]
        texts += [random_text(rng) for _ in range(10)]
        for data in texts:
            limit, truncate = rng.choice([(0, END)] * 3 + [(5, END),
                                                           (6, START)])
            found = reference.tokens(data, limit, truncate)
            if found is None:
                continue
            cases.append((index, data, limit, truncate, len(found)))
            for number, type_id, start, end in found:
                numbers += [number, start, end, type_id]
    print("/*\n * tokenizer_cases.inc - tokenizer.json files, texts and the "
          "tokens that the\n * reference gives; written by "
          f"make_tokenizer_cases.py from tokenizers {REFERENCE},\n * never by "
          "hand.\n */\n")
    vocabulary = json.dumps(VOCABULARY)
    print("static const char vocabulary[] =\n    "
          + literal(vocabulary.encode(), 4) + ";\n")
    print("/* %s is the vocabulary. */\nstatic const char *const configs[] = {")
    for options in CONFIGS:
        text = json.dumps(options)
        assert text.count(vocabulary) == 1 and "%" not in text
        text = text.replace(vocabulary, "%s")
        print("    " + literal(text.encode(), 4) + ",")
    print("};\n\nstatic const tokenizer_case cases[] = {")
    for index, data, limit, truncate, count in cases:
        print(f"    {{{index}, {len(data)}, {limit}, {truncate}, {count},\n"
              f"     {literal(data, 5)}}},")
    print("};\n\n/* id, start, end, type_id of each token */")
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
