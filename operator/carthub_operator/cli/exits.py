"""What the exit codes mean; `carthub --help` lists them."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    # Not Ready, not valid, stalled.
    NO = 1
    ASKED_WRONGLY = 2
    NOT_IN_TIME = 3
    # The API server cannot be asked, or refuses.
    NOT_ANSWERED = 4
    NOT_FOUND = 5
