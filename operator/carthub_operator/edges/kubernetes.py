"""The API server: server-side apply, by static paths, in the words of our own errors.

The only module that imports `kubernetes`. No discovery: it would cost requests and a cache file.
Every request has a timeout, none is retried here: the work queue comes again, with backoff.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import urllib3
from kubernetes import client, config

from carthub_operator import errors, kinds
from carthub_operator.api import names
from carthub_operator.contracts import NamespaceTerminating
from carthub_operator.kinds import Kind

Manifest = dict[str, Any]
# Verb, kind, HTTP status (0: no answer), seconds.
OnCall = Callable[[str, str, int, float], None]

# With a charset the client leaves a body as it is.
APPLY = "application/apply-patch+yaml; charset=utf-8"
MERGE = "application/merge-patch+json"
# Nothing has this version: an object that exists answers 409, one that does not is created.
_NO_VERSION = "1"
_PAGE = 500
# What YAML takes as it stands: printable ASCII, and all that JSON needs two escapes for.
_ESCAPED = re.compile("[^\x20-\x7e\U00010000-\U0010ffff]")
_FIELD_MANAGER = ("fieldManager", names.FIELD_MANAGER)


@dataclass(frozen=True)
class Timeouts:
    """How long one request may take."""

    connect_seconds: float = 3.0
    read_seconds: float = 15.0


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


class KubernetesCluster:
    """The objects of a cluster; safe to use from several threads.

    `kubeconfig` is a path, None inside a cluster; `context` one of it, None its current one.
    """

    def __init__(
        self,
        kubeconfig: str | None,
        *,
        pool_size: int,
        on_call: OnCall,
        timeouts: Timeouts | None = None,
        context: str | None = None,
        user_agent: str = names.FIELD_MANAGER,
    ) -> None:
        self._api = client.ApiClient(_configuration(kubeconfig, pool_size, context))
        self._api.user_agent = user_agent
        self._on_call = on_call
        limits = timeouts or Timeouts()
        self._timeout = (limits.connect_seconds, limits.read_seconds)

    def close(self) -> None:
        """Close the connections."""
        self._api.rest_client.pool_manager.clear()

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object by applying it; raises Conflict where the name is taken."""
        return self._apply(_with_metadata(manifest, resourceVersion=_NO_VERSION))

    def apply(
        self, manifest: Manifest, *, uid: str, field_manager: str = names.FIELD_MANAGER
    ) -> Manifest:
        """Apply an object that exists; raises Conflict unless it is the one with this uid."""
        return self._apply(_with_metadata(manifest, uid=uid), field_manager=field_manager)

    def overwrite(self, manifest: Manifest, *, uid: str) -> Manifest:
        """Give an object every list of the manifest as a whole, whoever has added to it."""
        kind, metadata = kinds.BY_NAME[manifest["kind"]], manifest["metadata"]
        return self.change(
            kind,
            metadata["namespace"],
            metadata["name"],
            _with_metadata(manifest, uid=uid),
            field_manager=names.FIELD_MANAGER,
        )

    def apply_status(self, manifest: Manifest, *, uid: str) -> Manifest:
        """Apply the status of a CartService."""
        return self._apply(_with_metadata(manifest, uid=uid), subresource="/status")

    def judge(self, manifest: Manifest, *, field_manager: str) -> None:
        """Ask what applying an object would answer, and change nothing.

        Unknown fields are refused too. Raises Rejected with what the API server says.
        """
        self._apply(
            manifest,
            field_manager=field_manager,
            query=[("dryRun", "All"), ("fieldValidation", "Strict")],
        )

    def change(
        self, kind: Kind, namespace: str, name: str, change: Manifest, *, field_manager: str
    ) -> Manifest:
        """Merge a change into an object (RFC 7396) and return it; raises NotFound."""
        return self._call(
            "PATCH",
            kind,
            kind.path(namespace=namespace, name=name),
            [("fieldManager", field_manager)],
            body=change,
            content_type=MERGE,
        )

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None where there is none."""
        try:
            return self._call("GET", kind, kind.path(namespace=namespace, name=name))
        except errors.NotFound:
            return None

    def objects(
        self,
        kind: Kind,
        *,
        namespace: str | None,
        selector: str | None = None,
        fields: str | None = None,
    ) -> Iterator[Manifest]:
        """Yield the objects of a kind, page by page; their `kind` is filled in.

        `selector` is one of labels, `fields` one of fields.
        """
        given = (("labelSelector", selector), ("fieldSelector", fields))
        query = [("limit", str(_PAGE)), *((key, value) for key, value in given if value)]
        page: list[tuple[str, str]] = []
        while True:
            answer = self._call("GET", kind, kind.path(namespace=namespace), query + page)
            for item in answer["items"]:
                yield {"apiVersion": kind.api_version, "kind": kind.name, **item}
            following = answer["metadata"].get("continue")
            if not following:
                return
            page = [("continue", following)]

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete the object with this uid; one that is gone already is fine."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        path = kind.path(namespace=namespace, name=name)
        try:
            self._call("DELETE", kind, path, body=options)
        except (errors.NotFound, errors.Conflict):
            # Gone, or another object has its name by now.
            return

    def create_event(self, event: Manifest) -> None:
        """Post a Kubernetes Event."""
        path = kinds.EVENT.path(namespace=event["metadata"]["namespace"])
        self._call("POST", kinds.EVENT, path, [_FIELD_MANAGER], body=event)

    def serves(self, kind: Kind) -> bool:
        """Tell whether the API server knows a kind; it may do so seconds after its CRD exists."""
        try:
            answer = self._call("GET", kind, f"/apis/{kind.api_version}")
        except errors.NotFound:
            return False
        return any(resource["name"] == kind.plural for resource in answer["resources"])

    def _apply(
        self,
        manifest: Manifest,
        *,
        field_manager: str = names.FIELD_MANAGER,
        subresource: str = "",
        query: Sequence[tuple[str, str]] = (),
    ) -> Manifest:
        kind, metadata = kinds.BY_NAME[manifest["kind"]], manifest["metadata"]
        path = kind.path(namespace=metadata["namespace"], name=metadata["name"])
        asked = [("fieldManager", field_manager), ("force", "true"), *query]
        return self._call(
            "PATCH", kind, path + subresource, asked, body=_yaml(manifest), content_type=APPLY
        )

    def _call(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: list[tuple[str, str]] | None = None,
        *,
        body: Manifest | bytes | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        started, status = time.monotonic(), 0
        try:
            answer, status, _ = self._api.call_api(
                path,
                method,
                query_params=query or [],
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                response_types_map=dict.fromkeys((200, 201, 202), "object"),
                _request_timeout=self._timeout,
            )
        except client.ApiException as error:
            status = error.status
            raise _translated(error, kind, path) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            why = type(error).__name__
            raise errors.ClusterUnavailable(f"The API server does not answer: {why}") from error
        finally:
            self._on_call(method, kind.name, status, time.monotonic() - started)
        result: Manifest = answer
        return result


def _yaml(manifest: Manifest) -> bytes:
    """Return a manifest as JSON that is YAML too, which is what the API server takes it for.

    JSON writes a character beyond U+FFFF as two escapes, and YAML refuses each of them.
    """
    text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _with_metadata(manifest: Manifest, **fields: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], **fields}}


# How RBAC and the other authorizers put it (k8s.io/apiserver, responsewriters.forbiddenMessage).
_LACKS_RIGHT = re.compile('User ".*" cannot ')
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
        answer = {}
    causes = (answer.get("details") or {}).get("causes") or ()
    name = path.rpartition("/")[2]
    text = str(answer.get("message") or "")
    said = answer.get("reason") if kind is kinds.SECRET else text
    message = f"{kind.name} {name}: {said or f'the API server answers {error.status}'}"
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return NamespaceTerminating(f"The namespace of {kind.name} {name} is being deleted")
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
