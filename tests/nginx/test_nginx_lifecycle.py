"""The life of the processes: reload, shutdown, respawn, upgrade, single process
mode. A request that was accepted must be answered through all of them."""

import contextlib
import json
import signal
import subprocess
import threading
import time

import pytest

from nginx_server import alive, raw_post, wait_for

BODY = {"model": "minilm", "input": "hello"}
# About a second of work.
SECOND = {"model": "minilm", "input": ["word " * 200] * 24}


class Load:
    """Clients that ask all the time, each request on a new connection."""

    def __init__(self, nginx, clients=4):
        self.nginx = nginx
        self.stopping = threading.Event()
        self.results = []
        self.threads = [threading.Thread(target=self.client)
                        for _ in range(clients)]

    def client(self):
        while not self.stopping.is_set():
            try:
                self.results.append(self.nginx.post(BODY).status)
            except OSError as error:
                self.results.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def more(self, number=20):
        """Waits for some more answers."""
        target = len(self.results) + number
        wait_for(lambda: len(self.results) >= target, what="answers")


@pytest.mark.parametrize("workers", [1, 2])
def test_reload_under_load(nginx, workers):
    nginx.configure(workers=workers).start()
    expected = nginx.embed("hello")
    with Load(nginx) as load:
        for _ in range(3):
            load.more()
            nginx.reload()
        load.more()
    assert set(load.results) == {200}
    assert nginx.embed("hello") == expected


def test_reload_takes_the_new_configuration(nginx):
    nginx.configure(http="remora_model minilm models/tiny;").start()
    assert len(nginx.embed("hello")[0]) == 8
    nginx.configure()
    nginx.reload()
    assert len(nginx.embed("hello")[0]) == 384


def mapped(nginx):
    """How often the master has the weights mapped."""
    maps = open(f"/proc/{nginx.process.pid}/maps").read()
    return maps.count("model.safetensors")


def test_reload_shares_the_weights(nginx):
    """The master maps one copy, however often it reloads."""
    nginx.configure().start()
    before = mapped(nginx)
    assert before >= 1
    for _ in range(3):
        nginx.reload()
    assert mapped(nginx) == before
    nginx.configure(http="remora_model minilm models/tiny;")
    nginx.reload()
    nginx.configure(http="", server="location / { return 204; }")
    nginx.reload()
    assert mapped(nginx) == 0


def test_reload_with_a_request_running(nginx):
    nginx.configure().start()
    with nginx.raw(raw_post(json.dumps(SECOND).encode(),
                            headers="Connection: close\r\n")) as client:
        time.sleep(0.1)
        nginx.reload()
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_failed_reload_keeps_what_runs(nginx):
    nginx.configure().start()
    expected = nginx.embed("hello")
    workers = nginx.workers()
    nginx.expected = [r"\[emerg\].*models/none"]
    nginx.configure(http="remora_model minilm models/none;")
    with Load(nginx, 2) as load:
        load.more()
        nginx.send(signal.SIGHUP)
        wait_for(lambda: "models/none" in nginx.log(), what="the error")
        load.more()
    assert set(load.results) == {200}
    assert nginx.workers() == workers
    assert nginx.embed("hello") == expected


def test_module_leaves_and_comes_back(nginx):
    """Configurations with and without load_module, with work before, between
    and after."""
    nginx.configure()
    with_module = nginx.conf.read_text()
    without = "\n".join(
        line for line in with_module.splitlines()
        if "remora" not in line or "location = /" in line
    )
    without = without.replace("remora_embeddings minilm;", "return 204;")
    without = without.replace("remora_health;", "return 204;")
    nginx.start()
    expected = nginx.embed("hello")
    for _ in range(2):
        nginx.write(without)
        nginx.reload()
        assert nginx.get("/health").status == 204
        nginx.reload()
        nginx.write(with_module)
        nginx.reload()
        assert nginx.embed("hello") == expected


def test_module_can_be_unloaded(build):
    """nginx may give the module's index to another module in between, so one
    that stays in memory with its old index breaks that module's directives."""
    dynamic = subprocess.run(
        ["readelf", "-d", build / "ngx_http_remora_module.so"],
        capture_output=True, text=True, check=True,
    ).stdout
    assert "NEEDED" in dynamic
    assert "NODELETE" not in dynamic


def test_quit_answers_what_runs(nginx):
    nginx.configure().start()
    [worker] = nginx.workers()
    with nginx.raw(raw_post(json.dumps(SECOND).encode())) as client:
        time.sleep(0.1)
        nginx.send(signal.SIGQUIT)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["data"]) == 24
    nginx.stop()
    assert not alive(worker)


def test_shutdown_timeout(nginx):
    """worker_shutdown_timeout ends what would take minutes."""
    nginx.configure(main="worker_shutdown_timeout 500ms;").start()
    [worker] = nginx.workers()
    body = {"model": "minilm", "input": ["word " * 250] * 2048}
    with nginx.raw(raw_post(json.dumps(body).encode())) as client:
        time.sleep(0.2)
        started = time.monotonic()
        nginx.send(signal.SIGQUIT)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(65536) == b""
        wait_for(lambda: not alive(worker), what="the worker's end")
    assert 0.4 < time.monotonic() - started < 20


def test_killed_worker_is_replaced(nginx):
    nginx.configure().start()
    expected = nginx.embed("hello")
    nginx.expected = [r"\[alert\].*exited on signal 9"]
    for _ in range(2):
        [worker] = nginx.workers()
        nginx.send(signal.SIGKILL, worker)
        wait_for(lambda: nginx.workers() not in ([], [worker]),
                 what="a new worker")
        assert nginx.embed("hello") == expected


def test_single_process(nginx):
    nginx.configure(main="master_process off;").start()
    expected = nginx.embed("hello")
    assert nginx.workers() == []
    assert nginx.get("/health").status == 200
    assert nginx.embed("hello") == expected


class Daemon:
    """nginx in the background, as a distribution starts it."""

    def __init__(self, nginx):
        self.nginx = nginx
        self.run()
        self.masters = [self.pid()]

    def run(self, *arguments):
        subprocess.run(self.nginx.command(*arguments), check=True, timeout=60)

    def pid(self):
        return int((self.nginx.prefix / "nginx.pid").read_text())

    def quit(self, pid):
        self.nginx.send(signal.SIGQUIT, pid)
        wait_for(lambda: not alive(pid), what=f"the end of {pid}")
        self.masters.remove(pid)

    def close(self):
        for pid in list(self.masters):
            self.quit(pid)


@pytest.fixture
def daemon(nginx):
    nginx.configure()
    daemon = Daemon(nginx)
    try:
        yield daemon
    finally:
        daemon.close()


def test_daemon(daemon):
    nginx, [master] = daemon.nginx, daemon.masters
    assert len(nginx.embed("hello")[0]) == 384
    daemon.run("-s", "reload")
    wait_for(lambda: nginx.log().count("start worker process ") == 2,
             what="the reload")
    assert len(nginx.embed("hello")[0]) == 384
    daemon.run("-s", "quit")
    wait_for(lambda: not alive(master), what="its end")
    daemon.masters.clear()


def test_upgrade_of_the_program(daemon):
    """USR2, then QUIT to the old master: nothing is lost."""
    nginx, [old] = daemon.nginx, daemon.masters
    expected = nginx.embed("hello")
    with Load(nginx) as load:
        load.more()
        nginx.send(signal.SIGUSR2, old)
        wait_for((nginx.prefix / "nginx.pid.oldbin").exists,
                 what="the new master")
        wait_for(lambda: (nginx.prefix / "nginx.pid").exists()
                 and daemon.pid() != old, what="its pid")
        new = daemon.pid()
        daemon.masters.append(new)
        wait_for(lambda: nginx.workers(new), what="its workers")
        load.more()
        daemon.quit(old)
        load.more()
    assert set(load.results) == {200}
    assert nginx.embed("hello") == expected
