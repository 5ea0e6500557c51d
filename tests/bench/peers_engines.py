"""The engines that are compared, and the process that each of them is: it
opens the model once and then computes what it is asked for, on texts that it
was given at the start, with its own clock around nothing but the computing:
text in, vectors out. It must never compute what it was not asked for.

usage: peers_engines.py, which answers requests (peers_protocol.py)
"""

import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "parity")]

import numpy as np  # noqa: E402

import peers_texts  # noqa: E402
from peers_protocol import Absent, serve  # noqa: E402

WARM_UP = 20  # single texts before the first that is timed


class Engine(NamedTuple):
    """One line of the table. key names it in options and results."""

    key: str
    name: str
    dtype: str


# Every dtype that a Remora may have: the library says which it does have.
REMORA_DTYPES = ("f32", "bf16", "int8", "int4")
ENGINES = (
    Engine("st-f32", "sentence-transformers", "f32"),
    Engine("ort-f32", "ONNX Runtime", "f32"),
    Engine("ov-f32", "OpenVINO", "f32"),
    Engine("ov-bf16", "OpenVINO", "bf16"),
    Engine("ort-int8", "ONNX Runtime", "int8"),
    Engine("ov-int8", "OpenVINO", "int8"),
) + tuple(Engine(f"remora-{t}", "Remora", t) for t in REMORA_DTYPES)


def pooled(hidden, mask):
    """The mean over a text's tokens, at unit length."""
    mask = mask.astype(np.float32)
    sums = np.matmul(mask[:, None, :], hidden)[:, 0]
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


class Padded:
    """An engine that takes token ids and a mask: tokens come from the model's
    tokenizer, texts are sorted by their number, and a batch is padded to its
    longest text."""

    def __init__(self, setup):
        self.tokenizer = peers_texts.tokenizer(Path(setup["model"]))

    def vectors(self, texts, batch):
        ids = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        found = [
            self.batch([ids[i] for i in order[start:start + batch]])
            for start in range(0, len(order), batch)
        ]
        vectors = np.empty((len(ids), found[0].shape[1]), np.float32)
        vectors[order] = np.concatenate(found)
        return vectors

    def batch(self, rows):
        shape = len(rows), max(map(len, rows))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for i, row in enumerate(rows):
            ids[i, :len(row)] = row
            mask[i, :len(row)] = 1
        return pooled(self.hidden(ids, mask, np.zeros_like(ids)), mask)


class OnnxRuntime(Padded):
    FILES = {"f32": "model.onnx", "int8": "model-int8.onnx"}

    def __init__(self, setup):
        import onnxruntime

        super().__init__(setup)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = setup["threads"]
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        )
        self.session = onnxruntime.InferenceSession(
            str(Path(setup["exports"]) / self.FILES[setup["dtype"]]), options,
            providers=["CPUExecutionProvider"],
        )
        self.version = onnxruntime.__version__

    def hidden(self, ids, mask, types):
        return self.session.run(None, {
            "input_ids": ids, "attention_mask": mask, "token_type_ids": types,
        })[0]


class OpenVino(Padded):
    FILES = {
        "f32": "model.onnx", "bf16": "model.onnx", "int8": "model-int8.xml",
    }

    def __init__(self, setup):
        import openvino

        super().__init__(setup)
        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if setup["dtype"] == "bf16" and "BF16" not in able:
            raise Absent("OpenVINO has no bf16 on this CPU")
        self.model = core.compile_model(
            str(Path(setup["exports"]) / self.FILES[setup["dtype"]]), "CPU", {
                "INFERENCE_NUM_THREADS": setup["threads"],
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT":
                    "bf16" if setup["dtype"] == "bf16" else "f32",
            },
        )
        self.version = openvino.__version__.split("-")[0]

    def hidden(self, ids, mask, types):
        return self.model({
            "input_ids": ids, "attention_mask": mask, "token_type_ids": types,
        })[0]


class SentenceTransformers:
    def __init__(self, setup):
        import sentence_transformers
        import torch

        torch.set_num_threads(setup["threads"])
        self.model = sentence_transformers.SentenceTransformer(
            setup["model"], device="cpu"
        )
        self.version = (
            f"{sentence_transformers.__version__} (torch "
            f"{torch.__version__.split('+')[0]})"
        )

    def vectors(self, texts, batch):
        return self.model.encode(
            texts, batch_size=batch, show_progress_bar=False
        )


class RemoraEngine:
    """Gets all texts at once: it makes its own batches."""

    def __init__(self, setup):
        from remora_ctypes import UNSUPPORTED, Remora, RemoraError

        try:
            model = "int4" if setup["dtype"] == "int4" else "model"
            self.remora = Remora(
                setup["library"], setup[model], setup["threads"],
                setup["dtype"],
            )
        except RemoraError as problem:
            if problem.status == UNSUPPORTED:
                raise Absent(f"this Remora says: {problem}") from None
            raise
        self.version = self.remora.version()
        self.weight_bytes = self.remora.info.bytes

    def vectors(self, texts, batch):
        return self.remora.embed([text.encode() for text in texts])[0]


CLASSES = {
    "ONNX Runtime": OnnxRuntime,
    "OpenVINO": OpenVino,
    "Remora": RemoraEngine,
    "sentence-transformers": SentenceTransformers,
}


def memory():
    """Resident memory of this whole process, now and at its highest."""
    fields = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.strip()
    return {
        name: int(fields[field].removesuffix(" kB")) / 1024
        for name, field in (("rss_mb", "VmRSS"), ("peak_mb", "VmHWM"))
    }


class Answers:
    """An engine behind requests: {"do": what, ...}."""

    def __init__(self):
        self.texts = {}
        self.engine = None

    def __call__(self, request):
        return getattr(self, "do_" + request.pop("do"))(**request)

    def do_open(self, texts, **setup):
        """Opens the model; `texts` are the series, by name."""
        self.texts = texts
        self.engine = CLASSES[setup["name"]](setup)
        return {
            "version": self.engine.version,
            "weight_bytes": getattr(self.engine, "weight_bytes", None),
        }

    def do_series(self, series):
        """Seconds that all texts of a series take."""
        texts, batch = self.texts[series], peers_texts.BATCHES[series]
        start = time.perf_counter()
        self.engine.vectors(texts, batch)
        return time.perf_counter() - start

    def do_singles(self, count):
        """Milliseconds of each of `count` texts that come alone."""
        texts = self.texts[peers_texts.SINGLE_SERIES][:count]
        for text in texts[:WARM_UP]:
            self.engine.vectors([text], 1)
        times = []
        for text in texts:
            start = time.perf_counter()
            self.engine.vectors([text], 1)
            times.append((time.perf_counter() - start) * 1e3)
        return times

    def do_vectors(self, series, path):
        """Writes the vectors of a series to a file."""
        np.save(path, self.engine.vectors(
            self.texts[series], peers_texts.BATCHES[series]
        ))

    def do_memory(self):
        return memory()


if __name__ == "__main__":
    serve(Answers())
