"""Helm, as users install the chart with it; its own files stay in a folder of the caller's."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from carthub_dev import paths, toolchain
from carthub_dev.errors import PlatformError

CHART = paths.REPOSITORY / "charts" / "carthub-operator"
RELEASE = "carthub-operator"

_SECONDS = 300.0
_FOLDERS = ("CACHE", "CONFIG", "DATA")


class HelmFailed(PlatformError):
    """Helm ended with an error; `said` is what it wrote."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"{command}: {said.strip()}")
        self.said = said


class Helm:
    """Helm with a kubeconfig, or without one where it only renders."""

    def __init__(self, home: Path, kubeconfig: Path | None = None) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        self.environment = {
            **{key: value for key, value in kept.items() if not key.lower().endswith("_proxy")},
            "KUBECONFIG": str(kubeconfig or home / "no-cluster"),
            **{f"HELM_{what}_HOME": str(home / what.lower()) for what in _FOLDERS},
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the words of a call, for callers that run it themselves."""
        return [str(toolchain.tool_set("helm").binary("helm")), *arguments]

    def __call__(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run helm, with `values` besides what the arguments say, and return what it prints."""
        given = ["--values", "-"] if values is not None else []
        done = subprocess.run(
            self.command(*arguments, *given),
            env=self.environment,
            input=json.dumps(values) if values is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        if done.returncode:
            raise HelmFailed(f"helm {' '.join(arguments)}", done.stderr or done.stdout)
        return done.stdout

    def objects(
        self,
        *arguments: str,
        values: Mapping[str, Any] | None = None,
        chart: Path = CHART,
        namespace: str = "carthub-system",
    ) -> list[dict[str, Any]]:
        """Return what the chart renders."""
        words = ("template", RELEASE, str(chart), "--namespace", namespace)
        rendered = yaml.safe_load_all(self(*words, *arguments, values=values))
        return [one for one in rendered if one]
