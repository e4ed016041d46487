import json
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import NameOID

from carthub_dev import pki


def served_name(authority: pki.Authority, host: str, folder: Path) -> str:
    """Shake hands over TLS with both sides authenticated; return the client's common name."""
    authority_file = folder / "ca.crt"
    authority_file.write_text(authority.certificate)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority_file)
    server.load_cert_chain(*authority.server("server", ["127.0.0.1", "db.test"]).write(folder, "s"))
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=authority_file)
    client.load_cert_chain(*authority.client("alice", ["builders"]).write(folder, "c"))
    left, right = socket.socketpair()
    names = []

    def serve() -> None:
        with right, server.wrap_socket(right, server_side=True) as connection:
            certificate = connection.getpeercert() or {}
            names.append(str(certificate["subject"]))
            connection.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with left, client.wrap_socket(left, server_hostname=host) as connection:
            connection.recv(1)
    finally:
        thread.join()
    return names[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "db.test"])
def test_server_and_client_certificates_hold_in_a_handshake(host: str, tmp_path: Path) -> None:
    subject = served_name(pki.Authority.create("test"), host, tmp_path)
    assert "alice" in subject
    assert "builders" in subject


def test_a_peer_carries_user_and_groups() -> None:
    pair = pki.Authority.create("test").peer("system:node:a", ["10.0.0.2"], ["system:nodes"])
    subject = x509.load_pem_x509_certificate(pair.certificate.encode()).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:a"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"


def test_service_account_keys_belong_together() -> None:
    private, public = pki.service_account_key()
    loaded = load_pem_private_key(private.encode(), None)
    assert loaded.public_key() == load_pem_public_key(public.encode())


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    _, key = pki.Authority.create("test").key_pair.write(tmp_path, "ca")
    _, again = pki.Authority.create("test").key_pair.write(tmp_path, "ca")
    assert key == again
    assert key.stat().st_mode & 0o777 == 0o600


def test_kubeconfig_is_complete_in_one_file() -> None:
    authority = pki.Authority.create("test")
    text = pki.kubeconfig(
        "https://127.0.0.1:1", authority=authority.certificate, client=authority.client("alice")
    )
    config = json.loads(text)
    assert config["current-context"] == "carthub"
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert "client-key-data" in config["users"][0]["user"]
