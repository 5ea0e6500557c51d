"""Every request that cannot be answered gets one clear JSON error and leaves
the server well. None of the text it held may reach a log."""

import json
import socket

import pytest

from nginx_server import raw_post, wait_for

GOOD = {"model": "minilm", "input": "hello"}


def without(field):
    return {key: value for key, value in GOOD.items() if key != field}


def check_error(reply, status):
    assert reply.status == status, (reply.status, reply.body[:300])
    body = reply.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and len(error["message"]) > 10
    return error


NOT_JSON = {
    "empty": b"",
    "spaces": b"  \n ",
    "text": b"hello",
    "cut": b'{"model": "minilm", "input": "hel',
    "two": b'{"model": "minilm", "input": "a"} {}',
    "trailing comma": b'{"model": "minilm", "input": "a",}',
    "NaN": b'{"model": "minilm", "input": "a", "dimensions": NaN}',
    "utf-8": b'{"model": "minilm", "input": "\xff\xfe"}',
    "surrogate": b'{"model": "minilm", "input": "\\ud800"}',
    "NUL": b'{"model": "minilm", "input": "a"}\0',
    "form": b"model=minilm&input=hello",
    "gzip": bytes.fromhex("1f8b08000000000000030300000000000000000000"),
    "deep": b"[" * 100_000,
    "wide number": b'{"model": "minilm", "input": "a", "dimensions": 1'
                   + b"0" * 400 + b"}",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_not_json(server, body):
    error = check_error(server.post(body), 400)
    assert error["type"] == "invalid_request_error"


WRONG = {
    "array": [GOOD],
    "string": "hello",
    "null": None,
    "no model": without("model"),
    "no input": without("input"),
    "model is null": {**GOOD, "model": None},
    "model is a number": {**GOOD, "model": 7},
    "input is null": {**GOOD, "input": None},
    "input is a number": {**GOOD, "input": 7},
    "input is an object": {**GOOD, "input": {"text": "hello"}},
    "input is an empty string": {**GOOD, "input": ""},
    "input is an empty array": {**GOOD, "input": []},
    "input holds an empty string": {**GOOD, "input": ["hello", ""]},
    "input holds null": {**GOOD, "input": ["hello", None]},
    "input holds an object": {**GOOD, "input": ["hello", {}]},
    "input is token ids": {**GOOD, "input": [101, 102]},
    "input is arrays of token ids": {**GOOD, "input": [[101, 102]]},
    "too many inputs": {**GOOD, "input": ["hello"] * 2049},
    "encoding_format is unknown": {**GOOD, "encoding_format": "hex"},
    "encoding_format is a number": {**GOOD, "encoding_format": 1},
    "dimensions is zero": {**GOOD, "dimensions": 0},
    "dimensions is negative": {**GOOD, "dimensions": -1},
    "dimensions is a string": {**GOOD, "dimensions": "64"},
    "dimensions is a fraction": {**GOOD, "dimensions": 1.5},
    "dimensions is too large": {**GOOD, "dimensions": 385},
    "dimensions is huge": {**GOOD, "dimensions": 2 ** 63},
    "truncate is unknown": {**GOOD, "truncate": "MIDDLE"},
    "truncate is a number": {**GOOD, "truncate": 1},
    "normalize is a string": {**GOOD, "normalize": "yes"},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_wrong_fields(server, body):
    error = check_error(server.post(body), 400)
    assert error["type"] == "invalid_request_error"


def test_message_names_the_field(server):
    assert "input" in check_error(
        server.post({**GOOD, "input": 7}), 400)["message"]
    assert "2048" in check_error(
        server.post({**GOOD, "input": ["a"] * 2049}), 400
    )["message"].replace(",", "")
    assert "dimensions" in check_error(
        server.post({**GOOD, "dimensions": 385}), 400)["message"]


@pytest.mark.parametrize("name", ["ada", "", "MINILM", "minilm ", "m" * 10_000,
                                  "minilm\0", "../minilm"])
def test_unknown_model(server, name):
    error = check_error(server.post({**GOOD, "model": name}), 404)
    assert error["code"] == "model_not_found"


def test_null_options_are_defaults(server):
    fields = dict.fromkeys(["encoding_format", "dimensions", "user"])
    assert server.embed("hello", **fields) == server.embed("hello")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH",
                                    "OPTIONS"])
def test_other_methods(server, method):
    reply = server.request(method, "/v1/embeddings", b"{}" * 1000)
    check_error(reply, 405)
    assert reply.headers["Allow"] == "POST"


def test_head(server):
    reply = server.request("HEAD", "/v1/embeddings")
    assert reply.status == 405
    assert reply.headers["Allow"] == "POST"
    assert int(reply.headers["Content-Length"]) > 10
    assert reply.body == b""


def test_body_over_the_limit(server):
    body = json.dumps({**GOOD, "input": "x" * 2000}).encode()
    assert server.post(body, path="/small").status == 413
    connection = server.connection()
    connection.request("POST", "/small", iter([body]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().status == 413
    connection.close()
    assert server.post(GOOD, path="/small").status == 200


def test_client_leaves_in_its_request(server):
    """At every byte of a request, politely and with a reset."""
    data = raw_post(json.dumps(GOOD).encode())
    for cut in range(0, len(data) + 1, 3):
        client = server.raw(data[:cut])
        if cut % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              b"\1\0\0\0\0\0\0\0")
        client.close()
    assert server.post(GOOD).status == 200


def test_broken_http(server):
    for data in (b"\0\0\0\0\r\n\r\n", b"POST /v1/embeddings\r\n\r\n",
                 raw_post(b"").replace(b": 0", b": -5"),
                 b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with server.raw(data) as client:
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    assert server.post(GOOD).status == 200


def test_log_never_holds_text(nginx):
    """At the level of debug, through every path a text can take."""
    nginx.configure(level="debug", server="""
        location = /v1/embeddings { remora_embeddings minilm; }
        location = /quick {
            remora_embeddings minilm; remora_timeout 1ms; remora_truncate on;
        }
        location = /disk {
            remora_embeddings minilm;
            client_body_buffer_size 1k;
        }
    """).start()
    secret = "xylophone"
    long = f"{secret} " * 1000
    assert nginx.post({**GOOD, "input": secret}).status == 200
    assert nginx.post({**GOOD, "input": [long]}).status == 400
    assert nginx.post({**GOOD, "input": [long] * 20},
                      path="/quick").status == 504
    assert nginx.post({**GOOD, "input": long, "truncate": True},
                      path="/disk").status == 200
    assert nginx.post({**GOOD, "input": [secret, 7]}).status == 400
    assert nginx.post({secret: secret}).status == 400
    assert nginx.post({**GOOD, "encoding_format": secret}).status == 400
    assert nginx.post({**GOOD, "model": secret}).status == 404
    assert nginx.post(secret.encode()).status == 400
    assert nginx.post(b'{"input": "' + secret.encode()).status == 400
    with nginx.raw(raw_post(json.dumps(
        {**GOOD, "input": [long] * 50, "truncate": True}).encode())):
        pass
    wait_for(lambda: 499 in nginx.statuses(), what="499")
    nginx.stop()
    log = nginx.log()
    assert "[debug]" in log
    assert secret not in log
    assert secret not in "\n".join(nginx.access())
