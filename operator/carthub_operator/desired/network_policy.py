"""The NetworkPolicy: nothing in or out but the flows listed here."""

from typing import Any

from carthub_operator.api import names
from carthub_operator.api.kubernetes_types import EgressRule
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest

DNS_PORT = 53


def network_policy(
    resource: CartService, *, database_port: int, port_in_use: int | None = None
) -> Manifest:
    """Return the policy for the pods of the API and of the migrations.

    The port in use is another while a database is still to be migrated.
    """
    network = resource.spec.network
    ingress: list[dict[str, Any]] = [
        {
            "from": [{"podSelector": {}}, *(peer.manifest() for peer in network.allow_from)],
            "ports": [_port(names.PORT)],
        }
    ]
    if resource.spec.ingress.enabled:
        ingress.append(_through_the_ingress(resource))
    if network.metrics_from:
        scrapers = [peer.manifest() for peer in network.metrics_from]
        ingress.append({"from": scrapers, "ports": [_port(names.METRICS_PORT)]})
    ports = sorted({database_port, port_in_use or database_port})
    database: dict[str, Any] = {"ports": [_port(port) for port in ports]}
    if cidrs := resource.spec.database.cidrs:
        database["to"] = [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]
    # To anywhere: cluster DNS may be pods, a node-local cache or an address outside.
    dns = {"ports": [_port(DNS_PORT, protocol="UDP"), _port(DNS_PORT)]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": resource.metadata(names.network_policy(resource.name)),
        "spec": {
            # Without the component: the migration's pods too.
            "podSelector": {
                "matchLabels": {
                    names.LABEL_NAME: names.APP_NAME,
                    names.LABEL_INSTANCE: resource.name,
                }
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": [dns, database, *map(_egress, network.allow_to)],
        },
    }


def _through_the_ingress(resource: CartService) -> dict[str, Any]:
    rule: dict[str, Any] = {"ports": [_port(names.PORT)]}
    if sources := resource.spec.ingress.sources:
        rule["from"] = [peer.manifest() for peer in sources]
    return rule


def _egress(rule: EgressRule) -> dict[str, Any]:
    manifest = rule.manifest()
    for port in manifest.get("ports", ()):
        # As the API server stores it.
        port.setdefault("protocol", "TCP")
    return manifest


def _port(number: int, *, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": number, "protocol": protocol}
