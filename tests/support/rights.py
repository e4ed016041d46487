"""Rights: which are given, which are used, and what it is like without one of them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from kubernetes import client

from carthub_dev import operator_process
from carthub_dev.audit import Event
from tests.support.control_plane import REQUEST_SECONDS

_NAME = "carthub-operator"
_CREATED = 201
_EFFECT_SECONDS = 60


class Right(NamedTuple):
    """One verb on one kind of object; a subresource follows a slash."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def given(rules: Iterable[Mapping[str, Any]]) -> set[Right]:
    """Return what the rules of a role give."""
    return {
        Right(group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(events: Iterable[Event]) -> set[Right]:
    """Return what requests were made by; one that applies what does not exist also creates."""
    found = set()
    for one in events:
        if not one.resource:
            # Discovery, which every account may do.
            continue
        resource = f"{one.resource}/{one.subresource}".rstrip("/")
        found.add(Right(one.group, resource, one.verb))
        if one.verb == "patch" and one.code == _CREATED:
            found.add(Right(one.group, resource, "create"))
    return found


class Roles:
    """The operator's roles on a real API server: that of its namespaces, and that of its Lease."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._namespace = namespace
        self._rbac = client.RbacAuthorizationV1Api(api)
        self._reviews = client.AuthorizationV1Api(api)

    def given(self) -> set[Right]:
        """Return every right that the operator has been given."""
        return given([*self._cluster_role(), *self._role()])

    @contextmanager
    def without(self, right: Right) -> Iterator[None]:
        """Take one right away, in effect; at the end it is back, in effect."""
        is_lease = right.resource == "leases"
        rules = self._role() if is_lease else self._cluster_role()
        write = self._write_role if is_lease else self._write_cluster_role
        write(_without(rules, right))
        try:
            self._wait(right, is_allowed=False)
            yield
        finally:
            write(rules)
            self._wait(right, is_allowed=True)

    def allows(self, right: Right, namespace: str | None = None, name: str = "") -> bool:
        """Ask the API server whether the operator may; None: in all namespaces at once."""
        resource, _, subresource = right.resource.partition("/")
        asked = {
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "verb": right.verb,
            "namespace": namespace or "",
            "name": name,
        }
        review = self._reviews.create_subject_access_review(
            {"spec": {"user": operator_process.USER, "resourceAttributes": asked}},
            _request_timeout=REQUEST_SECONDS,
        )
        return bool(review.status.allowed)

    def _wait(self, right: Right, *, is_allowed: bool) -> None:
        """Wait until the authorizer has heard of it."""
        is_lease = right.resource == "leases"
        namespace = operator_process.NAMESPACE if is_lease else self._namespace
        deadline = time.monotonic() + _EFFECT_SECONDS
        while self.allows(right, namespace, _NAME if is_lease else "") is not is_allowed:
            assert time.monotonic() < deadline, f"{right} is not {is_allowed}"
            time.sleep(0.02)

    def _cluster_role(self) -> list[dict[str, Any]]:
        return _rules(self._rbac.read_cluster_role(_NAME, _request_timeout=REQUEST_SECONDS))

    def _role(self) -> list[dict[str, Any]]:
        return _rules(
            self._rbac.read_namespaced_role(
                _NAME, operator_process.NAMESPACE, _request_timeout=REQUEST_SECONDS
            )
        )

    def _write_cluster_role(self, rules: list[dict[str, Any]]) -> None:
        self._rbac.patch_cluster_role(_NAME, {"rules": rules}, _request_timeout=REQUEST_SECONDS)

    def _write_role(self, rules: list[dict[str, Any]]) -> None:
        self._rbac.patch_namespaced_role(
            _NAME, operator_process.NAMESPACE, {"rules": rules}, _request_timeout=REQUEST_SECONDS
        )


def _rules(role: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ApiClient().sanitize_for_serialization(role.rules)
    return found


def _without(rules: Iterable[Mapping[str, Any]], right: Right) -> list[dict[str, Any]]:
    """Return the rules, each about one kind of object, without one right."""
    parted = [
        {
            **rule,
            "apiGroups": [group],
            "resources": [resource],
            "verbs": [verb for verb in rule["verbs"] if Right(group, resource, verb) != right],
        }
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]
    # A rule without a verb is no rule.
    return [rule for rule in parted if rule["verbs"]]
