#!/usr/bin/env python3
"""Writes tokenizer_regex_classes.inc: the reference's character properties.

What \\p{..}, \\w, \\d, \\s and POSIX brackets hold, and which characters are
the same without case, is asked of the pinned reference (see REFERENCE below)
over all code points, whatever version of Unicode it and this Python know. A
changed table means that the reference changed. It must never be edited by
hand, nor fall back to Python's own Unicode data: that only proposes names and
candidates, which the reference then answers for.

    python tokenizer/regex/make_regex_classes.py > tokenizer/regex/tokenizer_regex_classes.inc
"""

import sys
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

REFERENCE = "0.23.3"

CATEGORIES = """
C=Other Cc=Control Cf=Format Cn=Unassigned Co=Private_Use Cs=Surrogate
L=Letter LC=Cased_Letter Ll=Lowercase_Letter Lm=Modifier_Letter
Lo=Other_Letter Lt=Titlecase_Letter Lu=Uppercase_Letter
M=Mark Mc=Spacing_Mark Me=Enclosing_Mark Mn=Nonspacing_Mark
N=Number Nd=Decimal_Number Nl=Letter_Number No=Other_Number
P=Punctuation Pc=Connector_Punctuation Pd=Dash_Punctuation
Pe=Close_Punctuation Pf=Final_Punctuation Pi=Initial_Punctuation
Po=Other_Punctuation Ps=Open_Punctuation
S=Symbol Sc=Currency_Symbol Sk=Modifier_Symbol Sm=Math_Symbol So=Other_Symbol
Z=Separator Zl=Line_Separator Zp=Paragraph_Separator Zs=Space_Separator
Combining_Mark
""".split()

POSIX = """alnum alpha blank cntrl digit graph lower print punct space upper
xdigit ascii word""".split()

BINARY = """Any Assigned Alphabetic=Alpha Lowercase=Lower Uppercase=Upper
White_Space=Space=WSpace Ideographic=Ideo Unified_Ideograph=UIdeo Emoji
Emoji_Component=EComp Emoji_Modifier=EMod Emoji_Modifier_Base=EBase
Emoji_Presentation=EPres Extended_Pictographic=ExtPict Cased Case_Ignorable=CI
Dash Diacritic=Dia Extender=Ext Hex_Digit=Hex ASCII_Hex_Digit=AHex
ID_Start=IDS ID_Continue=IDC XID_Start=XIDS XID_Continue=XIDC Math
Quotation_Mark=QMark Regional_Indicator=RI Variation_Selector=VS
Default_Ignorable_Code_Point=DI Grapheme_Base=Gr_Base
Grapheme_Extend=Gr_Ext Join_Control=Join_C Terminal_Punctuation=Term
Sentence_Terminal=STerm Noncharacter_Code_Point=NChar Radical
Changes_When_Casemapped=CWCM Changes_When_Casefolded=CWCF""".split()

SCRIPTS = """Adlam=Adlm Ahom Anatolian_Hieroglyphs=Hluw Arabic=Arab
Armenian=Armn Avestan=Avst Balinese=Bali Bamum=Bamu Bassa_Vah=Bass Batak=Batk
Bengali=Beng Bhaiksuki=Bhks Bopomofo=Bopo Brahmi=Brah Braille=Brai
Buginese=Bugi Buhid=Buhd Canadian_Aboriginal=Cans Carian=Cari
Caucasian_Albanian=Aghb Chakma=Cakm Cham Cherokee=Cher Chorasmian=Chrs
Common=Zyyy Coptic=Copt=Qaac Cuneiform=Xsux Cypriot=Cprt Cypro_Minoan=Cpmn
Cyrillic=Cyrl Deseret=Dsrt Devanagari=Deva Dives_Akuru=Diak Dogra=Dogr
Duployan=Dupl Egyptian_Hieroglyphs=Egyp Elbasan=Elba Elymaic=Elym
Ethiopic=Ethi Garay=Gara Georgian=Geor Glagolitic=Glag Gothic=Goth
Grantha=Gran Greek=Grek Gujarati=Gujr Gunjala_Gondi=Gong Gurmukhi=Guru
Gurung_Khema=Gukh Han=Hani Hangul=Hang Hanifi_Rohingya=Rohg Hanunoo=Hano
Hatran=Hatr Hebrew=Hebr Hiragana=Hira Imperial_Aramaic=Armi
Inherited=Zinh=Qaai Inscriptional_Pahlavi=Phli Inscriptional_Parthian=Prti
Javanese=Java Kaithi=Kthi Kannada=Knda Katakana=Kana Kawi Kayah_Li=Kali
Kharoshthi=Khar Khitan_Small_Script=Kits Khmer=Khmr Khojki=Khoj
Khudawadi=Sind Kirat_Rai=Krai Lao=Laoo Latin=Latn Lepcha=Lepc Limbu=Limb
Linear_A=Lina Linear_B=Linb Lisu Lycian=Lyci Lydian=Lydi Mahajani=Mahj
Makasar=Maka Malayalam=Mlym Mandaic=Mand Manichaean=Mani Marchen=Marc
Masaram_Gondi=Gonm Medefaidrin=Medf Meetei_Mayek=Mtei Mende_Kikakui=Mend
Meroitic_Cursive=Merc Meroitic_Hieroglyphs=Mero Miao=Plrd Modi Mongolian=Mong
Mro=Mroo Multani=Mult Myanmar=Mymr Nabataean=Nbat Nag_Mundari=Nagm
Nandinagari=Nand New_Tai_Lue=Talu Newa Nko=Nkoo Nushu=Nshu
Nyiakeng_Puachue_Hmong=Hmnp Ogham=Ogam Ol_Chiki=Olck Ol_Onal=Onao
Old_Hungarian=Hung Old_Italic=Ital Old_North_Arabian=Narb Old_Permic=Perm
Old_Persian=Xpeo Old_Sogdian=Sogo Old_South_Arabian=Sarb Old_Turkic=Orkh
Old_Uyghur=Ougr Oriya=Orya Osage=Osge Osmanya=Osma Pahawh_Hmong=Hmng
Palmyrene=Palm Pau_Cin_Hau=Pauc Phags_Pa=Phag Phoenician=Phnx
Psalter_Pahlavi=Phlp Rejang=Rjng Runic=Runr Samaritan=Samr Saurashtra=Saur
Sharada=Shrd Shavian=Shaw Siddham=Sidd SignWriting=Sgnw Sinhala=Sinh
Sogdian=Sogd Sora_Sompeng=Sora Soyombo=Soyo Sundanese=Sund Sunuwar=Sunu
Syloti_Nagri=Sylo Syriac=Syrc Tagalog=Tglg Tagbanwa=Tagb Tai_Le=Tale
Tai_Tham=Lana Tai_Viet=Tavt Takri=Takr Tamil=Taml Tangsa=Tnsa Tangut=Tang
Telugu=Telu Thaana=Thaa Thai Tibetan=Tibt Tifinagh=Tfng Tirhuta=Tirh
Todhri=Todr Toto Tulu_Tigalari=Tutg Ugaritic=Ugar Unknown=Zzzz Vai=Vaii
Vithkuqi=Vith Wancho=Wcho Warang_Citi=Wara Yezidi=Yezi Yi=Yiii
Zanabazar_Square=Zanb""".split()

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
ALL = "".join(map(chr, CODES))


def matches(pattern, text):
    """[start, end) of every match that is not empty, in code points."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return [span for _, span in split.pre_tokenize_str(text)]


def bounds(others):
    """Where the set of what the one-character pattern `others` does not match
    begins and ends, in turn; surrogates are never in it."""
    out = []
    for c in normalizers.Replace(Regex(f"(?:{others})+"), "").normalize_str(ALL):
        code = ord(c)
        if out and out[-1] == code:
            out[-1] = code + 1
        else:
            out += [code, code + 1]
    return tuple(out)


def plain(name):
    return name.replace("_", "").lower()


def properties():
    """Names as they are looked up, to the set of each."""
    found = {}
    for group in CATEGORIES + BINARY + SCRIPTS + POSIX:
        values = set()
        for name in group.split("="):
            try:
                value = bounds(rf"\P{{{name}}}")
            except Exception:  # pylint: disable=broad-except
                print(f"not a property: {name}", file=sys.stderr)
                continue
            values.add(value)
            if found.setdefault(plain(name), value) != value:
                raise SystemExit(f"{name} is two things")
        if len(values) > 1:
            print(f"not the same: {group}", file=sys.stderr)
    for name in POSIX:
        value = bounds(f"[[:^{name}:]]")
        if value != found[name]:
            print(f"not the same: [[:{name}:]]", file=sys.stderr)
        found[f"[:{name}:]"] = value
    for escape, name in (r"\W", "word"), (r"\D", "digit"), (r"\S", "space"), \
            (r"\H", "xdigit"), (r"[\W]", "[:word:]"), (r"[^\w]", "[:word:]"), \
            (r"[\P{Word}]", "[:word:]"), (r"[^\p{Word}]", "[:word:]"), \
            (r"[\S]", "space"), (r"[^\d]", "digit"), (r"[\H]", "xdigit"), \
            (r"[^\p{Punct}]", "punct"), (r"[^\p{L}]", "l"):
        if bounds(escape) != found[name]:
            raise SystemExit(f"{escape} is not {name}")
    boundaries(members(found["word"]))
    return found


def members(inversion):
    out = []
    for lo, hi in zip(inversion[::2], inversion[1::2]):
        out += range(lo, hi)
    return out


def boundaries(word):
    """\\b takes for a word what \\w does, outside of brackets."""
    lines = "\n" + "\n".join(c for c in ALL if c != "\n")
    left = normalizers.Replace(Regex(r"\n\B[^\n]"), "").normalize_str(lines)
    if left.replace("\n", "") != "".join(map(chr, word)):
        raise SystemExit("\\b is not about \\w")


def folds(found):
    """(the groups of characters that are one without case, the strings that
    are one character without case)"""
    cased = sorted(set(members(found["cwcm"])) | set(members(found["cwcf"])) |
                   set(members(found["lc"])))
    text = "\n".join(map(chr, cased))
    others = "".join(chr(c) for c in CODES if c not in set(cased))
    listed = "".join(rf"\x{{{c:x}}}" for c in cased)
    if matches(f"(?i)[^{listed}]", "".join(map(chr, cased))) or \
            matches(f"(?i)[{listed}]", others):
        raise SystemExit("case relates what has no case")
    groups = {}
    for code in cased:
        group = tuple(cased[s // 2] for s, e in
                      matches(rf"(?i)\x{{{code:x}}}", text) if e - s == 1)
        groups[code] = group
    for code, group in groups.items():
        if code not in group or any(groups[g] != group for g in group):
            raise SystemExit(f"U+{code:04X}: not an equivalence")
    strings = {}
    for code in cased:
        key = chr(code).casefold()
        if len(key) == 1:
            continue
        if not matches(rf"(?i)\A\x{{{code:x}}}\z", key):
            raise SystemExit(f"U+{code:04X} does not match {key!a}")
        strings.setdefault(key, []).append(code)
    for key, codes in strings.items():
        if any(groups[c] != tuple(codes) for c in codes):
            raise SystemExit(f"{key!a}: {codes} are not one group")
        for code in codes:
            if not matches(rf"(?i)\A{key}\z", chr(code)):
                raise SystemExit(f"{key!a} does not match U+{code:04X}")
    return sorted({g for g in groups.values() if len(g) > 1}), strings


def emit(kind, name, values, width=79):
    print(f"static const {kind} {name}[{len(values)}] = {{")
    line = "   "
    for value in values:
        text = f" {value},"
        if len(line) + len(text) > width:
            print(line)
            line = "   "
        line += text
    print(line)
    print("};\n")


def main():
    if tokenizers.__version__ != REFERENCE:
        raise SystemExit(f"needs tokenizers {REFERENCE}, "
                         f"found {tokenizers.__version__}")
    found = properties()
    groups, strings = folds(found)
    pool, at = [], {}
    for value in found.values():
        if value not in at:
            at[value] = len(pool)
            pool.extend(value)
    print("/*\n * tokenizer_regex_classes.inc - what the reference's character "
          "properties hold\n * and what it takes for the same without case; "
          "written by\n * make_regex_classes.py from tokenizers "
          f"{REFERENCE}, never by hand.\n */\n")
    emit("uint32_t", "property_bounds", pool)
    emit("rmr_property", "properties",
         [f'{{"{name}", {at[value]}, {len(value)}}}'
          for name, value in sorted(found.items())])
    codes, group_of = [], []
    for group in groups:
        group_of += [(code, len(codes), len(group)) for code in group]
        codes += group
    emit("uint32_t", "fold_codes", codes)
    emit("rmr_fold", "folds", ["{%d, %d, %d}" % f for f in sorted(group_of)])
    records = []
    for key, values in sorted(strings.items()):
        full = [ord(c) for c in key] + [0] * (3 - len(key))
        records.append("{{%d, %d, %d}, %d, {%s}, %d}" % (
            *full, len(key), ", ".join(map(str, values)), len(values)))
    emit("rmr_fold_string", "fold_strings", records)
    print(f"{len(found)} names, {len(at)} sets, {len(pool)} bounds, "
          f"{len(groups)} groups, {len(strings)} strings; this Python knows "
          f"Unicode {unicodedata.unidata_version}", file=sys.stderr)


if __name__ == "__main__":
    main()
