from pathlib import Path

import pytest

from carthub_dev.kubectl import Kubectl, KubectlFailed


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    kubeconfig = tmp_path / "kubeconfig"
    # Nobody listens there, so it is refused at once.
    kubeconfig.write_text(
        '{"apiVersion":"v1","kind":"Config","current-context":"c",'
        '"contexts":[{"name":"c","context":{"cluster":"c"}}],'
        '"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}]}'
    )
    return Kubectl(kubeconfig)


def test_a_failure_names_the_command_and_what_was_said(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlFailed, match=r"(?s)kubectl get pods: .*127\.0\.0\.1:1") as failed:
        kubectl("get", "pods")
    assert "refused" in failed.value.said


def test_no_proxy_is_between_it_and_the_cluster(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", "here")
    assert not [name for name in kubectl.environment if name.lower().endswith("_proxy")]
    assert kubectl.environment["KUBECONFIG"] == str(kubectl.kubeconfig)


def test_objects_are_built_offline(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [namespace.yaml]\n")
    (tmp_path / "namespace.yaml").write_text(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"
    )
    assert "name: a" in kubectl("kustomize", str(tmp_path))
