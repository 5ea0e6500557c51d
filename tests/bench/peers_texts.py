"""The texts that every engine is given, and how many tokens they are: those
that `remora bench` prints, cut as the model cuts them and counted once, with
the model's own tokenizer, special tokens included and padding not. It must
never give two engines different texts or counts.
"""

import json
import subprocess

SINGLE_SERIES = "short"
# How many texts a peer computes at once, by series: what serves it best.
BATCHES = {"short": 32, "mixed": 32, "long": 8}


def printed(remora, model, series):
    """The texts of a series, in order."""
    done = subprocess.run(
        [str(remora), "bench", str(model), "--print-texts", series],
        check=True, stdout=subprocess.PIPE,
    )
    return done.stdout.decode().splitlines()


def tokenizer(model):
    """The model's tokenizer as inference uses it: cut, not padded."""
    from tokenizers import Tokenizer

    limits = json.loads((model / "sentence_bert_config.json").read_text())
    made = Tokenizer.from_file(str(model / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(limits["max_seq_length"])
    return made


def count(model, texts):
    """Tokens of all texts."""
    encodings = tokenizer(model).encode_batch(texts)
    return sum(len(encoding.ids) for encoding in encodings)


def taken(remora, model, names, share):
    """{series: texts}, the first `share` (0 to 1) of each, at least one."""
    found = {}
    for name in names:
        texts = printed(remora, model, name)
        found[name] = texts[:max(1, round(len(texts) * share))]
    return found


def counted(model, texts):
    """{series: {"texts": N, "tokens": N}} of what `taken` gave."""
    return {
        name: {"texts": len(lines), "tokens": count(model, lines)}
        for name, lines in texts.items()
    }
