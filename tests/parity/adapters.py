"""The adapters of the parity of LoRA: for each, which small model of
architectures.py it is of, and what PEFT is asked for. It must never import the
reference: what is said here is data, and what PEFT makes of it, names, shapes
and adapter_config.json, is in adapters.json.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import random_model

HERE = Path(__file__).resolve().parent


@dataclass
class Case:
    name: str
    base: str  # a case of architectures.py
    config: dict  # LoraConfig's arguments
    wraps: str = ""  # the class that PEFT wraps, where it is another
    storage: str = "F32"


QUERIES_AND_VALUES = ["query", "value"]

CASES = [
    Case("bert", "bert-gelu",
         {"r": 4, "lora_alpha": 2, "target_modules": QUERIES_AND_VALUES}),
    Case("bert-rslora", "bert-gelu",
         {"r": 4, "lora_alpha": 1, "use_rslora": True, "target_modules":
          ["query", "key", "intermediate.dense", "output.dense"],
          "rank_pattern": {"key": 2, "layer.1.output.dense": 3},
          "alpha_pattern": {"^encoder.layer.0.attention.self.query": 0.5}}),
    # PEFT saves the classifier whole; "dense" is the pooler's, too.
    Case("bert-classify", "bert-classify",
         {"r": 2, "lora_alpha": 1, "task_type": "SEQ_CLS",
          "target_modules": ["query", "value", "dense"]}),
    Case("bert-tokens", "bert-tokens",
         {"r": 2, "lora_alpha": 1, "task_type": "TOKEN_CLS",
          "modules_to_save": ["word_embeddings"],
          "target_modules": QUERIES_AND_VALUES}, storage="BF16"),
    Case("roberta-classify", "roberta-classify",
         {"r": 3, "lora_alpha": 1, "task_type": "SEQ_CLS",
          "target_modules": QUERIES_AND_VALUES}, storage="F16"),
    # Keys of positions come of the same weights, too.
    Case("deberta-classify", "deberta-classify",
         {"r": 2, "lora_alpha": 0.5, "task_type": "SEQ_CLS",
          "target_modules": ["query_proj", "key_proj", "value_proj"]}),
    # Queries, keys and values are one tensor, as are both halves of a gate.
    Case("modernbert-classify", "modernbert-classify",
         {"r": 2, "lora_alpha": 0.5, "task_type": "SEQ_CLS",
          "target_modules": ["Wqkv", "Wi", "head.dense"]}),
    Case("qwen3", "qwen3",
         {"r": 4, "lora_alpha": 1, "target_modules": "all-linear"}),
    # Trained beneath a head for words, which the model's directory has not.
    Case("llama", "llama",
         {"r": 4, "lora_alpha": 1, "task_type": "CAUSAL_LM",
          "target_modules": ["q_proj", "v_proj", "down_proj"]},
         wraps="LlamaForCausalLM"),
]

SEQUENCES = 4  # of a base's


def base_of(case):
    """The description of the model."""
    path = HERE / "architectures" / f"{case.base}.json"
    found = json.loads(path.read_text())
    return {**found, "storage": "F32", "shards": 1,
            "sequences": found["sequences"][:SEQUENCES]}


def made():
    """What PEFT made of each case: adapter_config and tensors."""
    return json.loads((HERE / "adapters.json").read_text())


def write(folder, case, description):
    """Writes the adapter's directory."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(
        json.dumps(description["adapter_config"], indent=2))
    random_model.write_safetensors(
        folder / "adapter_model.safetensors",
        {name: random_model.values(2, name, shape, "lora")
         for name, shape in description["tensors"].items()}, case.storage)
