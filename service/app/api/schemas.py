"""The shapes of requests and answers, as the OpenAPI document shows them."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from app.cart import currencies, rules
from app.cart.service import MergeStrategy

# What strings the rules below take, as patterns; numbers have the same bounds.
_AMOUNT_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^0{0,3}[0-9]{1,21}(\.[0-9]{1,24})?$"},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 10**21},
    ],
    "description": "Decimal amount; never rounded on its way",
    "examples": ["19.99"],
}
_UNIT_PRICE_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^0{0,14}[0-9]{1,10}(\.[0-9]{1,3}0{0,21})?$"},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 10**10, "multipleOf": 0.001},
    ],
    "description": "Decimal amount, with no more decimals than the currency has",
    "examples": ["19.99"],
}
_MAX_NAME_LENGTH = 256

# Strings that a client reads: always with the currency's decimals.
Money = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$", examples=["19.99"])]
Amount = Annotated[Decimal, BeforeValidator(rules.parsed_money), WithJsonSchema(_AMOUNT_SCHEMA)]
UnitPrice = Annotated[
    Decimal,
    BeforeValidator(rules.parsed_money),
    AfterValidator(rules.checked_unit_price),
    WithJsonSchema(_UNIT_PRICE_SCHEMA),
]
Currency = Annotated[
    str,
    AfterValidator(rules.checked_currency),
    WithJsonSchema({"type": "string", "enum": currencies.SUPPORTED, "examples": ["EUR"]}),
]
Identifier = Annotated[
    str,
    AfterValidator(rules.checked_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": rules.MAX_ID_LENGTH,
            "pattern": r"^[^/\u0000-\u001f\u007f-\u009f]+$",
        }
    ),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=_MAX_NAME_LENGTH),
    AfterValidator(rules.checked_text),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": _MAX_NAME_LENGTH,
            "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
        }
    ),
]
Quantity = Annotated[
    StrictInt,
    BeforeValidator(rules.whole_number),
    # How many at most is a setting, and for the use case to check.
    Field(ge=1),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 999, "examples": [1]}),
]
SetQuantityOfLine = Annotated[
    StrictInt,
    BeforeValidator(rules.whole_number),
    Field(ge=0, description="0 removes the line"),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 999, "examples": [1]}),
]
MAX_BULK_LINES = 100


class _Request(BaseModel):
    # A misspelt optional member would otherwise be a wish ignored.
    model_config = ConfigDict(extra="forbid")


class AddItem(_Request):
    """Pieces of a product for a customer's cart."""

    customer_id: Identifier = Field(examples=["c-1"])
    product_id: Identifier = Field(examples=["mug"])
    name: Name | None = Field(default=None, examples=["Mug"])
    unit_price: UnitPrice
    currency: Currency | None = Field(
        default=None, description="The cart's own when absent; the first line needs it"
    )
    quantity: Quantity


class SetQuantity(_Request):
    """How many pieces a line shall have."""

    quantity: Quantity


class SetLine(_Request):
    """What a line of the cart is to be."""

    product_id: Identifier = Field(examples=["mug"])
    quantity: SetQuantityOfLine
    name: Name | None = Field(default=None, description="Left out: as it is", examples=["Mug"])
    unit_price: UnitPrice | None = Field(
        default=None, description="Left out: as it is; a product not in the cart needs one"
    )
    currency: Currency | None = Field(default=None, description="Of the cart, if it has one")


class SetItems(_Request):
    """Lines to set together; lines not named stay."""

    items: list[SetLine] = Field(min_length=1, max_length=MAX_BULK_LINES)

    @model_validator(mode="after")
    def _each_product_once(self) -> Self:
        seen: set[str] = set()
        for index, line in enumerate(self.items):
            if line.product_id in seen:
                raise ValueError(f"items/{index}/product_id is named twice")
            seen.add(line.product_id)
        return self


class Merge(_Request):
    """Whose cart to take over, and what becomes of products in both."""

    source_customer_id: Identifier = Field(examples=["guest-7"])
    strategy: MergeStrategy = Field(
        default="sum",
        description="`sum` adds the quantities at this cart's price, `keep-target` leaves this"
        " cart's line, `use-source` takes the other's",
    )
    source_token: SecretStr | None = Field(
        default=None, description="A token of the source customer, from who owns both carts"
    )


class Checkout(_Request):
    """Whose cart becomes an order, and the total that the customer saw."""

    customer_id: Identifier = Field(examples=["c-1"])
    expected_total: Amount | None = None


class CartLine(BaseModel):
    """A product in a cart."""

    product_id: str
    name: str | None
    unit_price: Money
    quantity: int
    line_total: Money


class CartWarning(BaseModel):
    """What a write did beside what was asked."""

    code: Literal["price-changed", "price-kept"]
    product_id: str
    detail: str


class Cart(BaseModel):
    """A customer's active cart; ids and times are null while there is none."""

    cart_id: UUID | None
    customer_id: str
    currency: str | None
    items: list[CartLine]
    item_count: int = Field(description="Pieces")
    line_count: int
    total: Money
    version: int = Field(description="Rises by one with every change")
    updated_at: datetime | None
    expires_at: datetime | None


class ChangedCart(Cart):
    """The cart after a write."""

    warnings: list[CartWarning] | None = Field(
        default=None, description="Absent when there are none"
    )


class OrderLine(CartLine):
    """A product in an order, at the price of the checkout."""

    line_no: int


class Order(BaseModel):
    """What a checkout made of a cart."""

    order_id: UUID
    cart_id: UUID
    customer_id: str
    currency: str
    items: list[OrderLine]
    item_count: int
    total: Money
    created_at: datetime


class OrderPage(BaseModel):
    """Orders of a customer, youngest first."""

    items: list[Order]
    next_cursor: str | None = Field(description="For the page after this; null on the last")

    @staticmethod
    def written(documents: Sequence[str], next_cursor: str | None) -> str:
        """Return a page as JSON, of orders that are JSON already."""
        return f'{{"items":[{",".join(documents)}],"next_cursor":{json.dumps(next_cursor)}}}'


class ErrorDetail(BaseModel):
    """One thing wrong with a request."""

    pointer: str = Field(
        description="JSON pointer into the body, or # and the parameter", examples=["#/quantity"]
    )
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:carthub:problem:cart-empty"])
    title: str = Field(examples=["The cart is empty"])
    status: int = Field(examples=[409])
    detail: str
    instance: str = Field(description="Path of the request, as it was sent")
    code: str = Field(description="Stable name of what is wrong", examples=["cart-empty"])
    errors: list[ErrorDetail]
    trace_id: str


class Health(BaseModel):
    """Whether the service can do its work."""

    status: Literal["ok"]
    checks: dict[str, str]


class Alive(BaseModel):
    """A short yes."""

    status: Literal["ok"]


class Information(BaseModel):
    """What this service is, and where to go from here."""

    name: str
    version: str
    links: dict[str, str]
