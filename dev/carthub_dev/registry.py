"""A registry on this machine, in the place of Amazon ECR: TLS, a password, images in a folder.

Debian's docker-registry. Unlike ECR it would overwrite a tag; read-only it refuses every push.
"""

import http.client
import json
import ssl
from pathlib import Path
from typing import Self

from carthub_dev import packages, ports, programs
from carthub_dev.errors import ProcessEnded
from carthub_dev.ledger import Ledger
from carthub_dev.part import Part
from carthub_dev.pki import Authority
from carthub_dev.processes import Process

USER = "AWS"
PASSWORD = "testing"  # noqa: S105 - of a registry that lives as long as a test
# bcrypt of the password: the registry takes nothing else, and Python has none.
_HASH = "$2b$04$iP.5Aw07Tt9l0uZ9/XxqOOPbY2tANANC3YuyV42aRF.NY8MoOA45a"
_READY_SECONDS = 30.0


class Registry(Part):
    """docker-registry on a free port of an address."""

    def __init__(self, ledger: Ledger, *, address: str = "127.0.0.1") -> None:
        packages.ensure(packages.REGISTRY, "to run a registry", ledger=ledger)
        self.address = address
        self.port = 0
        self.folder = Path()
        self._ledger = ledger
        self._authority = Authority.create("carthub-registry")
        self._process: Process | None = None

    @property
    def host(self) -> str:
        """What stands before the name of an image."""
        return f"{self.address}:{self.port}"

    @property
    def authority(self) -> str:
        """The certificate that clients must trust, PEM."""
        return self._authority.certificate

    @property
    def log(self) -> str:
        """What the registry has logged, one line of JSON for each request among it."""
        return (self.folder / "registry.log").read_text()

    def start(self) -> Self:
        """Start it, empty."""
        self.folder = self._ledger.make_directory("registry")
        (self.folder / "htpasswd").write_text(f"{USER}:{_HASH}\n")
        self._authority.server("registry", [self.address]).write(self.folder, "registry")
        self._process, _ = ports.start_on_free_port(
            self.address, self._process_on, self._wait_until_ready
        )
        return self

    def refuse_pushes(self) -> None:
        """Restart it with what it has, read-only."""
        if self._process is None:
            raise ProcessEnded("the registry is not started")
        self._process.terminate()
        self._configure(self.port, is_read_only=True)
        self._wait_until_ready(self._process.start())

    def close(self) -> None:
        """End it and remove its images."""
        if self._process is not None:
            self._process.terminate()
            self._process = None
        self._ledger.remove_directory(self.folder)

    def _process_on(self, port: int) -> Process:
        self.port = port
        self._configure(port, is_read_only=False)
        return Process(
            [programs.program("docker-registry"), "serve", self.folder / "registry.json"],
            log=self.folder / "registry.log",
            ledger=self._ledger,
            role="registry",
            env={},
        )

    def _configure(self, port: int, *, is_read_only: bool) -> None:
        folder = self.folder
        config = {
            "version": "0.1",
            "log": {"level": "info", "formatter": "json"},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "images")},
                "maintenance": {
                    "uploadpurging": {"enabled": False},
                    "readonly": {"enabled": is_read_only},
                },
            },
            "http": {
                "addr": f"{self.address}:{port}",
                "tls": {
                    "certificate": str(folder / "registry.crt"),
                    "key": str(folder / "registry.key"),
                },
            },
            "auth": {"htpasswd": {"realm": "registry", "path": str(folder / "htpasswd")}},
        }
        # JSON is YAML.
        (folder / "registry.json").write_text(json.dumps(config, indent=1))

    def _wait_until_ready(self, process: Process) -> None:
        process.wait_until_ready(self._answers, _READY_SECONDS)

    def _answers(self) -> bool:
        trusting = ssl.create_default_context(cadata=self.authority)
        connection = http.client.HTTPSConnection(
            self.address, self.port, timeout=5, context=trusting
        )
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED
        except OSError:
            return False
        finally:
            connection.close()
