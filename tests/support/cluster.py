"""A cluster as a person with kubectl sees it, for the end-to-end tests."""

import json
import os
import pathlib
import subprocess
import sysconfig
import time
from collections.abc import Callable
from typing import Any, TypeVar

from carthub_dev.toolchain import kubectl

T = TypeVar("T")

# Where this environment's own commands are, `carthub` among them.
_SCRIPTS = sysconfig.get_path("scripts")


def eventually(
    look: Callable[[], T | None],
    *,
    what: str,
    timeout_seconds: float = 90,
    every_seconds: float = 0.25,
) -> T:
    """Return the first true answer of `look`; past the time fail with `what`."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds:g} s: {what} (last: {answer!r})")
        time.sleep(every_seconds)


class Cluster:
    """kubectl, and carthub, against one kubeconfig."""

    def __init__(self, kubeconfig: pathlib.Path) -> None:
        self.environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PATH": os.pathsep.join([str(kubectl().parent), _SCRIPTS, os.environ["PATH"]]),
        }

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Return the finished kubectl, whatever it answered."""
        return subprocess.run(
            ["kubectl", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what kubectl printed; fail with its complaint when it failed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    def apply(self, *manifests: dict[str, Any]) -> str:
        """Apply the manifests as a person would."""
        return self.kubectl("apply", "-f", "-", stdin="\n".join(json.dumps(m) for m in manifests))

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """Return the object, or None where there is none."""
        done = self.run("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] | None = json.loads(done.stdout) if done.stdout.strip() else None
        return found

    def items(self, kinds: str, namespace: str, *, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of these kinds, optionally by label."""
        listed = self.kubectl("get", kinds, "-n", namespace, "-l", selector, "-o", "json")
        found: list[dict[str, Any]] = json.loads(listed)["items"]
        return found

    def condition(self, name: str, namespace: str, kind: str) -> dict[str, Any] | None:
        """Return one condition of a CartService, or None while it is not told."""
        resource = self.get("cartservice", name, namespace) or {}
        told = resource.get("status", {}).get("conditions", [])
        return next((c for c in told if c["type"] == kind), None)

    def wait_ready(
        self, name: str, namespace: str, *, timeout_seconds: float = 180
    ) -> dict[str, Any]:
        """Return the CartService once it is Ready for its current generation."""

        def ready() -> dict[str, Any] | None:
            resource = self.get("cartservice", name, namespace)
            if resource is None:
                return None
            generation = resource["metadata"]["generation"]
            for told in resource.get("status", {}).get("conditions", []):
                if told["type"] == "Ready" and told["status"] == "True":
                    return resource if told["observedGeneration"] == generation else None
            return None

        def explain() -> str:
            return self.run("describe", "cartservice", name, "-n", namespace).stdout[-3000:]

        try:
            return eventually(
                ready, what=f"CartService {namespace}/{name} Ready", timeout_seconds=timeout_seconds
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{explain()}") from None
