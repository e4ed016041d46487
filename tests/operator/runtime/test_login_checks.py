"""Logins are tried once for everybody, and hold up nobody."""

import threading
from collections.abc import Iterator

import pytest

from carthub_operator.contracts import Login
from carthub_operator.desired.facts import DatabaseCredentials
from carthub_operator.runtime.login_checks import LoginChecks
from tests.support.cluster import eventually
from tests.support.fakes import FakeClock
from tests.support.resources import credentials

ACCEPTED = Login(is_accepted=True, max_connections=100)
REFUSED = Login(refusal="28P01")
_PATIENCE_SECONDS = 30.0


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.answer = ACCEPTED
        self.attempts: list[DatabaseCredentials] = []
        self.let_go = threading.Event()
        self.let_go.set()
        self.checks = LoginChecks(
            self._attempt, monotonic=self.clock.monotonic, patience_seconds=_PATIENCE_SECONDS
        )

    def hang(self) -> None:
        """Let databases answer no more, and let nobody wait long for one."""
        self.let_go.clear()
        self.checks._patience_seconds = 0.2  # noqa: SLF001 - a busy machine is late with an answer

    def go_on(self) -> None:
        """Let them answer again, for as long as that takes."""
        self.let_go.set()
        self.checks._patience_seconds = _PATIENCE_SECONDS  # noqa: SLF001 - as above

    def _attempt(
        self,
        credentials: DatabaseCredentials,
        *,
        ssl_mode: str,  # noqa: ARG002 - a protocol
        authority: str | None,  # noqa: ARG002 - a protocol
    ) -> Login:
        self.attempts.append(credentials)
        self.let_go.wait(30)
        return self.answer

    def ask(self, **changed: object) -> Login:
        return self.checks.attempt(credentials(**changed), ssl_mode="require", authority=None)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.let_go.set()


def test_an_answer_counts_for_everybody_with_the_same_credentials(world: World) -> None:
    assert world.ask(version_id="v1") == world.ask(version_id="v2") == ACCEPTED
    assert len(world.attempts) == 1

    world.ask(password="another")
    assert len(world.attempts) == 2


def test_a_refusal_is_tried_again_soon(world: World) -> None:
    world.answer = REFUSED
    assert world.ask() == REFUSED
    world.answer = ACCEPTED

    assert world.ask() == REFUSED
    world.clock.seconds += 6

    assert world.ask() == ACCEPTED


def test_a_database_that_does_not_answer_is_left_alone_for_a_while(world: World) -> None:
    world.hang()
    assert world.ask() == Login()
    world.answer = REFUSED

    assert world.ask(password="another") == Login()
    assert len(world.attempts) == 1
    world.go_on()
    assert world.ask(host="elsewhere") == REFUSED
    world.clock.seconds += 61

    assert world.ask(password="another") == REFUSED


def test_what_nobody_knows_of_one_login_holds_for_no_other(world: World) -> None:
    # As with a certificate authority that is the wrong one: the database itself answers.
    world.answer = Login()
    assert world.ask() == Login()
    world.answer = REFUSED

    assert world.ask(password="another") == REFUSED
    assert world.ask() == Login()
    assert len(world.attempts) == 2


def test_a_refusal_counts_until_the_database_says_otherwise(world: World) -> None:
    world.answer = REFUSED
    assert world.ask() == REFUSED
    world.answer = Login()
    world.clock.seconds += 6

    assert world.ask() == REFUSED
    assert world.ask() == REFUSED
    assert len(world.attempts) == 2
    world.answer = ACCEPTED
    world.clock.seconds += 61

    assert world.ask() == ACCEPTED


def test_an_answer_that_comes_late_counts(world: World) -> None:
    world.answer = REFUSED
    world.hang()
    assert world.ask() == Login()
    world.go_on()

    eventually(lambda: world.ask() == REFUSED, what="the late answer", every_seconds=0.01)

    assert len(world.attempts) == 1


def test_a_login_that_hangs_holds_up_a_pass_for_a_moment_only(world: World) -> None:
    world.hang()

    assert world.ask() == Login()


def test_no_more_than_four_hang_at_a_time(world: World) -> None:
    world.hang()
    for number in range(6):
        expected = Login() if number < 4 else Login(is_postponed=True)
        assert world.ask(host=f"db-{number}") == expected

    eventually(lambda: len(world.attempts) == 4, what="the four that were let through")


def test_what_was_said_counts_while_four_hang(world: World) -> None:
    world.answer = REFUSED
    assert world.ask() == REFUSED
    world.hang()
    for number in range(4):
        world.ask(host=f"db-{number}")
    world.clock.seconds += 6

    assert world.ask() == REFUSED
    assert world.ask(password="another") == Login(is_postponed=True)
    world.go_on()

    eventually(
        lambda: world.ask(password="another") == REFUSED, what="a free slot", every_seconds=0.01
    )
