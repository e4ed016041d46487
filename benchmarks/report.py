"""Where the results of a benchmark go: numbers, a picture, and the tables of a page."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks import page, picture, results
from benchmarks.results import Results
from carthub_dev import paths


@dataclass(frozen=True)
class Places:
    """The files of one report."""

    numbers: Path
    picture: Path
    page: Path


PUBLISHED = Places(
    numbers=paths.REPOSITORY / "benchmarks" / "results" / "latest.json",
    picture=paths.REPOSITORY / "docs" / "benchmarks.svg",
    page=paths.REPOSITORY / "docs" / "benchmarks.md",
)
_LOCAL = paths.REPOSITORY / "build" / "benchmarks"
LOCAL = Places(
    numbers=_LOCAL / "latest.json",
    picture=_LOCAL / "benchmarks.svg",
    page=_LOCAL / "benchmarks.md",
)


def write(found: Results, places: Places) -> None:
    """Write the report; its page is the published one with other tables."""
    for place in (places.numbers, places.picture, places.page):
        place.parent.mkdir(parents=True, exist_ok=True)
    # First what took half an hour; the others can be made of it.
    results.write(found, places.numbers)
    places.picture.write_text(picture.drawn(found), "utf-8")
    tables = page.rendered(found, places.picture.name)
    text = page.with_results(PUBLISHED.page.read_text("utf-8"), tables)
    places.page.write_text(text, "utf-8")
