#!/usr/bin/env python3
"""A BERT tokenizer against the pinned `tokenizers`, live: every code point,
random texts, random options and added tokens, truncation, long texts. It must
never pass over a difference: each is printed, and the exit status is 0
only when there is none.

usage: tokenizer_live.py TOKENIZER_JSON [--texts N] [--seed N]
"""

import argparse
import itertools
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tokenizer_pair  # noqa: E402
from tokenizer_pair import END, START, Batch, Library, Refused  # noqa: E402
from tokenizer_texts import CODE_POINTS  # noqa: E402

NONE = 2
TOO_LONG = -6


class Remora(tokenizer_pair.Remora):
    """A tokenizer.json, given as parsed JSON, opened by Remora."""

    lib = None

    def __init__(self, config):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            super().__init__(self.lib, file.name)

    def tokens(self, data, limit=0, truncate=END):
        """One text's tokens, or its status; and whether it was cut."""
        answer = self.encode(Batch([data]), limit, truncate)
        return (answer.of(0) if answer.counts[0] >= 0
                else int(answer.counts[0])), bool(answer.cut[0])


class Reference(tokenizer_pair.Reference):
    """The same JSON, opened by the reference."""

    def __init__(self, config):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            super().__init__(file.name)

    def tokens(self, data, limit=0, truncate=END):
        """One text's tokens; None when the reference has no answer."""
        return self.encode(Batch([data]), limit, truncate).of(0)


# --------------------------------------------------------------- comparison

class Tally:
    """How much was compared, and what differed."""

    def __init__(self):
        self.compared = self.differences = 0

    def difference(self, *what):
        self.differences += 1
        if self.differences <= 20:
            print("DIFFERENCE", *what, flush=True)

    def compare(self, ours, reference, data, note, limit=0, truncate=END):
        self.compared += 1
        expected = reference.tokens(data, limit, truncate)
        got = ours.tokens(data, limit, truncate)[0]
        if got == expected or expected is None:
            return True
        self.difference(note, repr(data[:200]), limit, truncate, "\n  ours ",
                        repr(got)[:300], "\n  other", repr(expected)[:300])
        return False


def pair(config):
    return Remora(config), Reference(config)


def bare(config, **changes):
    """A copy without the reference's truncation and padding, changed."""
    copy = json.loads(json.dumps(config))
    copy.update(truncation=None, padding=None, **changes)
    return copy


def bert_normalizer(clean=True, chinese=True, strip=None, lower=True):
    return {"type": "BertNormalizer", "clean_text": clean,
            "handle_chinese_chars": chinese, "strip_accents": strip,
            "lowercase": lower}


def wordpiece(vocab, prefix="##", max_chars=100):
    return {"type": "WordPiece", "unk_token": "[UNK]",
            "continuing_subword_prefix": prefix,
            "max_input_chars_per_word": max_chars, "vocab": vocab}


def all_characters(config):
    """A configuration whose vocabulary shows every assigned character, so that
    no wrong normal form hides behind the unknown token."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [chr(c) for c in CODE_POINTS[1:]
                  if unicodedata.category(chr(c)) not in ("Cn", "Co")]
    names += characters + ["##" + c for c in characters]
    ids = {"[CLS]": 2, "[SEP]": 3}
    template = json.loads(json.dumps(config["post_processor"]))
    for name, token in template["special_tokens"].items():
        token["ids"] = [ids[name]]
    return bare(config, model=wordpiece(
        {name: i for i, name in enumerate(names)}), post_processor=template)


def check_code_points(tally, config, note, contexts, step=1):
    """Code points in contexts, many to a text; a text that differs is taken
    apart."""
    ours, reference = pair(config)
    chosen = CODE_POINTS[::step]
    for context in contexts:
        pieces = [context.format(chr(c)).encode() for c in chosen]
        for at in range(0, len(pieces), 256):
            group = pieces[at:at + 256]
            quiet = Tally()
            quiet.difference = lambda *what: None
            if quiet.compare(ours, reference, b" ".join(group), note):
                tally.compared += len(group)
                continue
            before = tally.differences
            for piece in group:
                tally.compare(ours, reference, piece, note)
            if tally.differences == before:  # only together
                tally.compare(ours, reference, b" ".join(group), note)
    print(f"{note}: {tally.compared} compared, "
          f"{tally.differences} differences", flush=True)


# -------------------------------------------------------------- random texts

SCRIPTS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
    " " * 4, " \t\n\r\v\f\u00a0\u2003\u3000\u0085\u200b\ufeff\u2028",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "àáâãäåçèéêëñöøüýÀÉÎÕÜßœŁłđ",
    "İıſẞǅǆǈΣσςΑΒΓϐΐάέ", "абвгдежзийёЙЁЩъІЇ", "אבגדםןףץ\u05b0\u05bc\u05c1",
    "ابتثجحخدذ\u064b\u064e\u0651\u0670ﷺ", "नमस्तेक्षत्रज्ञड़", "กขคงจฉชซ\u0e34\u0e49",
    "中文字符测试漢字仮名豈更車\ufa0e", "ひらがなカタカナガギパ゙゚ー", "한국어처리각힣ᄀ\u1161\u11a8",
    "\u0300\u0301\u0308\u0323\u0327\u0334\u0345\u0315\u035c\u0360",
    "\u1b44\u1baa\u302e\u302f\u16ff0\U0001d165\U0001d16d\ua953\u0f71\u0f72",
    "\u0344\u0958\u09cb\u0ddd\u1f00\u212b\u2126\ufb1d\U0001109a\U0001d15e",
    "👍🏽👨\u200d👩\u200d👧🇫🇷❤\ufe0f", "«»“”‘’…–—¿¡、。「」！？％＄",
    "\0\x01\x1b\x7f\x80\x9f\u00ad\u200d\u2060\ufffd\ufffe\uffff\ue000\U000e0001",
]
WORDS = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", " [MASK] ", "##ing",
         "<x>", "foo", "Foo Bar", "FOO", "hello", "world", "İstanbul",
         "unaffable", "antidisestablishmentarianism", "a" * 99, "b" * 101,
         "é" * 100, "x  [SEP]", "\u3000[MASK]\u00a0y"]
BROKEN = [b"\xff", b"\x80", b"\xc3", b"\xe4\xb8", b"\xed\xa0\x80", b"\xc0\xaf",
          b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\xf5"]


def random_text(rng):
    parts = []
    for _ in range(rng.randrange(1, 8)):
        kind = rng.random()
        if kind < 0.70:
            script = rng.choice(SCRIPTS)
            parts.append("".join(rng.choices(
                script, k=rng.randrange(1, 10))).encode())
        elif kind < 0.80:
            parts.append(rng.choice(WORDS).encode())
        elif kind < 0.90:
            mixed = [rng.choice(rng.choice(SCRIPTS))
                     for _ in range(rng.randrange(1, 12))]
            parts.append("".join(mixed).encode())
        elif kind < 0.95:
            codes = rng.choices(CODE_POINTS, k=rng.randrange(1, 6))
            parts.append("".join(map(chr, codes)).encode())
        else:
            parts.append(rng.choice(BROKEN))
        if rng.random() < 0.4:
            parts.append(b" " * rng.randrange(1, 3))
    return b"".join(parts)


CONTENTS = ["[CLS]", "[MASK]", "<x>", "foo", "FOO", "oo", "Foo Bar", " b", "é",
            "É", "e\u0301", "##s", "北", "北京", "\u0301x", "\ufffd", "x\ufffd",
            "İ", "ﬁ", "  ", " ", "\n", "a", "ab", "abc", "ing", "_", "-x", "Σ",
            "\u3000", "\u00a0z", "z\u200d", "ﷺ", "가", "hello world"]


def random_added(rng):
    return [{"id": 40000 + i, "content": content,
             **{flag: rng.random() < 0.4 for flag in
                ("single_word", "lstrip", "rstrip", "normalized", "special")}}
            for i, content in enumerate(
                rng.choices(CONTENTS, k=rng.randrange(0, 9)))]


def added_text(rng):
    """A text rich in what could be added tokens."""
    return "".join(
        rng.choice(CONTENTS) if rng.random() < 0.6
        else rng.choice([" ", "  ", "\t", "a", "b", "É", "_", "中", "x", ".",
                         "\u0301", "\0", "\u200d", "foo", "\u2003"])
        for _ in range(rng.randrange(1, 14))).encode()


def random_config(rng, base):
    vocab = dict(rng.sample(sorted(base["model"]["vocab"].items()), 4000))
    for name in ("[UNK]", "[CLS]", "[SEP]", "foo", "##o", "a", "##a"):
        vocab[name] = base["model"]["vocab"][name]
    prefix = rng.choice(["##", "##", "##", "", "a", "x"])
    config = bare(
        base, model=wordpiece(vocab, prefix, rng.choice([0, 1, 5, 100, 10**9])),
        added_tokens=random_added(rng),
        normalizer=rng.choice([None, bert_normalizer(
            *(rng.random() < 0.5 for _ in range(2)),
            rng.choice([None, True, False]), rng.random() < 0.5)]),
        pre_tokenizer=rng.choice([None, {"type": "BertPreTokenizer"},
                                  {"type": "BertPreTokenizer"}]))
    if rng.random() < 0.3:
        config["post_processor"] = rng.choice([None, {
            "type": "BertProcessing", "sep": ["[SEP]", 102],
            "cls": ["[CLS]", 101]}])
    elif rng.random() < 0.3:
        for i, piece in enumerate(config["post_processor"]["single"]):
            next(iter(piece.values()))["type_id"] = i + 1
    return config


def check_random(tally, config, note, texts, rng, make=random_text):
    ours, reference = pair(config)
    for _ in range(texts):
        data = make(rng)
        tally.compare(ours, reference, data, note)
    print(f"{note}: {tally.compared} compared, "
          f"{tally.differences} differences", flush=True)


def check_configs(tally, base, count, rng):
    """Random options and added tokens, few texts each."""
    refused = 0
    for i in range(count):
        config = random_config(rng, base)
        try:
            ours, reference = pair(config)
        except Refused as error:
            if "normalized" not in str(error):
                raise
            refused += 1
            continue
        note = f"config {i} {json.dumps({**config, 'model': 0})}"
        for _ in range(40):
            data = (added_text if rng.random() < 0.7 else random_text)(rng)
            tally.compare(ours, reference, data, note)
        for _ in range(10):
            check_limits(tally, ours, reference, added_text(rng) * 3, note, rng)
    print(f"options: {count - refused} configurations ({refused} refused), "
          f"{tally.compared} compared, {tally.differences} differences",
          flush=True)


def check_limits(tally, ours, reference, data, note, rng):
    """Both directions, and that NONE refuses exactly what is longer."""
    limit = rng.randrange(3, 30)
    for truncate in (END, START):
        tally.compare(ours, reference, data, note, limit, truncate)
    whole = reference.tokens(data)
    if whole is None:
        return
    if ours.tokens(data, limit)[1] != (len(whole) > limit):
        tally.difference(note, repr(data), limit, "truncated", len(whole))
    fits, _ = ours.tokens(data, limit, NONE)
    if fits != (whole if len(whole) <= limit else TOO_LONG):
        tally.difference(note, repr(data), limit, "NONE", len(whole))


def check_long(tally, base, rng):
    """Texts of many windows, with all that can fall on a window's edge."""
    configs = {"as it is": bare(base)}
    configs["normalized added tokens"] = bare(base, added_tokens=[
        {"id": 0, "content": c, "single_word": False, "lstrip": False,
         "rstrip": True, "normalized": True, "special": False}
        for c in ("foo", "hello")])
    configs["cased, with white space"] = bare(
        base, normalizer=bert_normalizer(lower=False), added_tokens=[
            {"id": 0, "content": c, "single_word": False, "lstrip": True,
             "rstrip": True, "normalized": n, "special": False}
            for c, n in (("foo", True), ("a b", True), ("<x>", False))])
    for note, config in configs.items():
        ours, reference = pair(config)
        for _ in range(40):
            make = rng.choice([random_text, added_text])
            join = rng.choice([b"", b" ", b"\n", b"."])
            data = join.join(make(rng) for _ in range(rng.randrange(200, 4000)))
            tally.compare(ours, reference, data, "long, " + note)
            for truncate in (END, START):
                tally.compare(ours, reference, data, "long, " + note,
                              rng.randrange(3, 2000), truncate)
    print(f"long texts: {tally.compared} compared, "
          f"{tally.differences} differences", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tokenizer_json", type=Path)
    parser.add_argument("--texts", type=int, default=200000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    Remora.lib = Library("tokenizer")
    # The same, cutting texts wherever it thinks it can.
    cutting = Library("tokenizer-cuts", *tokenizer_pair.CUTS)
    base = json.loads(options.tokenizer_json.read_text())
    rng = random.Random(options.seed)
    tally = Tally()

    whole, _ = Remora(base).tokens(b"hello")
    if Reference(bare(base)).tokens(b"hello") != whole:
        tally.difference("the file's truncation or padding has an effect")
    shown = all_characters(base)
    check_random(tally, bare(base), "random", options.texts, rng)
    check_random(tally, shown, "random, shown", options.texts // 4, rng)
    check_configs(tally, base, options.texts // 400, rng)
    check_long(tally, base, rng)
    whole, Remora.lib = Remora.lib, cutting
    print("with many cuts:")
    check_random(tally, bare(base), "random", options.texts // 4, rng)
    check_configs(tally, base, options.texts // 200, rng)
    check_long(tally, base, rng)
    Remora.lib = whole
    check_code_points(tally, bare(base), "code points",
                      ["{}", "a{}", "{}a", "{} a", "É{}\u0323\u1b44"])
    check_code_points(tally, {**shown, "normalizer": bert_normalizer()},
                      "shown, all", ["{}", "a\u0301{}\u0334 "])
    for flags in itertools.product((True, False), repeat=4):
        check_code_points(
            tally, {**shown, "normalizer": bert_normalizer(*flags)},
            f"shown, {flags}", ["a{}b", "A\u0345{}\u0315\u1b44\u0301z"], 7)
    check_code_points(
        tally, {**shown, "normalizer": None}, "shown, no normalizer",
        ["a{}b"], 7)
    print(f"{tally.compared} compared, {tally.differences} differences")
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
