"""What a refusal of the database's functions means to a client: one function for each outcome."""

from collections.abc import Callable, Mapping
from typing import Any

from app.cart import rules
from app.cart.repository import Answer
from app.errors import Invalid, NotFound, PreconditionFailed, Refusal, StateConflict


def refusal(answer: Answer, limits: rules.Limits, asked_currency: str | None = None) -> Refusal:
    """Return the error for an outcome that is not `done`."""
    return _REFUSALS[answer.outcome](answer, limits, asked_currency)


def _pointer(facts: Mapping[str, Any], member: str) -> str:
    # Of several lines the one with this index.
    index = facts.get("index")
    return f"#/{member}" if index is None else f"#/items/{index}/{member}"


def _precondition_failed(answer: Answer, *_: object) -> Refusal:
    version = answer.facts["current_version"]
    return PreconditionFailed(
        "precondition-failed",
        f"the cart is at version {version}, which If-Match does not name",
        {"current_version": version, "tag": answer.tag},
    )


def _item_not_found(*_: object) -> Refusal:
    return NotFound("item-not-found", "the cart has no such product")


def _currency_needed(answer: Answer, *_: object) -> Refusal:
    pointer = _pointer(answer.facts, "currency")
    return Invalid(pointer, "is needed for the first line of a cart")


def _price_needed(answer: Answer, *_: object) -> Refusal:
    pointer = _pointer(answer.facts, "unit_price")
    return Invalid(pointer, "is needed for a product that is not in the cart")


def _price_decimals(answer: Answer, *_: object) -> Refusal:
    decimals, currency = answer.facts["decimals"], answer.facts["currency"]
    return Invalid(
        _pointer(answer.facts, "unit_price"),
        f"must have at most {decimals} decimals, which is what {currency} has",
    )


def _currency_mismatch(answer: Answer, _limits: object, asked: str | None) -> Refusal:
    asked = answer.facts.get("source_currency", asked)
    return StateConflict(
        "currency-mismatch",
        f"the cart is in {answer.facts['currency']}, the lines in {asked}",
        {"currency": answer.facts["currency"]},
    )


def _quantity_limit(answer: Answer, limits: rules.Limits, _asked: object) -> Refusal:
    limit = limits.max_quantity
    return StateConflict(
        "quantity-limit",
        f"the line has {answer.facts['quantity']} pieces, a line may have {limit}",
        {**answer.facts, "limit": limit},
    )


def _line_limit(_answer: object, limits: rules.Limits, _asked: object) -> Refusal:
    return StateConflict(
        "line-limit", f"a cart may have {limits.max_lines} lines", {"limit": limits.max_lines}
    )


def _cart_empty(answer: Answer, *_: object) -> Refusal:
    return StateConflict(
        "cart-empty",
        "there is nothing to check out",
        {"last_order_id": answer.facts["last_order_id"]},
    )


def _cart_changed(answer: Answer, *_: object) -> Refusal:
    total, currency = answer.facts["current_total"], answer.facts["currency"]
    return StateConflict(
        "cart-changed",
        f"the total is {total} {currency}, not the expected one",
        {"current_total": total, "currency": currency},
    )


_REFUSALS: dict[str, Callable[[Any, Any, Any], Refusal]] = {
    "precondition-failed": _precondition_failed,
    "item-not-found": _item_not_found,
    "currency-needed": _currency_needed,
    "price-needed": _price_needed,
    "price-decimals": _price_decimals,
    "currency-mismatch": _currency_mismatch,
    "quantity-limit": _quantity_limit,
    "line-limit": _line_limit,
    "cart-empty": _cart_empty,
    "cart-changed": _cart_changed,
}
