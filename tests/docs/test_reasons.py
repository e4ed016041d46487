"""Every reason and every Event that the operator tells has its entry in the documentation."""

import itertools
import re
from enum import StrEnum

import pytest

from carthub_operator.api.conditions import Advice, Reason
from carthub_operator.news import Occasion
from tests.support import markdown


@pytest.mark.parametrize(
    ("heading", "reasons"),
    [("### Reasons", Reason), ("### Warnings", Advice), ("### Events", Occasion)],
)
def test_each_reason_has_one_entry(heading: str, reasons: type[StrEnum]) -> None:
    rows = markdown.table("resource.md", heading)
    told = list(itertools.chain.from_iterable(re.findall(r"`(\w+)`", row[0]) for row in rows))

    assert sorted(told) == sorted(reasons)
    assert all(row[1] for row in rows)
