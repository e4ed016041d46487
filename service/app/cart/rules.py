"""What a price, a currency and an id may be. Pure: no database, no clock, no web framework."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from app.cart import currencies
from app.errors import Invalid

MAX_ID_LENGTH = 128
MAX_UNIT_PRICE = Decimal("9999999999.999")
_TOO_LARGE = Decimal(10) ** 21  # totals are numeric(24,3)
# Any double has fewer; PostgreSQL fails on numbers with many thousands.
_MOST_DECIMALS = 1100

_MOST_DIGITS = 10

_MONEY = re.compile(r"[0-9]{1,24}(\.[0-9]{1,24})?", re.ASCII)
# By category: PostgreSQL cannot store the one, nor UTF-8 the other, a surrogate.
_REFUSED = {"Cc": "not contain control characters", "Cs": "be text in UTF-8"}


@dataclass(frozen=True)
class Limits:
    """How large a cart may be, how long it lives, and the currency of adds that name none."""

    max_quantity: int
    max_lines: int
    ttl: timedelta
    default_currency: str | None


def checked_id(text: str) -> str:
    """Return an id as it is, or raise ValueError saying what it must be."""
    if not 1 <= len(text) <= MAX_ID_LENGTH:
        raise ValueError(f"must have 1 to {MAX_ID_LENGTH} characters, has {len(text)}")
    if "/" in text:
        raise ValueError("must not contain '/'")
    return checked_text(text)


def checked_text(text: str) -> str:
    """Return a text as it is, or raise ValueError naming the character that cannot be stored."""
    for character in text:
        if (category := unicodedata.category(character)) in _REFUSED:
            raise ValueError(f"must {_REFUSED[category]}, has U+{ord(character):04X}")
    return text


def parsed_money(value: object) -> Decimal:
    """Return the amount of a JSON string or number, never by way of a float."""
    if isinstance(value, str):
        if not _MONEY.fullmatch(value):
            raise ValueError('must be a decimal amount such as "19.99"')
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError('must be a decimal amount such as "19.99"')  # noqa: TRY004 - pydantic reports ValueErrors
    return _without_trailing_zeros(value)


def _without_trailing_zeros(value: int | Decimal) -> Decimal:
    try:
        amount = Decimal(value)
        if not amount.is_finite() or amount < 0 or amount >= _TOO_LARGE:
            raise ValueError("must be 0 or more, and at most 21 digits before the point")
    except InvalidOperation:
        raise ValueError("must be a finite amount") from None
    if amount == 0:
        return Decimal(0)
    # normalize() would round to the context's 28 digits. One pass: a client chose how many.
    _, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - finite
    zeros = next(count for count, digit in enumerate(reversed(digits)) if digit)
    dropped = max(0, min(zeros, -exponent))
    if -exponent - dropped > _MOST_DECIMALS:
        raise ValueError(f"must have at most {_MOST_DECIMALS} decimals")
    return Decimal((0, digits[: len(digits) - dropped], exponent + dropped))


def whole_number(value: object) -> object:
    """Return a JSON number without a fraction as an integer, anything else as it is."""
    if not isinstance(value, Decimal) or not value.is_finite():
        return value
    # Not of any size: an integer with a million digits takes seconds to make.
    if value.adjusted() >= _MOST_DIGITS:
        return value
    whole = value.to_integral_value()
    return int(whole) if whole == value else value


def decimals_in(amount: Decimal) -> int:
    """Return how many decimals an amount of `parsed_money` needs."""
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def checked_unit_price(amount: Decimal) -> Decimal:
    """Return a price as it is, or raise ValueError when no currency has one like it."""
    if amount > MAX_UNIT_PRICE:
        raise ValueError(f"must be at most {MAX_UNIT_PRICE}")
    if decimals_in(amount) > currencies.MAX_DECIMALS:
        raise ValueError(f"must have at most {currencies.MAX_DECIMALS} decimals")
    return amount


def checked_currency(code: str) -> str:
    """Return a currency code as it is, or raise ValueError when prices cannot be in it."""
    decimals = currencies.decimals_of(code)
    if decimals is None:
        raise ValueError("must be an ISO 4217 code such as EUR")
    if decimals > currencies.MAX_DECIMALS:
        raise ValueError(f"{code} has {decimals} decimals, which prices here cannot have")
    return code


def checked_quantity(quantity: int, max_quantity: int) -> int:
    """Refuse a quantity that no line may have."""
    if not 1 <= quantity <= max_quantity:
        raise Invalid("#/quantity", f"must be 1 to {max_quantity}")
    return quantity
