"""Unpacking an archive from a stranger writes inside one folder, or nothing at all."""

from __future__ import annotations

import errno
import io
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from support.bundles import made_up_bundle, write_manifest
from support.files import listing
from tbft_artifacts.archive import is_archive, opened, unpack
from tbft_artifacts.errors import TbftError


def plain(name: str, content: bytes = b"content") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


def pack(archive: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return archive


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file that an attack would like to change, and nothing else."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "victim").write_text("untouched")
    return folder


@pytest.fixture
def bundle_archive(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    made_up_bundle(folder)
    archive = tmp_path / "bundle.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, ".")
    return archive


def test_plain_files_and_folders_are_unpacked(tmp_path: Path, place: Path) -> None:
    """What the export packs arrives as it was."""
    archive = pack(tmp_path / "b.tar.gz", plain("a", b"1"), special("d", tarfile.DIRTYPE), plain("d/e/f", b"2"))
    unpack(archive, place / "bundle")
    assert (place / "bundle/a").read_bytes() == b"1"
    assert (place / "bundle/d/e/f").read_bytes() == b"2"


def test_an_absolute_name_stays_inside(tmp_path: Path, place: Path) -> None:
    """`/victim` becomes `victim` below the folder, as tar itself does it."""
    unpack(pack(tmp_path / "b.tar.gz", plain("/victim")), place / "bundle")
    assert (place / "bundle/victim").read_bytes() == b"content"
    assert (place / "victim").read_text() == "untouched"


ATTACKS = {
    "traversal": [plain("../victim")],
    "deep traversal": [plain("a/../../victim")],
    "symbolic link": [special("link", tarfile.SYMTYPE, "../victim"), plain("link")],
    "absolute symbolic link": [special("link", tarfile.SYMTYPE, "/etc/hostname")],
    "inner symbolic link": [plain("a"), special("link", tarfile.SYMTYPE, "a")],
    "hard link": [special("link", tarfile.LNKTYPE, "../victim")],
    "character device": [special("device", tarfile.CHRTYPE)],
    "block device": [special("device", tarfile.BLKTYPE)],
    "pipe": [special("pipe", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_and_leave_nothing(tmp_path: Path, place: Path, attack: str) -> None:
    """Even files that came before the bad member are gone, and what lay beside is as it was."""
    archive = pack(tmp_path / "b.tar.gz", plain("before"), *ATTACKS[attack], plain("behind"))
    before = listing(place)
    with pytest.raises(TbftError) as caught:
        unpack(archive, place / "bundle")
    assert str(archive) in caught.value.message
    assert "trust" in caught.value.hint
    assert listing(place) == before


def test_set_user_id_bits_are_dropped(tmp_path: Path, place: Path) -> None:
    """An unpacked file can neither run as someone else nor be written by everyone."""
    info, content = plain("tool")
    info.mode = 0o6777
    unpack(pack(tmp_path / "b.tar.gz", (info, content)), place / "bundle")
    assert (place / "bundle/tool").stat().st_mode & 0o6022 == 0


def test_a_file_where_a_folder_is_needed_is_refused(tmp_path: Path, place: Path) -> None:
    """An archive that contradicts itself is damaged, and no traceback."""
    before = listing(place)
    with pytest.raises(TbftError):
        unpack(pack(tmp_path / "b.tar.gz", plain("a"), plain("a/b")), place / "bundle")
    assert listing(place) == before


def test_a_missing_archive(tmp_path: Path, place: Path) -> None:
    """The error names the path that was asked for."""
    with pytest.raises(TbftError, match=r"nowhere\.tar\.gz' does not exist"):
        unpack(tmp_path / "nowhere.tar.gz", place / "bundle")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_archive(tmp_path: Path, place: Path, content: bytes) -> None:
    """A file that only has the name of an archive is damaged."""
    archive = tmp_path / "b.tar.gz"
    archive.write_bytes(content)
    before = listing(place)
    with pytest.raises(TbftError, match="damaged"):
        unpack(archive, place / "bundle")
    assert listing(place) == before


def test_a_folder_with_the_name_of_an_archive(tmp_path: Path, place: Path) -> None:
    """Not every OSError is a missing file."""
    (tmp_path / "b.tar.gz").mkdir()
    with pytest.raises(TbftError):
        unpack(tmp_path / "b.tar.gz", place / "bundle")


@pytest.fixture(scope="module")
def whole_archive() -> bytes:
    """A good archive; its header is ten bytes, of which some values of date and flags mean nothing."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for index in range(20):
            info, content = plain(f"plans/p/{index}", bytes(range(index, 200)))
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(0, 255))
@settings(max_examples=100)
def test_a_damaged_archive_is_refused(
    tmp_path_factory: pytest.TempPathFactory, whole_archive: bytes, place: float, mask: int
) -> None:
    """Cut short (mask 0) or with a changed byte, wherever: it is refused and nothing is left of it."""
    folder = tmp_path_factory.mktemp("damaged")
    position = 10 + int(place * (len(whole_archive) - 10))
    changed = bytes([whole_archive[position] ^ mask]) + whole_archive[position + 1 :]
    archive = folder / "b.tar.gz"
    archive.write_bytes(whole_archive[:position] + (changed if mask else b""))
    with pytest.raises(TbftError) as caught:
        unpack(archive, folder / "bundle")
    assert str(archive) in caught.value.message
    assert [path.name for path in folder.iterdir()] == ["b.tar.gz"]


def test_a_folder_that_is_not_empty_is_kept(tmp_path: Path, place: Path) -> None:
    """Unpacking never mixes with, or replaces, what is there."""
    before = listing(place)
    with pytest.raises(TbftError, match="exists already"):
        unpack(pack(tmp_path / "b.tar.gz", plain("a")), place)
    assert listing(place) == before


def test_a_full_disk_leaves_nothing(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device's disk is small; half a bundle is worth nothing."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = pack(tmp_path / "b.tar.gz", plain("a"), plain("b"))
    before = listing(place)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(TbftError, match="no space left on the disk"):
        unpack(archive, place / "bundle")
    assert listing(place) == before


@pytest.mark.parametrize(
    ("name", "expected"), [("b.tar.gz", True), ("b", False), ("b.tar", False), ("b.gz", False), ("a.tar.gz.d", False)]
)
def test_archives_are_known_by_their_names(name: str, expected: bool) -> None:
    """`--out` and a bundle argument mean the same thing by the same name."""
    assert is_archive(Path("some/folder") / name) is expected


def test_an_opened_archive_is_verified_and_cleaned_up(bundle_archive: Path) -> None:
    """`opened` gives a bundle that is as good as a folder, for as long as the block lasts."""
    with opened(bundle_archive) as bundle:
        assert "fc.weight" in load_file(bundle.weights)
        folder = bundle.folder
    assert not folder.exists()


def test_an_opened_folder_stays(tmp_path: Path) -> None:
    """A bundle folder is used in place, not copied and not removed."""
    made_up_bundle(tmp_path)
    with opened(tmp_path) as bundle:
        assert bundle.folder == tmp_path
    assert (tmp_path / "manifest.json").exists()


def test_a_changed_file_in_an_archive_is_named(tmp_path: Path) -> None:
    """The archive is whole, the bundle in it is not; the message knows both by the user's names."""
    folder = tmp_path / "source"
    folder.mkdir()
    manifest = made_up_bundle(folder)
    (folder / "predict.onnx").write_bytes(b"other")
    write_manifest(folder, manifest, files=manifest.files)
    archive = tmp_path / "changed.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, ".")
    with pytest.raises(TbftError) as caught, opened(archive):
        pass
    assert "predict.onnx" in caught.value.message
    assert f"'{archive}'" in caught.value.message


def test_unpacking_needs_no_filter_of_tarfile(
    bundle_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian 12 and its Raspberry Pi OS have Python 3.11.2, which came before tarfile's filters."""
    for name in ("data_filter", "FilterError"):
        monkeypatch.delattr(tarfile, name)
    unpack(bundle_archive, tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "manifest.json").exists()
