"""conf-examples/embeddings.conf as its first lines say it is used."""

import json
import re

import openai
import pytest

from nginx_server import wait_for


@pytest.fixture
def example(nginx, root):
    text = (root / "conf-examples" / "embeddings.conf").read_text()
    changed = text.replace("127.0.0.1:8080", f"127.0.0.1:{nginx.port}")
    assert changed.count(f"127.0.0.1:{nginx.port}") == 3
    nginx.write(changed)
    return nginx.start()


def test_embeddings(example):
    with openai.OpenAI(base_url=f"{example.url}/v1", api_key="none") as client:
        reply = client.embeddings.create(model="minilm",
                                         input="The food was delicious.")
    assert len(reply.data[0].embedding) == 384


def test_curl_of_the_comment(example):
    text = example.conf.read_text()
    body = re.search(r"-d '(.*)'", text).group(1)
    assert example.post(body.encode()).status == 200


def test_health(example):
    assert example.get("/health").json()["status"] == "ok"
    assert example.post({"model": "minilm", "input": "a"}).status == 200
    wait_for(example.access, what="a line in the access log")
    assert len(example.access()) == 1


def test_too_large_is_json(example):
    reply = example.post(b"x" * (17 << 20))
    assert reply.status == 413
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


def test_most_inputs_fit(example):
    texts = ["word " * 256] * 2048
    body = json.dumps({"model": "minilm", "input": texts})
    assert len(body) < 16 << 20
