"""`remora classify`, `zero-shot`, `rerank` and `ner`: what they write of a model
with a head, and which models they refuse. Must never check scores against
numbers of its own: they have to agree with each other, and those of real models
are for the parity tests.
"""

import math

import numpy as np
import pytest

import tiny_bert

TEXTS = ["hello world", "", "fish river the line 7", "a. b? c!"]
LINES = "".join(text + "\n" for text in TEXTS).encode()
LONG = b"fish " * 100 + b"\n"
LABELS = ["contradiction", "neutral", "entailment"]
TAGS = ["O", "B-FISH", "I-FISH", "B-LINE", "I-LINE"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def nli(folder):
    return tiny_bert.write_head(
        folder / "nli", "SequenceClassification", LABELS)


@pytest.fixture(scope="module")
def ranker(folder):
    return tiny_bert.write_head(
        folder / "ranker", "SequenceClassification", ["LABEL_0"])


@pytest.fixture(scope="module")
def tagger(folder):
    return tiny_bert.write_head(folder / "tagger", "TokenClassification", TAGS)


def rows_of(remora, *arguments, stdin=LINES):
    done = remora(*arguments, stdin=stdin)
    assert (done.code, done.err) == (0, "")
    return done.rows()


def by_label(row):
    return dict(zip(row["labels"], row["scores"]))


def softmax(values):
    shares = np.exp(np.array(values) - max(values))
    return shares / shares.sum()


# -------------------------------------------------------------------- classify

def test_labels_of_each_text(remora, nli):
    rows = rows_of(remora, "classify", nli)
    assert [list(row) for row in rows] == [
        ["labels", "scores", "tokens", "truncated"]] * len(TEXTS)
    for row in rows:
        assert sorted(row["labels"]) == sorted(LABELS)
        assert sorted(row["scores"], reverse=True) == row["scores"]
        assert abs(sum(row["scores"]) - 1) < 1e-6
    assert len({str(row["scores"]) for row in rows}) == len(TEXTS)


@pytest.mark.parametrize("function, of_logits", [
    ("softmax", softmax),
    ("sigmoid", lambda logits: 1 / (1 + np.exp(-np.array(logits)))),
])
def test_functions_are_of_the_logits(remora, nli, function, of_logits):
    logits = rows_of(remora, "classify", nli, "--function", "none")
    scored = rows_of(remora, "classify", nli, "--function", function)
    for raw, row in zip(logits, scored):
        assert raw["labels"] == row["labels"]
        assert np.allclose(of_logits(raw["scores"]), row["scores"], atol=1e-6)


def test_best_labels(remora, nli):
    every = rows_of(remora, "classify", nli)
    for count in (1, 2, 3, 9):
        rows = rows_of(remora, "classify", nli, "--top-k", str(count))
        for row, whole in zip(rows, every):
            assert row["labels"] == whole["labels"][:count]
            assert row["scores"] == whole["scores"][:count]


def test_truncation_is_reported(remora, nli, tagger):
    for command, model in (("classify", nli), ("ner", tagger)):
        done = remora(command, model, stdin=LONG)
        assert done.code == 0
        assert done.err == (
            "remora: 1 of 1 texts was longer than 32 tokens and was cut\n")
        assert done.rows()[0]["truncated"] is True
        assert done.rows()[0]["tokens"] == tiny_bert.MAX_TOKENS


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_other_dtypes(remora, nli, dtype):
    exact = rows_of(remora, "classify", nli)
    near = rows_of(remora, "classify", nli, "--dtype", dtype)
    for row, other in zip(exact, near):
        for label, score in by_label(row).items():
            assert abs(by_label(other)[label] - score) < 0.2


# ------------------------------------------------------------------- zero-shot

def zero_shot(remora, model, *options, labels="fish,river", stdin=LINES):
    return rows_of(remora, "zero-shot", model, "--labels", labels, *options,
                   stdin=stdin)


def test_one_label_is_entailed_or_contradicted(remora, nli):
    one, = zero_shot(remora, nli, "--template", "{}", labels="fish",
                     stdin=b"hello\n")
    two, = zero_shot(remora, nli, "--template", "{}", "--multi-label",
                     stdin=b"hello\n")
    assert by_label(two)["fish"] == one["scores"][0]
    assert 0 < one["scores"][0] < 1


def test_labels_share_one(remora, nli):
    for row in zero_shot(remora, nli, labels=" fish , river,line"):
        assert sorted(row["labels"]) == ["fish", "line", "river"]
        assert row["choice"] == row["labels"][0]
        assert abs(sum(row["scores"]) - 1) < 1e-6
        assert list(row) == [
            "labels", "scores", "choice", "tokens", "truncated"]


def test_labels_are_found_in_either_order(remora, nli, folder):
    """The same logits under names in another order mean the opposite."""
    turned = tiny_bert.write_head(
        folder / "turned", "SequenceClassification", LABELS[::-1])
    first = zero_shot(remora, nli, labels="fish")
    second = zero_shot(remora, turned, labels="fish")
    for row, other in zip(first, second):
        assert math.isclose(row["scores"][0], 1 - other["scores"][0],
                            rel_tol=1e-4)


def test_template(remora, nli):
    given = zero_shot(remora, nli)
    assert given == zero_shot(
        remora, nli, "--template", "This example is {}.")
    assert given != zero_shot(remora, nli, "--template", "river {}")


def test_tokens_are_those_of_all_hypotheses(remora, nli):
    for labels, tokens in (("fish", 5), ("fish,river", 10)):
        row, = zero_shot(remora, nli, "--template", "{}", labels=labels,
                         stdin=b"hello\n")
        assert row["tokens"] == tokens


def choices(remora, model, *options):
    return [row["choice"] for row in zero_shot(remora, model, *options)]


@pytest.mark.parametrize("option", ["--threshold", "--margin"])
def test_no_choice_where_none_is_sure(remora, nli, option):
    assert None not in choices(remora, nli, option, "0")
    assert choices(remora, nli, option, "1") == [None] * len(TEXTS)
    assert choices(remora, nli, option, "1", "--default", "escalate") == [
        "escalate"] * len(TEXTS)


def test_threshold_is_that_of_the_score(remora, nli):
    rows = zero_shot(remora, nli)
    bound = sorted(row["scores"][0] for row in rows)[2]
    found = choices(remora, nli, "--threshold", f"{bound - 1e-6:.7f}")
    assert found == [row["choice"] if row["scores"][0] >= bound else None
                     for row in rows]
    assert None in found


def test_by_embedding(remora, tiny):
    vectors = [row["embedding"] for row in rows_of(
        remora, "embed", tiny, stdin=LINES + b"fish\nriver\n")]
    single = zero_shot(remora, tiny)
    multi = zero_shot(remora, tiny, "--multi-label")
    for row, other, vector in zip(single, multi, vectors):
        cosines = np.dot(vectors[-2:], vector)
        found = by_label(row)
        assert np.allclose(softmax(20 * cosines),
                           [found["fish"], found["river"]], atol=1e-5)
        assert math.isclose(by_label(other)["fish"], max(0, cosines[0]),
                            abs_tol=1e-6)


def test_many_texts_have_the_scores_of_few(remora, nli, tiny):
    """Over many jobs, of which the first makes the labels' vectors."""
    for model in (nli, tiny):
        few = zero_shot(remora, model)
        assert zero_shot(remora, model, stdin=LINES * 300) == few * 300


# ---------------------------------------------------------------------- rerank

def rerank(remora, model, *options, stdin=LINES):
    return rows_of(remora, "rerank", model, "--query", "hello", *options,
                   stdin=stdin)


def test_ranking(remora, ranker):
    rows = rerank(remora, ranker)
    assert sorted(row["index"] for row in rows) == [0, 1, 2, 3]
    scores = [row["score"] for row in rows]
    assert sorted(scores, reverse=True) == scores
    assert len(set(scores)) == 4 and all(0 < score < 1 for score in scores)


def test_scores_are_of_the_logits(remora, ranker):
    for row, raw in zip(rerank(remora, ranker),
                        rerank(remora, ranker, "--raw")):
        assert row["index"] == raw["index"]
        assert math.isclose(row["score"], 1 / (1 + math.exp(-raw["score"])),
                            rel_tol=1e-6)


@pytest.mark.parametrize("config", [
    {"sentence_transformers": {
        "activation_fn": "torch.nn.modules.linear.Identity"}},
    {"sbert_ce_default_activation_function":
     "torch.nn.modules.linear.Identity"},
])
def test_identity_is_raw(remora, ranker, tmp_path, config):
    raw = tiny_bert.write_head(
        tmp_path / "raw", "SequenceClassification", ["LABEL_0"], **config)
    assert rerank(remora, raw) == rerank(remora, ranker, "--raw")


def test_best_documents_of_many(remora, ranker):
    best = rerank(remora, ranker)[0]["index"]
    many = rerank(remora, ranker, stdin=LINES * 200)
    assert len(many) == 800
    assert [row["index"] for row in many[:200]] == [
        best + 4 * i for i in range(200)]
    assert rerank(remora, ranker, "--top-n", "3", stdin=LINES * 200) == many[:3]


# ------------------------------------------------------------------------- ner

def test_entities(remora, tagger):
    found = 0
    for row, text in zip(rows_of(remora, "ner", tagger), TEXTS):
        end = 0
        for entity in row["entities"]:
            assert list(entity) == ["label", "score", "start", "end"]
            assert entity["label"] in ("FISH", "LINE")
            assert end <= entity["start"] < entity["end"] <= len(text)
            assert 1 / len(TAGS) < entity["score"] <= 1
            end = entity["end"]
            found += 1
    assert found > 2


def test_tokens_by_themselves(remora, tagger):
    rows = rows_of(remora, "ner", tagger, "--aggregation", "none")
    labels = {e["label"] for row in rows for e in row["entities"]}
    assert labels <= set(TAGS) - {"O"} and len(labels) > 1


def test_windows_read_all_of_a_text(remora, tagger):
    whole, = rows_of(remora, "ner", tagger, "--windows", "--stride", "4",
                     stdin=LONG)
    assert whole["truncated"] is False
    assert whole["tokens"] > 100
    cut = remora("ner", tagger, stdin=LONG).rows()[0]
    assert max(e["end"] for e in whole["entities"]) > 400
    assert max(e["end"] for e in cut["entities"]) < 200


# -------------------------------------------------------------------- refusals

@pytest.mark.parametrize("arguments, words", [
    (["zero-shot", "M"], "--labels is missing"),
    (["zero-shot", "M", "--labels", "a", "--threshold", "1.5"],
     '--threshold takes a number from 0 to 1, not "1.5"'),
    (["zero-shot", "M", "--labels", "a", "--margin", "x"],
     '--margin takes a number from 0 to 1, not "x"'),
    (["rerank", "M"], "--query is missing"),
    (["classify", "M", "--function", "tanh"],
     '--function is softmax, sigmoid or none, not "tanh"'),
    (["ner", "M", "--aggregation", "most"],
     "--aggregation must be none, simple, first, average or max"),
])
def test_usage(remora, arguments, words):
    done = remora(*arguments)
    assert done.code == 2 and words in done.err and done.out == ""


def refused(remora, *arguments, code=1):
    done = remora(*arguments, stdin=b"secret fish\n")
    assert (done.code, done.out) == (code, "")
    assert "secret" not in done.err
    return done.err


def test_models_without_the_head(remora, tiny, nli, ranker, tagger):
    for command, model, words in (
        ("classify", tiny, "no model for text-classification"),
        ("classify", tagger, "no model for text-classification"),
        ("ner", nli, "no model for token-classification"),
    ):
        assert words in refused(remora, command, model)
    assert "has one label, and this one has 3" in refused(
        remora, "rerank", nli, "--query", "q")
    assert "must name entailment" in refused(
        remora, "zero-shot", ranker, "--labels", "a")
    assert "for classification or for embedding" in refused(
        remora, "zero-shot", tagger, "--labels", "a")
    assert "--template makes hypotheses" in refused(
        remora, "zero-shot", tiny, "--labels", "a", "--template", "{}", code=2)


@pytest.mark.parametrize("options, words", [
    (["--labels", "a,,b"], "label 1 has no name"),
    (["--labels", "a, b,a"], "labels 0 and 2 have the same name"),
    (["--labels", "a", "--template", "no hole"], "must have {} once"),
    (["--labels", "a", "--template", "{} {}"], "must have {} once"),
    (["--labels", "a", "--template", "{x} {}"], "must have {} once"),
])
def test_labels_that_are_refused(remora, nli, options, words):
    assert words in refused(remora, "zero-shot", nli, *options)


def test_windows_need_entities_of_several_tokens(remora, tagger):
    assert "windows need an aggregation" in refused(
        remora, "ner", tagger, "--windows", "--aggregation", "none")
    assert "stride is that of windows" in refused(
        remora, "ner", tagger, "--stride", "2")


def test_activation_that_is_not_run(remora, tmp_path):
    own = {"sentence_transformers": {"activation_fn": "torch.nn.Tanh"}}
    model = tiny_bert.write_head(
        tmp_path / "tanh", "SequenceClassification", ["LABEL_0"], **own)
    assert '"activation_fn" must be Sigmoid or Identity' in refused(
        remora, "rerank", model, "--query", "q")


def test_embedding_needs_no_head(remora, nli):
    done = remora("embed", nli, stdin=b"fish\n")
    assert done.code == 0 and len(done.rows()[0]["embedding"]) == 16
