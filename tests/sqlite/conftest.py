"""What the SQLite tests share: ways to run SQL with the extension loaded, in
Debian's sqlite3 shell, in Python's own sqlite3 module, and in the newest
SQLite (apsw). It must never let a test pass because a way was missing.
"""

import ctypes
import json
import os
import subprocess
import sys

import apsw
import numpy as np
import pytest


class SqlError(Exception):
    """A statement failed; str() is SQLite's message."""


class Shell:
    """Debian's sqlite3 shell, one process and one connection a call."""

    def __init__(self, program, extension):
        self.program = program
        self.extension = extension

    def run(self, *statements, env=None, load=True, database=":memory:",
            options=()):
        """Runs statements and dot commands; returns the finished process."""
        script = [f".load {self.extension}"] if load else []
        script += [
            s if s.startswith(".") else s.rstrip("; ") + ";"
            for s in statements
        ]
        return subprocess.run(
            [self.program, "-batch", "-bail", "-init", os.devnull, *options,
             str(database)],
            input="\n".join(script) + "\n", capture_output=True, text=True,
            timeout=120, env={**clean_environment(), **(env or {})},
        )

    def query(self, *statements, env=None, database=":memory:"):
        """The rows of the last statement, as lists; SqlError if one fails."""
        *before, last = statements
        done = self.run(
            f".output {os.devnull}", *before, ".output", ".mode json", last,
            env=env, database=database,
        )
        if done.returncode != 0 or done.stderr:
            raise SqlError(done.stderr)
        rows = json.loads(done.stdout) if done.stdout.strip() else []
        return [list(row.values()) for row in rows]


class Newest:
    """The SQLite inside apsw, in this process; one connection a call."""

    def __init__(self, extension):
        self.extension = extension

    def connect(self, database=":memory:"):
        db = apsw.Connection(str(database))
        db.enable_load_extension(True)
        db.load_extension(str(self.extension))
        return db

    def query(self, *statements, env=None, database=":memory:"):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            db = self.connect(database)
            try:
                rows = []
                for statement in statements:
                    rows = [list(r) for r in db.execute(statement)]
                return rows
            except apsw.Error as error:
                raise SqlError(str(error)) from error
            finally:
                db.close()


def clean_environment():
    """This process's environment without the extension's own variables."""
    return {
        k: v for k, v in os.environ.items()
        if k not in ("REMORA_MODEL", "REMORA_THREADS")
    }


@pytest.fixture(autouse=True)
def no_default_model(monkeypatch):
    monkeypatch.delenv("REMORA_MODEL", raising=False)


@pytest.fixture(scope="session")
def extension(build):
    """What is handed to load_extension."""
    assert (build / "remora.so").is_file(), "run make first"
    return build / "remora"


@pytest.fixture(scope="session")
def shell(config, extension):
    return Shell(config["SQLITE3"], extension)


@pytest.fixture(scope="session")
def newest(extension):
    return Newest(extension)


@pytest.fixture(params=["shell", "newest"])
def sql(request):
    """The oldest and the newest SQLite, for what both must do alike."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def insert(model_dir):
    """The statement that registers the model as 'minilm'."""
    return insert_statement("minilm", model_dir)


def insert_statement(name, path):
    quoted = [str(v).replace("'", "''") for v in (name, path)]
    return (
        "INSERT INTO remora_models(name, path) VALUES "
        f"('{quoted[0]}', '{quoted[1]}')"
    )


@pytest.fixture(scope="session")
def python(extension, model_dir):
    """Runs a script in a Python whose own sqlite3 module loads extensions;
    the script gets EXTENSION and MODEL, and prints JSON."""
    probe = (
        "import sqlite3, sys; "
        "sys.exit(not hasattr(sqlite3.Connection, 'enable_load_extension'))"
    )
    for program in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([program, "-c", probe], check=False).returncode == 0:
            break
    else:
        pytest.fail("no python3 here has a sqlite3 that loads extensions")

    def run(script, env=None):
        prelude = (
            "import json, os, sqlite3, sys, threading, time\n"
            f"EXTENSION = {str(extension)!r}\n"
            f"MODEL = {str(model_dir)!r}\n"
            f"{CONNECT}\n"
        )
        done = subprocess.run(
            [program, "-c", prelude + script], capture_output=True, text=True,
            timeout=300, env={**clean_environment(), **(env or {})},
        )
        assert done.returncode == 0, done.stderr or done.returncode
        return json.loads(done.stdout)

    return run


CONNECT = '''
def connect(path=":memory:", name="minilm", **options):
    db = sqlite3.connect(path, isolation_level=None, **options)
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    if name:
        db.execute("INSERT INTO remora_models(name, path) VALUES (?, ?)",
                   (name, MODEL))
    return db

def resident():
    for line in open("/proc/self/smaps_rollup"):
        if line.startswith("Rss:"):
            return int(line.split()[1])
'''


# ------------------------------------------------------- the core, from C


class Text(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class Core:
    """libremora.so as a C program calls it, with one model open."""

    def __init__(self, library, model):
        self.lib = ctypes.CDLL(str(library))
        self.lib.rmr_engine_stop.argtypes = [ctypes.c_void_p]
        self.lib.rmr_model_release.argtypes = [ctypes.c_void_p]
        self.model = ctypes.c_void_p()
        self.engine = ctypes.c_void_p()
        assert self.lib.rmr_model_open(
            ctypes.byref(self.model), str(model).encode(), None, None
        ) == 0
        assert self.lib.rmr_engine_start(
            ctypes.byref(self.engine), None, None
        ) == 0

    def embed(self, text, dim=384):
        """The float32 bytes of one text's vector."""
        out = (ctypes.c_float * dim)()
        status = self.lib.rmr_embed(
            self.engine, self.model, ctypes.byref(Text(text, len(text))),
            ctypes.c_size_t(1), None, out, None, None,
        )
        assert status == 0
        return bytes(out)

    def close(self):
        self.lib.rmr_engine_stop(self.engine)
        self.lib.rmr_model_release(self.model)


@pytest.fixture(scope="session")
def core(build, model_dir):
    core = Core(build / "libremora.so", model_dir)
    yield core
    core.close()


@pytest.fixture(scope="session")
def command(build, model_dir):
    """The vector that `remora embed` prints for a text, as float32 bytes."""

    def run(text):
        done = subprocess.run(
            [build / "remora", "embed", model_dir, "--jsonl", "text"],
            input=json.dumps({"text": text}) + "\n", capture_output=True,
            text=True, timeout=120,
        )
        assert done.returncode == 0, done.stderr
        vector = json.loads(done.stdout)["embedding"]
        return np.array(vector, dtype="<f4").tobytes()

    return run
