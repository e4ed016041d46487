"""The images as they are shipped: what is in them, what is not, and how they run."""

import json
import os
import textwrap
from collections.abc import Iterator

import pytest

from carthub_dev import packages
from carthub_dev.image_archives import BuiltImage
from carthub_dev.ledger import Ledger
from carthub_dev.paths import REPOSITORY
from carthub_operator.version import __version__
from tests.support import built_images, containers
from tests.support.built_images import OPERATOR, SERVICE, SOURCES
from tests.support.containers import UnpackedImage
from tests.support.locks import locked

pytestmark = built_images.MARKS

PACKAGE = {OPERATOR: "carthub_operator", SERVICE: "app"}


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
    assert installed.pop("carthub") == __version__
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
        "version": __version__,
        "revision": f"sources-{built[name].key}",
    }


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
