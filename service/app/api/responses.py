"""How answers are written."""

from collections.abc import Mapping

from fastapi import Response


def json_document(
    document: str, status: int = 200, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return JSON that PostgreSQL wrote, as it is: nothing is parsed to be written again."""
    return Response(document, status, headers, "application/json")
