"""A device that trusts keys opens no bundle that none of them signed, whatever command is given it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.bundle_calls import BUNDLE, CALLS, Place, trained_place
from support.bundles import ALL_DRIFTS, compiled, read_manifest
from support.commands import Ended, refused
from support.files import listing
from support.signing import OTHER, SIGNER, key_file, signed_archive, signed_folder
from support.tars import END, members, pack
from tbft_agent.bundled import settled
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.bundles import SIGNATURE, signature_beside
from tbft_artifacts.signing.trust import TRUST_VARIABLE
from tbft_runtime import finalize


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Place:
    """Signed copies of the bundles, and runs of them."""
    folder = tmp_path_factory.mktemp("signed")
    for name in (BUNDLE, ALL_DRIFTS):
        signed_folder(shutil.copytree(compiled(name), folder / "bundles" / name))
    return trained_place(lambda name: folder / "bundles" / name, squares, folder)


@pytest.fixture
def place(tmp_path: Path, signed: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """On a device that trusts who signed them."""
    (tmp_path / "out").mkdir()
    monkeypatch.setenv(TRUST_VARIABLE, str(key_file(tmp_path / "trust.pem", SIGNER)))
    return replace(signed, out=tmp_path / "out")


@pytest.fixture
def archive(place: Place, tmp_path: Path) -> Path:
    """A signed archive of a signed bundle."""
    return signed_archive(pack(tmp_path / "b.tar.gz", *members(place.bundle(BUNDLE)), END), place.bundle(BUNDLE))


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test fail where a manifest, an archive's members or a graph are looked at."""
    for name in ("tbft_artifacts.bundle.verified_manifest", "tbft_artifacts.packed.GzipStream"):
        monkeypatch.setattr(name, lambda *_: pytest.fail("it was looked into"))
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("a session was made"))


@pytest.fixture
def without_signature(place: Place) -> Iterator[None]:
    """The bundles lose theirs for as long as a test lasts."""
    lost = {name: (place.bundle(name) / SIGNATURE).read_bytes() for name in (BUNDLE, ALL_DRIFTS)}
    for name in lost:
        (place.bundle(name) / SIGNATURE).unlink()
    yield
    for name, content in lost.items():
        (place.bundle(name) / SIGNATURE).write_bytes(content)


@pytest.mark.parametrize("name", CALLS)
def test_a_trusted_bundle_is_used(command: Callable[..., Ended], place: Place, name: str) -> None:
    """In processes that the command starts, too."""
    ended = command(name, *CALLS[name][1](place))
    # A machine that is not fit is no fault of the bundle.
    assert ended.code == 0 or (name, ended.code) == ("doctor", 1), ended


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("unread", "without_signature")
def test_an_unsigned_bundle_is_refused(command: Callable[..., Ended], place: Place, name: str) -> None:
    """Before anything of it is looked into; nothing is written."""
    refusal = refused(command(name, *CALLS[name][1](place)))
    assert f"is not signed: '{SIGNATURE}' is not there" in refusal.message
    assert "--sign" in refusal.hint
    assert listing(place.out) == {}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("unread")
def test_another_key_is_refused(command: Callable[..., Ended], place: Place, tmp_path: Path, name: str) -> None:
    """As above."""
    key_file(tmp_path / "trust.pem", OTHER)
    refusal = refused(command(name, *CALLS[name][1](place)))
    assert "by none of the 1 keys" in refusal.message
    assert "do not trust it" in refusal.hint
    assert listing(place.out) == {}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("unread")
def test_without_the_trusted_keys_nothing_is_opened(
    command: Callable[..., Ended], place: Place, tmp_path: Path, name: str
) -> None:
    """A trust file that is gone is no leave to open everything."""
    (tmp_path / "trust.pem").unlink()
    assert "trust file cannot be used" in refused(command(name, *CALLS[name][1](place))).message
    assert listing(place.out) == {}


@pytest.mark.parametrize("name", [name for name in CALLS if name not in {"finalize", "bank"}])
@pytest.mark.parametrize("how", ["without its signature", "changed"])
@pytest.mark.usefixtures("unread")
def test_an_archive_is_refused_unread(
    command: Callable[..., Ended], place: Place, archive: Path, name: str, how: str
) -> None:
    """Though the signature of its folder is in it: to find that, it would have to be read."""
    if how == "changed":
        archive.write_bytes(archive.read_bytes() + b"\0")
    else:
        signature_beside(archive).unlink()
    refusal = refused(command(name, *CALLS[name][1](replace(place, bundle=lambda _: archive))))
    assert (
        "is that of something else" if how == "changed" else "is not signed: 'b.tar.gz.dsse.json'"
    ) in refusal.message
    assert listing(place.out) == {}


def test_what_a_run_unpacked_is_verified_whenever_it_is_opened(
    command: Callable[..., Ended], place: Place, archive: Path, tmp_path: Path
) -> None:
    """By its own signature: the archive need not be there, and no run from elsewhere brings a bundle along."""
    run, kept = place.out / "run", tmp_path / "kept.tar.gz"
    train = ("train", archive, "--data", place.data, "--out", run, "--epochs", "1")
    assert command(*train).code == 0
    shutil.copy(archive, kept)
    shutil.copy(signature_beside(archive), signature_beside(kept))
    archive.unlink()
    assert command("eval", run, "--data", place.data).code == 0
    (run / "bundle" / SIGNATURE).unlink()
    refusal = refused(command("eval", run, "--data", place.data))
    assert "is not signed" in refusal.message
    assert "unpacks it again" in refusal.hint
    # As of a run that began before anybody was trusted.
    shutil.copy(kept, archive)
    ended = command(*train[:-1], "2", "--resume")
    assert ended.code == 0, ended
    assert command("eval", run, "--data", place.data).code == 0


def test_an_agent_settles_on_trusted_bundles_alone(place: Place, archive: Path, tmp_path: Path) -> None:
    """What it unpacked before stays in use where an archive is replaced by one that nobody trusted signed."""
    digits = read_manifest(place.bundle(BUNDLE)).bundle_id
    content = signature_beside(archive).read_bytes()
    signature_beside(archive).unlink()
    with pytest.raises(TbftError, match="is not signed"):
        settled(archive, tmp_path / "settled")
    signature_beside(archive).write_bytes(content)
    assert settled(archive, tmp_path / "settled") == (tmp_path / "settled", digits)
    pack(archive, *members(place.bundle(ALL_DRIFTS)), END)
    assert settled(archive, tmp_path / "settled") == (tmp_path / "settled", digits)
    (tmp_path / "settled" / SIGNATURE).unlink()
    with pytest.raises(TbftError, match="something else"):
        settled(archive, tmp_path / "settled")
    with pytest.raises(TbftError, match="is not signed"):
        settled(compiled(BUNDLE), tmp_path / "settled")


@pytest.mark.usefixtures("unread", "place")
def test_an_agent_does_not_answer_with_an_untrusted_one(command: Callable[..., Ended], tmp_path: Path) -> None:
    """It never answers."""
    config = tmp_path / "agent.toml"
    config.write_text(f'bundle = "{compiled(BUNDLE)}"\nstate = "{tmp_path / "state"}"\n')
    assert "is not signed" in refused(command("agent", "run", config)).message


def test_a_finalized_model_has_no_signature(command: Callable[..., Ended], place: Place) -> None:
    """It is opened all the same: the device made it, or whoever puts files there."""
    finalize(place.run, place.out / "model.onnx", allow_worse=True)
    assert command("predict", place.out / "model.onnx", place.data).code == 0


def test_inspect_says_who_signed_it(command: Callable[..., Ended], place: Place, tmp_path: Path) -> None:
    """By the keys that it is given, or by those of the machine."""
    key = SIGNER.public_key.keyid
    given = ("--trust", key_file(tmp_path / "given.pem", OTHER))
    assert key in command("inspect", place.bundle(BUNDLE)).out
    assert f'"signed_by": "{key}"' in command("inspect", place.bundle(BUNDLE), "--json").out
    assert "none of the 1 keys" in refused(command("inspect", place.bundle(BUNDLE), *given)).message
    assert "does not exist" in refused(command("inspect", place.bundle(BUNDLE), "--trust", tmp_path / "none")).message


def test_inspect_says_nothing_of_who_signed_what_nobody_checked(
    command: Callable[..., Ended], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that was not looked at proves nothing."""
    monkeypatch.delenv(TRUST_VARIABLE)
    assert "signed" not in command("inspect", place.bundle(BUNDLE)).out
    assert "signed_by" not in command("inspect", place.bundle(BUNDLE), "--json").out


def test_the_doctor_says_whether_anybody_is_trusted(
    command: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is wrong with the file, before a bundle is refused for it."""
    monkeypatch.setattr("tbft_artifacts.signing.trust.TRUST_FILE", tmp_path / "none.pem")
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    assert "· trust: no trust file" in command("doctor").out
    monkeypatch.setenv(TRUST_VARIABLE, str(key_file(tmp_path / "trust.pem", SIGNER, OTHER)))
    assert f"✓ trust: 2 keys in '{tmp_path / 'trust.pem'}'" in command("doctor").out
    (tmp_path / "trust.pem").write_bytes(b"")
    ended = command("doctor")
    assert ended.code == 1
    assert "✗ trust: no bundle is opened" in ended.out
