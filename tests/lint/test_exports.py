"""What the built objects show to the process that loads them: our names and
nothing of the libraries they hold."""

import subprocess

import pytest

LIBRARY = "libremora.so"
HOSTS = {
    "remora.so": {"sqlite3_remora_init"},
    # The names nginx looks up in a dynamic module.
    "ngx_http_remora_module.so": {
        "ngx_modules", "ngx_module_names", "ngx_module_order",
    },
}


def exported(config, path):
    output = subprocess.run(
        [config["NM"], "-D", "--defined-only", "--extern-only", str(path)],
        capture_output=True, text=True, check=True,
    ).stdout
    return {line.split()[-1].partition("@")[0] for line in output.splitlines()}


def needed(path):
    """The shared libraries an object names, by objdump's private headers."""
    output = subprocess.run(
        ["objdump", "-p", str(path)],
        capture_output=True, text=True, check=True,
    ).stdout
    return {
        line.split()[1] for line in output.splitlines()
        if line.strip().startswith("NEEDED")
    }


def products(config):
    names = [LIBRARY, "remora"]
    if config["WITH_SQLITE"] == "yes":
        names.append("remora.so")
    if config["WITH_NGINX"] == "yes":
        names.append("ngx_http_remora_module.so")
    return names


def test_library_exports_the_public_header(build, config, root):
    names = exported(config, build / LIBRARY)
    assert names and all(name.startswith("rmr_") for name in names)
    header = (root / "common" / "remora.h").read_text()
    undeclared = {name for name in names if f"{name}(" not in header}
    assert undeclared == set()


def test_library_defines_the_whole_header(build, config, root):
    """Every RMR_API function of the header is there."""
    header = (root / "common" / "remora.h").read_text()
    declared = set()
    for piece in header.split("RMR_API ")[1:]:
        before, _, _ = piece.partition("(")
        declared.add(before.split()[-1].lstrip("*"))
    declared = {name for name in declared if name.startswith("rmr_")}
    assert len(declared) > 20
    assert declared - exported(config, build / LIBRARY) == set()


@pytest.mark.parametrize("product", sorted(HOSTS))
def test_host_exports_its_entry_points(build, config, product):
    if product not in products(config):
        pytest.skip(f"{product} was left out by configure")
    assert exported(config, build / product) == HOSTS[product]


def test_command_exports_nothing(build, config):
    names = exported(config, build / "remora")
    assert {name for name in names if not name.startswith("_")} <= {
        "stdin", "stdout", "stderr", "environ",
    }


def test_no_product_needs_a_shared_blas(build, config):
    for product in products(config):
        libraries = needed(build / product)
        assert libraries
        assert not [lib for lib in libraries if "blas" in lib], product


def test_products_are_hardened(build, config):
    """Read-only relocations, immediate binding, no executable stack, and a
    position independent command."""
    for product in products(config):
        headers = subprocess.run(
            ["readelf", "-W", "-d", "-l", "-h", str(build / product)],
            capture_output=True, text=True, check=True,
        ).stdout
        assert "GNU_RELRO" in headers, product
        assert "BIND_NOW" in headers or " NOW" in headers, product
        stack = next(x for x in headers.splitlines() if "GNU_STACK" in x)
        assert "RWE" not in stack, product
        assert "DYN (" in headers, product
