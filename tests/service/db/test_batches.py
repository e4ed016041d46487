import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import pytest
from starlette.testclient import TestClient

from app import deadlines
from app.db.batches import Batches
from app.db.jobs import Effect
from app.errors import DatabaseUnavailable
from tests.support import carts, statements

if TYPE_CHECKING:
    from app.db.workers import Workers


def _together(client: TestClient, customer_ids: Sequence[str]) -> list[object]:
    """Read carts in one turn of the event loop."""

    async def read() -> list[object]:
        reads = [carts.service_of(client).reads.one(customer_id) for customer_id in customer_ids]
        return list(await asyncio.gather(*reads, return_exceptions=True))

    assert client.portal is not None
    answers: list[object] = client.portal.call(read)
    return answers


def test_reads_that_arrive_together_are_few_statements(own_url: str) -> None:
    with statements.noted() as sent, carts.running_client(carts.settings_for(own_url)) as client:
        shoppers = [carts.new_shopper(client) for _ in range(40)]
        for number, shopper in enumerate(shoppers[:20], 1):
            shopper.add(quantity=number)
        sent.clear()
        answers = _together(client, [shopper.customer_id for shopper in shoppers])
        executed = [statement for statement in sent if statement.startswith("EXECUTE")]
    assert len(executed) == 3
    for number, (shopper, answer) in enumerate(zip(shoppers, answers, strict=True), 1):
        document = str(getattr(answer, "document", answer))
        assert shopper.customer_id in document
        assert (f'"item_count" : {number},' in document) == (number <= 20)


def test_cart_that_postgresql_cannot_read_spoils_no_other(own_url: str) -> None:
    with carts.running_client(carts.settings_for(own_url)) as client:
        shoppers = [carts.new_shopper(client) for _ in range(5)]
        for shopper in shoppers:
            shopper.add()
        broken = shoppers[2].customer_id
        carts.run_sql(
            own_url,
            "CREATE OR REPLACE FUNCTION cart_tag_v1(p_cart carts) RETURNS text LANGUAGE sql"
            f" AS $$ SELECT (1 / (p_cart.customer_id <> '{broken}')::int)::text $$",
        )
        answers = _together(client, [shopper.customer_id for shopper in shoppers])
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds == ["CartVersion", "CartVersion", "DatabaseFailed", "CartVersion", "CartVersion"]


def test_without_a_database_each_read_has_an_error_of_its_own() -> None:
    chosen = carts.settings_for("postgresql://u:p@127.0.0.1:1/x", db_pool_timeout_seconds=0.1)
    with carts.running_client(chosen) as client:
        answers = _together(client, ["a", "b", "c"])
    assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)
    assert len({id(answer) for answer in answers}) == 3


def test_nobody_is_asked_for_who_has_given_up(migrated_url: str) -> None:
    asked: list[Sequence[str]] = []

    def ask(keys: Sequence[str]) -> dict[str, str]:
        asked.append(keys)
        return {key: key.upper() for key in keys}

    chosen = carts.settings_for(migrated_url, db_pool_size=1)
    with carts.closed_gate(migrated_url) as gate, carts.running_client(chosen) as client:
        service = carts.service_of(client)

        async def read() -> list[str | BaseException]:
            busy = asyncio.create_task(service.run(gate.pass_through, service))
            batches = Batches(service.workers, ask)
            reads = [asyncio.create_task(batches.one(key)) for key in ("a", "b")]
            await asyncio.sleep(0)
            reads[0].cancel()
            gate.open()
            await busy
            return await asyncio.gather(*reads, return_exceptions=True)

        assert client.portal is not None
        given_up, answered = client.portal.call(read)
    assert isinstance(given_up, asyncio.CancelledError)
    assert answered == "B"
    assert asked == [["b"]]


@pytest.mark.parametrize("does_first_hang", [False, True])
def test_reads_that_arrive_while_one_is_answered_go_together(
    migrated_url: str, *, does_first_hang: bool
) -> None:
    asked: list[Sequence[str]] = []
    is_asked = asyncio.Event()

    def ask(keys: Sequence[str]) -> dict[str, str]:
        asked.append(keys)
        if keys == ["a"]:
            is_asked.set()
            gate.pass_through(service)
        return {key: key.upper() for key in keys}

    chosen = carts.settings_for(migrated_url, db_pool_size=2)
    with carts.closed_gate(migrated_url) as gate, carts.running_client(chosen) as client:
        service = carts.service_of(client)
        batches = Batches(service.workers, ask)

        async def read() -> list[str]:
            reads = [asyncio.create_task(batches.one("a"))]
            await is_asked.wait()
            for key in ("b", "c"):
                reads.append(asyncio.create_task(batches.one(key)))
                # A turn of the loop each.
                await asyncio.sleep(0)
            if does_first_hang:
                await asyncio.gather(*reads[1:])
            gate.open()
            return await asyncio.gather(*reads)

        assert client.portal is not None
        assert client.portal.call(read) == ["A", "B", "C"]
    assert asked == [["a"], ["b", "c"]]


@pytest.mark.parametrize("is_one", [True, False])
def test_error_of_the_use_case_reaches_the_request(migrated_url: str, *, is_one: bool) -> None:
    def ask(keys: Sequence[str]) -> dict[str, str]:
        raise LookupError(*keys)

    with carts.running_client(carts.settings_for(migrated_url)) as client:
        workers = carts.service_of(client).workers

        async def read() -> list[object]:
            batches = Batches(workers, ask)
            reads = [batches.one(key) for key in (("a",) if is_one else ("a", "b"))]
            return list(await asyncio.gather(*reads, return_exceptions=True))

        assert client.portal is not None
        errors = client.portal.call(read)
    assert [str(error) for error in errors] == (["a"] if is_one else ["a", "b"])


class _Lanes:
    """In the workers' place: notes the deadline of each batch, and lets the first one wait."""

    def __init__(self) -> None:
        self.ends_at: list[float] = []
        self.begun, self.gate = asyncio.Event(), asyncio.Event()

    async def run(self, job: Callable[[], object], effect: Effect) -> object:
        assert effect is Effect.SAFE
        self.ends_at.append(deadlines.ends_at(0))
        self.begun.set()
        await self.gate.wait()
        return job()


def test_a_batch_has_the_deadline_of_those_who_wait_for_it() -> None:
    async def deadlines_of_batches() -> tuple[list[float], list[float]]:
        lanes = _Lanes()
        batches: Batches[str, str] = Batches(
            cast("Workers", lanes), lambda keys: {key: key for key in keys}
        )
        running = deadlines.Deadlines(10)

        async def ask(key: str) -> float:
            task = running.begin()
            await batches.one(key)
            assert not running.end(task)
            return deadlines.ends_at(0)

        first = asyncio.create_task(ask("first"))
        await lanes.begun.wait()
        # It comes while the first is being answered, and is sent when that one ends.
        second = asyncio.create_task(ask("second"))
        await asyncio.sleep(0)
        lanes.gate.set()
        own = [await first, await second]
        running.close()
        return lanes.ends_at, own

    of_batches, own = asyncio.run(deadlines_of_batches())
    assert of_batches == own
