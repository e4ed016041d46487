import io

import pytest
from rich.console import Console

from carthub_dev.steps import Shown, Silent


def _shown(total: int) -> tuple[Shown, io.StringIO]:
    output = io.StringIO()
    return Shown(total, Console(file=output, width=120)), output


def test_steps_are_numbered_and_timed() -> None:
    steps, output = _shown(2)
    with steps.step("first"):
        pass
    with steps.loud_step("second"):
        steps.say("[in between]")

    first, between, second = output.getvalue().splitlines()
    assert first.startswith("1/2  first ")
    assert first.endswith(" s")
    assert between == "[in between]"
    assert second.startswith("2/2  second ")


def test_a_narrow_terminal_keeps_a_step_in_one_line() -> None:
    output = io.StringIO()
    steps = Shown(1, Console(file=output, width=60))
    with steps.step("A cart filled and checked out"):
        pass
    (line,) = output.getvalue().splitlines()
    assert len(line) <= 60


def test_a_failed_step_says_so() -> None:
    steps, output = _shown(1)
    with pytest.raises(OSError, match="broken"), steps.step("first"):
        raise OSError("broken")
    assert output.getvalue() == "1/1  first: failed\n"


def test_silent_steps_keep_their_seconds() -> None:
    steps = Silent()
    with steps.step("first"), steps.loud_step("second"):
        steps.say("dropped")
    assert set(steps.seconds) == {"first", "second"}
