#!/usr/bin/env python3
"""The committed seeds of fuzz_tokenizer and fuzz_text: small tokenizers that
together hold every component and option. It must never write a tokenizer that
the reference does not read: a seed that is refused at once leads nowhere.

usage: make_tokenizer_corpus.py DIR    (with the reference's `tokenizers`)
"""

import itertools
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "parity"))

from make_tokenizers import BEHAVIORS, CL100K, charsmap  # noqa: E402

from tokenizers import Tokenizer  # noqa: E402

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = ["the", "he", "lo", "ll", "in", "to", "ing", "hello", "aa", "aaaa",
          "\u00e9", "\u4f60", "\u597d", "caf"]


def vocab(names):
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def bpe(names=(), merges=(), **options):
    characters = [*LETTERS, "T", "H", "\u00e9", "\u4f60", "!", ",", " "]
    made = [a + b for a, b in merges]
    return {"type": "BPE", "dropout": None, "unk_token": None,
            "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": vocab([*names, *characters, *made]),
            "merges": [list(merge) for merge in merges], **options}


MERGES = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("t", "he"),
          ("a", "a"), ("aa", "aa"), ("i", "n"), ("in", "g")]
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def byte_level():
    made = bpe(["\u0120", "\u0120t", "\u0120the", "\u00c3", "\u00a9", "\u010a"],
               [("\u0120", "t"), ("h", "e"), ("\u0120t", "he"),
                ("l", "l"), ("he", "ll"), ("a", "a")])
    return made


def unigram(names=("<unk>",), **options):
    pieces = [*names, "\u2581", *("\u2581" + p for p in PIECES), *PIECES,
              *LETTERS, " ", "!", ","]
    return {"type": "Unigram", "unk_id": 0, "byte_fallback": False,
            "vocab": [[piece, -1.5 - 0.37 * (i % 11)]
                      for i, piece in enumerate(dict.fromkeys(pieces))],
            **options}


def wordpiece():
    pieces = ["[UNK]", "[CLS]", "[SEP]", *LETTERS, *("##" + c for c in LETTERS),
              "##ing", "hello", "##llo", "the", "!", ","]
    return {"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocab(pieces),
            "continuing_subword_prefix": "##", "max_input_chars_per_word": 20}


def wordlevel():
    return {"type": "WordLevel", "unk_token": "[UNK]",
            "vocab": vocab(["[UNK]", "hello", "the", "tokens", ",", "!"])}


def normalizers(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def words(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def replace(content, **pattern):
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(behavior="Isolated", invert=False, **pattern):
    return {"type": "Split", "pattern": pattern, "behavior": behavior,
            "invert": invert}


def metaspace(scheme="always", cut=True):
    return {"type": "Metaspace", "replacement": "\u2581",
            "prepend_scheme": scheme, "split": cut}


def bytelevel(prefix=False, trim=True, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix,
            "trim_offsets": trim, "use_regex": regex}


def template(single, pair, ids):
    def pieces(text):
        for word in text.split():
            name, _, type_id = word.partition(":")
            kind = "Sequence" if name in "AB" else "SpecialToken"
            yield {kind: {"id": name, "type_id": int(type_id or 0)}}
    return {"type": "TemplateProcessing", "single": list(pieces(single)),
            "pair": list(pieces(pair)), "special_tokens": {
                name: {"id": name, "ids": [i], "tokens": [name]}
                for name, i in ids.items()}}


def added(first, *contents):
    """Tokens whose flags count through all that there are."""
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    bits = itertools.cycle(itertools.product((False, True), repeat=5))
    return [{"id": first + i, "content": content, **dict(zip(flags, chosen))}
            for i, (content, chosen) in enumerate(zip(contents, bits))]


def seeds():
    """(name, parts of a tokenizer.json)"""
    rules = {"\ufb01": "fi", "e\u0301": "\u00e9", "\u3000": " ", "\t": " ",
             "\u200b": "", "\u00bd": "1/2", "a": "a", "aa": "A"}
    precompiled = {"type": "Precompiled",
                   "precompiled_charsmap": charsmap(rules)}
    named = [{"type": name} for name in (
        "NFD", "NFC", "NFKD", "NFKC", "Lowercase", "StripAccents", "Nmt")]
    fallback = bpe(["<unk>", "\u2581", "\u2581the", *BYTES], MERGES,
                   unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    decode = {"type": "Sequence", "decoders": [
        replace(" ", String="\u2581"), {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1,
                           "stop": 0}]}
    yield "bpe_gpt", dict(
        model=byte_level(), pre_tokenizer=bytelevel(), decoder=bytelevel(),
        post_processor=bytelevel())
    yield "bpe_llama", dict(
        model=fallback, decoder=decode, normalizer=normalizers(
            {"type": "Prepend", "prepend": "\u2581"},
            replace("\u2581", String=" ")),
        post_processor=template("<unk> A", "<unk> A <unk>:1 B:1",
                                {"<unk>": 0}))
    yield "bpe_llama3", dict(
        model={**byte_level(), "ignore_merges": True},
        pre_tokenizer=words(split(Regex=CL100K), bytelevel(regex=False)),
        normalizer={"type": "NFC"})
    yield "bpe_clip", dict(
        model=bpe(["o</w>", "g</w>", "e</w>", "!</w>", "hello</w>"],
                  [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o</w>")],
                  end_of_word_suffix="</w>", unk_token="a"),
        pre_tokenizer={"type": "Whitespace"},
        decoder={"type": "BPEDecoder", "suffix": "</w>"})
    yield "bpe_prefix", dict(
        model=bpe(["##e", "##l", "##o", "he", "[x]"], [("h", "##e")],
                  continuing_subword_prefix="##", unk_token="[x]"),
        pre_tokenizer={"type": "BertPreTokenizer"},
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True})
    yield "bpe_bytes_twice", dict(
        model=bpe(["a", *BYTES], byte_fallback=True), decoder=bytelevel(),
        pre_tokenizer=bytelevel())
    yield "bpe_bare", dict(model=bpe((), MERGES))
    yield "unigram_xlmr", dict(
        model=unigram(), normalizer=precompiled, decoder=metaspace(),
        pre_tokenizer=words({"type": "WhitespaceSplit"}, metaspace()))
    yield "unigram_bytes", dict(
        model=unigram(("<unk>", *BYTES), byte_fallback=True),
        pre_tokenizer=metaspace("first", False))
    yield "unigram_no_unk", dict(
        model=unigram(unk_id=None), pre_tokenizer=metaspace("never"))
    yield "unigram_bare", dict(model=unigram())
    yield "wordlevel", dict(
        model=wordlevel(), pre_tokenizer={"type": "Whitespace"})
    yield "normalizer_forms", dict(
        model=wordpiece(), pre_tokenizer={"type": "WhitespaceSplit"},
        normalizer=normalizers(
            {"type": "Strip", "strip_left": True, "strip_right": True},
            *named, {"type": "Prepend", "prepend": "x"}))
    yield "normalizer_replace", dict(
        model=bpe((), MERGES), normalizer=normalizers(
            replace("", String="ll"), replace(" ", Regex=r"\s+"),
            replace("<$0>", Regex=r"(?i)(?<=h)E|\p{Lu}+|x+"),
            replace("\u00e9\u0301", String="\u00e9")))
    yield "normalizer_bytelevel", dict(
        model=byte_level(), normalizer=normalizers(
            {"type": "NFC"}, {"type": "ByteLevel"}))
    yield "split_behaviors", dict(
        model=wordpiece(), pre_tokenizer=words(*(
            split("".join(w.title() for w in behavior.split("_")), i % 2 == 1,
                  **({"Regex": r"\p{N}+|[aeiou]|\s"} if i % 2 else
                     {"String": " "}))
            for i, behavior in enumerate(BEHAVIORS))))
    yield "words_mixed", dict(
        model=wordpiece(), pre_tokenizer=words(
            {"type": "UnicodeScripts"}, {"type": "Digits",
                                         "individual_digits": True},
            {"type": "Punctuation", "behavior": "MergedWithNext"},
            {"type": "CharDelimiterSplit", "delimiter": "-"},
            {"type": "FixedLength", "length": 4}))
    yield "words_regex", dict(
        model=wordpiece(), pre_tokenizer=split(
            Regex=r"(?=[A-Z])|\b|[[:punct:]&&[^_]]|(a|b)*\d{1,3}(?!\S)"))
    yield "words_digits_bytes", dict(
        model=byte_level(), pre_tokenizer=words(
            {"type": "Digits", "individual_digits": False}, bytelevel(True)))
    yield "post_roberta", dict(
        model=byte_level(), pre_tokenizer=bytelevel(True),
        post_processor={"type": "RobertaProcessing", "sep": ["a", 6],
                        "cls": ["b", 7], "trim_offsets": True,
                        "add_prefix_space": True})
    yield "post_sequence", dict(
        model=byte_level(), pre_tokenizer=bytelevel(),
        post_processor={"type": "Sequence", "processors": [
            bytelevel(True), template("a:1 A b:2", "a A b B:1 b:1",
                                      {"a": 6, "b": 7})]})
    yield "decoder_ctc", dict(
        model=wordpiece(), pre_tokenizer={"type": "Whitespace"},
        decoder={"type": "CTC", "pad_token": "a", "word_delimiter_token": "b",
                 "cleanup": True})
    yield "added_flags", dict(
        model=wordpiece(), normalizer={"type": "Lowercase"},
        pre_tokenizer={"type": "Whitespace"}, added_tokens=added(
            60, "<x>", "hello", "[MASK]", "\u00c9", "a b", "  ", "to", "ken",
            "tokens", "\u4f60", "Foo", "foo bar", "[a]", "[b]", "[c]", "[d]"))
    yield "added_bytes", dict(
        model=byte_level(), normalizer={"type": "NFC"},
        pre_tokenizer=bytelevel(True), added_tokens=added(
            50, "<|x|>", " the", "\u00e9", "\n", "ll", "hello world"))
    yield "truncation_padding", dict(
        model=wordpiece(), truncation={
            "direction": "Left", "max_length": 4, "strategy": "OnlyFirst",
            "stride": 1}, padding={
                "strategy": {"Fixed": 8}, "direction": "Left", "pad_id": 0,
                "pad_to_multiple_of": 4, "pad_type_id": 1, "pad_token": "x"})


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, parts in seeds():
        made = {"version": "1.0", "truncation": None, "padding": None,
                "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
                "post_processor": None, "decoder": None, **parts}
        text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
        Tokenizer.from_str(text)
        Path(sys.argv[1], f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
