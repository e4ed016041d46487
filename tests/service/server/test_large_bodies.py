from app.server.large_bodies import HeldBytes, LargeBodies


class _Request:
    response_complete = False


def test_connections_share_what_may_be_held() -> None:
    held = HeldBytes(most=100)
    one, other = LargeBodies(held), LargeBodies(held)
    assert one.hold(_Request(), 60)
    assert not other.hold(_Request(), 41)
    assert other.hold(_Request(), 40)
    one.let_all_go()
    assert other.hold(_Request(), 60)


def test_what_is_answered_is_held_no_longer() -> None:
    bodies, first, second = LargeBodies(HeldBytes(most=100)), _Request(), _Request()
    assert bodies.hold(first, 30)
    assert bodies.hold(second, 30)
    assert bodies.hold(first, 40)
    first.response_complete = True
    bodies.let_answered_go()
    assert bodies.hold(second, 70)
    assert not bodies.hold(second, 1)


def test_what_is_refused_is_not_held() -> None:
    held = HeldBytes(most=100)
    bodies = LargeBodies(held)
    assert not bodies.hold(_Request(), 101)
    bodies.let_all_go()
    assert held.add(100)
    assert not held.add(1)
