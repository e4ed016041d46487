"""Rotations, rollouts, a failing migration and a drained node, under constant load through the
Service: no client notices; docs/rollouts.md has the figures.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.busy_cart import BusyCart
from tests.support.cluster import eventually
from tests.support.crowd import ALL, SAFE, Crowd
from tests.support.silent import SilentClient
from tests.support.sizes import size

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

_ROTATIONS = size(short=1, full=5)
_ROLLOUTS = size(short=1, full=5)
_DRAINS = size(short=1, full=4)
# Over all styles; how many one of them gets depends on how fast pods start.
_REQUESTS_OF_A_STYLE = size(short=100, full=1_700)


@pytest.fixture(scope="module")
def started(platform: "Platform") -> Iterator[BusyCart]:
    made = BusyCart(platform)
    made.start()
    yield made
    made.remove()


@pytest.fixture
def busy(started: BusyCart) -> BusyCart:
    """The CartService `busy`, Ready, whatever was done to it."""
    started.wait_ready()
    return started


def _report(what: str, crowd: Crowd, also: str = "") -> None:
    crowd.check_sums()
    print(  # noqa: T201 - the figure of the run
        f"{what}: dropped {len(crowd.failed)} / {len(crowd.answers)}; {crowd.summary()}{also}"
    )
    assert crowd.failed == []


def _single_user(busy: BusyCart) -> tuple[str, str]:
    password = busy.change_password()
    return password, busy.publish(password)


def _two_in_a_row(busy: BusyCart) -> tuple[str, str]:
    """The first is overtaken before it has arrived anywhere."""
    _single_user(busy)
    return _single_user(busy)


def _alternating_users(busy: BusyCart) -> tuple[str, str]:
    """The login in use stays good while the other gets its password, so sessions may end."""
    idle = next(login for login in busy.logins if login != busy.login)
    password = busy.change_password(idle)
    busy.end_sessions()
    return password, busy.publish(password)


_STYLES = {
    "two in a row": (_two_in_a_row, ALL),
    "one user": (_single_user, ALL),
    # An add without a key may be lost with its session, and the client is told so.
    "two users in turns, sessions ended": (_alternating_users, SAFE),
}


@pytest.mark.parametrize("style", list(_STYLES)[: size(short=1, full=3)])
def test_no_request_fails_while_the_password_rotates(busy: BusyCart, style: str) -> None:
    rotate, kinds = _STYLES[style]
    windows = []
    with busy.crowd(kinds) as crowd:
        for _ in range(_ROTATIONS):
            uids = busy.pod_uids()
            began = time.monotonic()
            password, version = rotate(busy)
            busy.wait_until_in_files(password, uids)
            windows.append(time.monotonic() - began)
            busy.wait_until_rolled_out(version=version)
        eventually(
            lambda: len(crowd.answers) >= _REQUESTS_OF_A_STYLE,
            what=f"{_REQUESTS_OF_A_STYLE} requests",
        )
        busy.wait_until_ended()
    busy.wait_ready()
    also = f", in the files after {min(windows):.1f} to {max(windows):.1f} s"
    _report(f"password rotated {_ROTATIONS} times, {style}", crowd, also)


def test_no_request_is_dropped_by_a_rollout_or_the_way_back(
    busy: BusyCart, service_image: str, second_image: str
) -> None:
    seconds = []
    with busy.silent_client() as silent, busy.crowd() as crowd:
        for _ in range(_ROLLOUTS):
            for image in (second_image, service_image):
                began = time.monotonic()
                busy.patch({"image": image})
                busy.wait_until_rolled_out(image=image)
                seconds.append(time.monotonic() - began)
        busy.wait_until_ended()
        _check_that_it_was_told(silent)
    busy.wait_ready()
    also = f", {min(seconds):.0f} to {max(seconds):.0f} s each"
    _report(f"{_ROLLOUTS} images rolled out and back", crowd, also)


def test_a_failed_migration_leaves_the_version_before_serving(
    busy: BusyCart, service_image: str, second_image: str
) -> None:
    uids = busy.pod_uids()
    with busy.crowd() as crowd:
        # The role alone is no new migration.
        busy.patch({"image": second_image, "database": {"migrations": {"ownerRole": "nobody_s"}}})
        migration = eventually(
            lambda: (
                (told := busy.condition("MigrationSucceeded")).get("status") == "False" and told
            ),
            what="the migration to fail",
            timeout_seconds=180,
        )
        stalled, available = busy.condition("Stalled"), busy.condition("DeploymentAvailable")
        assert busy.pod_uids() == uids
        busy.patch({"image": service_image, "database": {"migrations": {"ownerRole": None}}})
        busy.wait_ready()
        assert busy.pod_uids() == uids
    _report("migration that fails", crowd)

    assert migration["reason"] == "MigrationFailed"
    assert f'CREATE ROLE "nobody_s" NOLOGIN; GRANT "nobody_s" TO "{busy.login}";' in str(
        migration["message"]
    )
    assert "The version before goes on serving." in migration["message"]
    assert (stalled["status"], stalled["message"]) == ("True", migration["message"])
    assert available["status"] == "True"


@pytest.fixture
def schedulable(busy: BusyCart, platform: "Platform") -> Iterator[None]:
    """Have all nodes take pods again afterwards."""
    yield
    for node in platform.cluster.nodes:
        busy.cluster.kubectl("uncordon", node.name)


@pytest.mark.usefixtures("schedulable")
def test_no_request_fails_while_a_node_is_drained(busy: BusyCart) -> None:
    seconds = []
    with busy.crowd() as crowd:
        for turn in range(_DRAINS):
            busy.spread()
            nodes = sorted(busy.nodes())
            assert len(nodes) == 2
            drained = nodes.pop(turn % 2)
            with contextlib.ExitStack() as kept:
                silent = [kept.enter_context(busy.silent_client()) for _ in range(8)]
                began = time.monotonic()
                busy.drain(drained)
                seconds.append(time.monotonic() - began)
                busy.wait_until_ended()
                assert busy.nodes() == set(nodes)
                for client in silent:
                    assert client.is_told_to_leave or b"200 OK" in client.ask()
            busy.cluster.kubectl("uncordon", drained)
    busy.wait_ready()
    also = f", drained after {min(seconds):.0f} to {max(seconds):.0f} s"
    _report(f"node drained, {_DRAINS} times", crowd, also)


def _check_that_it_was_told(silent: SilentClient) -> None:
    """Its pod is gone: the connection was closed, and whoever does not look is told at once."""
    assert silent.is_told_to_leave
    began = time.monotonic()
    assert silent.ask() == b""
    assert time.monotonic() - began < 1


def _false(told: dict[str, Any]) -> dict[str, Any] | None:
    return told if told.get("status") == "False" else None
