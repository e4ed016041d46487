"""Cursors of pages: opaque to clients, a place among the orders to us."""

import base64
import binascii
import datetime as dt
import uuid

from app.cart.repository import OrderPlace
from app.errors import Invalid

_RULE = "must be the next_cursor of a page"


def written(place: OrderPlace) -> str:
    """Return the cursor that names a place."""
    text = f"{place.created_at.isoformat()} {place.order_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parsed(cursor: str) -> OrderPlace:
    """Return the place that a cursor names; raises Invalid for one that is not ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        at, _, order_id = text.partition(" ")
        created_at = dt.datetime.fromisoformat(at)
        place = OrderPlace(created_at, str(uuid.UUID(order_id)))
    except (ValueError, binascii.Error, UnicodeError):
        raise Invalid("#/cursor", _RULE) from None
    # Ours are in UTC; PostgreSQL refuses offsets that Python takes.
    if created_at.utcoffset() != dt.timedelta(0):
        raise Invalid("#/cursor", _RULE)
    return place
