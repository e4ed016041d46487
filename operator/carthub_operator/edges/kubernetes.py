"""The objects of a cluster: server-side apply, by static paths.

No discovery: it would cost requests and a cache file.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence

from carthub_operator import errors, kinds
from carthub_operator.api import names
from carthub_operator.edges.api_server import ApiServer, Json, OnCall, Query, Timeouts
from carthub_operator.kinds import Kind

Manifest = Json

# With a charset the client leaves a body as it is.
APPLY = "application/apply-patch+yaml; charset=utf-8"
MERGE = "application/merge-patch+json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
# Nothing has this version: an object that exists answers 409, one that does not is created.
_NO_VERSION = "1"
_PAGE = 500
# What YAML takes as it stands: printable ASCII, and all that JSON needs two escapes for.
_ESCAPED = re.compile("[^\x20-\x7e\U00010000-\U0010ffff]")
_FIELD_MANAGER = ("fieldManager", names.FIELD_MANAGER)


class KubernetesCluster:
    """The objects of a cluster; safe to use from several threads.

    `kubeconfig` is a path, None inside a cluster; `context` one of it, None its current one.
    `check` is called before every write and raises where this process must not write.
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
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = ApiServer(
            kubeconfig,
            pool_size=pool_size,
            on_call=on_call,
            timeouts=timeouts or Timeouts(),
            context=context,
            user_agent=user_agent,
        )
        self._check = check

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object by applying it; raises Conflict where the name is taken."""
        return self.apply_at(manifest, version=_NO_VERSION)

    def apply(
        self, manifest: Manifest, *, uid: str, field_manager: str = names.FIELD_MANAGER
    ) -> Manifest:
        """Apply an object that exists; raises Conflict unless it is the one with this uid."""
        return self._apply(_with_metadata(manifest, uid=uid), field_manager=field_manager)

    def apply_at(self, manifest: Manifest, *, version: str) -> Manifest:
        """Apply an object that has this resourceVersion; raises Conflict where it has another."""
        return self._apply(_with_metadata(manifest, resourceVersion=version))

    def overwrite(self, manifest: Manifest, *, uid: str) -> Manifest:
        """Give an object every list of the manifest as a whole, whoever has added to it."""
        kind, metadata = kinds.BY_NAME[manifest["kind"]], manifest["metadata"]
        place = (kind, metadata["namespace"], metadata["name"])
        body = _with_metadata(manifest, uid=uid)
        live = self.change(*place, body, field_manager=names.FIELD_MANAGER)["metadata"]
        # What is recorded as updated by us would stay when an apply of ours leaves it out.
        kept = [one for one in live["managedFields"] if not _is_update_of_ours(one)]
        recorded = {"resourceVersion": live["resourceVersion"], "managedFields": kept}
        return self.change(*place, {"metadata": recorded}, field_manager=names.FIELD_MANAGER)

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
        return self._write(
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
            return self._server.call("GET", kind, kind.path(namespace=namespace, name=name))
        except errors.NotFound:
            return None

    def metadata(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object with nothing but its metadata, or None where there is none.

        What else it holds, such as the values of a Secret, stays at the API server.
        """
        path = kind.path(namespace=namespace, name=name)
        try:
            answer = self._server.call("GET", kind, path, accept=_METADATA)
        except errors.NotFound:
            return None
        return {**answer, "apiVersion": kind.api_version, "kind": kind.name}

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
            answer = self._server.call("GET", kind, kind.path(namespace=namespace), query + page)
            for item in answer["items"]:
                yield {"apiVersion": kind.api_version, "kind": kind.name, **item}
            following = answer["metadata"].get("continue")
            if not following:
                return
            page = [("continue", following)]

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete the object with this uid; raises Conflict where another has its name."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        path = kind.path(namespace=namespace, name=name)
        try:
            self._write("DELETE", kind, path, body=options)
        except errors.NotFound:
            return

    def create_event(self, event: Manifest) -> None:
        """Post a Kubernetes Event."""
        path = kinds.EVENT.path(namespace=event["metadata"]["namespace"])
        self._write("POST", kinds.EVENT, path, [_FIELD_MANAGER], body=event)

    def serves(self, kind: Kind) -> bool:
        """Tell whether the API server knows a kind; it may do so seconds after its CRD exists."""
        try:
            answer = self._server.call("GET", kind, f"/apis/{kind.api_version}")
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
        return self._write(
            "PATCH", kind, path + subresource, asked, body=_yaml(manifest), content_type=APPLY
        )

    def _write(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Query | None = None,
        *,
        body: Manifest | bytes | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        self._check()
        return self._server.call(method, kind, path, query, body=body, content_type=content_type)


def _yaml(manifest: Manifest) -> bytes:
    """Return a manifest as JSON that is YAML too, which is what the API server takes it for.

    JSON writes a character beyond U+FFFF as two escapes, and YAML refuses each of them.
    """
    text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _is_update_of_ours(entry: Json) -> bool:
    return bool(entry["manager"] == names.FIELD_MANAGER and entry["operation"] == "Update")


def _with_metadata(manifest: Manifest, **fields: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], **fields}}
