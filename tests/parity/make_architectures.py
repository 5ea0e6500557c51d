"""Writes the fixture of the small models: architectures/NAME.json, out of
which random_model.py makes the model directory anywhere, and NAME.npy beside
it, what the reference makes of its sequences. It must never use Remora, nor
keep a case whose numbers could not tell a wrong implementation from a right
one.

usage: make_architectures.py [--only PATTERN] [--layers DIR] [--check]

  --only PATTERN   cases whose name matches a shell pattern
  --layers DIR     write DIR/NAME.npz instead: the hidden states of each layer,
                   the embeddings first, as hidden_0, hidden_1, ...; the last
                   one behind the final norm, where there is one; of ALBERT's
                   groups each layer inside counts
  --check          write nothing: compare with the fixture that is there

Runs in an environment with the requirements-parity.txt beside it: float32 on
the CPU, one sequence at a time, so that no padding takes part. Each case is
also run in float64: `error` says how far float32 is from it, as the largest
difference in units of the numbers' root mean square.
"""

import argparse
import contextlib
import fnmatch
import importlib
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

import random_model  # noqa: E402
from architectures import CASES  # noqa: E402

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

HERE = Path(__file__).resolve().parent
FIXTURE = HERE / "architectures"
MOST_ERROR = 5e-6  # of float32 itself, where 1e-5 is to mean something
# Of the largest entropy that attention may have, on average, and must have.
ENTROPY = (0.25, 0.93)


# ------------------------------------------------------------------- reference

def reference_class(name):
    """A class of transformers, or the one of a reference_NAME.py."""
    if hasattr(transformers, name):
        return getattr(transformers, name)
    module, _, name = name.partition(".")
    return getattr(importlib.import_module(f"reference_{module}"), name)


def is_library(name):
    return hasattr(transformers, name)


def tensor_shapes(case):
    """The names and shapes of a case's tensors as its file has them."""
    name = case.saved_as or case.reference
    made = reference_class(name)
    if not is_library(name):
        state = made(case.config).state_dict()
        return {key: list(value.shape) for key, value in state.items()}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(case.config))
        config = transformers.AutoConfig.from_pretrained(folder)
        options = {} if case.saved_as else case.options
        made(config, **options).save_pretrained(folder)
        saved = random_model.read_safetensors(
            Path(folder) / "model.safetensors")
    return {key: shape for key, (_, shape, _) in saved.items()}


def old_name(name):
    name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
    return name.replace("LayerNorm.bias", "LayerNorm.beta")


def sequences(case):
    """The ids of a case's sequences; of pairs, those of the two texts."""
    name = f"{case.seed} {case.name}"
    bits = np.random.Philox(key=int.from_bytes(name.encode(), "little")
                            % (1 << 128))
    left_out = {case.config.get("pad_token_id"), *case.ending}
    words = [i for i in range(case.vocab - case.mask) if i not in left_out]
    found = []
    for length in case.lengths:
        raw = bits.random_raw(length)
        ids = [words[int(value) % len(words)] for value in raw]
        if case.mask:
            ids[length // 2] = case.vocab - 1
        ids += case.ending
        at = (length + 1) // 2
        found.append([ids[:at], ids[at:]] if case.pairs else ids)
    return found


def description_of(case):
    shapes = tensor_shapes(case)
    if case.old_names:
        shapes = {old_name(name): shape for name, shape in shapes.items()}
    return {
        "config": {**case.config, "architectures": [case.architecture]},
        "task": case.task, "vocab": case.vocab, "mask": case.mask,
        "storage": case.storage, "shards": case.shards, "seed": case.seed,
        "pairs": case.pairs, "sequences": sequences(case),
        "tensors": shapes,
    }


def opened(case, folder, dtype):
    """The reference on a model directory; every tensor found its place."""
    made = reference_class(case.reference)
    if not is_library(case.reference):
        return made.opened(folder, dtype)
    model, found = made.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager",
        output_loading_info=True, **case.options)
    assert not found["mismatched_keys"], found
    if not case.saved_as:
        assert not found["unexpected_keys"], found
    missing = [key for key in found["missing_keys"] if "pooler" not in key]
    assert not missing, missing
    return model.eval()


@contextlib.contextmanager
def widened():
    """float32 is float64 where code names it: for a run that is float64
    throughout."""
    narrow = torch.float32, torch.float, torch.Tensor.float

    def wide(tensor, *arguments, **options):
        if tensor.is_floating_point():
            return tensor.double()
        return narrow[2](tensor, *arguments, **options)

    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = wide
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = narrow


class Run:
    """What the reference made of one sequence."""

    def __init__(self, model, case, sequence):
        first, second = sequence if case.pairs else (sequence, [])
        inputs = {"input_ids": torch.tensor([first + second])}
        if case.pairs:
            types = [0] * len(first) + [1] * len(second)
            inputs["token_type_ids"] = torch.tensor([types])
        with torch.no_grad():
            out = model(**inputs, output_hidden_states=True,
                        output_attentions=True)
        self.layers = [layer[0].numpy() for layer in out.hidden_states]
        self.attentions = [each[0].numpy() for each in out.attentions]
        if case.task == "hidden":
            self.kept = out.last_hidden_state[0].numpy()
        elif case.task == "text-classification":
            self.kept = out.logits.reshape(1, -1).numpy()
        else:
            self.kept = out.logits[0].numpy()


def check_native(case, folder, found):
    """What is written out here is what the library computes, where it can."""
    made = reference_class(case.reference)
    native = made.native(case.config) if hasattr(made, "native") else None
    if not native:
        return
    name, config = native
    (Path(folder) / "config.json").write_text(json.dumps(config))
    model, loaded = reference_class(name).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager",
        output_loading_info=True)
    assert not any(loaded[key] for key in (
        "missing_keys", "unexpected_keys", "mismatched_keys")), loaded
    for run, sequence in zip(found, sequences(case)):
        other = Run(model.eval(), case, sequence)
        for ours, theirs in zip(run.layers, other.layers):
            assert np.abs(ours - theirs).max() < MOST_ERROR, case.name
    print(f"{case.name}: equal to the library's {name}")


def runs(case, folder, description, dtype):
    model = opened(case, folder, dtype)
    wide = dtype == torch.float64
    with widened() if wide else contextlib.nullcontext():
        return [Run(model, case, one) for one in description["sequences"]]


# ---------------------------------------------------------------------- checks

def entropy(found):
    """How even attention is over what it may see, 1 for all the same: the
    mean over the rows of at least four tokens."""
    shares = []
    for run in found:
        for each in run.attentions:
            seen = (each > 0).sum(axis=-1)
            logs = np.log(np.where(each > 0, each, 1))
            rows = -(each * logs).sum(axis=-1)[seen > 3]
            shares.extend(rows / np.log(seen[seen > 3]))
    return float(np.mean(shares))


def error_of(found, wide):
    """float32 against float64: the largest difference over the root mean
    square of all that is kept."""
    narrow = np.concatenate([run.kept for run in found])
    exact = np.concatenate([run.kept for run in wide])
    scale = np.sqrt(np.mean(exact ** 2))
    return float(np.abs(narrow - exact).max() / scale), float(scale)


def check(case, found, error, scale):
    kept = np.concatenate([run.kept for run in found])
    assert kept.dtype == np.float32 and np.isfinite(kept).all(), case.name
    assert 0.05 < scale < 50, f"{case.name}: {scale}"
    assert kept.shape[1] == 1 or kept.std(axis=1).min() > 0.01, case.name
    # Rows of other tokens and texts are other rows.
    apart = np.abs(kept[:, None] - kept[None]).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.median(apart.min(axis=1)) > 1e-3 * scale, case.name
    even = entropy(found)
    assert ENTROPY[0] < even < ENTROPY[1], f"{case.name}: entropy {even}"
    assert error < MOST_ERROR, f"{case.name}: {error:.1e}"
    return kept, even


# ---------------------------------------------------------------------- output

def write_description(path, description):
    """JSON with a line for each part, and for each tensor."""
    lines = [
        f'"{key}": {json.dumps(value)}'
        for key, value in description.items() if key != "tensors"
    ]
    tensors = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(shape)}"
        for name, shape in description["tensors"].items())
    lines.append('"tensors": {\n' + tensors + "\n}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def write_layers(folder, case, found):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{case.name}.npz", **{
        f"hidden_{i}": np.concatenate([run.layers[i] for run in found])
        for i in range(len(found[0].layers))
    })


def compare(case, description, kept):
    there = json.loads((FIXTURE / f"{case.name}.json").read_text())
    there.pop("error")
    assert there == json.loads(json.dumps(description)), case.name
    old = np.load(FIXTURE / f"{case.name}.npy", allow_pickle=False)
    scale = np.sqrt(np.mean(np.square(kept)))
    assert np.abs(old - kept).max() < MOST_ERROR * scale, case.name


def make(case, arguments):
    description = description_of(case)
    with tempfile.TemporaryDirectory() as folder:
        random_model.write(folder, description)
        found = runs(case, folder, description, torch.float32)
        wide = runs(case, folder, description, torch.float64)
        check_native(case, folder, found)
    error, scale = error_of(found, wide)
    kept, even = check(case, found, error, scale)
    print(f"{case.name:24} {kept.shape[0]:4} x {kept.shape[1]:<3} "
          f"rms {scale:6.2f}  entropy {even:.2f}  error {error:.1e}",
          flush=True)
    if arguments.layers:
        write_layers(arguments.layers, case, found)
    elif arguments.check:
        compare(case, description, kept)
    else:
        description["error"] = float(f"{error:.1e}")
        write_description(FIXTURE / f"{case.name}.json", description)
        np.save(FIXTURE / f"{case.name}.npy", kept)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--layers", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    FIXTURE.mkdir(exist_ok=True)
    chosen = [c for c in CASES if fnmatch.fnmatch(c.name, arguments.only)]
    if not chosen:
        sys.exit(f"no case is called {arguments.only}")
    for case in chosen:
        make(case, arguments)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
