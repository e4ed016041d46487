"""A control plane as a test uses it: a typed way in, and a namespace of the test's own."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubernetes import client, config, dynamic

REQUEST_SECONDS = 20


@contextlib.contextmanager
def api_client(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """Yield a client that has a kubeconfig's identity; no proxy is between."""
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    settings.proxy = None
    with client.ApiClient(settings) as opened:
        yield opened


@contextlib.contextmanager
def dynamic_client(kubeconfig: Path) -> Iterator[dynamic.DynamicClient]:
    """Yield a client for any kind; it asks the server anew what kinds there are."""
    with api_client(kubeconfig) as opened:
        yield dynamic.DynamicClient(opened)


@contextlib.contextmanager
def new_namespace(
    api: client.ApiClient, *, labels: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield the name of a new namespace; at the end it is deleted, not waited for."""
    core = client.CoreV1Api(api)
    name = f"test-{secrets.token_hex(4)}"
    core.create_namespace(
        {"metadata": {"name": name, "labels": dict(labels or {})}},
        _request_timeout=REQUEST_SECONDS,
    )
    try:
        yield name
    finally:
        try:
            core.delete_namespace(name, _request_timeout=REQUEST_SECONDS)
        except client.ApiException as error:
            # The test has deleted it, and it may be on its way.
            if error.status not in {404, 409}:
                raise


def apply(
    api: dynamic.DynamicClient, manifest: Mapping[str, Any], *, field_manager: str = "test"
) -> dict[str, Any]:
    """Apply one object server-side, and return it as the server has it."""
    resource = api.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
    metadata = manifest["metadata"]
    applied = api.server_side_apply(
        resource,
        body=dict(manifest),
        name=metadata["name"],
        namespace=metadata.get("namespace"),
        field_manager=field_manager,
        force_conflicts=True,
        _request_timeout=REQUEST_SECONDS,
    )
    found: dict[str, Any] = applied.to_dict()
    return found


def find(
    api: dynamic.DynamicClient, kind: str, name: str, *, namespace: str, api_version: str = "v1"
) -> dict[str, Any] | None:
    """Return an object, or None when there is none of that name."""
    resource = api.resources.get(api_version=api_version, kind=kind)
    try:
        got = resource.get(name=name, namespace=namespace, _request_timeout=REQUEST_SECONDS)
    except dynamic.exceptions.NotFoundError:
        return None
    found: dict[str, Any] = got.to_dict()
    return found
