"""A client's settings for the registry that stands for ECR."""

import os
import ssl
from pathlib import Path

from carthub_dev.registry import Registry


def client_environment(registry: Registry, folder: Path) -> dict[str, str]:
    """Return the variables with which skopeo trusts the registry and keeps its login in a folder.

    Everything else stays trusted: the same variable serves pip in an image build.
    """
    usual = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    known = Path(usual) if usual else system
    bundle = folder / "trusted.pem"
    bundle.write_text((known.read_text() if known.exists() else "") + registry.authority)
    login = folder / "login.json"
    if not login.exists():
        # buildah reads the file that is named, also where it pushes nowhere.
        login.write_text("{}")
    return {"SSL_CERT_FILE": str(bundle), "REGISTRY_AUTH_FILE": str(login)}
