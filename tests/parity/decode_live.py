#!/usr/bin/env python3
"""Decoders against the pinned `tokenizers`, live: every type with every option
over random ids, chains of them, special and normalized added tokens. It must
never pass over a difference: each is printed, and the exit status is 0 only
when there is none.

usage: decode_live.py [--cases N] [--seed N]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sequences_pair import FAILED, Failed, run  # noqa: E402

STRINGS = ["[UNK]", "[CLS]", "[SEP]", "", " ", "a", "b", "aa", "aaa", "##a",
           "##", "</w>", "a</w>", "</w></w>", "▁", "▁a", "a▁▁", "Ġa", "Ċ", "é",
           "aé", "字", "Ã", "©", "Ã©", "ð", "Ł", "ĺ", "Ģ", "<0x41>", "<0xC3>",
           "<0xA9>", "<0xe5>", "<0xAD>", "<0x97>", "<0x+5>", "<0x-5>", "<0x4G>",
           "<0xé>", "<0x441>", "<pad>", "|", "a|b", "<pad>a", " .", " ?", "!",
           ",", " ' ", "'", "n't", "'m", " do not", "do", "not", "'s", "'ve",
           "'re", " n't x 's", "x\0y", "\u3000", "x" * 300]


def character(chance):
    return chance.choice(["a", "▁", " ", "é", "字", "|"])


def string(chance):
    return chance.choice(["", "a", "##", "</w>", "▁", " ", "<pad>", "|", "aa",
                          "é", ".", "x*", "\\"])


def decoder(chance, depth=0):
    kind = chance.choice(["none", "BPEDecoder", "ByteLevel", "ByteFallback",
                          "CTC", "Fuse", "Metaspace", "Replace", "Regex",
                          "Strip", "WordPiece", "Sequence", "Sequence"])
    yes = chance.random() < 0.5
    if kind == "BPEDecoder":
        return {"type": kind, "suffix": string(chance)}
    if kind == "ByteLevel":
        return {"type": kind, "add_prefix_space": yes, "trim_offsets": yes}
    if kind == "CTC":
        return {"type": kind, "pad_token": string(chance),
                "word_delimiter_token": string(chance), "cleanup": yes}
    if kind == "Metaspace":
        made = {"type": kind, "replacement": character(chance)}
        if yes:
            made["prepend_scheme"] = chance.choice(
                ["always", "first", "never"])
        return made
    if kind == "Replace":
        return {"type": kind, "pattern": {"String": string(chance)},
                "content": string(chance)}
    if kind == "Regex":
        return {"type": "Replace", "content": string(chance),
                "pattern": {"Regex": chance.choice(
                    ["a", "x*", "a+", "^a", "a$", "[▁ ]", "$", "\\s+"])}}
    if kind == "Strip":
        return {"type": kind, "content": character(chance),
                "start": chance.randint(0, 3), "stop": chance.choice([0, 0, 1])}
    if kind == "WordPiece":
        return {"type": kind, "prefix": string(chance), "cleanup": yes}
    if kind == "Sequence" and depth < 2:
        return {"type": kind, "decoders": [
            made for made in (decoder(chance, depth + 1)
                              for _ in range(chance.randint(0, 4))) if made]}
    if kind == "none":
        return None
    return {"type": chance.choice(["ByteFallback", "Fuse"])}


def make(chance):
    contents = ["[CLS]", "[SEP]", "A", "É", "New", "new", "▁x", "Ġ y"]
    added = [{"id": 0, "content": content, "single_word": False,
              "lstrip": False, "rstrip": False,
              "normalized": chance.random() < 0.5,
              "special": chance.random() < 0.5}
             for content in chance.choices(contents, k=chance.randint(0, 5))]
    normalizer = {"type": "BertNormalizer", "clean_text": True,
                  "handle_chinese_chars": True, "strip_accents": None,
                  "lowercase": True}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": added,
            "normalizer": chance.choice([None, normalizer]),
            "pre_tokenizer": None, "post_processor": None,
            "decoder": decoder(chance),
            "model": {"type": "WordPiece", "unk_token": "[UNK]",
                      "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100,
                      "vocab": {s: i for i, s in enumerate(STRINGS)}}}


def compare(chance, mine, reference):
    ids = [chance.choice([chance.randrange(len(STRINGS) + 6),
                          chance.randrange(len(STRINGS)), 2**32 - 1, 99999])
           if chance.random() < 0.9 else chance.randrange(28, 36)
           for _ in range(chance.choice([0, 1, 2, 3, 8, 30]))]
    skip = chance.random() < 0.5
    expected = reference.decode(ids, skip)
    try:
        found = mine.decode(ids, skip)
    except Failed:
        found = FAILED
    return found == expected, ids, skip, found, expected


if __name__ == "__main__":
    sys.exit(run(make, compare, cases=500, texts=20,
                 refused=["the same as another"],
                 shown=["decoder", "added_tokens", "normalizer"]))
