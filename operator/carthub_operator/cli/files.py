"""CartServices from files, as `kubectl apply -f` takes them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from carthub_operator.api import names
from carthub_operator.errors import InvalidSpec

# Where an object without one would go is decided by whoever applies it.
PLACEHOLDER_NAMESPACE = "default"


def cart_services(file: str) -> list[dict[str, Any]]:
    """Return the CartServices of a file, `-` for standard input; other kinds do not count.

    Raises InvalidSpec where it has none, or is no YAML.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        found = [one for one in _objects(yaml.safe_load_all(text)) if one.get("kind") == names.KIND]
    except OSError as error:
        raise InvalidSpec(f"{file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"{file} is not YAML: {_one_line(error)}") from None
    if not found:
        raise InvalidSpec(f"{file} has no object of kind {names.KIND}")
    return found


def _objects(documents: Iterator[Any]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if isinstance(document, dict):
            is_list = "items" in document
            yield from _objects(iter(document["items"] or ())) if is_list else [document]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
