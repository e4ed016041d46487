"""Programs of Debian that a test needs, or the reason why it is skipped."""

import os
from collections.abc import Sequence

import pytest

from carthub_dev import packages
from carthub_dev.errors import ToolMissing
from carthub_dev.ledger import Ledger


def ensure_or_skip(wanted: Sequence[str], why: str, *, ledger: Ledger) -> None:
    """Install packages where that can be; else skip, and in CI fail."""
    try:
        packages.ensure(wanted, why, ledger=ledger, otherwise="do without these tests")
    except ToolMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
