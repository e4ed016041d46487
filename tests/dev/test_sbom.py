"""The bills of materials, on made-up images; tests/dev/test_images.py has them of the real ones."""

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from carthub_dev import sbom
from carthub_dev.image_contents import Contents

DIGEST = "sha256:" + "0123456789abcdef" * 4
SITE = "opt/carthub/lib/python3.11/site-packages"
EPOCH = 1_790_000_000
STATUS = """Package: libc6
Status: install ok installed
Source: glibc (2.36-1)
Architecture: amd64
Version: 2.36-9+deb12u13
Description: GNU C Library
 Package: this-is-no-package

Package: removed
Status: deinstall ok not-installed
Architecture: amd64
Version: 1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b8
"""
FILES = {
    "usr/lib/os-release": b'NAME="Debian"\nID=debian\nVERSION_ID="12"\n',
    "var/lib/dpkg/status": STATUS.encode(),
    f"{SITE}/Py_Thing-1.2.dist-info/METADATA": b"Metadata-Version: 2.4\nName: Py_Thing\n"
    b"Version: 1.2\nLicense-Expression: MIT\nRequires-Dist: other.one>=1; extra == 'x'\n"
    b"Requires-Dist: absent\n\nName: not-this\n",
    f"{SITE}/Py_Thing-1.2.dist-info/sboms/made.cdx.json": json.dumps(
        {
            "components": [
                {"type": "library", "name": "Py-Thing", "purl": "pkg:pypi/py-thing@1.2"},
                {
                    "type": "library",
                    "name": "openssl",
                    "version": "4.0.3",
                    "purl": "pkg:generic/openssl@4.0.3",
                },
            ]
        }
    ).encode(),
    f"{SITE}/py_thing.libs/libcrypto-1.so.3": b"..OpenSSL 3.5.1 1 Jul 2025..",
    f"{SITE}/py_thing.libs/libpq-2.so.5": b"..",
    f"{SITE}/other_one-3.dist-info/METADATA": b"Metadata-Version: 2.1\nName: other-one\n"
    b"Version: 3\nClassifier: License :: OSI Approved :: BSD License\n",
}


def document(files: dict[str, bytes], *environment: str) -> dict[str, Any]:
    assert all(map(sbom.is_read, files))
    contents = Contents(files, {"config": {"Env": list(environment)}})
    text = sbom.document(sbom.Subject("carthub-thing", "0.1.0", DIGEST), contents, epoch=EPOCH)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return document(FILES, "PATH=/bin")


def test_it_names_the_image_and_the_time_of_its_files(told: dict[str, Any]) -> None:
    image = told["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == (
        "container",
        "carthub-thing",
        "0.1.0",
    )
    assert image["hashes"] == [{"alg": "SHA-256", "content": DIGEST.removeprefix("sha256:")}]
    assert told["metadata"]["timestamp"] == "2026-09-21T14:13:20+00:00"


def test_it_lists_what_is_installed(told: dict[str, Any]) -> None:
    assert {one["purl"]: one["version"] for one in told["components"] if "purl" in one} == {
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64&distro=debian-12&upstream=glibc": (
            "2.36-9+deb12u13"
        ),
        "pkg:deb/debian/bash@5.2.15-2%2Bb8?arch=amd64&distro=debian-12": "5.2.15-2+b8",
        "pkg:pypi/py-thing@1.2": "1.2",
        "pkg:pypi/other-one@3": "3",
    }
    (system,) = (one for one in told["components"] if one["type"] == "operating-system")
    assert (system["name"], system["version"]) == ("debian", "12")


def test_it_tells_licences_and_what_is_compiled_in(told: dict[str, Any]) -> None:
    found = {one["name"]: one for one in told["components"]}
    assert found["Py_Thing"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert found["other-one"]["licenses"] == [{"license": {"name": "BSD License"}}]
    inside = [(one["name"], one.get("purl")) for one in found["Py_Thing"]["components"]]
    assert sorted(inside) == [
        ("libpq-2.so.5", None),
        ("openssl", "pkg:generic/openssl@3.5.1"),
        ("openssl", "pkg:generic/openssl@4.0.3"),
    ]


def test_it_tells_what_needs_what(told: dict[str, Any]) -> None:
    needs = {one["ref"]: one.get("dependsOn", []) for one in told["dependencies"]}
    assert needs["pkg:pypi/py-thing@1.2"] == ["pkg:pypi/other-one@3"]
    assert len(needs["os:debian"]) == 2
    assert {"os:debian", "pkg:pypi/py-thing@1.2"} <= {*needs["carthub-thing"]}


def test_the_same_image_has_the_same_document(told: dict[str, Any]) -> None:
    again = document(dict(reversed(FILES.items())), "PATH=/bin")

    assert again == told
    assert again["serialNumber"].startswith("urn:uuid:")


def test_a_python_that_is_no_package_is_told() -> None:
    files = {path: FILES[path] for path in FILES if "dpkg" not in path}

    told = document(files, "PYTHON_VERSION=3.11.14")

    (python,) = (one for one in told["components"] if one["name"] == "python")
    assert python["cpe"] == "cpe:2.3:a:python:python:3.11.14:*:*:*:*:*:*:*"


def test_packages_without_their_manager_are_told() -> None:
    files = {path: FILES[path] for path in FILES if "dpkg" not in path}
    part = "Package: tzdata\nArchitecture: all\nVersion: 2026a\n"

    told = document({**files, "var/lib/dpkg/status.d/tzdata": part.encode()})

    assert "tzdata" in {one["name"] for one in told["components"]}
