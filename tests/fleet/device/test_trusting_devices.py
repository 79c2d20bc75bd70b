"""Devices that open only what keys of their own trust file signed: a fleet's signature is not enough there."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from support.bundles import compiled_copy
from support.fleet_devices import BAD, GOOD, OTHER, Board
from support.signing import SIGNER, key_file, signed_folder


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


def test_what_runs_is_not_removed_where_trust_comes_later(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole; commands refuse it by their own words."""
    board.shelf.add(BAD, 1)
    board.pull()
    monkeypatch.setenv("TBFT_EDGE_TRUST", str(key_file(tmp_path / "trust.pem", SIGNER)))
    assert board.pull() == []
    assert board.place.current() == 1
