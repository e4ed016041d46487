"""The product's own statements without the product: what PostgreSQL itself would take.

pgbench draws the numbers, prepares each statement once a connection, and waits for the answer
of one before it sends the next.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from app.cart import repository
from app.db.statements import Statement
from benchmarks.errors import BenchmarkFailed
from benchmarks.workload import (
    CURRENCY,
    CURRENCY_DECIMALS,
    MAX_SET_QUANTITY,
    MIX,
    SET_PRODUCT,
    UNIT_PRICE,
    Kind,
    Size,
)
from carthub_dev.postgres import program

# More threads would count the transactions of a script without a lock, and lose some.
_THREADS = "1"
_SLACK_SECONDS = 60
_TTL = "'30 days'"
_MAX_QUANTITY, _MAX_LINES = "999", "500"
_NO_TAGS = "NULL"
# As the product's sessions: plans are made once, and do not depend on the values.
_SESSION = "-c plan_cache_mode=force_generic_plan -c timezone=UTC"

_DONE = re.compile(r"SQL script \d+: (?P<path>.+)\n(?:.*\n)*?.*?- (?P<count>\d+) transactions")
_RATE = re.compile(r"^tps = (?P<rate>[\d.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Statements:
    """What pgbench did: statements a second, and how many of each kind."""

    per_second: float
    counts: Mapping[Kind, int]


def scripts(size: Size) -> dict[Kind, str]:
    """Return the script of each kind; parameters stand in the order of the repository's."""
    customer = f"\\set customer random(1, {size.carts})\n"
    first, last = size.added_products
    product = f"\\set product random({first}, {last})\n"
    quantity = f"\\set quantity random(1, {MAX_SET_QUANTITY})\n"
    line = (":customer", ":product", "'Product'", f"'{UNIT_PRICE}'", "2", f"'{CURRENCY}'")
    # The currency is named, and no default.
    added = (str(CURRENCY_DECIMALS), "false", "1", _MAX_QUANTITY, _MAX_LINES, _TTL, _NO_TAGS)
    changed = (":customer", f"'{SET_PRODUCT}'", ":quantity", _TTL, _NO_TAGS)
    return {
        Kind.READ: customer + bound(repository.READ, "ARRAY[:customer]"),
        Kind.ADD: customer + product + bound(repository.ADD, *line, *added),
        Kind.SET: customer + quantity + bound(repository.SET, *changed),
        Kind.CHECKOUT: customer + bound(repository.CHECKOUT, ":customer", "NULL", _NO_TAGS),
    }


def bound(statement: Statement, *values: str) -> str:
    """Return the text of a statement with SQL in place of its parameters."""
    typed = [
        f"CAST({value} AS {kind})"
        for value, kind in zip(values, statement.parameter_types, strict=True)
    ]
    return re.sub(r"\$(\d+)", lambda found: typed[int(found[1]) - 1], statement.text) + ";\n"


def run(url: str, size: Size, folder: Path, *, clients: int, seconds: float) -> Statements:
    """Run the mix on as many connections as there are clients."""
    command: list[str | Path] = [
        program("pgbench"),
        "--no-vacuum",
        "--protocol=prepared",
        f"--client={clients}",
        f"--jobs={_THREADS}",
        f"--time={max(1, round(seconds))}",
    ]
    files: dict[str, Kind] = {}
    for kind, script in scripts(size).items():
        file = folder / f"{kind}.sql"
        file.write_text(script)
        files[str(file)] = kind
        command.append(f"--file={file}@{MIX[kind]}")
    done = subprocess.run(
        command,
        env=_environment(url),
        capture_output=True,
        text=True,
        timeout=seconds + _SLACK_SECONDS,
        check=False,
    )
    if done.returncode or "aborted" in done.stderr:
        raise BenchmarkFailed(f"pgbench ended with {done.returncode}: {done.stderr[-2000:]}")
    return parsed(done.stdout, files)


def parsed(report: str, files: Mapping[str, Kind]) -> Statements:
    """Return what pgbench's report says."""
    counts = {found["path"]: int(found["count"]) for found in _DONE.finditer(report)}
    rate = _RATE.search(report)
    if rate is None or counts.keys() != files.keys():
        raise BenchmarkFailed(f"pgbench's report is not as expected:\n{report}")
    return Statements(float(rate["rate"]), {files[path]: n for path, n in counts.items()})


def _environment(url: str) -> dict[str, str]:
    login = make_url(url)
    return {
        "PATH": os.environ["PATH"],
        "PGHOST": str(login.host),
        "PGPORT": str(login.port),
        "PGDATABASE": str(login.database),
        "PGUSER": str(login.username),
        "PGPASSWORD": str(login.password),
        "PGOPTIONS": _SESSION,
    }
