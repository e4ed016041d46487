"""The CustomResourceDefinition of this checkout, in a test's control plane."""

import pathlib

import yaml

from tests.support import control_plane
from tests.support.cluster import Cluster, eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "cartservices.carthub.io"
CRD_FILE = ROOT / "crds" / "carthub.io_cartservices.yaml"


def install(kubeconfig: pathlib.Path) -> None:
    """Apply the CRD and return once CartServices can be created; again does nothing.

    Its condition says so a little earlier than the server serves the kind, and tells of it.
    """
    manifest = yaml.safe_load(CRD_FILE.read_text())
    with control_plane.dynamic_client(kubeconfig) as api:
        control_plane.apply(api, manifest)
    cluster = Cluster(kubeconfig)
    eventually(
        lambda: cluster.run("get", NAME, "--all-namespaces").returncode == 0,
        what="CartServices are served",
    )
