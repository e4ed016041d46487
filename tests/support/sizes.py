"""How much of a fault test is run: a short form in `make test`, all of it in `make faults`."""

import os


def size(*, short: int, full: int) -> int:
    """Return how many rounds, points or cases to run."""
    return full if os.environ.get("CARTHUB_FAULTS") == "full" else short
