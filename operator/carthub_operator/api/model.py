"""What every part of the spec is made of: a frozen model, and rules over several fields.

A rule is written twice in one place: in CEL, which the API server enforces at admission, and in
Python, for resources that were stored before the rule was there. A shared corpus of good and bad
resources holds the two equal.
"""

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Rule:
    """What must hold of a model; the message says what to write instead."""

    cel: str
    message: str
    holds: Callable[[Any], bool]
    # CEL that gives a message with the value in it; `message` stands in where it cannot.
    message_cel: str | None = None


class Model(BaseModel):
    """A part of the spec; lists are replaced as a whole, never changed."""

    # Unknown fields are dropped by the API server; one of a newer CRD must not stop this operator.
    # Strict, as it is: "3" is no number to it.
    model_config = ConfigDict(
        frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _take_nulls_for_defaults(cls, given: object) -> object:
        # As the API server does; where there is no default it refuses a null that is applied.
        if not isinstance(given, Mapping) or None not in given.values():
            return given
        fields = _fields_by_alias(cls)
        return {
            name: value
            for name, value in given.items()
            if value is not None
            or name not in fields
            or fields[name].is_required()
            or default_of(fields[name]) in (None, {}, [])
        }

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise ValueError(rule.message)
        return self

    def manifest(self) -> dict[str, Any]:
        """Return this part as Kubernetes writes it, without what was left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def default_of(field: FieldInfo) -> Any:  # noqa: ANN401 - JSON
    """Return the default of a field as the definition has it; None, {} or [] where it has none."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Model):
        return {key: inner for key, inner in value.manifest().items() if inner not in ({}, [])}
    return value


def unknown(model: type[Model], given: object) -> Iterator[str]:
    """Yield the paths of fields that the model does not have, such as `database.hots`."""
    if not isinstance(given, Mapping):
        return
    fields = _fields_by_alias(model)
    for name, value in given.items():
        if name not in fields:
            yield str(name)
            continue
        inner = _model_in(fields[name].annotation)
        if inner is None:
            continue
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        for index, item in enumerate(value) if is_list else ((None, value),):
            where = name if index is None else f"{name}.{index}"
            yield from (f"{where}.{path}" for path in unknown(inner, item))


def _fields_by_alias(model: type[Model]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: object) -> type[Model] | None:
    """Return the model that an annotation such as `Inner | None` or `list[Inner]` names."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    if typing.get_origin(annotation) is dict:
        return None
    for argument in typing.get_args(annotation):
        if found := _model_in(argument):
            return found
    return None
