import pytest

from app.cart import repository
from app.db.statements import Statement
from benchmarks import pgbench
from benchmarks.errors import BenchmarkFailed
from benchmarks.workload import MIX, Kind, Size

_REPORT = """pgbench (18.6)
transaction type: multiple scripts
number of transactions actually processed: 123
latency average = 3.210 ms
tps = 1234.567890 (without initial connection time)
SQL script 1: /run/read.sql
 - weight: 70 (targets 70.0% of total)
 - 90 transactions (73.2% of total)
 - number of transactions actually processed: 90 (tps = 900.1)
SQL script 2: /run/add.sql
 - weight: 25 (targets 25.0% of total)
 - 33 transactions (26.8% of total)
"""


def test_the_scripts_are_the_statements_of_the_repository() -> None:
    scripts = pgbench.scripts(Size(carts=10, lines=3))

    assert set(scripts) == set(MIX)
    assert f"{repository.READ.name}(CAST(ARRAY[:customer] AS text[]))" in scripts[Kind.READ]
    for kind, statement in (
        (Kind.ADD, repository.ADD),
        (Kind.SET, repository.SET),
        (Kind.CHECKOUT, repository.CHECKOUT),
    ):
        assert statement.text.partition("$1")[0] in scripts[kind]
        assert "$" not in scripts[kind]


def test_a_parameter_stands_where_its_number_says() -> None:
    statement = Statement("f", ("text", "integer"), "SELECT f($2, $1)")

    assert pgbench.bound(statement, ":a", "7") == (
        "SELECT f(CAST(7 AS integer), CAST(:a AS text));\n"
    )


def test_a_statement_with_another_number_of_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        pgbench.bound(Statement("f", ("text",), "SELECT f($1)"), ":a", ":b")


def test_the_report_gives_the_rate_and_the_count_of_each_kind() -> None:
    found = pgbench.parsed(_REPORT, {"/run/read.sql": Kind.READ, "/run/add.sql": Kind.ADD})

    assert found.per_second == pytest.approx(1234.56789)
    assert found.counts == {Kind.READ: 90, Kind.ADD: 33}


def test_a_report_without_a_script_is_refused() -> None:
    with pytest.raises(BenchmarkFailed, match="report"):
        pgbench.parsed(_REPORT, {"/run/read.sql": Kind.READ, "/run/set.sql": Kind.SET})
