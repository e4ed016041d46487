"""The CustomResourceDefinition of this checkout, in a test's control plane."""

import pathlib
import time

import yaml
from kubernetes import client

from tests.support import control_plane

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "cartservices.carthub.io"
CRD_FILE = ROOT / "crds" / "carthub.io_cartservices.yaml"
_DEADLINE_SECONDS = 20


def install(kubeconfig: pathlib.Path) -> None:
    """Apply the CRD and return once CartServices can be created; again does nothing."""
    manifest = yaml.safe_load(CRD_FILE.read_text())
    with control_plane.dynamic_client(kubeconfig) as api:
        control_plane.apply(api, manifest)
        definitions = client.ApiextensionsV1Api(api.client)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while time.monotonic() < deadline:
            live = definitions.read_custom_resource_definition_status(
                NAME, _request_timeout=control_plane.REQUEST_SECONDS
            )
            told = {one.type: one.status for one in live.status.conditions or ()}
            if told.get("Established") == "True":
                return
            time.sleep(0.05)
    raise AssertionError(f"the CRD is not established within {_DEADLINE_SECONDS} s")
