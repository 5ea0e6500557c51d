"""Fixtures of the nginx tests. Every test ends with a look into nginx's log:
none may pass that leaves an alert there."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import tiny_model
from nginx_server import Nginx


@pytest.fixture(scope="session")
def models(model_dir, build):
    """Names and directories: the real model, as it is and quantized, and small
    ones that work and that do not."""
    folder = Path(tempfile.mkdtemp(prefix="remora-models-"))
    folder.chmod(0o755)
    try:
        subprocess.run([build / "remora", "quantize", model_dir,
                        folder / "int8"], check=True)
        yield {
            "all-MiniLM-L6-v2": model_dir,
            "int8": folder / "int8",
            "tiny": tiny_model.make(folder / "tiny"),
            "other": tiny_model.make(folder / "other", seed=1),
            "huge": tiny_model.make(folder / "huge", scale=1e30),
        }
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_nginx(config, build, models):
    """Makes an Nginx that nobody has configured, started or will close."""
    def make():
        return Nginx(config["NGINX"],
                     (build / "ngx_http_remora_module.so").resolve(), models)
    return make


@pytest.fixture
def nginx(new_nginx):
    """An nginx of this test alone: to be configured and started."""
    server = new_nginx()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def session_nginx(new_nginx):
    server = new_nginx().configure(server="""
        location = /v1/embeddings { remora_embeddings minilm; }
        location = /health { remora_health; }
        location = /cut { remora_embeddings minilm; remora_truncate on; }
        location = /disk {
            remora_embeddings minilm;
            client_body_buffer_size 1k;
        }
        location = /file {
            remora_embeddings minilm;
            client_body_in_file_only clean;
        }
        location = /small {
            remora_embeddings minilm;
            client_max_body_size 1k;
        }
        location = /if {
            remora_embeddings minilm;
            if ($arg_mark) { add_header X-Mark $arg_mark; }
        }
        location = /plain { return 200 "plain"; }
    """, http="""
        remora_model minilm models/all-MiniLM-L6-v2;
        gzip on; gzip_types application/json;
    """)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def server(session_nginx):
    """A running nginx that tests share and leave as it was."""
    yield session_nginx
    session_nginx.check_log()
