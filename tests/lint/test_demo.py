"""The demo, run as make demo runs it: it ends well, notices a wrong answer,
ends when told to, and must never leave a process or a file behind."""

import os
import re
import signal
import subprocess
import urllib.request

import pytest


@pytest.fixture
def environment(config, model_dir, tmp_path):
    if "no" in (config["WITH_NGINX"], config["WITH_SQLITE"]):
        pytest.skip("the demo needs both hosts; configure left one out")
    return {
        **os.environ,
        "NGINX": config["NGINX"],
        "SQLITE3": config["SQLITE3"],
        "CURL": config["CURL"],
        "MODELS": str(model_dir.parent),
        "TMPDIR": str(tmp_path),
        "KEEP": "",
    }


@pytest.fixture(autouse=True)
def clean(tmp_path):
    """The demo keeps everything it makes in TMPDIR."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)  # a worker of nginx may be another user
    yield
    assert list(tmp_path.iterdir()) == []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        assert str(tmp_path).encode() + b"/" not in command, command


def demo(root, environment, **options):
    return subprocess.run(
        [str(root / "conf-examples" / "demo.sh")], env=environment,
        capture_output=True, text=True, timeout=120, **options,
    )


def test_demo_shows_right_answers(root, environment):
    run = demo(root, environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    steps = re.findall(r"^(\d+)\. ", run.stdout, re.M)
    assert steps == [str(i + 1) for i in range(len(steps))]
    assert len(steps) == 8
    assert "\033" not in run.stdout
    assert run.stdout.index("was debited two times") < run.stdout.rindex(
        "appears twice"
    )


def test_demo_notices_a_wrong_ranking(root, environment, tmp_path_factory):
    """A sqlite3 that sorts the other way round stands for a wrong answer."""
    folder = tmp_path_factory.mktemp("wrong")
    shell = folder / "sqlite3"
    shell.write_text(
        "#!/bin/sh\n"
        f"sed 's/ DESC LIMIT/ ASC LIMIT/' | '{environment['SQLITE3']}' "
        '"$@"\n'
    )
    shell.chmod(0o755)
    # Only the step with the tickets reads standard input.
    run = demo(root, {**environment, "SQLITE3": str(shell)},
               stdin=subprocess.DEVNULL)
    assert run.returncode == 1
    assert "the best tickets are" in run.stderr


def test_demo_notices_a_server_that_does_not_start(root, environment):
    run = demo(root, {**environment, "NGINX": "false"})
    assert run.returncode == 1
    assert "nginx did not start" in run.stderr


def test_demo_keeps_the_server_until_interrupted(root, environment, tmp_path):
    process = subprocess.Popen(
        [str(root / "conf-examples" / "demo.sh")],
        env={**environment, "KEEP": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    url = None
    for line in process.stdout:
        url = url or re.search(r"^   url  +(http://\S+)/v1/embeddings", line)
        if url:
            break
    assert url
    with urllib.request.urlopen(f"{url.group(1)}/health") as answer:
        assert answer.status == 200
    os.killpg(process.pid, signal.SIGINT)
    process.stdout.read()
    assert process.wait(timeout=20) == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{url.group(1)}/health", timeout=2)


def test_demo_cleans_up_when_it_is_ended(root, environment, tmp_path):
    process = subprocess.Popen(
        [str(root / "conf-examples" / "demo.sh")], env=environment,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    for line in process.stdout:
        if line.startswith("3. "):
            break
    process.terminate()
    process.stdout.read()
    assert process.wait(timeout=20) == 143
