"""The health endpoints: what is wrong is said, and answered 503."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from carthub_operator.api.resource import Key
from carthub_operator.runtime.health import HealthServer
from carthub_operator.runtime.metrics import Metrics


class World:
    def __init__(self) -> None:
        self.stuck: str | None = None
        self.missing: str | None = "the cluster has not been listed yet"
        self.metrics = Metrics()
        self.server = HealthServer(
            host="127.0.0.1",
            port=0,
            registry=self.metrics.registry,
            is_alive=lambda: self.stuck,
            is_ready=lambda: self.missing,
        )

    def get(self, path: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.server.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.server.start()
    yield made
    made.server.stop()


def test_alive_and_ready_are_two_things(world: World) -> None:
    assert world.get("/healthz") == (200, "ok\n")
    assert world.get("/readyz") == (503, "the cluster has not been listed yet\n")

    world.stuck, world.missing = "the work queue is stuck", None

    assert world.get("/healthz") == (503, "the work queue is stuck\n")
    assert world.get("/readyz") == (200, "ok\n")


def test_metrics_are_shown(world: World) -> None:
    world.metrics.on_api_call("PATCH", "Service", 201, 0.1)
    world.metrics.on_aws_call("DescribeSecret", "", 0.1)
    world.metrics.observe_streams(lambda: {"/apis/jobs": 5.0})
    world.metrics.observe_secrets(lambda: {("eu-west-1", "prod/db", ""): 6.0})
    world.metrics.observe_leadership(lambda: True)
    world.metrics.observe_queue(length=lambda: 3.0, oldest=lambda: 4.0)

    status, text = world.get("/metrics")

    assert status == 200
    assert 'carthub_kubernetes_request_seconds_count{code="201"' in text
    assert 'carthub_aws_request_seconds_count{code="",operation="DescribeSecret"} 1.0' in text
    assert "carthub_queue_length 3.0" in text
    assert "carthub_queue_oldest_seconds 4.0" in text
    assert 'carthub_watch_silent_seconds{path="/apis/jobs"} 5.0' in text
    secret = 'region="eu-west-1",role_arn="",secret_id="prod/db"'
    assert f"carthub_secret_unread_seconds{{{secret}}} 6.0" in text
    assert "carthub_leader 1.0" in text


def test_a_change_of_a_secret_is_shown_in_seconds_since_1970(world: World) -> None:
    backend, other = Key("shop", "backend"), Key("shop", "other")
    changed = [(other, "2026-02-30T00:00:60z"), (backend, "2026-01-02T03:04:05Z")]
    world.metrics.observe_secret_changes(lambda: changed)

    status, text = world.get("/metrics")

    assert status == 200
    shown = [line for line in text.splitlines() if line.startswith("carthub_cartservice_secret")]
    name = "carthub_cartservice_secret_changed_timestamp_seconds"
    assert shown == [f'{name}{{name="backend",namespace="shop"}} 1.767323045e+09']


def test_anything_else_is_not_found(world: World) -> None:
    assert world.get("/")[0] == 404
