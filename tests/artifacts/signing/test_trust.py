"""Whoever asked for trust gets it, or no bundle at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.bundles import made_up_bundle
from support.signing import OTHER, SIGNER, key_file, signed_folder
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing import trust
from tbft_artifacts.signing.trust import TRUST_VARIABLE, trust_file, trusted_keys


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed one; no trust file is there."""
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    monkeypatch.setattr(trust, "TRUST_FILE", tmp_path / "etc" / "trust.pem")
    (tmp_path / "etc").mkdir()
    (tmp_path / "bundle").mkdir()
    made_up_bundle(tmp_path / "bundle")
    return signed_folder(tmp_path / "bundle")


def _rsa() -> bytes:
    public = generate_private_key(65537, 2048).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_the_machines_own_file_is_found(bundle: Path, tmp_path: Path) -> None:
    """Without one everybody's bundles are opened; with one those of its keys alone."""
    assert (trust_file(), trusted_keys()) == (None, None)
    assert open_bundle(bundle).signed_by is None
    key_file(tmp_path / "etc" / "trust.pem", OTHER)
    with pytest.raises(TbftError, match="none of the 1 keys"):
        open_bundle(bundle)
    key_file(tmp_path / "etc" / "trust.pem", OTHER, SIGNER)
    assert open_bundle(bundle).signed_by == SIGNER.public_key.keyid


def test_the_variable_goes_before_it(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without the right to write into /etc may trust keys of their own."""
    key_file(tmp_path / "etc" / "trust.pem", OTHER)
    monkeypatch.setenv(TRUST_VARIABLE, str(key_file(tmp_path / "own.pem", SIGNER)))
    assert open_bundle(bundle).signed_by == SIGNER.public_key.keyid


@pytest.mark.parametrize("by_variable", [True, False])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no public key"),
        (b"\n", "holds no public key"),
        (SIGNER.private_bytes, "holds no public key"),
        (_rsa(), "no Ed25519 key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"),
        (b"#" * (1 << 17), "more than 64 KiB"),
    ],
    ids=["empty", "line", "private", "rsa", "broken", "large"],
)
def test_a_file_that_cannot_be_used_opens_nothing(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str, by_variable: bool
) -> None:
    """It says which file, and why."""
    file = tmp_path / ("own.pem" if by_variable else "etc/trust.pem")
    file.write_bytes(content)
    if by_variable:
        monkeypatch.setenv(TRUST_VARIABLE, str(file))
    with pytest.raises(TbftError, match=f"trust file cannot be used: .*{file.name}' .*{words}"):
        open_bundle(bundle)


@pytest.mark.parametrize("named", ["", "nowhere.pem", "etc", "bundle/none/trust.pem"])
def test_a_variable_that_names_no_file_is_no_leave(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """As where a disk is not mounted, or a script has a typo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(TRUST_VARIABLE, named)
    with pytest.raises(TbftError, match="no bundle is opened"):
        open_bundle(bundle)


def test_a_link_to_nowhere_is_no_leave(bundle: Path, tmp_path: Path) -> None:
    """Somebody meant to trust keys, which are gone."""
    (tmp_path / "etc" / "trust.pem").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TbftError, match="does not exist"):
        open_bundle(bundle)


@pytest.mark.parametrize("path", ["etc", "etc/trust.pem"])
def test_what_the_system_will_not_say_is_no_leave(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A file that may not be read, or a folder in which nobody may look whether there is one."""
    key_file(tmp_path / "etc" / "trust.pem", SIGNER)
    real = Path.lstat if path == "etc" else Path.stat

    def refused(self: Path, **options: bool) -> os.stat_result:
        if self.name == "trust.pem":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, **options)

    monkeypatch.setattr(Path, real.__name__, refused)
    with pytest.raises(TbftError, match=r"trust file cannot be used.*Permission denied"):
        open_bundle(bundle)


def test_without_the_library_nothing_is_opened(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that trusts keys and cannot check signatures says what it lacks; without trust it needs none."""
    for name in [name for name in sys.modules if name.split(".")[0] in {"securesystemslib", "cryptography"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "securesystemslib", None)
    assert open_bundle(bundle).signed_by is None
    (tmp_path / "etc" / "trust.pem").write_text("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n")
    with pytest.raises(TbftError, match="is not installed here") as caught:
        open_bundle(bundle)
    assert "tbft-edge[fleet]" in caught.value.hint
