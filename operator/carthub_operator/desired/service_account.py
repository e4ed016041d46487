"""The ServiceAccount of the pods; IRSA's annotation goes here."""

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest


def service_account(resource: CartService) -> Manifest:
    """Return the ServiceAccount, without a token of the cluster."""
    metadata = resource.metadata(names.service_account(resource.name))
    if annotations := resource.spec.service_account.annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": False,
    }
