"""Devices that open only what keys of their own trust file signed: a fleet's signature is not enough there."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file
from securesystemslib.signer import CryptoSigner

from support.bundles import compiled_copy
from support.fleet_devices import BAD, GOOD, OTHER, Board, Offered, release_of
from support.signing import SIGNER, key_file, signed_folder
from tbft_artifacts.bundle import open_bundle
from tbft_fleet.merging.delta import packed
from tbft_fleet.merging.derive import derive


def signed(board: Board, name: str, number: int, folder: Path) -> None:
    """A release of a bundle whose folder is signed, packed as it is."""
    offer = board.shelf.add(name, number)
    with tarfile.open(offer.archive, "w:gz") as tar:
        tar.add(signed_folder(compiled_copy(name, folder)), "bundle")


def test_a_release_needs_a_signature_of_its_bundle_too(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That in the bundle's folder: no file comes beside a fleet's archive."""
    monkeypatch.setenv("TBFT_EDGE_TRUST", str(key_file(tmp_path / "trust.pem", SIGNER)))
    signed(board, GOOD, 1, tmp_path / "signed")
    assert [each.outcome for each in board.pull()] == ["committed"]
    board.shelf.add(OTHER, 2)
    (ended,) = board.pull()
    assert ended.outcome == "refused"
    assert ended.why is not None
    assert "sign" in ended.why
    assert board.place.current() == 1


@pytest.mark.parametrize("signer", [SIGNER, None])
def test_a_delta_brings_the_signature_of_its_bundle(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signer: CryptoSigner | None
) -> None:
    """Laid over its parent, it is the bundle that was signed when it was derived; unsigned it is refused."""
    monkeypatch.setenv("TBFT_EDGE_TRUST", str(key_file(tmp_path / "trust.pem", SIGNER)))
    parent, child = tmp_path / "signed", tmp_path / "child"
    signed(board, GOOD, 1, parent)
    assert [each.outcome for each in board.pull()] == ["committed"]
    bias = load_file(parent / "weights.safetensors")["fc.bias"]
    manifest = derive(open_bundle(parent), {"fc.bias": bias + np.float32(0.1)}, child, signer)
    monkeypatch.delenv("TBFT_EDGE_TRUST")
    packed(parent, child, tmp_path / "delta.tar.gz")
    release = release_of(GOOD, 2)
    delta = replace(release, bundle_id=manifest.bundle_id, parent=release.bundle_id)
    board.shelf.offers.append(Offered(delta, tmp_path / "delta.tar.gz"))
    monkeypatch.setenv("TBFT_EDGE_TRUST", str(tmp_path / "trust.pem"))
    (ended,) = board.pull()
    if signer is None:
        assert ended.outcome == "refused"
        assert "is not signed" in (ended.why or "")
        return
    assert ended.outcome == "committed"
    assert open_bundle(board.place.bundle(2)).manifest == manifest


def test_what_runs_is_not_removed_where_trust_comes_later(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole; commands refuse it by their own words."""
    board.shelf.add(BAD, 1)
    board.pull()
    monkeypatch.setenv("TBFT_EDGE_TRUST", str(key_file(tmp_path / "trust.pem", SIGNER)))
    assert board.pull() == []
    assert board.place.current() == 1
