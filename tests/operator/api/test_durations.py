import pytest

from carthub_operator.api.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h1m1s", 3661)]
)
def test_durations_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert seconds(text) == expected
