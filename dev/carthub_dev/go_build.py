"""One `go build`, with its progress shown: minutes when cold, seconds when Go's cache is warm."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from carthub_dev.errors import BuildFailed

_PLAIN_INTERVAL_SECONDS = 30.0
_LINES_KEPT = 40


def build(
    go: Path,
    source: Path,
    *,
    packages: tuple[str, ...],
    flags: tuple[str, ...],
    target: Path,
    label: str,
) -> float:
    """Build packages of a module into a folder and return the seconds it took."""
    environment = {**_environment(), "CGO_ENABLED": "0"}
    started = time.monotonic()
    command = [str(go), "build", "-v", *flags, "-o", f"{target}{os.sep}", *packages]
    with _display(label, _packages_in(go, source, packages, environment)) as display:
        code, last = _followed(command, source, environment, display)
    if code:
        raise BuildFailed(f"{label}: go build ended with {code}:\n" + "\n".join(last))
    return time.monotonic() - started


def module_folder(go: Path, source: Path, module: str) -> Path:
    """Return where Go keeps a module that a go.mod pins, downloaded and verified if need be."""
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        cwd=source,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(f"{module} cannot be downloaded: {done.stderr or done.stdout}")
    return Path(json.loads(done.stdout)["Dir"])


def _environment() -> dict[str, str]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    # A `go` out of the wheel must find its own library, not another installation's.
    environment.pop("GOROOT", None)
    return environment


def version(go: Path) -> str:
    """Return the version of a Go toolchain, such as 1.26.8; empty when it does not run."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        said = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, check=True, env=environment
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.strip().removeprefix("go")


def default_name(package: str) -> str:
    """Return the name `go build` gives the binary of a package: a version suffix is no name."""
    return re.sub(r"/v\d+$", "", package).rpartition("/")[2]


class _Display(Protocol):
    """How progress is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, packages: int, downloads: int) -> None: ...


class _Bar:
    """A progress bar, for people at a terminal."""

    def __init__(self, label: str, total: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._label = label
        self._task = self._progress.add_task(f"Building {label}", total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, packages: int, downloads: int) -> None:
        doing = "Building" if packages or not downloads else f"Downloading ({downloads}) for"
        self._progress.update(self._task, completed=packages, description=f"{doing} {self._label}")


class _Lines:
    """A line now and then, for logs."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label = label
        self._of = f" of at most {total}" if total else ""
        self._started = self._shown = time.monotonic()
        self._packages = 0

    def __enter__(self) -> Self:
        print(f"Building {self._label}", file=sys.stderr, flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._show("ended after")

    def update(self, packages: int, downloads: int) -> None:
        self._packages = packages
        if time.monotonic() - self._shown > _PLAIN_INTERVAL_SECONDS:
            self._show(f"{downloads} modules downloaded," if not packages else "still building,")

    def _show(self, state: str) -> None:
        self._shown = time.monotonic()
        print(
            f"{self._label}: {state} {self._shown - self._started:.0f} s, "
            f"{self._packages}{self._of} packages compiled",
            file=sys.stderr,
            flush=True,
        )


def _display(label: str, total: int | None) -> _Display:
    return _Bar(label, total) if sys.stderr.isatty() else _Lines(label, total)


def _packages_in(
    go: Path, source: Path, packages: tuple[str, ...], environment: dict[str, str]
) -> int | None:
    """Return how many packages a cold build compiles, None when Go must download them first."""
    listed = subprocess.run(
        [go, "list", "-deps", *packages],
        cwd=source,
        env={**environment, "GOFLAGS": "-mod=readonly", "GOPROXY": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    return len(listed.stdout.splitlines()) if listed.returncode == 0 else None


def _followed(
    command: list[str], source: Path, environment: dict[str, str], display: _Display
) -> tuple[int, list[str]]:
    """Run the build, feed the display, and return its exit code and last lines."""
    said: queue.Queue[str] = queue.Queue()
    last: list[str] = []
    packages = downloads = 0
    with subprocess.Popen(
        command, cwd=source, env=environment, stderr=subprocess.PIPE, text=True
    ) as go:
        assert go.stderr is not None  # noqa: S101 - a pipe was asked for
        reader = threading.Thread(target=_read, args=(go.stderr, said), daemon=True)
        reader.start()
        try:
            while reader.is_alive() or not said.empty():
                try:
                    line = said.get(timeout=0.2)
                except queue.Empty:
                    line = ""
                if line.startswith("go: downloading"):
                    downloads += 1
                elif line:
                    packages += 1
                    last = [*last[1 - _LINES_KEPT :], line]
                display.update(packages, downloads)
        except BaseException:
            go.terminate()
            raise
    return go.returncode, last


def _read(stream: IO[str], said: "queue.Queue[str]") -> None:
    for line in stream:
        said.put(line.rstrip())
