"""Texts for comparing tokenizers: real ones, every code point, and random ones.
All are bytes, the same on every machine: real texts come out of wheels that
texts.txt pins (translations, documentation, code) and random ones from a seed.
It must never look at what a tokenizer makes of a text.
"""

import ast
import hashlib
import itertools
import random
import re
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent / "models"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


# --------------------------------------------------------------- real texts

def fetch_wheels(folder):
    """The wheels of texts.txt, downloaded by their hashes unless there."""
    lines = (MODELS / "texts.txt").read_text().splitlines()
    names = [line.split("==")[0].replace("-", "_") for line in lines]
    if any(not list(folder.glob(f"{name}-[0-9]*.whl")) for name in names):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--disable-pip-version-check", "--require-hashes",
             "--only-binary", ":all:", "--dest", str(folder),
             "--requirement", str(MODELS / "texts.txt")], check=True)
    return [min(folder.glob(f"{name}-[0-9]*.whl")) for name in names]


PO_STRING = re.compile(r'^(?:msgid|msgstr(?:\[\d\])?|msgid_plural)? ?"(.*)"$')
ESCAPES = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\\\": "\\"}


def from_po(text):
    """The messages of a .po file and their translations."""
    parts = []
    for line in text.splitlines():
        match = PO_STRING.match(line)
        if not match or line.startswith("msg"):
            if parts:
                yield "".join(parts)
            parts = []
        if match:
            parts.append(re.sub(r"\\.", lambda m: ESCAPES.get(m[0], m[0]),
                                match[1]))
    if parts:
        yield "".join(parts)


def from_python(text):
    """The whole of a file, its longer strings and its documentation."""
    yield text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if len(node.value) > 20:
                yield node.value


def from_page(text):
    yield text
    yield from (p for p in text.split("\n\n") if p.strip())


READERS = {".po": from_po, ".py": from_python, ".html": from_page,
           ".txt": from_page, ".rst": from_page, ".md": from_page,
           ".js": from_page, "METADATA": from_page}


def sort_key(text):
    return hashlib.sha256(text).digest()


def real_texts(folder, count):
    """`count` different texts. What a folder of a wheel has is put in an order
    that nothing favours, and every folder is asked in turn, so that each
    language has its share."""
    groups = {}
    for wheel in fetch_wheels(folder):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                path = Path(name)
                reader = READERS.get(path.suffix) or READERS.get(path.name)
                if reader and ".min." not in name:
                    group = groups.setdefault(str(path.parent), set())
                    text = archive.read(name).decode("utf-8", "replace")
                    group.update(made.encode("utf-8", "surrogatepass")
                                 for made in reader(text) if made)
    rows = (sorted(groups[name], key=sort_key) for name in sorted(groups))
    seen = dict.fromkeys(
        text for row in itertools.zip_longest(*rows) for text in row
        if text is not None)
    texts = sorted(seen, key=sort_key) if len(seen) <= count else \
        list(itertools.islice(seen, count))
    if len(texts) < count:
        raise SystemExit(f"only {len(texts)} real texts of {count}")
    return texts


def prose(folder, size):
    """English prose of `size` bytes, on which speed is measured: documentation
    strings of the first wheel, joined."""
    parts = []
    with zipfile.ZipFile(fetch_wheels(folder)[0]) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".py"):
                parts += documentation(archive.read(name))
    parts.sort(key=lambda text: sort_key(text.encode()))
    joined = "\n".join(parts).encode()
    while len(joined) < size:
        joined += b"\n" + joined
    return joined[:size]


def documentation(source):
    """The longer documentation strings of a Python file, in ASCII."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            text = ast.get_docstring(node) or ""
            if len(text) > 80 and text.isascii():
                yield " ".join(text.split())


# ------------------------------------------------------------ every code point

def assigned(step=1):
    """Every assigned code point, and some that are not."""
    for code in CODE_POINTS:
        character = chr(code)
        category = unicodedata.category(character)
        if category not in ("Cn", "Co"):
            if code % step == 0:
                yield character
        elif code % 1021 == 0 or code & 0xFFFE == 0xFFFE:
            yield character


MARKS = "\u0300\u0301\u0323\u0327\u0334\u0345\u0315\u05b0\u064b\u0e48\u1b44" \
        "\u3099\u302a\u0f71\u0f72\U0001d165"
AWKWARD_TEXTS = [
    "", " ", "  ", "\n", " \n ", "\0", "a\0b", "\0\0", "\ufeff", "\ufeffa",
    "\u200b", "a\u200bb", "\u00a0", "a\u00a0b", "\u3000 \u2003", "\u2581",
    "\u2581a", "a\u2581b", " \u2581 ", "\u2581\u2581", "a b", " a b ", "a  b",
    "a\tb", "a\r\nb", "a\rb", "\x85", "\x1c\x1d\x1e\x1f", "\x0b\x0c", "_",
    "__", "a_b", "'s", "it's", "IT'S", "don't've", "\u2019s", "I\u017fn't",
    "'\u017f", "123", "1234567", "1,234.5", "\u00b2\u00bd\u2167", "\u0663\u06f4",
    "\u4e2d\u6587\u5b57\u7b26", "\u4e2d a \u6587", "\u3042\u30a2\u3099",
    "\uff71\uff9e", "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab",
    "\u1112\u1161\u11abx", "\uac00\u11a8", "\u0e20\u0e32\u0e29\u0e32\u0e44"
    "\u0e17\u0e22", "\u0e19\u0e49\u0e33", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9"
    "\u05dd", "\u0645\u0631\u062d\u0628\u064b\u0627", "\u202eabc\u202c",
    "\u2067\u05d0\u2069", "\u0928\u092e\u0938\u094d\u0924\u0947",
    "\u0915\u094d\u0937", "\u0958\u093c", "\u0130\u0131", "\u0130stanbul",
    "\u00df\u1e9e", "\u03a3\u03c3\u03c2", "\u0391\u03a3", "\u0391\u03a3 ",
    "\u0391\u03a3.", "\ufb01\ufb03", "\ufdfa", "\u212b\u00c5A\u030a",
    "\u01c4\u01c5\u01c6", "\u0344", "\u1e9b\u0323", "q\u0307\u0323",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f44d\U0001f3fd", "\U0001f1eb\U0001f1f7\U0001f1e9", "\u2764\ufe0f",
    "\u2764", "1\ufe0f\u20e3", "\U0001f3f4\U000e0067\U000e0062\U000e007f",
    "\U0001d400\U0001d7d9", "\U00020000\u2f00\uf900", "\U0010ffff\uffff\ufffe",
    "\ue000\U000f0000", "\U000e0001", "[CLS] [SEP][MASK]", "<s></s>", "<unk>",
    "a<s> b", "<|endoftext|>x", "[MASK] .", "<0x41><0x0A>", "##a", "a##b",
    "</w>", "a</w>", "\\n", "\"'`", "...", "\u2026", "a...b", "#hash @at",
    "https://example.com/a?b=c&d#e", "C++/C#", "x=1;y[2]={3};", "\t\tif x:\n",
    "\u01f1\u01f2", "\u1fb3\u1fbc", "\u0149", "\u0587", "\u1f88",
    "\u00c5\u0301\u0323", "e\u0301\u0300", "\u0f73\u0f75\u0f81",
    "\u0958\u0959", "\u2126\u2160\u24b6", "\uff21\uff41\uff11", "\u0660\u0966",
]


def orders_of_marks():
    for marks in itertools.permutations(MARKS, 2):
        yield "a" + "".join(marks)
    for at in range(len(MARKS) - 2):
        for marks in itertools.permutations(MARKS[at:at + 3]):
            yield "\u00e9" + "".join(marks) + "z"


BROKEN = [
    b"\xff", b"\x80", b"\xc3", b"a\xc3", b"\xc3a", b"\xe4\xb8", b"\xe4\xb8 ",
    b"\xe4\xb8\xe4\xb8\xad", b"\xed\xa0\x80", b"\xed\xb0\x80", b"a\xed\xa0\x80b",
    b"\xed\xa0\x80\xed\xb0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\x80",
    b"\xf0\x9f\x98", b"\xf0\x9f\x98a", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xfe\xff", b"\xfc\x80\x80\x80\x80\x80", b"\xef\xbf",
    b"hello\xffworld", b" \xff ", b"\xff\xff\xff", b"\x00\xff", b"\xc3\x28",
    b"\xa0\xa1", b"\xe2\x28\xa1", b"\xe2\x82\x28", b"\xf0\x28\x8c\xbc",
    b"caf\xe9 du nord", b"\x93quoted\x94", b"\xe2\x96\x81\xe2\x96",
]


def torture(step=1):
    """Every assigned code point alone and after a letter (each in a text with
    its neighbours too), marks in every order, what scripts do, broken bytes,
    long words. `step` leaves out all but each step-th code point."""
    characters = list(assigned(step))
    for character in characters:
        yield character.encode()
    for at in range(0, len(characters), 32):
        group = characters[at:at + 32]
        yield "".join("a" + c for c in group).encode()
        yield " ".join("b" + c for c in group).encode()
        yield " ".join(c + "\u0301Z" for c in group).encode()
    for text in itertools.chain(AWKWARD_TEXTS, orders_of_marks()):
        yield text.encode()
    for one, other in itertools.product(AWKWARD_TEXTS[::7], AWKWARD_TEXTS[::5]):
        yield (one + other).encode()
    yield from BROKEN
    for one, other in itertools.permutations(BROKEN[:14], 2):
        yield one + other
    for unit in ("a", "ab", "\u00e9", "\u4e2d", "1", "!", " ", "\n", "\u2581",
                 "\u0301", "\U0001f468\u200d", "a\u0301", "\0", "'s", "Ab1 "):
        for length in (99, 100, 101, 257, 3000):
            yield (unit * length).encode()


# --------------------------------------------------------------- random texts

SCRIPTS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
    "    ", " \t\n\r\v\f\u00a0\u2003\u3000\u0085\u200b\ufeff\u2028",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "'''sStTdDmMlLvVrReE ",
    "\u00e0\u00e1\u00e2\u00e3\u00e4\u00e5\u00e7\u00e8\u00e9\u00f1\u00f6\u00f8"
    "\u00fc\u00c0\u00c9\u00dc\u00df\u0153\u0141\u0111",
    "\u0130\u0131\u017f\u1e9e\u01c4\u01c5\u01c6\u03a3\u03c3\u03c2\u0391\u0392"
    "\u03d0\u0390\u03ac\u03ad", "\u0430\u0431\u0432\u0433\u0434\u0435\u0439\u0451"
    "\u0419\u0401\u0429\u0406\u0407", "\u05d0\u05d1\u05d2\u05dd\u05df\u05b0\u05bc"
    "\u05c1", "\u0627\u0628\u062a\u062d\u0640\u064b\u064e\u0651\u0670\ufdfa\u0660",
    "\u0928\u092e\u0938\u094d\u0924\u0947\u0915\u0937\u0958\u093c\u0966",
    "\u0e01\u0e02\u0e04\u0e07\u0e34\u0e49\u0e33\u0e50", "\u4e2d\u6587\u5b57\u7b26"
    "\u6f22\u4eee\u8c48\u66f4\ufa0e\u3007\u3005", "\u3072\u3089\u304c\u306a\u30ab"
    "\u30ac\u30d1\u3099\u309a\u30fc\uff76\uff9e", "\ud55c\uad6d\uac01\ud7a3\u1100"
    "\u1161\u11a8", "\u0300\u0301\u0308\u0323\u0327\u0334\u0345\u0315\u035c",
    "\u1b44\u1baa\u302e\u302f\U00016ff0\U0001d165\U0001d16d\ua953\u0f71\u0f72",
    "\u0344\u0958\u09cb\u0ddd\u1f00\u212b\u2126\ufb1d\U0001109a\U0001d15e",
    "\U0001f44d\U0001f3fd\U0001f468\u200d\U0001f469\U0001f1eb\U0001f1f7\u2764"
    "\ufe0f", "\u00ab\u00bb\u201c\u201d\u2018\u2019\u2026\u2013\u2014\u00bf\u3001"
    "\u3002\uff01\uff1f", "\0\x01\x1b\x7f\x80\x9f\u00ad\u200d\u2060\ufffd\ufffe"
    "\uffff\ue000\U000e0001", "\u2581\u2581 a", "\u00b2\u00bd\u2167\u2460\u0663",
]


class RandomTexts:
    """A stream of random texts, rich in the pieces of a vocabulary."""

    def __init__(self, seed, pieces=()):
        self.rng = random.Random(seed)
        self.pieces = [p for p in pieces if p] or ["piece"]

    def any_code_points(self):
        return "".join(map(chr, self.rng.choices(
            CODE_POINTS, k=self.rng.randrange(1, 6))))

    def one_script(self):
        return "".join(self.rng.choices(
            self.rng.choice(SCRIPTS), k=self.rng.randrange(1, 12)))

    def mixed(self):
        return "".join(self.rng.choice(self.rng.choice(SCRIPTS))
                       for _ in range(self.rng.randrange(1, 14)))

    def piece(self):
        return "".join(self.rng.choices(
            self.pieces, k=self.rng.choice((1, 1, 2, 3))))

    def text(self):
        rng, parts = self.rng, []
        for _ in range(rng.choice((1, 1, 2, 3, 5, 9))):
            kind = rng.random()
            if kind < 0.35:
                parts.append(self.one_script().encode())
            elif kind < 0.70:
                parts.append(self.piece().encode("utf-8", "surrogatepass"))
            elif kind < 0.85:
                parts.append(self.mixed().encode())
            elif kind < 0.92:
                parts.append(rng.choice(AWKWARD_TEXTS).encode())
            elif kind < 0.97:
                parts.append(self.any_code_points().encode())
            else:
                parts.append(rng.choice(BROKEN))
            if rng.random() < 0.35:
                parts.append(rng.choice((b" ", b" ", b"  ", b"\n")))
        return b"".join(parts)

    def texts(self, count):
        return [self.text() for _ in range(count)]
