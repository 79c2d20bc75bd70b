"""The fleet's own CA, and the certificate by which devices know its SuperLink (X.509, RFC 5280; P-256)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import BY_UMASK, PRIVATE_FILE
from tbft_artifacts.signing.library import signing_library
from tbft_fleet.host.metadata import ends_after

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_YEARS = 10
# A board whose clock is some days behind must not take it for one of tomorrow.
_BEFORE = datetime.timedelta(days=7)
_LIMIT = 64 << 10


@dataclass(frozen=True)
class Certificates:
    """Files in `folder`: `ca.crt` is for every device; both keys stay."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def ca_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        return self.folder / "superlink.crt"

    @property
    def key(self) -> Path:
        return self.folder / "superlink.key"

    def make(self, hosts: Iterable[str]) -> None:
        """A certificate for `hosts`, names or addresses, by the CA that is there, or else a new one.

        Raises TbftError for files that cannot be read, or a disk that is full.
        """
        if not self.ca.exists():
            self._make_ca()
        self._make_certificate(sorted({*hosts, "127.0.0.1", "localhost"}))

    def _make_ca(self) -> None:
        with signing_library():
            from cryptography import x509
        key, name = _new_key(), _name("tbft-edge fleet CA")
        built = (
            _builder(name, name, key, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            # OpenSSL's strict checks, which Python 3.13 turned on, want what a key is for.
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        _write_key(self.ca_key, key)
        _write(self.ca, _signed(built, key))

    def _make_certificate(self, hosts: list[str]) -> None:
        with signing_library():
            from cryptography import x509
            from cryptography.x509.oid import ExtendedKeyUsageOID
        issuer, issuer_key = self._issuer()
        key = _new_key()
        built = (
            _builder(_name("tbft-edge superlink"), issuer, key, issuer_key)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        _write_key(self.key, key)
        _write(self.certificate, _signed(built, issuer_key))

    def _issuer(self) -> tuple[x509.Name, EllipticCurvePrivateKey]:
        with signing_library():
            from cryptography import x509
            from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        try:
            issuer = x509.load_pem_x509_certificate(read_at_most(self.ca, _LIMIT))
            key = load_pem_private_key(read_at_most(self.ca_key, _LIMIT), None)
        except OSError as error:
            raise unreadable(self.ca_key, error) from error
        except ValueError as error:
            raise TbftError(f"the CA in '{self.folder}' cannot be read: {error}", "restore it from a copy") from error
        if not isinstance(key, EllipticCurvePrivateKey):
            raise TbftError(f"the key in '{self.ca_key}' is none of an elliptic curve", "restore it from a copy")
        return issuer.subject, key


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(host: str) -> x509.GeneralName:
    from cryptography import x509

    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, signer: EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(ends_after(now, 365 * _YEARS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), PRIVATE_FILE)


def _write(path: Path, content: bytes, mode: int = BY_UMASK) -> None:
    with atomic_file(path, mode=mode) as temporary:
        temporary.write_bytes(content)
