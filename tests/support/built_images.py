"""The images of this checkout: their names, their sources, and what tests of them need."""

import os

import pytest

from carthub_dev import images

OPERATOR, SERVICE = images.NAMES
# Of each the program that is in it alone.
SOURCES = {OPERATOR: "operator/carthub_operator", SERVICE: "service/app"}
MARKS = [
    pytest.mark.node,
    # A cold build installs Debian, then both locks.
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="builds images: needs root"),
]
