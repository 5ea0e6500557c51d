"""Writes rerankers.json: of the small decoders in rerankers.py the names and
shapes of their tensors, and the logits of yes less those of no, by the
procedure of Qwen3-Reranker's model card or, where there is a modules.json, by
sentence-transformers. It must never use Remora.

usage: make_rerankers.py [--check]

Runs in an environment with the requirements-parity.txt beside it: float32 on
the CPU, one sequence at a time. The card: the question alone is tokenized with
whatever its tokenizer adds, and cut so that it leaves room for the tokens of
the template, which come around it.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from sentence_transformers import CrossEncoder  # noqa: E402

import random_model  # noqa: E402
import rerankers  # noqa: E402

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()


def tensor_shapes(case):
    config = transformers.Qwen3Config(**{
        key: value for key, value in
        rerankers.description(case, {})["config"].items()
        if key != "model_type"})
    with tempfile.TemporaryDirectory() as folder:
        transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
        saved = random_model.read_safetensors(
            Path(folder) / "model.safetensors")
    return {name: shape for name, (_, shape, _) in saved.items()}


def by_card(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, found = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager",
        output_loading_info=True)
    assert not found["unexpected_keys"], found
    before, after = (tokenizer.encode(text, add_special_tokens=False)
                     for text in (rerankers.BEFORE, rerankers.AFTER))
    limit = min(tokenizer.model_max_length,
                model.config.max_position_embeddings)
    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))

    def score(query, document, instruction):
        text = (f"<Instruct>: {instruction or rerankers.INSTRUCTION}\n"
                f"<Query>: {query}\n<Document>: {document}")
        ids = tokenizer(
            [text], padding=False, truncation="longest_first",
            max_length=limit - len(before) - len(after))["input_ids"][0]
        ids = torch.tensor([before + ids + after])
        with torch.no_grad():
            logits = model.eval()(ids).logits[0, -1]
        return float(logits[yes] - logits[no]), ids.shape[1]

    return score


def by_sentence_transformers(folder):
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={
        "dtype": torch.float32, "attn_implementation": "eager"})

    def score(query, document, instruction):
        pair = [(query, document)]
        tokens = model.preprocess(
            pair, prompt=instruction or rerankers.PROMPT)["input_ids"]
        found = model.predict(pair, prompt=instruction)
        return float(found[0]), tokens.shape[1]

    return score


def scores(case, tensors):
    with tempfile.TemporaryDirectory() as folder:
        rerankers.write(folder, case, tensors)
        made = by_sentence_transformers if case.has_modules else by_card
        score = made(folder)
        found = [[score(query, document, instruction)
                  for document in rerankers.DOCUMENTS]
                 for query, instruction in rerankers.ASKED]
    lengths = [length for row in found for _, length in row]
    if case.limit:
        assert max(lengths) == case.limit, lengths
    values = [[value for value, _ in row] for row in found]
    flat = np.sort(np.ravel(values))
    print(f"{case.name:8} tokens {min(lengths)} to {max(lengths)}, logits "
          f"{flat[0]:.2f} to {flat[-1]:.2f}, apart {np.diff(flat).min():.1e}")
    assert np.diff(flat).min() > 1e-4 and 0.5 < flat[-1] - flat[0] < 20
    return [[float(f"{value:.7g}") for value in row] for row in values]


def main():
    torch.set_num_threads(1)
    made = {}
    for case in rerankers.CASES:
        tensors = tensor_shapes(case)
        made[case.name] = {"logits": scores(case, tensors),
                           "tensors": tensors}
    if sys.argv[1:] == ["--check"]:
        old = rerankers.made()
        for name, one in made.items():
            assert one["tensors"] == old[name]["tensors"], name
            difference = np.subtract(one["logits"], old[name]["logits"])
            assert np.abs(difference).max() < 5e-6, name
        return
    lines = ",\n".join(f'"{name}": {json.dumps(one)}'
                       for name, one in made.items())
    rerankers.FIXTURE.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
