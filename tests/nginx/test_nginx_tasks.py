"""POST /v1/classify, /v1/rerank and /embed_sparse as clients use them: that they
say what the command says of the same texts, and what they refuse. It must never check scores
against numbers of its own: those of real models are for the parity tests.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nginx_server import Nginx

for suite in ("cli", "parity"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / suite))

import rerankers  # noqa: E402
import tiny_bert  # noqa: E402

LABELS = ["contradiction", 'a "label"', "entailment"]
TAGS = ["O", "B-FISH", "I-FISH", "B-LINE", "I-LINE"]
TEXTS = ["hello world", "fish river the line 7", "a. b? c!"]
NAMES = ["nli", "ranker", "asker", "tagger", "embedder", "splade", "real"]
MARKER = "zebraquagga"


@pytest.fixture(scope="module")
def folders(tmp_path_factory, nli_dir):
    folder = tmp_path_factory.mktemp("tasks")
    kind = "SequenceClassification"
    return {
        "nli": tiny_bert.write_head(folder / "nli", kind, LABELS),
        "ranker": tiny_bert.write_head(folder / "ranker", kind, ["LABEL_0"]),
        # A decoder that answers yes or no.
        "asker": rerankers.write(
            folder / "asker", rerankers.CASES[-1],
            rerankers.made()["modules"]["tensors"]),
        "tagger": tiny_bert.write_head(
            folder / "tagger", "TokenClassification", TAGS),
        "embedder": tiny_bert.write(folder / "embedder"),
        "splade": tiny_bert.write_splade(folder / "splade"),
        "real": nli_dir,
    }


@pytest.fixture(scope="module")
def started(config, build, folders):
    nginx = Nginx(config["NGINX"],
                  (build / "ngx_http_remora_module.so").resolve(), folders)
    routes = "".join(
        f"location = /{name}/classify {{ remora_classify_api {name}; }}\n"
        f"location = /{name}/rerank {{ remora_rerank {name}; }}\n"
        f"location = /{name}/sparse {{ remora_sparse {name}; }}\n"
        for name in NAMES)
    nginx.configure(
        server=routes + "location = /health { remora_health; }",
        http="".join(f"remora_model {name} models/{name};\n"
                     for name in NAMES)).start()
    yield nginx
    nginx.close()


@pytest.fixture
def ask(started):
    """Posts to a route of a model; the reply's JSON, of that status."""
    def post(name, route, status=200, **fields):
        reply = started.post({"model": name, **fields},
                             path=f"/{name}/{route}")
        assert reply.status == status, reply.body
        return reply.json()

    yield post
    started.check_log()
    assert MARKER not in started.log()


@pytest.fixture(scope="module")
def command(build, folders):
    """The rows of `remora COMMAND MODEL ...` over TEXTS."""
    def run(name, model, *arguments, texts=TEXTS):
        done = subprocess.run(
            [build / "remora", name, folders[model], *arguments],
            input="".join(text + "\n" for text in texts).encode(),
            capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_labels_are_those_of_the_command(ask, command):
    body = ask("nli", "classify", input=TEXTS)
    rows = command("classify", "nli")
    assert (body["object"], body["model"]) == ("list", "nli")
    tokens = sum(row["tokens"] for row in rows)
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    for i, (found, row) in enumerate(zip(body["data"], rows, strict=True)):
        scores = dict(zip(row["labels"], row["scores"]))
        assert found == {
            "object": "classification", "index": i,
            "prediction": row["labels"][0], "label": row["labels"][0],
            "score": row["scores"][0],
            "probs": [scores[label] for label in LABELS], "num_classes": 3,
            "predictions": [{"label": label, "score": score}
                            for label, score in scores.items()],
        }


def test_options_of_labels(ask, command):
    rows = command("classify", "nli", "--function", "none")
    body = ask("nli", "classify", input=TEXTS, raw_scores=True, top_k=2)
    for found, row in zip(body["data"], rows):
        assert found["score"] == row["scores"][0]
        assert [p["label"] for p in found["predictions"]] == row["labels"][:2]
        assert len(found["probs"]) == 3
    one = ask("nli", "classify", input=TEXTS[0])["data"]
    assert one == ask("nli", "classify", input=TEXTS)["data"][:1]


@pytest.mark.parametrize("model", ["nli", "embedder"])
def test_zero_shot_is_that_of_the_command(ask, command, model):
    labels = ["fish", "river", "7"]
    rows = command("zero-shot", model, "--labels", ",".join(labels))
    body = ask(model, "classify", input=TEXTS, labels=labels)
    for found, row in zip(body["data"], rows, strict=True):
        assert found["prediction"] == row["choice"]
        assert [p["label"] for p in found["predictions"]] == row["labels"]
        assert [p["score"] for p in found["predictions"]] == row["scores"]
        assert found["probs"] == [
            row["scores"][row["labels"].index(label)] for label in labels]
    assert body["usage"]["total_tokens"] == sum(row["tokens"] for row in rows)


def test_options_of_zero_shot(ask, command):
    options = ["--labels", "fish,river", "--template", "a {}!",
               "--multi-label"]
    fields = dict(input=TEXTS, labels=["fish", "river"],
                  hypothesis_template="a {}!", multi_label=True)
    rows = command("zero-shot", "nli", *options)
    body = ask("nli", "classify", **fields)
    assert [d["score"] for d in body["data"]] == [
        row["scores"][0] for row in rows]
    body = ask("nli", "classify", **fields, threshold=1)
    assert [(d["prediction"], d["label"]) for d in body["data"]] == [
        (None, None)] * len(TEXTS)


def test_the_real_model_routes(ask):
    body = ask("real", "classify", hypothesis_template="This text is about {}.",
               input="My card was charged twice for the same invoice.",
               labels=["billing", "bug report", "feature request",
                       "account access", "other"])
    [found] = body["data"]
    assert found["prediction"] == "billing"
    assert abs(found["score"] - 0.522) < 5e-4


def test_entities_are_those_of_the_command(ask, command):
    body = ask("tagger", "classify", input=TEXTS)
    rows = command("ner", "tagger")
    assert [d["entities"] for d in body["data"]] == [
        row["entities"] for row in rows]
    assert {d["object"] for d in body["data"]} == {"entities"}


def test_ranking_is_that_of_the_command(ask, command):
    rows = command("rerank", "ranker", "--query", "hello")
    body = ask("ranker", "rerank", query="hello", documents=TEXTS)
    assert body["results"] == [
        {"index": row["index"], "relevance_score": row["score"]}
        for row in rows]
    assert body["model"] == "ranker"
    assert body["usage"]["total_tokens"] > 10
    best = ask("ranker", "rerank", query="hello", documents=TEXTS, top_n=1)
    assert best["results"] == body["results"][:1]
    raw = command("rerank", "ranker", "--query", "hello", "--raw")
    body = ask("ranker", "rerank", query="hello", documents=TEXTS,
               raw_scores=True)
    assert [r["relevance_score"] for r in body["results"]] == [
        row["score"] for row in raw]


def test_a_decoder_reranks(ask, command):
    for options in ((), ("--instruction", "Find fish")):
        rows = command("rerank", "asker", "--query", "hello", *options)
        instruction = options[1] if options else None
        body = ask("asker", "rerank", query="hello", documents=TEXTS,
                   instruction=instruction)
        assert body["results"] == [
            {"index": row["index"], "relevance_score": row["score"]}
            for row in rows]


def test_truncation_is_refused_or_reported(ask):
    long = "fish " * 100
    for name, route, fields in (
        ("nli", "classify", {"input": long}),
        ("nli", "classify", {"input": long, "labels": ["fish"]}),
        ("tagger", "classify", {"input": long}),
        ("ranker", "rerank", {"query": "fish", "documents": long}),
    ):
        error = ask(name, route, 400, **fields)["error"]
        assert "longer than the 32 tokens" in error["message"]
        body = ask(name, route, **fields, truncate=True)
        if route == "classify":
            assert body["data"][0]["truncated"] is True


def test_windows_are_those_of_the_command(ask, command):
    long = " ".join(["fish the river 7 a"] * 20)
    options = ["--windows", "--stride", "3"]
    fields = {"windows": True, "stride": 3}
    row, = command("classify", "nli", *options, texts=[long])
    found, = ask("nli", "classify", input=long, **fields)["data"]
    assert [p["score"] for p in found["predictions"]] == row["scores"]
    assert "truncated" not in found
    row, = command("ner", "tagger", *options, texts=[long])
    found, = ask("tagger", "classify", input=long, **fields)["data"]
    assert found["entities"] == row["entities"]
    rows = command("rerank", "ranker", "--query", "hello", *options,
                   texts=[long, "fish"])
    body = ask("ranker", "rerank", query="hello", documents=[long, "fish"],
               **fields)
    assert body["results"] == [
        {"index": row["index"], "relevance_score": row["score"]}
        for row in rows]
    assert body["usage"]["total_tokens"] > 100


REFUSED = [
    ("nli", "classify", {"input": MARKER, "windows": 1}, "windows",
     "true or false"),
    ("nli", "classify", {"input": MARKER, "labels": ["a"], "windows": True},
     "windows", 'not for "labels"'),
    ("nli", "classify", {"input": MARKER * 9, "windows": True, "stride": 99},
     "stride", "a stride of 99 tokens is not below"),
    ("tagger", "classify", {"input": MARKER, "windows": True, "stride": 99},
     "stride", "a stride of 99 tokens"),
    ("ranker", "rerank", {"query": "q", "documents": [MARKER], "stride": 1},
     "stride", 'needs "windows"'),
    ("nli", "classify", {}, "input", '"input" must be given'),
    ("nli", "classify", {"input": []}, "input", '"input" must be given'),
    ("nli", "classify", {"input": [1, 2]}, "input", "token ids"),
    ("nli", "classify", {"input": ""}, "input", "input 0 is an empty string"),
    ("nli", "classify", {"input": MARKER, "top_k": 0}, "top_k", "at least 1"),
    ("nli", "classify", {"input": MARKER, "raw_scores": 1}, "raw_scores",
     "true or false"),
    ("nli", "classify", {"input": MARKER, "labels": []}, "labels",
     '"labels" must be given'),
    ("nli", "classify", {"input": MARKER, "labels": ["a", "a"]}, "labels",
     "labels 0 and 1 have the same name"),
    ("nli", "classify", {"input": MARKER, "labels": ["a\0b"]}, "labels",
     "label 0 has no name"),
    ("nli", "classify", {"input": MARKER, "labels": ["a"],
                         "multi_label": "yes"}, "multi_label",
     "true or false"),
    ("nli", "classify", {"input": MARKER, "labels": ["a"], "threshold": 2},
     "threshold", "from 0 to 1"),
    ("nli", "classify", {"input": MARKER, "labels": ["a"],
                         "hypothesis_template": 5}, "hypothesis_template",
     "string without NUL"),
    ("nli", "classify", {"input": MARKER, "labels": ["a"],
                         "hypothesis_template": "x"}, "labels",
     "must have {} once"),
    ("ranker", "classify", {"input": MARKER, "labels": ["a"]}, "model",
     "trained neither for entailment"),
    ("embedder", "classify", {"input": MARKER}, "labels",
     "none of its own"),
    ("ranker", "rerank", {"documents": [MARKER]}, "query",
     '"query" must be given'),
    ("ranker", "rerank", {"query": MARKER}, "documents",
     '"documents" must be given'),
    ("ranker", "rerank", {"query": "q", "documents": [{"text": MARKER}]},
     "documents", "array of strings"),
    ("ranker", "rerank", {"query": "q", "documents": [MARKER], "top_n": 0},
     "top_n", "at least 1"),
    ("ranker", "rerank", {"query": "q", "documents": [MARKER],
                          "raw_scores": 0}, "raw_scores", "true or false"),
    ("asker", "rerank", {"query": "q", "documents": [MARKER],
                         "instruction": 1}, "instruction", "a string"),
    ("ranker", "rerank", {"query": "q", "documents": [MARKER],
                          "instruction": MARKER}, "instruction", "cross-encoder"),
    ("asker", "classify", {"input": MARKER}, None, "reranks"),
    ("nli", "rerank", {"query": "q", "documents": [MARKER]}, "model",
     "does not rerank"),
    ("embedder", "rerank", {"query": "q", "documents": [MARKER]}, "model",
     "does not rerank"),
    ("splade", "classify", {"input": MARKER}, None,
     "opened to embed_sparse, not to token_classify"),
    ("embedder", "sparse", {"inputs": MARKER}, "model",
     "makes no sparse vectors"),
    ("splade", "sparse", {"input": MARKER}, "inputs",
     '"inputs" must be given'),
    ("splade", "sparse", {"inputs": [MARKER, ""]}, "inputs",
     "inputs 1 is an empty string"),
    ("splade", "sparse", {"inputs": MARKER, "prompt_name": "query"},
     "prompt_name", "is not supported"),
    ("splade", "sparse", {"inputs": MARKER, "truncation_direction": "Left"},
     "truncation_direction", 'must be "Right"'),
    ("splade", "sparse", {"inputs": MARKER, "truncate": 1}, "truncate",
     '"truncate" must be'),
    ("splade", "sparse", {"inputs": "fish " * 99 + MARKER}, "inputs",
     "longer than the 32 tokens"),
]


@pytest.mark.parametrize("name, route, fields, param, words", REFUSED)
def test_refusals(ask, name, route, fields, param, words):
    error = ask(name, route, 400, **fields)["error"]
    assert error["param"] == param
    assert words in error["message"]
    assert MARKER not in error["message"] and "/" not in error["message"]


def test_sparse_vectors_are_those_of_the_command(ask, command, started):
    wanted = [[{"index": index, "value": value}
               for index, value in zip(row["indices"], row["values"])]
              for row in command("sparse", "splade")]
    assert ask("splade", "sparse", inputs=TEXTS) == wanted
    assert ask("splade", "sparse", inputs=TEXTS[0],
               truncation_direction="Right") == wanted[:1]
    assert all(wanted) and wanted[0] != wanted[1]
    reply = started.post({"inputs": TEXTS}, path="/splade/sparse")
    assert (reply.status, reply.json()) == (200, wanted)
    long = ask("splade", "sparse", inputs="fish " * 99, truncate=True)
    assert long == ask("splade", "sparse", inputs="fish " * 30)


def test_other_models_are_not_there(started):
    reply = started.post({"model": "tagger", "input": "a"},
                         path="/nli/classify")
    assert reply.status == 404


def test_health_runs_every_task(started):
    reply = started.get("/health")
    assert reply.status == 200
    assert [(m["name"], m["status"]) for m in reply.json()["models"]] == [
        (name, "ok") for name in NAMES]


def test_task_may_be_given(started, folders):
    for task, words in (("embed", "is successful"),
                        ("guess", "task must be embed, classify, token_classify, "),
                        ("fill_mask", '"task=fill_mask" is for no location'),
                        ("token_classify", "no model for token-class")):
        nginx = Nginx(started.program,
                      next((started.prefix / "modules").iterdir()).resolve(),
                      folders)
        try:
            nginx.configure(
                server="location / { remora_embeddings nli; }",
                http=f"remora_model nli models/nli task={task};")
            assert words in nginx.test()[1]
        finally:
            nginx.close()


def test_a_location_has_one_route(started, folders):
    nginx = Nginx(started.program,
                  next((started.prefix / "modules").iterdir()).resolve(),
                  folders)
    try:
        nginx.configure(
            server="location / { remora_embeddings nli; remora_rerank nli; }",
            http="remora_model nli models/nli;")
        assert "conflicts with another route" in nginx.test()[1]
    finally:
        nginx.close()
