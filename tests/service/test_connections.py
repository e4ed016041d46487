from dataclasses import dataclass, field

from app.connections import Connections


@dataclass(eq=False)
class _Fake:
    """A connection that remembers what was done to it."""

    silent_since: float = 0
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

    def admitted(self, *, others: int = 0) -> _Fake | None:
        fake = _Fake()
        return fake if self.connections.admit(fake, others) else None

    def three(self) -> list[_Fake]:
        found = [self.admitted(others=others) for others in range(3)]
        assert all(found)
        return [fake for fake in found if fake is not None]


def test_new_connection_is_turned_away_while_all_have_just_come() -> None:
    desk = _Desk()
    three = desk.three()
    assert desk.admitted(others=3) is None
    assert [fake.done for fake in three] == [[], [], []]


def test_who_has_said_nothing_for_longest_makes_room() -> None:
    desk = _Desk()
    first, second, third = desk.three()
    desk.now += 1
    assert desk.admitted(others=3)
    assert [first.done, second.done, third.done] == [["closed"], [], []]
    assert desk.admitted(others=3)
    assert second.done == ["closed"]


def test_who_speaks_stays() -> None:
    desk = _Desk()
    three = desk.three()
    for fake in three:
        desk.connections.hear(fake)
    desk.now += 60
    assert desk.admitted(others=3) is None


def test_who_never_spoke_goes_before_who_rests() -> None:
    desk = _Desk()
    resting, silent, busy = desk.three()
    for fake in (resting, busy):
        desk.connections.hear(fake)
    desk.connections.rest(resting)
    desk.now += 1
    assert desk.admitted(others=3)
    assert [resting.done, silent.done, busy.done] == [[], ["closed"], []]
    assert desk.admitted(others=3)
    assert [resting.done, busy.done] == [["closed"], []]
    # Those that came for them are still in their grace.
    assert desk.admitted(others=3) is None


def test_connections_look_at_the_clock_twice_a_second() -> None:
    desk = _Desk()
    fake = _Fake()
    for tick in range(11):
        desk.now = 100 + tick / 10
        desk.connections.sweep([fake])
    assert fake.done == [100.5, 101.0]
