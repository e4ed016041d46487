"""CodeBuild as far as a buildspec sees it: phases in order, one shell, programs that stand in.

What is not played: AWS's own image, its caches and artefacts, its phases before `install`.
"""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from carthub_dev import paths

_PHASES = ("install", "pre_build", "build", "post_build")
# A failure before `build` always ends the build; later ones when the buildspec says so.
_ALWAYS_ABORT = ("install", "pre_build")
# Found on PATH before the real program; says what it was called with.
_STAND_IN = """#!/bin/bash
stood_in() {{ printf '%s\\n' "{name} $*" >> {record}; }}
{body}
"""

# `make` with some targets stood in for. The environment is the one that the tests run in: never
# made anew under them.
_MAKE = """case "$1" in
  {targets}) stood_in "$@" ;;
  *) exec {make} --old-file=.venv/.ready "$@" ;;
esac"""


def make_without(*targets: str) -> str:
    """Return the body of a `make` that really makes everything but these targets."""
    return _MAKE.format(targets="|".join(targets), make=shutil.which("make"))


@dataclass(frozen=True)
class Build:
    """A build that has ended."""

    succeeded: bool
    # Phase, command, exit code, in the order in which they ran.
    ran: list[tuple[str, str, int]]
    stood_in: list[str]
    output: str


class CodeBuild:
    """Runs buildspecs in this checkout.

    `stand_ins` are bash bodies by the program's name; `stood_in "$@"` in one notes the call.
    """

    def __init__(self, folder: Path, stand_ins: Mapping[str, str]) -> None:
        self._folder = folder
        self._programs = folder / "programs"
        self._programs.mkdir()
        self._record = folder / "stood-in"
        self._trace = folder / "trace"
        for name, body in stand_ins.items():
            program = self._programs / name
            record = shlex.quote(str(self._record))
            program.write_text(_STAND_IN.format(name=name, record=record, body=body))
            program.chmod(0o755)

    def run(self, buildspec: Path, variables: Mapping[str, str], *, seconds: float = 500) -> Build:
        """Return the build of a buildspec, whatever became of it."""
        spec: dict[str, Any] = yaml.safe_load(buildspec.read_text())
        assert spec["version"] == 0.2
        for file in (self._record, self._trace):
            file.write_text("")
        settings = spec.get("env", {})
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **settings.get("variables", {}),
            **variables,
            "PATH": os.pathsep.join((str(self._programs), os.environ["PATH"])),
            "CODEBUILD_SRC_DIR": str(paths.REPOSITORY),
        }
        commands = [
            (phase, command)
            for phase in _PHASES
            for command in spec["phases"].get(phase, {}).get("commands", [])
        ]
        with subprocess.Popen(
            [settings.get("shell", "sh"), "-c", self._script(spec["phases"])],
            cwd=paths.REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as running:
            try:
                output, _ = running.communicate(timeout=seconds)
            except BaseException:
                # With all that it has started.
                os.killpg(running.pid, signal.SIGKILL)
                raise
        ended = [line.split() for line in self._trace.read_text().splitlines()]
        return Build(
            succeeded=running.returncode == 0,
            ran=[(*commands[int(number)], int(code)) for number, code in ended],
            stood_in=self._record.read_text().splitlines(),
            output=output,
        )

    def _script(self, phases: Mapping[str, Any]) -> str:
        assert set(phases) <= set(_PHASES)
        lines, number = ["export CODEBUILD_BUILD_SUCCEEDING=1"], 0
        for phase in _PHASES:
            found = phases.get(phase, {})
            lines.append("passed=1")
            for command in found.get("commands", []):
                lines += [
                    "if [ $passed = 1 ]; then",
                    f"eval {shlex.quote(command)}; code=$?",
                    f"echo {number} $code >> {shlex.quote(str(self._trace))}",
                    "[ $code = 0 ] || { passed=0; export CODEBUILD_BUILD_SUCCEEDING=0; }",
                    "fi",
                ]
                number += 1
            if phase in _ALWAYS_ABORT or found.get("on-failure") == "ABORT":
                lines.append("[ $passed = 1 ] || exit 1")
        return "\n".join([*lines, "[ $CODEBUILD_BUILD_SUCCEEDING = 1 ]"])
