"""The cart endpoints: each one use case, and the version of the cart in the ETag."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from app.api import auth, idempotency, requests, responses
from app.api.auth import Caller, CallerDep
from app.api.dependencies import CustomerId, IfMatch, ProductId, RunningService
from app.api.direct import DirectRoute
from app.api.idempotency import IdempotencyKey
from app.api.openapi import CART_HEADERS, REPLAYED, answers
from app.api.schemas import (
    AddItem,
    Cart,
    ChangedCart,
    Checkout,
    Merge,
    Order,
    SetItems,
    SetQuantity,
)
from app.cart.idempotency import Kept
from app.cart.service import EMPTY_TAG, CartVersion, LineChange, NewLine
from app.errors import Unauthenticated

router = APIRouter(tags=["cart"], route_class=DirectRoute)

_CARTS = "/api/v1/cart"


@router.get(
    f"{_CARTS}/{{customer_id}}",
    summary="Get cart contents",
    response_model=Cart,
    responses=answers(304, 400, 422, 503, success={200: CART_HEADERS}),
)
async def get_cart(
    request: Request, customer_id: CustomerId, caller: CallerDep, service: RunningService
) -> Response:
    """Return the cart; a customer without one has an empty cart, and nothing is written.

    With `If-None-Match` the answer to the same version is 304 without a body.
    """
    caller.require(customer_id)
    found = await service.reads.one(customer_id)
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "private, no-cache"}
    if requests.is_not_modified(request, found.tag, exists=found.tag != EMPTY_TAG):
        return Response(status_code=304, headers=headers)
    return responses.json_document(found.document, headers=headers)


@router.post(
    f"{_CARTS}/items",
    summary="Add item to cart",
    status_code=201,
    response_model=ChangedCart,
    responses=answers(400, 409, 412, 415, 422, 503, success={201: {**CART_HEADERS, **REPLAYED}}),
)
async def add_item(
    body: Annotated[AddItem, Body()],
    caller: CallerDep,
    tags: IfMatch,
    asked: IdempotencyKey,
    service: RunningService,
) -> Response:
    """Add pieces of a product; one that is in the cart grows, and takes the price of this add."""
    caller.require(body.customer_id)
    line = NewLine(body.product_id, body.name, body.unit_price, body.currency, body.quantity)

    def act() -> Kept:
        changed = service.carts.add_item(body.customer_id, line, tags)
        return Kept(201, changed.document, _tag_of(changed))

    kept = await idempotency.answered(service, asked, body.customer_id, act, subject=caller.subject)
    if not kept.is_replayed:
        service.metrics.items_added.inc(body.quantity)
    return idempotency.response(kept)


@router.put(
    f"{_CARTS}/{{customer_id}}/items/{{product_id}}",
    summary="Update item quantity",
    response_model=ChangedCart,
    responses=answers(400, 404, 412, 415, 422, 503, success={200: CART_HEADERS}),
)
async def set_quantity(
    customer_id: CustomerId,
    product_id: ProductId,
    body: Annotated[SetQuantity, Body()],
    caller: CallerDep,
    tags: IfMatch,
    service: RunningService,
) -> Response:
    """Set the quantity of a line. The same quantity again changes nothing, the version neither."""
    caller.require(customer_id)
    # The same quantity twice is the quantity, but a version is there only once.
    run = service.run_repeatable if tags is None else service.run
    return _changed(
        await run(service.carts.set_quantity, customer_id, product_id, body.quantity, tags)
    )


@router.put(
    f"{_CARTS}/{{customer_id}}/items",
    summary="Set several items",
    response_model=ChangedCart,
    responses=answers(400, 409, 412, 415, 422, 503, success={200: {**CART_HEADERS, **REPLAYED}}),
)
async def set_items(
    customer_id: CustomerId,
    body: Annotated[SetItems, Body()],
    caller: CallerDep,
    tags: IfMatch,
    asked: IdempotencyKey,
    service: RunningService,
) -> Response:
    """Set lines together, all or none, as one change. Lines that are not named stay."""
    caller.require(customer_id)
    lines = [
        LineChange(line.product_id, line.quantity, line.name, line.unit_price, line.currency)
        for line in body.items
    ]

    def act() -> Kept:
        changed = service.carts.set_items(customer_id, lines, tags)
        return Kept(200, changed.document, _tag_of(changed))

    return idempotency.response(
        await idempotency.answered(service, asked, customer_id, act, subject=caller.subject)
    )


@router.post(
    f"{_CARTS}/{{customer_id}}/merge",
    summary="Merge another customer's cart into this one",
    response_model=ChangedCart,
    responses=answers(400, 409, 412, 415, 422, 503, success={200: {**CART_HEADERS, **REPLAYED}}),
)
async def merge(
    request: Request,
    customer_id: CustomerId,
    body: Annotated[Merge, Body()],
    caller: CallerDep,
    tags: IfMatch,
    asked: IdempotencyKey,
    service: RunningService,
) -> Response:
    """Take over the lines of a guest who has signed in, say; the other cart is gone after it.

    A caller without the service scope shows with `source_token` that the source is theirs too.
    """
    caller.require(customer_id)
    try:
        owner = await _owner_of_source(request, body, caller)
    except Unauthenticated as error:
        # It may have been good the first time: then the answer is there, and was theirs.
        kept = await idempotency.replayed(
            service, asked, customer_id, error, subject=caller.subject
        )
        return idempotency.response(kept)
    owner.require(body.source_customer_id)

    def act() -> Kept:
        changed = service.carts.merge(customer_id, body.source_customer_id, body.strategy, tags)
        return Kept(200, changed.document, _tag_of(changed))

    return idempotency.response(
        await idempotency.answered(service, asked, customer_id, act, subject=caller.subject)
    )


@router.delete(
    f"{_CARTS}/{{customer_id}}/items/{{product_id}}",
    summary="Remove item from cart",
    response_model=ChangedCart,
    responses=answers(400, 404, 412, 422, 503, success={200: CART_HEADERS}),
)
async def remove_item(
    customer_id: CustomerId,
    product_id: ProductId,
    caller: CallerDep,
    tags: IfMatch,
    service: RunningService,
) -> Response:
    """Remove a line and return the cart without it."""
    caller.require(customer_id)
    return _changed(await service.run(service.carts.remove_item, customer_id, product_id, tags))


@router.delete(
    f"{_CARTS}/{{customer_id}}",
    summary="Clear cart",
    status_code=204,
    response_class=Response,
    responses=answers(400, 412, 422, 503, success={204: CART_HEADERS}),
)
async def clear_cart(
    customer_id: CustomerId, caller: CallerDep, tags: IfMatch, service: RunningService
) -> Response:
    """Remove every line; an empty cart is fine."""
    caller.require(customer_id)
    run = service.run_repeatable if tags is None else service.run
    tag = await run(service.carts.clear, customer_id, tags)
    return Response(status_code=204, headers={"ETag": f'"{tag}"'})


@router.post(
    f"{_CARTS}/checkout",
    summary="Process checkout",
    status_code=201,
    response_model=Order,
    responses=answers(
        400,
        409,
        412,
        415,
        422,
        503,
        success={201: {"Location": {"schema": {"type": "string"}}, **REPLAYED}},
    ),
)
async def check_out(
    body: Annotated[Checkout, Body()],
    caller: CallerDep,
    tags: IfMatch,
    asked: IdempotencyKey,
    service: RunningService,
) -> Response:
    """Make the cart an order, once. With `expected_total` only at the price the customer saw."""
    caller.require(body.customer_id)

    def act() -> Kept:
        order = service.carts.check_out(body.customer_id, body.expected_total, tags)
        return Kept(201, order.document, {"Location": f"/api/v1/orders/{order.order_id}"})

    kept = await idempotency.answered(service, asked, body.customer_id, act, subject=caller.subject)
    if not kept.is_replayed:
        service.metrics.checkouts.inc()
    return idempotency.response(kept)


async def _owner_of_source(request: Request, body: Merge, caller: Caller) -> Caller:
    if body.source_token is None or caller.is_service:
        return caller
    return await auth.verified(request, body.source_token.get_secret_value(), "source_token")


def _changed(found: CartVersion) -> Response:
    return responses.json_document(found.document, headers=_tag_of(found))


def _tag_of(found: CartVersion) -> dict[str, str]:
    return {"ETag": f'"{found.tag}"'}
