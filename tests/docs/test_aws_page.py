"""What the page on AWS has people write into files and apply; its commands: tests/aws."""

import re
import shutil
import string
from pathlib import Path

from carthub_dev import paths
from carthub_dev.kubectl import Kubectl
from tests.support import markdown
from tests.support.command_line import carthub

_HERE_DOCUMENT = re.compile(r"<<EOF\n(.*?)^EOF$", re.MULTILINE | re.DOTALL)
VARIABLES = {
    "REGISTRY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "TAG": "0123456789abcdef0123456789abcdef01234567",
    "AWS_REGION": "eu-west-1",
}


def _written(kind: str) -> str:
    """Return the one file of a kind that the page writes, with its variables filled in."""
    found = [
        text
        for block in markdown.shell_blocks("aws.md")
        for text in _HERE_DOCUMENT.findall(block)
        if f"kind: {kind}\n" in text
    ]
    [one] = found
    return string.Template(one).substitute(VARIABLES)


def test_the_kustomization_gives_the_operator_its_image_and_its_list(tmp_path: Path) -> None:
    shutil.copytree(paths.REPOSITORY / "deploy" / "operator", tmp_path / "operator")
    own = tmp_path / "mine"
    own.mkdir()
    (own / "kustomization.yaml").write_text(_written("Kustomization"))

    # No cluster is asked.
    built = Kubectl(tmp_path / "none")("kustomize", str(own))

    assert f"image: {VARIABLES['REGISTRY']}/carthub-operator:{VARIABLES['TAG']}\n" in built
    assert 'value: \'{"shopping-cart": ["prod/carthub/*"]}\'\n' in built
    assert built.count("name: CARTHUB_SECRET_ALLOW_LIST") == 1
    assert "CARTHUB_LEASE_NAMESPACE" in built


def test_the_cartservice_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "backend.yaml"
    file.write_text(_written("CartService"))

    assert carthub("validate", "-f", str(file)).code == 0
