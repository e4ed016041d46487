import math
from dataclasses import dataclass, field

from app.server.connections import Connections


@dataclass(eq=False)
class _Fake:
    """A connection that remembers what was done to it."""

    silent_since: float = 0
    has_spoken: bool = False
    done: list[object] = field(default_factory=list)

    def check(self, now: float) -> None:
        self.done.append(now)

    def make_room(self) -> None:
        self.done.append("closed")


class _Desk:
    """Three connections at most, and a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.connections = Connections(3, lambda: self.now)
        self.every: list[_Fake] = []

    def is_admitted(self) -> bool:
        fake = _Fake()
        is_admitted = self.connections.admit(fake, [*self.every, fake])
        # One that was closed for it is gone soon.
        self.every = [one for one in self.every if not one.done]
        if is_admitted:
            self.every.append(fake)
        return is_admitted

    def three(self) -> list[_Fake]:
        assert [self.is_admitted() for _ in range(3)] == [True, True, True]
        return list(self.every)


def test_new_connection_is_turned_away_while_all_have_just_come() -> None:
    desk = _Desk()
    three = desk.three()
    assert not desk.is_admitted()
    assert [fake.done for fake in three] == [[], [], []]


def test_who_has_said_nothing_for_longest_makes_room() -> None:
    desk = _Desk()
    first, second, third = desk.three()
    desk.now += 1
    assert desk.is_admitted()
    assert [first.done, second.done, third.done] == [["closed"], [], []]
    assert desk.is_admitted()
    assert second.done == ["closed"]


def test_who_speaks_stays() -> None:
    desk = _Desk()
    three = desk.three()
    for fake in three:
        fake.silent_since = math.inf
    desk.now += 60
    assert not desk.is_admitted()


def test_who_never_spoke_goes_before_who_rests() -> None:
    desk = _Desk()
    resting, silent, busy = desk.three()
    resting.has_spoken = busy.has_spoken = True
    busy.silent_since = math.inf
    desk.now += 1
    assert desk.is_admitted()
    assert [resting.done, silent.done, busy.done] == [[], ["closed"], []]
    # Who came for it is still in its grace, and a second's rest is no reason to go.
    assert not desk.is_admitted()
    desk.every[-1].silent_since = math.inf
    desk.now += 4
    assert desk.is_admitted()
    assert [resting.done, busy.done] == [["closed"], []]


def test_connections_look_at_the_clock_twice_a_second() -> None:
    desk = _Desk()
    fake = _Fake()
    for tick in range(11):
        desk.now = 100 + tick / 10
        desk.connections.check([fake])
    assert fake.done == [100, 100.5, 101]
