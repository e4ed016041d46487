"""Orders, as checkouts left them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from app.api import responses
from app.api.dependencies import RunningService
from app.api.direct import DirectRoute
from app.api.openapi import answers
from app.api.schemas import Order

router = APIRouter(tags=["orders"], route_class=DirectRoute)


@router.get(
    "/api/v1/orders/{order_id}",
    summary="Get an order",
    response_model=Order,
    responses=answers(404, 422, 503),
)
async def get_order(
    order_id: Annotated[UUID, Path(description="From the checkout's Location")],
    service: RunningService,
) -> Response:
    """Return an order with the lines and prices of its checkout."""
    return responses.json_document(await service.run_repeatable(service.carts.order, str(order_id)))
