"""remora_health: well only when a text has just gone through the model."""

import pytest

from nginx_server import Nginx


def states(reply):
    return {model["name"]: model["status"] for model in reply.json()["models"]}


def test_healthy(server):
    reply = server.get("/health")
    assert reply.status == 200
    assert reply.json() == {
        "status": "ok", "models": [{"name": "minilm", "status": "ok"}],
    }
    assert reply.headers["Cache-Control"] == "no-store"


def test_head(server):
    reply = server.request("HEAD", "/health")
    assert reply.status == 200
    assert reply.body == b""
    assert int(reply.headers["Content-Length"]) > 10


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods(server, method):
    reply = server.request(method, "/health", b"x" * 10_000)
    assert reply.status == 405
    assert reply.headers["Allow"] == "GET, HEAD"
    assert reply.json()["error"]["type"]


def test_health_takes_a_body(server):
    assert server.request("GET", "/health", b"x" * 100_000).status == 200


@pytest.fixture
def mixed(nginx) -> Nginx:
    """A model that works, and one whose finite weights overflow."""
    return nginx.configure(http="""
        remora_model tiny models/tiny;
        remora_model huge models/huge;
        remora_model 'a "quoted" näme' models/other;
    """, server="""
        location = /all { remora_health; }
        location = /tiny { remora_health tiny; }
        location = /huge { remora_health huge; }
        location = /embed { remora_embeddings huge; }
    """).start()


def test_every_model(mixed):
    reply = mixed.get("/all")
    assert reply.status == 503
    assert reply.json()["status"] == "error"
    assert states(reply) == {"tiny": "ok", "huge": "error",
                             'a "quoted" näme': "ok"}
    [message] = [m["message"] for m in reply.json()["models"]
                 if "message" in m]
    assert "finite" in message
    assert 'model "huge" is not healthy' in mixed.log()


def test_one_model(mixed):
    assert states(mixed.get("/tiny")) == {"tiny": "ok"}
    assert mixed.get("/tiny").status == 200
    assert states(mixed.get("/huge")) == {"huge": "error"}
    assert mixed.get("/huge").status == 503


def test_embeddings_that_are_not_finite(mixed):
    """An error, never a result; the server goes on."""
    reply = mixed.post({"model": "huge", "input": "hello"}, path="/embed")
    assert reply.status == 500
    error = reply.json()["error"]
    assert "finite" in error["message"]
    assert error["type"] == "server_error"
    assert mixed.get("/tiny").status == 200


def test_overloaded(nginx):
    """A queue that is full is a reason to send requests elsewhere. Of many
    models that are asked at once, not each can be done before the next."""
    names = [f"model{number}" for number in range(16)]
    nginx.configure(http="".join(
        f"remora_model {name} models/all-MiniLM-L6-v2;\n" for name in names
    ) + "remora_queue jobs=1;", server="location = /health { remora_health; }")
    nginx.start()
    reply = nginx.get("/health")
    assert reply.status == 503
    assert states(reply)["model0"] == "ok"
    full = [model for model in reply.json()["models"]
            if model["status"] == "error"]
    assert full
    assert all("queue" in model["message"] for model in full)


def test_subrequests(nginx):
    """Server side includes ask for health three times in one page."""
    page = nginx.prefix / "html"
    page.mkdir()
    (page / "page.html").write_text(
        'a<!--# include virtual="/health" -->b'
        '<!--# include virtual="/other" -->c'
        '<!--# include virtual="/health" -->d'
    )
    nginx.configure(http="""
        remora_model tiny models/tiny;
        remora_model other models/other;
    """, server="""
        root html;
        location = /health { remora_health tiny; }
        location = /other { remora_health other; }
        location = /page.html { ssi on; }
    """).start()
    well = '{"status":"ok","models":[{"name":"%s","status":"ok"}]}'
    connection = nginx.connection()
    for _ in range(3):
        reply = nginx.get("/page.html", connection=connection)
        assert reply.status == 200
        assert reply.body.decode() == (
            f"a{well % 'tiny'}b{well % 'other'}c{well % 'tiny'}d"
        )
    connection.close()
