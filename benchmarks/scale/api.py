"""The API server as a user with many resources asks it."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import client, config

Object = dict[str, Any]

_REQUEST_SECONDS = 60


@dataclass(frozen=True)
class Collection:
    """Objects of one kind in one namespace; the prefix is `/api/v1` or `/apis/GROUP/VERSION`."""

    prefix: str
    namespace: str
    plural: str

    def path(self, name: str = "") -> str:
        """Return the URL path of the collection, or of one of its objects."""
        path = f"{self.prefix}/namespaces/{self.namespace}/{self.plural}"
        return f"{path}/{name}" if name else path


class Api:
    """Calls with plain JSON, from any number of threads."""

    def __init__(self, opened: client.ApiClient) -> None:
        self._client = opened

    def objects(self, collection: Collection) -> list[Object]:
        """Return all objects, from the API server's own memory as informers do."""
        query = [("resourceVersion", "0")]
        found: list[Object] = self._call("GET", collection.path(), query=query)["items"]
        return found

    def create(self, path: str, manifest: Object) -> None:
        """Create one object."""
        self._call("POST", path, body=manifest)

    def create_all(self, collection: Collection, manifests: Sequence[Object], threads: int) -> None:
        """Create many, so many at a time."""
        with ThreadPoolExecutor(threads) as pool:
            # Each result is asked for, so that a failure is raised.
            list(pool.map(lambda one: self.create(collection.path(), one), manifests))

    def patch(self, path: str, change: Object) -> bool:
        """Change one object as `kubectl patch --type=merge`; False when it does not exist."""
        try:
            self._call("PATCH", path, body=change, content="application/merge-patch+json")
        except client.ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def delete_all(self, collection: Collection) -> None:
        """Delete all objects of a kind, without waiting for it."""
        self._call("DELETE", collection.path())

    def cpu_seconds(self) -> float:
        """Return the processor time of the API server, by its own metrics."""
        text = self._call("GET", "/metrics")
        found = re.search(r"^process_cpu_seconds_total (\S+)", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: list[tuple[str, str]] | None = None,
        content: str = "application/json",
    ) -> Any:  # noqa: ANN401 - JSON, or text where it is none
        return self._client.call_api(
            path,
            method,
            query_params=query or [],
            header_params={"Accept": "*/*", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
            response_types_map=dict.fromkeys((200, 201, 202), "object"),
            _request_timeout=_REQUEST_SECONDS,
        )[0]


@contextlib.contextmanager
def opened(kubeconfig: Path, *, threads: int) -> Iterator[Api]:
    """Lend the API as the user of a kubeconfig; no proxy is between."""
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    settings.proxy = None
    settings.connection_pool_maxsize = threads
    with client.ApiClient(settings) as one:
        yield Api(one)
