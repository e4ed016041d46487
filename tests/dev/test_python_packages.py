"""The wheel and the source archive: what they give who installs them, and that they repeat."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from carthub_dev import python_packages, toolchain
from carthub_dev.database import DatabaseServer
from carthub_dev.image_inputs import version
from carthub_dev.paths import REPOSITORY

EPOCH = 1_790_000_000
EXTRAS = ("cli", "operator", "service")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore", "crds")
UV = Path(sys.executable).with_name("uv")

# The first installation may have to fetch every dependency.
pytestmark = pytest.mark.timeout(600)


def copied(target: Path) -> Path:
    """Return a copy of what both are made of."""
    shutil.copytree(REPOSITORY / "operator", target / "operator")
    shutil.copytree(REPOSITORY / "service" / "app", target / "service" / "app")
    subprocess.run(["cp", "-r", *SOURCES, target], cwd=REPOSITORY, check=True)
    return target


def digests(built: list[Path]) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in built}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return python_packages.build(tmp_path_factory.mktemp("dist"), epoch=EPOCH)


@pytest.fixture(scope="module")
def wheel(built: list[Path]) -> Path:
    (found,) = (file for file in built if file.suffix == ".whl")
    return found


class Installed:
    """An environment that had nothing before the wheel, with some extras."""

    def __init__(self, folder: Path, wheel: Path, extras: tuple[str, ...]) -> None:
        self.bin = folder / "environment" / "bin"
        self._elsewhere = folder / "elsewhere"
        self._elsewhere.mkdir()
        wanted = folder / "wheel.txt"
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        wanted.write_text(
            f"carthub[{','.join(extras)}] @ {wheel.as_uri()} --hash=sha256:{digest}\n"
        )
        locks = [f"--requirements={REPOSITORY}/requirements/{extra}.lock" for extra in extras]
        # With hashes nothing is installed that a lock does not name.
        install: list[str | Path] = [
            "pip",
            "install",
            "--python",
            self.bin / "python",
            "--require-hashes",
            *locks,
        ]
        steps: list[list[str | Path]] = [
            ["venv", "--python", sys.executable, self.bin.parent],
            [*install, "--requirements", wanted],
            ["pip", "check", "--python", self.bin / "python"],
        ]
        for arguments in steps:
            done = self._run(UV, *arguments)
            assert done.returncode == 0, done.stderr

    def run(self, program: str, *arguments: str | Path, **environment: str) -> str:
        """Run a program of the environment and return what it prints."""
        done = self.attempt(program, *arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def attempt(
        self, program: str, *arguments: str | Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self._run(self.bin / program, *arguments, **environment)

    def _run(
        self, program: Path, *arguments: str | Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        settings = {"PATH": f"{self.bin}:{os.environ['PATH']}", **environment}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return subprocess.run(
            [program, *arguments],
            # Where no source of the checkout is found by chance.
            cwd=self._elsewhere,
            env={**kept, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )


@pytest.fixture(scope="module")
def cli(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("cli"), wheel, ("cli",))


@pytest.fixture(scope="module")
def operator(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("operator"), wheel, ("operator",))


@pytest.fixture(scope="module")
def service(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("service"), wheel, ("service",))


def test_two_builds_give_the_same_bytes(built: list[Path], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = copied(tmp_path / "elsewhere")
    for file in elsewhere.rglob("*"):
        # As another checkout has them: of another time, and with another umask.
        os.utime(file, (1, 1))
        file.chmod(0o700 if file.is_dir() else 0o600)

    again = python_packages.build(tmp_path / "dist", epoch=EPOCH, root=elsewhere)

    assert digests(again) == digests(built)


def test_the_source_archive_gives_the_same_wheel(
    built: list[Path], wheel: Path, tmp_path: Path
) -> None:
    (source,) = (file for file in built if file.name.endswith(".tar.gz"))
    with tarfile.open(source) as packed:
        packed.extractall(tmp_path, filter="data")
    unpacked = tmp_path / source.name.removesuffix(".tar.gz")

    again = python_packages.build(tmp_path / "dist", epoch=EPOCH, root=unpacked)

    assert digests(again)[wheel.name] == digests([wheel])[wheel.name]


def test_they_carry_the_version_and_the_time(built: list[Path], wheel: Path) -> None:
    assert [file.name for file in built] == [
        f"carthub-{version()}-py3-none-any.whl",
        f"carthub-{version()}.tar.gz",
    ]
    with zipfile.ZipFile(wheel) as packed:
        assert {one.date_time for one in packed.infolist()} == {(2026, 9, 21, 14, 13, 20)}


def test_nothing_of_the_checkout_but_the_programs_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    assert {name.split("/")[0] for name in names} == {
        "app",
        "carthub_operator",
        f"carthub-{version()}.dist-info",
    }
    assert not [name for name in names if "__pycache__" in name or "test" in name.split("/")]


def test_the_command_works(cli: Installed) -> None:
    minimal = REPOSITORY / "examples" / "minimal.yaml"

    assert version() in cli.run("carthub", "--version")
    assert cli.run("carthub", "validate", "-f", minimal)
    assert "kind: Deployment" in cli.run("carthub", "render", "-f", minimal)


def test_kubectl_finds_the_command(cli: Installed) -> None:
    path = f"{cli.bin}:{toolchain.kubectl().parent}"

    assert version() in cli.run("kubectl-carthub", "--version")
    assert version() in cli.run(str(toolchain.kubectl()), "carthub", "--version", PATH=path)


@pytest.mark.parametrize(
    ("words", "offered", "directive"),
    [
        (("carth",), "carthub\t", ":4"),
        (("carthub", "rend"), "render\t", ":4"),
        (("carthub", "render", "--output", "y"), "yaml", ":4"),
        # Nothing is offered, and the shell may: names of files.
        (("carthub", "render", "-f", ""), ":0", ":0"),
    ],
)
def test_kubectl_completes_the_command(
    words: tuple[str, ...], offered: str, directive: str, cli: Installed
) -> None:
    path = f"{cli.bin}:{toolchain.kubectl().parent}"

    lines = cli.run(str(toolchain.kubectl()), "__complete", *words, PATH=path).splitlines()

    assert lines[0].startswith(offered)
    assert lines[-1] == directive


def test_the_operator_starts_and_asks_for_what_is_missing(operator: Installed) -> None:
    assert operator.run("carthub-operator", "--version") == f"carthub-operator {version()}\n"
    assert "docs/operator.md" in operator.run("carthub-operator", "--help")
    refused = operator.attempt("carthub-operator", KUBECONFIG="/nowhere")
    assert refused.returncode == 2
    assert "CARTHUB_SECRET_ALLOW_LIST is missing" in refused.stderr


def test_the_service_brings_a_database_to_its_version(
    service: Installed, database_server: DatabaseServer
) -> None:
    assert "migrate" in service.run("carthub-service", "--help")
    refused = service.attempt("carthub-service", DATABASE_URL="")
    assert refused.returncode == 2
    assert "DATABASE_URL is missing" in refused.stderr

    url = database_server.fresh_database()
    try:
        service.run("carthub-service", "migrate", DATABASE_URL=url)
        # The second finds nothing to do: the database is as this wheel wants it.
        service.run("carthub-service", "migrate", DATABASE_URL=url)
    finally:
        database_server.drop_database(url)


@pytest.mark.parametrize(
    ("extra", "package"), [("operator", "carthub_operator"), ("service", "app")]
)
def test_an_extra_brings_what_every_module_needs(
    extra: str, package: str, request: pytest.FixtureRequest
) -> None:
    environment: Installed = request.getfixturevalue(extra)
    source = f"""
import importlib, pkgutil, {package} as package
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    name = found.name
    if not name.startswith(("carthub_operator.cli", "app.migrations.")) and "__main__" not in name:
        importlib.import_module(name)
"""
    environment.run("python", "-W", "error::ImportWarning", "-c", source)


def test_all_programs_fit_into_one_environment(wheel: Path, tmp_path: Path) -> None:
    together = Installed(tmp_path, wheel, EXTRAS)

    assert version() in together.run("carthub", "--version")
    assert version() in together.run("kubectl-carthub", "--version")
    assert version() in together.run("carthub-operator", "--version")
    assert "migrate" in together.run("carthub-service", "--help")
