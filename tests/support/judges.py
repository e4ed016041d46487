"""What GitOps tools say of an object: their own programs are asked, none is imitated."""

import concurrent.futures
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carthub_dev import paths, toolchain

ARGO_SETTINGS = paths.REPOSITORY / "deploy" / "gitops" / "argocd"
_SECONDS = 60


@dataclass(frozen=True)
class Verdict:
    """A word, such as Healthy or Current, and why."""

    word: str
    message: str


def kstatus(objects: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Return how Flux, and all that use kstatus, judge each of these objects."""
    asked = "\n".join(json.dumps(one) for one in objects)
    told = _run(str(toolchain.tool_set("kstatus").binary("kstatus")), text=asked)
    answers = [json.loads(line) for line in told.splitlines()]
    return [Verdict(answer["status"], answer["message"]) for answer in answers]


def argo(objects: Sequence[dict[str, Any]]) -> list[Verdict]:
    """Return how Argo CD judges them, with the settings that users install."""
    with (
        tempfile.TemporaryDirectory() as folder,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        settings = Path(folder, "argocd-cm.yaml")
        settings.write_text(_run(str(toolchain.kubectl()), "kustomize", str(ARGO_SETTINGS)))
        files = [Path(folder, f"{number}.json") for number, _ in enumerate(objects)]
        for file, one in zip(files, objects, strict=True):
            file.write_text(json.dumps(one))
        return list(pool.map(lambda file: _argo(file, settings), files))


def _argo(file: Path, settings: Path) -> Verdict:
    command = ("admin", "settings", "resource-overrides", "health", str(file))
    argocd = str(toolchain.tool_set("argocd").binary("argocd"))
    told = _run(argocd, *command, "--argocd-cm-path", str(settings))
    found = re.fullmatch(r"STATUS: (\w+)\nMESSAGE: (.*)\n", told, re.DOTALL)
    assert found is not None, told
    return Verdict(found[1], found[2])


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout
