#!/usr/bin/env python3
"""Writes the corpus of fuzz_sentencepiece: small models of every kind, each
for a class that reads it, trained by the package sentencepiece. It must never
write a model of more than a few kilobytes.

usage: make_sentencepiece_corpus.py [FOLDER]
"""

import io
import sys
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

HERE = Path(__file__).resolve().parent
# By index in the fuzz target.
CLASSES = ["XLMRoberta", "Llama", "Backend", "T5", "Albert", "DebertaV2",
           "BigBird", "Gemma", "MBart", "XLNet", "Camembert"]
TEXT = """The tokens of a model are made of pieces.
hello hello world, and a world of hello; aaaa aaaaaaaa aaa
caf\u00e9 \u4f60\u597d caf\u00e9s 123 4567 89
pieces of pieces make tokens, tokens make a text
""".splitlines() * 20
KINDS = {
    "unigram": (["XLMRoberta", "MBart", "BigBird", "Camembert"], {}),
    "rules": (["XLNet", "T5"], {"rules": True,
                                "user_defined_symbols": ["<sep>"]}),
    "bytes": (["Backend", "DebertaV2"], {"byte_fallback": True,
                                         "vocab_size": 320}),
    "bpe": (["Llama", "Backend"], {"model_type": "bpe",
                                   "control_symbols": ["<c>"]}),
    "bpe-bytes": (["Gemma", "Llama"], {"model_type": "bpe",
                                       "byte_fallback": True,
                                       "vocab_size": 330}),
    "albert": (["Albert"], {"pad_id": 0, "unk_id": 1, "bos_id": -1,
                            "eos_id": -1,
                            "control_symbols": ["[CLS]", "[SEP]"]}),
}


def train(options):
    options = {"vocab_size": 60, "model_type": "unigram",
               "normalization_rule_name": "identity", **options}
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        if options.pop("rules", False):
            del options["normalization_rule_name"]
            rules.write("E9\t65\n31 32\t33\n")
            rules.flush()
            options["normalization_rule_tsv"] = rules.name
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXT), model_writer=out, minloglevel=2,
            hard_vocab_limit=False, **options)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    model.trainer_spec.ClearField("accept_language")
    return model.SerializeToString()


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 \
        else HERE / "corpus" / "sentencepiece"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, (classes, options) in KINDS.items():
        model = train(dict(options))
        for name in classes:
            data = bytes([CLASSES.index(name)]) + model
            assert len(data) < 16384
            (folder / f"{kind}-{name}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
