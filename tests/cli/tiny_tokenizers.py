"""Writes directories that hold a small tokenizer and no model: byte-level BPE
and Unigram. What they make of a text is known from the reference. It must
never write a config.json that Remora could run.
"""

from tiny_bert import write_json

END = "<|endoftext|>"
MERGES = ["f i", "s h", "fi sh", "Ġ t", "h e", "Ġt he", "Ġ fish", "Ã ¼"]
PIECES = [["<unk>", 0.0], ["</s>", 0.0], ["▁", -3.0], ["▁the", -2.0],
          ["fish", -2.5], ["▁fish", -4.0], ["s", -5.0], ["h", -5.5]]


def byte_characters():
    """GPT-2's characters for bytes, in its vocabulary's order."""
    shown = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = [byte for byte in range(0x100) if byte not in shown]
    return [chr(byte) for byte in shown] + [
        chr(0x100 + i) for i in range(len(others))
    ]


def byte_level_vocab():
    strings = byte_characters() + [
        merge.replace(" ", "") for merge in MERGES
    ] + [END]
    return {string: i for i, string in enumerate(strings)}


def added(id_, content):
    return {
        "id": id_, "special": True, "content": content, "single_word": False,
        "lstrip": False, "rstrip": False, "normalized": False,
    }


def byte_level_bpe():
    vocab = byte_level_vocab()
    options = {"add_prefix_space": False, "trim_offsets": True,
               "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(vocab[END], END)],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", **options},
        "post_processor": {"type": "ByteLevel", **options},
        "decoder": {"type": "ByteLevel", **options},
        "model": {"type": "BPE", "vocab": vocab, "merges": MERGES},
    }


def unigram():
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(0, "<unk>"), added(1, "</s>")],
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                          "prepend_scheme": "always", "split": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "</s>", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 0}},
                     {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "special_tokens": {
                "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]},
            },
        },
        "decoder": {"type": "Metaspace", "replacement": "▁",
                    "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": PIECES},
    }


def write(directory, tokenizer, **options):
    """A directory with tokenizer.json and, where options are given,
    tokenizer_config.json; returns it."""
    write_json(directory / "tokenizer.json", tokenizer)
    if options:
        write_json(directory / "tokenizer_config.json", options)
    return directory


def write_gpt2(directory):
    """The byte-level BPE as the files of GPT-2, which are converted."""
    write_json(directory / "vocab.json", byte_level_vocab())
    (directory / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(MERGES) + "\n"
    )
    write_json(directory / "config.json", {"model_type": "gpt2"})
    return directory
