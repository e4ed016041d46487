"""What is kept of a benchmark: a small JSON that the page and the picture are made of."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from benchmarks.figures import Figures, Sized, Spread


@dataclass(frozen=True)
class Conditions:
    """Under what all of it was measured."""

    cores: int
    python: str
    client: str
    postgresql: Mapping[str, str]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """Every figure of one benchmark."""

    conditions: Conditions
    saturated: Sequence[Figures]
    # Throughput of the first named against that of the second, of the same round.
    ratios: Mapping[str, Spread]
    common_rate: Sequence[Figures]
    half_rate: Sequence[Figures]
    crowded: Sequence[Figures]
    # Throughput with each customer's own token against that with the shop's.
    own_tokens: Spread | None
    sizes: Sequence[Sized]

    def renewed(self, measured: "Results") -> "Results":
        """Return the same with those parts that were measured anew."""
        names = [one.name for one in dataclasses.fields(measured) if getattr(measured, one.name)]
        return dataclasses.replace(self, **{name: getattr(measured, name) for name in names})


_RESULTS = TypeAdapter(Results)


def write(results: Results, file: Path) -> None:
    """Write the results, easy to compare line by line."""
    file.write_bytes(_RESULTS.dump_json(results, indent=1) + b"\n")


def read(file: Path) -> Results:
    """Return results that were written."""
    return _RESULTS.validate_json(file.read_bytes())
