"""What the pods of the API and of the migration have in common.

They pass Pod Security `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards).
"""

from typing import Any

from carthub_operator.api import names
from carthub_operator.api.resource import CartService

# The uid and gid that Dockerfile.service gives its user.
RUN_AS = 10001
SECRET_FILE_MODE = 0o440
_CREDENTIALS, _TMP, _CA = "database", "tmp", "database-ca"
TMP_SIZE = "64Mi"


def labels(resource: CartService, *, component: str) -> dict[str, str]:
    """Return the pods' labels: what the spec adds, and ours, which win."""
    ours = names.labels(resource.name, resource.uid, component=component)
    return {**resource.spec.pod_labels, **ours}


def pod_spec(
    resource: CartService, container: dict[str, Any], *, key_prefix: str = ""
) -> dict[str, Any]:
    """Return the part of a pod that both kinds share, around one container.

    The prefix chooses among the credentials in the Secret.
    """
    spec = resource.spec
    shared: dict[str, Any] = {
        "serviceAccountName": names.service_account(resource.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUN_AS,
            "runAsGroup": RUN_AS,
            "fsGroup": RUN_AS,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": _volumes(resource, key_prefix),
    }
    if spec.image_pull_secrets:
        shared["imagePullSecrets"] = [{"name": it.name} for it in spec.image_pull_secrets]
    if spec.scheduling.node_selector:
        shared["nodeSelector"] = spec.scheduling.node_selector
    if spec.scheduling.tolerations:
        shared["tolerations"] = [one.manifest() for one in spec.scheduling.tolerations]
    return shared


def container(resource: CartService, name: str, *, key_prefix: str = "") -> dict[str, Any]:
    """Return the part of a container that both kinds share."""
    spec = resource.spec
    return {
        "name": name,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "env": environment(resource, key_prefix),
        "resources": spec.resources.manifest(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(resource),
    }


def environment(resource: CartService, key_prefix: str) -> list[dict[str, Any]]:
    """Return the variables: credentials for shells and tools, settings, then the spec's own."""
    spec = resource.spec
    secret = names.database_secret(resource.name)
    variables: list[dict[str, Any]] = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key_prefix + key}}}
        for key in names.SECRET_ENV
    ]
    variables += [
        {"name": names.ENV_CREDENTIALS_DIR, "value": names.CREDENTIALS_DIR},
        {"name": names.ENV_ENVIRONMENT, "value": spec.environment},
        {"name": names.ENV_LOG_LEVEL, "value": spec.log_level},
        {"name": names.ENV_PORT, "value": str(names.PORT)},
        {"name": names.ENV_METRICS_PORT, "value": str(names.METRICS_PORT)},
    ]
    if ca := spec.database.ca:
        path = f"{names.CA_DIR}/{ca.config_map.key}"
        variables.append({"name": names.ENV_ROOT_CERTIFICATE, "value": path})
    variables += [
        {"name": name, "value": str(value)}
        for name, value in _chosen(resource).items()
        if value is not None
    ]
    variables += [
        # The API server stores an empty value as none.
        {key: value for key, value in variable.manifest().items() if value != ""}
        for variable in spec.env
    ]
    return variables


def _chosen(resource: CartService) -> dict[str, str | int | None]:
    """Return the settings of the service that a spec may leave to it."""
    auth, cart = resource.spec.auth, resource.spec.cart
    return {
        names.ENV_AUTH_ISSUER: auth.issuer,
        names.ENV_AUTH_AUDIENCE: auth.audience,
        names.ENV_AUTH_JWKS_URL: auth.jwks_url,
        names.ENV_AUTH_SERVICE_SCOPE: auth.service_scope,
        names.ENV_CART_TTL_DAYS: cart.ttl_days,
        names.ENV_CART_MAX_LINES: cart.max_lines,
        names.ENV_CART_MAX_QUANTITY: cart.max_quantity,
        names.ENV_CART_CURRENCY: cart.currency,
    }


def _volumes(resource: CartService, key_prefix: str) -> list[dict[str, Any]]:
    secret: dict[str, Any] = {
        "secretName": names.database_secret(resource.name),
        "defaultMode": SECRET_FILE_MODE,
    }
    if key_prefix:
        secret["items"] = [{"key": key_prefix + key, "path": key} for key in names.SECRET_ENV]
    volumes: list[dict[str, Any]] = [
        {"name": _TMP, "emptyDir": {"sizeLimit": TMP_SIZE}},
        {"name": _CREDENTIALS, "secret": secret},
    ]
    if ca := resource.spec.database.ca:
        volumes.append({"name": _CA, "configMap": {"name": ca.config_map.name}})
    return volumes


def _mounts(resource: CartService) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": _TMP, "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        # The whole folder, no subPath: only so the files follow a rotation.
        {"name": _CREDENTIALS, "mountPath": names.CREDENTIALS_DIR, "readOnly": True},
    ]
    if resource.spec.database.ca:
        mounts.append({"name": _CA, "mountPath": names.CA_DIR, "readOnly": True})
    return mounts
