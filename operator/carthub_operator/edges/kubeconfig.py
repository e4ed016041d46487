"""What a kubeconfig says beside the way to the API server."""

from pathlib import Path

from kubernetes import config
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from carthub_operator.errors import ClusterUnavailable

_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def namespace(kubeconfig: str | None, context: str | None) -> str:
    """Return the namespace of a context, of the current one by default.

    `kubeconfig` is a path, None in a pod: its own namespace. Raises ClusterUnavailable.
    """
    if kubeconfig is None:
        return _IN_POD.read_text("utf-8").strip() if _IN_POD.exists() else "default"
    try:
        merged = KubeConfigMerger(kubeconfig).config or {}
        chosen = KubeConfigLoader(merged, active_context=context).current_context
    except config.ConfigException as error:
        raise ClusterUnavailable(f"KUBECONFIG {kubeconfig}: {error}") from None
    return str(chosen["context"].get("namespace") or "default")
