"""kubectl, bound to one cluster: what users type, so what tests and the platform use."""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from carthub_dev import toolchain
from carthub_dev.errors import PlatformError

_SECONDS = 120.0


class KubectlFailed(PlatformError):
    """kubectl ended with an error; `said` is what it wrote."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"{command}: {said.strip()}")
        self.said = said


class Kubectl:
    """kubectl with a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which any client finds this cluster, and no proxy is between."""
        inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return {**inherited, "KUBECONFIG": str(self.kubeconfig)}

    def command(self, *arguments: str) -> list[str]:
        """Return the words of a call, for callers that run it themselves."""
        return [str(toolchain.kubectl()), *arguments]

    def __call__(
        self, *arguments: str, text: str | None = None, timeout_seconds: float = _SECONDS
    ) -> str:
        """Run kubectl, `text` on its standard input, and return what it prints."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                env=self.environment,
                input=text if text is not None else "",
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_seconds,
            )
        except subprocess.TimeoutExpired as error:
            late = f"no answer after {timeout_seconds:g} s"
            raise KubectlFailed(f"kubectl {' '.join(arguments)}", late) from error
        if done.returncode:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}", done.stderr or done.stdout)
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object, or a list of them, as the API server has it."""
        found: dict[str, Any] = json.loads(self("get", *arguments, "--output", "json"))
        return found

    def apply(self, objects: Iterable[dict[str, Any]]) -> str:
        """Apply objects server-side."""
        manifest = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self("apply", "--server-side", "--filename", "-", text=json.dumps(manifest))
