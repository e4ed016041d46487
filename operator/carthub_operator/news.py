"""What a pass has to tell people: Kubernetes Events, once per change. Pure.

What was told before is read from the status that was written before, so a restart repeats nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from carthub_operator.api import names
from carthub_operator.api.conditions import Reason, Type
from carthub_operator.api.resource import CartService

# An Event's note may have 1024 bytes.
_MOST_NOTE_BYTES = 1000


class Occasion(StrEnum):
    """What an Event is for, where it is no condition's trouble; each has its documentation.

    AutoscalingReady is on purpose not among them: pods that have just come have no metrics for
    some 30 s, so it turns False for a while on a new cluster and after a quick rollout.
    """

    CREATED = "Created"
    UPDATED = "Updated"
    RESTORED = "Restored"
    REMOVED = "Removed"
    SECRET_UPDATED = "SecretUpdated"  # noqa: S105 - a word, not a secret
    READY = "Ready"
    UNAVAILABLE = "Unavailable"
    MIGRATED = "Migrated"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"


@dataclass(frozen=True)
class Change:
    """One write to a child: what was done with which object."""

    action: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class News:
    """One Event."""

    is_warning: bool
    reason: str
    action: str
    note: str


def of_children(
    resource: CartService, changes: Sequence[Change], *, version_id: str | None
) -> list[News]:
    """Return what is worth an Event in the writes of a pass; `version_id` is the secret's."""
    before = resource.status
    if "image" not in before:
        # There was no Deployment yet: the Event that it is Ready will speak for all.
        return []
    database = before.get("database", {})
    was_settled = (
        before["observedGeneration"] == resource.generation
        and _is_true(_conditions(before), Type.READY)
        and database.get("secretVersionId") == version_id
    )
    # The annotation's value stands in the Secret.
    was_synced = resource.annotations.get(names.ANNOTATION_SYNC) == database.get("lastHandledSync")
    # A Job is told by its condition, the Secret by its version, unless somebody else had it.
    left_out = {"Job"} if was_settled and was_synced else {"Job", "Secret"}
    words = {
        "created": (
            (Occasion.RESTORED, "made again") if was_settled else (Occasion.CREATED, "created")
        ),
        "changed": (
            (Occasion.RESTORED, "set back") if was_settled else (Occasion.UPDATED, "updated")
        ),
        "removed": (Occasion.REMOVED, "removed"),
    }
    news = []
    for action, (reason, participle) in words.items():
        children = [
            str(change)
            for change in changes
            if change.action == action and change.kind not in left_out
        ]
        if children:
            note = _cut(f"{', '.join(children)} {participle}")
            news.append(News(is_warning=False, reason=reason, action=action, note=note))
    return news


def of_status(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[News]:
    """Return what is worth an Event between two statuses."""
    old, new = _conditions(before), _conditions(now)
    return [
        *_of_suspension(old, new),
        *_of_secret(before, now),
        *_of_migration(before, now),
        *_warnings(old, new),
        *_of_loss(before, now),
        *_advice(before, now),
        *_of_ready(old, new),
    ]


def _warnings(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterable[News]:
    warned: set[str] = set()
    for kind, bad in (
        (Type.STALLED, "True"),
        (Type.SECRET_SYNCED, "False"),
        (Type.MIGRATION_SUCCEEDED, "False"),
    ):
        condition = new.get(kind, {})
        is_same = _verdict(condition) == _verdict(old.get(kind, {}))
        if condition.get("status") != bad or is_same or condition["reason"] in warned:
            continue
        warned.add(condition["reason"])
        note = _cut(condition["message"])
        yield News(is_warning=True, reason=condition["reason"], action="reconcile", note=note)


def _of_suspension(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterable[News]:
    was_suspended = _is_true(old, Type.SUSPENDED)
    if _is_true(new, Type.SUSPENDED) == was_suspended:
        return
    reason, note = Occasion.SUSPENDED, new.get(Type.SUSPENDED, {}).get("message", "")
    if was_suspended:
        reason, note = Occasion.RESUMED, "The operator carries out the spec again"
    yield News(is_warning=False, reason=reason, action="suspend", note=_cut(note))


def _of_migration(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[News]:
    old = _conditions(before).get(Type.MIGRATION_SUCCEEDED)
    new = _conditions(now).get(Type.MIGRATION_SUCCEEDED)
    # The Event that a new resource is Ready speaks for its first migration.
    if "image" not in before or old is None or new is None:
        return
    # Another spec may ask again for the schema that is there: then nothing was migrated.
    is_of_same_spec = old.get("observedGeneration") == new.get("observedGeneration")
    was_under_way = old["status"] != "True" and old["reason"] != Reason.PENDING
    if new["status"] == "True" and was_under_way and is_of_same_spec:
        note = _cut(new["message"])
        yield News(is_warning=False, reason=Occasion.MIGRATED, action="migrate", note=note)


def _of_loss(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[News]:
    """Yield that too few pods serve, where pods were lost and no more were asked for."""
    old, new = _conditions(before), _conditions(now)
    available, ready = new.get(Type.DEPLOYMENT_AVAILABLE, {}), new.get(Type.READY, {})
    if not _is_true(old, Type.DEPLOYMENT_AVAILABLE) or available.get("status") != "False":
        return
    is_fewer = now.get("readyReplicas", 0) < before.get("readyReplicas", 0)
    # The pods that a rollout has beyond those wanted come and go.
    is_within_rollout = ready.get("reason") == Reason.ROLLING_OUT and not _is_true(old, Type.READY)
    stalled, before_stalled = new.get(Type.STALLED, {}), old.get(Type.STALLED, {})
    # That tells of the pods in this very moment; an older one is of something else.
    is_told = stalled.get("status") == "True" and _verdict(stalled) != _verdict(before_stalled)
    if is_fewer and not is_within_rollout and not is_told:
        note = _cut(available["message"])
        yield News(is_warning=True, reason=Occasion.UNAVAILABLE, action="reconcile", note=note)


def _advice(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[News]:
    known = [one["reason"] for one in before.get("warnings") or ()]
    for one in now.get("warnings") or ():
        if one["reason"] not in known:
            note = _cut(one["message"])
            yield News(is_warning=True, reason=one["reason"], action="reconcile", note=note)


def _of_ready(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterable[News]:
    ready, before = new.get(Type.READY, {}), old.get(Type.READY, {})
    is_other = (ready.get("status"), ready.get("message")) != (
        before.get("status"),
        before.get("message"),
    )
    if ready.get("status") == "True" and is_other:
        note = _cut(ready["message"])
        yield News(is_warning=False, reason=Occasion.READY, action="rollout", note=note)


def _of_secret(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[News]:
    old = before.get("database", {}).get("secretVersionId")
    new = now.get("database", {}).get("secretVersionId")
    if old is not None and new is not None and old != new:
        note = f"The database credentials are now those of version {new}"
        yield News(is_warning=False, reason=Occasion.SECRET_UPDATED, action="refresh", note=note)


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _is_true(conditions: Mapping[str, Mapping[str, Any]], kind: Type) -> bool:
    return conditions.get(kind, {}).get("status") == "True"


def _verdict(condition: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return condition.get("status"), condition.get("reason")


def _cut(note: str) -> str:
    return note.encode()[:_MOST_NOTE_BYTES].decode(errors="ignore")
