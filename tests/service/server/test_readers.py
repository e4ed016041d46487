import pytest

from app.server.readers import Reader

_PATIENCE_SECONDS = 10.0


@pytest.mark.parametrize(
    "seen",
    [
        [(0, 500), (11, 500)],
        # More to send is nothing taken.
        [(0, 500), (6, 900), (11, 900)],
        [(0, 500), (6, 499), (17, 499)],
    ],
)
def test_client_that_takes_nothing_for_too_long_has_stalled(seen: list[tuple[float, int]]) -> None:
    reader = Reader(_PATIENCE_SECONDS)
    verdicts = [reader.has_stalled(now, unsent_bytes) for now, unsent_bytes in seen]
    assert verdicts == [*[False] * (len(seen) - 1), True]


@pytest.mark.parametrize(
    "seen",
    [
        [(0, 500), (10, 500)],
        [(0, 500), (6, 499), (11, 499)],
        [(0, 500), (6, 0), (7, 500), (11, 500)],
        [(0, 0), (100, 0)],
    ],
)
def test_client_that_takes_a_little_has_not(seen: list[tuple[float, int]]) -> None:
    reader = Reader(_PATIENCE_SECONDS)
    assert not any(reader.has_stalled(now, unsent_bytes) for now, unsent_bytes in seen)
