"""The four requests."""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.reference.database import Base, engine, get_db
from benchmarks.reference.models import Cart, CartItem, Order, OrderItem
from benchmarks.reference.schemas import AddItem, CartOut, Checkout, OrderOut, SetQuantity

Base.metadata.create_all(bind=engine)

app = FastAPI(title="Reference carts")

Db = Annotated[Session, Depends(get_db)]


def _active_cart(db: Session, customer_id: str) -> Cart | None:
    return db.scalars(
        select(Cart).where(Cart.customer_id == customer_id, Cart.status == "active")
    ).first()


def _item(db: Session, cart: Cart, product_id: str) -> CartItem | None:
    return db.scalars(
        select(CartItem).where(CartItem.cart_id == cart.id, CartItem.product_id == product_id)
    ).first()


@app.get("/api/v1/cart/{customer_id}", response_model=CartOut)
def get_cart(customer_id: str, db: Db) -> Cart | CartOut:
    """Return the cart of a customer."""
    cart = _active_cart(db, customer_id)
    if cart is None:
        return CartOut(
            id=None,
            customer_id=customer_id,
            currency=None,
            items=[],
            item_count=0,
            total=0,
            updated_at=None,
        )
    return cart


@app.post("/api/v1/cart/items", response_model=CartOut, status_code=201)
def add_item(body: AddItem, db: Db) -> Cart:
    """Add an item to the cart."""
    cart = _active_cart(db, body.customer_id)
    if cart is None:
        cart = Cart(customer_id=body.customer_id, currency=body.currency)
        db.add(cart)
        db.commit()
        db.refresh(cart)
    item = _item(db, cart, body.product_id)
    if item is None:
        item = CartItem(
            cart_id=cart.id,
            product_id=body.product_id,
            name=body.name,
            unit_price=body.unit_price,
            quantity=body.quantity,
        )
        db.add(item)
    else:
        item.quantity += body.quantity
        item.unit_price = body.unit_price
    db.commit()
    db.refresh(cart)
    return cart


@app.put("/api/v1/cart/{customer_id}/items/{product_id}", response_model=CartOut)
def set_quantity(customer_id: str, product_id: str, body: SetQuantity, db: Db) -> Cart:
    """Set the quantity of an item."""
    cart = _active_cart(db, customer_id)
    item = None if cart is None else _item(db, cart, product_id)
    if cart is None or item is None:
        raise HTTPException(status_code=404, detail="Item not found")
    item.quantity = body.quantity
    db.commit()
    db.refresh(cart)
    return cart


@app.post("/api/v1/cart/checkout", response_model=OrderOut, status_code=201)
def checkout(body: Checkout, db: Db) -> Order:
    """Make the cart an order."""
    cart = _active_cart(db, body.customer_id)
    if cart is None or not cart.items:
        raise HTTPException(status_code=409, detail="Cart is empty")
    order = Order(
        cart_id=cart.id,
        customer_id=cart.customer_id,
        currency=cart.currency,
        item_count=cart.item_count,
        total=cart.total,
        items=[
            OrderItem(
                product_id=item.product_id,
                name=item.name,
                unit_price=item.unit_price,
                quantity=item.quantity,
                line_total=item.line_total,
            )
            for item in cart.items
        ],
    )
    db.add(order)
    cart.status = "checked_out"
    db.commit()
    db.refresh(order)
    return order
