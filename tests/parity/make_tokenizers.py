#!/usr/bin/env python3
"""Small tokenizers, one for each component and option of tokenizer.json and for
what real models combine, trained with the pinned reference on the texts of this
repository. It must never leave out an option that the reference reads: what
Remora refuses is seen by those who compare.

usage: make_tokenizers.py DIR    writes DIR/NAME.json and DIR/manifest.json
"""

import base64
import itertools
import json
import random
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fixture_texts import LANGUAGES, paragraph  # noqa: E402
from tokenizer_texts import AWKWARD_TEXTS, SCRIPTS  # noqa: E402

from tokenizers import Regex, Tokenizer, decoders  # noqa: E402
from tokenizers import models, normalizers, pre_tokenizers  # noqa: E402
from tokenizers import processors, trainers  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
        r"|\s+(?!\S)|\s+")
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}"
         r"\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?"
         r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
BEHAVIORS = ["removed", "isolated", "merged_with_previous",
             "merged_with_next", "contiguous"]


# -------------------------------------------------------------------- corpus

def corpus():
    rng = random.Random(4)
    lines = [text for texts in LANGUAGES.values() for text in texts] * 3
    lines += (ROOT / "LICENSE").read_text().splitlines()
    lines += [paragraph(rng, 3) for _ in range(60)]
    return [line for line in lines if line.strip()]


CORPUS = corpus()
ALPHABET = sorted(
    {c for text in itertools.chain(SCRIPTS, AWKWARD_TEXTS) for c in text
     if c != "\0"} | set(map(chr, range(0x20, 0x7F))))


# ------------------------------------------------------------------- configs

def config(model, **parts):
    """A tokenizer.json; model is its JSON or an object of the reference."""
    made = {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None,
            "model": model if isinstance(model, dict) else part(model)}
    for name, value in parts.items():
        if name == "added_tokens":
            made[name] = numbered(made["model"], value)
        else:
            made[name] = value if isinstance(value, dict) else part(value)
    return made


def part(component):
    return json.loads(component.__getstate__()) if component else None


def vocab_ids(model):
    vocab = model["vocab"]
    return vocab if isinstance(vocab, dict) else \
        {piece: i for i, (piece, _) in enumerate(vocab)}


def numbered(model, tokens):
    """Added tokens with the ids that the reference gives them."""
    ids, made = dict(vocab_ids(model)), []
    for token in tokens:
        if isinstance(token, str):
            token = special(token)
        if token["content"] not in ids:
            ids[token["content"]] = max(ids.values()) + 1
        made.append({"id": ids[token["content"]], **token})
    return sorted(made, key=lambda token: token["id"])


def added(content, single_word=False, lstrip=False, rstrip=False,
          normalized=True, special=False):
    return {"content": content, "single_word": single_word, "lstrip": lstrip,
            "rstrip": rstrip, "normalized": normalized, "special": special}


def special(content, **flags):
    return added(content, **{"normalized": False, "special": True, **flags})


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def regex_split(pattern, behavior="Isolated", invert=False):
    """As JSON: also what the reference's Python would not build."""
    return {"type": "Split", "pattern": {"Regex": pattern},
            "behavior": behavior, "invert": invert}


def template(single, pair, tokens):
    return processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=tokens)


# -------------------------------------------------------------------- models

def bytes_model(**options):
    """Every character as its UTF-8: no normal form can hide."""
    return {"type": "BPE", "dropout": None, "unk_token": None,
            "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": True, "ignore_merges": False,
            "vocab": {f"<0x{b:02X}>": b for b in range(256)}, "merges": [],
            **options}


def marked_model(**options):
    """A piece for each character, another for it inside a word: shows where
    words begin."""
    tokens = ["[UNK]"] + ALPHABET + ["##" + c for c in ALPHABET]
    return {"type": "WordPiece", "unk_token": "[UNK]",
            "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(tokens)}, **options}


def trained(model, trainer, normalizer=None, pre_tokenizer=None):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())["model"]


def wordpiece(names=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), size=1200,
              normalizer=None, **options):
    made = trained(
        models.WordPiece(unk_token="[UNK]"),
        trainers.WordPieceTrainer(
            vocab_size=size, special_tokens=list(names), show_progress=False),
        normalizer, pre_tokenizers.BertPreTokenizer())
    return {**made, **options}


def bpe(names=(), size=1500, pre_tokenizer=None, byte_level=False,
        normalizer=None, model=None, train=None, **options):
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else \
        (train or {}).pop("initial_alphabet", ALPHABET)
    made = trained(
        models.BPE(**(model or {})),
        trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(names), show_progress=False,
            initial_alphabet=alphabet, **(train or {})),
        normalizer,
        pre_tokenizer or (pre_tokenizers.ByteLevel(add_prefix_space=False)
                          if byte_level else pre_tokenizers.Whitespace()))
    return {**made, **options}


def unigram(names=("<unk>",), size=2000, unk="<unk>", pre_tokenizer=None,
            normalizer=None, alphabet=ALPHABET, **options):
    made = trained(
        models.Unigram(),
        trainers.UnigramTrainer(
            vocab_size=size, special_tokens=list(names), unk_token=unk,
            initial_alphabet=alphabet, show_progress=False),
        normalizer, pre_tokenizer or pre_tokenizers.Metaspace())
    # The trainer's scores differ in their last digits from run to run.
    made["vocab"] = [[p, round(score, 6)] for p, score in made["vocab"]]
    return {**made, **options}


def with_bytes(model):
    """The 256 byte pieces that byte_fallback uses, put after the rest."""
    names = [f"<0x{b:02X}>" for b in range(256)]
    if isinstance(model["vocab"], list):
        vocab = model["vocab"] + [[name, -20.0] for name in names]
    else:
        count = len(model["vocab"])
        vocab = {**model["vocab"],
                 **{name: count + b for b, name in enumerate(names)}}
    return {**model, "vocab": vocab, "byte_fallback": True}


def few_pieces(model):
    """A Unigram of which only the pieces of Latin text are left."""
    latin = [p for p in model["vocab"] if p[0].replace("\u2581", "").isascii()]
    return {**model, "vocab": latin[:500]}


def wordlevel(pre_tokenizer=None, **options):
    made = trained(
        models.WordLevel(unk_token="[UNK]"),
        trainers.WordLevelTrainer(vocab_size=600, special_tokens=["[UNK]"],
                                  show_progress=False),
        None, pre_tokenizer or pre_tokenizers.Whitespace())
    return {**made, **options}


# ----------------------------------------------------------- SentencePiece map

def charsmap(rules):
    """A precompiled character map, as SentencePiece writes one: a double array
    of the keys, then the replacements."""
    replacements, at = b"", {}
    for text in sorted(set(rules.values())):
        at[text] = len(replacements)
        replacements += text.encode() + b"\0"
    root = {}
    for key, text in rules.items():
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[0] = at[text]  # a value, under NUL
    units = [0] * 1024
    used = {0}
    pending = [(0, root)]
    while pending:
        place, node = pending.pop()
        base = next(b for b in itertools.count(1) if all(
            (b ^ byte) not in used for byte in node) and b not in used)
        while len(units) <= (base | 255):
            units += [0] * 1024
        units[place] |= (place ^ base) << 10 | (256 if 0 in node else 0)
        used.update(base ^ byte for byte in node)
        for byte, child in sorted(node.items()):
            if byte == 0:
                units[base] = child | 1 << 31
            else:
                units[base ^ byte] = byte
                pending.append((base ^ byte, child))
    trie = struct.pack(f"<{len(units)}I", *units)
    return base64.b64encode(
        struct.pack("<I", len(trie)) + trie + replacements).decode()


def some_charsmap():
    """Compositions, compatibility forms, deletions, growth, keys that are
    prefixes of others."""
    rules = {"\u00a0": " ", "\u3000": " ", "\t": " ", "\n": " ", "\r": "",
             "\u200b": " ", "\u00ad": "", "\ufeff": "", "\x7f": "",
             "e\u0301": "\u00e9", "e\u0301\u0323": "E", "a\u0301": "\u00e1",
             "A": "a", "AB": "ab!", "\ufb01": "fi", "\ufb03": "ffi",
             "\u00bd": "1\u20442", "\u2460": "1", "\u2026": "...",
             "\u212b": "\u00c5", "\uff21": "A", "\uff41": "a", "\uff76": "\u30ab",
             "\uff76\uff9e": "\u30ac", "\u1112\u1161\u11ab": "\ud55c",
             "\ufdfa": "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647",
             "\u0958": "\u0915\u093c", "\U0001d400": "A", "\u0130": "i\u0307",
             "\u2764\ufe0f": "\u2764", "\u0344": "\u0308\u0301"}
    return charsmap(rules)


def precompiled():
    return {"type": "Precompiled", "precompiled_charsmap": some_charsmap()}


# ----------------------------------------------------------------- normalizers

def sequence(*steps):
    return {"type": "Sequence", "normalizers": [
        step if isinstance(step, dict) else part(step) for step in steps]}


def replace(pattern, content, regex=False):
    return {"type": "Replace", "content": content,
            "pattern": {"Regex" if regex else "String": pattern}}


def normalizer_cases():
    for clean, chinese, strip, lower in itertools.product(
            (True, False), (True, False), (None, True, False), (True, False)):
        name = "".join("ny"[flag] if flag is not None else "o"
                       for flag in (clean, chinese, strip, lower))
        yield f"bert-{name}", normalizers.BertNormalizer(
            clean, chinese, strip, lower)
    for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents",
                 "Nmt", "ByteLevel"):
        yield name.lower(), getattr(normalizers, name)()
    for left, right in itertools.product((True, False), repeat=2):
        yield f"strip-{int(left)}{int(right)}", normalizers.Strip(left, right)
    for text in ("\u2581", "abc", " ", "\u0301", "\u1100", ""):
        yield f"prepend-{len(text)}-{ord((text or '0')[0]):x}", {
            "type": "Prepend", "prepend": text}
    yield "precompiled", precompiled()
    yield "replace-space", replace(" ", "\u2581")
    yield "replace-growing", replace("a", "xyz")
    yield "replace-shrinking", replace("ab", "")
    yield "replace-overlapping", replace("aa", "b")
    yield "replace-empty", replace("", "-")
    yield "replace-long", replace("the ", "\u4e2d\u6587")
    yield "replace-nul", replace("\0", " ")
    yield "replace-mark", replace("\u0301", "'")
    for name, pattern, content in (
            ("spaces", r"\s+", " "), ("two-spaces", " {2,}", " "),
            ("digits", r"\d", "0"), ("letters", r"\p{L}+", "w"),
            ("ascii-class", r"[^a-zA-Z0-9 ]", ""), ("newlines", r"\n|\r\n", "N"),
            ("empty-match", r"x*", "-"), ("start", r"^", "\u2581"),
            ("end", r"$", "."), ("line-start", r"^a", "b"),
            ("lookahead", r"a(?=b)", "c"), ("lookbehind", r"(?<=a)b", "c"),
            ("case", r"(?i)sT", "X"), ("dot", r".", "d"),
            ("group", r"(a)(b)?", r"\1"), ("boundary", r"\bs", "Z"),
            ("mark", r"\p{M}", ""), ("quote", r"``|''", '"'),
            ("lazy", r"a+?", "1"), ("possessive", r"a++b", "2"),
            ("posix", r"[[:punct:]]", "p"), ("posix-space", r"[[:space:]]", "_"),
            ("hex", r"\x{4e00}-?|[\x{4e00}-\x{9fff}]", "c"),
            ("word", r"\w+", "W"), ("not-word", r"\W", "n"),
            ("script", r"\p{Han}|\p{Hiragana}", "J"), ("any", r"(?m:.)", "m")):
        yield f"replace-regex-{name}", replace(pattern, content, True)
    yield "sequence-replace-start-replace-prepend", sequence(
        replace(r"^", "ab", True), replace("b", "cd"),
        normalizers.Prepend("\u2581"), replace(r"$|a*", "e", True))
    yield "sequence-prepend-nothing-replace", sequence(
        normalizers.Strip(), {"type": "Prepend", "prepend": ""},
        replace("t", "\u2581"), normalizers.Prepend("x"))
    yield "sequence-empty", sequence()
    yield "sequence-nested", sequence(
        sequence(normalizers.NFD(), normalizers.Lowercase()),
        normalizers.StripAccents())
    yield "sequence-nfkd-lower-strip-nfc", sequence(
        normalizers.NFKD(), normalizers.Lowercase(),
        normalizers.StripAccents(), normalizers.NFC())
    yield "sequence-lower-nfkc-prepend-replace", sequence(
        normalizers.Lowercase(), normalizers.NFKC(),
        normalizers.Prepend("\u2581"), replace(" ", "\u2581"))
    yield "sequence-strip-precompiled-spaces", sequence(
        normalizers.Strip(), precompiled(), replace(" {2,}", "\u2581", True))
    yield "sequence-nmt-nfkc", sequence(normalizers.Nmt(), normalizers.NFKC())
    yield "sequence-nfd-replace-mark", sequence(
        normalizers.NFD(), replace(r"\p{Mn}", "", True), normalizers.NFC())
    yield "sequence-nfc-bytelevel", sequence(
        normalizers.NFC(), normalizers.ByteLevel())
    yield "sequence-bert-prepend", sequence(
        normalizers.BertNormalizer(), normalizers.Prepend("a "),
        normalizers.Strip())


# --------------------------------------------------------------- pre-tokenizers

def pre_tokenizer_cases():
    P = pre_tokenizers
    for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit",
                 "UnicodeScripts"):
        yield name.lower(), getattr(P, name)()
    for prefix, trim, regex in itertools.product((True, False), repeat=3):
        yield f"bytelevel-{prefix:d}{trim:d}{regex:d}", P.ByteLevel(
            prefix, trim, regex)
    for scheme, cut in itertools.product(
            ("always", "first", "never"), (True, False)):
        yield f"metaspace-{scheme}-{cut:d}", P.Metaspace(
            prepend_scheme=scheme, split=cut)
    yield "metaspace-underscore", P.Metaspace("_", "always", True)
    yield "metaspace-legacy", {
        "type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}
    yield "metaspace-legacy-str-rep", {
        "type": "Metaspace", "replacement": "\u2581", "str_rep": "\u2581",
        "add_prefix_space": False, "prepend_scheme": "never"}
    for behavior in BEHAVIORS:
        yield f"punctuation-{behavior}", P.Punctuation(behavior)
        for invert in (False, True):
            flag = "-inverted" * invert
            yield f"split-string-{behavior}{flag}", P.Split(
                " ", behavior, invert)
            yield f"split-word-{behavior}{flag}", P.Split(
                "ab", behavior, invert)
            yield f"split-regex-{behavior}{flag}", split(
                r"\p{N}|[^\s\p{L}]+", behavior, invert)
            yield f"split-spaces-{behavior}{flag}", split(
                r"\s+", behavior, invert)
    for individual in (True, False):
        yield f"digits-{individual:d}", P.Digits(individual)
    for delimiter in (" ", "a", "\u2581", "-", "\u4e2d"):
        yield f"delimiter-{ord(delimiter):x}", P.CharDelimiterSplit(delimiter)
    for length in (1, 2, 5, 100):
        yield f"fixed-{length}", P.FixedLength(length)
    for name, pattern in (
            ("gpt2", GPT2), ("cl100k", CL100K), ("o200k", O200K),
            ("qwen2", QWEN2), ("empty", r"x*"), ("dot", r"."),
            ("newline", r"[\r\n]"), ("digits", r"\p{N}{1,3}"),
            ("cjk", r"[\u{4e00}-\u{9fa5}\u3040-\u309f\u30a0-\u30ff]+"),
            ("han", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
            ("upper", r"(?=\p{Lu})"), ("camel", r"(?<=[a-z])(?=[A-Z])"),
            ("word", r"\w+|[^\w\s]+"), ("boundary", r"\b"),
            ("atomic", r"(?>a+)b|\S"), ("case", r"(?i)[a-f]+"),
            ("nested-class", r"[a-z&&[^aeiou]]+"), ("posix", r"[[:alpha:]]+"),
            ("deepseek", "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
             r"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
             r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
            ("anchors", r"^\s|\s$"), ("text-anchors", r"\A\S|\S\z"),
            ("lookbehind", r"(?<!\p{L})\p{L}"), ("grapheme", r"\X")):
        yield f"regex-{name}", regex_split(pattern)
    yield "sequence-empty", P.Sequence([])
    yield "sequence-bert-digits", P.Sequence(
        [P.BertPreTokenizer(), P.Digits(True)])
    yield "sequence-whitespace-punctuation", P.Sequence(
        [P.WhitespaceSplit(), P.Punctuation("contiguous")])
    yield "sequence-scripts-metaspace", P.Sequence(
        [P.UnicodeScripts(), P.Metaspace()])
    yield "sequence-metaspace-digits", P.Sequence(
        [P.Metaspace(prepend_scheme="first"), P.Digits(True)])
    yield "sequence-digits-bytelevel", P.Sequence(
        [P.Digits(True), P.ByteLevel(False)])
    yield "sequence-bytelevel-fixed", P.Sequence(
        [P.ByteLevel(True, use_regex=False), P.FixedLength(3)])
    yield "sequence-bytelevel-split", P.Sequence(
        [P.ByteLevel(False), split("[a-m]+")])
    yield "sequence-split-split-bytelevel", P.Sequence(
        [split(r"\p{N}{1,3}"), split(GPT2),
         P.ByteLevel(False, use_regex=False)])
    yield "sequence-nested", P.Sequence(
        [P.Sequence([P.Whitespace()]), P.Punctuation("merged_with_next")])
    yield "sequence-split-metaspace", P.Sequence(
        [P.Split("a", "merged_with_next"), P.Metaspace()])


# ---------------------------------------------------------------------- models

def model_cases():
    """(name, model, pre-tokenizer, normalizer)"""
    whitespace = pre_tokenizers.Whitespace()
    metaspace = pre_tokenizers.Metaspace()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for name, options in (
            ("plain", {}), ("prefix-none", {"continuing_subword_prefix": ""}),
            ("prefix-letter", {"continuing_subword_prefix": "e"}),
            ("max-0", {"max_input_chars_per_word": 0}),
            ("max-1", {"max_input_chars_per_word": 1}),
            ("max-5", {"max_input_chars_per_word": 5}),
            ("max-huge", {"max_input_chars_per_word": 10**9}),
            ("unk-word", {"unk_token": "the"})):
        yield f"wordpiece-{name}", wordpiece(**options), whitespace, None
        if name in ("plain", "max-5"):
            yield f"wordpiece-{name}-bare", wordpiece(**options), None, None
    base = bpe(["<unk>"])
    suffix = bpe(train={"end_of_word_suffix": "</w>"},
                 model={"end_of_word_suffix": "</w>"})
    prefix = bpe(train={"continuing_subword_prefix": "##"},
                 model={"continuing_subword_prefix": "##"})
    few = bpe(["<unk>"], size=300, train={"initial_alphabet": [],
                                          "limit_alphabet": 40})
    raw = bpe(byte_level=True)
    for name, model in (
            ("plain", base), ("few-no-unk", few),
            ("few-unk", {**few, "unk_token": "<unk>"}),
            ("few-fuse-unk", {**few, "unk_token": "<unk>", "fuse_unk": True}),
            ("few-fuse-no-unk", {**few, "fuse_unk": True}),
            ("few-unk-missing", {**few, "unk_token": "[nothing]"}),
            ("few-bytes", with_bytes(few)),
            ("few-bytes-unk", {**with_bytes(few), "unk_token": "<unk>"}),
            ("few-bytes-fuse", {**with_bytes(few), "unk_token": "<unk>",
                                "fuse_unk": True}),
            ("few-some-bytes", some_bytes(few)),
            ("ignore-merges", {**base, "ignore_merges": True}),
            ("suffix", suffix), ("prefix", prefix),
            ("suffix-unk", {**suffix, "unk_token": "a"}),
            ("suffix-fuse", {**suffix, "unk_token": "a", "fuse_unk": True}),
            ("suffix-bytes", with_bytes(suffix)),
            ("suffix-ignore-merges", {**suffix, "ignore_merges": True}),
            ("prefix-ignore-merges", {**prefix, "ignore_merges": True}),
            ("empty-affixes", {**base, "continuing_subword_prefix": "",
                               "end_of_word_suffix": ""}),
            ("merges-strings", {**base, "merges": [
                " ".join(m) for m in base["merges"]]}),
            ("dropout-0", {**base, "dropout": 0.0}),
            ("no-merges", {**base, "merges": []}),
            ("untyped", {k: v for k, v in base.items() if k != "type"})):
        yield f"bpe-{name}", model, whitespace, None
    yield "bpe-bare", base, None, None
    yield "bpe-metaspace", bpe(["<unk>"], pre_tokenizer=metaspace), metaspace, \
        None
    yield "bpe-bytelevel", raw, byte_level, None
    yield "bpe-bytelevel-ignore-merges", {**raw, "ignore_merges": True}, \
        byte_level, None
    yield "bpe-bytelevel-gap", missing_bytes(raw), byte_level, None
    yield "bpe-bytelevel-gap-unk", {
        **missing_bytes(raw), "unk_token": "a", "fuse_unk": True}, \
        byte_level, None
    yield "bpe-bytelevel-few-bytes", bytes_model(), byte_level, None
    yield "bpe-bytelevel-gap-bytes", with_bytes(missing_bytes(raw)), \
        byte_level, None
    plain = unigram()
    few_unigram = few_pieces(plain)
    for name, model in (
            ("plain", plain), ("few", few_unigram),
            ("few-no-unk", {**few_unigram, "unk_id": None}),
            ("few-unk-other", {**few_unigram, "unk_id": 3}),
            ("few-bytes", with_bytes(few_unigram)),
            ("few-bytes-no-unk", {**with_bytes(few_unigram), "unk_id": None}),
            ("few-some-bytes", some_bytes(few_unigram)),
            ("flag-without-bytes", {**few_unigram, "byte_fallback": True}),
            ("equal-scores", {**plain, "vocab": [
                [piece, -1.0] for piece, _ in plain["vocab"]]}),
            ("zero-scores", {**plain, "vocab": [
                [piece, 0.0] for piece, _ in plain["vocab"]]}),
            ("positive-scores", {**plain, "vocab": [
                [piece, len(piece) / 4 - 1] for piece, _ in plain["vocab"]]}),
            ("twice", {**plain, "vocab": plain["vocab"] + [
                [piece, -3.5] for piece, _ in plain["vocab"][40:80]]}),
            ("nul", {**plain, "vocab": plain["vocab"] + [["\0", -3.0],
                                                         ["a\0b", -2.0]]})):
        yield f"unigram-{name}", model, metaspace, None
    yield "unigram-bare", plain, None, None
    yield "unigram-whitespace", unigram(pre_tokenizer=whitespace), whitespace, \
        None
    yield "wordlevel", wordlevel(), whitespace, None
    yield "wordlevel-unk-missing", wordlevel(unk_token="nothing"), whitespace, \
        None
    yield "wordlevel-bare", wordlevel(), None, None
    yield "wordlevel-untyped", {
        k: v for k, v in wordlevel().items() if k != "type"}, whitespace, None


def some_bytes(model):
    """Only the upper half of the byte pieces."""
    made = with_bytes(model)
    low = {f"<0x{b:02X}>" for b in range(0xC8)}
    if isinstance(made["vocab"], list):
        return {**made, "vocab": [p for p in made["vocab"] if p[0] not in low]}
    names = [name for name in made["vocab"] if name not in low]
    return {**made, "vocab": {name: i for i, name in enumerate(names)}}


def missing_bytes(model):
    """A byte-level vocabulary that lacks some bytes."""
    gone = {"\u0100", "x", "\u00c3", "\u0122", "\u00ef"}
    names = [name for name in model["vocab"] if not gone & set(name)]
    return {**model, "vocab": {name: i for i, name in enumerate(names)},
            "merges": [m for m in model["merges"]
                       if not gone & set("".join(m))]}


# ------------------------------------------------- post-processors and decoders

def post_processor_cases():
    """(name, post-processor); [CLS] is 2, [SEP] 3 in these vocabularies."""
    P = processors
    cls, sep = ("[CLS]", 2), ("[SEP]", 3)
    yield "bert", P.BertProcessing(sep, cls)
    for trim, prefix in itertools.product((True, False), repeat=2):
        yield f"roberta-{trim:d}{prefix:d}", P.RobertaProcessing(
            sep, cls, trim, prefix)
    for trim, prefix in itertools.product((True, False), repeat=2):
        yield f"bytelevel-{trim:d}{prefix:d}", P.ByteLevel(
            prefix, trim, True)
    for name, single, pair in (
            ("bert", "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
            ("types", "[CLS]:3 $A:1 [SEP]:2", "$B:1 [SEP]:4 $A:2"),
            ("end", "$A [SEP]", "$A [SEP] $B [SEP]"),
            ("nothing", "$A", "$A $B:1"),
            ("many", "[CLS] [CLS] $A [SEP] [SEP] [CLS]:7",
             "[CLS] $A [SEP] [SEP] $B [SEP]"),
            ("no-text", "[CLS] [SEP]", "$A $B"),
            ("twice", "$A [SEP] $A", "$A $B $A"),
            ("b-alone", "[CLS] $B [SEP]", "[CLS] $B $A [SEP]")):
        try:
            yield f"template-{name}", template(single, pair, [cls, sep])
        except ValueError:
            continue  # the reference does not build it either
    yield "template-several-ids", {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "X", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                 {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"X": {"id": "X", "ids": [2, 3, 2],
                                 "tokens": ["[CLS]", "[SEP]", "[CLS]"]}}}
    yield "sequence-bytelevel-template", P.Sequence(
        [P.ByteLevel(True, True, True),
         template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
                  [cls, sep])])
    yield "sequence-empty", P.Sequence([])
    yield "sequence-template-template", P.Sequence(
        [template("[CLS] $A", "[CLS] $A $B:1", [cls]),
         template("$A [SEP]", "$A [SEP] $B:1 [SEP]:1", [sep])])
    yield "sequence-bytelevel-bytelevel", P.Sequence(
        [P.ByteLevel(True, True, True), P.ByteLevel(False, False, True)])


def decoder_cases():
    D = decoders
    yield "bytelevel", D.ByteLevel(), "bytes"
    for cleanup in (True, False):
        yield f"wordpiece-{cleanup:d}", D.WordPiece("##", cleanup), "wordpiece"
        yield f"ctc-{cleanup:d}", D.CTC("[PAD]", "a", cleanup), "wordpiece"
    yield "wordpiece-no-prefix", D.WordPiece("", True), "wordpiece"
    for scheme in ("always", "first", "never"):
        yield f"metaspace-{scheme}", D.Metaspace(
            prepend_scheme=scheme), "unigram"
    yield "bpe", D.BPEDecoder("</w>"), "suffix"
    yield "bpe-other", D.BPEDecoder("e"), "wordpiece"
    yield "byte-fallback", D.ByteFallback(), "fallback"
    yield "fuse", D.Fuse(), "wordpiece"
    for left, right in ((1, 0), (0, 1), (2, 2), (0, 0)):
        yield f"strip-{left}{right}", D.Strip("e", left, right), "wordpiece"
    yield "replace", D.Replace("\u2581", " "), "unigram"
    yield "replace-regex", D.Replace(Regex("[aeiou]"), "*"), "wordpiece"
    yield "none", None, "wordpiece"
    yield "llama", D.Sequence(
        [D.Replace("\u2581", " "), D.ByteFallback(), D.Fuse(),
         D.Strip(" ", 1, 0)]), "fallback"
    yield "sequence-empty", D.Sequence([]), "wordpiece"
    yield "sequence-fuse-replace", D.Sequence(
        [D.Fuse(), D.Replace(Regex(r"\s+"), " ")]), "unigram"
    yield "sequence-metaspace-fuse", D.Sequence(
        [D.Metaspace(), D.Fuse(), D.Strip(" ", 0, 3)]), "unigram"


# --------------------------------------------------------------- added tokens

def added_cases():
    """(name, tokens): the flags each alone and together, in tokens that
    overlap, begin alike, hold spaces, change when normalized."""
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    for bits in itertools.product((False, True), repeat=5):
        chosen = dict(zip(flags, bits))
        name = "".join("01"[bit] for bit in bits)
        yield name, [added(content, **chosen)
                     for content in ("<x>", "foo", "\u00c9t\u00e9")]
    rng = random.Random(9)
    contents = ["[MASK]", "<x>", "foo", "FOO", "oo", "Foo Bar", " b", "\u00e9",
                "e\u0301", "\u5317", "\u5317\u4eac", "\u0130", "\ufb01", "  ",
                "\n", "ab", "abc", "ing", "_", "\u3000", "z\u200d", "\u2581a",
                "hello world", "a", "'s", "1", "<|x|>", "\u00a0"]
    for i in range(24):
        yield f"random-{i:02}", [
            added(content, **{flag: rng.random() < 0.4 for flag in flags})
            for content in rng.sample(contents, rng.randrange(2, 12))]


# ---------------------------------------------------------- as real models do

def bert_like(normalizer, names=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
              **parts):
    model = wordpiece(names, normalizer=normalizer)
    cls, sep = (names[2], 2), (names[3], 3)
    return config(model, normalizer=normalizer, **{
        "pre_tokenizer": pre_tokenizers.BertPreTokenizer(),
        "decoder": decoders.WordPiece(),
        "post_processor": template(
            f"{names[2]} $A {names[3]}",
            f"{names[2]} $A {names[3]} $B:1 {names[3]}:1", [cls, sep]),
        "added_tokens": list(names), **parts})


def gpt_like(names, size=1800, pattern=None, **parts):
    """Byte-level BPE, by GPT-2's regex or by another in a Split."""
    byte_level = pre_tokenizers.ByteLevel(False, use_regex=pattern is None)
    words = byte_level if pattern is None else pre_tokenizers.Sequence(
        [split(pattern), byte_level])
    model = bpe(names, size, words, byte_level=True)
    model.update(parts.pop("model_options", {}))
    return config(model, **{
        "pre_tokenizer": words, "decoder": decoders.ByteLevel(),
        "post_processor": processors.ByteLevel(True, False, True),
        "added_tokens": list(names), **parts})


def unigram_like(names, unk, normalizer, **parts):
    words = parts.pop("words", None) or pre_tokenizers.Metaspace()
    model = unigram(names, unk=unk, pre_tokenizer=words)
    return config(model, **{
        "normalizer": normalizer, "pre_tokenizer": words,
        "decoder": decoders.Metaspace(), "added_tokens": list(names), **parts})


def llama_like(prepends, names=("<unk>", "<s>", "</s>"), **parts):
    """SentencePiece's BPE: spaces are letters, the rest falls back to bytes."""
    steps = [normalizers.Prepend("\u2581")] if prepends else []
    normalizer = normalizers.Sequence(
        steps + [normalizers.Replace(" ", "\u2581")])
    model = bpe(names, 1500, pre_tokenizers.Metaspace(), unk_token="<unk>",
                fuse_unk=True)
    end = [decoders.Strip(" ", 1, 0)] if prepends else []
    return config(with_bytes(model), **{
        "normalizer": normalizer,
        "decoder": decoders.Sequence(
            [decoders.Replace("\u2581", " "), decoders.ByteFallback(),
             decoders.Fuse(), *end]),
        "post_processor": template("<s> $A", "<s> $A <s>:1 $B:1",
                                   [("<s>", names.index("<s>"))]),
        "added_tokens": list(names), **parts})


def realistic_cases():
    N, P, D = normalizers, pre_tokenizers, decoders
    roberta = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    mask = special("<mask>", lstrip=True)
    metaspace = P.Sequence([P.WhitespaceSplit(), P.Metaspace()])
    yield "bert-uncased", bert_like(N.BertNormalizer())
    yield "bert-cased", bert_like(N.BertNormalizer(lowercase=False))
    yield "distilbert", bert_like(N.BertNormalizer(), post_processor=(
        processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))))
    yield "mpnet", bert_like(
        N.BertNormalizer(), ("<pad>", "[UNK]", "<s>", "</s>", "<mask>"),
        post_processor=processors.RobertaProcessing(("</s>", 3), ("<s>", 2)),
        added_tokens=["<pad>", "[UNK]", "<s>", "</s>", mask])
    yield "roberta", gpt_like(
        roberta, pre_tokenizer=P.ByteLevel(False),
        post_processor=processors.RobertaProcessing(
            ("</s>", 2), ("<s>", 0), True, False),
        added_tokens=[*roberta[:4], mask])
    yield "roberta-prefix-space", gpt_like(
        roberta, pre_tokenizer=P.ByteLevel(True),
        post_processor=processors.RobertaProcessing(
            ("</s>", 2), ("<s>", 0), True, True),
        added_tokens=[*roberta[:4], mask])
    yield "gpt2", gpt_like(("<|endoftext|>",))
    yield "gpt-neox", gpt_like(
        ("<|endoftext|>", "<|padding|>"), normalizer=N.NFC(),
        added_tokens=["<|endoftext|>", "<|padding|>",
                      *(added(" " * n) for n in range(2, 25))])
    yield "modernbert", gpt_like(
        ("|||IP_ADDRESS|||", "<|padding|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]",
         "[MASK]"), normalizer=N.NFC(),
        post_processor=template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]",
                                [("[CLS]", 3), ("[SEP]", 4)]),
        added_tokens=["|||IP_ADDRESS|||", "<|padding|>", "[UNK]", "[CLS]",
                      "[SEP]", "[PAD]", special("[MASK]", lstrip=True),
                      *(added(" " * n) for n in range(2, 25))])
    yield "qwen2", gpt_like(
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), pattern=QWEN2,
        normalizer=N.NFC())
    yield "llama3", gpt_like(
        ("<|begin_of_text|>", "<|end_of_text|>"), pattern=CL100K,
        model_options={"ignore_merges": True},
        post_processor=processors.Sequence(
            [processors.ByteLevel(True, False, True),
             template("<|begin_of_text|> $A",
                      "<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                      [("<|begin_of_text|>", 0)])]))
    yield "o200k", gpt_like(("<|endoftext|>",), pattern=O200K)
    yield "starcoder", gpt_like(
        ("<|endoftext|>", "<fim_prefix>"), pre_tokenizer=P.Sequence(
            [P.Digits(True), P.ByteLevel(False)]))
    yield "deepseek", gpt_like(
        ("<\uff5cbegin\u2581of\u2581sentence\uff5c>",),
        pre_tokenizer=P.Sequence(
            [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"),
             split("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"),
             P.Digits(True), P.ByteLevel(False, use_regex=False)]))
    yield "bloom", gpt_like(
        ("<unk>", "<s>", "</s>", "<pad>"),
        pattern=" ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+")
    suffix = bpe(("<|startoftext|>", "<|endoftext|>"), 1500, P.Sequence(
        [P.Split(Regex(CLIP), "removed", True), P.ByteLevel(False)]),
        model={"end_of_word_suffix": "</w>"},
        train={"end_of_word_suffix": "</w>",
               "initial_alphabet": P.ByteLevel.alphabet()})
    yield "clip", config(
        {**suffix, "unk_token": "<|endoftext|>"},
        normalizer=N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "),
                               N.Lowercase()]),
        pre_tokenizer=P.Sequence([P.Split(Regex(CLIP), "removed", True),
                                  P.ByteLevel(False)]),
        decoder=D.ByteLevel(),
        post_processor=processors.RobertaProcessing(
            ("<|endoftext|>", 1), ("<|startoftext|>", 0), False, False),
        added_tokens=["<|startoftext|>", "<|endoftext|>"])
    yield "xlm-r", unigram_like(
        roberta, "<unk>", precompiled(), words=metaspace,
        post_processor=template("<s> $A </s>", "<s> $A </s> </s> $B </s>",
                                [("<s>", 0), ("</s>", 2)]),
        added_tokens=[*roberta[:4], mask])
    yield "mbart", unigram_like(
        (*roberta, "en_XX"), "<unk>", precompiled(),
        post_processor=template("$A </s> en_XX", "$A $B </s> en_XX",
                                [("</s>", 2), ("en_XX", 5)]))
    yield "t5", unigram_like(
        ("<pad>", "</s>", "<unk>"), "<unk>", precompiled(),
        post_processor=template("$A </s>", "$A </s> $B </s>", [("</s>", 1)]),
        added_tokens=["<pad>", "</s>", "<unk>",
                      *(f"<extra_id_{n}>" for n in range(10))])
    albert = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    yield "albert", unigram_like(
        albert, "<unk>", sequence(
            replace("``", '"'), replace("''", '"'), N.NFKD(),
            N.StripAccents(), N.Lowercase(), precompiled(),
            replace(" {2,}", " ", True)),
        post_processor=template(
            "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
            [("[CLS]", 2), ("[SEP]", 3)]),
        added_tokens=[*albert[:4], special("[MASK]", lstrip=True)])
    yield "deberta-v3", unigram_like(
        ("[PAD]", "[CLS]", "[SEP]", "[UNK]"), "[UNK]",
        sequence(N.Strip(), precompiled(), replace(" {2,}", " ", True)),
        words=P.Sequence([P.Metaspace()]),
        post_processor=template(
            "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1",
            [("[CLS]", 1), ("[SEP]", 2)]))
    yield "bigbird", unigram_like(
        albert, "<unk>", precompiled(), post_processor=template(
            "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]",
            [("[CLS]", 2), ("[SEP]", 3)]))
    yield "llama2", llama_like(True)
    yield "gemma", llama_like(
        False, ("<pad>", "<unk>", "<s>", "</s>"),
        pre_tokenizer=P.Split(" ", "merged_with_previous"))
    yield "mistral", llama_like(
        False, normalizer=None,
        pre_tokenizer=P.Metaspace(prepend_scheme="first", split=False))
    yield "word-level", config(
        wordlevel(P.WhitespaceSplit()), normalizer=N.Lowercase(),
        pre_tokenizer=P.WhitespaceSplit(), added_tokens=["[UNK]"])


# -------------------------------------------------------------------- all of it

def all_cases():
    """(group, name, config)"""
    for name, normalizer in normalizer_cases():
        yield "normalizer", name, config(bytes_model(), normalizer=normalizer)
    raw = bpe(byte_level=True, size=900)
    for name, words in pre_tokenizer_cases():
        yield "pre_tokenizer", name, config(marked_model(), pre_tokenizer=words)
        if "bytelevel" in name:
            yield "pre_tokenizer", name + "-bpe", config(
                raw, pre_tokenizer=words)
    for name, model, words, normalizer in model_cases():
        yield "model", name, config(model, pre_tokenizer=words,
                                    normalizer=normalizer)
    pieces = wordpiece(size=700)
    raw_names = bpe(("<s>", "<pad>", "[CLS]", "[SEP]"), 900, byte_level=True)
    for name, post in post_processor_cases():
        yield "post_processor", name, config(
            pieces, pre_tokenizer=pre_tokenizers.Whitespace(),
            post_processor=post)
        if "bytelevel" in name or "roberta" in name:
            for prefix in (True, False):
                yield "post_processor", f"{name}-bpe-{prefix:d}", config(
                    raw_names, post_processor=post,
                    pre_tokenizer=pre_tokenizers.ByteLevel(prefix))
    yield from decoder_configs(pieces, raw)
    yield from added_configs(pieces, raw)
    for name, made in realistic_cases():
        yield "realistic", name, made


def decoder_configs(pieces, raw):
    few = few_pieces(unigram())
    bodies = {
        "wordpiece": (pieces, pre_tokenizers.Whitespace()),
        "bytes": (raw, pre_tokenizers.ByteLevel(False)),
        "unigram": (few, pre_tokenizers.Metaspace()),
        "fallback": (with_bytes(few), pre_tokenizers.Metaspace()),
        "suffix": (bpe(train={"end_of_word_suffix": "</w>"}, size=900,
                       model={"end_of_word_suffix": "</w>"}),
                   pre_tokenizers.Whitespace()),
    }
    for name, decoder, body in decoder_cases():
        model, words = bodies[body]
        yield "decoder", name, config(
            model, pre_tokenizer=words, decoder=decoder,
            added_tokens=["<x>", added("foo", normalized=False)])


def added_configs(pieces, raw):
    few = few_pieces(unigram())
    lower = normalizers.BertNormalizer()
    for name, tokens in added_cases():
        yield "added", f"wordpiece-{name}", config(
            pieces, added_tokens=tokens, normalizer=lower,
            pre_tokenizer=pre_tokenizers.BertPreTokenizer())
        if name.startswith("random") or name in ("00010", "01110", "11111"):
            yield "added", f"bytelevel-{name}", config(
                raw, added_tokens=tokens, normalizer=normalizers.NFC(),
                pre_tokenizer=pre_tokenizers.ByteLevel(True))
            yield "added", f"metaspace-{name}", config(
                few, added_tokens=tokens, normalizer=normalizers.NFKC(),
                pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first"))


def write_all(folder):
    """Writes every tokenizer; the manifest lists those that the reference
    reads, and those it refuses too, which Remora must refuse as well."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = []
    for group, name, made in all_cases():
        file = f"{group}-{name}.json".replace("_", "-")
        text = json.dumps(made, ensure_ascii=False)
        (folder / file).write_text(text)
        try:
            Tokenizer.from_str(text)
            refusal = None
        except BaseException as error:  # some are panics
            refusal = str(error)
        manifest.append({"file": file, "group": group, "refused": refusal})
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return manifest


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    manifest = write_all(Path(sys.argv[1]))
    refused = [entry for entry in manifest if entry["refused"]]
    for entry in refused:
        print(f"the reference refuses {entry['file']}: {entry['refused']}")
    print(f"{len(manifest)} tokenizers")


if __name__ == "__main__":
    main()
