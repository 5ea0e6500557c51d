"""The build itself: configure's words and files, a second make, and what
make install puts where. Everything is tried in copies and temporary
directories; it must never touch the build it runs in."""

import os
import shlex
import shutil
import subprocess

import pytest


def run(command, **options):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    env.update(options.pop("env", {}))
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=300,
        **options,
    )


@pytest.fixture
def copy(root, tmp_path):
    """configure alone, where it may write."""
    shutil.copy(root / "configure", tmp_path)
    return tmp_path


def configure(folder, *arguments, **options):
    return run([str(folder / "configure"), *arguments], **options)


def test_configure_writes_two_files(copy, config):
    first = configure(copy, "--prefix=/opt/remora")
    assert first.returncode == 0, first.stderr
    made = sorted(path.name for path in copy.rglob("*") if path.is_file())
    assert made == ["config.h", "config.mk", "configure"]
    text = (copy / "build" / "config.mk").read_text()
    assert "libdir := /opt/remora/lib\n" in text
    assert "CONFIGURE_ARGS := --prefix=/opt/remora\n" in text


def test_configure_again_changes_nothing(copy):
    assert configure(copy).returncode == 0
    files = [copy / "build" / name for name in ("config.mk", "config.h")]
    before = [path.stat().st_mtime_ns for path in files]
    assert configure(copy).returncode == 0
    assert [path.stat().st_mtime_ns for path in files] == before


def test_configure_refuses_an_unknown_option(copy):
    result = configure(copy, "--with-magic")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--with-magic" in result.stderr
    assert not (copy / "build").exists()


@pytest.mark.parametrize(
    "argument, words",
    [
        ("--with-nginx=/nonexistent", "src/core/nginx.h"),
        ("--with-cuda=/nonexistent", "nvcc was not found"),
        ("--prefix=relative", "absolute"),
        ("--prefix=", "needs a value"),
        ("CC=false", "does not make a C11 program"),
        ("BLAS_LIBS=-lnonexistent", "does not link"),
    ],
)
def test_configure_says_what_is_wrong(copy, argument, words):
    result = configure(copy, argument)
    assert result.returncode != 0
    assert words in result.stderr
    assert not (copy / "build" / "config.mk").exists()


def test_configure_names_the_package_of_a_missing_part(copy):
    """A compiler that cannot see jansson.h stands for its absence."""
    wrapper = copy / "cc"
    wrapper.write_text(
        "#!/bin/sh\n"
        'for a; do case $a in *.c) grep -q jansson "$a" && exit 1;; esac; '
        'done\nexec cc "$@"\n'
    )
    wrapper.chmod(0o755)
    result = configure(copy, f"CC={wrapper}")
    assert result.returncode == 1
    assert "libjansson-dev" in result.stderr
    assert "jansson" in result.stdout and "MISSING" in result.stdout
    assert not (copy / "build").exists()


def test_configure_names_absent_optional_parts(copy):
    """With an empty PATH for the optional programs: every one is named."""
    tools = copy / "bin"
    tools.mkdir()
    for tool in ("sh cc as ld ar nm make awk sed cat cmp cp mv rm mkdir "
                 "mktemp grep dirname uname tr tail cut pkg-config "
                 "python3").split():
        path = shutil.which(tool)
        if path:
            (tools / tool).symlink_to(path)
    result = configure(copy, env={"PATH": str(tools)})
    assert result.returncode == 0, result.stderr
    for part in ("curl", "clang-format", "shellcheck", "sqlite3 shell",
                 "clang with libFuzzer"):
        row = next(
            line for line in result.stdout.splitlines()
            if line.startswith(part)
        )
        assert "absent" in row, row


def test_configure_help_lists_every_option(copy):
    result = configure(copy, "--help")
    assert result.returncode == 0
    for option in ("--install-deps", "--prefix", "--bindir", "--libdir",
                   "--includedir", "--sysconfdir", "--with-nginx",
                   "--without-nginx", "--without-sqlite", "--with-cuda",
                   "--without-cuda"):
        assert option in result.stdout


def test_second_make_does_nothing(root):
    result = run(["make", "all"], cwd=root)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "make: Nothing to be done for 'all'.\n"


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory):
    destdir = tmp_path_factory.mktemp("destdir")
    result = run(["make", "install", f"DESTDIR={destdir}"], cwd=root)
    assert result.returncode == 0, result.stderr
    return destdir


def expected_files(config):
    names = [
        "{bindir}/remora", "{libdir}/libremora.a", "{libdir}/libremora.so",
        "{libdir}/pkgconfig/remora.pc", "{includedir}/remora.h",
        "{prefix}/share/doc/remora/LICENSE",
        "{prefix}/share/doc/remora/embeddings.conf",
    ]
    if config["WITH_SQLITE"] == "yes":
        names.append("{libdir}/sqlite3/remora.so")
    if config["WITH_NGINX"] == "yes":
        names.append("{libdir}/nginx/modules/ngx_http_remora_module.so")
        names.append(
            "{sysconfdir}/nginx/modules-available/50-mod-http-remora.conf"
        )
    return {name.format(**config) for name in names}


def test_install_puts_every_file_in_place(installed, config):
    there = {
        "/" + str(path.relative_to(installed))
        for path in installed.rglob("*") if path.is_file()
    }
    assert there == expected_files(config)


PROGRAM = r"""
#include <remora.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    rmr_error err;
    rmr_model *model;
    rmr_model_info info = {.size = sizeof(info)};

    if (argc != 2 || rmr_model_open(&model, argv[1], NULL, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    rmr_model_get_info(model, &info);
    printf("%s %u\n", rmr_version(), info.dim);
    rmr_model_release(model);
    return 0;
}
"""


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_program_against_the_installation(
    installed, config, model_dir, tmp_path, kind
):
    """With the installed header and library, flags from remora.pc."""
    libdir = f"{installed}{config['libdir']}"
    variables = dict(
        line.split(": ", 1)
        for line in open(f"{libdir}/pkgconfig/remora.pc") if ": " in line
    )
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror",
             f"-I{installed}{config['includedir']}"]
    if kind == "shared":
        libs = [f"-L{libdir}", "-lremora"]
    else:
        libs = [f"{libdir}/libremora.a"]
        libs += shlex.split(variables["Libs.private"])
    build = run(
        shlex.split(config["CC"]) + flags
        + [str(source), "-o", str(tmp_path / "program")] + libs
    )
    assert build.returncode == 0, build.stderr
    result = run(
        [str(tmp_path / "program"), str(model_dir)],
        env={"LD_LIBRARY_PATH": libdir if kind == "shared" else ""},
    )
    assert result.returncode == 0, result.stderr
    version = variables["Version"].strip()
    assert result.stdout == f"{version} 384\n"
    assert version.count(".") == 2


def test_uninstall_removes_every_file(root, tmp_path):
    for target in ("install", "uninstall"):
        result = run(["make", target, f"DESTDIR={tmp_path}"], cwd=root)
        assert result.returncode == 0, result.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_make_help_needs_no_configuration(root, tmp_path):
    shutil.copy(root / "Makefile", tmp_path)
    result = run(["make", "help"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for target in ("demo", "check", "asan", "install", "models"):
        assert f"  {target} " in result.stdout
    assert not (tmp_path / "build").exists()
