"""embed() and token_count(): the right bits for every kind of text, and an
answer that names what is wrong for everything else.
"""

import json

import numpy as np
import pytest
from conftest import SqlError

TEXTS = [
    "card charged twice",
    "My card was charged twice for the same order.",
    "",
    " ",
    "Größe, naïve café — ¿qué?",
    "日本語のテキスト",
    "emoji 🐟🦈 and 👩‍👩‍👧",
    "it's \"quoted\"; -- DROP TABLE x",
    "line\nbreak\tand tab",
    "word " * 100,
]


def literal(text):
    """A text as an SQL expression, whatever is in it."""
    data = text if isinstance(text, bytes) else text.encode()
    return f"CAST(x'{data.hex()}' AS TEXT)"


def vectors(sql, insert, texts):
    columns = ", ".join(f"hex(embed({literal(t)})) AS c{i}"
                        for i, t in enumerate(texts))
    return [bytes.fromhex(v) for v in sql.query(insert, f"SELECT {columns}")[0]]


def test_same_bits_as_the_command_and_c(sql, insert, command, core):
    got = vectors(sql, insert, TEXTS)
    assert got == [command(t) for t in TEXTS]
    assert got == [core.embed(t.encode()) for t in TEXTS]
    assert len(set(got)) >= len(TEXTS) - 1  # "" and " " are the same tokens


def test_vector_is_float32_of_unit_length(sql, insert):
    value = np.frombuffer(vectors(sql, insert, ["a text"])[0], dtype="<f4")
    assert value.shape == (384,)
    assert abs(np.linalg.norm(value) - 1) < 1e-6
    kind = sql.query(insert, "SELECT typeof(embed('a text')) AS t")
    assert kind == [["blob"]]


@pytest.mark.parametrize(
    "data", [b"before\0after", b"\0", b"caf\xe9 au lait", b"\xf0\x9f\x90",
             b"\xed\xa0\x80", b"ok\xff\xfe"],
)
def test_nul_and_ill_formed_bytes_reach_the_model(sql, insert, core, data):
    assert vectors(sql, insert, [data]) == [core.embed(data)]


def test_nul_does_not_end_a_text(sql, insert):
    whole, part = vectors(sql, insert, [b"before\0after", b"before"])
    assert whole != part


def test_utf16_database(sql, insert, core, tmp_path):
    got = sql.query(
        "PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t(x TEXT)",
        "INSERT INTO t VALUES ('Größe 🐟')", insert,
        "SELECT hex(embed(x)) AS v FROM t", database=tmp_path / "wide.db",
    )
    assert bytes.fromhex(got[0][0]) == core.embed("Größe 🐟".encode())


def test_null_is_null_even_without_a_model(sql):
    rows = sql.query(
        "SELECT embed(NULL) AS a, embed(NULL, 'nobody') AS b, "
        "token_count(NULL) AS c"
    )
    assert rows == [[None, None, None]]


@pytest.mark.parametrize("function", ["embed", "token_count"])
@pytest.mark.parametrize(
    "value, kind", [("5", "INTEGER"), ("2.5", "REAL"), ("x'6162'", "BLOB")]
)
def test_wrong_type(sql, insert, function, value, kind):
    message = (
        rf"{function}: argument 1 \(text\) must be TEXT, not {kind}: write "
        r"CAST\(\.\.\. AS TEXT\) if it holds text"
    )
    with pytest.raises(SqlError, match=message):
        sql.query(insert, f"SELECT {function}({value}) AS v")


@pytest.mark.parametrize(
    "value, kind", [("5", "INTEGER"), ("NULL", "NULL"), ("x'61'", "BLOB")]
)
def test_wrong_type_of_model(sql, insert, value, kind):
    with pytest.raises(
        SqlError,
        match=rf"embed: argument 2 \(model\) must be TEXT, not {kind}",
    ):
        sql.query(insert, f"SELECT embed('a', {value}) AS v")


def test_wrong_number_of_arguments(sql):
    for call in ("embed()", "embed('a', 'b', 'c', 'd')", "token_count()"):
        with pytest.raises(SqlError, match="wrong number of arguments"):
            sql.query(f"SELECT {call} AS v")


def test_token_count_is_of_the_whole_text(sql, insert):
    rows = sql.query(
        insert,
        f"SELECT token_count('') AS a, token_count('a b c', 'minilm') AS b, "
        f"token_count({literal('word ' * 1000)}) AS c",
    )
    assert rows == [[2, 5, 1002]]


def test_over_long_text_is_cut_and_counted(sql, insert, core):
    long, kept = "word " * 1000, "word " * 254
    rows = sql.query(
        insert, "CREATE TEMP TABLE r AS SELECT "
        f"embed({literal(long)}) AS a, embed({literal(kept)}) AS b",
        "SELECT hex(a) AS a, hex(b) AS b, texts, truncated "
        "FROM r, remora_models",
    )
    [[a, b, texts, truncated]] = rows
    assert a == b
    assert bytes.fromhex(a) == core.embed(long.encode())
    assert (texts, truncated) == (2, 1)


def test_cut_text_is_logged_without_its_words(shell, insert):
    done = shell.run(
        ".log stdout", insert,
        f"SELECT length(embed({literal('secret ' * 1000)}))",
        f"SELECT length(embed({literal('short')}))",
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "remora" in line]
    assert lines == [
        "(28) remora: a text of 7000 bytes was cut to 256 tokens by model "
        "minilm"
    ]
    assert "secret" not in done.stdout


def test_ten_thousand_words(sql, insert):
    text = " ".join(f"w{i}" for i in range(10000))
    rows = sql.query(insert, f"SELECT length(embed({literal(text)})) AS n")
    assert rows == [[1536]]


def test_a_megabyte_without_a_space(sql, insert):
    rows = sql.query(
        insert, "SELECT length(embed(replace(hex(zeroblob(500000)), '0', 'x')"
        ")) AS n",
    )
    assert rows == [[1536]]


def test_result_has_the_subtype_of_a_float32_vector(newest, insert):
    rows = newest.query(
        insert, "SELECT subtype(embed('a')), subtype(embed('a', 'minilm'))"
    )
    assert rows == [[223, 223]]


def test_newest_sqlite_checks_subtypes():
    """The one above means more because this SQLite is strict about them."""
    import apsw

    assert "STRICT_SUBTYPE" in apsw.compile_options


def test_sqlite_vec_reads_the_vectors(newest, insert, core):
    import sqlite_vec

    db = newest.connect()
    db.load_extension(sqlite_vec.loadable_path())
    db.execute(insert)
    db.execute("CREATE VIRTUAL TABLE v USING vec0(e float[384])")
    for id, text in enumerate(TEXTS[:5]):
        db.execute("INSERT INTO v(rowid, e) VALUES (?, embed(?))", (id, text))
    rows = list(db.execute(
        "SELECT rowid, distance FROM v WHERE e MATCH embed(?) AND k = 2",
        (TEXTS[1],),
    ))
    db.close()
    assert [row[0] for row in rows] == [1, 0]
    assert rows[0][1] == 0


TICKETS = [
    "My card was charged twice for one order",
    "The app crashes when I open settings",
    "Where is my parcel? It should have arrived on Monday",
    "You billed my credit card two times this month",
    "How do I change my password?",
    "The colour of the shirt is not what I ordered",
    "Please cancel my subscription",
    "Double payment taken from my debit card",
    "The website is very slow today",
    "Can I pay by bank transfer?",
    "My discount code does not work",
    "I want to speak to a human",
]


def ranking(tickets):
    values = ", ".join(f"({literal(t)})" for t in tickets)
    return [
        "CREATE TEMP TABLE tickets(id INTEGER PRIMARY KEY, body TEXT, "
        "embedding BLOB)",
        f"INSERT INTO tickets(body) VALUES {values}",
        "UPDATE tickets SET embedding = embed(body)",
    ]


def test_support_tickets_are_ranked(sql, insert, core):
    rows = sql.query(
        insert, *ranking(TICKETS),
        "SELECT body FROM tickets ORDER BY "
        "embed_cosine(embedding, embed('card charged twice')) DESC LIMIT 3",
    )
    got = [row[0] for row in rows]
    assert set(got) == {TICKETS[0], TICKETS[3], TICKETS[7]}
    matrix = np.array([
        np.frombuffer(core.embed(t.encode()), "<f4") for t in TICKETS
    ], dtype=float)
    query = np.frombuffer(core.embed(b"card charged twice"), "<f4")
    order = np.argsort(-(matrix @ query.astype(float)))[:3]
    assert got == [TICKETS[i] for i in order]


def test_query_is_embedded_once_however_many_rows(sql, insert):
    rows = sql.query(
        insert, *ranking(TICKETS),
        "CREATE TEMP TABLE top AS SELECT body FROM tickets ORDER BY "
        "embed_cosine(embedding, embed('card charged twice', 'minilm')) DESC "
        "LIMIT 3",
        "SELECT texts FROM remora_models",
    )
    assert rows == [[len(TICKETS) + 1]]


def test_bound_parameters_rebind(newest, insert, core):
    """A statement that is run again with another model and text."""
    db = newest.connect()
    db.execute(insert)
    db.execute("INSERT INTO remora_models(name, path) SELECT 'other', path "
               "FROM remora_models")
    select = "SELECT embed(?, ?)"
    for text, model in [("a", "minilm"), ("b", "other"), ("a", "other")]:
        [[value]] = db.execute(select, (text, model))
        assert value == core.embed(text.encode())
    with pytest.raises(Exception, match="no model named 'third'"):
        list(db.execute(select, ("a", "third")))
    assert list(db.execute("SELECT name, texts FROM remora_models")) == [
        ("minilm", 1), ("other", 2)
    ]
    db.close()


def test_model_from_a_column_may_differ_per_row(sql, insert):
    rows = sql.query(
        insert,
        "INSERT INTO remora_models(name, path) SELECT 'other', path FROM "
        "remora_models",
        "CREATE TEMP TABLE t AS SELECT embed('a', column1) AS e FROM "
        "(VALUES ('minilm'), ('other'), ('other'))",
        "SELECT name, texts FROM remora_models",
    )
    assert rows == [["minilm", 1], ["other", 2]]


@pytest.fixture
def prompted(model_dir, tmp_path):
    """The statement that opens MiniLM with prompts of its own."""
    for path in model_dir.iterdir():
        if path.name != "config_sentence_transformers.json":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({
        "prompts": {"query": "query: ", "passage": "passage: "},
        "default_prompt_name": "passage",
    }))
    return ("INSERT INTO remora_models(name, path) "
            f"VALUES ('m', '{tmp_path}')")


def test_prompts(sql, prompted):
    [row] = sql.query(
        prompted,
        "SELECT embed('fish') = embed('passage: fish', 'm', '') AS a, "
        "embed('fish', NULL, 'query') = embed('query: fish', 'm', '') AS b, "
        "embed('fish', 'm', 'document') = embed('fish', 'm', '') AS c, "
        "embed('fish', 'm', NULL) = embed('fish') AS d, "
        "embed('fish') = embed('fish', 'm', '') AS e",
    )
    assert row == [1, 1, 1, 1, 0]


def test_prompt_that_is_not_there(sql, prompted):
    with pytest.raises(SqlError, match='no prompt "other"; it has query, '
                                       "document, passage"):
        sql.query(prompted, "SELECT embed('fish', 'm', 'other')")
    with pytest.raises(SqlError, match="argument 3 .prompt. must be TEXT, "
                                       "not INTEGER"):
        sql.query(prompted, "SELECT embed('fish', 'm', 5)")
