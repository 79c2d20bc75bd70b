"""What a manifest may say of the last layer and of the source domain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from support.bundles import made_up_bundle, read_manifest, write_manifest
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import WEIGHTS
from tbft_artifacts.source import MOMENTS, LinearHead, Source

HEAD = LinearHead(weight="fc.weight", bias=None, features=6)
SOURCE = Source(images=8, kept=2, accuracy=0.9, second="full", norm="bn.running_mean", channels=4)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    made_up_bundle(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"head": msgspec.structs.replace(HEAD, weight="no.weight")}, "a last layer 'no.weight' of other tensors"),
        ({"head": msgspec.structs.replace(HEAD, features=7)}, "a last layer 'fc.weight' of other tensors"),
        ({"head": msgspec.structs.replace(HEAD, transposed=True)}, "a last layer 'fc.weight' of other tensors"),
        ({"head": msgspec.structs.replace(HEAD, bias="conv1.weight")}, "a last layer 'fc.weight' of other tensors"),
        ({"head": msgspec.structs.replace(HEAD, weight="fc\x1b[2J")}, "has a tensor whose name has control"),
        ({"head": UNSET}, "no last layer that reads them"),
        ({"source": msgspec.structs.replace(SOURCE, norm="other")}, "a batch norm 'other', which the model does not"),
        ({"source": msgspec.structs.replace(SOURCE, norm=None)}, "moments of 4 channels, and of no norm"),
        ({"source": msgspec.structs.replace(SOURCE, channels=0)}, "moments of 0 channels"),
    ],
)
def test_what_does_not_fit_is_refused(bundle: Path, changes: Mapping[str, object], fault: str) -> None:
    write_manifest(bundle, read_manifest(bundle), **changes)
    with pytest.raises(TbftError, match=r"manifest\.json of bundle") as caught:
        open_bundle(bundle)
    assert fault in caught.value.message
    assert caught.value.hint


def test_bundles_from_before_say_nothing_of_it(bundle: Path) -> None:
    write_manifest(bundle, read_manifest(bundle), head=UNSET, source=UNSET)
    manifest = open_bundle(bundle).manifest
    assert not manifest.head
    assert not manifest.source
    assert b'"head"' not in (bundle / "manifest.json").read_bytes()


def test_moments_have_to_be_listed(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    write_manifest(bundle, manifest, files={name: manifest.files[name] for name in manifest.files if name != MOMENTS})
    with pytest.raises(TbftError, match=f"does not list '{MOMENTS}'"):
        open_bundle(bundle)
    assert WEIGHTS in manifest.files
