"""/docs and /redoc in a real browser that reaches nothing but this service.

Skipped, with the reason, only where no browser can be had, and never in CI.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from carthub_dev import packages, programs
from carthub_dev.errors import ToolMissing
from carthub_dev.ledger import Ledger
from tests.support.issuer import running_issuer
from tests.support.raw_http import Server, running_server

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.timeout(300)
_WAIT_SECONDS = 60


@pytest.fixture(scope="session")
def browser(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    try:
        packages.ensure(
            packages.BROWSER,
            "to look at the documentation in a browser",
            ledger=ledger,
            otherwise="do without these tests",
        )
    except ToolMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs.find("chromium"))
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root has none
        "--disable-dev-shm-usage",
        "--window-size=1400,2400",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(str(programs.find("chromedriver")))
    with webdriver.Chrome(options, service) as driver:
        yield Page(driver)


class Page:
    """What the browser shows."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, server: Server, path: str) -> None:
        self._logs()
        self.driver.get(f"http://127.0.0.1:{server.port}{path}")

    def visible(self, css: str) -> "WebElement":
        """Wait for an element that can be seen."""
        condition = expected_conditions.visibility_of_element_located((By.CSS_SELECTOR, css))
        found: WebElement = WebDriverWait(self.driver, _WAIT_SECONDS).until(condition)
        return found

    def click(self, css: str) -> None:
        self.visible(css)
        # Where it is, also below what floats above the page.
        self.driver.execute_script(
            "const it = document.querySelector(arguments[0]); it.scrollIntoView(); it.click()",
            css,
        )

    def all(self, css: str) -> list["WebElement"]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def screenshot(self, folder: Path, name: str) -> None:
        """Keep what it looks like for who wants to see it."""
        (folder / f"{name}.png").write_bytes(self.driver.get_screenshot_as_png())

    def requested(self) -> set[str]:
        """Return the addresses asked for since the page was opened, refused ones left out."""
        wanted, refused = {}, set()
        for entry in self._logs():
            message = json.loads(entry["message"])["message"]
            of = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                wanted[of["requestId"]] = of["request"]["url"]
            if message["method"] == "Network.loadingFailed" and of.get("blockedReason") == "csp":
                refused.add(of["requestId"])
        return {address for request, address in wanted.items() if request not in refused}

    def complaints(self) -> list[str]:
        """Return what the page's scripts complained about, and the browser of them."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call] # untyped there
        severe = [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
        # The one thing that ReDoc wants from elsewhere: the logo of its maker.
        return [message for message in severe if "cdn.redoc.ly/redoc/logo-mini.svg" not in message]

    def _logs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log("performance")  # type: ignore[no-untyped-call] # as above
        return found


@pytest.fixture(scope="module")
def server(migrated_url: str) -> Iterator[Server]:
    with running_server({}, migrated_url) as running:
        yield running


def _foreign(page: Page, server: Server) -> set[str]:
    own = (f"http://127.0.0.1:{server.port}/", "data:", "blob:")
    return {address for address in page.requested() if not address.startswith(own)}


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
    browser.open(server, "/docs")
    browser.visible(".opblock")
    browser.screenshot(tmp_path, "docs")
    assert len(browser.all(".opblock")) >= 14
    status, body = _try_out(browser, "get_cart", {"customer_id": "somebody-new"})
    assert (status, '"customer_id": "somebody-new"' in body) == ("200", True)
    status, body = _try_out(browser, "add_item", {})
    assert (status, '"unit_price": "19.99"' in body) == ("201", True)
    browser.screenshot(tmp_path, "docs-tried")
    assert _foreign(browser, server) == set()
    assert browser.complaints() == []


def test_swagger_ui_sends_the_token_it_is_given(
    browser: Page, migrated_url: str, tmp_path: Path
) -> None:
    with running_issuer() as issuer, running_server(issuer.settings, migrated_url) as server:
        browser.open(server, "/docs")
        browser.click(".btn.authorize")
        browser.visible(".auth-container input").send_keys(issuer.token("somebody"))
        browser.click(".auth-btn-wrapper .authorize")
        browser.click(".auth-btn-wrapper .btn-done")
        status, body = _try_out(browser, "get_cart", {"customer_id": "somebody"})
        browser.screenshot(tmp_path, "docs-authorized")
        assert (status, '"customer_id": "somebody"' in body) == ("200", True)


def test_redoc_shows_every_operation(browser: Page, server: Server, tmp_path: Path) -> None:
    browser.open(server, "/redoc")
    browser.visible("[data-section-id='operation/get_cart'] h2")
    browser.screenshot(tmp_path, "redoc")
    assert len(browser.all("[data-section-id^='operation/']")) >= 14
    assert _foreign(browser, server) == set()
    assert browser.complaints() == []
