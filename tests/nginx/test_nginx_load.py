"""More than the server can do: it refuses, gives up in time, forgets clients
that left, and its memory stays what it was."""

import json
import random
import resource
import signal
import socket
import subprocess
import threading
import time

import openai
import pytest

from nginx_server import raw_post, wait_for
from test_nginx_conf import threads

# Minutes of work for one thread: nobody waits until it is done.
BULK = {"model": "minilm", "input": ["word " * 250] * 2048}
SHORT = {"model": "minilm", "input": "hello"}


def bulk():
    return raw_post(json.dumps(BULK).encode())


def running(nginx):
    """The worker's compute threads have begun to work."""
    [worker] = nginx.workers()

    def busy():
        ticks = 0
        for thread in threads(worker):
            stat = open(f"/proc/{worker}/task/{thread}/stat").read()
            ticks += int(stat.rpartition(")")[2].split()[11])
        return ticks >= 10

    wait_for(busy, what="work on the bulk request")


def test_overload(nginx):
    nginx.configure(http="""
        remora_model minilm models/all-MiniLM-L6-v2;
        remora_queue jobs=1;
    """).start()
    with nginx.raw(bulk()):
        running(nginx)
        reply = nginx.post(SHORT)
        assert reply.status == 429
        assert int(reply.headers["Retry-After"]) >= 1
        assert set(reply.json()["error"]) == {"message", "type", "param",
                                              "code"}
        with openai.OpenAI(base_url=f"{nginx.url}/v1", api_key="none",
                           max_retries=0) as client:
            with pytest.raises(openai.RateLimitError):
                client.embeddings.create(**SHORT)
    wait_for(lambda: nginx.post(SHORT).status == 200,
             what="service after the overload")


def test_bulk_request_does_not_hold_up_others(nginx):
    nginx.configure(http="""
        remora_model minilm models/all-MiniLM-L6-v2;
        remora_threads 1;
    """).start()
    with nginx.raw(bulk()):
        running(nginx)
        started = time.monotonic()
        assert nginx.post(SHORT).status == 200
        assert time.monotonic() - started < 10


def test_no_threads_to_be_had(nginx):
    """Stacks of a size that no machine has: the rest of nginx works on."""
    stack = 1 << 46
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    if most != resource.RLIM_INFINITY and most < stack:
        pytest.skip("the limit of the stack cannot be raised")
    nginx.configure(server="""
        location = /v1/embeddings { remora_embeddings minilm; }
        location = /health { remora_health; }
        location = /plain { return 200 "plain"; }
    """).start(preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_STACK, (stack, most)))
    for _ in range(2):
        reply = nginx.post(SHORT)
        assert reply.status == 503
        assert "threads" in reply.json()["error"]["message"]
        assert nginx.get("/health").status == 503
    assert nginx.get("/plain").body == b"plain"
    assert "[error]" in nginx.log()
    assert "remora: cannot start" in nginx.log()


def test_event_loop_is_free(nginx):
    """Static files do not wait for a computation."""
    nginx.configure(server="""
        location = /v1/embeddings { remora_embeddings minilm; }
        location = /plain { return 200 "plain"; }
    """).start()
    with nginx.raw(bulk()):
        running(nginx)
        slowest = 0
        for _ in range(50):
            started = time.monotonic()
            assert nginx.get("/plain").body == b"plain"
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < 2


def test_timeout(nginx):
    nginx.configure(server="""
        location = /v1/embeddings {
            remora_embeddings minilm; remora_timeout 300ms;
        }
        location = /patient { remora_embeddings minilm; }
    """).start()
    connection = nginx.connection()
    started = time.monotonic()
    reply = nginx.post(BULK, connection=connection)
    assert time.monotonic() - started < 10
    assert reply.status == 504
    assert reply.json()["error"]["message"]
    # The connection lives, and the work was dropped.
    assert nginx.post(SHORT, path="/patient",
                      connection=connection).status == 200
    connection.close()


def test_health_times_out(nginx):
    nginx.configure(http="""
        remora_model minilm models/all-MiniLM-L6-v2;
        remora_threads 1;
    """, server="""
        location = /v1/embeddings { remora_embeddings minilm; }
        location = /health { remora_health; remora_timeout 1ms; }
    """).start()
    with nginx.raw(bulk()):
        running(nginx)
        reply = nginx.get("/health")
    assert reply.status == 503
    assert "remora_timeout" in reply.json()["models"][0]["message"]


@pytest.mark.parametrize("listen", ["", " http2"])
def test_client_gone_while_running(nginx, listen, config):
    """499 at once, and the compute threads are free again."""
    nginx.configure(listen=listen, http="""
        remora_model minilm models/all-MiniLM-L6-v2;
        remora_threads 1;
    """).start()
    if listen:
        request = nginx.prefix / "request.json"
        request.write_text(json.dumps(BULK))
        client = subprocess.Popen(
            [config["CURL"], "--http2-prior-knowledge", "--silent", "-d",
             f"@{request}", f"{nginx.url}/v1/embeddings"],
        )
        running(nginx)
        client.kill()
        client.wait()
    else:
        with nginx.raw(bulk()):
            running(nginx)
    wait_for(lambda: nginx.statuses() == [499], 10, "499 in the access log")

    [worker] = nginx.workers()
    [thread] = threads(worker)

    def ticks():
        stat = open(f"/proc/{worker}/task/{thread}/stat").read()
        return int(stat.rpartition(")")[2].split()[11])

    def idle():
        before = ticks()
        time.sleep(0.3)
        return ticks() == before

    wait_for(idle, 10, "the end of the work")


def test_client_gone_while_queued(nginx):
    """Hundreds of requests behind a bulk one, all abandoned."""
    nginx.configure(http="""
        remora_model minilm models/all-MiniLM-L6-v2;
        remora_threads 1;
    """).start()
    short = raw_post(json.dumps({**SHORT, "input": ["x " * 200] * 50}).encode())
    with nginx.raw(bulk()):
        running(nginx)
        clients = [nginx.raw(short) for _ in range(200)]
        for client in clients:
            client.close()
        wait_for(lambda: len(nginx.statuses()) >= 200, what="200 lines")
    wait_for(lambda: nginx.statuses().count(499) >= 150, what="499s")
    assert nginx.post(SHORT).status == 200


def test_client_gone_while_finishing(nginx):
    """Clients that leave at every moment around the end of the work."""
    nginx.configure().start()
    data = raw_post(json.dumps(SHORT).encode())
    for delay in range(200):
        with nginx.raw(data):
            time.sleep(delay / 20_000)
    assert nginx.post(SHORT).status == 200


def test_pipelining_while_running(nginx):
    """The next request arrives while the one before is computed."""
    nginx.configure().start()
    first = json.dumps({"model": "minilm", "input": ["word " * 200] * 20})
    second = json.dumps(SHORT).encode()
    expected = [nginx.post(first.encode()).body, nginx.post(second).body]
    with nginx.raw(raw_post(first.encode())) as client:
        for _ in range(5):
            time.sleep(0.02)
            client.sendall(raw_post(second))
        client.sendall(raw_post(second, headers="Connection: close\r\n"))
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == 7
    assert answer.count(expected[0]) == 1
    assert answer.count(expected[1]) == 6
    wait_for(lambda: nginx.statuses() == [200] * 9, what="nine lines")


def test_slow_reader(nginx):
    """A large reply, read slowly: its job outlives the request's handling."""
    nginx.configure().start()
    body = {"model": "minilm", "input": ["hello"] * 300}
    expected = nginx.post(body).body
    data = raw_post(json.dumps(body).encode(), headers="Connection: close\r\n")
    with nginx.raw() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        client.sendall(data)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
            if len(answer) < 500_000:
                time.sleep(0.01)
                assert nginx.get("/health").status == 200
    assert answer.partition(b"\r\n\r\n")[2] == expected


def resident(pid):
    """Resident memory in kB."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(pid)


def mixed_requests(nginx, number, seed):
    """Good, bad, large, cut and abandoned requests."""
    choose = random.Random(seed)
    connection = nginx.connection()
    many = raw_post(json.dumps({**SHORT, "input": ["a b c"] * 60}).encode())
    for _ in range(number):
        kind = choose.randrange(10)
        if kind == 0:
            assert nginx.post(b"{", connection=connection).status == 400
        elif kind == 1:
            with nginx.raw(many):
                time.sleep(choose.random() / 50)
        elif kind == 2:
            texts = ["word " * choose.randrange(1, 12) for _ in range(4)]
            reply = nginx.post({"model": "minilm", "input": texts,
                                "user": "x" * 30_000}, connection=connection)
            assert reply.status == 200
        else:
            assert nginx.post(SHORT, connection=connection).status == 200
    connection.close()


def test_memory_is_flat(nginx):
    nginx.configure().start()
    [worker] = nginx.workers()
    mixed_requests(nginx, 800, 1)
    before = resident(worker)
    mixed_requests(nginx, 1600, 2)
    after = resident(worker)
    assert nginx.workers() == [worker]
    assert after - before < 2048, (before, after)
    assert after < 200 * 1024


def test_many_connections(nginx):
    """Sixty-four clients at once; every answer is the right one."""
    nginx.configure().start()
    texts = [f"text number {i}" for i in range(16)]
    expected = [nginx.post({"model": "minilm", "input": t}).body for t in texts]
    wrong = []

    def client(number):
        connection = nginx.connection()
        for i in range(20):
            which = (number * 7 + i) % len(texts)
            reply = nginx.post({"model": "minilm", "input": texts[which]},
                               connection=connection)
            if (reply.status, reply.body) != (200, expected[which]):
                wrong.append((reply.status, reply.body[:200]))
        connection.close()

    clients = [threading.Thread(target=client, args=(n,)) for n in range(64)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert wrong == []


def test_stop_at_once_with_work_running(nginx):
    """TERM does not wait for minutes of work, only for the batches that run. On
    a machine that takes a second for them, nginx's master kills the worker."""
    nginx.configure().start()
    nginx.expected = [r"\[alert\].*exited on signal 9"]
    with nginx.raw(bulk()):
        running(nginx)
        started = time.monotonic()
        nginx.stop(signal.SIGTERM)
        assert time.monotonic() - started < 10
