"""Durations as people write them: `90s`, `10m`, `1h30m`."""

import re
from typing import Annotated

from pydantic import Field

# Bounded, so that CEL's duration() can always read what the pattern admits.
PATTERN = "^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$"

Duration = Annotated[str, Field(pattern=PATTERN, min_length=2, max_length=18)]

_UNIT_SECONDS = {"h": 3600, "m": 60, "s": 1}


def seconds(duration: str) -> int:
    """Return a duration in seconds."""
    parts = re.findall(r"(\d+)([hms])", duration)
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in parts)


def parsed(text: str) -> int:
    """Return a duration that somebody typed in seconds; raises ValueError that says the form."""
    if not text or not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} is no duration such as 90s, 10m or 1h30m")
    return seconds(text)
