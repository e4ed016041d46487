"""What every part of the spec is made of: a frozen model, and rules over several fields.

A rule is written twice in one place: in CEL, which the API server enforces at admission, and in
Python, for resources that were stored before the rule was there. A shared corpus of good and bad
resources holds the two equal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


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
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise ValueError(rule.message)
        return self

    def manifest(self) -> dict[str, Any]:
        """Return this part as Kubernetes writes it, without what was left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
