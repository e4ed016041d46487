"""The handlers: `kopf run benchmarks/reference_operator/main.py`."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import boto3
import kopf
from kubernetes import client, config

from benchmarks.reference_operator.children import Manifest, children

_KIND = ("tutorial.example.com", "v1", "cartapps")
_INTERVAL_SECONDS = 60.0


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: object) -> None:
    """Log in, and write no Events."""
    config.load_kube_config()
    settings.posting.enabled = False


@kopf.on.create(*_KIND)
@kopf.on.resume(*_KIND)
@kopf.on.update(*_KIND)
def deploy(body: kopf.Body, patch: kopf.Patch, **_: object) -> None:
    """Make every child as the spec wants it."""
    _ensure(body)
    patch.status["phase"] = "Deployed"


@kopf.timer(*_KIND, interval=_INTERVAL_SECONDS, initial_delay=_INTERVAL_SECONDS)
def check(body: kopf.Body, patch: kopf.Patch, **_: object) -> None:
    """Follow the password, and mend what somebody edited."""
    _ensure(body)
    found = client.AppsV1Api().read_namespaced_deployment(
        f"{body.metadata.name}-deployment", body.metadata.namespace
    )
    patch.status["readyReplicas"] = found.status.ready_replicas or 0


@kopf.on.delete(*_KIND)
def delete(name: str | None, logger: kopf.Logger, **_: object) -> None:
    """Say so: the children go with their owner."""
    logger.info("%s is deleted", name)


def _ensure(body: kopf.Body) -> None:
    spec: Mapping[str, Any] = body.spec
    value = _SECRETS_MANAGER.get_secret_value(SecretId=spec["secretId"])
    credentials = json.loads(value["SecretString"])
    for child in children(str(body.metadata.name), spec, credentials):
        kopf.adopt(child, owner=body)
        _apply(child, str(body.metadata.namespace))


def _apply(child: Manifest, namespace: str) -> None:
    create, patch = _calls()[child["kind"]]
    try:
        create(namespace, child)
    except client.ApiException as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
        patch(child["metadata"]["name"], namespace, child)


def _calls() -> dict[str, tuple[Callable[..., object], Callable[..., object]]]:
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    networking, policy = client.NetworkingV1Api(), client.PolicyV1Api()
    scaling = client.AutoscalingV2Api()
    return {
        "ServiceAccount": (
            core.create_namespaced_service_account,
            core.patch_namespaced_service_account,
        ),
        "Secret": (core.create_namespaced_secret, core.patch_namespaced_secret),
        "Service": (core.create_namespaced_service, core.patch_namespaced_service),
        "NetworkPolicy": (
            networking.create_namespaced_network_policy,
            networking.patch_namespaced_network_policy,
        ),
        "PodDisruptionBudget": (
            policy.create_namespaced_pod_disruption_budget,
            policy.patch_namespaced_pod_disruption_budget,
        ),
        "Deployment": (apps.create_namespaced_deployment, apps.patch_namespaced_deployment),
        "HorizontalPodAutoscaler": (
            scaling.create_namespaced_horizontal_pod_autoscaler,
            scaling.patch_namespaced_horizontal_pod_autoscaler,
        ),
    }


_SECRETS_MANAGER = boto3.client("secretsmanager")
