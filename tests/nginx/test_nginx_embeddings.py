"""POST /v1/embeddings as clients use it: raw HTTP and the openai client. What
is answered must not depend on how the request was transported."""

import asyncio
import base64
import gzip
import json
import math
import subprocess
import time

import numpy
import openai
import pytest

from nginx_server import Reply, raw_post, wait_for
from tiny_http2 import Http2

TEXTS = ["The food was delicious.", "Das Essen war köstlich.", "🦈 " * 20,
         "a\0b", "card charged twice"]


def bits(vector):
    """Floats that JSON gave, as the float32 they stand for."""
    return numpy.array(vector, dtype=numpy.float32).tobytes()


def test_string(server):
    reply = server.post({"model": "minilm", "input": "Hello, world!"})
    body = reply.json()
    assert reply.status == 200
    assert body["object"] == "list"
    assert body["model"] == "minilm"
    assert body["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    [row] = body["data"]
    assert row["object"] == "embedding"
    assert row["index"] == 0
    assert len(row["embedding"]) == 384
    assert abs(math.hypot(*row["embedding"]) - 1) < 1e-5
    assert "X-Remora-Truncated" not in reply.headers


def test_array(server):
    reply = server.post({"model": "minilm", "input": TEXTS})
    rows = reply.json()["data"]
    assert [row["index"] for row in rows] == list(range(len(TEXTS)))
    alone = [server.embed(text)[0] for text in TEXTS]
    assert [bits(row["embedding"]) for row in rows] == list(map(bits, alone))
    assert len(set(map(bits, alone))) == len(TEXTS)


def test_meaning(server):
    vectors = numpy.array(server.embed(
        ["card charged twice", "I was billed two times", "blue sky"]))
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.5 > far


def test_float_and_base64_are_the_same_bits(server):
    floats = server.embed(TEXTS, encoding_format="float")
    strings = server.embed(TEXTS, encoding_format="base64")
    assert [base64.b64decode(s) for s in strings] == list(map(bits, floats))


def test_same_bits_as_the_command(server, build, model_dir, tmp_path):
    text = "The food was delicious."
    output = tmp_path / "vectors.npy"
    subprocess.run(
        [build / "remora", "embed", model_dir, "--format", "npy",
         "--output", output],
        input=text + "\n", text=True, check=True, timeout=60,
    )
    assert numpy.load(output)[0].tobytes() == bits(server.embed(text)[0])


def test_dimensions(server):
    whole = numpy.array(server.embed("hello")[0])
    [part] = server.embed("hello", dimensions=64)
    assert len(part) == 64
    expected = whole[:64] / numpy.linalg.norm(whole[:64])
    assert numpy.abs(part - expected).max() < 1e-6


def test_normalize_off(server):
    [raw] = server.embed("hello", normalize=False)
    [unit] = server.embed("hello")
    length = math.hypot(*raw)
    assert abs(length - 1) > 0.01
    assert numpy.abs(numpy.array(raw) / length - unit).max() < 1e-6


def test_prompt(server):
    """Before the text, as if it were of it."""
    assert server.embed("fish", prompt="query: ") \
        == server.embed("query: fish")
    assert server.embed("fish", prompt_name="document") \
        == server.embed("fish")
    reply = server.post({"model": "minilm", "input": "fish",
                         "prompt_name": "other"})
    assert reply.status == 400
    assert reply.json()["error"]["param"] == "prompt_name"
    assert "it has query, document" in reply.json()["error"]["message"]


def test_most_inputs(server):
    body = {"model": "minilm", "input": ["hello"] * 2048,
            "encoding_format": "base64"}
    vectors = server.post(body).vectors()
    assert len(vectors) == 2048
    assert set(vectors) == set(server.embed("hello", encoding_format="base64"))


# ------------------------------------------------------------ over-long text

LONG = "word " * 1000


def test_long_text_is_refused(server):
    reply = server.post({"model": "minilm", "input": ["short", LONG]})
    assert reply.status == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert "256" in error["message"]


@pytest.mark.parametrize("path, fields", [
    ("/cut", {}),
    ("/v1/embeddings", {"truncate": True}),
    ("/v1/embeddings", {"truncate": "END"}),
])
def test_long_text_is_cut(server, path, fields):
    reply = server.post(
        {"model": "minilm", "input": [LONG, "short", LONG], **fields},
        path=path,
    )
    vectors = reply.vectors()
    assert reply.headers["X-Remora-Truncated"] == "2"
    [exact] = server.embed("word " * 254)
    assert bits(vectors[0]) == bits(vectors[2]) == bits(exact)


def test_request_overrides_the_location(server):
    reply = server.post({"model": "minilm", "input": LONG, "truncate": False},
                        path="/cut")
    assert reply.status == 400


# ----------------------------------------------------------------- transport

def large_body():
    """About 100 kB, of which most is not text."""
    texts = [f"number {i}" for i in range(40)]
    return json.dumps({"model": "minilm", "input": texts,
                       "user": "x" * 100_000}).encode()


@pytest.mark.parametrize("path", ["/disk", "/file"])
def test_body_on_disk(server, path):
    expected = server.post(large_body()).body
    reply = server.post(large_body(), path=path)
    assert reply.status == 200
    assert reply.body == expected


@pytest.mark.parametrize("path", ["/v1/embeddings", "/disk"])
@pytest.mark.parametrize("size", [1, 7, 20_000])
def test_chunked_body(server, path, size):
    body = large_body()
    if size == 1:
        body = json.dumps({"model": "minilm", "input": "one by one"}).encode()
    chunks = (body[i:i + size] for i in range(0, len(body), size))
    connection = server.connection()
    connection.request("POST", path, chunks, encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    reply = Reply(connection.getresponse())
    connection.close()
    assert reply.body == server.post(body).body


def test_body_in_pieces(server):
    """Header and body arrive one byte at a time."""
    data = raw_post(b'{"model":"minilm","input":"slow"}',
                    headers="Connection: close\r\n")
    with server.raw() as client:
        for i in range(len(data)):
            client.sendall(data[i:i + 1])
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["data"]


def test_pipelining(server):
    """Three requests in one packet: three answers in their order."""
    bodies = [
        json.dumps({"model": "minilm", "input": text}).encode()
        for text in ("first", "second", "third")
    ]
    expected = [server.post(body).body for body in bodies]
    data = raw_post(bodies[0]) + raw_post(bodies[1])
    data += raw_post(bodies[2], headers="Connection: close\r\n")
    with server.raw(data) as client:
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    positions = [answer.find(body) for body in expected]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_expect_continue(server):
    body = json.dumps({"model": "minilm", "input": "polite"}).encode()
    with server.raw(
        raw_post(body, headers="Expect: 100-continue\r\n"
                 "Connection: close\r\n")[:-len(body)]
    ) as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_http_1_0(server):
    body = b'{"model":"minilm","input":"old"}'
    data = raw_post(body).replace(b"HTTP/1.1", b"HTTP/1.0")
    with server.raw(data) as client:
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["data"]


def test_keep_alive_after_errors(server):
    """One connection survives every kind of refusal."""
    connection = server.connection()

    def ask(method, path, body=None):
        reply = server.request(method, path, body, connection=connection)
        assert reply.headers["Connection"] == "keep-alive"
        return reply.status

    good = json.dumps({"model": "minilm", "input": "again"}).encode()
    assert ask("POST", "/v1/embeddings", good) == 200
    socket = connection.sock
    assert ask("POST", "/v1/embeddings", b"no JSON") == 400
    assert ask("POST", "/v1/embeddings", b"") == 400
    assert ask("PUT", "/v1/embeddings", good) == 405
    assert ask("POST", "/v1/embeddings",
               good.replace(b"minilm", b"gpt-5")) == 404
    assert ask("GET", "/v1/embeddings") == 405
    assert ask("HEAD", "/v1/embeddings") == 405
    assert ask("POST", "/health", good) == 405
    assert ask("GET", "/plain") == 200
    assert ask("POST", "/v1/embeddings", good) == 200
    assert connection.sock is socket
    connection.close()


def test_gzip(server):
    connection = server.connection()
    body = {"model": "minilm", "input": TEXTS}
    plain = server.post(body)
    packed = server.post(body, headers={"Accept-Encoding": "gzip"},
                         connection=connection)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    connection.close()


def test_inside_an_if(server):
    body = {"model": "minilm", "input": "if"}
    marked = server.post(body, path="/if?mark=yes")
    assert marked.headers["X-Mark"] == "yes"
    assert marked.body == server.post(body, path="/if").body


@pytest.fixture
def http2(nginx):
    return nginx.configure(listen=" http2", http="""
        remora_model minilm models/all-MiniLM-L6-v2;
        remora_threads 1;
    """, server="""
        location = /v1/embeddings { remora_embeddings minilm; }
        location = /disk {
            remora_embeddings minilm;
            client_body_buffer_size 1k;
        }
        location = /health { remora_health; }
    """).start()


def test_curl_http2(http2, config):
    request = http2.prefix / "request.json"
    request.write_bytes(large_body())
    command = [config["CURL"], "--http2-prior-knowledge", "--silent",
               "--show-error", "--fail", "--write-out", "%{http_version}"]
    replies = []
    for arguments in (["/v1/embeddings", "-d", f"@{request}"],
                      ["/disk", "-d", f"@{request}"], ["/health"]):
        output = http2.prefix / "reply.json"
        result = subprocess.run(
            [*command, "-o", output, http2.url + arguments[0], *arguments[1:]],
            capture_output=True, text=True, timeout=60,
        )
        assert (result.returncode, result.stdout) == (0, "2"), result.stderr
        replies.append(json.loads(output.read_bytes()))
    assert replies[0] == replies[1]
    assert len(replies[0]["data"]) == 40
    assert replies[2]["status"] == "ok"


def test_http2_streams(http2):
    """Many at once, some of which are reset while they wait or run; the replies
    that are left are whole."""
    texts = [f"stream {i}" for i in range(30)]
    bodies = [json.dumps({"model": "minilm", "input": text}).encode()
              for text in texts]
    slow = json.dumps({"model": "minilm",
                       "input": ["word " * 200] * 50}).encode()
    with Http2(http2.port) as client:
        expected = [client.wait(client.post("/v1/embeddings", body))
                    for body in bodies]
        assert {status for status, _ in expected} == {200}
        doomed = client.post("/disk", slow)
        streams = [client.post("/v1/embeddings", body) for body in bodies]
        for stream in streams[::3]:
            client.reset(stream)
        client.reset(doomed)
        for number, stream in enumerate(streams):
            if number % 3:
                assert client.wait(stream) == expected[number]
        assert client.wait(client.post("/v1/embeddings", b"{"))[0] == 400
    wait_for(lambda: 499 in http2.statuses(), what="499")


def test_http2_large_reply(http2):
    """A stream that is reset while its frames wait for a client that does not
    read: the frame that has begun is sent whole, after the request's end."""
    body = json.dumps({"model": "minilm", "input": ["hello"] * 300}).encode()
    with Http2(http2.port) as client:
        expected = client.wait(client.post("/v1/embeddings", body))
    assert expected[0] == 200
    with Http2(http2.port, receive=4096) as client:
        for _ in range(3):
            stream = client.post("/v1/embeddings", body)
            while client.streams[stream][0] is None:
                client.read_frame()
            time.sleep(0.2)
            client.reset(stream)
        status, _ = client.wait(client.post("/v1/embeddings", b"{"))
    assert status == 400
    wait_for(lambda: http2.statuses() == [200] * 4 + [400], what="five lines")


# --------------------------------------------------------- the openai client

def client_options(server):
    return {"base_url": f"{server.url}/v1", "api_key": "none",
            "max_retries": 0, "timeout": 60}


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_openai_client(server, encoding):
    options = {"encoding_format": encoding} if encoding else {}
    with openai.OpenAI(**client_options(server)) as client:
        reply = client.embeddings.create(model="minilm", input=TEXTS,
                                         **options)
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 0
    expected = server.embed(TEXTS)
    for row, vector in zip(reply.data, expected, strict=True):
        found = row.embedding
        if encoding == "base64":
            found = numpy.frombuffer(base64.b64decode(found), "<f4")
        assert bits(found) == bits(vector)


def test_openai_client_asynchronous(server):
    async def ask():
        async with openai.AsyncOpenAI(**client_options(server)) as client:
            return await asyncio.gather(*(
                client.embeddings.create(model="minilm", input=text,
                                         dimensions=128)
                for text in TEXTS
            ))

    replies = asyncio.run(ask())
    expected = server.embed(TEXTS, dimensions=128)
    assert [bits(r.data[0].embedding) for r in replies] == [
        bits(vector) for vector in expected
    ]


def test_openai_client_errors(server):
    with openai.OpenAI(**client_options(server)) as client:
        with pytest.raises(openai.BadRequestError) as error:
            client.embeddings.create(model="minilm", input="")
        assert error.value.type == "invalid_request_error"
        with pytest.raises(openai.NotFoundError) as error:
            client.embeddings.create(model="ada", input="hello")
        assert error.value.code == "model_not_found"
