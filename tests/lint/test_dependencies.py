"""The arrow of dependency: base <- kernels, tokenizer <- model <- runtime <-
wire <- remora.h <- hosts, read from the #include lines. A folder must never
include what is above it, and a host must never see behind remora.h."""

import re

import pytest

from sources import ROOT, files_of, name

BASE = {"common/base"}
BELOW_MODEL = BASE | {"kernels", "kernels/scalar", "kernels/blas", "tokenizer"}

# What a folder may include of ours, beside its own headers. remora.h holds
# the types and declarations that the core implements.
LAYERS = {
    "common/base": {"common/remora.h"},
    "kernels": BASE | {"common/remora.h"},
    "tokenizer": BASE | {"common/remora.h"},
    "common/model": BELOW_MODEL | {"common/remora.h"},
    "common/runtime": BELOW_MODEL | {"common/model", "common/remora.h"},
    "common/wire": BELOW_MODEL
    | {"common/model", "common/runtime", "common/remora.h"},
    "common/cli": {"common/remora.h"},
    "nginx-module": {"common/remora.h"},
    "sqlite-ext": {"common/remora.h"},
}

# Which libraries a layer may use beyond libc and POSIX.
LIBRARIES = {
    "common/base": {"jansson.h", "openssl/"},
    "kernels": {"cblas.h"},
    "tokenizer": {"jansson.h", "pcre2.h"},
    "common/model": {"jansson.h"},
    "common/wire": {"jansson.h", "openssl/"},
    "common/cli": {"jansson.h"},
    "nginx-module": {"ngx_"},
    "sqlite-ext": {"sqlite3ext.h"},
}
ALL_LIBRARIES = set().union(*LIBRARIES.values()) | {"sqlite3.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
SOURCES = [
    path for path in files_of(".c", ".h", ".inc")
    if not name(path).startswith("tests/")
]


def layer_of(relative):
    """The longest layer whose folder holds a path, or None."""
    found = [
        layer for layer in LAYERS if relative.startswith(layer + "/")
    ]
    return max(found, key=len) if found else None


def resolve(path, included):
    """Our file that a quoted #include names, relative to the root."""
    for folder in (path.parent, ROOT, ROOT / "common", ROOT / "build"):
        candidate = (folder / included).resolve()
        if candidate.is_file():
            return str(candidate.relative_to(ROOT))
    return None


def allowed(layer, target):
    own = layer_of(target) == layer
    return own or any(
        target == entry or target.rpartition("/")[0] == entry
        for entry in LAYERS[layer]
    )


def test_every_source_has_a_layer():
    stray = [
        name(path) for path in SOURCES
        if layer_of(name(path)) is None and name(path) != "common/remora.h"
    ]
    assert stray == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_includes_follow_the_arrow(path):
    layer = layer_of(name(path))
    for kind, included in INCLUDE.findall(path.read_text()):
        if kind == '"':
            if included == "config.h":
                continue  # build/config.h: what the compiler can do
            target = resolve(path, included)
            assert target, f'{name(path)}: "{included}" is not a file of ours'
            assert layer is not None, f"{name(path)} includes {target}"
            assert allowed(layer, target), (
                f"{name(path)} includes {target}, which {layer} must not see"
            )
        else:
            for library in ALL_LIBRARIES:
                if included.startswith(library):
                    assert library in LIBRARIES.get(layer, ()), (
                        f"{name(path)}: <{included}> is not for {layer}"
                    )


def test_cblas_stays_in_its_folder():
    users = {
        str(path.parent.relative_to(ROOT)) for path in SOURCES
        if "<cblas.h>" in path.read_text()
    }
    assert users == {"kernels/blas"}
