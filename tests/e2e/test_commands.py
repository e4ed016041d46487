"""`make run` as a new user sees it: a first cart, addresses that answer, and nothing left."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from carthub_dev import session
from tests.support.cluster import eventually

INSTANCE = f"tests-run-{os.getpid()}"


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "carthub_dev", *arguments, "--instance", INSTANCE]


def _read(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        content: str = answer.read().decode()
    return content


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """`make run` in the background, and what it prints."""
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(_command("run"), stdout=file, stderr=file)
    yield process, output
    session.end(INSTANCE)
    process.wait(60)


def test_run_shows_a_first_cart_and_leaves_nothing(
    running: tuple["subprocess.Popen[bytes]", Path],
) -> None:
    process, output = running

    def shown() -> str:
        assert process.poll() is None, output.read_text()
        text = output.read_text()
        return text if "Ctrl-C ends it" in text else ""

    text = eventually(shown, what="a platform that is up", timeout_seconds=400)
    assert [f"{number}/8" for number in range(1, 9)] == re.findall(r"^\d/8", text, re.MULTILINE)
    assert re.search(r"^backend +True ", text, re.MULTILINE)
    assert "Checked out: order" in text
    for address in re.findall(r"http://127\.0\.0\.1:\d+/\w+", text):
        assert "<html" in _read(address)
    kubeconfig = re.findall(r"export KUBECONFIG=(\S+)", text)[0]
    assert Path(kubeconfig).exists()

    told = subprocess.run(_command("status", "--output", "json"), capture_output=True, check=True)
    status = json.loads(told.stdout)
    assert status["state"]["kubeconfig"] == kubeconfig
    roles = {part["role"] for part in status["parts"] if part["runs"]}
    assert {"etcd", "kube-apiserver", "kubelet of node-1", "coredns", "moto"} <= roles

    rotated = subprocess.run(_command("rotate"), capture_output=True, text=True, check=True)
    assert "login carthub_green" in rotated.stdout

    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert output.read_text().endswith("Nothing is left.\n")
    assert session.parts(INSTANCE) == []
    assert not Path(kubeconfig).exists()
