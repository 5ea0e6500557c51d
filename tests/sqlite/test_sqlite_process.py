"""Many connections, threads, processes and copies of SQLite: one copy of the
weights, the same bits, and an end to every wait.
"""

import ctypes
import shutil
import subprocess
import threading
import time

import apsw
import pytest


def test_only_the_entry_point_is_exported(config, build):
    done = subprocess.run(
        [config["NM"], "-D", "--defined-only", build / "remora.so"],
        capture_output=True, text=True, check=True,
    )
    names = [line.split()[-1].split("@")[0] for line in
             done.stdout.splitlines()]
    assert names == ["sqlite3_remora_init"]


def test_python_module(python):
    assert python("""
db = connect()
rows = db.execute("SELECT length(embed(?)), typeof(embed(?))",
                  ("a", "b")).fetchall()
def refused(sql):
    try:
        db.execute(sql).fetchall()
    except sqlite3.Error as error:
        return type(error).__name__, str(error)
print(json.dumps([rows, refused("SELECT embed(5)"), refused(
    "INSERT INTO remora_models(name, path) VALUES ('minilm', 'x')")]))
""") == [
        [[1536, "blob"]],
        ["OperationalError", "embed: argument 1 (text) must be TEXT, not "
         "INTEGER: write CAST(... AS TEXT) if it holds text"],
        ["IntegrityError", "remora_models: there is a model named 'minilm' "
         "already: DELETE it first, or use INSERT OR REPLACE"],
    ]


def test_load_twice_keeps_models(sql, insert, extension):
    rows = sql.query(
        insert, f"SELECT load_extension('{extension}') AS v",
        "SELECT name, length(embed('a')) AS n FROM remora_models",
    )
    assert rows == [["minilm", 1536]]


def test_load_by_a_statement_that_goes_on(sql, insert, extension):
    """load_extension() while the statement that calls it reads a table."""
    rows = sql.query(
        insert, "SELECT column1, load_extension(column2) AS r FROM "
        f"(VALUES (1, '{extension}'), (2, '{extension}'))",
    )
    assert rows == [[1, None], [2, None]]


def test_load_inside_a_transaction(newest, extension, insert):
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)
    db.execute("BEGIN")
    db.load_extension(str(extension))
    db.execute(insert)
    db.execute("ROLLBACK")
    assert list(db.execute("SELECT name, length(embed('a')) FROM "
                           "remora_models")) == [("minilm", 1536)]
    db.close()


def test_connections_know_only_their_own_names(python):
    assert python("""
a, b = connect(name="a"), connect(name="b")
names = [[r[0] for r in db.execute("SELECT name FROM remora_models")]
         for db in (a, b)]
a.close()
same = b.execute("SELECT length(embed('x'))").fetchone()
print(json.dumps([names, same]))
""") == [[["a"], ["b"]], [1536]]


def test_weights_are_one_copy(python):
    """Ten more connections, and another path to the same files, add less
    than a tenth of the 90 MB of weights."""
    first, later, same = python("""
import tempfile
empty = resident()
db = connect()
vector = db.execute("SELECT embed('x')").fetchone()
one = resident()
with tempfile.TemporaryDirectory() as folder:
    link = os.path.join(folder, "link")
    os.symlink(MODEL, link)
    others = [connect(name=None) for _ in range(10)]
    for other in others:
        other.execute("INSERT INTO remora_models(name, path) VALUES ('m', ?)",
                      (link,))
    same = all(other.execute("SELECT embed('x')").fetchone() == vector
               for other in others)
print(json.dumps([one - empty, resident() - one, same]))
""")
    assert same
    assert first > 40_000
    assert later < 9_000


def test_closing_every_connection_gives_the_weights_back(python):
    """A compute thread may let go of a model shortly after the connection,
    and the C library keeps a part of what is freed for later."""
    held, left = python("""
empty = resident()
for _ in range(5):
    db = connect()
    db.execute("SELECT embed('x')").fetchall()
    held = resident() - empty
    db.close()
end = time.time() + 10
while resident() - empty > held * 0.6 and time.time() < end:
    time.sleep(0.01)
print(json.dumps([held, resident() - empty]))
""")
    assert 40_000 < held < 200_000
    assert left <= held * 0.6


def test_threads_and_connections_give_the_same_bits(python):
    assert python("""
texts = [f"text number {i} " + "word " * (i * 7 % 40) for i in range(24)]
db = connect()
want = {t: db.execute("SELECT embed(?)", (t,)).fetchone()[0] for t in texts}
shared = connect(check_same_thread=False)
wrong, lock = [], threading.Lock()
def work(n):
    mine = connect() if n % 2 else shared
    for t in texts[n % 5:] + texts[:n % 5]:
        if n % 2:
            got = mine.execute("SELECT embed(?)", (t,)).fetchone()[0]
        else:
            with lock:
                got = mine.execute("SELECT embed(?)", (t,)).fetchone()[0]
        if got != want[t]:
            wrong.append(t)
    if n % 2:
        mine.close()
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps([wrong, shared.execute(
    "SELECT texts FROM remora_models").fetchone()]))
""") == [[], [4 * 24]]


def test_connections_opened_and_closed_in_many_threads(python):
    assert python("""
good = []
def work():
    for _ in range(10):
        db = connect()
        good.append(db.execute("SELECT length(embed('a'))").fetchone()[0])
        db.close()
threads = [threading.Thread(target=work) for _ in range(6)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps([len(good), sorted(set(good))]))
""") == [60, [1536]]


def test_delete_while_a_statement_uses_the_model(newest, insert, core):
    db = newest.connect()
    db.execute(insert)
    rows = db.execute(
        "SELECT embed(column1, 'minilm') FROM "
        "(VALUES ('a'), ('b'), ('c'))"
    )
    got = [next(rows)[0]]
    db.execute("DELETE FROM remora_models")
    assert list(db.execute("SELECT * FROM remora_models")) == []
    got += [row[0] for row in rows]
    assert got == [core.embed(t) for t in (b"a", b"b", b"c")]
    with pytest.raises(apsw.SQLError, match="no model named 'minilm'"):
        list(db.execute("SELECT embed('a', 'minilm')"))
    db.close()


def test_delete_and_insert_while_the_table_is_read(newest, insert, model_dir):
    db = newest.connect()
    for name in ("a", "b", "c"):
        db.execute(insert.replace("minilm", name))
    rows = db.execute("SELECT name, dim FROM remora_models")
    got = [next(rows)]
    db.execute("DELETE FROM remora_models")
    db.execute(insert.replace("minilm", "d"))
    got += list(rows)
    assert got == [("a", 384), ("b", 384), ("c", 384)]
    assert list(db.execute("SELECT name FROM remora_models")) == [("d",)]
    db.close()


def test_forked_child_starts_its_own_threads(python):
    assert python("""
db = connect()
want = db.execute("SELECT embed('x')").fetchone()
results = []
for use in ("inherited", "new"):
    pid = os.fork()
    if pid == 0:
        mine = db if use == "inherited" else connect()
        same = mine.execute("SELECT embed('x')").fetchone() == want
        os._exit(0 if same else 1)
    deadline = time.time() + 60
    status = None
    while status is None and time.time() < deadline:
        done, code = os.waitpid(pid, os.WNOHANG)
        status = code if done else None
        time.sleep(0.01)
    if status is None:
        os.kill(pid, 9)
    results.append(status)
results.append(db.execute("SELECT embed('x')").fetchone() == want)
print(json.dumps(results))
""") == [0, 0, True]


def test_fork_before_the_first_text(python):
    assert python("""
db = connect()
pid = os.fork()
got = db.execute("SELECT length(embed('x'))").fetchone()[0]
if pid == 0:
    os._exit(0 if got == 1536 else 1)
print(json.dumps([got, os.waitpid(pid, 0)[1]]))
""") == [1536, 0]


def test_exit_while_other_threads_wait_for_texts(python):
    """The process ends though texts are being computed."""
    assert python("""
def work():
    db = connect()
    for i in range(100000):
        db.execute("SELECT embed(?)", ("word " * 200 + str(i),)).fetchall()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(1)
print(json.dumps("leaving"))
""") == "leaving"


def test_interrupt_ends_a_wait(newest, insert):
    """One connection's embed() waits behind many others' and is interrupted:
    it returns while they are still being computed."""
    long = "word " * 254
    stop = threading.Event()

    def load():
        db = newest.connect()
        db.execute(insert)
        while not stop.is_set():
            list(db.execute("SELECT embed(?)", (long,)))
        db.close()

    def timed(db, after=None):
        timer = threading.Timer(after, db.interrupt) if after else None
        start = time.monotonic()
        if timer:
            timer.start()
        try:
            list(db.execute("SELECT embed('victim')"))
            return time.monotonic() - start, None
        except apsw.Error as error:
            return time.monotonic() - start, error
        finally:
            if timer:
                timer.join()

    threads = [threading.Thread(target=load) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    try:
        db = newest.connect()
        db.execute(insert)
        whole, _ = timed(db)
        assert whole > 0.2, "the queue was not long enough to tell"
        took, error = timed(db, after=whole / 10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert isinstance(error, apsw.InterruptError), error
    assert str(error) == "embed: interrupted"
    assert took < whole / 2
    # The connection is as good as before.
    assert list(db.execute("SELECT length(embed('a'))")) == [(1536,)]
    db.close()


def test_second_copy_of_sqlite_is_refused(newest, build, insert):
    """apsw has its own SQLite; libsqlite3.so.0 is another."""
    newest.query(insert)
    other = ctypes.CDLL("libsqlite3.so.0")
    db, message = ctypes.c_void_p(), ctypes.c_char_p()
    assert other.sqlite3_open(b":memory:", ctypes.byref(db)) == 0
    assert other.sqlite3_enable_load_extension(db, 1) == 0
    code = other.sqlite3_load_extension(
        db, str(build / "remora.so").encode(), None, ctypes.byref(message)
    )
    assert code == 1
    assert message.value == (
        b"error during initialization: remora: another copy of SQLite in this "
        b"process uses the extension already"
    )
    assert other.sqlite3_close(db) == 0


def test_memory_does_not_grow_with_rows(python):
    grown = python("""
db = connect()
db.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
           "SELECT i + 1 FROM n WHERE i < 150) SELECT 'text ' || i AS x FROM n")
count = lambda: db.execute(
    "SELECT count(embed_to_json(embed(x))) FROM t").fetchone()
count()
before = resident()
for _ in range(4):
    count()
print(json.dumps(resident() - before))
""")
    assert grown < 700


def test_removed_directory_does_not_hurt_an_open_model(
    newest, model_dir, tmp_path, core
):
    copy = tmp_path / "model"
    shutil.copytree(model_dir, copy)
    db = newest.connect()
    db.execute("INSERT INTO remora_models(name, path) VALUES ('m', ?)",
               (str(copy),))
    shutil.rmtree(copy)
    assert list(db.execute("SELECT embed('a')")) == [(core.embed(b"a"),)]
    db.close()


def test_shell_starts_and_ends_quickly_without_a_text(shell):
    """Loading starts no thread and opens no model."""
    start = time.monotonic()
    done = shell.run("SELECT embed(NULL) IS NULL")
    assert done.stdout.split() == ["1"]
    assert time.monotonic() - start < 2
