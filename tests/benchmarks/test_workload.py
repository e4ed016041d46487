import itertools
import json
from collections import Counter

import pytest

from benchmarks import workload
from benchmarks.workload import Kind, Size

_SIZE = Size(carts=50, lines=3)


def _some(count: int, *, size: Size = _SIZE, seed: int = 1) -> list[workload.Call]:
    return list(itertools.islice(workload.calls(size, seed), count))


def test_requests_come_in_the_proportions_of_the_mix() -> None:
    found = Counter(call.kind for call in _some(20_000))

    for kind, percent in workload.MIX.items():
        assert found[kind] / 200 == pytest.approx(percent, rel=0.2)


def test_the_same_seed_asks_the_same_and_another_one_does_not() -> None:
    assert _some(100) == _some(100)
    assert _some(100) != _some(100, seed=2)


@pytest.mark.parametrize("lines", [1, 2, 100])
def test_adds_and_sets_never_meet_on_a_product(lines: int) -> None:
    found = _some(5_000, size=Size(carts=5, lines=lines))

    added = {call.body["product_id"] for call in found if call.kind is Kind.ADD and call.body}
    set_to = {call.path.rpartition("/")[2] for call in found if call.kind is Kind.SET}

    assert set_to == {"1"}
    assert added <= {str(number) for number in range(2, max(2, lines) + 1)}


def test_customers_are_those_that_the_database_has() -> None:
    read = {call.path.rpartition("/")[2] for call in _some(5_000) if call.kind is Kind.READ}

    assert read == {str(number) for number in range(1, _SIZE.carts + 1)}


def test_requests_go_to_each_worker_in_turn_with_the_headers_of_its_customer() -> None:
    found = list(
        workload.requests(
            workload.calls(_SIZE, 1),
            200,
            ports=[1, 2],
            headers=lambda customer: {"Authorization": customer},
        )
    )

    assert [one.port for one in found] == [1, 2] * 100
    for call, one in zip(_some(200), found, strict=True):
        line, *headers = one.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        assert one.kind is call.kind
        assert line == f"{call.method} {call.path} HTTP/1.1"
        assert headers[:2] == [f"Host: 127.0.0.1:{one.port}", f"Authorization: {call.customer}"]


def test_a_request_has_its_body_and_type_only_when_there_is_one() -> None:
    found = workload.requests(workload.calls(_SIZE, 1), 200, ports=[1], headers=lambda _: {})

    for call, one in zip(_some(200), found, strict=True):
        head, _, body = one.raw.partition(b"\r\n\r\n")
        if call.body is None:
            assert (body, b"Content" in head) == (b"", False)
        else:
            assert json.loads(body) == call.body
            assert f"Content-Length: {len(body)}".encode() in head
            assert b"Content-Type: application/json" in head
