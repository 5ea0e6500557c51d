"""Writes adapters.json and adapters.npz: how PEFT saves each adapter of
adapters.py, and what the model makes of its sequences when PEFT has merged the
adapter, with random weights, into it. It must never use Remora.

usage: make_adapters.py [--check]

  --check   write nothing: compare with the fixture that is there

Runs in an environment with the requirements-parity.txt beside it: float32 on
the CPU. Each case is also run without merging, and in float64.
"""

import argparse
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import adapters  # noqa: E402
import random_model  # noqa: E402
from architectures import CASES as MODELS  # noqa: E402

warnings.filterwarnings("ignore")
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

HERE = Path(__file__).resolve().parent
MOST_ERROR = 5e-6  # of float32 itself
LEAST_CHANGE = 0.05  # of the largest value, by an adapter


def opened(case, folder, dtype):
    base = next(model for model in MODELS if model.name == case.base)
    made = getattr(transformers, case.wraps or base.reference)
    return made.from_pretrained(folder, dtype=dtype,
                                attn_implementation="eager",
                                **base.options).eval()


def saved_by_peft(case, folder):
    """adapter_config.json, without paths, and the tensors' shapes."""
    torch.manual_seed(1)
    model = peft.get_peft_model(opened(case, folder, torch.float32),
                                peft.LoraConfig(**case.config))
    with tempfile.TemporaryDirectory() as out:
        model.save_pretrained(out)
        config = json.loads((Path(out) / "adapter_config.json").read_text())
        tensors = random_model.read_safetensors(
            Path(out) / "adapter_model.safetensors")
    config["base_model_name_or_path"] = None
    for name in ("target_modules", "modules_to_save"):
        if isinstance(config[name], list):
            config[name].sort()
    return {"adapter_config": config,
            "tensors": {name: shape for name, (_, shape, _)
                        in sorted(tensors.items())}}


def run(model, description):
    """What is kept of all sequences."""
    kept = []
    for one in description["sequences"]:
        first, second = one if description["pairs"] else (one, [])
        types = [0] * len(first) + [1] * len(second)
        inputs = {"input_ids": torch.tensor([first + second])}
        if description["pairs"]:
            inputs["token_type_ids"] = torch.tensor([types])
        with torch.no_grad():
            out = model(**inputs, output_hidden_states=True)
        if description["task"] == "hidden":
            # The last one, behind the last norm.
            kept.append(out.hidden_states[-1][0])
        else:
            kept.append(out.logits.reshape(-1, out.logits.shape[-1]))
    return torch.cat(kept).numpy()


def results(case, folder, adapter, description, dtype):
    """Of the model, of the model with its adapter, and merged."""
    plain = run(opened(case, folder, dtype), description)
    model = peft.PeftModel.from_pretrained(
        opened(case, folder, dtype), adapter, autocast_adapter_dtype=False)
    model = model.to(dtype).eval()
    beside = run(model, description)
    return plain, beside, run(model.merge_and_unload(), description)


def make(case):
    description = adapters.base_of(case)
    with tempfile.TemporaryDirectory() as folder:
        model, adapter = Path(folder) / "model", Path(folder) / "adapter"
        random_model.write(model, description)
        saved = saved_by_peft(case, model)
        adapters.write(adapter, case, saved)
        plain, beside, merged = results(case, model, adapter, description,
                                        torch.float32)
        exact = results(case, model, adapter, description, torch.float64)[2]
    largest = np.abs(exact).max()
    error = np.abs(merged - exact).max() / largest
    apart = np.abs(merged - beside).max() / largest
    change = np.abs(merged - plain).max() / largest
    print(f"{case.name:18} {merged.shape[0]:3} x {merged.shape[1]:<3} error "
          f"{error:.1e}  beside {apart:.1e}  change {change:.2f}", flush=True)
    assert merged.dtype == np.float32 and np.isfinite(merged).all()
    assert max(error, apart) < MOST_ERROR and change > LEAST_CHANGE, case.name
    return saved, merged


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {case.name: make(case) for case in adapters.CASES}
    saved = {name: each[0] for name, each in found.items()}
    kept = {name: each[1] for name, each in found.items()}
    if not arguments.check:
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}"
                           for name, each in saved.items())
        (HERE / "adapters.json").write_text("{\n" + lines + "\n}\n")
        np.savez(HERE / "adapters.npz", **kept)
        return
    assert saved == adapters.made()
    old = np.load(HERE / "adapters.npz")
    assert set(old) == set(kept)
    for name, values in kept.items():
        bound = MOST_ERROR * np.abs(values).max()
        assert np.abs(old[name] - values).max() < bound, name


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
