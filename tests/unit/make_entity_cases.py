#!/usr/bin/env python3
"""Writes entity_cases.inc: tokenizers, texts, and the entities that the pinned
reference's pipeline finds in them, for scores that a seed gives. It must never
take an expected value from Remora.

    python tests/unit/make_entity_cases.py > tests/unit/entity_cases.inc

Needs the packages of tests/parity/requirements-parity.txt.
"""

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers
from tokenizers import Tokenizer
from transformers.pipelines import TokenClassificationPipeline

sys.path.insert(0, str(Path(__file__).resolve().parent))

from c_literals import literal  # noqa: E402

STRATEGIES = ("none", "simple", "first", "average", "max")
# Overlap of windows, None for one window; and the strategy.
CASES = (*((None, i) for i in range(5)), (0, 2), (2, 1), (4, 3))
LABELS = (
    ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
    ("O", "B-", "I-", "-", "B-O", "X-O", "X-Y-Z", ""),
    ("NOUN", "O", "I-NOUN", "B-NOUN", "b-NOUN", "I", "B"),
)
TEXTS = (
    "Ann Lee lives in New York.",
    "Annabelle, of Newark's bay:  Leeds",
    " e\u0301cole na\u00efve caf\u00e9 Lee\u00df \u2603 X",
    "newann\nyorklee\tin-Leeann",
    "ann [UNK] lee<unk>lee \u2603\u2603 york",
    "\u5317\u4eac Ann\u5317 a\u0301nn \u00c9lan",
)

# ------------------------------------------------------------------ tokenizers

LETTERS = "abcdefgilmnorsvwxyz'"
PIECES = ("ann", "lee", "new", "york", "in", "of", "live", "bay", "na", "le")


def added(content, index, special=True):
    return {"id": index, "content": content, "single_word": False,
            "lstrip": False, "rstrip": False, "normalized": False,
            "special": special}


def template(begin, end, begin_id, end_id):
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": begin, "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": end, "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                 {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            name: {"id": name, "ids": [index], "tokens": [name]}
            for name, index in ((begin, begin_id), (end, end_id))},
    }


def wordpiece():
    words = ["[UNK]", "[CLS]", "[SEP]", ".", ",", ":", "-", "\u5317",
             *LETTERS, *("##" + letter for letter in LETTERS),
             *PIECES, *("##" + piece for piece in PIECES)]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(word, i) for i, word in enumerate(words[:3])],
        "normalizer": {"type": "BertNormalizer", "clean_text": True,
                       "handle_chinese_chars": True, "strip_accents": None,
                       "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template("[CLS]", "[SEP]", 1, 2), "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]",
                  "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {word: i for i, word in enumerate(words)}},
    }


def unigram():
    words = ["<s>", "</s>", "<unk>", "\u2581", ".", ",", ":", "-", "A", "L",
             "N", "Y", *LETTERS, *PIECES, "\u2581Ann", "\u2581Lee",
             "\u2581New", "\u2581York", "\u2581in", "\u2581of"]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(word, i) for i, word in enumerate(words[:3])],
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581",
                          "prepend_scheme": "always", "split": True},
        "post_processor": template("<s>", "</s>", 0, 1), "decoder": None,
        "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": False,
                  "vocab": [[word, -1.0 - i / 64]
                            for i, word in enumerate(words)]},
    }


def byte_level():
    symbols = [chr(code) for code in (
        *range(33, 127), *range(161, 173), *range(174, 256),
        *range(256, 324))]
    merges = [("a", "n"), ("an", "n"), ("l", "e"), ("le", "e"), ("L", "e"),
              ("Le", "e"), ("o", "r"), ("\u0120", "i"), ("\u0120i", "n"),
              ("\u0120", "Le"), ("\u0120Le", "e"), ("\u00c3", "\u00a9")]
    words = ["<s>", "</s>", *symbols, *("".join(pair) for pair in merges)]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(word, i) for i, word in enumerate(words[:2])],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                          "trim_offsets": True, "use_regex": True},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 1],
                           "cls": ["<s>", 0], "trim_offsets": True,
                           "add_prefix_space": False},
        "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": {word: i for i, word in
                            enumerate(dict.fromkeys(words))},
                  "merges": [list(pair) for pair in merges]},
    }


FILES = ((wordpiece(), "[UNK]"), (unigram(), "<unk>"), (byte_level(), None))

# ------------------------------------------------------------------- reference

MASK = (1 << 64) - 1
WINDOW = 8


def random_values(seed, count):
    """tiny_random's (Steele et al. 2014), as logits of [-4, 4]."""
    values = []
    for _ in range(count):
        seed = seed + 0x9e3779b97f4a7c15 & MASK
        z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9 & MASK
        z = (z ^ z >> 27) * 0x94d049bb133111eb & MASK
        values.append(((z ^ z >> 31) % 4001 - 2000) / 500)
    return values


class Model:
    def __init__(self, labels, seed):
        self.config = SimpleNamespace(id2label=dict(enumerate(labels)))
        self.seed = seed

    def __call__(self, input_ids, **_):
        columns = len(self.config.id2label)
        values = random_values(self.seed, input_ids.shape[1] * columns)
        self.seed += 1000  # of the next window
        return {"logits": torch.tensor(values).reshape(1, -1, columns)}


def entities(tokenizer, text, labels, seed, strategy, stride=None):
    """As (name, score, first byte, last byte); in windows of 8 tokens where
    they overlap."""
    pipeline = object.__new__(TokenClassificationPipeline)
    pipeline.tokenizer = tokenizer
    pipeline.model = Model(labels, seed)
    windows = {} if stride is None else {
        "return_overflowing_tokens": True, "padding": True, "stride": stride,
        "max_length": WINDOW}
    given = pipeline.preprocess(text, is_split_into_words=False,
                                tokenizer_params=windows)
    found = pipeline.postprocess(
        [pipeline._forward(inputs) for inputs in given],
        aggregation_strategy=transformers.pipelines.token_classification
        .AggregationStrategy(strategy))
    # Of windows, it gives a first one of no characters twice.
    if stride is not None and len(found) > 1 and found[0] is found[1]:
        del found[0]
    return [(one.get("entity_group", one.get("entity")), float(one["score"]),
             len(text[:one["start"]].encode()),
             len(text[:one["end"]].encode())) for one in found]


def opened(file, unknown):
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(file)),
        unk_token=unknown, model_max_length=512,
        pad_token=file["added_tokens"][0]["content"])


# ---------------------------------------------------------------------- output

def text_literal(text, indent=4):
    return literal(text.encode(), indent)


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    print("/*\n * entity_cases.inc - what the reference's pipeline finds for\n"
          " * scores that a seed gives; written by make_entity_cases.py from"
          f"\n * transformers {transformers.__version__}, never by hand.\n */")
    print("static const char *const files[] = {")
    for file, _ in FILES:
        print("    " + text_literal(json.dumps(file)) + ",")
    print("};\nstatic const char *const label_lists[][9] = {")
    for labels in LABELS:
        print("    {" + ", ".join(text_literal(name) for name in labels)
              + ", NULL},")
    print("};\nstatic const char *const texts[] = {")
    for text in TEXTS:
        print("    " + text_literal(text) + ",")
    rows, found, seed = [], [], 0
    for at, (file, unknown) in enumerate(FILES):
        tokenizer = opened(file, unknown)
        for which, text in enumerate(TEXTS):
            seed += 1
            labels = seed % len(LABELS)
            for stride, strategy in CASES:
                these = entities(tokenizer, text, LABELS[labels], seed,
                                 STRATEGIES[strategy], stride)
                window = 0 if stride is None else WINDOW
                rows.append(f"    {{{at}, {which}, {labels}, {seed}, "
                            f"{strategy}, {window}, {stride or 0}, "
                            f"{len(found)}, {len(these)}}},")
                found.extend(these)
    print("};\nstatic const expected_entity expected[] = {")
    for name, score, start, end in found:
        print(f"    {{{text_literal(name)}, {score:.7f}f, {start}, {end}}},")
    print("};\nstatic const entity_case cases[] = {")
    print("\n".join(rows))
    print("};")


if __name__ == "__main__":
    main()
