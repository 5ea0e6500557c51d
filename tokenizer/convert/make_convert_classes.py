#!/usr/bin/env python3
"""Asks the pinned transformers which tokenizer class each model type has and
which names each class goes by, and writes convert_classes.inc. It must never
name a class for a model type that the reference would not choose.

usage: make_convert_classes.py >convert_classes.inc
"""

import inspect
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import transformers  # noqa: E402
from transformers.convert_slow_tokenizer import (  # noqa: E402
    SLOW_TO_FAST_CONVERTERS)
from transformers.models.auto import configuration_auto  # noqa: E402
from transformers.models.auto import tokenization_auto as auto  # noqa: E402

SUPPORTED = [
    "AlbertTokenizer", "BertTokenizer", "BigBirdTokenizer", "CLIPTokenizer",
    "CamembertTokenizer", "DebertaTokenizer", "DebertaV2Tokenizer",
    "DistilBertTokenizer", "FunnelTokenizer", "GPT2Tokenizer",
    "GPTNeoXTokenizer", "GemmaTokenizer", "LlamaTokenizer", "MBartTokenizer",
    "MPNetTokenizer", "Qwen2Tokenizer", "RobertaTokenizer", "T5Tokenizer",
    "TokenizersBackend", "XLMRobertaTokenizer", "XLNetTokenizer",
]
HEADER = """/*
 * convert_classes.inc - which tokenizer class each model type has, and which
 * class each name of one stands for. make_convert_classes.py made it with
 * transformers %s; it must never be edited.
 */"""
FORCED = auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS


def canonical(name):
    """The name of the class that a name stands for; None for no class."""
    try:
        found = auto.tokenizer_class_from_name(name)
    except Exception:  # a class that needs a package which is not there
        return None
    if not inspect.isclass(found):
        return None
    return found.__name__


def row(*fields):
    text = "    {%s},"
    values = ['"%s"' % f if isinstance(f, str) else str(f) for f in fields]
    line = text % ", ".join(values)
    if len(line) <= 80:
        return line
    return text % (",\n     ".join(values))


def main():
    types = set(configuration_auto.CONFIG_MAPPING_NAMES)
    types |= set(auto.TOKENIZER_MAPPING_NAMES)
    names = {name for name in dir(transformers)
             if name.endswith(("Tokenizer", "TokenizerFast"))}
    names |= set(SLOW_TO_FAST_CONVERTERS) | set(SUPPORTED)
    names |= {name + "Fast" for name in names if not name.endswith("Fast")}
    print(HEADER % transformers.__version__)
    print("static const model_type model_types[] = {")
    for name in sorted(types):
        mapped = auto.TOKENIZER_MAPPING_NAMES.get(name)
        if mapped == "MistralCommonBackend":
            mapped = "TokenizersBackend"
        if mapped is None:
            mapped = "TokenizersBackend" if name in FORCED else ""
        print(row(name, mapped, int(name in FORCED)))
    print("};\nstatic const class_name class_names[] = {")
    for name in sorted(names):
        found = canonical(name)
        if found in SUPPORTED:
            print(row(name, found))
    print("};")


if __name__ == "__main__":
    main()
