"""The model as the other engines take it, made once and kept by content: an
ONNX file, its int8 forms, and the vectors that all are compared with, those of
sentence-transformers in float32. It must never keep an export whose vectors
are not the model's.

usage: peers_export.py, which answers requests (peers_protocol.py)
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np  # noqa: E402

import peers_texts  # noqa: E402
from peers_engines import OnnxRuntime, SentenceTransformers  # noqa: E402
from peers_protocol import Failed, serve  # noqa: E402

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# A partly masked batch: what has only seen a full mask may have left the mask
# out, since it changed nothing, and then padding changes a text's vector.
SAMPLE = ("a text that is longer than the one after it", "short")
CALIBRATION_TEXTS = 100
CHECKED_TEXTS = 64
TOLERANCE = 1e-5
MADE_WITH = ("nncf", "onnx", "onnxruntime", "onnxscript", "openvino", "torch",
             "sentence-transformers", "transformers")


# ------------------------------------------------------------- kept by content

def digest(model, texts):
    """What an export depends on: this source, the programs that it calls, the
    model and the texts."""
    parts = [Path(__file__), *sorted(Path(model).rglob("*.json"))]
    parts += [Path(model) / "model.safetensors"]
    made = hashlib.sha256()
    for path in parts:
        with open(path, "rb") as file:
            made.update(hashlib.file_digest(file, "sha256").digest())
    versions = {name: metadata.version(name) for name in MADE_WITH}
    made.update(json.dumps([versions, texts]).encode())
    return made.hexdigest()[:16]


def kept(folder, kind, model, texts, make):
    """The path folder/kind-DIGEST, made by make(path) when it is not there;
    older ones of the kind go."""
    path = folder / f"{kind}-{digest(model, texts)}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
    try:
        make(work)
        for old in folder.glob(f"{kind}-*"):
            shutil.rmtree(old)
        work.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return path


# ------------------------------------------------------------------ the making

def export(model, target):
    import torch
    import transformers

    # Plain attention: the graph in which the other engines find most to fuse.
    network = transformers.AutoModel.from_pretrained(
        model, attn_implementation="eager"
    )
    encode = transformers.AutoTokenizer.from_pretrained(model)
    sample = encode(list(SAMPLE), padding=True, return_tensors="pt")
    if sample["attention_mask"].all():
        raise Failed("the sample has no masked position")

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.network(
                input_ids=input_ids, attention_mask=attention_mask,
                token_type_ids=token_type_ids,
            ).last_hidden_state

    axes = {
        0: torch.export.Dim("batch", min=1, max=4096),
        1: torch.export.Dim("length", min=2, max=512),
    }
    torch.onnx.export(
        Hidden().eval(), tuple(sample[name] for name in INPUTS), str(target),
        input_names=list(INPUTS), output_names=["last_hidden_state"],
        dynamic_shapes=(axes,) * len(INPUTS), dynamo=True,
        external_data=False, opset_version=20,
    )


def check(model, exports, texts):
    """Padded batches of texts of many lengths, against the original."""
    setup = {"model": model, "exports": exports, "threads": 0, "dtype": "f32"}
    ours = OnnxRuntime(setup).vectors(texts, 32)
    theirs = SentenceTransformers({**setup, "threads": 1}).vectors(texts, 1)
    worst = np.abs(ours - theirs).max()
    if not worst < TOLERANCE:
        raise Failed(f"the exported model differs by {worst:.1e}")


def quantize_onnx(source, target):
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(str(source), str(target), per_channel=True)


def quantize_openvino(model, source, target, texts):
    import nncf
    import openvino

    encode = peers_texts.tokenizer(Path(model))

    def inputs(text):
        ids = np.array([encode.encode(text).ids])
        return dict(zip(INPUTS, (ids, np.ones_like(ids), np.zeros_like(ids))))

    quantized = nncf.quantize(
        openvino.Core().read_model(str(source)), nncf.Dataset(texts, inputs),
        model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts),
    )
    openvino.save_model(quantized, str(target), compress_to_fp16=False)


class Answers:
    """Requests: {"do": "exports" or "reference", "folder": where to keep it,
    "model": directory, "texts": [...]}; the answer is a path."""

    def __call__(self, request):
        request["folder"] = Path(request["folder"])
        return str(getattr(self, "do_" + request.pop("do"))(**request))

    def do_exports(self, folder, model, texts):
        """A folder with the files that the engines open."""
        def make(path):
            export(model, path / "model.onnx")
            check(model, path, texts[:CHECKED_TEXTS])
            quantize_onnx(path / "model.onnx", path / "model-int8.onnx")
            quantize_openvino(
                model, path / "model.onnx", path / "model-int8.xml",
                texts[:CALIBRATION_TEXTS],
            )

        return kept(folder, "exports", model, texts, make)

    def do_reference(self, folder, model, texts):
        """The vectors of texts, as a .npy file."""
        def make(path):
            engine = SentenceTransformers(
                {"model": model, "threads": len(os.sched_getaffinity(0))}
            )
            np.save(path / "vectors.npy", engine.vectors(texts, 32))

        made = kept(folder, "reference", model, texts, make)
        return made / "vectors.npy"


if __name__ == "__main__":
    serve(Answers())
