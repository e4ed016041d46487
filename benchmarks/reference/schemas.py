"""The shapes of requests and answers."""

import uuid
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class AddItem(BaseModel):
    """An item for a cart."""

    customer_id: str = Field(min_length=1, max_length=128)
    product_id: str = Field(min_length=1, max_length=128)
    name: str | None = None
    unit_price: Decimal = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$")
    quantity: int = Field(ge=1, le=999)


class SetQuantity(BaseModel):
    """The quantity of a line."""

    quantity: int = Field(ge=1, le=999)


class Checkout(BaseModel):
    """Whose cart becomes an order."""

    customer_id: str


class ItemOut(BaseModel):
    """A line."""

    model_config = ConfigDict(from_attributes=True)

    product_id: str
    name: str | None
    unit_price: Decimal
    quantity: int
    line_total: Decimal


class CartOut(BaseModel):
    """A cart."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID | None
    customer_id: str
    currency: str | None
    items: list[ItemOut]
    item_count: int
    total: Decimal
    updated_at: datetime | None


class OrderOut(BaseModel):
    """An order."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    cart_id: uuid.UUID
    customer_id: str
    currency: str
    items: list[ItemOut]
    item_count: int
    total: Decimal
    created_at: datetime
