"""Cases can be repeated: what is made of a seed is the same each time, down to its bytes."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import zipfile
from pathlib import Path

import pytest

from fuzz.desk import BUNDLES, Desk
from fuzz.packing import Part, Zeros, gzip_of, zip_of
from fuzz.suite import chosen
from fuzz.surfaces import SURFACES
from support.bundles import compiled
from support.files import listing
from support.toys import coloured_squares, save_folders, save_squares

# Those that start from what a run made need one.
WITHOUT_RUNS = ("archives", "tar-attacks", "manifests", "weights", "graph-bytes", "npz", "numbers", "signatures")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    for name in BUNDLES:
        shutil.copytree(compiled(name), desk.bundle(name))
    save_squares(desk.data, 24)
    save_folders(desk.photos, *coloured_squares(8))
    return desk


@pytest.mark.parametrize("surface", WITHOUT_RUNS)
def test_a_case_is_made_of_its_seed_alone(surface: str, desk: Desk, tmp_path: Path) -> None:
    """Also where many were made before it."""
    for number in range(12):
        made = []
        for time in ("first", "second"):
            folder = tmp_path / f"{time}-{number}"
            folder.mkdir()
            case = SURFACES[surface].make(desk, random.Random(f"1/{surface}-{number}"), folder)
            made.append((case, listing(folder)))
            shutil.rmtree(folder)
        assert made[0] == made[1]


def test_every_surface_has_its_share() -> None:
    """Few cases have some of each; more are spread alike, in turns."""
    for cases in (len(SURFACES), 300, 5000):
        ids = chosen(cases)
        assert len(ids) == len(set(ids))
        assert {case_id.rpartition("-")[0] for case_id in ids} == set(SURFACES)
        assert len(ids) == pytest.approx(cases, rel=0.3)
    assert {case_id[:-7] for case_id in chosen(300)[:60]} == set(SURFACES)
    assert chosen(20, ["npz"])[0] == "npz-000000"


def test_packed_zeros_unpack() -> None:
    """Bombs are whole files: readers do not refuse them for a wrong checksum."""
    content = b"before" + bytes(3 << 20) + b"behind"
    parts: list[Part] = [b"before", Zeros(3), b"behind"]
    assert gzip.decompress(gzip_of(parts)) == content
    with zipfile.ZipFile(io.BytesIO(zip_of({"a.npy": parts, "b.npy": [b"b"]}))) as archive:
        assert archive.testzip() is None
        assert archive.read("a.npy") == content
    assert len(gzip_of([Zeros(1000)])) < 2 << 20
