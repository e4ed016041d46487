"""One request to the API server and its answer, in the words of our own errors.

Every request has a timeout, none is retried here: who asks comes again, with backoff.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import urllib3
from kubernetes import client, config

from carthub_operator import errors, kinds
from carthub_operator.kinds import Kind

Json = dict[str, Any]
Query = list[tuple[str, str]]
# Verb, kind, HTTP status (0: no answer), seconds.
OnCall = Callable[[str, str, int, float], None]


@dataclass(frozen=True)
class Timeouts:
    """How long one request may take."""

    connect_seconds: float = 3.0
    read_seconds: float = 15.0


class ApiServer:
    """The API server that a kubeconfig names; safe to use from several threads.

    `kubeconfig` is a path, None inside a cluster; `context` one of it, None its current one.
    """

    def __init__(
        self,
        kubeconfig: str | None,
        *,
        pool_size: int,
        on_call: OnCall,
        timeouts: Timeouts,
        context: str | None,
        user_agent: str,
    ) -> None:
        self._api = client.ApiClient(_configuration(kubeconfig, pool_size, context))
        self._api.user_agent = user_agent
        self._on_call = on_call
        self._timeouts = timeouts

    def close(self) -> None:
        """Close the connections."""
        self._api.rest_client.pool_manager.clear()

    def call(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Query | None = None,
        *,
        body: Json | bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Json:
        """Return what is answered; raises CarthubError."""
        started, status = time.monotonic(), 0
        try:
            answer, status, _ = self._api.call_api(
                path,
                method,
                query_params=query or [],
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                response_types_map=dict.fromkeys((200, 201, 202), "object"),
                _request_timeout=(self._timeouts.connect_seconds, self._timeouts.read_seconds),
            )
        except client.ApiException as error:
            status = error.status
            raise _translated(error, kind, path) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            why = type(error).__name__
            raise errors.ClusterUnavailable(f"The API server does not answer: {why}") from error
        finally:
            self._on_call(method, kind.name, status, time.monotonic() - started)
        result: Json = answer
        return result


def _configuration(
    kubeconfig: str | None, pool_size: int, context: str | None
) -> client.Configuration:
    settings = client.Configuration()
    try:
        if kubeconfig:
            config.load_kube_config(kubeconfig, context, client_configuration=settings)
        else:
            config.load_incluster_config(client_configuration=settings)
    except config.ConfigException as error:
        what = f"KUBECONFIG {kubeconfig}" if kubeconfig else "KUBECONFIG is missing"
        raise errors.ClusterUnavailable(f"{what}: {error}") from None
    # The API server is never behind the proxy that the environment names for the internet.
    settings.proxy = None
    settings.retries = False
    settings.connection_pool_maxsize = pool_size
    return settings


# How RBAC and the other authorizers put it (k8s.io/apiserver, responsewriters.forbiddenMessage).
_LACKS_RIGHT = re.compile('User ".*" cannot ')
# The same of a Secret, word for word: with anything else in it, it might quote the Secret.
_LACKS_RIGHT_ON_SECRET = re.compile(
    r'secrets "[\w.-]*" is forbidden: User "[\w:.-]*" cannot [a-z]+ resource "secrets"'
    r' in API group "" in the namespace "[\w-]*"'
)
_BY_STATUS: Mapping[int, type[errors.CarthubError]] = {
    400: errors.Rejected,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.Rejected,
    415: errors.Rejected,
    422: errors.Rejected,
}


def _translated(error: client.ApiException, kind: Kind, path: str) -> errors.CarthubError:
    """Return our error; what the API server says of a Secret may quote it and is left out."""
    try:
        answer = json.loads(error.body or "{}")
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # Not the API server, but something before it.
        answer = {}
    causes = (answer.get("details") or {}).get("causes") or ()
    name = path.rpartition("/")[2]
    text = str(answer.get("message") or "")
    is_shown = kind is not kinds.SECRET or _LACKS_RIGHT_ON_SECRET.fullmatch(text)
    said = text if is_shown else answer.get("reason")
    message = f"{kind.name} {name}: {said or f'the API server answers {error.status}'}"
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return errors.NamespaceTerminating(f"The namespace of {kind.name} {name} is being deleted")
    if any(cause.get("field") == "metadata.uid" for cause in causes):
        return errors.Conflict(message)
    if error.status == HTTPStatus.FORBIDDEN and not _LACKS_RIGHT.search(text):
        # Admission: a quota, a policy, a webhook. No right of the operator would help.
        return errors.Rejected(f"{kind.name} {name}: {_without_values(text, kind)}")
    return _BY_STATUS.get(error.status, errors.ClusterUnavailable)(message)


def _without_values(text: str, kind: Kind) -> str:
    """Return what admission says; of a Secret only what speaks of a quota."""
    if kind is kinds.SECRET and "exceeded quota" not in text:
        return "a policy or webhook of the cluster refuses it"
    return text
