"""The first cart: a CartService applied as a user does, then filled and checked out."""

import http.client
import json
import secrets
from dataclasses import dataclass
from typing import Any

from carthub_dev import manifests
from carthub_dev.aws import REGION
from carthub_dev.errors import NotReady
from carthub_dev.kubectl import KubectlFailed
from carthub_dev.platform import Platform
from carthub_dev.steps import Steps

STEPS = 2
LOGIN = "carthub_blue"

_READY_SECONDS = 180
_REQUEST_SECONDS = 10.0
_CUSTOMER = "customer-1"
_LINES = (("SKU-1", "Teapot", "24.90", 1), ("SKU-2", "Tea cup", "6.50", 4))


@dataclass(frozen=True)
class Shown:
    """What a demonstration leaves to look at."""

    service_address: str
    resource: str
    cart: dict[str, Any]
    order: dict[str, Any]


def demonstrate(platform: Platform, steps: Steps) -> Shown:
    """Apply the CartService `backend`, wait until it is Ready, and buy something."""
    with steps.step("CartService backend applied, its pods Ready"):
        apply(platform)
        wait_until_ready(platform)
    address = service_address(platform)
    with steps.step("A cart filled and checked out through the Service"):
        cart, order = buy(address)
    kubectl = platform.kubectl
    resource = kubectl("get", "cartservice", "--namespace", manifests.NAMESPACE)
    return Shown(address, resource, cart, order)


def apply(platform: Platform) -> None:
    """Make what a team has before its first CartService, then apply that."""
    database = platform.database_facts
    password = secrets.token_urlsafe(24)
    platform.database.create_login(LOGIN, password)
    platform.aws.put_secret(manifests.SECRET_ID, manifests.secret_value(LOGIN, password, database))
    service = platform.images["carthub-service"].reference
    platform.kubectl.apply(
        [
            manifests.namespace(),
            manifests.database_authority(database.authority),
            manifests.cart_service(service, database, region=REGION),
        ]
    )


def wait_until_ready(platform: Platform, timeout_seconds: int = _READY_SECONDS) -> None:
    """Return once the CartService is Ready; else say what it and its pods say."""
    kind = f"cartservice/{manifests.NAME}"
    try:
        platform.kubectl(
            *("wait", kind, "--namespace", manifests.NAMESPACE),
            *("--for=condition=Ready", f"--timeout={timeout_seconds}s"),
            timeout_seconds=timeout_seconds + 30,
        )
    except KubectlFailed as error:
        described = platform.kubectl("describe", kind, "--namespace", manifests.NAMESPACE)
        told = [
            platform.explain(name) for name in (manifests.NAMESPACE, manifests.OPERATOR_NAMESPACE)
        ]
        raise NotReady("\n".join((str(error), described, *told))) from error


def service_address(platform: Platform) -> str:
    """Return the ClusterIP of the cart API, which this machine has a route to."""
    return platform.kubectl(
        *("get", "service", f"{manifests.NAME}-service", "--namespace", manifests.NAMESPACE),
        *("--output", "jsonpath={.spec.clusterIP}"),
    )


def buy(address: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fill a cart, check it out, and return both as the API answers them."""
    for product, name, price, quantity in _LINES:
        item = {
            "customer_id": _CUSTOMER,
            "product_id": product,
            "name": name,
            "unit_price": price,
            "currency": "EUR",
            "quantity": quantity,
        }
        call(address, "POST", "/api/v1/cart/items", item)
    cart = call(address, "GET", f"/api/v1/cart/{_CUSTOMER}")
    order = call(address, "POST", "/api/v1/cart/checkout", {"customer_id": _CUSTOMER})
    return cart, order


def call(
    address: str, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the answer of the cart API, never through a proxy; raises NotReady on an error."""
    connection = http.client.HTTPConnection(address, timeout=_REQUEST_SECONDS)
    try:
        connection.request(
            method,
            path,
            body=json.dumps(body) if body else None,
            headers={"Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        content = answer.read()
    except OSError as error:
        raise NotReady(f"{method} http://{address}{path}: {error}") from error
    finally:
        connection.close()
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise NotReady(f"{method} http://{address}{path}: {answer.status} {content.decode()}")
    answered: dict[str, Any] = json.loads(content)
    return answered
