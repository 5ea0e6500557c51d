"""A process that stays alive and answers: JSON lines over its pipes, one
reply for each request. Both ends are here. A process must never be asked two
things at once, nor outlive the one that started it.
"""

import json
import os
import selectors
import subprocess
import sys
import time

STOP_SECONDS = 10
LOG_LINES = 12


class Absent(Exception):
    """What was asked for is not built, or this machine does not have it."""


class Failed(Exception):
    """What was asked for should have worked."""


# ------------------------------------------------------ the one that answers

def reply_to(answer, request):
    try:
        return {"result": answer(request)}
    except Absent as reason:
        return {"absent": str(reason)}
    except Exception as problem:  # the other side says whose it is
        return {"failed": f"{type(problem).__name__}: {problem}"}


def serve(answer):
    """Calls answer with every request, a dict, and sends what it returns,
    until the pipe closes. What libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        reply = reply_to(answer, json.loads(line))
        print(json.dumps(reply), file=replies, flush=True)


# ---------------------------------------------------------- the one that asks

class Process:
    """A process started with `command` that serves; what it prints goes to
    the file `log`."""

    def __init__(self, command, log, env=None, seconds=900):
        self.log = log
        self.seconds = seconds
        self.pending = b""
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, env=env, bufsize=0,
            )
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def ask(self, **request):
        """The result of one request. Absent or Failed carry one sentence."""
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise Failed(self.ended()) from None
        reply = json.loads(self.line())
        if "absent" in reply:
            raise Absent(reply["absent"])
        if "failed" in reply:
            raise Failed(reply["failed"])
        return reply["result"]

    def line(self):
        """One line of its output, within the time a request may take."""
        until = time.monotonic() + self.seconds
        while b"\n" not in self.pending:
            left = until - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                self.process.kill()
                raise Failed(f"no answer in {self.seconds} seconds")
            block = os.read(self.process.stdout.fileno(), 1 << 16)
            if not block:
                raise Failed(self.ended())
            self.pending += block
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def ended(self):
        """How it ended, with the last that it printed."""
        status = self.process.wait(STOP_SECONDS)
        with open(self.log, errors="replace") as log:
            said = log.read().splitlines()[-LOG_LINES:]
        return "\n  ".join([f"ended with status {status}", *said])

    def close(self):
        self.selector.close()
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
