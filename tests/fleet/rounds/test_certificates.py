"""Devices know the SuperLink by the fleet's own CA, and no other host by it."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest

from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds.certificates import Certificates
from tbft_fleet.rounds.proxy import Proxy


def shake_hands(served: Certificates, trusted: Path, host: str) -> None:
    """A TLS handshake in memory, as strictly as Python 3.13 checks. Raises ssl.SSLError."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=trusted)
    server.load_cert_chain(served.certificate, served.key)
    client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_a_device_knows_the_superlink_by_name_and_address(tmp_path: Path) -> None:
    """And after it was begun again, by the same CA."""
    files = Certificates(tmp_path)
    for hosts in (["10.0.0.1", "host.example"], ["10.0.0.1"]):
        files.make(hosts)
        shake_hands(files, files.ca, "10.0.0.1")
        shake_hands(files, files.ca, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(files, files.ca, "host.example")


def test_another_ca_is_not_trusted(tmp_path: Path) -> None:
    """Each fleet has its own."""
    ours, theirs = (Certificates(tmp_path / name) for name in ("ours", "theirs"))
    for files in (ours, theirs):
        files.folder.mkdir()
        files.make(["10.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(theirs, ours.ca, "10.0.0.1")


def test_keys_are_for_their_user_alone(tmp_path: Path) -> None:
    """The certificate of the CA is for every device."""
    files = Certificates(tmp_path)
    files.make([])
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o077 == 0} == {"ca.key", "superlink.key"}


@pytest.mark.parametrize("listen", ["0.0.0.0:1; root /", "$host:1", '"'])
def test_nothing_else_gets_into_the_proxys_configuration(tmp_path: Path, listen: str) -> None:
    """Words of nginx would open the SuperLink's other ports."""
    with pytest.raises(TbftError, match="cannot stand in a configuration"):
        _ = Proxy(tmp_path, listen, 8000).configuration


def test_a_clock_at_the_end_of_calendars_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No certificate can end behind it."""

    class Late(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Late:
            return cls(9999, 12, 1, tzinfo=tz)

    monkeypatch.setattr(datetime, "datetime", Late)
    with pytest.raises(TbftError, match="clock says 9999-12-01"):
        Certificates(tmp_path).make(["10.0.0.1"])
    assert list(tmp_path.iterdir()) == []
