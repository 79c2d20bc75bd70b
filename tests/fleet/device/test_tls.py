"""An https:// address is one whose server shows a certificate that the device's own authorities vouch for."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
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


def certified(folder: Path, begins: datetime) -> Path:
    """A certificate of 127.0.0.1, signed by itself, with its key; good for a week."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return file


@contextlib.contextmanager
def secure(fleet: Fleet, certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with served(fleet.repository.folder, tls=context) as (url, _):
        yield url


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return certified(tmp_path, now() - timedelta(days=1))


@pytest.fixture
def address(fleet: Fleet, certificate: Path) -> Iterator[str]:
    with secure(fleet, certificate) as url:
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


def test_a_clock_that_is_behind_a_certificate_is_what_has_to_be_mended(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board without a battery for its clock finds every server's certificate to be of the future."""
    certificate = certified(tmp_path, now() + timedelta(days=2))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with secure(fleet, certificate) as url, pytest.raises(TbftError, match="not yet valid") as caught:
        joined(fleet, tmp_path / "pi").newest(Http(url))
    assert f"set this device's clock, {now():%Y-%m-%d}, if it is wrong" in caught.value.hint
