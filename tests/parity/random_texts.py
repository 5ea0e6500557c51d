"""Random texts for the live comparison, the same for a seed everywhere: words,
scripts, characters that tokenizers trip over, bytes. It must never take a text
from the fixture: these are the texts that nobody has looked at.
"""

import random
import unicodedata

from fixture_texts import LANGUAGES, paragraph

AWKWARD = (
    "\0 \t \n \r \x0b \x1f \x7f \x80 \x85 \xa0 \xad \u0300 \u0301 \u0327 "
    "\u0345 \u034f \u0483 \u05b0 \u0640 \u064b \u093c \u0e33 \u115f \u1160 "
    "\u180e \u200b \u200d \u2028 \u202e \u2060 \u3000 \u3099 \ufe0f \ufeff "
    "\ufffd \uffff \U000e0001 \U0001f3fd \u0130 \u0131 \u00df \u1e9e \u03a3 "
    "\u212a \ufb01 \uff21 \uf900 \U0002f800 [CLS] [SEP] [MASK] [UNK] [PAD] ## "
    "[ ] ' \" . , - _ @ # $ % ^ & * \U0001f41f \u9c7c \u4dff \u4e00"
).split(" ")


def scripts():
    """Characters that are assigned, by the first word of their name."""
    named = {}
    for code in range(0x20, 0x32000):
        character = chr(code)
        name = unicodedata.name(character, "")
        if name:
            named.setdefault(name.split()[0], []).append(character)
    return [group for _, group in sorted(named.items()) if len(group) >= 20]


class Maker:
    """A stream of texts as bytes."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.groups = scripts()
        self.words = sorted(
            {w for texts in LANGUAGES.values() for t in texts
             for w in t.split()}
        )

    def word_mix(self):
        count = self.rng.choice((1, 2, 4, 9, 20, 60))
        return " ".join(self.rng.choices(self.words, k=count))

    def one_script(self):
        group = self.rng.choice(self.groups)
        length = self.rng.choice((1, 3, 12, 40, 120))
        return "".join(
            " " if self.rng.random() < 0.15 else self.rng.choice(group)
            for _ in range(length)
        )

    def any_characters(self):
        length = self.rng.choice((1, 2, 7, 30, 90))
        codes = (self.rng.randrange(0x110000) for _ in range(length))
        return "".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000)

    def awkward(self):
        words = self.word_mix().split(" ")
        pieces = []
        for word in words:
            cut = self.rng.randrange(len(word) + 1)
            pieces.append(word[:cut] + self.rng.choice(AWKWARD) + word[cut:])
        return self.rng.choice(("", " ")).join(pieces)

    def recased(self):
        return "".join(
            self.rng.choice((c, c.upper(), c.lower(), c.title()))
            for c in self.word_mix()
        )

    def renormalized(self):
        form = self.rng.choice(("NFC", "NFD", "NFKC", "NFKD"))
        return unicodedata.normalize(form, self.word_mix())

    def sentences(self):
        return paragraph(self.rng, self.rng.choice((1, 3, 10, 40)))

    def broken_bytes(self):
        data = bytearray(self.word_mix().encode())
        for _ in range(1 + len(data) // 20):
            at = self.rng.randrange(len(data) + 1)
            change = self.rng.randrange(3)
            if change == 0:
                data[at:at] = bytes([self.rng.randrange(256)])
            elif change == 1:
                del data[at:at + 1]
            else:
                data[at:at + 1] = bytes([self.rng.randrange(0x80, 0x100)])
        return bytes(data)

    def any_bytes(self):
        return self.rng.randbytes(self.rng.choice((1, 4, 20, 100)))

    def text(self):
        make = self.rng.choice((
            self.word_mix, self.one_script, self.any_characters, self.awkward,
            self.recased, self.renormalized, self.sentences,
            self.broken_bytes, self.any_bytes,
        ))
        made = make()
        return made if isinstance(made, bytes) else made.encode()
