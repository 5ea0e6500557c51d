"""The reference implementation, as the fixture and the live comparison use it:
sentence-transformers on the CPU in float32, one text at a time, so that no
padding takes part. It must never change what the library does by default.
"""

import codecs
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer

transformers.utils.logging.disable_progress_bar()


class Reference:
    """A model directory opened by sentence-transformers."""

    def __init__(self, directory, threads=None):
        if threads:
            torch.set_num_threads(threads)
        self.model = SentenceTransformer(str(directory), device="cpu")
        self.limit = self.model.max_seq_length

    def ids(self, text):
        """The token ids that the model is given for one text."""
        return self.model.preprocess([text])["input_ids"][0].tolist()

    def whole(self, data):
        """The ids of all tokens of the text that bytes stand for, and the
        bytes [start, end) of each."""
        text = decoded(data)
        starts = byte_starts(data)
        encoding = self.model.tokenizer(
            text, return_offsets_mapping=True, truncation=False, verbose=False
        )
        offsets = [
            [starts[start], starts[end]] if (start, end) != (0, 0) else [0, 0]
            for start, end in encoding["offset_mapping"]
        ]
        return encoding["input_ids"], offsets

    def vector(self, text):
        """float32 [dim] of one text alone."""
        return self.model.encode(text, show_progress_bar=False)

    def vectors(self, texts, batch_size=32):
        """float32 [texts, dim] as the library batches them."""
        return self.model.encode(
            texts, batch_size=batch_size, show_progress_bar=False
        )

    def shift(self, texts, vectors, batch_size):
        """How far batches of that size move the library's own vectors."""
        return float(np.abs(self.vectors(texts, batch_size) - vectors).max())


def decoded(data):
    """The text that bytes stand for."""
    return data.decode("utf-8", errors="replace")


def byte_starts(data):
    """Where in data each character of decoded(data) begins, and the end."""
    replaced = {}

    def note(error):
        replaced[error.start] = error.end
        return "\ufffd", error.end

    codecs.register_error("note", note)
    starts = []
    at = 0
    for character in data.decode("utf-8", errors="note"):
        starts.append(at)
        at = replaced.get(at, at + len(character.encode()))
    assert at == len(data)
    return starts + [at]
