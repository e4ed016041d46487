"""The path that a route is found by, where a client percent-encoded some of it.

Servers decode the whole path at once, and a decoded path does not tell a slash between two ids
from one inside of an id, nor a replacement character from bytes that are no UTF-8. And `$`, which
ends the pattern of a route, does not see every line feed.
"""

from urllib.parse import unquote_to_bytes

# No route is there.
_NOWHERE = ""


def routed(raw_path: bytes, path: str) -> str:
    """Return the path to find a route by, of the path as it was sent and as a server decoded it.

    Bytes that are no UTF-8 are surrogates in it, which no id may have.
    """
    if b"%2f" in raw_path.lower():
        return _NOWHERE
    if "\ufffd" in path:
        path = unquote_to_bytes(raw_path).decode(errors="surrogateescape")
    # `$` matches before one line feed at the end, but not before two.
    return f"{path}\n" if path.endswith("\n") else path
