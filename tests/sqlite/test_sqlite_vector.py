"""embed_cosine() and embed_to_json(): exact where they can be, and clear about
blobs that are no vectors.
"""

import json
import struct

import numpy as np
import pytest
from conftest import SqlError


def blob(*numbers):
    return "x'" + struct.pack(f"<{len(numbers)}f", *numbers).hex() + "'"


def one(sql, expression):
    return sql.query(f"SELECT {expression} AS v")[0][0]


@pytest.mark.parametrize(
    "a, b, want",
    [
        ((1, 0), (0, 1), 0.0),
        ((1, 2), (2, 4), 1.0),
        ((3,), (-5,), -1.0),
        ((3, 4), (4, 3), 0.96),
        ((0, 0), (1, 1), 0.0),
        ((1e30, 1e30), (1e30, 1e30), 1.0),
        ((1e-40, 0), (1e-40, 0), 1.0),
    ],
)
def test_cosine(sql, a, b, want):
    got = one(sql, f"embed_cosine({blob(*a)}, {blob(*b)})")
    assert got == pytest.approx(want, abs=1e-12)


def test_cosine_of_embeddings(sql, insert):
    [[same, other]] = sql.query(
        insert, "SELECT embed_cosine(embed('a dog'), embed('a dog')) AS a, "
        "embed_cosine(embed('a dog'), embed('a puppy')) AS b",
    )
    assert same == pytest.approx(1, abs=1e-12)
    assert 0.5 < other < 0.99


def test_cosine_in_double_of_many_components(sql):
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((2, 5000)).astype("<f4")
    got = one(sql, f"embed_cosine(x'{a.tobytes().hex()}', "
                   f"x'{b.tobytes().hex()}')")
    a, b = a.astype(float), b.astype(float)
    want = a @ b / np.sqrt((a @ a) * (b @ b))
    assert got == pytest.approx(want, rel=1e-12)


def test_stored_blobs(sql):
    """Wherever in a page they lie: columns before them shift them."""
    rng = np.random.default_rng(3)
    vector = rng.standard_normal(1500).astype("<f4").tobytes().hex()
    for dim in (3, 1500):
        part = vector[: dim * 8]
        rows = sql.query(
            "CREATE TEMP TABLE t(pad TEXT, v BLOB)",
            "INSERT INTO t SELECT substr('abcdefgh', 1, column1), "
            f"x'{part}' FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7))",
            f"SELECT embed_cosine(v, x'{part}') AS a, embed_cosine(x'{part}', "
            "v) AS b FROM t",
        )
        assert len(rows) == 8
        assert {round(v, 12) for row in rows for v in row} == {1.0}


def test_null_is_null(sql):
    v = blob(1, 2)
    rows = sql.query(
        f"SELECT embed_cosine(NULL, {v}) AS a, embed_cosine({v}, NULL) AS b, "
        "embed_cosine(NULL, 5) AS c, embed_to_json(NULL) AS d"
    )
    assert rows == [[None, None, None, None]]


@pytest.mark.parametrize(
    "call, message",
    [
        ("embed_cosine('[1]', {v})",
         "embed_cosine: argument 1 must be a BLOB as embed() gives, not TEXT"),
        ("embed_cosine({v}, 5)",
         "embed_cosine: argument 2 must be a BLOB as embed() gives, not "
         "INTEGER"),
        ("embed_cosine({v}, 0.5)", "argument 2 must be a BLOB as embed() "
         "gives, not REAL"),
        ("embed_to_json('x')", "embed_to_json: argument 1 must be a BLOB as "
         "embed() gives, not TEXT"),
        ("embed_cosine(x'000000', {v})",
         "embed_cosine: argument 1 is a BLOB of 3 bytes; a float32 vector has "
         "4 bytes a component"),
        ("embed_cosine({v}, x'')", "argument 2 is a BLOB of 0 bytes"),
        ("embed_to_json(x'0000803f00')", "embed_to_json: argument 1 is a BLOB "
         "of 5 bytes"),
        ("embed_cosine({v}, x'0000803f')",
         "embed_cosine: the vectors have 2 and 1 components; compare vectors "
         "of one model"),
        ("embed_cosine({v}, x'000000000000807f')",
         "embed_cosine: argument 2 is not a float32 vector: component 2 is "
         "NaN or infinite"),
        ("embed_cosine(x'0000c07f00000000', {v})", "argument 1 is not a "
         "float32 vector: component 1 is NaN or infinite"),
        ("embed_to_json(x'000080ff')", "embed_to_json: argument 1 is not a "
         "float32 vector: component 1 is NaN or infinite"),
    ],
)
def test_what_is_no_vector(sql, call, message):
    with pytest.raises(SqlError) as error:
        one(sql, call.format(v=blob(1, 2)))
    assert message in str(error.value)


def test_other_subtypes_are_refused(newest):
    import sqlite_vec

    db = newest.connect()
    db.load_extension(sqlite_vec.loadable_path())
    for made, kind in [("vec_int8('[1,2,3,4]')", "int8"),
                       ("vec_bit(x'01020304')", "bits")]:
        with pytest.raises(
            Exception, match=f"is a vector of {kind}; only float32 is read"
        ):
            list(db.execute(f"SELECT embed_cosine({made}, x'0000803f')"))
    [[value]] = db.execute("SELECT embed_to_json(vec_f32('[1, 2.5]'))")
    db.close()
    assert value == "[1,2.5]"


def test_to_json_reads_back_to_the_same_bits(sql, insert):
    rng = np.random.default_rng(11)
    bits = rng.integers(0, 2**32, 3000, dtype=np.uint32).view("<f4")
    numbers = np.concatenate([
        bits[np.isfinite(bits)],
        np.array([0, -0.0, 1, -1, 0.1, 1e-45, 3.4028235e38], dtype="<f4"),
    ])
    text = one(sql, f"embed_to_json(x'{numbers.tobytes().hex()}')")
    back = np.array(json.loads(text, parse_int=float), dtype="<f4")
    assert back.tobytes() == numbers.tobytes()
    [[embedded, vector]] = sql.query(
        insert, "SELECT embed_to_json(embed('a')) AS j, hex(embed('a')) AS v"
    )
    back = np.array(json.loads(embedded), dtype="<f4")
    assert back.tobytes().hex().upper() == vector


def test_to_json_is_json_to_sqlite(sql):
    """It nests as an array, not as a string."""
    assert one(sql, f"json_array(embed_to_json({blob(1, -0.5)}))") == (
        "[[1,-0.5]]"
    )


def test_to_json_respects_the_length_limit(shell):
    done = shell.run(
        ".limit length 2000", "SELECT embed_to_json(zeroblob(4000))"
    )
    assert "string or blob too big" in done.stderr
    done = shell.run(
        ".limit length 2000", "SELECT embed_to_json(zeroblob(1600))"
    )
    assert done.stdout.strip().endswith("[" + ",".join("0" * 400) + "]")


@pytest.mark.parametrize("name, expected", [
    ("cosine", -3 / (3 * 14 ** 0.5)), ("dot", -3), ("euclidean", -29 ** 0.5),
    ("manhattan", -9), (None, -3 / (3 * 14 ** 0.5)),
])
def test_similarity_is_the_model_s(sql, model_dir, tmp_path, name, expected):
    for path in model_dir.iterdir():
        if path.name != "config_sentence_transformers.json":
            (tmp_path / path.name).symlink_to(path)
    if name:
        (tmp_path / "config_sentence_transformers.json").write_text(
            json.dumps({"similarity_fn_name": name}))
    a, b = blob(1, 2, -2), blob(3, -1, 2)
    [row] = sql.query(
        "INSERT INTO remora_models(name, path) VALUES "
        f"('other', '{model_dir}'), ('m', '{tmp_path}')",
        f"SELECT embed_similarity({a}, {b}, 'm') AS a, "
        f"embed_similarity(NULL, {b}, 'm') AS b, similarity "
        "FROM remora_models WHERE name = 'm'",
    )
    assert abs(row[0] - expected) < 1e-12
    assert row[1:] == [None, name or "cosine"]


def test_similarity_that_is_refused(sql, insert):
    for call, words in (
        ("embed_similarity(x'00', x'00')", "embed_similarity: argument 1 is"),
        ("embed_similarity(x'00000000', x'00', 'nobody')",
         "no model named 'nobody'"),
        ("embed_similarity(x'00000000', x'0000000000000000')",
         "embed_similarity: the vectors have 1 and 2 components"),
    ):
        with pytest.raises(SqlError, match=words):
            sql.query(insert, f"SELECT {call}")
