"""Orders, as checkouts left them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from app.api import cursors, responses
from app.api.auth import CallerDep
from app.api.dependencies import RunningService
from app.api.direct import DirectRoute
from app.api.openapi import answers
from app.api.schemas import Identifier, Order, OrderPage

router = APIRouter(tags=["orders"], route_class=DirectRoute)

_ORDERS = "/api/v1/orders"
_MOST = 100


@router.get(
    _ORDERS,
    summary="List a customer's orders",
    response_model=OrderPage,
    responses=answers(422, 503),
)
async def list_orders(
    customer_id: Annotated[Identifier, Query(description="Whose orders")],
    caller: CallerDep,
    service: RunningService,
    limit: Annotated[int, Query(ge=1, le=_MOST, description="Orders on a page")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before")
    ] = None,
) -> Response:
    """Return a page of orders, youngest first; orders that come meanwhile change no later page."""
    caller.require(customer_id, "order")
    after = None if cursor is None else cursors.parsed(cursor)
    page = await service.run_read(service.carts.orders, customer_id, limit, after)
    following = None if page.following is None else cursors.written(page.following)
    return responses.json_document(OrderPage.written(page.documents, following))


@router.get(
    f"{_ORDERS}/{{order_id}}",
    summary="Get an order",
    response_model=Order,
    responses=answers(404, 422, 503),
)
async def get_order(
    order_id: Annotated[UUID, Path(description="From the checkout's Location")],
    caller: CallerDep,
    service: RunningService,
) -> Response:
    """Return an order with the lines and prices of its checkout."""
    found = await service.run_read(service.carts.order, str(order_id), caller.only_customer)
    return responses.json_document(found)
