"""Directives: what nginx -t accepts, what it refuses with file and line, and
what they do."""

import hashlib
import os
import sys
from pathlib import Path

import numpy
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))

import tiny_bert  # noqa: E402

MODEL = "remora_model minilm models/tiny;"
LOCATION = "location = /v1/embeddings { remora_embeddings minilm; }"


def refused(nginx, words, **conf):
    """nginx -t fails with one [emerg] that says words and file:line of the
    line marked with HERE."""
    nginx.configure(**conf)
    status, said = nginx.test()
    assert status == 1, said
    lines = [line for line in said.splitlines() if "[emerg]" in line]
    assert len(lines) == 1, said
    for word in words.split("|"):
        assert word in lines[0], lines[0]
    marked = [
        number for number, line
        in enumerate(nginx.conf.read_text().splitlines(), 1) if "HERE" in line
    ]
    assert lines[0].endswith(f" in {nginx.conf}:{marked[0]}"), lines[0]


def accepted(nginx, **conf):
    status, said = nginx.configure(**conf).test()
    assert status == 0, said


@pytest.mark.parametrize("http", [
    MODEL,
    "remora_model minilm models/tiny dtype=f32;",
    "remora_model minilm models/tiny dtype=bf16;",
    "remora_model minilm models/tiny dtype=int8;",
    "remora_model minilm models/tiny pooling=cls+lasttoken;",
    MODEL + "remora_model another models/tiny;",
    MODEL + "remora_model another models/other; remora_threads 3;",
    MODEL + "remora_threads auto; remora_queue jobs=1; remora_timeout 2s;"
            "remora_truncate on;",
])
def test_accepted(nginx, http):
    accepted(nginx, http=http, server=LOCATION)


def test_no_directive_at_all(nginx):
    nginx.configure(http="", server="location / { return 200 ok; }").start()
    assert nginx.get("/").body == b"ok"


def test_model_after_its_use(nginx):
    """http { server { use } model }: the name is looked up at the end."""
    nginx.configure(http="", server=LOCATION)
    text = nginx.conf.read_text().rstrip()
    assert text.endswith("}")
    nginx.write(text[:-1] + MODEL + "}\n")
    nginx.start()
    assert nginx.embed("hello")


REFUSED = {
    "no such directory": ("remora_model minilm models/none;", "models/none"),
    "not a model": ("remora_model minilm modules;", "config.json"),
    "a file": ("remora_model minilm nginx.conf;", "nginx.conf"),
    "duplicate name": (
        MODEL + "\nremora_model minilm models/other; # HERE",
        'duplicate model name "minilm"'),
    "empty name": ("remora_model '' models/tiny;", "name"),
    "control character": ("remora_model 'a\tb' models/tiny;", "control"),
    "dtype": ("remora_model minilm models/tiny dtype=f17;",
              'dtype "f17" is not supported; f32, bf16, int8 and int4 are'),
    "dtype is empty": ("remora_model minilm models/tiny dtype=;",
                       'dtype "" is not supported'),
    "parameter": ("remora_model minilm models/tiny fast=yes;",
                  'invalid parameter "fast=yes": there are "dtype=f32", '
                  '"dtype=bf16", "dtype=int8", "dtype=int4", '
                  '"adapter=PATH", "pooling=MODE", '
                  '"sha256=HEX" and "task=TASK"'),
    "no adapter": ("remora_model minilm models/tiny adapter=models/none;",
                   "models/none: No such file"),
    "not an adapter": ("remora_model minilm models/tiny adapter=models/tiny;",
                       "adapter_model.safetensors"),
    "no path": ("remora_model minilm;", "invalid number of arguments"),
    "sha256 differs": (
        f"remora_model minilm models/tiny sha256={'0' * 64};", "SHA-256|0000"),
    "sha256 is not one": (
        "remora_model minilm models/tiny sha256=abc;", "64"),
    "threads": ("remora_threads 0;", 'invalid number of threads "0"'),
    "many threads": ("remora_threads 5000;", "1024"),
    "threads are words": ("remora_threads many;", "many"),
    "queue": ("remora_queue jobs=0;", "jobs=0"),
    "queue is a number": ("remora_queue 7;", "jobs=N"),
    "queue is huge": ("remora_queue jobs=99999999999;", "jobs=N"),
    "timeout": ("remora_timeout 0;", "longer than 0"),
    "timeout is a word": ("remora_timeout soon;", "invalid value"),
    "truncate": ("remora_truncate maybe;", '"on" or "off"'),
    "twice": ("remora_threads 1; remora_threads 1;", "is duplicate"),
    "queue twice": ("remora_queue jobs=1; remora_queue jobs=1;",
                    "is duplicate"),
}


@pytest.mark.parametrize("http, words", REFUSED.values(), ids=REFUSED)
def test_refused(nginx, http, words):
    if "HERE" not in http:
        http += " # HERE"
    refused(nginx, words, server="", http=http)


@pytest.mark.parametrize("name", [b"\xff", b"a\x80", b"\xc3", b"\xed\xa0\x80"])
def test_name_that_is_no_utf8(nginx, name):
    nginx.configure(server="", http="remora_model NAME models/tiny;")
    nginx.conf.write_bytes(nginx.conf.read_bytes().replace(b"NAME", name))
    status, said = nginx.test()
    assert status == 1
    assert "must be UTF-8 text" in said


REFUSED_LOCATIONS = {
    "unknown name": ("remora_embeddings ada;", 'unknown model "ada"'),
    "unknown name in health": ("remora_health ada;", 'unknown model "ada"'),
    "empty name": ("remora_embeddings '';", "empty"),
    "embeddings twice": (
        "remora_embeddings minilm;\nremora_embeddings minilm; # HERE",
        "is duplicate"),
    "both": ("remora_embeddings minilm;\nremora_health; # HERE", "conflicts"),
    "both, other order": (
        "remora_health;\nremora_embeddings minilm; # HERE", "conflicts"),
    "model in a location": ("remora_model a models/tiny;", "not allowed here"),
    "threads in a location": ("remora_threads 1;", "not allowed here"),
}


@pytest.mark.parametrize("inside, words", REFUSED_LOCATIONS.values(),
                         ids=REFUSED_LOCATIONS)
def test_refused_in_location(nginx, inside, words):
    if "HERE" not in inside:
        inside += " # HERE"
    refused(nginx, words, http=MODEL, server="location /a { %s\n }" % inside)


def test_health_without_models(nginx):
    refused(nginx, "no model", http="",
            server="location /health { remora_health; # HERE\n }")


def test_error_in_an_included_file(nginx):
    included = nginx.prefix / "models.conf"
    included.write_text("\n\nremora_model minilm models/none;\n")
    nginx.configure(http="include models.conf;", server="")
    status, said = nginx.test()
    assert status == 1
    assert f"in {included}:3" in said


def test_sha256(nginx, models):
    weights = (models["tiny"] / "model.safetensors").read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    accepted(nginx, server=LOCATION,
             http=f"remora_model minilm models/tiny sha256={digest};")


def test_absolute_path(nginx, models):
    accepted(nginx, server=LOCATION,
             http=f"remora_model minilm {models['tiny']};")


def test_several_models(nginx):
    """A location answers for its model and for no other."""
    nginx.configure(http="""
        remora_model one models/tiny;
        remora_model two models/other;
    """, server="""
        location = /one { remora_embeddings one; }
        location = /two { remora_embeddings two; }
    """).start()
    body = {"model": "one", "input": "hello world"}
    one = nginx.post(body, path="/one").vectors()
    assert nginx.post(body, path="/two").status == 404
    two = nginx.post({**body, "model": "two"}, path="/two").vectors()
    assert len(one[0]) == len(two[0]) == 8
    assert one != two


def test_adapters(nginx, tmp_path):
    """Models over one directory, each with its adapter, or without."""
    model = tiny_bert.write(tmp_path / "model")
    for seed in (5, 6):
        tiny_bert.write_adapter(nginx.prefix / f"adapter-{seed}", seed=seed)
    nginx.configure(http=f"""
        remora_model plain {model};
        remora_model one {model} adapter=adapter-5;
        remora_model two {model} adapter={nginx.prefix}/adapter-6;
    """, server="".join(
        f"location = /{name} {{ remora_embeddings {name}; }}\n"
        for name in ("plain", "one", "two"))).start()
    found = [
        nginx.post({"model": name, "input": "hello"}, path=f"/{name}").vectors()
        for name in ("plain", "one", "two")
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert numpy.abs(numpy.subtract(found[a], found[b])).max() > 0.01


def test_pooling(nginx):
    """Where nothing says how, it is asked for, or assumed and said so."""
    nginx.configure(http="""
        remora_model asked models/tiny pooling=cls+mean;
        remora_model assumed models/tiny;
    """, server="""
        location = /asked { remora_embeddings asked; }
        location = /assumed { remora_embeddings assumed; }
    """)
    status, said = nginx.test()
    assert status == 0
    [line] = [line for line in said.splitlines() if "[warn]" in line]
    assert '"assumed": there is no modules.json' in line
    assert "pooling=mean is assumed" in line
    nginx.start()
    asked, assumed = [
        nginx.post({"model": name, "input": "hello"}, path=f"/{name}").vectors()
        for name in ("asked", "assumed")
    ]
    assert len(asked[0]) == 16 and asked[0][8:] == assumed[0]


def test_pooling_that_is_not_there(nginx):
    refused(nginx, 'pooling mode "first" is not supported',
            http="remora_model minilm models/tiny pooling=first; # HERE")
    refused(nginx, "pooling is mean, not cls",
            http="remora_model minilm models/all-MiniLM-L6-v2 pooling=cls; "
                 "# HERE")


def test_dtypes_of_one_directory(nginx):
    """Each name keeps its own arithmetic."""
    names = ["f32", "bf16", "int8", "int4"]
    nginx.configure(http="".join(
        f"remora_model {name} models/all-MiniLM-L6-v2 dtype={name};"
        for name in names
    ) + "remora_model minilm models/all-MiniLM-L6-v2;", server="".join(
        "location = /%s { remora_embeddings %s; }" % (name, name)
        for name in [*names, "minilm"]
    ) + "location = /health { remora_health; }").start()
    texts = ["The food was delicious.", "card charged twice", "word " * 200]
    plain, exact, bf16, int8, int4 = [
        numpy.array(nginx.post({"model": name, "input": texts},
                               path=f"/{name}").vectors())
        for name in ["minilm", *names]
    ]
    assert (plain == exact).all()
    for near, least in ((bf16, 0.9999), (int8, 0.995), (int4, 0.95)):
        assert (near != exact).any(axis=1).all()
        assert (near * exact).sum(axis=1).min() >= least
    assert (bf16 != int8).any(axis=1).all()
    assert [model["status"] for model in nginx.get("/health").json()["models"]
            ] == ["ok"] * 5


def test_quantized_directory(nginx):
    """It needs no dtype, has the vectors of its source in that dtype, and
    takes no other."""
    nginx.configure(http="""
        remora_model small models/int8;
        remora_model same models/all-MiniLM-L6-v2 dtype=int8;
    """, server="""
        location = /small { remora_embeddings small; }
        location = /same { remora_embeddings same; }
        location = /health { remora_health; }
    """).start()
    texts = ["The food was delicious.", "card charged twice", "word " * 200]
    small, same = [
        nginx.post({"model": name, "input": texts}, path=f"/{name}").vectors()
        for name in ("small", "same")
    ]
    assert len(small) == 3 and small == same
    assert nginx.get("/health").json()["status"] == "ok"


def test_quantized_directory_in_another_dtype(nginx):
    refused(nginx, "models/int8 is quantized to int8; bf16 cannot be had",
            http="remora_model small models/int8 dtype=bf16; # HERE")


def test_inheritance(nginx):
    """remora_truncate and remora_timeout come from the level above."""
    nginx.configure(
        http=MODEL + "remora_truncate on;",
        server=LOCATION + """
            location = /off {
                remora_embeddings minilm; remora_truncate off;
            }
        """,
    ).start()
    body = {"model": "minilm", "input": "hello " * 100}
    assert nginx.post(body).headers["X-Remora-Truncated"] == "1"
    assert nginx.post(body, path="/off").status == 400


def threads(pid):
    """Names do not tell: every thread but the first is a compute thread."""
    tasks = sorted(int(t) for t in os.listdir(f"/proc/{pid}/task"))
    return tasks[1:]


@pytest.mark.parametrize("number", [1, 3])
def test_threads(nginx, number):
    nginx.configure(http=MODEL + f"remora_threads {number};",
                    server=LOCATION).start()
    assert nginx.embed("hello")
    [worker] = nginx.workers()
    assert len(threads(worker)) == number
    assert threads(nginx.process.pid) == []


def test_threads_auto_is_shared_by_workers(nginx):
    cpus = len(os.sched_getaffinity(0))
    nginx.configure(http=MODEL, server=LOCATION, workers=cpus).start()
    for worker in nginx.workers():
        assert len(threads(worker)) == 1


def test_no_threads_without_a_model(nginx):
    nginx.configure(http="", server="location / { return 200 ok; }").start()
    [worker] = nginx.workers()
    assert threads(worker) == []


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
def test_threads_leave_worker_cpu_affinity(nginx):
    cpu = min(os.sched_getaffinity(0))
    mask = format(1 << cpu, "b")
    nginx.configure(http=MODEL, server=LOCATION,
                    main=f"worker_cpu_affinity {mask};").start()
    [worker] = nginx.workers()
    assert os.sched_getaffinity(worker) == {cpu}
    for thread in threads(worker):
        assert os.sched_getaffinity(thread) == os.sched_getaffinity(0)


def test_readme_lists_every_directive(root):
    source = (root / "nginx-module" / "ngx_http_remora_module.c").read_text()
    readme = (root / "nginx-module" / "README.md").read_text()
    directives = [
        line.split('"')[1] for line in source.splitlines()
        if 'ngx_string("remora_' in line
    ]
    assert len(directives) == 10
    for directive in directives:
        assert f"### {directive}" in readme
