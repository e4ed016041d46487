"""From a commit to a served request: Git, Argo CD and `carthub wait`, under constant load.

What docs/gitops.md says a pipeline runs is what is run here, with a push that tells Argo CD as the
webhook of a Git server does. Argo CD tracks by label, and its Application has the CartService's
name: the children have that label too, and pruning must leave them alone all the same.
"""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from carthub_dev.argocd import NAMESPACE as ARGO_NAMESPACE
from carthub_dev.argocd import ArgoCd
from carthub_dev.ledger import Ledger
from carthub_dev.processes import Process
from tests.support import markdown
from tests.support.busy_cart import NAMESPACE, BusyCart
from tests.support.cluster import eventually
from tests.support.git_repository import GitRepository

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

pytestmark = [pytest.mark.usefixtures("gitops_judges"), pytest.mark.timeout(900)]

_NAME = "shipped"
# The namespace of the page; here it is another.
_DOCUMENTED = "shop-production"
_FILE = "production/cartservice.yaml"
_MISSING = "carthub-service:never-built"
_PIPELINE = next(block for block in markdown.shell_blocks("gitops.md") if "git push" in block)
# Git, Argo CD, a migration and a rollout of two pods, on a busy machine.
_SECONDS = 300


@dataclass(frozen=True)
class Run:
    """How a pipeline ended."""

    code: int
    said: str
    seconds: float


class Pipeline:
    """A repository, the Argo CD that follows it, and what people run between."""

    def __init__(self, argo: ArgoCd, repository: GitRepository, busy: BusyCart) -> None:
        self.argo, self.repository, self.busy = argo, repository, busy

    def commit(self, image: str, message: str) -> str:
        """Commit the CartService with this image."""
        manifest = self.busy.manifest()
        manifest["spec"]["image"] = image
        return self.repository.commit(_FILE, yaml.safe_dump(manifest), message)

    def run(self, image: str) -> Run:
        """Run what the documentation says, to its end."""
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-euc", _PIPELINE.replace("backend", _NAME).replace(_DOCUMENTED, NAMESPACE)],
            cwd=self.repository.clone,
            env={**self.busy.cluster.environment, **self.repository.environment, "IMAGE": image},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return Run(done.returncode, done.stdout + done.stderr, time.monotonic() - began)

    def wait_until(self, revision: str, health: str) -> None:
        """Return once Argo CD has synced a commit and says this of it."""
        wanted = (revision, "Synced", health)
        eventually(lambda: self._told() == wanted, what=f"{wanted}", timeout_seconds=120)

    def _told(self) -> tuple[str, str, str]:
        status = self.argo.application(_NAME).get("status", {})
        sync = status.get("sync", {})
        return (
            sync.get("revision", ""),
            sync.get("status", ""),
            status.get("health", {}).get("status", ""),
        )


@pytest.fixture(scope="module")
def argo(platform: "Platform", ledger: Ledger) -> Iterator[ArgoCd]:
    settings = {"application.resourceTrackingMethod": "label"}
    with ArgoCd(ledger, platform.cluster.plane, settings=settings) as started:
        yield started


@pytest.fixture(scope="module")
def pipeline(
    platform: "Platform", argo: ArgoCd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """A pipeline whose first commit serves."""
    busy = BusyCart(platform, _NAME)
    repository = GitRepository(tmp_path_factory.mktemp("git"))
    made = Pipeline(argo, repository, busy)
    busy.prepare()
    revision = made.commit(busy.manifest()["spec"]["image"], "Serve carts")
    repository.push()
    platform.kubectl.apply([_application(argo, repository)])
    webhook = f"{_NAME} -n {ARGO_NAMESPACE} --overwrite argocd.argoproj.io/refresh=hard"
    repository.after_push(f"kubectl annotate application {webhook}")
    try:
        made.wait_until(revision, "Healthy")
        busy.find()
        yield made
    except AssertionError as late:
        raise AssertionError(f"{late}\n{argo.explain(_NAME)}") from None
    finally:
        _delete(argo)
        eventually(lambda: not _children(busy), what="the children to go with the CartService")
        busy.remove()


@pytest.fixture
def told(pipeline: Pipeline, argo: ArgoCd, ledger: Ledger) -> Iterator[Process]:
    """Everything that Argo CD says of the Application meanwhile, a line each."""
    path = '{.status.sync.revision} {.status.sync.status} {.status.health.status}{"\\n"}'
    watch = ["get", "application", _NAME, "-n", ARGO_NAMESPACE, "--watch", "-o"]
    words = ["kubectl", *watch, f"jsonpath={path}"]
    environment = pipeline.busy.cluster.environment
    with Process(words, log=argo.folder / "told", ledger=ledger, env=environment) as watching:
        yield watching


def _delete(argo: ArgoCd) -> None:
    """Delete the Application and have Argo CD delete what it has applied."""
    cascade = '{"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}'
    where = (_NAME, "-n", ARGO_NAMESPACE)
    argo.kubectl("patch", "application", *where, "--type=merge", "-p", cascade)
    argo.kubectl("delete", "application", *where)


def _application(argo: ArgoCd, repository: GitRepository) -> dict[str, object]:
    """Return the documentation's Application, for this repository and this cluster."""
    blocks = markdown.yaml_blocks("gitops.md")
    found: dict[str, object] = next(one for one in blocks if one["kind"] == "Application")
    spec = found["spec"]
    assert isinstance(spec, dict)
    found["metadata"] = {"name": _NAME, "namespace": ARGO_NAMESPACE}
    spec["source"]["repoURL"] = repository.url
    spec["destination"] = {"server": argo.destination, "namespace": NAMESPACE}
    return found


def test_a_commit_is_shipped_a_bad_one_is_told_and_reverted_and_no_request_fails(
    pipeline: Pipeline, told: Process, service_image: str, second_image: str
) -> None:
    busy = pipeline.busy
    children = _children(busy)
    with busy.crowd() as crowd:
        good = pipeline.commit(second_image, "Serve the second version")
        shipped = pipeline.run(second_image)
        assert shipped.code == 0, shipped.said
        busy.wait_until_ended()
        assert {_image(pod) for pod in busy.pods()} == {second_image}
        answered = len(crowd.answers)
        pipeline.wait_until(good, "Healthy")
        uids = busy.pod_uids()

        bad = pipeline.commit(_MISSING, "Serve a version that was never built")
        refused = pipeline.run(_MISSING)
        pipeline.wait_until(bad, "Degraded")
        available = busy.condition("DeploymentAvailable")
        assert busy.pod_uids() == uids

        back = pipeline.repository.revert()
        reverted = pipeline.run(second_image)
        assert reverted.code == 0, reverted.said
        pipeline.wait_until(back, "Healthy")
        assert busy.pod_uids() == uids
        eventually(lambda: len(crowd.answers) > answered + 100, what="requests of the new version")
    crowd.check_sums()
    print(  # noqa: T201 - the figure of the run
        f"commit shipped in {shipped.seconds:.0f} s, bad one refused in {refused.seconds:.0f} s,"
        f" reverted in {reverted.seconds:.0f} s: dropped {len(crowd.failed)} / "
        f"{len(crowd.answers)}; {crowd.summary()}"
    )

    assert crowd.failed == []
    assert refused.code == 1, refused.said
    assert f"cannot pull {_MISSING}" in refused.said
    assert available["status"] == "True"
    last = [f"{back} Synced Healthy"]
    eventually(lambda: told.log.read_text().splitlines()[-1:] == last, what="its last word")
    _check_what_argo_said(told.log.read_text().splitlines(), good=good, bad=bad)
    assert _children(busy) >= children
    assert service_image != second_image


def test_a_rotated_password_is_nothing_to_put_right(pipeline: Pipeline) -> None:
    argo, busy = pipeline.argo, pipeline.busy
    before = argo.application(_NAME)["status"]
    uids = busy.pod_uids()

    busy.wait_until_rolled_out(version=busy.publish(busy.change_password()))
    argo.refresh(_NAME)

    eventually(lambda: not argo.is_refreshing(_NAME), what="it has compared")
    pipeline.wait_until(before["sync"]["revision"], "Healthy")
    after = argo.application(_NAME)["status"]
    assert [(one["kind"], one["name"]) for one in after["resources"]] == [("CartService", _NAME)]
    assert after["history"] == before["history"]
    assert not busy.pod_uids() <= uids


def _image(pod: dict[str, object]) -> object:
    spec = pod["spec"]
    assert isinstance(spec, dict)
    return spec["containers"][0]["image"]


def _children(busy: BusyCart) -> set[str]:
    """Return which long-lived children there are."""
    kinds = "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets,secrets"
    selector = f"app.kubernetes.io/instance={_NAME}"
    return {
        one["metadata"]["uid"] for one in busy.cluster.items(kinds, NAMESPACE, selector=selector)
    }


def _check_what_argo_said(said: list[str], *, good: str, bad: str) -> None:
    """Compare its words with what was true: a line each time it changed its mind."""
    changes = [now for before, now in zip(["", *said], said, strict=False) if now != before]
    print("\n".join(changes))  # noqa: T201 - what it said
    assert f"{good} Synced Progressing" in changes
    assert changes.index(f"{good} Synced Progressing") < changes.index(f"{good} Synced Healthy")
    assert f"{bad} Synced Degraded" in changes
    assert f"{bad} Synced Healthy" not in changes
