"""What a kubeconfig says beside the way to the API server."""

from pathlib import Path

import pytest

from carthub_operator.edges import kubeconfig
from carthub_operator.errors import ClusterUnavailable

# `kubectl config unset current-context`, as those do who want to name it each time.
_WITHOUT_CURRENT = """
apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: user, user: {}}]
contexts:
- {name: shop, context: {cluster: cluster, user: user, namespace: prod}}
- {name: bare, context: {cluster: cluster, user: user}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(_WITHOUT_CURRENT)
    return path


@pytest.mark.parametrize(
    ("current", "context", "namespace"),
    [
        ("", "shop", "prod"),
        ("", "bare", "default"),
        ("current-context: shop", None, "prod"),
        ("current-context: shop", "bare", "default"),
        ("current-context: gone", "shop", "prod"),
    ],
)
def test_a_context_that_is_named_needs_no_current_one(
    path: Path, current: str, context: str | None, namespace: str
) -> None:
    path.write_text(_WITHOUT_CURRENT + current)

    assert kubeconfig.namespace(str(path), context) == namespace


@pytest.mark.parametrize(("context", "named"), [("gone", "gone"), (None, "current-context")])
def test_what_is_missing_is_named(path: Path, context: str | None, named: str) -> None:
    with pytest.raises(ClusterUnavailable, match=named):
        kubeconfig.namespace(str(path), context)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnavailable, match="absent: Invalid kube-config file"):
        kubeconfig.namespace(str(tmp_path / "absent"), None)
