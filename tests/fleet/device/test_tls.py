"""An https:// address is one whose server shows a certificate that the device's own authorities vouch for."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from support.fleets import joined, new_fleet, publish, served
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Http
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.metadata import now


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = new_fleet(tmp_path / "fleet")
    publish(fleet, b"one")
    return fleet


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself, with its key."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "server.pem").write_bytes(made.public_bytes(Encoding.PEM) + private)
    return tmp_path / "server.pem"


@pytest.fixture
def address(fleet: Fleet, certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with served(fleet.repository.folder, tls=context) as (url, _):
        yield url


def test_a_certificate_of_nobody_is_refused(fleet: Fleet, tmp_path: Path, address: str) -> None:
    """What it gives is never looked at."""
    with pytest.raises(TbftError, match="certificate verify failed"):
        joined(fleet, tmp_path / "pi").newest(Http(address))


def test_a_certificate_that_is_vouched_for_is_taken(
    fleet: Fleet, tmp_path: Path, address: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As OpenSSL is told everywhere."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert joined(fleet, tmp_path / "pi").take(Http(address)) == (1, b"one")
