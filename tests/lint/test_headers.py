"""Headers stand alone: each compiles with nothing before it, and remora.h
also as strict C11 and as C++."""

import shlex
import subprocess

import pytest

from sources import ROOT, files_of, name

PUBLIC = ROOT / "common" / "remora.h"
# nginx's headers need nginx; a template's *_tmpl.h is included once for each
# instruction set, by a file that says which.
INTERNAL = [
    path for path in files_of(".h")
    if path != PUBLIC and not name(path).startswith("nginx-module/")
    and not path.stem.endswith("_tmpl")
]


def compile_alone(command, path):
    run = subprocess.run(
        command + ["-fsyntax-only", "-"], cwd=ROOT, text=True,
        input=f'#include "{path}"\n', capture_output=True,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("standard", ["c11", "c17", "c2x"])
def test_public_header_is_c(config, standard):
    compile_alone(
        shlex.split(config["CC"])
        + ["-x", "c", f"-std={standard}", "-Wall", "-Wextra", "-Werror",
           "-pedantic", "-Wstrict-prototypes"],
        PUBLIC,
    )


@pytest.mark.parametrize("standard", ["c++11", "c++20"])
def test_public_header_is_cpp(config, standard):
    assert config["CXX"], "no C++ compiler: ./configure --install-deps"
    compile_alone(
        shlex.split(config["CXX"])
        + ["-x", "c++", f"-std={standard}", "-Wall", "-Wextra", "-Werror",
           "-pedantic"],
        PUBLIC,
    )


@pytest.mark.parametrize("path", INTERNAL, ids=name)
def test_internal_header_alone(config, path):
    flags = sum(
        (shlex.split(config[key]) for key in (
            "JANSSON_CFLAGS", "CRYPTO_CFLAGS", "PCRE2_CFLAGS",
            "BLAS_CFLAGS", "SQLITE_CFLAGS")),
        [],
    )
    compile_alone(
        shlex.split(config["CC"])
        + ["-x", "c", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra",
           "-Werror", "-Wno-unused-function", "-I.", "-Icommon", "-Ibuild",
           f"-I{path.parent}"]
        + flags,
        path,
    )
