import json
from pathlib import Path
from typing import Any

from carthub_dev import audit


def line(verb: str, *, stage: str = "ResponseComplete", code: int = 200, id_: str = "a") -> str:
    event: dict[str, Any] = {
        "auditID": id_,
        "stage": stage,
        "requestURI": "/api/v1/namespaces/shop/secrets/backend-db",
        "verb": verb,
        "user": {"username": "operator"},
        "userAgent": "carthub/1",
        "objectRef": {"resource": "secrets", "namespace": "shop", "name": "backend-db"},
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": "2026-01-02T03:04:05.678900Z",
    }
    return json.dumps(event) + "\n"


def test_a_line_becomes_an_event(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("patch", code=409))
    [event] = audit.events(log)
    assert event.is_write
    assert (event.user, event.resource, event.namespace, event.name, event.code) == (
        "operator",
        "secrets",
        "shop",
        "backend-db",
        409,
    )
    assert event.at.isoformat() == "2026-01-02T03:04:05.678900+00:00"
    assert event.group == event.subresource == ""


def test_a_watch_counts_once_when_it_starts(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("watch", stage="ResponseStarted", id_="old"))
    since = audit.mark(log)
    with log.open("a") as file:
        file.write(line("watch", stage="ResponseComplete", id_="old"))
        file.write(line("watch", stage="ResponseStarted", id_="new"))
        file.write(line("watch", stage="ResponseComplete", id_="new"))
        file.write(line("watch", stage="ResponseComplete", code=403, id_="refused"))
        file.write(line("get", stage="ResponseStarted", id_="exec"))
        file.write(line("get", stage="ResponseComplete", id_="exec"))
    assert [event.id for event in audit.events(log, since)] == ["new", "refused", "exec"]


def test_a_line_being_written_waits(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    assert audit.mark(log) == 0
    log.write_text(line("get") + line("list", id_="b")[:40])
    assert [event.verb for event in audit.events(log)] == ["get"]
