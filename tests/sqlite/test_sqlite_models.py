"""The table remora_models, and which model a call without a name uses."""

import hashlib
import json
import os
import shutil
import subprocess

import apsw
import numpy as np
import pytest
from conftest import SqlError, insert_statement

COLUMNS = [
    "name", "path", "dtype", "sha256", "pooling", "task", "adapter",
    "windows", "stride", "architecture",
    "dim", "max_tokens", "normalize", "similarity", "bytes", "parameters", "texts",
    "truncated",
]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_row_says_what_the_model_is(sql, insert, model_dir):
    [row] = sql.query(insert, "SELECT * FROM remora_models")
    row = dict(zip(COLUMNS, row, strict=True))
    # 90,868,376 bytes of file, less the JSON header; the pooler's weights
    # are there but not needed for an embedding.
    assert 22_500_000 < row.pop("parameters") < 22_800_000
    assert 90_000_000 < row.pop("bytes") < 91_000_000
    assert row == {
        "name": "minilm", "path": str(model_dir), "dtype": "f32",
        "sha256": None, "task": "embed", "adapter": None, "windows": 0,
        "stride": 0, "architecture": "bert", "dim": 384, "max_tokens": 256, "pooling": "mean", "normalize": 1,
        "similarity": "cosine", "texts": 0,
        "truncated": 0,
    }


def test_columns_are_named(newest):
    db = newest.connect()
    names = [r[1] for r in db.execute("PRAGMA table_info(remora_models)")]
    db.close()
    assert names == COLUMNS


def test_dtype_and_sha256_may_be_given(sql, model_dir):
    digest = sha256(model_dir / "model.safetensors")
    rows = sql.query(
        "INSERT INTO remora_models(name, path, dtype, sha256) VALUES "
        f"('m', '{model_dir}', 'f32', '{digest}')",
        "SELECT dtype, sha256, length(embed('a')) AS n FROM remora_models",
    )
    assert rows == [["f32", digest, 1536]]


@pytest.mark.parametrize("dtype, least", [
    ("bf16", 0.9999), ("int8", 0.995), ("int4", 0.95)
])
def test_a_dtype_is_another_model(sql, insert, model_dir, dtype, least):
    """Of one directory: each name keeps its own arithmetic."""
    text = "Ich wurde zweimal belastet: card charged twice"
    rows = sql.query(
        insert,
        "INSERT INTO remora_models(name, path, dtype) VALUES "
        f"('small', '{model_dir}', '{dtype}'), "
        f"('again', '{model_dir}', '{dtype}')",
        f"SELECT name, dtype, bytes, hex(embed('{text}', name)) AS v "
        "FROM remora_models",
    )
    assert [row[:2] for row in rows] == [
        ["minilm", "f32"], ["small", dtype], ["again", dtype]
    ]
    assert rows[1][2:] == rows[2][2:]
    assert rows[1][2] < rows[0][2]
    exact, near = [np.frombuffer(bytes.fromhex(row[3]), "<f4")
                   for row in rows[:2]]
    assert len(exact) == len(near) == 384
    assert (exact != near).any()
    assert exact @ near >= least


@pytest.fixture(scope="module")
def quantized(build, model_dir, tmp_path_factory):
    """MiniLM's directory in int8."""
    directory = tmp_path_factory.mktemp("quantized") / "int8"
    subprocess.run([build / "remora", "quantize", model_dir, directory],
                   check=True)
    return directory


def test_quantized_directory(sql, model_dir, quantized):
    """It says its dtype without being told, and has the vectors of its source
    in that dtype."""
    text = "Ich wurde zweimal belastet: card charged twice"
    small, same = sql.query(
        "INSERT INTO remora_models(name, path, dtype) VALUES "
        f"('small', '{quantized}', NULL), ('same', '{model_dir}', 'int8')",
        f"SELECT name, dtype, bytes, parameters, hex(embed('{text}', name)) "
        "AS v FROM remora_models",
    )
    assert small[:2] == ["small", "int8"]
    assert len(small[4]) == 8 * 384
    assert small[1:] == same[1:]


def test_quantized_directory_in_another_dtype(sql, quantized):
    with pytest.raises(SqlError, match=(
        f"{quantized} is quantized to int8; bf16 cannot be had from it"
    )):
        sql.query("INSERT INTO remora_models(name, path, dtype) VALUES "
                  f"('small', '{quantized}', 'bf16')")


def test_or_replace_changes_the_dtype(sql, insert, model_dir):
    rows = sql.query(
        insert,
        "INSERT OR REPLACE INTO remora_models(name, path, dtype) VALUES "
        f"('minilm', '{model_dir}', 'int8')",
        "SELECT name, dtype, length(embed('a')) AS n FROM remora_models",
    )
    assert rows == [["minilm", "int8", 1536]]


def test_delete_unloads(sql, insert):
    rows = sql.query(
        insert, "DELETE FROM remora_models WHERE name = 'nobody'",
        "SELECT count(*) AS n FROM remora_models",
    )
    assert rows == [[1]]
    with pytest.raises(SqlError, match="no model named 'minilm'"):
        sql.query(
            insert, "DELETE FROM remora_models WHERE name = 'minilm'",
            "SELECT embed('a', 'minilm') AS v",
        )


def test_rowids_and_joins(sql, insert, model_dir):
    rows = sql.query(
        insert, insert_statement("b", model_dir),
        "DELETE FROM remora_models WHERE rowid = 1", insert,
        "SELECT a.rowid AS i, a.name, b.rowid AS j, b.name AS m FROM "
        "remora_models a, remora_models b ORDER BY 1, 3",
    )
    assert rows == [
        [2, "b", 2, "b"], [2, "b", 3, "minilm"],
        [3, "minilm", 2, "b"], [3, "minilm", 3, "minilm"],
    ]


def test_taken_name_is_a_constraint_error(newest, insert):
    db = newest.connect()
    db.execute(insert)
    with pytest.raises(
        apsw.ConstraintError,
        match="there is a model named 'minilm' already: DELETE it first, or "
        "use INSERT OR REPLACE",
    ):
        db.execute(insert)
    db.close()


def test_or_ignore_and_or_replace(sql, insert):
    rows = sql.query(
        insert, insert.replace("INSERT", "INSERT OR IGNORE"),
        "SELECT rowid, name FROM remora_models",
    )
    assert rows == [[1, "minilm"]]
    rows = sql.query(
        insert, insert.replace("INSERT", "INSERT OR REPLACE"),
        "SELECT rowid, name FROM remora_models",
    )
    assert rows == [[2, "minilm"]]


def test_replace_that_fails_keeps_the_old_model(newest, insert):
    db = newest.connect()
    db.execute(insert)
    with pytest.raises(apsw.Error):
        db.execute("INSERT OR REPLACE INTO remora_models(name, path) VALUES "
                   "('minilm', '/nowhere')")
    assert list(db.execute("SELECT rowid, length(embed('a', 'minilm')) FROM "
                           "remora_models")) == [(1, 1536)]
    db.close()


def test_names_are_told_apart_by_case(sql, insert, model_dir):
    rows = sql.query(
        insert, insert_statement("MiniLM", model_dir),
        "SELECT count(*) AS n FROM remora_models",
    )
    assert rows == [[2]]


VALUES = "INSERT INTO remora_models({columns}) VALUES ({values})"


@pytest.mark.parametrize(
    "columns, values, message",
    [
        ("name, path", "'m', '/no/such/directory'", "/no/such/directory"),
        ("name, path", "'m', '/etc/passwd'", "/etc/passwd"),
        ("name, path", "'m', NULL", "path must name a model directory"),
        ("name, path", "'m', ''", "path must name a model directory"),
        ("name", "'m'", "path must name a model directory"),
        ("path", "'/m'", "name must be a text of 1 to 255 bytes"),
        ("name, path", "'', '/m'", "name must be a text of 1 to 255 bytes"),
        ("name, path", "hex(zeroblob(128)), '/m'",
         "name must be a text of 1 to 255 bytes"),
        ("name, path", "5, '/m'", "name must be TEXT, not INTEGER"),
        ("name, path", "'m', x'2f6d'", "path must be TEXT, not BLOB"),
        ("name, path", "'m', CAST(x'2f6d00' AS TEXT)",
         "path contains a NUL byte"),
        ("name, path", "CAST(x'6100' AS TEXT), '/m'",
         "name contains a NUL byte"),
        ("name, path, dtype", "'m', '{model}', 'f99'",
         'dtype "f99" is not supported; f32, bf16, int8 and int4 are'),
        ("name, path, dtype", "'m', '{model}', ''",
         'dtype "" is not supported; f32, bf16, int8 and int4 are'),
        ("name, path, dtype", "'m', '{model}', 1.5",
         "dtype must be TEXT, not REAL"),
        ("name, path, sha256", "'m', '{model}', 7",
         "sha256 must be TEXT, not INTEGER"),
        ("name, path, sha256", "'m', '{model}', 'abc'", "sha256"),
        ("name, path, sha256", "'m', '{model}', '" + "0" * 64 + "'",
         "model.safetensors has SHA-256 "),
        ("name, path, dim", "'m', '/m', 384",
         "dim is read from the model: give name, path and if needed dtype, "
         "sha256, pooling, task, adapter, windows and stride"),
        ("name, path, windows", "'m', '{model}', '1'",
         "windows must be INTEGER, not TEXT"),
        ("name, path, windows", "'m', '{model}', 2",
         "windows must be from 0 to 1, not 2"),
        ("name, path, windows, stride", "'m', '{model}', 1, -1",
         "stride must be from 0 to 4294967295, not -1"),
        ("name, path, windows, stride", "'m', '{model}', 1, 1.5",
         "stride must be INTEGER, not REAL"),
        ("name, path, stride", "'m', '{model}', 1",
         "stride is that of windows: give windows = 1, too"),
        ("name, path, adapter", "'m', '{model}', 7",
         "adapter must be TEXT, not INTEGER"),
        ("name, path, adapter", "'m', '{model}', '/none'",
         "/none: No such file"),
        ("name, path, pooling", "'m', '{model}', 'cls'",
         "modules.json says that pooling is mean, not cls"),
        ("name, path, pooling", "'m', '{model}', 'first'",
         'pooling mode "first" is not supported'),
        ("name, path, truncated", "'m', '/m', 0",
         "truncated is read from the model"),
        ("rowid, name, path", "7, 'm', '{model}'", "rowid cannot be chosen"),
    ],
)
def test_bad_insert(sql, model_dir, columns, values, message):
    with pytest.raises(SqlError) as error:
        sql.query(VALUES.format(
            columns=columns, values=values.replace("{model}", str(model_dir))
        ))
    assert "remora_models: " in str(error.value)
    assert message in str(error.value)


def test_failed_insert_leaves_nothing(newest, model_dir):
    db = newest.connect()
    for path in ("/nowhere", ""):
        with pytest.raises(apsw.Error):
            db.execute(insert_statement("m", path))
    assert list(db.execute("SELECT * FROM remora_models")) == []
    db.close()


def test_directory_without_weights_names_the_file(sql, model_dir, tmp_path):
    shutil.copy(model_dir / "config.json", tmp_path)
    shutil.copy(model_dir / "tokenizer.json", tmp_path)
    with pytest.raises(SqlError, match="model.safetensors"):
        sql.query(insert_statement("m", tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(SqlError, match="pytorch_model.bin"):
        sql.query(insert_statement("m", tmp_path))


def test_path_with_quotes_and_spaces(sql, model_dir, tmp_path):
    link = tmp_path / "it's a model — Größe"
    link.symlink_to(model_dir)
    rows = sql.query(
        insert_statement("m", link),
        "SELECT path, length(embed('a')) AS n FROM remora_models",
    )
    assert rows == [[str(link), 1536]]


def test_update_is_refused(newest, insert):
    db = newest.connect()
    db.execute(insert)
    with pytest.raises(
        apsw.ReadOnlyError,
        match="a model cannot be changed: DELETE it and INSERT it again",
    ):
        db.execute("UPDATE remora_models SET name = 'other'")
    db.close()


# ------------------------------------------------------ which model is meant

FAULTY = "no model is chosen; registered are 'a', 'b': name one"


def test_no_model_at_all(sql):
    with pytest.raises(SqlError) as error:
        sql.query("SELECT embed('a') AS v")
    assert (
        "embed: no model is chosen; none is registered: name one as the last "
        "argument, or add one with INSERT INTO remora_models(name, path) "
        "VALUES ('default', '/path/to/model'), or set the environment "
        "variable REMORA_MODEL to a model directory"
    ) in str(error.value)


def test_unknown_name_lists_the_known(sql, insert, model_dir):
    with pytest.raises(SqlError) as error:
        sql.query(
            insert, insert_statement("it's", model_dir),
            "SELECT token_count('a', 'nobody') AS v",
        )
    assert (
        "token_count: there is no model named 'nobody'; registered are "
        "'minilm', 'it''s': add it with INSERT INTO remora_models(name, path) "
        "VALUES ('nobody', '/path/to/model')"
    ) in str(error.value)


def test_long_lists_of_names_are_cut(sql, model_dir):
    inserts = [insert_statement(f"m{i}", model_dir) for i in range(10)]
    with pytest.raises(SqlError, match="'m0', .*'m7', \\.\\.\\."):
        sql.query(*inserts, "SELECT embed('a') AS v")


def test_two_models_and_no_default(sql, model_dir):
    with pytest.raises(SqlError, match=FAULTY):
        sql.query(
            insert_statement("a", model_dir), insert_statement("b", model_dir),
            "SELECT embed('a') AS v",
        )


def used(sql, *statements, env=None):
    """The names of the models that one embed('x') used."""
    return sql.query(
        *statements, "CREATE TEMP TABLE t AS SELECT embed('x') AS v",
        "SELECT name FROM remora_models WHERE texts > 0", env=env,
    )


def test_order_of_choice(sql, model_dir):
    env = {"REMORA_MODEL": str(model_dir)}
    a, b, default = (
        insert_statement(n, model_dir) for n in ("a", "b", "default")
    )
    assert used(sql, a) == [["a"]]
    assert used(sql, a, b, default) == [["default"]]
    assert used(sql, env=env) == [[None]]
    assert used(sql, a, env=env) == [["a"]]
    assert used(sql, a, b, env=env) == [[None]]
    assert used(sql, a, b, default, env=env) == [["default"]]


def test_environment_model(sql, model_dir, core):
    env = {"REMORA_MODEL": str(model_dir)}
    rows = sql.query("SELECT hex(embed('a')) AS v", env=env)
    assert bytes.fromhex(rows[0][0]) == core.embed(b"a")
    rows = sql.query(
        "SELECT token_count('a') AS n", "SELECT name, path FROM remora_models",
        env=env,
    )
    assert rows == [[None, str(model_dir)]]


def test_environment_model_is_opened_once_and_can_be_unloaded(sql, model_dir):
    env = {"REMORA_MODEL": str(model_dir)}
    rows = sql.query(
        "SELECT embed('a') IS NULL AS v", "SELECT embed('b') IS NULL AS v",
        "SELECT rowid, texts FROM remora_models", env=env,
    )
    assert rows == [[1, 2]]
    rows = sql.query(
        "SELECT embed('a') IS NULL AS v",
        "DELETE FROM remora_models WHERE name IS NULL",
        "SELECT embed('b') IS NULL AS v",
        "SELECT rowid, texts FROM remora_models", env=env,
    )
    assert rows == [[2, 1]]


def test_environment_model_that_does_not_open(sql):
    with pytest.raises(SqlError) as error:
        sql.query("SELECT embed('a') AS v", env={"REMORA_MODEL": "/nowhere"})
    text = str(error.value)
    assert "embed: the model of the environment variable REMORA_MODEL: " in text
    assert "/nowhere" in text
    with pytest.raises(SqlError, match="no model is chosen"):
        sql.query("SELECT embed('a') AS v", env={"REMORA_MODEL": ""})


@pytest.mark.parametrize("value", ["0", "-1", "two", "1025", "2x", "+1", " 1",
                                   "99999999999999999999"])
def test_bad_thread_count(shell, insert, value):
    with pytest.raises(SqlError) as error:
        shell.query(insert, "SELECT embed('a') AS v",
                    env={"REMORA_THREADS": value})
    assert (
        f"embed: the environment variable REMORA_THREADS is '{value}'; it "
        "must be a number from 1 to 1024"
    ) in str(error.value)


def test_thread_count(python):
    script = """
db = connect()
before = len(os.listdir("/proc/self/task"))
db.execute("SELECT embed('a')").fetchall()
print(json.dumps(len(os.listdir("/proc/self/task")) - before))
"""
    assert python(script, env={"REMORA_THREADS": "3"}) == 3
    assert python(script, env={"REMORA_THREADS": "1"}) == 1
    usable = len(os.sched_getaffinity(0))
    assert 1 <= python(script, env={"REMORA_THREADS": ""}) <= usable


# ------------------------------------------------ where the table is, and not


def test_rollback_keeps_models(sql, insert):
    rows = sql.query(
        "BEGIN", insert, "ROLLBACK", "SELECT name FROM remora_models"
    )
    assert rows == [["minilm"]]
    rows = sql.query(
        insert, "BEGIN", "DELETE FROM remora_models", "ROLLBACK",
        "SELECT count(*) AS n FROM remora_models",
    )
    assert rows == [[0]]


def test_insert_of_several_keeps_those_before_the_failure(newest, model_dir):
    db = newest.connect()
    with pytest.raises(apsw.Error):
        db.execute("INSERT INTO remora_models(name, path) VALUES "
                   f"('a', '{model_dir}'), ('b', '/nowhere')")
    assert list(db.execute("SELECT name FROM remora_models")) == [("a",)]
    db.close()


def test_read_only_and_locked_databases(shell, newest, insert, tmp_path):
    path = tmp_path / "x.db"
    shell.query("CREATE TABLE t(x)", "INSERT INTO t VALUES ('a')",
                database=path)
    done = shell.run(insert, "SELECT length(embed(x)) FROM t",
                     database=path, options=["-readonly"])
    assert done.stdout.split() == ["1536"], done.stderr
    writer = apsw.Connection(str(path))
    writer.execute("BEGIN IMMEDIATE")
    assert shell.query(
        insert, "SELECT count(*) AS n FROM remora_models", database=path
    ) == [[1]]
    writer.close()


def test_nothing_is_stored_in_the_database(sql, insert, tmp_path):
    path = tmp_path / "x.db"
    sql.query("CREATE TABLE t(x)", insert,
              "SELECT count(*) AS n FROM remora_models", database=path)
    rows = sql.query("SELECT name FROM sqlite_schema", database=path)
    assert rows == [["t"]]
    assert sql.query(
        "SELECT count(*) AS n FROM remora_models", database=path
    ) == [[0]]


@pytest.mark.parametrize("lose", [
    ["DROP TABLE temp.remora_models"], ["PRAGMA temp_store = memory"],
])
def test_losing_the_temp_table_loses_no_model(sql, insert, extension, lose):
    gone = [insert, *lose]
    after = "DELETE FROM remora_models WHERE name = 'minilm'"
    assert sql.query(
        *gone, "SELECT name, length(embed('a')) AS n FROM remora_models"
    ) == [["minilm", 1536]]
    assert sql.query(
        *gone, after, insert.replace("minilm", "again"),
        "SELECT name FROM remora_models",
    ) == [["again"]]


def test_loading_again_brings_the_temp_table_back(newest, insert, extension):
    db = newest.connect()
    db.execute(insert)
    db.execute("DROP TABLE temp.remora_models")
    tables = "SELECT name FROM sqlite_temp_schema"
    assert list(db.execute(tables)) == []
    db.load_extension(str(extension))
    assert list(db.execute(tables)) == [("remora_models",)]
    assert list(db.execute("SELECT name FROM temp.remora_models")) == [
        ("minilm",)
    ]
    db.close()


def test_load_where_temp_cannot_be_written(newest, extension, insert):
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)
    db.execute("PRAGMA query_only = on")
    db.load_extension(str(extension))
    db.execute("PRAGMA query_only = off")
    db.execute(insert)
    assert list(db.execute("SELECT length(embed('a'))")) == [(1536,)]
    db.close()


def test_no_other_table_can_be_made_of_the_modules(sql):
    with pytest.raises(SqlError, match="no such module: remora_models"):
        sql.query("CREATE VIRTUAL TABLE x USING remora_models")
    for name in ("main.remora_models", "temp.other", "main.other"):
        with pytest.raises(
            SqlError,
            match="use the table temp.remora_models, which is there when the "
            "extension is loaded",
        ):
            sql.query(
                "DROP TABLE temp.remora_models",
                f"CREATE VIRTUAL TABLE {name} USING remora_models_in_temp",
            )


def test_a_table_of_that_name_in_the_file_is_not_used(
    sql, shell, insert, tmp_path
):
    path = tmp_path / "x.db"
    done = shell.run("CREATE TABLE remora_models(name, path)", load=False,
                     database=path)
    assert done.returncode == 0, done.stderr
    rows = sql.query(
        insert, "SELECT (SELECT count(*) FROM remora_models) AS a, "
        "(SELECT count(*) FROM main.remora_models) AS b", database=path,
    )
    assert rows == [[1, 0]]


def test_json_of_a_row(shell, insert):
    done = shell.run(insert, ".mode json", "SELECT * FROM remora_models")
    assert list(json.loads(done.stdout)[0]) == COLUMNS


@pytest.fixture
def plain(model_dir, tmp_path):
    """The encoder without what sentence-transformers says of it."""
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).symlink_to(model_dir / name)
    return tmp_path


def test_pooling_may_be_given(sql, plain):
    rows = sql.query(
        "INSERT INTO remora_models(name, path, pooling) VALUES "
        f"('a', '{plain}', 'cls+max'), ('b', '{plain}', NULL)",
        "SELECT pooling, dim, length(embed('a', name)) AS n "
        "FROM remora_models",
    )
    assert rows == [["cls+max", 768, 3072], ["mean", 384, 1536]]
