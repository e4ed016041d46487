"""What the API server was asked, by whom: the audit log as events that a test can count."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# Metadata only: no object and no Secret ever enters the log.
POLICY = json.dumps(
    {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            # The server's own loopback traffic would be half of the log.
            {"level": "None", "users": ["system:apiserver"]},
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},
            {"level": "Metadata"},
        ],
    }
)

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Event:
    """One request. Empty texts mean that it is not about a resource, a namespace or a name."""

    id: str
    at: dt.datetime
    verb: str
    user: str
    user_agent: str
    uri: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int

    @property
    def is_write(self) -> bool:
        """Whether it asked to change something; code tells whether it did."""
        return self.verb in _WRITES

    @classmethod
    def parse(cls, line: dict[str, Any]) -> Self:
        """Return the event of one line of the log."""
        about = line.get("objectRef", {})
        return cls(
            id=line["auditID"],
            at=dt.datetime.fromisoformat(line["requestReceivedTimestamp"]),
            verb=line["verb"],
            user=line["user"]["username"],
            user_agent=line.get("userAgent", ""),
            uri=line["requestURI"],
            group=about.get("apiGroup", ""),
            resource=about.get("resource", ""),
            subresource=about.get("subresource", ""),
            namespace=about.get("namespace", ""),
            name=about.get("name", ""),
            code=line.get("responseStatus", {}).get("code", 0),
        )


def mark(log: Path) -> int:
    """Return the end of the log as it is now."""
    return log.stat().st_size if log.exists() else 0


def events(log: Path, since: int = 0) -> Iterator[Event]:
    """Yield each request once, from a mark on, in the order of the log.

    A watch appears when it starts, any other request when it is answered.
    """
    seen = set()
    with log.open("rb") as file:
        file.seek(since)
        for text in file:
            if not text.endswith(b"\n"):
                return  # being written
            line = json.loads(text)
            is_end_of_watch = line["verb"] == "watch" and (
                line["stage"] == "ResponseComplete" and line["responseStatus"]["code"] == 200  # noqa: PLR2004 - HTTP
            )
            if not is_end_of_watch and line["auditID"] not in seen:
                seen.add(line["auditID"])
                yield Event.parse(line)
