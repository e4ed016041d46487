"""A spec that is refused, and by which words one knows the refusal."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bad:
    """A spec that is refused; a value of None takes the field away.

    `says` is in the API server's answer, and in the model's too where it is a rule's message.
    """

    spec: dict[str, Any]
    says: str
    is_rule: bool = True


def by_schema(says: str, **spec: object) -> Bad:
    """Return a spec that the schema refuses, before any rule is asked."""
    return Bad(spec, says, is_rule=False)
