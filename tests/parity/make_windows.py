"""Writes windows.npz: what the reference makes of the long texts of windows.py.
Its tokenizer cuts the windows, its model runs each by itself, and numpy puts
together what comes of them in float64: vectors of unit length by their mean,
weighted by tokens, scores by the largest. It must never use Remora.

usage: make_windows.py MINILM NLI [--check]

  --check   write nothing: compare with the fixture that is there

MINILM and NLI are the directories of all-MiniLM-L6-v2 and of
nli-deberta-v3-xsmall. Runs in an environment with the requirements-parity.txt
beside it: float32 on the CPU.
"""

import argparse
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import windows  # noqa: E402

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

MOST_DIFFERENCE = 5e-6  # between two machines, of the largest value


def windows_of(case, folder):
    """The ids of each window."""
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    return tokenizer(
        case.text, truncation=True, max_length=case.max_tokens,
        stride=case.stride, return_overflowing_tokens=True)["input_ids"]


def embedding(model, rows):
    unit = []
    for ids in rows:
        states = model(torch.tensor([ids])).last_hidden_state[0].double()
        pooled = states.mean(axis=0)
        unit.append((pooled / pooled.norm()).numpy())
    mean = np.average(unit, axis=0, weights=[len(ids) - 2 for ids in rows])
    return mean / np.linalg.norm(mean)


def best_scores(model, rows):
    logits = torch.stack([model(torch.tensor([ids])).logits[0] for ids in rows])
    return logits.double().softmax(axis=1).max(axis=0).values.numpy()


@torch.no_grad()
def made(case, folders):
    folder = folders[case.model]
    classes = {"embed": transformers.AutoModel,
               "classify": transformers.AutoModelForSequenceClassification}
    model = classes[case.model].from_pretrained(
        folder, dtype=torch.float32).eval()
    rows = windows_of(case, folder)
    assert len(rows) > 2 and len(rows[0]) == case.max_tokens
    result = (embedding if case.model == "embed" else best_scores)(model, rows)
    print(f"{case.name:16} {len(rows)} windows, {result.shape}", flush=True)
    return {case.name: result.astype(np.float32),
            case.name + "/tokens": np.array([len(ids) for ids in rows])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("embed", metavar="MINILM")
    parser.add_argument("classify", metavar="NLI")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kept = {}
    for case in windows.CASES:
        kept.update(made(case, vars(arguments)))
    if not arguments.check:
        np.savez_compressed(windows.FIXTURE, **kept)
        return
    there = windows.fixture()
    assert there.keys() == kept.keys()
    for name, found in kept.items():
        apart = np.abs(there[name] - found).max()
        assert apart < MOST_DIFFERENCE * np.abs(found).max(), name


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
