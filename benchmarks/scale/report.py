"""Where the operator's results go."""

from benchmarks import page as service_page
from benchmarks.report import LOCAL as SERVICE_LOCAL
from benchmarks.report import Places
from benchmarks.scale import page, picture, results
from benchmarks.scale.results import Results
from carthub_dev import paths

PUBLISHED = Places(
    numbers=paths.REPOSITORY / "benchmarks" / "results" / "operator.json",
    picture=paths.REPOSITORY / "docs" / "benchmarks-operator.svg",
    page=paths.REPOSITORY / "docs" / "benchmarks-operator.md",
)
_LOCAL = SERVICE_LOCAL.numbers.parent
LOCAL = Places(
    numbers=_LOCAL / "operator.json",
    picture=_LOCAL / "benchmarks-operator.svg",
    page=_LOCAL / "benchmarks-operator.md",
)


def write(found: Results, places: Places) -> None:
    """Write the report; its page is the published one with other tables.

    What was measured before of other sizes stays.
    """
    if places.numbers.exists():
        found = found.over(results.read(places.numbers))
    tables = page.rendered(found, places.picture.name)
    text = service_page.with_results(PUBLISHED.page.read_text("utf-8"), tables)
    for file in (places.page, places.numbers):
        file.parent.mkdir(parents=True, exist_ok=True)
    places.page.write_text(text, "utf-8")
    places.picture.write_text(picture.drawn(found), "utf-8")
    results.write(found, places.numbers)
