"""What is in an image, as a CycloneDX document: Debian's packages and Python's distributions.

Read from what the installers of both have written down, and from what wheels bring compiled in:
what they say themselves (PEP 770), and their shared libraries. Equal images, equal documents.
"""

import datetime as dt
import email.parser
import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import PurePosixPath

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from carthub_dev.image_contents import Contents

_DPKG = "var/lib/dpkg/status"
# An image without a package manager may have a file for each package instead.
_DPKG_PARTS = "var/lib/dpkg/status.d/"
_OS = "usr/lib/os-release"
_METADATA = ".dist-info/METADATA"
_BUNDLED = ".dist-info/sboms/"
# Where wheels put the shared libraries that they bring, and how OpenSSL names itself in its own.
_LIBRARY = re.compile(r"(?P<owner>[^/]+)\.libs/(?P<name>[^/]+\.so[^/]*)$")
_OPENSSL = re.compile(rb"OpenSSL (\d+\.\d+\.\d+) \d")


@dataclass(frozen=True)
class Subject:
    """The image that a document is about; `digest` is that of its manifest."""

    name: str
    version: str
    digest: str


def is_read(path: str) -> bool:
    """Tell whether a file of an image says what is in it."""
    is_of_debian = path in {_DPKG, _OS} or path.startswith(_DPKG_PARTS)
    is_of_python = path.endswith(_METADATA) or _BUNDLED in path
    return is_of_debian or is_of_python or _LIBRARY.search(path) is not None


def document(subject: Subject, contents: Contents, *, epoch: int) -> str:
    """Return the document as JSON; `epoch` is the time that it names as its own."""
    image = Component(
        name=subject.name,
        version=subject.version,
        type=ComponentType.CONTAINER,
        bom_ref=subject.name,
        purl=PackageURL("oci", name=subject.name, version=subject.digest),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=subject.digest.partition(":")[2])],
    )
    system = _system(contents.files)
    debian = [_debian(one, system) for one in _packages(contents.files)]
    python = _distributions(contents.files)
    interpreter = _interpreter(contents.configuration)
    bom = Bom(
        # The same image is the same document.
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, subject.digest),
        components=[system, *interpreter, *debian, *python.values()],
    )
    bom.metadata.component = image
    bom.metadata.timestamp = dt.datetime.fromtimestamp(epoch, dt.UTC)
    bom.register_dependency(image, [system, *interpreter, *python.values()])
    bom.register_dependency(system, debian)
    for name, needed in _needs(contents.files, python).items():
        bom.register_dependency(python[name], needed)
    text = JsonV1Dot6(bom).output_as_string()
    return json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


def _system(files: Mapping[str, bytes]) -> Component:
    lines = files.get(_OS, b"").decode().splitlines()
    told = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    name, version = told.get("ID", "linux"), told.get("VERSION_ID", "")
    return Component(
        name=name, version=version, type=ComponentType.OPERATING_SYSTEM, bom_ref=f"os:{name}"
    )


def _packages(files: Mapping[str, bytes]) -> Iterator[Message]:
    for path in sorted(files):
        if path == _DPKG or path.startswith(_DPKG_PARTS):
            for paragraph in files[path].decode().split("\n\n"):
                told = _headers(paragraph)
                if told["Package"] and "not-installed" not in told.get("Status", ""):
                    yield told


def _debian(told: Message, system: Component) -> Component:
    qualifiers = {
        "arch": told["Architecture"],
        "distro": f"{system.name}-{system.version}",
        # What security advisories speak of; without it the name is the source's as well.
        **({"upstream": told["Source"].partition(" ")[0]} if told["Source"] else {}),
    }
    purl = PackageURL("deb", system.name, told["Package"], told["Version"], qualifiers)
    return Component(
        name=told["Package"],
        version=told["Version"],
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
    )


def _interpreter(configuration: Mapping[str, object]) -> list[Component]:
    """Return the Python that the official images compile; Debian's own is a package."""
    settings = configuration.get("config")
    variables = settings.get("Env", ()) if isinstance(settings, Mapping) else ()
    told = dict(variable.split("=", 1) for variable in variables)
    if (version := told.get("PYTHON_VERSION")) is None:
        return []
    purl = PackageURL("generic", name="python", version=version)
    return [
        Component(
            name="python",
            version=version,
            type=ComponentType.PLATFORM,
            bom_ref=str(purl),
            purl=purl,
            cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        )
    ]


def _distributions(files: Mapping[str, bytes]) -> dict[str, Component]:
    found: dict[str, Component] = {}
    for path, told in _metadata(files):
        name = canonicalize_name(told["Name"])
        purl = PackageURL("pypi", name=name, version=told["Version"])
        folder = str(PurePosixPath(path).parent)
        found[name] = Component(
            name=told["Name"],
            version=told["Version"],
            type=ComponentType.LIBRARY,
            bom_ref=str(purl),
            purl=purl,
            licenses=_licence(told),
            components=[
                *_bundled(files, folder, str(purl)),
                *_libraries(files, name, str(purl)),
            ],
            properties=[Property(name="carthub:path", value=f"/{folder}")],
        )
    return found


def _licence(told: Message) -> list[License]:
    named = told["License-Expression"] or told["License"]
    if not named or "\n" in named:
        # Some put the whole text there. What they classify themselves as says it shorter.
        classifiers = told.get_all("Classifier", [])
        named = next(
            (one.split(" :: ")[-1] for one in classifiers if one.startswith("License ::")), ""
        )
    return [LicenseFactory().make_from_string(named)] if named else []


def _bundled(files: Mapping[str, bytes], folder: str, owner: str) -> list[Component]:
    """Return what a distribution says it has compiled in, such as crates and OpenSSL."""
    found: dict[str, Component] = {}
    for path in sorted(files):
        if path.startswith(f"{folder}/sboms/") and path.endswith(".json"):
            told = json.loads(files[path])
            for one in told.get("components", ()):
                version, purl = one.get("version", ""), one.get("purl")
                if purl and purl.startswith("pkg:pypi/"):
                    # It names itself.
                    continue
                reference = f"{owner}#{one['name']}@{version}"
                found[reference] = Component(
                    name=one["name"],
                    version=version,
                    type=ComponentType(one["type"]),
                    bom_ref=reference,
                    purl=PackageURL.from_string(purl) if purl else None,
                )
    return list(found.values())


def _libraries(files: Mapping[str, bytes], name: str, owner: str) -> Iterator[Component]:
    """Yield the shared libraries of a distribution, which seldom tell where they are from."""
    for path in sorted(files):
        found = _LIBRARY.search(path)
        if found is None or canonicalize_name(found["owner"]) != name:
            continue
        digest = hashlib.sha256(files[path]).hexdigest()
        # Several files may be of one OpenSSL; the one that names it is enough.
        openssl = _OPENSSL.search(files[path])
        version = openssl[1].decode() if openssl else None
        yield Component(
            name="openssl" if version else found["name"],
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{owner}#{found['name']}",
            purl=PackageURL("generic", name="openssl", version=version) if version else None,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            properties=[Property(name="carthub:path", value=f"/{path}")],
        )


def _needs(
    files: Mapping[str, bytes], python: Mapping[str, Component]
) -> dict[str, list[Component]]:
    """Return what each distribution needs of the others: what it names and what is there."""
    return {
        canonicalize_name(told["Name"]): [
            python[name]
            for name in sorted(
                {
                    canonicalize_name(Requirement(line).name)
                    for line in told.get_all("Requires-Dist", [])
                }
            )
            if name in python
        ]
        for _, told in _metadata(files)
    }


def _metadata(files: Mapping[str, bytes]) -> list[tuple[str, Message]]:
    return [
        (path, _headers(files[path].decode())) for path in sorted(files) if path.endswith(_METADATA)
    ]


def _headers(text: str) -> Message:
    return email.parser.Parser().parsestr(text, headersonly=True)
