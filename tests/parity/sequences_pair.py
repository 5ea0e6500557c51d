"""Remora's pairs, windows, decoding and chunks beside the reference's, for the
programs that compare them. It must never make either side's answer look like
the other's: a refusal and a failure are told as what they are.
"""

import argparse
import ctypes
import json
import random
import sys
import tempfile
from ctypes import (POINTER, byref, c_char_p, c_int, c_size_t, c_ubyte,
                    c_uint32, c_void_p)
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tokenizers  # noqa: E402
import tokenizer_pair  # noqa: E402
from tokenizer_pair import Library, Refused, panics_unheard  # noqa: E402

END, START, NONE = 0, 1, 2
STRATEGIES = ["longest_first", "only_first", "only_second"]
FAILED = "failed"


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("message", ctypes.c_char * 512)]


class Text(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


class Token(ctypes.Structure):
    _fields_ = [("id", c_uint32), ("type_id", c_uint32),
                ("start", c_size_t), ("end", c_size_t)]


class Span(ctypes.Structure):
    _fields_ = [("start", c_size_t), ("end", c_size_t)]


class Options(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("max_tokens", c_uint32),
                ("truncate", c_int), ("strategy", c_int), ("windows", c_int),
                ("stride", c_uint32), ("no_special_tokens", c_int)]


class Encoding(ctypes.Structure):
    _fields_ = [("tokens", POINTER(Token)), ("count", c_size_t),
                ("truncated", c_int), ("capacity", c_size_t),
                ("scratch", c_void_p), ("windows", POINTER(Span)),
                ("texts", POINTER(c_ubyte)), ("num_windows", c_size_t),
                ("rest", c_void_p * 16)]


class Decoding(ctypes.Structure):
    _fields_ = [("text", c_void_p), ("len", c_size_t), ("scratch", c_void_p)]


class ChunkOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("max_tokens", c_uint32),
                ("overlap", c_uint32), ("boundary", c_int)]


class Chunk(ctypes.Structure):
    _fields_ = [("start", c_size_t), ("end", c_size_t), ("tokens", c_size_t)]


class Chunking(ctypes.Structure):
    _fields_ = [("chunks", POINTER(Chunk)), ("count", c_size_t),
                ("rest", c_void_p * 64)]


class Failed(Exception):
    """Remora's sentence on a text."""


def text_of(data):
    return Text(data, len(data))


def place(tokens):
    """Without the text of tokens that are nowhere: to the reference all are of
    the first where a template has no text."""
    return [token[:4] + (token[4] if token[3] else None,) for token in tokens]


class Remora:
    """A tokenizer.json, given as parsed JSON, opened by Remora."""

    lib = None

    def __init__(self, config):
        if Remora.lib is None:
            Remora.lib = Library("sequences").lib
        self.handle, error = c_void_p(), Error()
        self.encoding, self.decoding = Encoding(), Decoding()
        self.chunking = Chunking()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(config, file)
            file.flush()
            if self.lib.rmr_tokenizer_open(
                    byref(self.handle), file.name.encode(), byref(error)):
                raise Refused(error.message.decode())

    def __del__(self):
        self.lib.rmr_encoding_free(byref(self.encoding))
        self.lib.rmr_decoding_free(byref(self.decoding))
        self.lib.rmr_chunking_free(byref(self.chunking))
        self.lib.rmr_tokenizer_close(self.handle)

    def check(self, status, error):
        if status:
            raise Failed(f"{status}: {error.message.decode()}")

    def windows(self, first, second=None, **options):
        """Each window's tokens: (id, type, start, end, text), offsets in code
        points, text 0, 1 or None. In windows but the first the reference
        forgets which text a token is of: there it is left out."""
        error, given = Error(), Options(ctypes.sizeof(Options), **options)
        texts = [text_of(first), second and text_of(second)]
        if second is not None:
            texts[1] = text_of(second)
        other = byref(texts[1]) if second is not None else None
        self.check(self.lib.rmr_tokenizer_encode_pair(
            self.handle, texts[0], other, byref(given), byref(self.encoding),
            byref(error)), error)
        found = self.encoding
        self.lib.rmr_encoding_use_code_points(byref(found), texts[0], other)
        tokens = [(t.id, t.type_id, t.start, t.end,
                   (0, 1, None)[found.texts[i]])
                  for i, t in enumerate(found.tokens[:found.count])]
        made = [tokens[w.start:w.end]
                for w in found.windows[:found.num_windows]]
        return [place(made[0])] + [[token[:4] for token in one]
                                   for one in made[1:]]

    def single(self, data, limit=0, truncate=END):
        error = Error()
        self.check(self.lib.rmr_tokenizer_encode(
            self.handle, data, c_size_t(len(data)), c_size_t(limit), truncate,
            byref(self.encoding), byref(error)), error)
        found = self.encoding
        self.lib.rmr_encoding_use_code_points(
            byref(found), text_of(data), None)
        return [(t.id, t.type_id, t.start, t.end)
                for t in found.tokens[:found.count]]

    def decode(self, ids, skip_special=False):
        error = Error()
        self.check(self.lib.rmr_tokenizer_decode(
            self.handle, (c_uint32 * len(ids))(*ids), c_size_t(len(ids)),
            skip_special, byref(self.decoding), byref(error)), error)
        return ctypes.string_at(
            self.decoding.text, self.decoding.len).decode("utf-8")

    def chunks(self, data, max_tokens, overlap=0, boundary=0):
        error = Error()
        options = ChunkOptions(ctypes.sizeof(ChunkOptions), max_tokens,
                               overlap, boundary)
        self.check(self.lib.rmr_tokenizer_chunk(
            self.handle, text_of(data), byref(options), byref(self.chunking),
            byref(error)), error)
        return [(c.start, c.end, c.tokens)
                for c in self.chunking.chunks[:self.chunking.count]]


def steps(processor):
    """A post-processor's, which may be nested."""
    if not processor:
        return []
    if processor["type"] != "Sequence":
        return [processor]
    return [step for part in processor["processors"] for step in steps(part)]


def knows_texts(processor):
    """Whether the reference is right about the text that a token is of: not
    where a template has not each text once, nor about one among others."""
    found = [step for step in steps(processor) if step["type"] != "ByteLevel"]
    templates = [step for step in found if step["type"] == "TemplateProcessing"]
    once = all(
        "".join(piece["Sequence"]["id"] for piece in template[field]
                if "Sequence" in piece) in texts
        for template in templates
        for field, texts in (("single", ["A"]), ("pair", ["AB", "BA"])))
    return once and (not templates or len(found) == 1)


class Reference:
    """The same file opened by the reference. What it raises or panics with is
    FAILED."""

    def __init__(self, config):
        self.knows_texts = knows_texts(config["post_processor"])
        with panics_unheard():
            try:
                self.tokenizer = tokenizers.Tokenizer.from_str(
                    json.dumps(config))
            except BaseException as error:
                raise Refused(str(error)) from error

    def ask(self, function):
        with panics_unheard():
            try:
                return function()
            except BaseException as error:
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                return FAILED

    def windows(self, first, second=None, max_tokens=0, truncate=END,
                strategy=0, windows=0, stride=0, no_special_tokens=0):
        def run():
            self.tokenizer.no_truncation()
            if max_tokens:
                self.tokenizer.enable_truncation(
                    max_tokens, stride=stride, strategy=STRATEGIES[strategy],
                    direction="left" if truncate == START else "right")
            made = self.tokenizer.encode(
                first, second, add_special_tokens=not no_special_tokens)
            found = [list(zip(one.ids, one.type_ids,
                              [start for start, _ in one.offsets],
                              [end for _, end in one.offsets]))
                     for one in [made] + made.overflowing]
            main = [token + (text,)
                    for token, text in zip(found[0], made.sequence_ids)]
            return [place(main)] + found[1:]
        return self.ask(run)

    def decode(self, ids, skip_special=False):
        return self.ask(lambda: self.tokenizer.decode(
            ids, skip_special_tokens=skip_special))


def run(make, compare, cases, texts, refused, shown):
    """The program: makes configs from seeds and compares `texts` answers on
    each (None: it cannot be asked); its exit status. refused: pieces of the sentences with which Remora
    may refuse a config; shown: what of a config is printed beside a
    difference."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=cases)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    differences = compared = left_out = 0
    for case in range(arguments.cases):
        chance = random.Random(f"{arguments.seed} {case}")
        config = make(chance)
        try:
            mine = Remora(config)
        except Refused as sentence:
            if any(piece in str(sentence) for piece in refused):
                continue
            raise
        reference = Reference(config)
        for _ in range(texts):
            equal, *what = compare(chance, mine, reference)
            if equal is None:
                left_out += 1
                continue
            compared += 1
            if not equal:
                differences += 1
                if differences <= 5:
                    print("case", case, *(config[name] for name in shown),
                          *what, sep="\n  ")
    if left_out:
        print(f"{left_out} left out: too much for the reference's memory")
    print(f"{compared} compared, {differences} differences")
    return differences != 0
