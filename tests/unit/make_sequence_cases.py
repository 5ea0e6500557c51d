#!/usr/bin/env python3
"""Writes pair_cases.inc and decode_cases.inc beside itself: what the pinned
`tokenizers` makes of pairs, windows and decoders, for the C tests. It must only
ever write what that library answers.

usage: make_sequence_cases.py
"""

import contextlib
import json
import sys
import textwrap
from pathlib import Path

import tokenizers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))

import c_literals  # noqa: E402
from sequences_pair import END, FAILED, START, Reference  # noqa: E402

WRITTEN = ("/*\n * {} - {}; written by make_sequence_cases.py from\n"
           " * tokenizers " + tokenizers.__version__ + ", never by hand.\n */\n")


def print_entry(*fields):
    """One entry of a table, a field a line."""
    print("    {" + ",\n     ".join(fields) + "},")


VOCABULARY = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "a", "b", "c", "d", "e", "f",
              "g", "h", "##x", ".", " a", "a ", "Ġb", "▁c", "<0xC3>", "<0xA9>",
              "é", "##", "do", "not", "n't", "\u3000d", "##b", "## ", "##a",
              "<0x+5>", "Ń", " do not", "a   "]
SPECIAL = {"C": {"id": "C", "ids": [1, 3], "tokens": ["[CLS]", "[PAD]"]},
           "S": {"id": "S", "ids": [2], "tokens": ["[SEP]"]}}


def text(name, type_id):
    return {"Sequence": {"id": name, "type_id": type_id}}


def token(name, type_id):
    return {"SpecialToken": {"id": name, "type_id": type_id}}


BOTH = {"sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
TEMPLATE = {"type": "TemplateProcessing", "special_tokens": SPECIAL,
            "single": [token("C", 7), text("A", 3), token("S", 8)],
            "pair": [token("C", 7), text("B", 3), token("S", 8),
                     text("A", 4)]}
TWICE = {"type": "TemplateProcessing", "special_tokens": SPECIAL,
         "single": [text("A", 1), token("S", 0), text("A", 2)],
         "pair": [text("B", 0), text("A", 1), text("B", 2)]}
NO_TEXT = {"type": "TemplateProcessing", "special_tokens": SPECIAL,
           "single": [token("S", 5)], "pair": []}
TRIM = {"type": "ByteLevel", "trim_offsets": True, "add_prefix_space": False}
KEEP_FIRST = {"type": "RobertaProcessing", **BOTH, "trim_offsets": True,
              "add_prefix_space": True}
BERT = {"type": "BertProcessing", **BOTH}
PROCESSORS = [
    None, BERT, {"type": "RobertaProcessing", **BOTH, "trim_offsets": False,
                 "add_prefix_space": False},
    TEMPLATE, TWICE, NO_TEXT,
    {"type": "Sequence", "processors": [BERT, TEMPLATE]},
    {"type": "Sequence", "processors": [TRIM, BERT]},
    {"type": "Sequence", "processors": [BERT, KEEP_FIRST]},
    {"type": "Sequence", "processors": [TEMPLATE, KEEP_FIRST]},
]
TRIMMERS = [TRIM, KEEP_FIRST,
            {"type": "Sequence", "processors": [TRIM, KEEP_FIRST]},
            {"type": "Sequence", "processors": [BERT, dict(
                TRIM, add_prefix_space=True)]}]
OPTIONS = [
    dict(), dict(no_special_tokens=1),
    dict(max_tokens=7, windows=1, stride=1),
    dict(max_tokens=7, windows=1, stride=1, truncate=START),
    dict(max_tokens=6, windows=1, no_special_tokens=1),
    dict(max_tokens=4, windows=1),
    dict(max_tokens=8, windows=1, strategy=1),
    dict(max_tokens=8, windows=1, strategy=2, stride=1, truncate=START),
]
TEXTS = [("a b c d e f g h", None), ("a b c d e", "f g h a b"),
         ("a b", "c d e f g h"), ("a b c d e f", "g"), ("", "a"), ("", None)]
SPACED = ["ab", "a a a a", "a a b", " a  a", "Ġb a", "a \u3000d", "\u3000dĠb", " a"]
DECODERS = [
    None, {"type": "BPEDecoder", "suffix": "a"},
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "CTC", "pad_token": "a", "word_delimiter_token": "d",
     "cleanup": True},
    {"type": "Metaspace", "replacement": "▁"},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"},
    {"type": "Replace", "pattern": {"String": "##"}, "content": "--"},
    {"type": "Replace", "pattern": {"String": ""}, "content": "_"},
    {"type": "Strip", "content": "a", "start": 1, "stop": 0},
    {"type": "Strip", "content": "a", "start": 1, "stop": 1},
    {"type": "Strip", "content": "a", "start": 0, "stop": 2},
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": False},
    {"type": "Sequence", "decoders": [
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": "é", "start": 1, "stop": 0}]},
]
IDS = [[], [4], [4, 4, 5, 12, 13], [18, 19, 4, 19, 18, 18], [17, 17, 16, 20],
       [1, 4, 2, 33, 34, 35], [14, 15, 21, 12, 4000000000], [4, 22, 23, 24], [29, 4, 30, 31]]
ADDED = [("[CLS]", True, False), ("[SEP]", True, False), ("NEW", False, True),
         ("Ü", True, True), ("x y", True, False)]


def config(processor=None, decoder=None, added=(), normalizer=None,
           pre_tokenizer=None):
    return {
        "added_tokens": [
            {"id": 0, "content": content, "single_word": False,
             "lstrip": False, "rstrip": False, "normalized": normalized,
             "special": special} for content, special, normalized in added],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
        "post_processor": processor, "decoder": decoder,
        "model": {"type": "WordPiece", "unk_token": "[UNK]",
                  "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {s: i for i, s in enumerate(VOCABULARY)}}}


def wrapped(text):
    return ("\n" + " " * 6).join(textwrap.wrap(text, 72))


def literal(value):
    return "NULL" if value is None else c_literals.literal(value.encode(), 4)


def windows_text(windows):
    """"id.type.start.end ...|..." with offsets in code points."""
    if windows == FAILED:
        return None
    return "|".join(" ".join(".".join(map(str, token[:4])) for token in one)
                    for one in windows)


def pair_cases(reference, number, texts, options):
    for first, second in texts:
        for given in options:
            # With less room than special tokens need its limit wraps around.
            if not given.get("no_special_tokens") and \
                    given.get("max_tokens", 99) < \
                    reference.tokenizer.num_special_tokens_to_add(
                        second is not None):
                continue
            found = windows_text(reference.windows(first, second, **given))
            full = dict(max_tokens=0, truncate=END, strategy=0, windows=0,
                        stride=0, no_special_tokens=0) | given
            values = ", ".join(f".{k} = {v}" for k, v in full.items() if v)
            print_entry(str(number), literal(first), literal(second),
                        wrapped(f"{{{values or '0'}}}"), literal(found))


def print_configs(name, configs):
    print(f"static const char *const {name}_configs[] = {{")
    for one in configs:
        print("    " + literal(json.dumps(one, ensure_ascii=False)) + ",")
    print("};")


def print_pairs(name, configs, texts, options):
    print(f"static const pair_case {name}_cases[] = {{")
    for number, one in enumerate(configs):
        pair_cases(Reference(one), number, texts, options)
    print("};")


def print_decodings(configs):
    print("static const decode_case decode_cases[] = {")
    for number, one in enumerate(configs):
        reference = Reference(one)
        for ids in IDS:
            for skip in (0, 1):
                found = reference.decode(ids, bool(skip))
                found = None if found == FAILED else found
                values = ", ".join(f"{i}u" for i in ids) or "0"
                print_entry(f"{number}, {len(ids)}", wrapped(f"{{{values}}}"),
                            str(skip), literal(found))
    print("};")


def main():
    normalizer = {"type": "BertNormalizer", "clean_text": True,
                  "handle_chinese_chars": True, "strip_accents": False,
                  "lowercase": True}
    bert = {"type": "BertPreTokenizer"}
    pairs = [config(one, pre_tokenizer=bert) for one in PROCESSORS]
    # A token of more white space than the text has characters.
    replace = {"type": "Replace", "pattern": {"String": "b"},
               "content": "   "}
    spaces = {"type": "Split", "pattern": {"String": " "},
              "behavior": "MergedWithNext", "invert": False}
    trims = [config(one, pre_tokenizer=pre) for one in TRIMMERS
             for pre in (None, spaces)] + [config(TRIM, normalizer=replace)]
    decoders = [config(None, one, ADDED, normalizer) for one in DECODERS]
    here = Path(__file__).resolve().parent
    with open(here / "pair_cases.inc", "w") as out, \
            contextlib.redirect_stdout(out):
        print(WRITTEN.format("pair_cases.inc", "pairs and windows"))
        print_configs("pair", pairs)
        print_configs("trim", trims)
        print_pairs("pair", pairs, TEXTS, OPTIONS)
        print_pairs("trim", trims, [(a, None) for a in SPACED],
                    [dict(), dict(max_tokens=3, windows=1,
                                  no_special_tokens=1),
                     dict(max_tokens=4, windows=1)])
    with open(here / "decode_cases.inc", "w") as out, \
            contextlib.redirect_stdout(out):
        print(WRITTEN.format("decode_cases.inc", "what ids decode to"))
        print_configs("decoder", decoders)
        print_decodings(decoders)


if __name__ == "__main__":
    main()
