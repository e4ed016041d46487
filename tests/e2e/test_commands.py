"""`make up` and `make down` as a new user sees them: a first cart, and nothing left of it."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from carthub_dev import paths, session

INSTANCE = f"tests-run-{os.getpid()}"


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "carthub_dev", *arguments, "--instance", INSTANCE]


def _read(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        content: str = answer.read().decode()
    return content


@pytest.fixture
def shown() -> Iterator[str]:
    """What `make up` shows; it runs `make run` in the background."""
    done = subprocess.run(_command("up"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield done.stdout
    session.end(INSTANCE)


def test_a_first_cart_is_shown_and_nothing_is_left_of_it(shown: str) -> None:
    assert [f"{number}/7" for number in range(1, 8)] == re.findall(r"^\d/7", shown, re.MULTILINE)
    assert re.search(r"^backend +True ", shown, re.MULTILINE)
    assert "Checked out: order" in shown
    for address in re.findall(r"http://127\.0\.0\.1:\d+/\w+", shown):
        assert "<html" in _read(address)
    kubeconfig = re.findall(r"export KUBECONFIG=(\S+)", shown)[0]
    assert Path(kubeconfig).exists()

    told = subprocess.run(_command("status", "--output", "json"), capture_output=True, check=True)
    status = json.loads(told.stdout)
    assert status["state"]["kubeconfig"] == kubeconfig
    roles = {part["role"] for part in status["parts"] if part["runs"]}
    assert {"etcd", "kube-apiserver", "kubelet of node-1", "coredns", "moto"} <= roles

    rotated = subprocess.run(_command("rotate"), capture_output=True, text=True, check=True)
    assert "login carthub_green" in rotated.stdout

    ended = subprocess.run(_command("down"), capture_output=True, text=True, check=True)
    assert f"Instance {INSTANCE} is removed" in ended.stdout
    log = paths.cache_dir() / "logs" / f"{INSTANCE}-up.log"
    assert log.read_text().endswith("Nothing is left.\n")
    assert session.parts(INSTANCE) == []
    assert not Path(kubeconfig).exists()
    log.unlink()
