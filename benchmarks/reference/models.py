"""The tables, named and typed as the product's, so that the same sums can be taken of both."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import DateTime, ForeignKey, Numeric
from sqlalchemy.orm import Mapped, mapped_column, relationship

from benchmarks.reference.database import Base


def _now() -> datetime:
    return datetime.now(UTC)


class Cart(Base):
    """A customer's cart."""

    __tablename__ = "carts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    customer_id: Mapped[str] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(default="active")
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=_now, onupdate=_now
    )
    items: Mapped[list["CartItem"]] = relationship(
        back_populates="cart", cascade="all, delete-orphan", order_by="CartItem.id"
    )

    @property
    def item_count(self) -> int:
        """Pieces in the cart."""
        return sum(item.quantity for item in self.items)

    @property
    def total(self) -> Decimal:
        """What the cart costs."""
        return sum((item.line_total for item in self.items), Decimal(0))


class CartItem(Base):
    """A line of a cart."""

    __tablename__ = "cart_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    cart_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("carts.id"), index=True)
    product_id: Mapped[str]
    name: Mapped[str | None]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    quantity: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    cart: Mapped[Cart] = relationship(back_populates="items")

    @property
    def line_total(self) -> Decimal:
        """What the line costs."""
        return self.unit_price * self.quantity


class Order(Base):
    """A checked-out cart."""

    __tablename__ = "orders"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    cart_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("carts.id"))
    customer_id: Mapped[str] = mapped_column(index=True)
    currency: Mapped[str]
    item_count: Mapped[int]
    total: Mapped[Decimal] = mapped_column(Numeric(24, 3))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=_now)
    items: Mapped[list["OrderItem"]] = relationship(order_by="OrderItem.id")


class OrderItem(Base):
    """A line of an order."""

    __tablename__ = "order_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"), index=True)
    product_id: Mapped[str]
    name: Mapped[str | None]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(18, 3))
    quantity: Mapped[int]
    line_total: Mapped[Decimal] = mapped_column(Numeric(24, 3))
