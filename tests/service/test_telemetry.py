import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient

from app import telemetry
from app.main import create_app
from tests.support import carts
from tests.support.carts import Shopper, problem_of

_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as the service writes it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    before = structlog.get_config()
    telemetry.configure_logging("INFO")
    written = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


def _parsed(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_trace_of_the_caller_is_joined(shopper: Shopper) -> None:
    headers = {"traceparent": f"00-{_TRACE}-00f067aa0ba902b7-01"}
    answer = shopper.client.get("/nothing", headers=headers)
    assert problem_of(answer, 404, "route-not-found")["trace_id"] == _TRACE


@pytest.mark.parametrize("flags", ["00", "01"])
@pytest.mark.parametrize("version", ["00", "01", "cc"])
def test_answer_names_the_trace_and_a_part_of_its_own(
    client: TestClient, flags: str, version: str
) -> None:
    given = f"{version}-{_TRACE}-00f067aa0ba902b7-{flags}"
    answer = client.get("/", headers={"traceparent": given})
    found = re.fullmatch(
        f"00-{_TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{{16}}-{flags}", answer.headers["traceresponse"]
    )
    assert found


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        f"00-{_TRACE}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{_TRACE}-{'0' * 16}-01",
        f"ff-{_TRACE}-00f067aa0ba902b7-01",
        f"00-{_TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{_TRACE}-00f067aa0ba902b7-01-more",
        f"00-{_TRACE}-00f067aa0ba902b7-0",
    ],
)
def test_trace_that_is_none_is_replaced(client: TestClient, given: str) -> None:
    found = {
        problem_of(client.get("/x", headers={"traceparent": given}), 404, "route-not-found")[
            "trace_id"
        ]
        for _ in range(2)
    }
    assert len(found) == 2
    assert all(len(trace) == 32 for trace in found)
    assert _TRACE not in found


def test_log_line_is_json_with_the_trace(lines: io.StringIO) -> None:
    url = "postgresql://someone:canary@127.0.0.1:1/none"
    chosen = carts.settings_for(url, db_pool_timeout_seconds=0.2)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        traceparent = f"00-{_TRACE}-00f067aa0ba902b7-01"
        assert shopper.add(headers={"traceparent": traceparent}).status_code == 503
        # Not a line for each request of an outage.
        assert shopper.add().status_code == 503
    [line] = [found for found in _parsed(lines) if found["event"] == "database unavailable"]
    assert (line["level"], line["trace_id"]) == ("warning", _TRACE)
    for secret in ("canary", "someone", shopper.customer_id):
        assert secret not in lines.getvalue()


def test_unexpected_error_is_logged_without_local_variables(lines: io.StringIO) -> None:
    app = create_app(carts.settings_for("postgresql://u:p@127.0.0.1:1/none"))

    @app.get("/broken")
    def broken() -> None:
        password = bytes.fromhex("63616e617279").decode()
        raise RuntimeError(f"length {len(password)}")

    with TestClient(app) as client:
        assert client.get("/broken").status_code == 500
    [line] = [found for found in _parsed(lines) if found["event"] == "request failed"]
    assert line["exception"][0]["exc_type"] == "RuntimeError"
    assert line["route"] == "/broken"
    assert "canary" not in lines.getvalue()


def test_refused_statement_is_logged_without_its_values(own_url: str, lines: io.StringIO) -> None:
    # psycopg2's own text quotes the statement, customer included.
    carts.run_sql(own_url, "ALTER TABLE orders DROP COLUMN total CASCADE")
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        shopper.add()
        problem_of(shopper.check_out(), 500, "internal-error")
    [line] = [found for found in _parsed(lines) if found["event"] == "request failed"]
    assert line["exception"][0]["exc_type"] == "DatabaseFailed"
    assert line["exception"][0]["exc_value"] == "UndefinedColumn 42703"
    assert shopper.customer_id not in lines.getvalue()


def test_requests_are_counted_by_route_and_never_by_customer(own_url: str) -> None:
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        shopper.add(quantity=3)
        shopper.cart()
        shopper.check_out()
        shopper.check_out()
        client.get("/nowhere")
        text = client.get("/metrics").text
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    count = "http_server_request_duration_seconds_count"
    cart = (
        f'{count}{{http_request_method="GET",http_response_status_code="200",'
        'http_route="/api/v1/cart/{customer_id}"}'
    )
    unmatched = (
        f'{count}{{http_request_method="GET",http_response_status_code="404",'
        'http_route="unmatched"}'
    )
    assert (samples[cart], samples[unmatched]) == ("1.0", "1.0")
    assert samples["carthub_items_added_total"] == "3.0"
    assert samples["carthub_checkouts_total"] == "1.0"
    assert samples['carthub_refusals_total{code="cart-empty"}'] == "1.0"
    assert samples["carthub_db_pool_checked_out"] == "0.0"
    assert shopper.customer_id not in text
    assert float(samples["carthub_db_pool_wait_seconds_count"]) >= 4


def test_metrics_are_not_on_the_api_port_in_production(migrated_url: str) -> None:
    settings = carts.settings_for(migrated_url, environment="production")
    with carts.running_client(settings) as client:
        problem_of(client.get("/metrics"), 404, "route-not-found")
