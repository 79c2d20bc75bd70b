"""Where keys are trusted a bundle is opened only with the signature of one of them, and else not even looked into."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from support.bundles import made_up_bundle, read_manifest, write_manifest
from support.files import listing
from support.signing import OTHER, SIGNER, key_file, signed_archive, signed_folder
from support.tars import END, file, members, pack
from tbft_artifacts.archive import archived_id, opened, unpack
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST
from tbft_artifacts.signing import bundles
from tbft_artifacts.signing.bundles import SIGNATURE, sign_archive, sign_folder, signature_beside
from tbft_artifacts.signing.statement import Statement
from tbft_artifacts.signing.trust import TRUST_VARIABLE


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the signed bundle `folder`, the same as `b.tar.gz`, and the keys `trust.pem`; it is only read."""
    place = tmp_path_factory.mktemp("signed")
    (place / "folder").mkdir()
    made_up_bundle(place / "folder")
    sign_all(place)
    key_file(place / "trust.pem", OTHER, SIGNER, SIGNER)
    return place


def sign_all(place: Path, signer: CryptoSigner = SIGNER) -> None:
    folder = place / "folder"
    signed_folder(folder, signer)
    signed_archive(pack(place / "b.tar.gz", *members(folder), END), folder, signer)


@pytest.fixture
def place(signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, on a machine that trusts the keys."""
    shutil.copytree(signed, tmp_path / "place")
    monkeypatch.setenv(TRUST_VARIABLE, str(tmp_path / "place" / "trust.pem"))
    return tmp_path / "place"


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test fail where a manifest or a member of an archive is looked at."""
    for name in ("bundle.verified_manifest", "packed.verified_manifest", "packed.GzipStream"):
        monkeypatch.setattr(f"tbft_artifacts.{name}", lambda *_, name=name: pytest.fail(f"{name} was called"))


@pytest.mark.parametrize("name", ["folder", "b.tar.gz"])
def test_a_signed_bundle_is_opened(place: Path, name: str) -> None:
    """Whatever other keys are trusted beside the one that signed it, and that key is named."""
    with opened(place / name) as bundle:
        assert bundle.signed_by == SIGNER.public_key.keyid


def test_what_was_unpacked_stays_signed(place: Path) -> None:
    """A run keeps a bundle unpacked, and opens it again: nothing has to be remembered for that."""
    assert archived_id(place / "b.tar.gz") == read_manifest(place / "folder").bundle_id
    unpack(place / "b.tar.gz", place / "unpacked")
    assert listing(place / "unpacked") == listing(place / "folder")
    assert open_bundle(place / "unpacked").signed_by == SIGNER.public_key.keyid


def test_nobody_has_to_sign_where_no_key_is_trusted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a signature looked at that nobody can judge."""
    monkeypatch.delenv(TRUST_VARIABLE)
    (place / "folder" / SIGNATURE).write_bytes(b"none")
    for name in ("folder", "b.tar.gz"):
        with opened(place / name) as bundle:
            assert bundle.signed_by is None


@pytest.mark.parametrize("name", ["folder", "b.tar.gz"])
@pytest.mark.parametrize("how", ["missing", "other key", "of another bundle", "of the other form", "no signature"])
def test_what_is_not_signed_is_not_looked_into(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    """Neither JSON nor gzip, tar or ONNX of a stranger is read."""
    own, others = place / "folder" / SIGNATURE, signature_beside(place / "b.tar.gz")
    path, other = (own, others) if name == "folder" else (others, own)
    if how == "missing":
        path.unlink()
    elif how == "of the other form":
        shutil.copy(other, path)
    elif how == "no signature":
        path.write_bytes(b'{"payload": 1}')
    else:
        source = place / "other"
        (source / "folder").mkdir(parents=True)
        manifest = made_up_bundle(source / "folder")
        if how == "of another bundle":
            write_manifest(source / "folder", manifest, model="another")
        sign_all(source, CryptoSigner.generate_ed25519() if how == "other key" else SIGNER)
        shutil.copy(source / path.relative_to(place), path)
    unread(monkeypatch)
    before = listing(place)
    with pytest.raises(TbftError, match="sign"), opened(place / name):
        pass
    if name == "b.tar.gz":
        for refused in (lambda: archived_id(place / name), lambda: unpack(place / name, place / "unpacked")):
            with pytest.raises(TbftError, match="sign"):
                refused()
    assert listing(place) == before


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b" + b"\0" * 100])
def test_an_archive_is_judged_by_its_bytes(place: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """One that is broken, or grows beyond all bounds when it is unpacked, is first of all not what was signed."""
    (place / "b.tar.gz").write_bytes(content)
    unread(monkeypatch)
    with pytest.raises(TbftError, match="something else, or the bundle changed"):
        archived_id(place / "b.tar.gz")


def test_a_signed_archive_of_an_unsigned_folder_is_refused(place: Path) -> None:
    """What is unpacked of it could not be opened again."""
    (place / "folder" / SIGNATURE).unlink()
    signed_archive(pack(place / "b.tar.gz", *members(place / "folder"), END), place / "folder")
    with pytest.raises(TbftError, match=f"b.tar.gz' is not signed: '{SIGNATURE}'"), opened(place / "b.tar.gz"):
        pass


def test_an_archive_with_two_signatures_is_refused(place: Path) -> None:
    """As with any file of a bundle."""
    content = (place / "folder" / SIGNATURE).read_bytes()
    parts = [*members(place / "folder"), file(SIGNATURE, content), END]
    signed_archive(pack(place / "b.tar.gz", *parts), place / "folder")
    with pytest.raises(TbftError, match="lies where another file of it does"), opened(place / "b.tar.gz"):
        pass


def test_a_signature_for_another_id_is_refused(place: Path) -> None:
    """Whoever signed it meant another bundle."""
    sign_folder(place / "folder", "0" * 64, SIGNER)
    sign_archive(place / "b.tar.gz", "0" * 64, SIGNER)
    for name in ("folder", "b.tar.gz"):
        with pytest.raises(TbftError, match="signed as that of 0000"), opened(place / name):
            pass


def test_a_link_out_of_the_bundle_is_no_signature(place: Path) -> None:
    """Errors say nothing of other files."""
    shutil.move(place / "folder" / SIGNATURE, place / "elsewhere")
    (place / "folder" / SIGNATURE).symlink_to(place / "elsewhere")
    with pytest.raises(TbftError, match="is a link out of it"):
        open_bundle(place / "folder")


def test_a_link_to_an_archive_is_the_archive(place: Path) -> None:
    """Its signature lies beside the archive; runs keep the path without links, too."""
    (place / "links").mkdir()
    (place / "links" / "now.tar.gz").symlink_to(place / "b.tar.gz")
    with opened(place / "links" / "now.tar.gz") as bundle:
        assert bundle.signed_by == SIGNER.public_key.keyid


def test_keys_that_are_given_count_alone(place: Path) -> None:
    """Whoever names keys wants to know of these."""
    for name in ("folder", "b.tar.gz"):
        with opened(place / name, trust=key_file(place / "own.pem", SIGNER)) as bundle:
            assert bundle.signed_by == SIGNER.public_key.keyid
        with (
            pytest.raises(TbftError, match="none of the 1 keys"),
            opened(place / name, trust=key_file(place / "own.pem", OTHER)),
        ):
            pass


@given(data=st.data())
def test_every_changed_byte_is_refused(
    signed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Of the archive, the manifest and every file that it lists; a signature that is accepted says the same."""
    place = tmp_path_factory.mktemp("changed") / "place"
    shutil.copytree(signed, place)
    files = sorted(path.relative_to(place) for path in place.rglob("*") if path.is_file() and path.suffix != ".pem")
    path = place / data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    target = place / "folder" if path.is_relative_to(place / "folder") else place / "b.tar.gz"
    try:
        with opened(target, trust=place / "trust.pem") as bundle:
            accepted = bundle.manifest
    except TbftError:
        return
    finally:
        shutil.rmtree(place)
    assert path.name.endswith(".dsse.json")
    assert accepted == read_manifest(signed / "folder")


@pytest.mark.parametrize("name", [f"folder/{MANIFEST}", "b.tar.gz"])
def test_what_was_signed_is_what_is_read(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Somebody who writes into it while its signature is checked is too late, or found out."""
    checked = bundles.verify

    def slowly(*arguments: Any) -> tuple[Statement, str]:
        (place / name).write_bytes(b"{}")
        return checked(*arguments)

    monkeypatch.setattr(bundles, "verify", slowly)
    if name == "b.tar.gz":
        with pytest.raises(TbftError, match="changed while it was read"):
            archived_id(place / name)
    else:
        assert open_bundle(place / "folder").signed_by == SIGNER.public_key.keyid
