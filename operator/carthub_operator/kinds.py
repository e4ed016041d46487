"""The kinds of objects that the operator reads or writes, and where the API server has them."""

from dataclasses import dataclass
from typing import Final

from carthub_operator.api import names


@dataclass(frozen=True)
class Kind:
    """One kind; `group` is empty for the core API."""

    name: str
    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """What manifests of this kind say in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None, name: str | None = None) -> str:
        """Return the URL path of the collection, or of one object; None: all namespaces."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{where}/{self.plural}" + (f"/{name}" if name else "")


CART_SERVICE: Final = Kind(names.KIND, names.GROUP, names.VERSION, names.PLURAL)
DEPLOYMENT: Final = Kind("Deployment", "apps", "v1", "deployments")
JOB: Final = Kind("Job", "batch", "v1", "jobs")
POD: Final = Kind("Pod", "", "v1", "pods")
CONFIG_MAP: Final = Kind("ConfigMap", "", "v1", "configmaps")
SECRET: Final = Kind("Secret", "", "v1", "secrets")
LEASE: Final = Kind("Lease", "coordination.k8s.io", "v1", "leases")
EVENT: Final = Kind("Event", "events.k8s.io", "v1", "events")

# Children that are listed and watched by their label. Secrets are not: RBAC knows no labels, so
# the right to list some is the right to read all.
WATCHED_CHILDREN: Final = (
    Kind("ServiceAccount", "", "v1", "serviceaccounts"),
    Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    Kind("Service", "", "v1", "services"),
    Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
    JOB,
    DEPLOYMENT,
    Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers"),
    Kind("Ingress", "networking.k8s.io", "v1", "ingresses"),
)
# Of the Prometheus operator: watched and made only where the cluster knows it.
SERVICE_MONITOR: Final = Kind("ServiceMonitor", "monitoring.coreos.com", "v1", "servicemonitors")
# What a spec can do without, so that the operator deletes it.
OPTIONAL: Final = frozenset(
    {
        "PodDisruptionBudget",
        "Job",
        "HorizontalPodAutoscaler",
        "Ingress",
        SERVICE_MONITOR.name,
    }
)
# Pods are children of children: watched for what they say, never written.
WATCHED: Final = (CART_SERVICE, *WATCHED_CHILDREN, POD)

BY_NAME: Final = {
    kind.name: kind for kind in (*WATCHED, SERVICE_MONITOR, CONFIG_MAP, SECRET, EVENT, LEASE)
}
