"""Somebody who may see how a CartService stands, and not one thing more: no Secret among it."""

from pathlib import Path

from carthub_dev.control_plane import ControlPlane
from carthub_operator import kinds
from tests.support import control_plane

_USER = "onlooker"
# What docs/cli.md says that `carthub status` needs.
_RULES = [
    {"apiGroups": [kinds.CART_SERVICE.group], "resources": ["cartservices"], "verbs": ["get"]},
    *(
        {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["list"]}
        for kind in (*kinds.WATCHED_CHILDREN, kinds.POD, kinds.EVENT)
    ),
]


def onlooker(plane: ControlPlane, namespace: str) -> Path:
    """Return the kubeconfig of one in this namespace; the rights may be in effect a bit later."""
    metadata = {"name": _USER, "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": _RULES}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": _USER},
        "subjects": [{"apiGroup": group, "kind": "User", "name": _USER}],
    }
    with control_plane.dynamic_client(plane.kubeconfig) as api:
        control_plane.apply(api, role)
        control_plane.apply(api, binding)
    return plane.kubeconfig_for(_USER)
