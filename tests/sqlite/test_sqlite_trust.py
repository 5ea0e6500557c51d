"""What a database file that somebody else wrote may make the extension do."""

import pytest
from conftest import SqlError

UNSAFE_TABLE = 'unsafe use of virtual table "remora_models"'


@pytest.fixture
def hostile(shell, tmp_path):
    """A database with views and triggers that use the extension."""
    path = tmp_path / "hostile.db"
    done = shell.run(
        "CREATE TABLE t(x TEXT)", "CREATE TABLE log(x)",
        "CREATE TABLE u(x TEXT)",
        "CREATE VIEW models AS SELECT * FROM main.remora_models",
        "CREATE VIEW vectors AS SELECT embed('a') AS v",
        "CREATE VIEW counts AS SELECT token_count('a') AS v",
        "CREATE VIEW maths AS SELECT "
        "embed_cosine(x'0000803f', x'0000803f') AS c, "
        "embed_to_json(x'0000803f') AS j",
        "CREATE TRIGGER load AFTER INSERT ON t BEGIN "
        "INSERT INTO remora_models(name, path) VALUES ('evil', new.x); END",
        "CREATE TRIGGER drop_all AFTER DELETE ON t BEGIN "
        "DELETE FROM remora_models; END",
        "CREATE TRIGGER embeds AFTER INSERT ON u BEGIN "
        "INSERT INTO log VALUES (embed(new.x)); END",
        load=False, database=path,
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("trusted", ["on", "off"])
def test_no_schema_can_load_or_list_models(
    sql, hostile, insert, model_dir, trusted
):
    setting = f"PRAGMA trusted_schema = {trusted}"
    for statement in (
        f"INSERT INTO t VALUES ('{model_dir}')", "DELETE FROM t",
        "SELECT * FROM models",
    ):
        with pytest.raises(SqlError, match=UNSAFE_TABLE):
            sql.query(setting, insert, statement, database=hostile)


def test_embed_in_a_schema_that_is_not_trusted(sql, hostile, insert):
    off = "PRAGMA trusted_schema = off"
    for statement, function in (
        ("SELECT v FROM vectors", "embed"),
        ("SELECT v FROM counts", "token_count"),
        ("INSERT INTO u VALUES ('a')", "embed"),
    ):
        with pytest.raises(SqlError, match=rf"unsafe use of {function}\(\)"):
            sql.query(off, insert, statement, database=hostile)


def test_embed_in_a_schema_that_is_trusted(sql, hostile, insert):
    on = "PRAGMA trusted_schema = on"
    assert sql.query(on, insert, "INSERT INTO u VALUES ('a')",
                     "SELECT length(x) AS n FROM log", database=hostile) == [
        [1536]
    ]
    assert sql.query(on, insert, "SELECT length(v) AS n FROM vectors",
                     database=hostile) == [[1536]]


def test_own_statements_need_no_trust(sql, hostile, insert):
    assert sql.query(
        "PRAGMA trusted_schema = off", insert,
        "SELECT length(embed('a')) AS n, token_count('a') AS m",
        database=hostile,
    ) == [[1536, 3]]


def test_vector_maths_needs_no_trust(sql, hostile):
    assert sql.query("PRAGMA trusted_schema = off", "SELECT c, j FROM maths",
                     database=hostile) == [[1.0, "[1]"]]


def test_errors_never_repeat_the_text(sql, insert):
    secret = "correct horse battery staple"
    for statement in (
        f"SELECT embed('{secret}') AS v",
        f"SELECT embed('{secret}', 'nobody') AS v",
        f"SELECT embed(CAST('{secret}' AS BLOB)) AS v",
        f"SELECT token_count(CAST('{secret}' AS BLOB)) AS v",
    ):
        with pytest.raises(SqlError) as error:
            sql.query(statement)
        assert "horse" not in str(error.value).replace(statement, "")


def test_functions_are_declared_as_documented(newest):
    """DETERMINISTIC 0x800, SUBTYPE 0x100000, INNOCUOUS 0x200000."""
    db = newest.connect()
    rows = db.execute(
        "SELECT name, narg, flags & 0x3fff00 FROM pragma_function_list "
        "WHERE builtin = 0 AND (name LIKE 'embed%' OR name IN ('classify', "
        "'classify_json', 'entities', 'fill_mask', 'rerank_score', "
        "'token_count', 'zero_shot')) "
        "ORDER BY 1, 2"
    ).get
    db.close()
    assert rows == [
        ("classify", 1, 0x800), ("classify", 2, 0x800),
        ("classify_json", 1, 0x800), ("classify_json", 2, 0x800),
        ("embed", 1, 0x800), ("embed", 2, 0x800), ("embed", 3, 0x800),
        ("embed_cosine", 2, 0x300800), ("embed_similarity", 2, 0x100800),
        ("embed_similarity", 3, 0x100800),
        ("embed_sparse", 1, 0x800), ("embed_sparse", 2, 0x800),
        ("embed_to_json", 1, 0x300800),
        ("entities", 1, 0x800), ("entities", 2, 0x800),
        ("fill_mask", 1, 0x800), ("fill_mask", 2, 0x800),
        ("rerank_score", 2, 0x800), ("rerank_score", 3, 0x800),
        ("token_count", 1, 0x800), ("token_count", 2, 0x800),
        ("zero_shot", -1, 0x800),
    ]
