"""How requests are read: JSON without floats, queries, and the headers that name versions."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.datastructures import QueryParams

from app.api.problems import BadRequest

_JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json\s*(;.*)?", re.ASCII | re.IGNORECASE)
_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_TAGS = re.compile(rf"\s*{_TAG}\s*(,\s*{_TAG}\s*)*")


class JsonRequest(Request):
    """A request whose query and body are parsed in our way, the body once."""

    @property
    def query_params(self) -> QueryParams:
        """The parameters that `query_parameters` returns."""
        return query_parameters(self)

    async def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body as `json_body` does."""
        if not hasattr(self, "_json"):
            self._json = await json_body(self)
        return self._json


def query_parameters(request: Request) -> QueryParams:
    """Return the parameters of the query.

    Bytes that are no UTF-8 are surrogates, which no rule of ours takes, and no replacement
    characters, which may be in an id.
    """
    query: str = request.scope["query_string"].decode("latin-1")
    return QueryParams(parse_qsl(query, keep_blank_values=True, errors="surrogateescape"))


async def json_body(request: Request) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON body, or refuse what is none by its media type or its text."""
    if not _JSON_TYPE.fullmatch(request.headers.get("content-type", "nothing")):
        raise BadRequest(415, "unsupported-media-type", "Content-Type must be application/json")
    return parse_json(await request.body())


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text, numbers with a point or exponent as Decimal.

    One beyond what a Decimal can hold is infinite, which no rule of ours takes.
    """
    try:
        return json.loads(body.decode(), parse_float=_decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        # Every detail of it would quote the body.
        raise BadRequest(400, "malformed-json", "the body is not a JSON text") from error


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("-Infinity" if text.startswith("-") else "Infinity")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def if_match(request: Request) -> list[str] | None:
    """Return the strong tags that If-Match names, `*` among them; None without the header."""
    value = _header(request, "if-match")
    if value is None:
        return None
    # RFC 9110: weak tags never match here.
    return [tag for is_weak, tag in _tags("If-Match", value) if not is_weak]


def is_not_modified(request: Request, tag: str, *, exists: bool) -> bool:
    """Tell whether If-None-Match names the version there is."""
    value = _header(request, "if-none-match")
    if value is None:
        return False
    return any(
        found == tag or (found == "*" and exists) for _, found in _tags("If-None-Match", value)
    )


def _header(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    return ", ".join(values) if values else None


def _tags(name: str, value: str) -> list[tuple[bool, str]]:
    if value.strip() == "*":
        return [(False, "*")]
    if not _TAGS.fullmatch(value):
        raise BadRequest(400, "invalid-header", f'{name} must be * or tags such as "abc.1"')
    # A quoted star is a tag like any other, and no cart has it.
    return [(bool(weak), tag) for weak, tag in re.findall(_TAG, value) if tag != "*"]
