"""From a key to a device that trusts it: what `export --sign` writes is opened there, and what it does not is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.commands import DEVICE, EXPORT, HOST, Step, refused, run
from support.files import listing
from tbft_artifacts.signing.keys import new_key, public_pem
from tbft_artifacts.signing.trust import TRUST_VARIABLE


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key, `release.pem`, and what devices trust, `trust.pem`."""
    desk = tmp_path_factory.mktemp("desk")
    (desk / "trust.pem").write_text(public_pem(new_key(desk / "release.pem").public_key))
    return desk


@pytest.fixture(scope="module")
def archive(desk: Path) -> Step:
    """A signed one."""
    path = desk / "signed.tar.gz"
    return Step(path, run(HOST, *EXPORT, "--out", path, "--sign", desk / "release.pem", "--json"))


def trusting(desk: Path) -> dict[str, str]:
    return {TRUST_VARIABLE: str(desk / "trust.pem")}


@pytest.mark.long
def test_a_signed_archive_is_trained_where_its_key_is_trusted(
    archive: Step, desk: Path, data: Path, tmp_path: Path
) -> None:
    """And its run answers, whose bundle is verified by the signature that came in the archive."""
    assert len(archive.json["signed_by"]) == 64
    options = ("--data", data, "--epochs", "1", "--threads", "1", "--out", tmp_path / "run")
    assert run(DEVICE, "train", archive.path, *options, variables=trusting(desk)).code == 0
    assert run(DEVICE, "predict", tmp_path / "run", data, variables=trusting(desk)).code == 0
    ended = run(DEVICE, "inspect", archive.path, "--trust", desk / "trust.pem", "--json")
    assert f'"signed_by": "{archive.json["signed_by"]}"' in ended.out


@pytest.mark.long
def test_a_signed_bundle_is_the_same_bundle(archive: Step, desk: Path, tmp_path: Path) -> None:
    """A host that signs writes what it wrote before, and a signature."""
    folder = tmp_path / "bundle"
    assert Step(folder, run(HOST, *EXPORT, "--out", folder, "--json")).json["bundle_id"] == archive.json["bundle_id"]
    before = listing(folder)
    signed = tmp_path / "signed"
    assert run(HOST, *EXPORT, "--out", signed, "--sign", desk / "release.pem", variables=trusting(desk)).code == 0
    assert run(DEVICE, "inspect", signed, variables=trusting(desk)).code == 0
    (signed / "signature.dsse.json").unlink()
    assert listing(signed) == before
    assert "is not signed" in refused(run(DEVICE, "inspect", signed, variables=trusting(desk))).message


def test_a_key_of_openssl_signs(tmp_path: Path) -> None:
    """As the documentation shows."""
    key, public, out = tmp_path / "key.pem", tmp_path / "key.pub", tmp_path / "bundle"
    try:
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert run(HOST, *EXPORT, "--out", out, "--sign", key).code == 0
    assert "signed by" in run(DEVICE, "inspect", out, "--trust", public).out


@pytest.mark.long
@pytest.mark.parametrize("sign", [(), ("--sign", "other.pem")], ids=["unsigned", "another key"])
def test_an_export_that_its_own_machine_would_not_open_is_refused(desk: Path, tmp_path: Path, sign: tuple[str]) -> None:
    """Before the work is done; also one of `reproduce`, which signs nothing."""
    new_key(tmp_path / "other.pem")
    before = listing(tmp_path)
    ended = run(HOST, *EXPORT, "--out", tmp_path / "bundle", *sign, variables=trusting(desk), cwd=tmp_path)
    assert "this machine opens only what the keys in" in refused(ended).message
    assert listing(tmp_path) == before


@pytest.mark.parametrize("key", ["trust.pem", "nowhere.pem", "."])
def test_what_is_no_key_signs_nothing(desk: Path, tmp_path: Path, key: str) -> None:
    """It is said before the network is read."""
    out = tmp_path / "b.tar.gz"
    refused(run(HOST, "export", "--model", "nowhere:none", "--drift", "all", "--out", out, "--sign", desk / key))
    assert listing(tmp_path) == {}
