"""A real nginx with the module in a directory of its own, on a free port of the
loopback. It must leave nothing behind: no process, no file."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

BASE = """
load_module modules/ngx_http_remora_module.so;
worker_processes {workers};
error_log error.log {level};
pid nginx.pid;
{main}
events {{ worker_connections 512; }}
http {{
    access_log access.log;
    client_body_temp_path client_body_temp;
    proxy_temp_path proxy_temp;
    fastcgi_temp_path fastcgi_temp;
    uwsgi_temp_path uwsgi_temp;
    scgi_temp_path scgi_temp;
    client_max_body_size 16m;
    {http}
    server {{
        listen 127.0.0.1:{port}{listen};
        {server}
    }}
}}
"""

SERVER = """
        location = /v1/embeddings { remora_embeddings minilm; }
        location = /health { remora_health; }
"""

BAD_LINE = re.compile(
    r"\[(alert|crit|emerg)\]|Sanitizer|runtime error:|SUMMARY:"
)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, seconds=20, what="it"):
    """Polls until condition() is true; returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen in {seconds} s")
        time.sleep(0.02)


def alive(pid):
    """A process that is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Reply:
    """A whole HTTP reply."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        assert self.headers["Content-Type"] == "application/json", self.body
        return json.loads(self.body)

    def vectors(self):
        assert self.status == 200, (self.status, self.body[:500])
        return [row["embedding"] for row in self.json()["data"]]


class Nginx:
    """Files are in self.prefix; self.port is where it listens."""

    def __init__(self, program, module, models):
        self.program = program
        self.port = free_port()
        self.prefix = Path(tempfile.mkdtemp(prefix="remora-nginx-"))
        self.prefix.chmod(0o755)  # the workers may be another user
        (self.prefix / "modules").mkdir()
        (self.prefix / "modules" / module.name).symlink_to(module)
        (self.prefix / "models").mkdir()
        for name, path in models.items():
            (self.prefix / "models" / name).symlink_to(path)
        self.process = None
        self.nworkers = 1
        self.expected = []  # patterns of bad lines that a test provokes
        self.checked = 0

    # ------------------------------------------------------- configuration

    def configure(self, server=SERVER, http=None, main="", listen="",
                  workers=1, level="notice"):
        """Writes nginx.conf; http=None opens the model as minilm."""
        if http is None:
            http = "remora_model minilm models/all-MiniLM-L6-v2;"
        self.nworkers = 0 if "master_process off" in main else workers
        self.write(BASE.format(
            server=server, http=http, main=main, listen=listen,
            workers=workers, level=level, port=self.port,
        ))
        return self

    def write(self, text):
        self.conf.write_text(text)

    @property
    def conf(self):
        return self.prefix / "nginx.conf"

    def command(self, *arguments, log="error.log"):
        """log is where errors go before nginx.conf says where."""
        return [self.program, "-e", log, "-p", str(self.prefix), "-c",
                "nginx.conf", *arguments]

    def test(self):
        """nginx -t: its exit status and what it says."""
        result = subprocess.run(
            self.command("-t", log="test.log"), capture_output=True, text=True,
            timeout=60,
        )
        return result.returncode, result.stderr

    # -------------------------------------------------------------- process

    def start(self, **popen):
        self.output = open(self.prefix / "stderr", "wb")
        self.process = subprocess.Popen(
            self.command("-g", "daemon off;"), stdin=subprocess.DEVNULL,
            stdout=self.output, stderr=self.output, **popen,
        )
        wait_for(self.listening, what="nginx listening")
        wait_for(lambda: len(self.workers()) == self.nworkers,
                 what=f"the start of {self.nworkers} workers")
        return self

    def listening(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx ended at once:\n{self.log()}")
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, number, pid=None):
        os.kill(pid or self.process.pid, number)

    def workers(self, master=None):
        """Process ids of the workers that are not shutting down."""
        master = master or self.process.pid
        found = []
        for child in self.children(master):
            with contextlib.suppress(OSError):
                title = Path(f"/proc/{child}/cmdline").read_bytes()
                if title.strip(b"\0 ") == b"nginx: worker process":
                    found.append(child)
        return found

    @staticmethod
    def children(pid):
        path = Path(f"/proc/{pid}/task/{pid}/children")
        return [int(child) for child in path.read_text().split()]

    def reload(self):
        """HUP, and waits until other workers have taken over."""
        before = set(self.workers())
        self.send(signal.SIGHUP)
        wait_for(
            lambda: len(set(self.workers()) - before) == self.nworkers
            and not before & set(self.workers()),
            what="the reload",
        )

    def stop(self, number=signal.SIGQUIT, seconds=60):
        """Ends nginx and checks that it ends well."""
        if self.process is None:
            return
        process, self.process = self.process, None
        try:
            if process.poll() is None:
                process.send_signal(number)
            assert process.wait(seconds) == 0, self.log()
        finally:
            if process.poll() is None:
                for child in self.children(process.pid):
                    os.kill(child, signal.SIGKILL)
                process.kill()
                process.wait()
            self.output.close()

    def close(self):
        """Stops, checks the log and removes every file."""
        try:
            self.stop()
            self.check_log()
        finally:
            shutil.rmtree(self.prefix)

    # ------------------------------------------------------------------ logs

    def log(self):
        return "".join(
            path.read_text(errors="replace")
            for path in (self.prefix / "error.log", self.prefix / "stderr")
            if path.exists()
        )

    def check_log(self):
        """No alert, no crit, no emerg, no sanitizer report since last time,
        beside those that the test announced in self.expected."""
        bad = [line for line in self.log().splitlines()
               if BAD_LINE.search(line)]
        bad = [line for line in bad
               if not any(re.search(p, line) for p in self.expected)]
        new, self.checked = bad[self.checked:], len(bad)
        assert new == [], "\n".join(new)

    def access(self):
        """Lines of the access log."""
        path = self.prefix / "access.log"
        return path.read_text().splitlines() if path.exists() else []

    def statuses(self):
        """HTTP statuses in the access log, in order."""
        return [int(line.split('" ')[1].split()[0]) for line in self.access()]

    # -------------------------------------------------------------- requests

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def connection(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=timeout)

    def request(self, method, path, body=None, headers=(), connection=None):
        """One request; on a connection of its own where none is given."""
        own = connection is None
        connection = connection or self.connection()
        try:
            connection.request(method, path, body, dict(headers))
            return Reply(connection.getresponse())
        finally:
            if own:
                connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, body, path="/v1/embeddings", **options):
        """body: bytes, or what is to become JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.request("POST", path, body, **options)

    def embed(self, texts, **fields):
        """The vectors of texts."""
        return self.post(
            {"model": "minilm", "input": texts, **fields}
        ).vectors()

    def raw(self, data=b"", timeout=60):
        """A connected socket that has sent data."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout)
        client.sendall(data)
        return client


def raw_post(body, path="/v1/embeddings", headers=""):
    """A POST as it goes over the wire."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
