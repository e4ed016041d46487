"""A real browser that reaches nothing but this machine, for tests of pages.

Skipped, with the reason, only where no browser can be had, and never in CI.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from carthub_dev import packages, programs
from carthub_dev.ledger import Ledger
from tests.support.debian import ensure_or_skip

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

_WAIT_SECONDS = 60


@pytest.fixture(scope="session")
def browser(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    ensure_or_skip(packages.BROWSER, "to look at the documentation in a browser", ledger=ledger)
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

    def open(self, port: int, path: str) -> None:
        """Open a page of a server on this machine."""
        self._logs()
        self.driver.get(f"http://127.0.0.1:{port}{path}")

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

    def foreign(self, port: int) -> set[str]:
        """Return the addresses asked for that are not of that server."""
        own = (f"http://127.0.0.1:{port}/", "data:", "blob:")
        return {address for address in self.requested() if not address.startswith(own)}

    def complaints(self) -> list[str]:
        """Return what the page's scripts complained about, and the browser of them."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call] # untyped there
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def _logs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log("performance")  # type: ignore[no-untyped-call] # as above
        return found
