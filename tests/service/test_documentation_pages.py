"""/docs and /redoc in a real browser that reaches nothing but this service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.browser import Page
from tests.support.issuer import running_issuer
from tests.support.raw_http import Server, running_server

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(migrated_url: str) -> Iterator[Server]:
    with running_server({}, migrated_url) as running:
        yield running


def _complaints(browser: Page) -> list[str]:
    # The one thing that ReDoc wants from elsewhere: the logo of its maker.
    logo = "cdn.redoc.ly/redoc/logo-mini.svg"
    return [message for message in browser.complaints() if logo not in message]


def _try_out(page: Page, operation: str, values: dict[str, str]) -> tuple[str, str]:
    """Send an operation from Swagger UI, and return the status and the body it shows."""
    block = f"[id$='-{operation}']"
    page.click(f"{block} .opblock-summary-control")
    page.click(f"{block} .try-out__btn")
    for name, value in values.items():
        # Leaving the field makes the page take the value at once.
        page.visible(f"{block} tr[data-param-name='{name}'] input").send_keys(value, Keys.TAB)
    page.click(f"{block} .execute")
    status = page.visible(f"{block} .live-responses-table .response .response-col_status").text
    body = page.visible(f"{block} .live-responses-table .highlight-code").text
    return status.split()[0], body


def test_swagger_ui_shows_every_operation_and_sends_requests(
    browser: Page, server: Server, tmp_path: Path
) -> None:
    browser.open(server.port, "/docs")
    browser.visible(".opblock")
    browser.screenshot(tmp_path, "docs")
    assert len(browser.all(".opblock")) >= 14
    status, body = _try_out(browser, "get_cart", {"customer_id": "somebody-new"})
    assert (status, '"customer_id": "somebody-new"' in body) == ("200", True)
    status, body = _try_out(browser, "add_item", {})
    assert (status, '"unit_price": "19.99"' in body) == ("201", True)
    browser.screenshot(tmp_path, "docs-tried")
    assert browser.foreign(server.port) == set()
    assert _complaints(browser) == []


def test_swagger_ui_sends_the_token_it_is_given(
    browser: Page, migrated_url: str, tmp_path: Path
) -> None:
    with running_issuer() as issuer, running_server(issuer.settings, migrated_url) as server:
        browser.open(server.port, "/docs")
        browser.click(".btn.authorize")
        browser.visible(".auth-container input").send_keys(issuer.token("somebody"))
        browser.click(".auth-btn-wrapper .authorize")
        browser.click(".auth-btn-wrapper .btn-done")
        status, body = _try_out(browser, "get_cart", {"customer_id": "somebody"})
        browser.screenshot(tmp_path, "docs-authorized")
        assert (status, '"customer_id": "somebody"' in body) == ("200", True)


def test_redoc_shows_every_operation(browser: Page, server: Server, tmp_path: Path) -> None:
    browser.open(server.port, "/redoc")
    browser.visible("[data-section-id='operation/get_cart'] h2")
    browser.screenshot(tmp_path, "redoc")
    assert len(browser.all("[data-section-id^='operation/']")) >= 14
    assert browser.foreign(server.port) == set()
    assert _complaints(browser) == []
