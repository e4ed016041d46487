"""The operations and documents of the cart API as a page, made from its OpenAPI document.

A generator from the registries made 12,900 lines of it, the schemas repeated under every status.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """\
# Operations of the cart API

Made from the service's OpenAPI document, [openapi.json](openapi.json). Every running service shows
it at `/openapi.json`, as pages to try at `/docs`, and to read at `/redoc`. What a reference cannot
say: [the cart API](api.md).

Every refusal is a [`Problem`](#problem); the [error codes](api.md#error-codes) say what each means.
"""
_MANY = 8
_PROBLEM = 400

Schema = Mapping[str, Any]


def page(document: Schema) -> str:
    """Return the page, in Markdown."""
    parts = [_HEAD, "## Operations\n"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    parts.append("## Documents\n")
    for name, schema in document["components"]["schemas"].items():
        parts += _document(name, schema)
    return "\n".join(parts).rstrip() + "\n"


def _operation(request: str, operation: Schema) -> Iterator[str]:
    yield f"### {operation['summary']}\n"
    yield f"`{request}`\n"
    if "description" in operation:
        yield f"{operation['description']}\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | |"
        yield "|---|---|---|---|"
        for one in parameters:
            needed = "required" if one.get("required") and one["in"] != "path" else ""
            told = _escaped(". ".join(filter(None, (one.get("description"), needed))))
            yield f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {told} |"
        yield ""
    if body := operation.get("requestBody"):
        yield f"Body: {_content(body)}.\n"
    yield "| answer | | headers |"
    yield "|---|---|---|"
    refused = []
    for status, answer in sorted(operation["responses"].items()):
        if int(status) >= _PROBLEM and "Problem" in _content(answer):
            refused.append(status)
            continue
        headers = ", ".join(f"`{name}`" for name in answer.get("headers", ()))
        yield f"| {status} | {_content(answer)} | {headers} |"
    if refused:
        yield f"| {', '.join(refused)} | {_reference('Problem')} | |"
    yield ""


def _document(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    if "description" in schema:
        yield f"{_escaped(schema['description'])}\n"
    required = set(schema.get("required", ()))
    yield "| member | type | | |"
    yield "|---|---|---|---|"
    for member, field in schema.get("properties", {}).items():
        needed = "required" if member in required else ""
        yield f"| `{member}` | {_type(field)} | {needed} | {_told(field)} |"
    yield ""


def _content(part: Schema) -> str:
    """Return what a body or an answer holds."""
    schemas = [content.get("schema", {}) for content in part.get("content", {}).values()]
    return " or ".join(_type(schema) for schema in schemas) or "no body"


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": str(reference)}:
            told = _reference(reference.rpartition("/")[2])
        case {"anyOf": list(choices)} if "type" not in schema:
            told = " or ".join(dict.fromkeys(_type(one) for one in choices))
        case {"enum": list(values)} if len(values) > _MANY:
            told = f"one of {len(values)} words"
        case {"enum": list(values)}:
            told = " or ".join(f"`{value}`" for value in values)
        case {"const": value}:
            told = f"`{value}`"
        case {"type": "array", "items": items}:
            told = f"list of {_type(items)}"
        case {"type": str(name)}:
            told = name + _limits(schema)
        case _:
            told = "anything"
    return told


def _limits(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema["type"] == "string" and "maxLength" in schema:
        return f", at most {schema['maxLength']} characters"
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    return f" ({schema['format']})" if "format" in schema else ""


def _told(field: Schema) -> str:
    told = [field.get("description", "")]
    if "default" in field and field["default"] is not None:
        told.append(f"default `{field['default']}`")
    if examples := field.get("examples"):
        told.append(f"such as `{examples[0]}`")
    return _escaped(", ".join(filter(None, told)))


def _reference(name: str) -> str:
    return f"[`{name}`](#{name.lower()})"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
