#!/usr/bin/env python3
"""The tokenizer against the pinned `tokenizers`, live: every code point, random
texts, every option that is supported, truncation, long texts and speed. It
must never pass over a difference: each is printed, and the exit status is 0
only when there is none.

usage: tokenizer_live.py TOKENIZER_JSON [--texts N] [--seed N] [--no-speed]

Needs requirements-parity.txt beside it, a C compiler and jansson; builds the
tokenizer into build/tests by itself.
"""

import argparse
import ctypes
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_size_t
from ctypes import c_uint32, c_void_p
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = "0.23.3"
SOURCES = ["tokenizer/*.c", "common/base/alloc.c", "common/base/error.c",
           "common/base/file.c", "common/base/json.c"]
END, START, NONE = 0, 1, 2
UNSUPPORTED, TOO_LONG = -4, -6
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


# ------------------------------------------------------------------- Remora

class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("message", c_char * 512)]


class Token(ctypes.Structure):
    _fields_ = [("id", c_uint32), ("type_id", c_uint32),
                ("start", c_size_t), ("end", c_size_t)]


class Encoding(ctypes.Structure):
    _fields_ = [("tokens", POINTER(Token)), ("count", c_size_t),
                ("truncated", c_int), ("capacity", c_size_t),
                ("scratch", c_void_p)]


def load_library(name, *flags):
    output = ROOT / "build" / "tests" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    sources = [str(path) for pattern in SOURCES
               for path in sorted(ROOT.glob(pattern))]
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O3",
         "-fPIC", "-shared", f"-I{ROOT}", *flags, "-o", str(output),
         *sources, "-ljansson"], check=True)
    lib = ctypes.CDLL(str(output))
    lib.rmr_tokenizer_open.argtypes = [
        POINTER(c_void_p), c_char_p, POINTER(Error)]
    lib.rmr_tokenizer_close.argtypes = [c_void_p]
    lib.rmr_tokenizer_close.restype = None
    lib.rmr_encoding_free.argtypes = [POINTER(Encoding)]
    lib.rmr_encoding_free.restype = None
    lib.rmr_tokenizer_encode.argtypes = [
        c_void_p, c_char_p, c_size_t, c_size_t, c_int, POINTER(Encoding),
        POINTER(Error)]
    return lib


class Refused(Exception):
    """A status other than RMR_OK."""

    def __init__(self, error):
        super().__init__(error.message.decode())
        self.status = error.status


class Remora:
    """A tokenizer.json, given as parsed JSON, opened by Remora."""

    lib = None

    def __init__(self, config):
        self.handle, self.encoding = c_void_p(), Encoding()
        error = Error()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            if self.lib.rmr_tokenizer_open(
                    byref(self.handle), file.name.encode(), byref(error)):
                raise Refused(error)

    def __del__(self):
        self.lib.rmr_encoding_free(byref(self.encoding))
        self.lib.rmr_tokenizer_close(self.handle)

    def run(self, data, limit=0, truncate=END):
        """Encodes and leaves the result where it is."""
        error = Error()
        if self.lib.rmr_tokenizer_encode(
                self.handle, data, len(data), limit, truncate,
                byref(self.encoding), byref(error)):
            raise Refused(error)
        return self.encoding

    def encode(self, data, limit=0, truncate=END):
        """Ids, byte offsets and type ids."""
        encoding = self.run(data, limit, truncate)
        count = encoding.count
        if not count:
            return [], [], []
        words = memoryview(ctypes.cast(
            encoding.tokens, POINTER(Token * count)).contents)
        words = words.cast("B").cast("Q").tolist()
        return ([w & 0xFFFFFFFF for w in words[::3]],
                list(zip(words[1::3], words[2::3])),
                [w >> 32 for w in words[::3]])


# ---------------------------------------------------------------- reference

def byte_starts(data):
    """The text that bytes stand for, and where in them each of its characters
    begins, and the end."""
    text = data.decode("utf-8", errors="replace")
    if len(text) == len(data):
        return text, range(len(data) + 1)
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        for size in range(1, 5):
            try:
                data[at:at + size].decode()
                break
            except UnicodeDecodeError as error:
                # What could go on is tried one byte longer.
                if (error.reason == "unexpected end of data"
                        and at + size < len(data)):
                    continue
                size = error.end - error.start
                break
        at += size
    assert len(starts) == len(text)
    return text, starts + [at]


class Reference:
    """The same JSON, opened by the reference."""

    def __init__(self, config):
        self.tokenizer = tokenizers.Tokenizer.from_str(json.dumps(config))

    def encode(self, data, limit=0, truncate=END):
        text, starts = byte_starts(data)
        if limit:
            self.tokenizer.enable_truncation(
                limit, direction="left" if truncate == START else "right")
        else:
            self.tokenizer.no_truncation()
        result = self.tokenizer.encode(text)
        return (result.ids, [(starts[a], starts[b]) for a, b in result.offsets],
                result.type_ids)


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
        try:
            expected = reference.encode(data, limit, truncate)
        except BaseException as error:  # a Rust panic is no Exception
            if "bad split" not in str(error):
                raise
            return True  # the reference has no answer
        try:
            got = ours.encode(data, limit, truncate)
        except Refused as error:
            got = error
        if got == expected:
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
            if error.status != UNSUPPORTED or "normalized" not in str(error):
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
    try:
        whole = len(reference.encode(data)[0])
    except BaseException as error:
        if "bad split" not in str(error):
            raise
        return
    if bool(ours.run(data, limit).truncated) != (whole > limit):
        tally.difference(note, repr(data), limit, "truncated", whole)
    try:
        ours.run(data, limit, NONE)
        fits = True
    except Refused as error:
        if error.status != TOO_LONG:
            raise
        fits = False
    if fits != (whole <= limit):
        tally.difference(note, repr(data), limit, "NONE", whole)


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


# --------------------------------------------------------------------- speed

def best(action, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def show_speed(base, rng):
    """Processor time of both on the same texts, on one thread."""
    config = bare(base)
    ours, reference = pair(config)
    words = [w for w in base["model"]["vocab"] if w.isalpha() and len(w) > 1]
    weights = [1 / (i + 10) for i in range(len(words))]
    prose = " ".join(
        w.capitalize() if rng.random() < 0.1 else w + rng.choice(["", "", ","])
        for w in rng.choices(words, weights, k=200000)).encode()
    mixed = b" ".join(random_text(rng) for _ in range(20000))
    for name, data, size in (("prose", prose, 100), ("prose", prose, 2000),
                             ("scripts", mixed, 500)):
        parts = [data[i:i + size] for i in range(0, len(data), size)]
        texts = [part.decode(errors="replace") for part in parts]
        mine = best(lambda: [ours.run(part) for part in parts])
        theirs = best(
            lambda: [reference.tokenizer.encode(text) for text in texts], 2)
        rate = len(data) / 1e6
        print(f"{name}, {size} bytes each: {rate / mine:.1f} MB/s, the "
              f"reference {rate / theirs:.2f} MB/s, {theirs / mine:.0f} times")
    for name, data, limit in (
            ("a word of 1 MB", b"a" * 10**6, 0),
            ("prose of 1 MB", prose[:10**6], 0),
            ("marks, 1 MB", b"a" + "\u0301\u1b44".encode() * 200000, 0),
            ("10 MB cut at 256 tokens", prose[:10**6] * 10, 256),
            ("10 MB of one word cut at 256", b"a" * 10**7, 256)):
        seconds = best(lambda: ours.run(data, limit))
        print(f"{name}: {seconds * 1e3:.3f} ms")
    start = time.process_time()
    for _ in range(10):
        Remora(base)
    print(f"open, with writing the file: "
          f"{(time.process_time() - start) * 100:.1f} ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tokenizer_json", type=Path)
    parser.add_argument("--texts", type=int, default=200000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-speed", action="store_true")
    options = parser.parse_args()
    if tokenizers.__version__ != REFERENCE:
        sys.exit(f"needs tokenizers {REFERENCE}, "
                 f"found {tokenizers.__version__}")
    Remora.lib = load_library("libtokenizer.so")
    # The same, cutting texts wherever it thinks it can.
    cutting = load_library(
        "libtokenizer-cuts.so", "-DRMR_TOKENIZER_FIRST_WINDOW=4",
        "-DRMR_TOKENIZER_LAST_WINDOW=16")
    base = json.loads(options.tokenizer_json.read_text())
    rng = random.Random(options.seed)
    tally = Tally()

    if Reference(bare(base)).encode(b"hello") != Remora(base).encode(b"hello"):
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
    if not options.no_speed:
        show_speed(base, rng)
    print(f"{tally.compared} compared, {tally.differences} differences")
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
