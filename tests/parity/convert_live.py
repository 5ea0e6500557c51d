#!/usr/bin/env python3
"""Model directories without a tokenizer.json, opened by Remora and by the
pinned transformers' AutoTokenizer: ids, type ids and byte offsets of many
texts. It must never count a directory as equal that either side refused.

usage: convert_live.py [--keep DIR] [--only PATTERN] [--texts N] [--models DIR]

SentencePiece models are trained here, small ones, where the package
sentencepiece is there. The exit status is 0 only when nothing differs.
"""

import argparse
import contextlib
import fnmatch
import io
import json
import os
import random
import shutil
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from tokenizer_pair import ROOT, Batch, Library, Reference  # noqa: E402
from tokenizer_pair import Refused, Remora, differing  # noqa: E402

SHIM = "tests/parity/tokenizer_shim.c"
TOKEN_FLAGS = ("lstrip", "rstrip", "normalized", "single_word")


# -------------------------------------------------------------------- texts

def sentences(models):
    """Lines of several languages and of programs."""
    lines = []
    wheel = zipfile.ZipFile(next((models / "texts").glob("django-5*.whl")))
    for name in wheel.namelist():
        if name.endswith("django.po") and "conf/locale" in name and any(
                f"/{language}/" in name
                for language in ("de", "fr", "ja", "ar", "ru", "hi", "th")):
            lines += [line[8:-1] for line in
                      wheel.read(name).decode().splitlines()
                      if line.startswith("msgstr")]
    for name in wheel.namelist()[:60]:
        if name.endswith(".py"):
            lines += wheel.read(name).decode().splitlines()
    return [line.strip() for line in lines if len(line.strip()) > 3]


ODD = ["", " ", "  two  spaces  ", "\t tab\nline\r\n",
       "\u2581under\u2581 \u2581",
       "``quoted'' text", "A\u0301 \u00e9 e\u0301", "\ufb01 \u2460 \uff21",
       "\u0130stanbul \u1e9e\u00df", "[MASK] <mask> <s> </s> <unk> [CLS]x",
       "a <mask>b  <pad>c", "<extra_id_0> <extra_id_99>", "en_XX de_DE",
       "<sep><extra><ctl>[[U]]<|c|>", "<0x41> \u00a0 nbsp\u3000wide",
       "\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea", "x" * 300,
       "don't I'll we've 1234 12.5,6", "NUL\0inside", "\u4f60\u597d world",
       "the[X]newtok foo  foobar", "<|endoftext|>a<|im_start|> b"]


def make_texts(lines, count, seed):
    rng = random.Random(seed)
    texts = list(ODD)
    while len(texts) < count:
        line = rng.choice(lines)
        if rng.random() < 0.3:
            at = rng.randrange(len(line) + 1)
            line = line[:at] + rng.choice(ODD) + line[at:]
        texts.append(line)
    return Batch([text.encode() for text in texts])


# ------------------------------------------------------------------- models

def train(folder, lines):
    """SentencePiece models of every kind by name; {} without the package."""
    try:
        import sentencepiece
    except ImportError:
        return {}
    fairseq = {"model_type": "unigram"}
    kinds = {
        "unigram": fairseq,
        "folded": {"normalization_rule_name": "nmt_nfkc_cf",
                   "user_defined_symbols": ["<sep>", "<extra>"],
                   "control_symbols": ["<ctl>"]},
        "bytes": {"normalization_rule_name": "identity", "byte_fallback": True,
                  "vocab_size": 1200},
        "bpe": {"model_type": "bpe"},
        "bpe-bytes": {"model_type": "bpe", "byte_fallback": True,
                      "normalization_rule_name": "identity",
                      "vocab_size": 1500, "user_defined_symbols": ["[[U]]"],
                      "control_symbols": ["<|c|>"],
                      "remove_extra_whitespaces": False},
        "albert": {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1,
                   "control_symbols": ["[CLS]", "[SEP]", "[MASK]"]},
        "deberta": {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3,
                    "bos_piece": "[CLS]", "eos_piece": "[SEP]",
                    "unk_piece": "[UNK]", "pad_piece": "[PAD]",
                    "user_defined_symbols": ["[MASK]"]},
        "gemma": {"model_type": "bpe", "byte_fallback": True,
                  "vocab_size": 1500, "pad_id": 0, "eos_id": 1, "bos_id": 2,
                  "unk_id": 3, "bos_piece": "<bos>", "eos_piece": "<eos>",
                  "user_defined_symbols": ["<mask>"]},
        "t5": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    }
    made = {}
    for name, options in kinds.items():
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines[:6000]), model_writer=out,
            minloglevel=2, hard_vocab_limit=False,
            **{"vocab_size": 900, "model_type": "unigram", **options})
        made[name] = folder / f"{name}.model"
        made[name].write_bytes(out.getvalue())
    return made


def token(content, **flags):
    return {"content": content,
            **{flag: flags.get(flag, False) for flag in TOKEN_FLAGS}}


def added(content, **flags):
    return {"__type": "AddedToken", **token(content, **flags)}


def decoded(content, special=True, **flags):
    return {**token(content, **flags), "special": special}


ODD_VOCAB = (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\nthe\nA\n"
             b"\xc3\xa9\nz \nz\n\nq\r\nnul\0in\n\xe3\x80\x80\nlast")
MPNET_VOCAB = (b"<s>\n<pad>\n</s>\n[UNK]\na\nb\n##a\n##b\nthe\nA\n<mask>\n"
               b"with\n##out\n")
FUNNEL_VOCAB = (b"<unk>\n<cls>\n<sep>\n<pad>\n<mask>\n<s>\n</s>\na\nb\n##a\n"
                b"the\n##b\n")


def wordpiece_cases(models):
    vocab = json.loads((models / "all-MiniLM-L6-v2/tokenizer.json")
                       .read_text())["model"]["vocab"]
    whole = "\n".join(sorted(vocab, key=vocab.get)).encode() + b"\n"
    odd, mpnet = {"vocab.txt": ODD_VOCAB}, {"vocab.txt": MPNET_VOCAB}
    whole = {"vocab.txt": whole}
    yield "bert", whole, {"config": "bert"}
    yield "bert-cased", whole, {
        "config": "bert", "options": {
            "tokenizer_class": "BertTokenizer", "do_lower_case": False,
            "strip_accents": None, "tokenize_chinese_chars": False,
            "model_max_length": 10 ** 30}}
    yield "bert-odd", odd, {
        "config": "bert", "options": {
            "tokenizer_class": "BertTokenizerFast", "strip_accents": True}}
    yield "bert-map", odd, {
        "config": "bert", "options": {"do_lower_case": True},
        "map": {"cls_token": "[CLS]", "unk_token": "[UNK]",
                "mask_token": token("[MASK]", lstrip=True),
                "additional_special_tokens": ["[X]", "the"]},
        "added": {"[X]": 17, "newtok": 18}}
    yield "bert-decoder", odd, {
        "config": "bert", "options": {
            "added_tokens_decoder": {
                "0": decoded("[PAD]"),
                "17": decoded("foo", False, lstrip=True, normalized=True,
                              single_word=True)},
            "cls_token": "[CLS]", "pad_token": "[PAD]", "sep_token": "q"}}
    yield "bert-own", odd, {
        "config": "bert", "options": {
            "extra_special_tokens": {"image_token": "<i>"},
            "video_token": "<v>"}}
    yield "bert-extra", odd, {
        "config": "bert", "options": {
            "extra_special_tokens": ["<i>", added("b", normalized=True),
                                     "b"]}}
    yield "bert-lacks", {"vocab.txt": b"a\nthe\n##b\n[UNK]\n"}, {
        "config": "bert", "map": {"image_token": token("<i>"),
                                  "bos_token": "a",
                                  "extra_special_tokens": ["the", "<x>"]},
        "added": {"<i>": 9, "<x>": 7, "[MASK]": 8}}
    yield "bert-raw", odd, {
        "config": "bert", "options": {
            "mask_token": added("[MASK]", lstrip=True, rstrip=True),
            "extra_special_tokens": [added("foo"), "foo", "foo"]},
        "added": {"[MASK]": 4, "foo": 30, "foobar": 31}}
    yield "bert-twice", odd, {
        "config": "bert", "options": {
            "extra_special_tokens": [added("[MASK]", normalized=True),
                                     "[MASK]", added("A", single_word=True)],
            "sep_token": "A", "additional_special_tokens": ["unseen"]}}
    yield "no-config", odd, {"options": {"tokenizer_class": "BertTokenizer"}}
    yield "other-type", odd, {
        "config": "gpt2", "options": {"tokenizer_class": "BertTokenizer"}}
    yield "distilbert", whole, {
        "config": "distilbert",
        "options": {"tokenizer_class": "DistilBertTokenizer"}}
    yield "electra", whole, {
        "config": "electra",
        "options": {"tokenizer_class": "ElectraTokenizer"}}
    yield "mpnet", mpnet, {"config": "mpnet"}
    yield "mpnet-mask", mpnet, {
        "config": "mpnet", "options": {
            "tokenizer_class": "MPNetTokenizer",
            "mask_token": added("<mask>", lstrip=True, normalized=True)}}
    yield "funnel", {"vocab.txt": FUNNEL_VOCAB}, {"config": "funnel"}


def renamed(vocab, first, last):
    """A GPT-2 vocabulary with other special tokens."""
    names = [*first, *(name for name in vocab if name != "<|endoftext|>"),
             last]
    return json.dumps({name: i for i, name in enumerate(names)}).encode()


def bpe_cases(models):
    folder = models / "tokenizers/gpt2"
    vocab = json.loads((folder / "vocab.json").read_text())
    merges = (folder / "merges.txt").read_bytes()
    gpt2 = {"vocab.json": (folder / "vocab.json").read_bytes(),
            "merges.txt": merges}
    roberta = {"vocab.json": renamed(
        vocab, ["<s>", "<pad>", "</s>", "<unk>"], "<mask>"),
        "merges.txt": merges}
    deberta = {"vocab.json": renamed(
        vocab, ["[PAD]", "[CLS]", "[SEP]", "[UNK]"], "[MASK]"),
        "merges.txt": merges}
    yield "gpt2", gpt2, {"config": "gpt2"}
    yield "gpt2-prefix", gpt2, {
        "config": "gpt2", "options": {
            "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True,
            "add_bos_token": True, "pad_token": "<|pad|>"}}
    yield "roberta", roberta, {"config": "roberta"}
    yield "roberta-offsets", roberta, {
        "config": "roberta", "options": {
            "tokenizer_class": "RobertaTokenizer", "trim_offsets": False,
            "add_prefix_space": True,
            "mask_token": added("<mask>", lstrip=True, normalized=True)}}
    yield "bart", roberta, {"config": "bart",
                            "options": {"tokenizer_class": "BartTokenizer"}}
    yield "deberta", deberta, {"config": "deberta"}
    yield "qwen2", gpt2, {
        "config": "qwen2", "options": {
            "tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False,
            "additional_special_tokens": ["<|im_start|>"]}}
    yield "gpt-neox", gpt2, {
        "config": "gpt_neox",
        "options": {"tokenizer_class": "GPTNeoXTokenizer",
                    "add_eos_token": True}}
    clip = json.loads((models / "tokenizers/converted/clip.json")
                      .read_text())["model"]
    lines = [pair if isinstance(pair, str) else " ".join(pair)
             for pair in clip["merges"]]
    holes = {"a": 3, "b": 9, "\u0120": 2, "ab": 5, "\u0120ab": 1, "<s>": 0}
    yield "roberta-holes", {
        "vocab.json": json.dumps(holes).encode(),
        "merges.txt": "a b\n\u0120 ab\n#version\na b".encode()}, {
        "config": "roberta", "options": {"pad_token": "<s>"}}
    yield "clip", {
        "vocab.json": json.dumps(clip["vocab"]).encode(),
        "merges.txt": "\r\n".join(["#version: 0.2", *lines, ""]).encode()
    }, {"config": "clip"}


def sentencepiece_cases(models, trained):
    def file(name, model):
        return {name: trained[model].read_bytes()}

    fairseq = "sentencepiece.bpe.model"
    mask = added("<mask>", lstrip=True, normalized=True)
    llama = {"tokenizer_class": "LlamaTokenizer"}
    yield "xlm-roberta", file(fairseq, "unigram"), {"config": "xlm-roberta"}
    yield "xlm-roberta-mask", file(fairseq, "folded"), {
        "config": "xlm-roberta", "options": {
            "tokenizer_class": "XLMRobertaTokenizer", "mask_token": mask,
            "add_prefix_space": False}}
    yield "xlm-roberta-map", file(fairseq, "bytes"), {
        "config": "xlm-roberta", "options": {
            "tokenizer_class": "XLMRobertaTokenizerFast",
            "additional_special_tokens": ["<x>"]},
        "map": {"mask_token": token("<mask>", lstrip=True)}}
    yield "xlm-roberta-bpe", file(fairseq, "bpe"), {"config": "xlm-roberta"}
    yield "xlm-roberta-other", {**file(fairseq, "unigram"),
                                **file("tokenizer.model", "folded")}, {
        "config": "xlm-roberta", "options": {"cls_token": "<x>",
                                             "bos_token": "<y>"}}
    yield "camembert", file(fairseq, "unigram"), {"config": "camembert"}
    yield "camembert-extra", file(fairseq, "folded"), {
        "config": "camembert",
        "options": {"additional_special_tokens": ["<s>NOTUSED"]}}
    yield "albert", file("spiece.model", "albert"), {"config": "albert"}
    yield "albert-cased", file("spiece.model", "albert"), {
        "config": "albert", "options": {
            "do_lower_case": False, "keep_accents": True,
            "mask_token": added("[MASK]", lstrip=True)}}
    yield "albert-bos", file("spiece.model", "albert"), {
        "config": "albert", "options": {"add_bos_token": True}}
    yield "t5", file("spiece.model", "t5"), {"config": "t5"}
    yield "t5-extra", file("spiece.model", "t5"), {
        "config": "t5", "options": {
            "extra_ids": 3, "additional_special_tokens": [
                f"<extra_id_{i}>" for i in range(3)]}}
    yield "t5-none", file("spiece.model", "t5"), {
        "config": "mt5", "options": {"extra_ids": 0,
                                     "tokenizer_class": "T5Tokenizer",
                                     "additional_special_tokens": None}}
    yield "mbart", file(fairseq, "unigram"), {"config": "mbart"}
    yield "mbart-german", file(fairseq, "unigram"), {
        "config": "mbart", "options": {"src_lang": "de_DE"}}
    yield "deberta-v2", file("spm.model", "deberta"), {
        "config": "deberta-v2", "options": {
            "do_lower_case": True, "split_by_punct": True}}
    yield "deberta-v2-first", file("spm.model", "unigram"), {
        "config": "deberta-v2", "options": {"add_prefix_space": False,
                                            "unk_token": "<unk>"}}
    yield "deberta-v2-bytes", file("spm.model", "bytes"), {
        "config": "deberta-v2", "options": {"mask_token": None}}
    yield "llama-unigram", file("tokenizer.model", "unigram"), {
        "config": "llama", "options": llama}
    yield "llama-decoder", file("tokenizer.model", "bpe-bytes"), {
        "config": "llama", "options": {**llama, "added_tokens_decoder": {
            "4": decoded("[[U]]", False, lstrip=True, normalized=True),
            "2000": decoded("the", rstrip=True), "0": decoded("<unk>")}}}
    yield "t5-added", file("spiece.model", "t5"), {
        "config": "t5", "options": {"eos_token": "<eos>", "extra_ids": 4},
        "added": {"<x>": 1000, "</s>": 1}}
    yield "big-bird", file("spiece.model", "unigram"), {"config": "big_bird"}
    yield "xlnet", file("spiece.model", "folded"), {"config": "xlnet"}
    yield "llama", file("tokenizer.model", "bpe-bytes"), {
        "config": "llama", "options": {
            **llama, "add_bos_token": True, "legacy": None,
            "bos_token": added("<s>", normalized=True)}}
    yield "llama-legacy", file("tokenizer.model", "bpe-bytes"), {
        "config": "llama", "options": {
            **llama, "legacy": True, "add_eos_token": True}}
    yield "llama-plain", file("tokenizer.model", "bpe-bytes"), {
        "config": "llama", "options": {**llama, "add_prefix_space": False}}
    yield "gemma", file("tokenizer.model", "gemma"), {
        "config": "gemma", "options": {"tokenizer_class": "GemmaTokenizer",
                                       "add_bos_token": True}}
    yield "backend-unigram", file("tokenizer.model", "bytes"), {
        "config": "mistral"}
    yield "backend-bpe", file("tokenizer.model", "bpe"), {
        "config": "mixtral", "options": {
            **llama, "added_tokens_decoder": {"0": decoded("<unk>")}}}


def real_cases(models):
    folder = models / "tokenizers"
    mistral = {"tokenizer.model":
               (folder / "mistral/tokenizer.model").read_bytes()}
    yield "real-tiktoken", {"tokenizer.model": (
        folder / "llama3/tokenizer.model").read_bytes()}, {
        "config": "llama", "refused": "not a SentencePiece model"}
    yield "real-t5", {"spiece.model":
                      (folder / "t5/spiece.model").read_bytes()}, {
        "config": "t5"}
    yield "real-deberta-v3", {"spm.model": (
        folder / "deberta-v3/spm.model").read_bytes()}, {
        "config": "deberta-v2"}
    yield "real-mistral", mistral, {
        "config": "mistral", "options": {"tokenizer_class": "LlamaTokenizer",
                                         "add_bos_token": True}}
    yield "real-llama", mistral, {
        "config": "llama", "options": {"tokenizer_class": "LlamaTokenizer",
                                       "add_bos_token": True}}


def write_case(folder, files, says):
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    if "config" in says:
        (folder / "config.json").write_text(
            json.dumps({"model_type": says["config"]}))
    for key, name in (("options", "tokenizer_config.json"),
                      ("map", "special_tokens_map.json"),
                      ("added", "added_tokens.json")):
        if key in says:
            (folder / name).write_text(json.dumps(says[key]))


# --------------------------------------------------------------- comparison

class Auto(Reference):
    """The tokenizer that the reference makes of a directory."""

    def __init__(self, folder):
        from transformers import AutoTokenizer
        with warnings.catch_warnings(), \
                contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            made = AutoTokenizer.from_pretrained(str(folder))
        self.tokenizer = made.backend_tokenizer
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()


def compare(folder, says, library, batch):
    """What to print, and whether it is a difference."""
    try:
        reference = Auto(folder)
    except Exception as error:
        reference = None
        why = str(error).splitlines()[0][:100] if str(error) else "?"
    try:
        ours = Remora(library, folder)
    except Refused as error:
        expected = says.get("refused") or (None if reference else "")
        return (f"refused: {str(error)[-150:]}",
                expected is None or expected not in str(error))
    if "refused" in says:
        return "opens, and should be refused", True
    if not reference:
        return f"opens, where the reference fails: {why}", True
    theirs = reference.encode(batch)
    mine = ours.encode(batch)
    wrong = differing(mine, theirs)
    if not wrong:
        return f"{int((theirs.counts >= 0).sum())} texts are equal", False
    first = min(wrong, key=lambda i: len(batch.data[i]))
    return (f"{len(wrong)} texts differ, {batch.data[first][:200]!r}:\n"
            f"    Remora    {mine.of(first)}\n"
            f"    reference {theirs.of(first)}"), True


def main():
    parser = argparse.ArgumentParser(
        usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", default="*")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", type=Path, default=ROOT / "build/models")
    options = parser.parse_args()
    lines = sentences(options.models)
    batch = make_texts(lines, options.texts, options.seed)
    folder = options.keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    library = Library("convert")
    bad = count = 0
    try:
        cases = [*wordpiece_cases(options.models), *bpe_cases(options.models),
                 *real_cases(options.models)]
        trained = train(folder, lines)
        if trained:
            cases += sentencepiece_cases(options.models, trained)
        else:
            print("without the package sentencepiece no model is trained")
        for name, files, says in cases:
            if not fnmatch.fnmatch(name, options.only):
                continue
            shutil.rmtree(folder / name, ignore_errors=True)
            write_case(folder / name, files, says)
            line, wrong = compare(folder / name, says, library,
                                  batch)
            print(f"{name}: {line}{'  <-- WRONG' if wrong else ''}",
                  flush=True)
            bad += wrong
            count += 1
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{count} directories, {bad} wrong")
    return 1 if bad or not count else 0


if __name__ == "__main__":
    sys.exit(main())
