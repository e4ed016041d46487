"""Numbered steps with their times: a spinner for people at a terminal, plain lines for logs."""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console

_TITLE_WIDTH = 58


class Steps(Protocol):
    """How a start tells what it does."""

    def step(self, title: str) -> contextlib.AbstractContextManager[None]:
        """Show a step while its body runs, and its time after."""

    def loud_step(self, title: str) -> contextlib.AbstractContextManager[None]:
        """Show a step whose body shows progress of its own."""

    def say(self, message: str) -> None:
        """Show a line."""


class Silent:
    """Says nothing and keeps the seconds of each step, for tests."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Keep the time of the body."""
        started = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - started

    def loud_step(self, title: str) -> contextlib.AbstractContextManager[None]:
        """Keep the time of the body."""
        return self.step(title)

    def say(self, message: str) -> None:
        """Drop a line."""


class Shown:
    """Shows every step on a console, `total` of them."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._total = total
        self._number = 0

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show a spinner while the body runs, then a line with its time."""
        if not self.console.is_terminal:
            with self.loud_step(title):
                yield
            return
        with self._counted(title), self.console.status(f"{title} ..."):
            yield

    @contextlib.contextmanager
    def loud_step(self, title: str) -> Iterator[None]:
        """Let the body show what it does, then a line with its time."""
        with self._counted(title):
            yield

    def say(self, message: str) -> None:
        """Show a line below the step it belongs to."""
        self.console.print(message, markup=False)

    @contextlib.contextmanager
    def _counted(self, title: str) -> Iterator[None]:
        self._number += 1
        place, started = f"{self._number}/{self._total}", time.monotonic()
        try:
            yield
        except BaseException as error:
            how = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self.console.print(f"[red]{place}[/red]  {title}: [red]{how}[/red]")
            raise
        took = time.monotonic() - started
        # The times stand below each other, on a narrow terminal at its edge.
        width = min(_TITLE_WIDTH, self.console.width - len(f"{place}   {took:6.1f} s"))
        self.console.print(f"[green]{place}[/green]  {title:<{width}} [dim]{took:6.1f} s[/dim]")
