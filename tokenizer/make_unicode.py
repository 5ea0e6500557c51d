#!/usr/bin/env python3
"""Writes tokenizer_unicode.inc: what the reference does with each code point.

The reference takes its Unicode data from several crates of different Unicode
versions, so its behaviour is asked for, code point by code point, rather than
derived from the standard. Run it with the pinned `tokenizers` (see
REFERENCE below); a changed table means that the reference changed. It must
never be edited by hand, nor fall back to Python's own Unicode data.

    python tokenizer/make_unicode.py > tokenizer/tokenizer_unicode.inc
"""

import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers
from tokenizers import pre_tokenizers

REFERENCE = "0.23.3"
BLOCK = 128
SPACE, PUNCT, REMOVED, MARK, WORD, CHINESE, DOTTED = (1 << i for i in range(7))
HANGUL = range(0xAC00, 0xAC00 + 11172)
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(clean=False, chinese=False, strip=False, lower=False):
    return normalizers.BertNormalizer(
        clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip,
        lowercase=lower).normalize_str


def hangul(code):
    """The decomposition that tokenizer_normalizer.c computes."""
    s = code - 0xAC00
    parts = [0x1100 + s // 588, 0x1161 + s % 588 // 28]
    return parts + ([0x11A7 + s % 28] if s % 28 else [])


def classes(nfd):
    """The canonical combining class of every code point that has one, told
    from how the reference reorders it against marks of known class."""
    low, high = "\u0334", "\u0345"  # classes 1 and 240
    marks = []
    for code in CODE_POINTS:
        c = chr(code)
        if nfd(c) == c and (nfd(c + low) != c + low or nfd(high + c) != high + c):
            marks.append(c)
    # A stable sort by "is reordered" gives the order of the classes; equal
    # classes never reorder.
    order = []
    for c in marks:
        lo, hi = 0, len(order)
        while lo < hi:
            mid = (lo + hi) // 2
            other = order[mid][0]
            if nfd(other + c) != other + c:
                hi = mid
            elif nfd(c + other) != c + other:
                lo = mid + 1
            else:
                order[mid].append(c)
                break
        else:
            order.insert(lo, [c])
    # Only their order matters: they are numbered from 1.
    return {ord(c): i + 1 for i, group in enumerate(order) for c in group}


def word_probe(**flags):
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "<x>": 1}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("<x>", normalized=False, **flags)])
    return tokenizer.encode


def flags_of(code, probe):
    c = chr(code)
    flags = 0
    pieces = [p for p, _ in probe["pre"]("a" + c + "a")]
    if pieces == ["a", "a"]:
        flags |= SPACE
    elif pieces == ["a", c, "a"]:
        flags |= PUNCT
    elif pieces != ["a" + c + "a"]:
        raise SystemExit(f"U+{code:04X}: pre-tokenized to {pieces}")
    cleaned = probe["clean"](c)
    if cleaned == "":
        flags |= REMOVED
    elif cleaned != (" " if flags & SPACE else c):
        raise SystemExit(f"U+{code:04X}: cleaned to {cleaned!r}")
    if probe["strip"](c) == "":
        flags |= MARK
    if 1 not in probe["single"](c + "<x>").ids:
        flags |= WORD
    stripped = probe["lstrip"]("a" + c + "<x>").offsets[-1][0] == 1
    if stripped != bool(flags & SPACE):
        raise SystemExit(f"U+{code:04X}: two kinds of white space")
    spaced = probe["chinese"](c)
    if spaced == f" {c} ":
        flags |= CHINESE
    elif spaced != c:
        raise SystemExit(f"U+{code:04X}: spaced to {spaced!r}")
    return flags


def emit(kind, name, values):
    print(f"static const {kind} {name}[{len(values)}] = {{")
    line = "   "
    for value in values:
        text = f" {value},"
        if len(line) + len(text) > 80:
            print(line)
            line = "   "
        line += text
    print(line)
    print("};\n")


def main():
    if tokenizers.__version__ != REFERENCE:
        raise SystemExit(f"needs tokenizers {REFERENCE}, "
                         f"found {tokenizers.__version__}")
    nfd = normalizers.NFD().normalize_str
    lower = normalizers.Lowercase().normalize_str
    probe = {
        "pre": pre_tokenizers.BertPreTokenizer().pre_tokenize_str,
        "clean": bert(clean=True), "strip": bert(strip=True),
        "chinese": bert(chinese=True),
        "single": word_probe(single_word=True),
        "lstrip": word_probe(lstrip=True),
    }
    ccc = classes(nfd)
    pool, pool_at, records, record_at = [], {}, [], {}
    table = [0] * 0x110000
    for code in range(0x110000):
        if 0xD800 <= code <= 0xDFFF:
            key = (0, 0, 0, 0, 0)  # never looked up: not in UTF-8
        else:
            flags = flags_of(code, probe)
            low = lower(chr(code))
            if len(low) == 2 and low[1] == "\u0307":
                flags |= DOTTED
            elif len(low) != 1:
                raise SystemExit(f"U+{code:04X}: lower-cased to {low!r}")
            parts = [ord(c) for c in nfd(chr(code))]
            if code in HANGUL:
                if parts != hangul(code):
                    raise SystemExit(f"U+{code:04X}: decomposed to {parts}")
                parts = [code]
            at = 0
            if parts != [code]:
                at = pool_at.setdefault(tuple(parts), len(pool))
                if at == len(pool):
                    pool.extend(parts)
            key = (flags, ccc.get(code, 0),
                   len(parts) if parts != [code] else 0, at,
                   ord(low[0]) - code)
        table[code] = record_at.setdefault(key, len(records))
        if table[code] == len(records):
            records.append(key)
    blocks, block_at, index = [], {}, []
    for start in range(0, 0x110000, BLOCK):
        block = tuple(table[start:start + BLOCK])
        index.append(block_at.setdefault(block, len(blocks)))
        if index[-1] == len(blocks):
            blocks.append(block)
    print("/*\n * tokenizer_unicode.inc - what the reference does with each code point;"
          "\n * written by make_unicode.py from tokenizers "
          f"{REFERENCE}, never by hand.\n */\n")
    emit("rmr_char", "records",
         ["{%d, %d, %d, %d, %d}" % r for r in records])
    emit("uint32_t", "decompositions", pool)
    emit("uint16_t", "block_of", index)
    emit("uint16_t", "record_of", [r for b in blocks for r in b])
    print(f"{len(records)} records, {len(pool)} in the pool, "
          f"{len(blocks)} blocks", file=sys.stderr)


if __name__ == "__main__":
    main()
