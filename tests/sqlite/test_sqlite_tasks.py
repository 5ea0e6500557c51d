"""classify(), classify_json(), zero_shot(), rerank_score(), entities(),
fill_mask() and embed_sparse(): that they say what the command says of the same texts, which model they use, and what
they refuse. It must never check scores against numbers of its own: those of real
models are for the parity tests.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SqlError, insert_statement

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))

import tiny_bert  # noqa: E402

LABELS = ["contradiction", 'a "label"', "entailment"]
TAGS = ["O", "B-FISH", "I-FISH", "B-LINE", "I-LINE"]
TEXTS = ["hello world", "fish river the line 7", "a. b? c!"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    kind = "SequenceClassification"
    return {
        "nli": tiny_bert.write_head(folder / "nli", kind, LABELS),
        "ranker": tiny_bert.write_head(folder / "ranker", kind, ["LABEL_0"]),
        "tagger": tiny_bert.write_head(
            folder / "tagger", "TokenClassification", TAGS),
        "tiny": tiny_bert.write(folder / "tiny"),
    }


@pytest.fixture(scope="module")
def filler(tmp_path_factory):
    """Its directory, and the statement that adds it."""
    path = tiny_bert.write_head(
        tmp_path_factory.mktemp("filler") / "filler", "MaskedLM", [])
    return path, ("INSERT INTO remora_models(name, path, task) VALUES "
                  f"('filler', '{path}', 'fill_mask')")


@pytest.fixture(scope="module")
def command(build):
    """The rows of `remora COMMAND MODEL ...` over TEXTS."""
    def run(*arguments, texts=TEXTS):
        done = subprocess.run(
            [build / "remora", *arguments], capture_output=True, check=True,
            input="".join(text + "\n" for text in texts).encode())
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def each(sql, insert, call):
    """What the call, with {} for the text, gives for each of TEXTS."""
    return [sql.query(insert, f"SELECT {call.format(quoted(t))} AS v")[0][0]
            for t in TEXTS]


def test_labels_are_those_of_the_command(sql, models, command):
    insert = insert_statement("nli", models["nli"])
    rows = command("classify", models["nli"])
    assert each(sql, insert, "classify({})") == [
        row["labels"][0] for row in rows]
    assert [json.loads(v) for v in each(
        sql, insert, "classify_json({}, 'nli')")] == [
        {key: row[key] for key in ("labels", "scores")} for row in rows]


def test_zero_shot_is_that_of_the_command(sql, models, command):
    for name in ("nli", "tiny"):
        insert = insert_statement(name, models[name])
        rows = command("zero-shot", models[name], "--labels", "fish,river,7")
        assert each(sql, insert, "zero_shot({}, 'fish', 'river', '7')") == [
            row["labels"][0] for row in rows]


def test_the_real_model_routes(sql, nli_dir):
    labels = "'billing', 'bug report', 'feature request', 'account access'"
    insert = insert_statement("nli", nli_dir)
    text = "My card was charged twice for the same invoice."
    assert sql.query(
        insert, f"SELECT zero_shot({quoted(text)}, {labels}) AS label"
    ) == [["billing"]]


def test_ranking_is_that_of_the_command(sql, models, command):
    insert = insert_statement("ranker", models["ranker"])
    found = each(sql, insert, "rerank_score('hello', {})")
    rows = command("rerank", models["ranker"], "--query", "hello")
    for row in rows:
        assert abs(found[row["index"]] - row["score"]) < 1e-7


def test_entities_are_those_of_the_command(sql, models, command):
    insert = insert_statement("tagger", models["tagger"])
    rows = command("ner", models["tagger"])
    found = [json.loads(v) for v in each(sql, insert, "entities({})")]
    assert found == [row["entities"] for row in rows]
    assert any(found)


def test_fills_are_those_of_the_command(sql, models, command, filler):
    path, insert = filler
    others = [insert_statement(name, models[name]) for name in models]
    texts = ["fish [MASK]", "[MASK] the [MASK]"]
    rows = command("fill-mask", path, texts=texts)
    for text, row in zip(texts, rows):
        for call in ("fill_mask({})", "fill_mask({}, 'filler')"):
            [[found]] = sql.query(
                insert, *others, f"SELECT {call.format(quoted(text))} AS v")
            assert json.loads(found) == row["fills"]
    assert sql.query(insert, "SELECT task, dim, pooling FROM remora_models") \
        == [["fill_mask", len(tiny_bert.VOCAB), None]]
    assert sql.query(insert, "SELECT fill_mask(NULL) AS a, token_count('a') "
                     "AS b") == [[None, 3]]


def test_sparse_vectors_are_those_of_the_command(
        sql, models, command, tmp_path):
    path = tiny_bert.write_splade(tmp_path / "splade")
    inserts = [insert_statement(name, models[name]) for name in models]
    inserts.append(insert_statement("splade", path))
    rows = command("sparse", path)
    found = [json.loads(sql.query(
        *inserts, f"SELECT embed_sparse({quoted(text)}) AS v")[0][0])
        for text in TEXTS]
    assert found == [{key: row[key] for key in ("indices", "values")}
                     for row in rows]
    assert sql.query(
        *inserts, "SELECT task, dim FROM remora_models WHERE name = 'splade'"
    ) == [["embed_sparse", len(tiny_bert.VOCAB)]]
    assert sql.query(*inserts, "SELECT embed_sparse(NULL) AS v") == [[None]]
    with pytest.raises(SqlError, match="to classify, not to embed_sparse"):
        sql.query(*inserts, "SELECT embed_sparse('a', 'nli') AS v")


def test_what_fill_mask_refuses(sql, models, filler):
    _, insert = filler
    nli = insert_statement("nli", models["nli"])
    for call, words in (
        ("fill_mask('secret')", 'fill_mask: input 0 has no "\\[MASK\\]"'),
        ("fill_mask('secret', 'nli')", "to classify, not to fill_mask"),
        ("embed('secret', 'filler')", "to fill_mask, not to embed"),
        ("fill_mask(5)", r"argument 1 \(text\) must be TEXT"),
    ):
        with pytest.raises(SqlError, match=words) as refused:
            sql.query(insert, nli, f"SELECT {call} AS v")
        assert "secret" not in str(refused.value).splitlines()[0]


def test_results_are_json_values(newest, models):
    both = [insert_statement(name, models[name]) for name in ("nli", "tagger")]
    [[label, kind]] = newest.query(
        *both, "SELECT json_array(classify_json('fish')) ->> '$[0].labels[0]',"
        " json_type(entities('fish'))")
    assert label in LABELS and kind == "array"


def test_labels_change_within_a_statement(newest, models):
    """The labels are kept from row to row only while they are the same."""
    insert = insert_statement("nli", models["nli"])
    rows = newest.query(
        insert, "WITH l(a, b) AS (VALUES ('fish', 'river'), ('x', 'y'), "
        "('fish', 'river')) SELECT zero_shot('hello', a, b) FROM l")
    alone = [newest.query(
        insert, f"SELECT zero_shot('hello', '{a}', '{b}')")[0]
        for a, b in (("fish", "river"), ("x", "y"))]
    assert rows == [alone[0], alone[1], alone[0]]


def test_many_rows_with_the_same_labels(newest, models):
    for name in ("nli", "tiny"):
        rows = newest.query(
            insert_statement(name, models[name]),
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            "LIMIT 200) SELECT DISTINCT zero_shot('line ' || (i % 7), 'fish', "
            "'river') FROM n")
        assert 1 <= len(rows) <= 2


def test_a_call_chooses_the_model_of_its_task(sql, models):
    inserts = [insert_statement(name, models[name])
               for name in ("nli", "tagger", "tiny")]
    [[label, size, entities]] = sql.query(
        *inserts, "SELECT classify('fish') AS a, length(embed('fish')) AS b, "
        "json_type(entities('fish')) AS c")
    assert (label in LABELS, size, entities) == (True, 64, "array")
    rows = sql.query(*inserts, "SELECT task, dim, pooling, normalize, "
                     "similarity FROM remora_models ORDER BY name")
    assert rows == [["classify", 3, None, None, None],
                    ["token_classify", 5, None, None, None],
                    ["embed", 16, "mean", 1, "cosine"]]


def test_adapters_of_one_model_are_models(sql, models, tmp_path, command):
    inserts = []
    for seed in (5, 6):
        adapter = tmp_path / str(seed)
        tiny_bert.write_adapter(adapter, seed=seed)
        inserts.append("INSERT INTO remora_models(name, path, adapter) VALUES "
                       f"('{seed}', '{models['tiny']}', '{adapter}')")
    inserts.append(insert_statement("plain", models["tiny"]))
    rows = sql.query(*inserts, "SELECT adapter FROM remora_models "
                               "ORDER BY name")
    assert rows == [[str(tmp_path / "5")], [str(tmp_path / "6")], [None]]
    for seed, insert in zip((5, 6), inserts):
        found = each(sql, insert, "embed_to_json(embed({}))")
        wanted = command("embed", models["tiny"], "--adapter",
                         tmp_path / str(seed))
        assert [json.loads(one) for one in found] == [
            row["embedding"] for row in wanted]


@pytest.mark.parametrize("name, given, arguments, read", [
    ("nli", "classify_json({})", ["classify"], lambda row: {
        key: row[key] for key in ("labels", "scores")}),
    ("ranker", "'[' || rerank_score('hello', {}) || ']'",
     ["rerank", "--query", "hello"], lambda row: pytest.approx([row["score"]])),
    ("tagger", "entities({})", ["ner"], lambda row: row["entities"]),
    ("tiny", "embed_to_json(embed({}))", ["embed"],
     lambda row: row["embedding"]),
])
def test_windows_are_those_of_the_command(
        sql, models, command, name, given, arguments, read):
    long = "fish the river 7 a " * 20
    call = f"SELECT {given.format(quoted(long))} AS v"
    insert = ("INSERT INTO remora_models(name, path, windows, stride) VALUES "
              f"('m', '{models[name]}', 1, 3)")
    rows = sql.query(insert, call, "SELECT windows, stride, truncated FROM "
                                   "remora_models")
    assert rows == [[1, 3, 0]]
    kind, *options = arguments
    row, = command(kind, models[name], *options, "--windows", "--stride", "3",
                   texts=[long])
    [[found]] = sql.query(insert, call)
    assert json.loads(found) == read(row)
    [[cut]] = sql.query(insert_statement("m", models[name]), call)
    assert json.loads(cut) != read(row)


def test_a_stride_that_goes_nowhere(sql, models):
    with pytest.raises(SqlError, match="embed: a stride of 30 tokens is not "
                                       "below the 30"):
        sql.query("INSERT INTO remora_models(name, path, windows, stride) "
                  f"VALUES ('m', '{models['tiny']}', 1, 30)",
                  "SELECT embed('" + "fish " * 31 + "')")


def test_task_may_be_given(sql, models):
    path = models["nli"]
    assert sql.query(
        "INSERT INTO remora_models(name, path, task) VALUES "
        f"('m', '{path}', 'embed')", "SELECT length(embed('fish')) AS n"
    ) == [[64]]
    for task, words in (("guess", "task must be embed, classify, token_classify, fill_m"),
                        ("token_classify", "no model for token-class")):
        with pytest.raises(SqlError, match=words):
            sql.query("INSERT INTO remora_models(name, path, task) VALUES "
                      f"('m', '{path}', '{task}')")


@pytest.mark.parametrize("call", [
    "classify(NULL)", "classify_json(NULL)", "zero_shot(NULL, 'a')",
    "rerank_score(NULL, 'a')", "rerank_score('a', NULL)", "entities(NULL)",
])
def test_null_is_null(sql, models, call):
    inserts = [insert_statement(name, models[name]) for name in models]
    assert sql.query(*inserts, f"SELECT {call} AS v") == [[None]]


@pytest.mark.parametrize("call, words", [
    ("classify('secret', 'tiny')",
     "classify: the model was opened to embed, not to classify"),
    ("embed('secret', 'nli')",
     "embed: the model was opened to classify, not to embed"),
    ("entities('secret', 'nli')", "not to token_classify"),
    ("rerank_score('secret', 'secret', 'nli')", "has one label"),
    ("classify(x'00')", r"classify: argument 1 \(text\) must be TEXT"),
    ("rerank_score('secret', 5)", r"argument 2 \(document\) must be TEXT"),
    ("zero_shot('secret')", "a text and at least one label"),
    ("zero_shot('secret', NULL)", r"argument 2 \(label\) is NULL"),
    ("zero_shot('secret', 'a', 5)", r"argument 3 \(label\) must be TEXT"),
    ("zero_shot('secret', 'a', '')", "label 1 has no name"),
    ("zero_shot('secret', 'a', 'a')", "labels 0 and 1 have the same name"),
    ("zero_shot('secret', 'a' || char(0) || 'b')", "contains a NUL byte"),
    ("classify('secret', 'none')", "there is no model named 'none'"),
])
def test_refusals(sql, models, call, words):
    inserts = [insert_statement(name, models[name]) for name in models
               if name != "ranker"]
    with pytest.raises(SqlError, match=words) as refused:
        sql.query(*inserts, f"SELECT {call} AS v")
    message = str(refused.value).splitlines()[0]
    assert "secret" not in message
