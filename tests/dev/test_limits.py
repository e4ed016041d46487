import pytest

from carthub_dev import limits
from carthub_dev.errors import LimitReached


def test_free_instances_are_counted_up_to_what_is_asked_and_given_back() -> None:
    assert limits.free_inotify_instances(3) == 3
    assert limits.free_inotify_instances(3) == 3


def test_too_few_are_told_before_a_start_with_what_raises_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "free_inotify_instances", lambda _: 51)
    limits.check_inotify(1)
    with pytest.raises(
        LimitReached,
        match=r"^fs\.inotify\.max_user_instances is \d+, of which 51 are free; .* need 52\. "
        r"Raise it with `sysctl fs\.inotify\.max_user_instances=1024`",
    ):
        limits.check_inotify(2)
