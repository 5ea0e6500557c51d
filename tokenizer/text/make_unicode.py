#!/usr/bin/env python3
"""Writes tokenizer_unicode.inc: what the reference does with each code point.

The reference takes its Unicode data from several crates of different Unicode
versions, so its behaviour is asked for, code point by code point, rather than
derived from the standard. Run it with the pinned `tokenizers` (see
REFERENCE below); a changed table means that the reference changed. It must
never be edited by hand, nor fall back to Python's own Unicode data.

    python tokenizer/text/make_unicode.py > tokenizer/text/tokenizer_unicode.inc
"""

import collections
import random
import struct
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers
from tokenizers import pre_tokenizers

REFERENCE = "0.23.3"
BLOCKS = 16, 64
(SPACE, PUNCT, REMOVED, MARK, WORD, CHINESE, DOTTED, COMBINING, NUMERIC, NFD,
 NFKD, NFC_INERT, NFKC_INERT, SECOND, REGEX_WORD, REGEX_SPACE) = (
     1 << i for i in range(16))
HANGUL = range(0xAC00, 0xAC00 + 11172)
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po "
              "Sm Sc Sk So Zs Zl Zp Cc Cf Co").split()
(OTHER, CR, LF, CONTROL, PREPEND, LEAD, VOWEL, TRAIL, SYLLABLE_LV,
 SYLLABLE_LVT, PICTOGRAPH, CONSONANT, SPACING, NONJOINER, EXTEND, JOINER,
 LINKER) = range(17)


def bert(clean=False, chinese=False, strip=False, lower=False):
    return normalizers.BertNormalizer(
        clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip,
        lowercase=lower).normalize_str


def each(normalize, strings, step=2048):
    """normalize(s) for every s; many at a time, apart by a line feed, which
    nothing composes with, reorders across or, save a carriage return, forms a
    cluster with."""
    strings = list(strings)
    for start in range(0, len(strings), step):
        part = strings[start:start + step]
        text = "\n".join(part)
        if "\r" in text or text.count("\n") >= len(part):
            results = [normalize(s) for s in part]
        else:
            results = normalize(text).split("\n")
        yield from results


def chars():
    return map(chr, CODE_POINTS)


# -------------------------------------------------------------- normal forms

def hangul(code):
    """The decomposition that tokenizer_unicode.c computes."""
    s = code - 0xAC00
    parts = [0x1100 + s // 588, 0x1161 + s % 588 // 28]
    return parts + ([0x11A7 + s % 28] if s % 28 else [])


def decompositions(normalize):
    """{code point: its decomposition}, Hangul left out."""
    found = {}
    for code, parts in zip(CODE_POINTS, each(normalize, chars())):
        if code in HANGUL:
            if [ord(c) for c in parts] != hangul(code):
                raise SystemExit(f"U+{code:04X}: decomposed to {parts!r}")
        elif parts != chr(code):
            found[code] = [ord(c) for c in parts]
    return found


def classes(nfd):
    """The canonical combining class of every code point that has one, told
    from how the reference reorders it against marks of known class."""
    low, high = "\u0334", "\u0345"  # classes 1 and 240
    marks = []
    for c, own, after, before in zip(
            chars(), each(nfd, chars()), each(nfd, (c + low for c in chars())),
            each(nfd, (high + c for c in chars()))):
        if own == c and (after != c + low or before != high + c):
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


def compositions(nfc, nfd_of):
    """{(first, second): composed}, Hangul left out."""
    pairs = {}
    for code, parts in nfd_of.items():
        first = nfc("".join(map(chr, parts[:-1])))
        if len(first) == 1:
            pairs[ord(first), parts[-1]] = code
    firsts = sorted({a for a, _ in pairs})
    seconds = sorted({b for _, b in pairs})
    wanted = [(a, b) for a in firsts for b in seconds]
    found = {}
    for (a, b), c in zip(wanted, each(nfc, (chr(a) + chr(b)
                                            for a, b in wanted))):
        if len(c) == 1 and (a, b) in pairs:
            found[a, b] = ord(c)
        elif len(c) == 1 and (nfd_of[ord(c)] ==
                              nfd_of.get(a, [a]) + nfd_of.get(b, [b])):
            raise SystemExit(f"U+{a:04X} U+{b:04X}: composed to {c!r}")
    return found


def inert(normalize, ranks, seconds, parts_of):
    """The code points that a composition leaves as they are, whatever comes
    before them."""
    for code, normal in zip(CODE_POINTS, each(normalize, chars())):
        first = parts_of.get(code, [code])[0]
        if normal == chr(code) and first not in seconds and first not in ranks:
            yield code


# --------------------------------------------------------- single characters

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
    if probe["accents"](c) == "":
        flags |= COMBINING
    return flags


def all_flags():
    probe = {
        "pre": pre_tokenizers.BertPreTokenizer().pre_tokenize_str,
        "clean": bert(clean=True), "strip": bert(strip=True),
        "chinese": bert(chinese=True),
        "single": word_probe(single_word=True),
        "lstrip": word_probe(lstrip=True),
        "accents": normalizers.StripAccents().normalize_str,
    }
    return {code: flags_of(code, probe) for code in CODE_POINTS}


def kept_by(pre_tokenizer):
    """The code points that a pre-tokenizer leaves in words."""
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        text = "".join(map(chr, CODE_POINTS[start:start + 4096]))
        for word, _ in pre_tokenizer.pre_tokenize_str(text):
            found.update(map(ord, word))
    return found


def regex_class(regex):
    """What a class is to the reference's regular expressions (Oniguruma)."""
    return kept_by(pre_tokenizers.Split(Regex(regex + "+"), "removed",
                                        invert=True))


def removed_by(pre_tokenizer):
    return set(CODE_POINTS) - kept_by(pre_tokenizer)


def digits():
    """What Digits sets apart."""
    cut = pre_tokenizers.Digits().pre_tokenize_str
    return {c for c in CODE_POINTS if len(cut("a" + chr(c))) == 2}


def same(name, found, flags, flag):
    expected = {code for code in CODE_POINTS if flags[code] & flag}
    if found != expected:
        raise SystemExit(f"{name}: " + " ".join(
            f"U+{c:04X}" for c in sorted(found ^ expected)[:20]))


def check_single_kinds(flags):
    """What the reference asks of different crates, and one flag tells."""
    same("Punctuation", removed_by(pre_tokenizers.Punctuation("removed")),
         flags, PUNCT)
    same("WhitespaceSplit", removed_by(pre_tokenizers.WhitespaceSplit()),
         flags, SPACE)
    same("Whitespace", removed_by(pre_tokenizers.Whitespace()), flags, SPACE)
    word = pre_tokenizers.Whitespace().pre_tokenize_str
    strip = normalizers.Strip().normalize_str
    for code in CODE_POINTS:
        c = chr(code)
        if (word("_" + c)[0][0] == "_" + c) != bool(flags[code] & WORD):
            raise SystemExit(f"U+{code:04X}: two kinds of words")
        if (strip(c) == "") != bool(flags[code] & SPACE):
            raise SystemExit(f"U+{code:04X}: two kinds of white space")


# ------------------------------------------------------------------- scripts

def scripts():
    """{code point: number of its script}. 0 is the script that goes with
    every other; the others are numbered as they are met."""
    cut = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    found, samples, last = {}, [], 0
    for c in chars():
        if not cut(c):
            found[ord(c)] = 0
            continue
        if not last or len(cut(samples[last - 1] + c)) > 1:
            last = next((i + 1 for i, s in enumerate(samples)
                         if len(cut(s + c)) == 1), 0)
            if not last:
                samples.append(c)
                last = len(samples)
        found[ord(c)] = last
    return found


# ---------------------------------------------------------- grapheme clusters

def cluster_probe():
    """A Precompiled normalizer that makes one "X" of every grapheme cluster
    of less than 6 bytes, and of every character of longer ones; NUL and line
    feed stay as they are. So only what such short clusters show is known, and
    only that matters."""
    units = [0] * 1024
    units[0] = 256 << 10
    for byte in range(1, 256):
        at = 256 ^ byte
        if byte != 0x0A:
            units[at] = (at ^ (512 + byte)) << 10 | 1 << 8 | byte
            units[512 + byte] = 1 << 31
    blob = struct.pack("<1025I", 4096, *units) + b"X\0"
    return normalizers.Precompiled(blob).normalize_str


def hangul_clusters(whole):
    """{code point: class} of what forms Hangul syllables."""
    kinds = {(1, 1, 0, 1, 0, 0): LEAD, (0, 1, 1, 1, 1, 0): VOWEL,
             (0, 0, 1, 0, 1, 1): TRAIL, (0, 1, 1, 1, 0, 0): SYLLABLE_LV,
             (0, 0, 1, 1, 0, 0): SYLLABLE_LVT,
             # Longer than what shows how it follows others.
             (0, 1, 1, 0, 0, 0): VOWEL, (0, 0, 1, 0, 0, 0): TRAIL}
    jamo = "\u1100", "\u1161", "\u11A8"
    shown = [whole("", other + "\u0300", 3) for other in jamo]
    shown += [{c for c in whole(other, "\u0300", 3) if c < 0x10000}
              for other in jamo]
    members = set.union(*shown)
    return {c: tuple(int(c in s) for s in shown) for c in members}, kinds


def clusters():
    """{code point: its class when text is cut into grapheme clusters}. The
    clusters that are told apart are those of less than 6 bytes, which is why
    regional indicators, of 4 bytes, need no class."""
    probe = cluster_probe()

    def whole(before, after, count):
        """Those for which before + c + after gives count X."""
        texts = (before + c + after for c in chars())
        return {ord(c) for c, got in zip(chars(), each(probe, texts))
                if len(got) == count}

    sign, joiner, mark = "\u00A9", "\u200D", "\u0300"
    letter, virama = "\u0915", "\u094D"
    attached = whole("a", "", 1)
    kinds = dict.fromkeys(CODE_POINTS, OTHER)
    joiners = whole(sign, sign + mark, 4) & attached
    extends = whole(sign, joiner + sign + mark, 5) & attached
    linkers = whole(letter, letter + mark, 4) & extends - joiners
    linked = whole(letter + virama, letter + mark, 5) & extends
    for code in attached:
        kinds[code] = (JOINER if code in joiners else LINKER
                       if code in linkers else EXTEND if code in linked
                       else NONJOINER if code in extends else SPACING)
    groups = {
        CONTROL: whole("", mark + "\u0301", 2),
        PREPEND: whole("", "a", 1),
        PICTOGRAPH: whole(sign + joiner, "", 3) - attached,
        CONSONANT: whole("", virama + letter + mark, 4) - attached,
    }
    outside = attached | groups[CONTROL] | groups[PREPEND]
    shown, hangul_kinds = hangul_clusters(whole)
    for code, key in shown.items():
        if code not in outside:
            groups.setdefault(hangul_kinds[key], set()).add(code)
    for kind, members in groups.items():
        for code in members:
            if kinds[code] != OTHER:
                raise SystemExit(f"U+{code:04X}: {kinds[code]} and {kind}")
            kinds[code] = kind
    kinds[0x0D], kinds[0x0A] = CR, LF
    check_clusters(probe, kinds)
    return kinds


def cut(text, kinds):
    """text in grapheme clusters, by the rules of the standard's annex 29."""
    hangul = {LEAD: (LEAD, VOWEL, SYLLABLE_LV, SYLLABLE_LVT),
              VOWEL: (VOWEL, TRAIL), SYLLABLE_LV: (VOWEL, TRAIL),
              TRAIL: (TRAIL,), SYLLABLE_LVT: (TRAIL,)}
    parts, last, emoji, conjunct = [], CONTROL, 0, 0
    for c in text:
        kind = kinds[ord(c)]
        if last == CR and kind == LF:
            joins = True
        elif {last, kind} & {CR, LF, CONTROL}:
            joins = False
        else:
            joins = (kind >= SPACING or last == PREPEND
                     or kind in hangul.get(last, ())
                     or emoji == 2 and kind == PICTOGRAPH
                     or conjunct == 2 and kind == CONSONANT)
        emoji = (1 if kind == PICTOGRAPH else 2 if emoji == 1
                 and kind == JOINER else emoji if emoji == 1
                 and kind > SPACING else 0)
        conjunct = (1 if kind == CONSONANT else 2 if conjunct
                    and kind == LINKER else conjunct if kind >= EXTEND else 0)
        last = kind
        if joins and parts:
            parts[-1] += c
        else:
            parts.append(c)
    return parts


def check_clusters(probe, kinds):
    """Random texts out of a few characters of every class."""
    rng = random.Random(1)
    members = {}
    for code, kind in kinds.items():
        members.setdefault(kind, []).append(code)
    for _ in range(200000):
        text = "".join(chr(rng.choice(rng.choice(members_of)))
                       for members_of in rng.choices(
                           list(map(lambda k: [members[k]], members)),
                           k=rng.randint(1, 9)))
        want = sum(1 if len(part.encode()) < 6 and part[0] not in "\n\0"
                   else len(part) for part in cut(text, kinds))
        if len(probe(text)) != want:
            raise SystemExit(f"cut into other clusters: {text!a}")


# -------------------------------------------------------------------- tables

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


def stages(table, block):
    """at and values: table[c] is values[at[c // block] * block + c % block]."""
    blocks, found, index = [], {}, []
    for start in range(0, len(table), block):
        part = tuple(table[start:start + block])
        index.append(found.setdefault(part, len(blocks)))
        if index[-1] == len(blocks):
            blocks.append(part)
    return index, [value for part in blocks for value in part]


def emit_decompositions(name, table, text):
    """name_groups: for each 32 code points from 0 on, which row of name_rows
    they have; a row is a bit for each that has a decomposition, and where the
    first one's entry is in name_parts; an entry is 32 times where it begins
    in the pool, plus its length."""
    rows, parts = [(0, 0)], []
    groups = [0] * (max(table) // 32 + 1)
    for group in range(len(groups)):
        members = [c for c in range(group * 32, group * 32 + 32) if c in table]
        if members:
            groups[group] = len(rows)
            rows.append((sum(1 << c % 32 for c in members), len(parts)))
        for c in members:
            word = "".join(map(chr, table[c]))
            parts.append(text.index(word) * 32 + len(word))
    at, values = stages(groups + [0] * (-len(groups) % 64), 64)
    emit("uint8_t", name + "_group_at", at)
    emit("uint16_t", name + "_group", values)
    emit("rmr_decomposition_row", name + "_rows",
         ["{%#x, %d}" % row for row in rows])
    emit("uint32_t", name + "_parts", parts)


def pool_of(tables):
    """One text that every decomposition is a part of."""
    text = ""
    for parts in sorted((p for t in tables for p in t.values()), key=len,
                        reverse=True):
        word = "".join(map(chr, parts))
        if word not in text:
            text += word
    return text


def properties(flags, ccc, kinds):
    script = scripts()
    category = dict.fromkeys(CODE_POINTS, None)
    for number, name in enumerate(CATEGORIES):
        for code in regex_class(r"\p{%s}" % name):
            category[code] = number
    lower = each(normalizers.Lowercase().normalize_str, chars())
    table = [(0, 0, 0, 0, 0, 0)] * 0x110000  # surrogates are not in UTF-8
    for code, low in zip(CODE_POINTS, lower):
        if len(low) == 2 and low[1] == "\u0307":
            flags[code] |= DOTTED
        elif len(low) != 1:
            raise SystemExit(f"U+{code:04X}: lower-cased to {low!r}")
        table[code] = (flags[code], ord(low[0]) - code, ccc.get(code, 0),
                       script[code], kinds[code], category[code])
    return table


def main():
    if tokenizers.__version__ != REFERENCE:
        raise SystemExit(f"needs tokenizers {REFERENCE}, "
                         f"found {tokenizers.__version__}")
    nfd = normalizers.NFD().normalize_str
    nfc = normalizers.NFC().normalize_str
    nfkc = normalizers.NFKC().normalize_str
    ccc = classes(nfd)
    nfd_of = decompositions(nfd)
    nfkd_of = decompositions(normalizers.NFKD().normalize_str)
    pairs = compositions(nfc, nfd_of)
    flags = all_flags()
    check_single_kinds(flags)
    seconds = ({b for _, b in pairs} | set(range(0x1161, 0x1176))
               | set(range(0x11A8, 0x11C3)))
    members = {
        NUMERIC: digits(),
        NFD: set(nfd_of) | set(HANGUL), NFKD: set(nfkd_of) | set(HANGUL),
        NFC_INERT: inert(nfc, ccc, seconds, nfd_of),
        NFKC_INERT: inert(nfkc, ccc, seconds, nfkd_of),
        SECOND: seconds,
        REGEX_WORD: regex_class(r"\w"), REGEX_SPACE: regex_class(r"\s"),
    }
    for flag, codes in members.items():
        for code in codes:
            flags[code] |= flag
    table = properties(flags, ccc, clusters())
    print("/*\n * tokenizer_unicode.inc - what the reference does with each"
          " code point;\n * written by make_unicode.py from tokenizers "
          f"{REFERENCE}, never by hand.\n */\n")
    # The most frequent have the shortest numbers.
    records = [r for r, _ in collections.Counter(table).most_common()]
    numbers = {record: i for i, record in enumerate(records)}
    emit("rmr_char", "records",
         ["{%d, %d, %d, %d, %d, %d}" % r for r in records])
    at, values = stages([numbers[r] for r in table], BLOCKS[0])
    top, at = stages(at, BLOCKS[1])
    emit("uint8_t", "record_top", top)
    emit("uint16_t", "record_mid", at)
    emit("uint16_t", "record_of", values)
    compatible = {c: p for c, p in nfkd_of.items() if nfd_of.get(c) != p}
    pool = pool_of([nfd_of, compatible])
    emit("uint32_t", "pool", [ord(c) for c in pool])
    emit_decompositions("nfd", nfd_of, pool)
    emit_decompositions("nfkd", compatible, pool)
    emit("rmr_composition", "compositions",
         ["{%d, %d, %d}" % (a, b, c) for (a, b), c in sorted(pairs.items())])
    longest = max(map(len, list(nfd_of.values()) + list(nfkd_of.values())))
    print(f"{len(records)} records, {len(pool)} in the pool, {len(pairs)} "
          f"compositions, longest {longest}", file=sys.stderr)


if __name__ == "__main__":
    main()
