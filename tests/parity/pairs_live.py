#!/usr/bin/env python3
"""Pairs, post-processors, truncation and windows against the pinned
`tokenizers`, live: random post-processors and limits over random short texts.
It must never pass over a difference: each is printed, and the exit status is 0
only when there is none.

usage: pairs_live.py [--cases N] [--seed N]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sequences_pair import END, FAILED, START, Failed, run  # noqa: E402

# White space of one to three bytes, and what stands for a space.
LETTERS = ["a", "b", "é", " ", "\u3000", "\u00a0", "Ġ", "\t", "字"]
SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]


def vocabulary(chance):
    strings = SPECIAL + LETTERS + ["##" + letter for letter in LETTERS]
    for _ in range(30):
        word = "".join(chance.choices(LETTERS, k=chance.randint(2, 4)))
        strings.append(chance.choice(["", "##"]) + word)
    return {string: i for i, string in enumerate(dict.fromkeys(strings))}


def piece(chance, special):
    if special and chance.random() < 0.5:
        return {"SpecialToken": {"id": chance.choice("XY"),
                                 "type_id": chance.randint(0, 3)}}
    return {"Sequence": {"id": chance.choice("AB"),
                         "type_id": chance.choice([0, 1, 2, 2**32 - 1])}}


def template(chance):
    single = [p for p in (piece(chance, 1) for _ in range(chance.randint(0, 4)))
              if p.get("Sequence", {}).get("id") != "B"]
    if chance.random() < 0.7:
        single.insert(chance.randint(0, len(single)),
                      {"Sequence": {"id": "A", "type_id": 1}})
    return {"type": "TemplateProcessing", "single": single,
            "pair": [piece(chance, 1) for _ in range(chance.randint(0, 5))],
            "special_tokens": {
                "X": {"id": "X", "ids": [1], "tokens": ["[CLS]"]},
                "Y": {"id": "Y", "ids": [2, 3], "tokens": ["[SEP]", "[PAD]"]}}}


def processor(chance, depth=0):
    kind = chance.choice(["none", "template", "template", "bert", "roberta",
                          "bytes", "sequence"])
    both = {"sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
    trims = {"trim_offsets": chance.random() < 0.7,
             "add_prefix_space": chance.random() < 0.5}
    if kind == "template":
        return template(chance)
    if kind == "bert":
        return {"type": "BertProcessing", **both}
    if kind == "roberta":
        return {"type": "RobertaProcessing", **both, **trims}
    if kind == "sequence" and depth < 2:
        made = [processor(chance, depth + 1)
                for _ in range(chance.randint(0, 3))]
        return {"type": "Sequence",
                "processors": [one for one in made if one]}
    if kind == "none" and not depth:
        return None
    return {"type": "ByteLevel", **trims, "use_regex": True}


def make(chance):
    added = [{"id": 0, "content": content, "single_word": False,
              "lstrip": chance.random() < 0.5, "rstrip": chance.random() < 0.5,
              "normalized": chance.random() < 0.5,
              "special": chance.random() < 0.5}
             for content in chance.sample(["<m>", "ab", " b", "[PAD]"],
                                          chance.randint(0, 2))]
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": added, "normalizer": None,
            "pre_tokenizer": chance.choice(
                [None, {"type": "BertPreTokenizer"}]),
            "post_processor": processor(chance), "decoder": None,
            "model": {"type": "WordPiece", "unk_token": "[UNK]",
                      "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100,
                      "vocab": vocabulary(chance)}}


def random_text(chance):
    pieces = LETTERS + ["<m>", "ab", " ", "  ", "[PAD]", "€"]
    return "".join(chance.choices(pieces, k=chance.choice([0, 1, 3, 8, 20])))


def options(chance):
    return dict(max_tokens=chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 9, 12]),
                truncate=chance.choice([END, START]),
                strategy=chance.choice([0, 0, 1, 2]),
                windows=1, stride=chance.choice([0, 0, 1, 2, 3]),
                no_special_tokens=chance.choice([0, 1]))


def refuses_early(reference, given, texts):
    """What only the reference refuses or accepts: a stride, or a limit without
    room, before it knows whether it has to cut."""
    free = dict(given, max_tokens=0)
    whole = reference.windows(*texts, **free)
    return whole != FAILED and given["max_tokens"]


def compare(chance, mine, reference):
    texts = [random_text(chance)]
    if chance.random() < 0.7:
        texts.append(random_text(chance))
    given = options(chance)
    data = [text.encode() for text in texts]
    try:
        found, failed = mine.windows(*data, **given), None
    except Failed as sentence:
        found, failed = None, sentence
    # Its windows hold each other: memory grows as the square of their number.
    if found and len(found) > 3000:
        return None, texts, given
    expected = reference.windows(*texts, **given)
    if failed:
        # Without room for special tokens the reference's limit wraps around.
        wraps = "leaves no room" in str(failed) and given["max_tokens"]
        return expected == FAILED or wraps, texts, given, str(failed), expected
    if expected == FAILED:
        # The reference also refuses a stride for texts that are not cut.
        fits = refuses_early(reference, given, texts) and len(found) == 1
        return bool(fits), texts, given, found, expected
    if not reference.knows_texts:
        found, expected = ([[token[:4] for token in one] for one in side]
                           for side in (found, expected))
    if found == expected and len(texts) == 1 and not given["no_special_tokens"]:
        return compare_single(mine, data[0], given, expected, texts)
    if found == expected and reference.knows_texts and chance.random() < 0.3:
        given["windows"] = 0
        found, expected = mine.windows(*data, **given), expected[:1]
    return found == expected, texts, given, found, expected


def compare_single(mine, data, given, expected, texts):
    expected = [token[:4] for token in expected[0]]
    if given["strategy"] == 2:
        return True, texts, given, None, None
    try:
        found = mine.single(data, given["max_tokens"], given["truncate"])
    except Failed as failed:
        fits = "than it leaves room for" in str(failed)
        return fits, texts, given, str(failed), expected
    return found == expected, texts, given, found, expected


if __name__ == "__main__":
    sys.exit(run(make, compare, cases=300, texts=40,
                 refused=["has the Sequence B", "takes one or two",
                          "over 4 times", "the same as another"],
                 shown=["post_processor", "added_tokens", "pre_tokenizer"]))
