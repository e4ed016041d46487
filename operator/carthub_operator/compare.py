"""Whether a live object is already what we want, so that an unchanged pass writes nothing.

An object is as wanted when it has our values, and when the API server records exactly our fields
as ours (`metadata.managedFields`). The first alone would miss a field that the spec dropped, or a
rule that somebody added inside a list that is owned as a whole.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from carthub_operator.api.quantities import quantity

# Lists that server-side apply merges by key; every other list of maps is owned as a whole.
_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_QUANTITIES = frozenset({"requests", "limits", "sizeLimit", "divisor"})
_BILLIONTH = Decimal("1e-9")
# Neither is ever among the managed fields: they say which object is meant.
_IDENTITY = frozenset({"apiVersion", "kind"})
_NAME = frozenset({"name", "namespace"})


def differs(desired: Mapping[str, Any], live: Mapping[str, Any], *, field_manager: str) -> bool:
    """Tell whether applying `desired` as this field manager would change the live object."""
    if not _has(live, desired):
        return True
    owned = fields_of(live, field_manager)
    wanted = {key: value for key, value in desired.items() if key not in _IDENTITY}
    metadata = wanted.get("metadata", {})
    wanted["metadata"] = {key: value for key, value in metadata.items() if key not in _NAME}
    return not owned or _exceeds(owned, wanted) or not _covers(owned, wanted)


def fields_of(live: Mapping[str, Any], field_manager: str) -> Mapping[str, Any]:
    """Return the fields that the manager has applied, in the form of `fieldsV1`."""
    for entry in live["metadata"].get("managedFields") or ():
        is_applied = entry.get("operation") == "Apply" and not entry.get("subresource")
        if is_applied and entry.get("manager") == field_manager:
            fields: Mapping[str, Any] = entry["fieldsV1"]
            return fields
    return {}


def _is_same_quantity(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    try:
        return _stored(one) == _stored(other)
    except (ArithmeticError, LookupError):
        return False


def _stored(text: Any) -> Decimal:  # noqa: ANN401 - JSON
    # The API server rounds up to a billionth.
    return quantity(text).quantize(_BILLIONTH, rounding=ROUND_CEILING)


def _has(live: object, desired: object, *, field: str = "", is_quantity: bool = False) -> bool:
    """Tell whether everything desired is in the live value."""
    if isinstance(desired, Mapping):
        if not isinstance(live, Mapping):
            return not desired and live is None
        return all(
            _has(
                live.get(key),
                value,
                field=key,
                is_quantity=is_quantity or key in _QUANTITIES,
            )
            for key, value in desired.items()
        )
    if isinstance(desired, Sequence) and not isinstance(desired, str):
        return _has_items(live or (), desired, field)
    if is_quantity and _is_same_quantity(live, desired):
        return True
    # The API server leaves an empty value out.
    return live == desired or (live is None and not desired)


def _has_items(live: Any, desired: Sequence[Any], field: str) -> bool:  # noqa: ANN401 - JSON
    if _is_keyed(field, desired):
        found = (_find(live, _keys_of(field, item)) for item in desired)
        return all(
            one is not None and _has(one, item) for one, item in zip(found, desired, strict=True)
        )
    return len(live) == len(desired) and all(map(_has, live, desired))


def _is_keyed(field: str, items: Sequence[Any]) -> bool:
    return field in _KEYS and all(isinstance(item, Mapping) for item in items)


def _keys_of(field: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item[key] for key in _KEYS[field] if key in item}


def _find(items: object, keys: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if not isinstance(items, Sequence):
        return None
    for item in items:
        if isinstance(item, Mapping) and all(item.get(key) == keys[key] for key in keys):
            return item
    return None


def _exceeds(owned: Mapping[str, Any], desired: object) -> bool:
    """Tell whether the manager owns a field that is no longer desired."""
    for step, inner in owned.items():
        kind, _, rest = step.partition(":")
        if kind == "v":
            if not isinstance(desired, Sequence) or json.loads(rest) not in desired:
                return True
            continue
        if kind == "f":
            child = desired.get(rest) if isinstance(desired, Mapping) else None
            is_there = isinstance(desired, Mapping) and rest in desired
        elif kind == "k":
            child = _find(desired, json.loads(rest))
            is_there = child is not None
        else:
            continue  # ".", the parent itself
        if not is_there or (inner and _exceeds(inner, child)):
            return True
    return False


def _covers(owned: Mapping[str, Any], desired: object) -> bool:
    """Tell whether the manager owns every desired field; it owns a leaf with all that is in it."""
    if not owned:
        return True
    if isinstance(desired, Mapping):
        return all(
            not value or (f"f:{key}" in owned and _covers(owned[f"f:{key}"], value))
            for key, value in desired.items()
        )
    if isinstance(desired, Sequence) and not isinstance(desired, str):
        keyed = [(json.loads(step[2:]), step) for step in owned if step.startswith("k:")]
        return not keyed or all(_covers_item(owned, keyed, item) for item in desired)
    return True


def _covers_item(
    owned: Mapping[str, Any], keyed: Sequence[tuple[Mapping[str, Any], str]], item: object
) -> bool:
    return any(_find((item,), keys) is item and _covers(owned[step], item) for keys, step in keyed)
