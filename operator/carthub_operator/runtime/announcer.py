"""Kubernetes Events, which `kubectl describe cartservice` shows."""

import secrets
from typing import Protocol

import structlog

from carthub_operator import kinds
from carthub_operator.api import names
from carthub_operator.api.resource import Key
from carthub_operator.contracts import Clock
from carthub_operator.desired.facts import Manifest
from carthub_operator.errors import CarthubError
from carthub_operator.news import News

_log = structlog.get_logger()


class EventPoster(Protocol):
    """The part of the API that takes Events."""

    def create_event(self, event: Manifest) -> None:
        """Post a Kubernetes Event; raises CarthubError."""


class EventAnnouncer:
    """Posts news as Events; `instance` names this process among the operator's replicas."""

    def __init__(self, poster: EventPoster, *, clock: Clock, instance: str) -> None:
        self._poster = poster
        self._clock = clock
        self._instance = instance

    def announce(self, key: Key, uid: str, news: News) -> None:
        """Post one Event; one that cannot be posted is logged and lost."""
        event = {
            "apiVersion": kinds.EVENT.api_version,
            "kind": kinds.EVENT.name,
            "metadata": {"name": f"{key.name}.{secrets.token_hex(8)}", "namespace": key.namespace},
            "eventTime": self._clock.now_precisely(),
            "reportingController": names.FIELD_MANAGER,
            "reportingInstance": self._instance,
            "type": "Warning" if news.is_warning else "Normal",
            "reason": news.reason,
            "action": news.action,
            "note": news.note,
            "regarding": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "namespace": key.namespace,
                "name": key.name,
                "uid": uid,
            },
        }
        try:
            self._poster.create_event(event)
        except CarthubError as error:
            _log.warning("event-lost", reason=news.reason, error=str(error))
