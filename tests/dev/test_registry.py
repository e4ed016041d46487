"""Images pushed to the registry that stands for ECR; root on Debian, as it is installed by need."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from carthub_dev import image_store, node_config, packages, pause, publishing
from carthub_dev.errors import BuildFailed
from carthub_dev.image_archives import BuiltImage
from carthub_dev.ledger import Ledger
from carthub_dev.registry import PASSWORD, USER, Registry
from tests.support.registry import client_environment

COMMIT = "0123456789abcdef0123456789abcdef01234567"

if os.geteuid() != 0 and not all(map(packages.is_present, (*packages.REGISTRY, *packages.PUSH))):
    pytest.skip("docker-registry and skopeo need root to be installed", allow_module_level=True)


@pytest.fixture
def image(tmp_path: Path) -> BuiltImage:
    """An image of a few bytes."""
    archive = tmp_path / "image.tar"
    name = f"docker.io/library/carthub-service:{COMMIT}"
    archive.write_bytes(pause.docker_archive(name, b"program", "x86_64"))
    return BuiltImage(
        name="carthub-service", tag=COMMIT, archive=archive, key="", id="", size_bytes=1
    )


@pytest.fixture
def logged_in(
    own_registry: Registry, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    """The registry, with skopeo logged in to it."""
    packages.ensure(packages.PUSH, "to test", ledger=ledger)
    for name, value in client_environment(own_registry, tmp_path).items():
        monkeypatch.setenv(name, value)
    login = ["skopeo", "login", "--username", USER, "--password-stdin", own_registry.host]
    subprocess.run(login, input=PASSWORD, text=True, check=True, capture_output=True)
    return own_registry


@pytest.fixture
def own_registry(ledger: Ledger) -> Iterator[Registry]:
    with Registry(ledger) as started:
        yield started


def test_an_image_is_pushed_once_and_never_over_its_tag(
    logged_in: Registry, image: BuiltImage, ledger: Ledger
) -> None:
    said: list[str] = []
    name = f"{logged_in.host}/carthub-service:{COMMIT}"

    assert publishing.publish([image], logged_in.host, ledger=ledger, say=said.append) == [name]
    # As ECR with tags that cannot be moved: even the same image is refused.
    logged_in.refuse_pushes()
    assert publishing.publish([image], logged_in.host, ledger=ledger, say=said.append) == []

    assert said == [f"Pushed {name}", f"{name} is there already"]
    shown = subprocess.run(
        ["skopeo", "inspect", f"docker://{name}"], capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout)["Architecture"] == "amd64"


def test_a_registry_that_refuses_a_push_is_told(
    logged_in: Registry, image: BuiltImage, ledger: Ledger
) -> None:
    logged_in.refuse_pushes()

    with pytest.raises(BuildFailed, match=rf"carthub-service:{COMMIT} is not pushed: "):
        publishing.publish([image], logged_in.host, ledger=ledger)


def test_without_a_login_nothing_is_taken_for_absent(
    logged_in: Registry, image: BuiltImage, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/nowhere/login.json")

    with pytest.raises(BuildFailed, match=r"cannot be looked for: .*(unauthorized|authentication)"):
        publishing.publish([image], logged_in.host, ledger=ledger)


@pytest.mark.usefixtures("container_runtime_tools")
def test_a_node_s_containerd_pulls_from_it(
    logged_in: Registry, image: BuiltImage, ledger: Ledger, tmp_path: Path
) -> None:
    publishing.publish([image], logged_in.host, ledger=ledger)
    hosts = tmp_path / "registries" / logged_in.host
    hosts.mkdir(parents=True)
    authority = hosts / "ca.crt"
    authority.write_text(logged_in.authority)
    (hosts / "hosts.toml").write_text(
        node_config.registry(logged_in.host, authority=authority, login=f"{USER}:{PASSWORD}")
    )
    pull = ["images", "pull", "--hosts-dir", str(hosts.parent)]

    with image_store.containerd(ledger) as socket:
        done = image_store.ctr(socket, *pull, f"{logged_in.host}/carthub-service:{COMMIT}")
        assert done.returncode == 0, done.stderr
        listed = image_store.ctr(socket, "images", "list", "--quiet").stdout.split()

    assert listed == [f"{logged_in.host}/carthub-service:{COMMIT}"]
