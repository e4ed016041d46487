"""The images as they are shipped: what is in them, what is not, and how they run."""

import ast
import json
import os
import re
import subprocess
import tarfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carthub_dev import base_image, image_archives, image_inputs, images, packages
from carthub_dev.image_archives import BuiltImage
from carthub_dev.ledger import Ledger
from carthub_dev.paths import REPOSITORY
from tests.support import containers
from tests.support.containers import UnpackedImage
from tests.support.locks import locked

pytestmark = [
    pytest.mark.node,
    # A cold build installs Debian, then both locks.
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="builds and runs images: needs root"),
]

OPERATOR, SERVICE = images.NAMES
SOURCES = {OPERATOR: "operator/carthub_operator", SERVICE: "service/app"}
PACKAGE = {OPERATOR: "carthub_operator", SERVICE: "app"}
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def unpacked(built: dict[str, BuiltImage], ledger: Ledger) -> Iterator[dict[str, UnpackedImage]]:
    packages.ensure(("runc",), "to run images", ledger=ledger)
    folder = ledger.make_directory("unpacked")
    found = {}
    for name, image in built.items():
        (folder / name).mkdir()
        found[name] = containers.unpack(image.archive, folder / name)
    yield found
    ledger.remove_directory(folder)


@pytest.fixture
def untouched_sources(built: dict[str, BuiltImage]) -> None:
    """Skip where somebody edits the checkout while it is compared with what was built from it."""
    base = f"localhost/carthub-base:{base_image.recipe_key()}"
    base = os.environ.get("PYTHON_IMAGE") or base
    keys = {name: image_inputs.content_key(name, base=base) for name in built}
    if keys != {name: image.key for name, image in built.items()}:
        pytest.skip("the sources were edited after the images were built")


@pytest.fixture(params=[OPERATOR, SERVICE])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(name: str, unpacked: dict[str, UnpackedImage]) -> UnpackedImage:
    return unpacked[name]


def test_it_runs_as_an_unprivileged_user_with_a_fixed_number(image: UnpackedImage) -> None:
    assert image.configuration["User"] == "10001:10001"
    assert image.python("import os; print(os.getuid(), os.getgid())") == "10001 10001"


def test_only_tmp_can_be_written(image: UnpackedImage) -> None:
    source = """
        import pathlib
        for folder in ("/", "/opt/carthub", "/tmp"):
            try:
                pathlib.Path(folder, "probe").touch()
            except OSError as error:
                print(folder, error.errno)
            else:
                print(folder, "written")
    """
    read_only_file_system = 30
    assert image.python(textwrap.dedent(source)).splitlines() == [
        f"/ {read_only_file_system}",
        f"/opt/carthub {read_only_file_system}",
        "/tmp written",  # noqa: S108 - the one folder a pod can write
    ]


def test_nothing_in_it_belongs_to_the_user_it_runs_as(image: UnpackedImage) -> None:
    owned = [path for path in image.root.rglob("*") if path.lstat().st_uid == 10001]
    assert owned == []


def test_python_is_the_one_of_the_environment(name: str, image: UnpackedImage) -> None:
    said = image.python(f"import sys, {PACKAGE[name]} as p; print(sys.prefix, p.__file__)")
    package = f"/opt/carthub/lib/python3.11/site-packages/{PACKAGE[name]}/__init__.py"
    assert said == f"/opt/carthub {package}"


def test_it_has_exactly_the_locked_distributions(name: str, image: UnpackedImage) -> None:
    said = image.python(
        "import json, importlib.metadata as m; "
        "print(json.dumps({d.name.lower().replace('_', '-'): d.version "
        "for d in m.distributions()}))"
    )
    installed = json.loads(said)
    assert installed.pop("carthub") == version()
    assert installed == locked(name)


@pytest.mark.usefixtures("untouched_sources")
def test_the_whole_of_its_program_and_the_resource_definition_are_in_it(
    name: str, image: UnpackedImage
) -> None:
    installed = image.root / "opt/carthub/lib/python3.11/site-packages"
    for source, package in {SOURCES[name]: PACKAGE[name], "crds": "carthub_operator/crds"}.items():
        for file in (REPOSITORY / source).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                copy = installed / package / file.relative_to(REPOSITORY / source)
                assert copy.read_bytes() == file.read_bytes(), copy


def test_the_other_program_is_not_in_it(name: str, image: UnpackedImage) -> None:
    other = {OPERATOR: "app.main", SERVICE: "carthub_operator.main"}[name]
    assert "ModuleNotFoundError" in image.run("python", "-c", f"import {other}").stderr


def test_nothing_in_it_installs_or_compiles(image: UnpackedImage) -> None:
    said = image.python(
        "import shutil; print([t for t in "
        "('pip', 'pip3', 'uv', 'apt-get', 'gcc', 'cc', 'c++', 'ld', 'make', 'curl', 'wget') "
        "if shutil.which(t)])"
    )
    assert said == "[]"
    for module in ("pip", "setuptools", "ensurepip", "wheel", "hatchling"):
        assert image.run("python", "-m", module).returncode != 0, module


def test_no_tests_caches_or_build_settings_are_in_it(image: UnpackedImage) -> None:
    environment = image.root / "opt/carthub"
    assert [path for path in environment.rglob("tests") if path.is_dir()] == []
    for left in ("src", "build", "dist", "root/.cache", "etc/pip.conf", "run/secrets"):
        assert not (image.root / left).exists(), left


def test_every_module_it_ships_is_compiled_for_a_read_only_root(image: UnpackedImage) -> None:
    # Unchecked-hash bytecode: the file times of a layer do not matter to it.
    unchecked_hash = 0b01
    sources = [*(image.root / "opt/carthub/lib").rglob("*.py")]
    assert len(sources) > 500
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == unchecked_hash, source


def test_a_start_compiles_nothing(name: str, image: UnpackedImage) -> None:
    heavy = {OPERATOR: "kopf, kubernetes, boto3", SERVICE: "fastapi, sqlalchemy, alembic, uvloop"}
    source = f"""
        import pathlib, sys, {heavy[name]}, {PACKAGE[name]}
        cached = [getattr(module, "__cached__", None) for module in sys.modules.values()]
        print([path for path in cached if path and not pathlib.Path(path).exists()])
    """
    assert image.python(textwrap.dedent(source)) == "[]"


def test_its_labels_say_what_it_is(
    name: str, image: UnpackedImage, built: dict[str, BuiltImage]
) -> None:
    prefix = "org.opencontainers.image."
    labels = {
        key.removeprefix(prefix): value
        for key, value in image.configuration["Labels"].items()
        if key.startswith(prefix)
    }
    assert labels.pop("description")
    assert labels == {
        "title": name,
        "licenses": "Apache-2.0",
        "version": version(),
        "revision": f"sources-{built[name].key}",
    }


def test_a_kubelet_finds_it_by_its_short_name(name: str, built: dict[str, BuiltImage]) -> None:
    with tarfile.open(built[name].archive) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        (image,) = json.load(manifest)
    assert built[name].reference == f"{name}:dev"
    assert image["RepoTags"] == [f"docker.io/library/{name}:dev"]


def test_its_configuration_is_what_pods_rely_on(name: str, image: UnpackedImage) -> None:
    ports = {OPERATOR: {"8080/tcp"}, SERVICE: {"8000/tcp", "9090/tcp"}}
    assert set(image.configuration["ExposedPorts"]) == ports[name]
    assert image.configuration["Entrypoint"] == [name]
    assert image.configuration["StopSignal"] == "SIGTERM"
    assert image.configuration["WorkingDir"] == "/opt/carthub"


def test_its_entry_point_can_be_loaded(name: str, image: UnpackedImage) -> None:
    said = image.python(
        "import importlib.metadata as m; "
        f"print(callable(m.entry_points(group='console_scripts')['{name}'].load()))"
    )
    assert said == "True"
    assert os.access(image.root / "opt/carthub/bin" / name, os.X_OK)


def test_its_entry_point_asks_for_what_is_missing(name: str, image: UnpackedImage) -> None:
    wanted = {OPERATOR: "CARTHUB_SECRET_ALLOW_LIST", SERVICE: "DATABASE_URL is missing"}
    done = image.run(name)
    assert done.returncode != 0
    assert wanted[name] in done.stderr
    assert "Traceback" not in done.stderr


def test_the_operator_keeps_only_the_aws_services_it_calls(
    unpacked: dict[str, UnpackedImage],
) -> None:
    source = """
        import boto3, botocore.exceptions
        session = boto3.session.Session(region_name="eu-west-1")
        print(session.get_available_services())
        for service in ("secretsmanager", "sts"):
            print(session.client(service).meta.endpoint_url)
        try:
            session.client("ec2")
        except botocore.exceptions.UnknownServiceError:
            print("no ec2")
    """
    assert unpacked[OPERATOR].python(textwrap.dedent(source)).splitlines() == [
        "['secretsmanager', 'sts']",
        "https://secretsmanager.eu-west-1.amazonaws.com",
        "https://sts.eu-west-1.amazonaws.com",
        "no ec2",
    ]


def test_the_kubernetes_client_works_without_its_asyncio_twin(
    unpacked: dict[str, UnpackedImage],
) -> None:
    source = """
        import importlib.util, kubernetes, kubernetes.dynamic
        client = kubernetes.client.ApiClient(kubernetes.client.Configuration())
        print(len(client.sanitize_for_serialization(kubernetes.client.V1Pod())))
        print(importlib.util.find_spec("kubernetes.aio"))
    """
    assert unpacked[OPERATOR].python(textwrap.dedent(source)).splitlines() == ["0", "None"]


def test_the_service_speaks_tls_to_postgresql(unpacked: dict[str, UnpackedImage]) -> None:
    # libpq checks the mode before it connects: without OpenSSL this would be its complaint.
    source = """
        import psycopg2
        try:
            psycopg2.connect(host="127.0.0.1", sslmode="verify-full", sslrootcert="system")
        except psycopg2.OperationalError as error:
            print(error)
    """
    assert "127.0.0.1" in (said := unpacked[SERVICE].python(textwrap.dedent(source)))
    assert "not supported" not in said


def test_the_images_stay_small(
    built: dict[str, BuiltImage], record_property: Callable[[str, object], None]
) -> None:
    compressed = image_archives.compressed_sizes(built.values())
    for name, image in built.items():
        record_property(f"{name}_unpacked_bytes", image.size_bytes)
        record_property(f"{name}_compressed_bytes", compressed[name])
        assert image.size_bytes < 215 * MEGABYTE
        assert compressed[name] < 74 * MEGABYTE


@pytest.mark.usefixtures("untouched_sources")
def test_nothing_is_built_again_while_nothing_has_changed(
    built: dict[str, BuiltImage], ledger: Ledger
) -> None:
    said: list[str] = []
    started = time.monotonic()
    assert images.build_images(ledger, say=said.append) == built
    assert time.monotonic() - started < 2
    assert said == []


def test_a_build_leaves_no_mount_and_no_scratch_folder(
    built: dict[str, BuiltImage], ledger: Ledger
) -> None:
    folder = next(iter(built.values())).archive.parent
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(folder) not in mounts
    assert "carthub-images-" not in mounts
    assert not [e for e in ledger.entries() if "carthub-images-" in str(e.facts)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what goes into the images."""
    listed = ["Dockerfile.operator", "Dockerfile.service", ".dockerignore", "pyproject.toml"]
    listed += ["README.md", "LICENSE", "crds", "requirements", "operator", "service"]
    subprocess.run(["cp", "-r", *listed, tmp_path], cwd=REPOSITORY, check=True)
    return tmp_path


def key(checkout: Path, name: str = SERVICE, base: str = "base") -> str:
    return image_inputs.content_key(name, base=base, root=checkout)


@pytest.mark.parametrize(
    "changed",
    [
        "service/app/new.sql",
        "operator/carthub_operator/version.py",
        "requirements/service.lock",
        "requirements/build.lock",
        "Dockerfile.service",
        "pyproject.toml",
    ],
)
def test_a_change_of_what_goes_in_is_built(checkout: Path, changed: str) -> None:
    before = key(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert key(checkout) != before


def test_an_edit_of_one_program_builds_one_image(checkout: Path) -> None:
    before = {name: key(checkout, name) for name in images.NAMES}
    for name, source in SOURCES.items():
        (checkout / source / "new.py").touch()
        assert {n for n in images.NAMES if key(checkout, n) != before[n]} == {name}
        (checkout / source / "new.py").unlink()


@pytest.mark.parametrize(
    "changed",
    [
        "service/app/__pycache__/new.pyc",
        "service/requirements.txt",
        "requirements/operator.lock",
        "Dockerfile.operator",
        "tests/new.py",
    ],
)
def test_a_change_of_anything_else_is_not(checkout: Path, changed: str) -> None:
    before = key(checkout)
    (checkout / changed).parent.mkdir(exist_ok=True)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert key(checkout) == before


def test_another_base_or_date_is_another_image(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {key(checkout), key(checkout, base="another"), key(checkout, OPERATOR)}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert len(keys | {key(checkout)}) == 4


def test_the_machines_pip_settings_reach_the_build_and_paths_of_it_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\ntimeout = 1\nindex-url = https://a.test\ncert = /here\n")
    for variable in [variable for variable in os.environ if variable.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@b.test/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://c.test https://d.test")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    written = image_inputs.pip_configuration("/run/secrets/ca.pem").splitlines()
    assert written[:2] == ["[global]", "cert = /run/secrets/ca.pem"]
    assert sorted(written[2:]) == [
        "    https://d.test",
        "extra-index-url = https://c.test",
        "index-url = https://user:secret@b.test/simple",
        "timeout = 1",
    ]


def test_the_build_tool_is_pinned_once() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    (required,) = re.findall(r"^requires = (\[.*\])$", text, re.MULTILINE)
    (grouped,) = re.findall(r"^build = (\[.*\])$", text, re.MULTILINE)
    assert required == grouped
    (pinned,) = ast.literal_eval(required)
    assert f"\n{pinned} \\\n" in "\n" + (REPOSITORY / "requirements/build.lock").read_text()


def version() -> str:
    source = (REPOSITORY / "operator/carthub_operator/version.py").read_text()
    (found,) = re.findall(r'"(\d+\.\d+\.\d+)"', source)
    return str(found)
