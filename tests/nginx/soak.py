#!/usr/bin/env python3
"""Asks a real nginx for embeddings, a hundred thousand times, and fails when an
answer is wrong or the worker's memory grows. It must start from nothing but
the built module and the model, and leave nothing behind.

usage: tests/nginx/soak.py [--requests N] [--clients N] [--growth KB]

Clients keep their connections alive; about one request in fifty is abandoned:
before it was sent whole, while it is computed, or while its answer is read.
Every other answer must be the same bytes as that of the first time. Large
requests come first, so that the compute threads have all the room they will
ever need. After the first tenth, resident memory may grow by --growth
kilobytes, and it must stay under 200 MB.
"""

import argparse
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
from nginx_server import Nginx, raw_post  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
LIMIT_KB = 200 * 1000
WORDS = ("card charged twice refund order late parcel password reset email "
         "shark fish ocean blue sky train delayed ticket window").split()


def bodies():
    """Requests of many shapes, as bytes."""
    choose = random.Random(7)

    def text(words):
        return " ".join(choose.choice(WORDS) for _ in range(words))

    found = [{"input": text(choose.randrange(1, 12))} for _ in range(48)]
    found += [{"input": text(5), "encoding_format": "base64"}
              for _ in range(8)]
    found += [{"input": [text(4) for _ in range(6)]} for _ in range(4)]
    found += [{"input": text(4), "dimensions": 64}, {"input": text(120)},
              {"input": text(400), "truncate": True},
              {"input": text(4), "user": "x" * 40_000},
              {"input": text(400)}, {"input": ""}]
    return [json.dumps({"model": "minilm", **body}).encode() for body in found]


class Soak:
    """Counts of what was asked, shared by the clients."""

    def __init__(self, nginx, requests):
        self.nginx = nginx
        self.left = requests
        self.done = 0
        self.aborted = 0
        self.wrong = []
        self.lock = threading.Lock()
        self.bodies = bodies()
        self.expected = [self.ask(body) for body in self.bodies]

    def ask(self, body, connection=None):
        reply = self.nginx.post(body, connection=connection)
        return reply.status, reply.body

    def warm_up(self):
        """Batches of the largest size, on every thread."""
        text = " ".join(WORDS * 10)
        body = json.dumps({"model": "minilm", "input": [text] * 40}).encode()
        clients = [threading.Thread(target=self.ask, args=(body,))
                   for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def take(self):
        """One more request to send; False when there is none, or a wrong
        answer was seen."""
        with self.lock:
            if self.left == 0 or self.wrong:
                return False
            self.left -= 1
            return True

    def client(self, seed):
        choose = random.Random(seed)
        connection = self.nginx.connection()
        try:
            while self.take():
                which = choose.randrange(len(self.bodies))
                if choose.randrange(50) == 0:
                    self.abort(self.bodies[which], choose)
                    continue
                answer = self.ask(self.bodies[which], connection)
                with self.lock:
                    self.done += 1
                    if answer != self.expected[which]:
                        self.wrong.append((which, answer))
        except Exception as error:  # told by the main thread
            with self.lock:
                self.wrong.append((None, repr(error)))
        finally:
            connection.close()

    def abort(self, body, choose):
        data = raw_post(body)
        if choose.randrange(3) == 0:
            data = data[:choose.randrange(len(data))]
        with self.nginx.raw(data) as client:
            if choose.randrange(3) == 0:
                time.sleep(choose.random() / 100)
            elif choose.randrange(2):
                client.settimeout(0.05)
                try:
                    client.recv(100)
                except TimeoutError:
                    pass
        with self.lock:
            self.done += 1
            self.aborted += 1


def resident(pid):
    """Resident memory in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(f"process {pid} has no memory")


def watch(soak, requests, clients, growth):
    """Prints memory until the clients end; returns what is wrong."""
    [worker] = soak.nginx.workers()
    started, base, peak, step = time.monotonic(), None, 0, 0
    while any(client.is_alive() for client in clients):
        time.sleep(0.05)
        while soak.done * 20 >= step * requests and step <= 20:
            kilobytes = resident(worker)
            seconds = time.monotonic() - started
            print(f"{soak.done:8d} requests {soak.aborted:6d} abandoned "
                  f"{kilobytes:8d} kB {soak.done / seconds:7.0f}/s",
                  flush=True)
            if step >= 2:
                base = kilobytes if base is None else base
                peak = max(peak, kilobytes)
            step += 1
    peak = max(peak, resident(worker))
    if soak.wrong:
        which, answer = soak.wrong[0]
        return f"wrong answer to request {which}: {str(answer)[:300]}"
    print(f"{soak.done:8d} requests, resident memory {base} kB after a tenth, "
          f"at most {peak} kB since")
    if soak.nginx.workers() != [worker]:
        return "the worker process was replaced"
    if soak.done != requests:
        return f"{soak.done} of {requests} requests were made"
    if peak - base > growth:
        return f"memory grew by {peak - base} kB, more than {growth} kB"
    if peak >= LIMIT_KB:
        return f"resident memory of {peak} kB is not under {LIMIT_KB} kB"
    return None


def settings():
    """What configure found."""
    lines = (ROOT / "build" / "config.mk").read_text().splitlines()
    return dict(line.split(" := ", 1) for line in lines if " := " in line)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--growth", type=int, default=4096, metavar="KB")
    options = parser.parse_args()

    models = Path(os.environ.get("REMORA_MODELS") or ROOT / "build/models")
    name = "all-MiniLM-L6-v2"
    nginx = Nginx(settings()["NGINX"],
                  ROOT / "build" / "ngx_http_remora_module.so",
                  {name: (models / name).resolve()})
    try:
        nginx.configure().start()
        soak = Soak(nginx, options.requests)
        soak.warm_up()
        clients = [threading.Thread(target=soak.client, args=(seed,))
                   for seed in range(options.clients)]
        for client in clients:
            client.start()
        failure = watch(soak, options.requests, clients, options.growth)
    finally:
        nginx.close()
    if failure:
        sys.exit(f"soak.py: {failure}")


if __name__ == "__main__":
    main()
