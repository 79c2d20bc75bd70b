"""Unpacking an archive from a stranger writes inside one folder, or nothing at all."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from support.bundles import made_up_bundle, read_manifest, write_manifest
from support.files import listing
from support.tars import END, file, members, pack
from tbft_artifacts.archive import archived_id, check_packed_name, is_archive, opened, unpack
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FileEntry


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a file that an attack would like to change, and nothing else."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "victim").write_text("untouched")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of a good bundle."""
    folder = tmp_path / "source"
    folder.mkdir()
    made_up_bundle(folder)
    return folder


@pytest.fixture
def bundle_archive(source: Path, tmp_path: Path) -> Path:
    return packed_by_tarfile(tmp_path / "bundle.tar.gz", source, ".")


def packed_by_tarfile(archive: Path, folder: Path, name: str, form: int = tarfile.PAX_FORMAT) -> Path:
    """A folder as `tar czf` packs it, in whatever order its files lie there, under that name."""
    with tarfile.open(archive, "w:gz", format=form) as tar:
        tar.add(folder, name)
    return archive


@pytest.mark.parametrize("name", [".", "b", "./b", "a name with spaces and ö"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_tar_packs_is_unpacked(source: Path, tmp_path: Path, place: Path, name: str, form: int) -> None:
    """`tar czf b.tar.gz -C b .` or `tar czf b.tar.gz b`: an archive of a bundle, or of its folder, is the bundle."""
    (source / "README.md").write_text("Somebody's. It is left out.")
    archive = packed_by_tarfile(tmp_path / "b.tar.gz", source, name, form)
    assert archived_id(archive) == read_manifest(source).bundle_id
    unpack(archive, place / "bundle")
    (source / "README.md").unlink()
    assert listing(place / "bundle") == listing(source)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read(source: Path, tmp_path: Path, place: Path, form: int) -> None:
    """Both ways in which tar writes what does not fit into a header."""
    long = source / "plans" / ("ü" * 70) / ("x" * 200)
    long.parent.mkdir()
    long.write_bytes(b"long")
    write_manifest(source, read_manifest(source))
    unpack(packed_by_tarfile(tmp_path / "b.tar.gz", source, ".", form), place / "bundle")
    assert listing(place / "bundle") == listing(source)


def test_a_manifest_that_lies_deeper_is_none(source: Path, tmp_path: Path, place: Path) -> None:
    """Such as one of a copy that somebody kept in the folder; it is left out like all that is not listed."""
    (source / "old").mkdir()
    shutil.copy(source / "manifest.json", source / "old" / "manifest.json")
    unpack(pack(tmp_path / "b.tar.gz", *members(source), END), place / "bundle")
    assert not (place / "bundle" / "old").exists()


def test_set_user_id_bits_are_dropped(source: Path, tmp_path: Path, place: Path) -> None:
    """An unpacked file can neither run as someone else nor be written by everyone."""
    (source / "predict.onnx").chmod(0o6777)
    unpack(packed_by_tarfile(tmp_path / "b.tar.gz", source, "."), place / "bundle")
    assert (place / "bundle/predict.onnx").stat().st_mode & 0o6022 == 0


def test_a_file_where_a_folder_is_needed_is_refused(source: Path, tmp_path: Path, place: Path) -> None:
    """A manifest that contradicts itself is no traceback."""
    manifest = read_manifest(source)
    more = {"predict.onnx/a": FileEntry(1, hashlib.sha256(b"a").hexdigest())}
    write_manifest(source, manifest, files=manifest.files | more)
    before = listing(place)
    with pytest.raises(TbftError, match="lies where another file of it does"):
        unpack(pack(tmp_path / "b.tar.gz", *members(source), file("predict.onnx/a", b"a"), END), place / "bundle")
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


def test_what_is_no_file_is_no_archive(tmp_path: Path, place: Path) -> None:
    """A folder or a pipe of that name is refused, and nothing waits for who would write into the pipe."""
    (tmp_path / "folder.tar.gz").mkdir()
    os.mkfifo(tmp_path / "pipe.tar.gz")
    (tmp_path / "link.tar.gz").symlink_to("/dev/zero")
    for name, words in {"folder": "Is a directory", "pipe": "it is a pipe", "link": "it is a device"}.items():
        with pytest.raises(TbftError, match=rf"{name}\.tar\.gz' cannot be read \({words}"):
            unpack(tmp_path / f"{name}.tar.gz", place / "bundle")


@pytest.fixture(scope="module")
def whole_archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A good archive; its header is ten bytes, of which some values of date and flags mean nothing."""
    folder = tmp_path_factory.mktemp("whole")
    made_up_bundle(folder)
    return pack(folder / "b.tar.gz", *members(folder), END).read_bytes()


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(0, 255))
@settings(max_examples=100)
def test_a_damaged_archive_is_refused(
    tmp_path_factory: pytest.TempPathFactory, whole_archive: bytes, place: float, mask: int
) -> None:
    """Cut short (mask 0) or with a changed byte, wherever: nothing is left of it, or it means the same as before."""
    folder = tmp_path_factory.mktemp("damaged")
    position = 10 + int(place * (len(whole_archive) - 10))
    changed = bytes([whole_archive[position] ^ mask]) + whole_archive[position + 1 :]
    archive = folder / "b.tar.gz"
    archive.write_bytes(whole_archive[:position] + (changed if mask else b""))
    with contextlib.suppress(TbftError):
        unpack(archive, folder / "bundle")
        # Zeros may be packed as a copy of these zeros or of those.
        assert gzip.decompress(archive.read_bytes()) == gzip.decompress(whole_archive)
        return
    with pytest.raises(TbftError, match=re.escape(str(archive))):
        unpack(archive, folder / "bundle")
    assert [path.name for path in folder.iterdir()] == ["b.tar.gz"]


def test_a_folder_that_is_not_empty_is_kept(bundle_archive: Path, place: Path) -> None:
    """Unpacking never mixes with, or replaces, what is there."""
    before = listing(place)
    with pytest.raises(TbftError, match="exists already"):
        unpack(bundle_archive, place)
    assert listing(place) == before


WRITING = {
    errno.ENOSPC: "no space left on the disk",
    errno.EROFS: "cannot be written",
    errno.EMFILE: "cannot be unpacked into",
    errno.ENOMEM: "cannot be unpacked into",
    errno.EIO: "cannot be unpacked into",
}


@pytest.mark.parametrize("number", WRITING)
def test_a_disk_that_refuses_is_not_told_as_damage(
    bundle_archive: Path, place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Copying the archive again would not help; and half a bundle is worth nothing."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    before = listing(place)
    monkeypatch.setattr("tbft_artifacts.packed._write", refuse)
    with pytest.raises(TbftError, match=WRITING[number]) as caught:
        unpack(bundle_archive, place / "bundle")
    assert "damaged" not in caught.value.message
    assert listing(place) == before
    words = "no space left" if number == errno.ENOSPC else f"cannot be unpacked into .*{os.strerror(number)}"
    with pytest.raises(TbftError, match=words) as caught:
        opened(bundle_archive).__enter__()
    assert "damaged" not in caught.value.message


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOMEM])
def test_an_archive_that_cannot_be_read_says_why(
    bundle_archive: Path, place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A card that fails is no archive that was copied badly."""

    class Failing(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tbft_artifacts.archive.open_regular", lambda _: Failing())
    with pytest.raises(TbftError, match=rf"bundle\.tar\.gz' cannot be read \({os.strerror(number)}\)"):
        unpack(bundle_archive, place / "bundle")


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
    assert not folder.parent.exists()


def test_an_opened_folder_stays(tmp_path: Path) -> None:
    """A bundle folder is used in place, not copied and not removed."""
    made_up_bundle(tmp_path)
    with opened(tmp_path) as bundle:
        assert bundle.folder == tmp_path
    assert (tmp_path / "manifest.json").exists()


def test_a_changed_file_in_an_archive_is_named(source: Path, tmp_path: Path) -> None:
    """The archive is whole, the bundle in it is not; the message knows both by the user's names."""
    content = bytearray((source / "predict.onnx").read_bytes())
    content[0] ^= 1
    (source / "predict.onnx").write_bytes(bytes(content))
    archive = packed_by_tarfile(tmp_path / "changed.tar.gz", source, ".")
    with pytest.raises(TbftError) as caught, opened(archive):
        pass
    assert "predict.onnx" in caught.value.message
    assert f"'{archive}'" in caught.value.message


@pytest.mark.parametrize("name", ["b.zip", "B.ZIP", "b.tgz", "b.tar", "b.tar.xz"])
def test_a_folder_is_not_named_after_an_archive(name: str) -> None:
    with pytest.raises(TbftError, match="would be a folder of that name") as caught:
        check_packed_name(Path(name))
    assert ".tar.gz" in caught.value.hint


@pytest.mark.parametrize("name", ["b", "b.tar.gz", "resnet.v1", "b.zip/bundle"])
def test_other_names_may_be_given(name: str) -> None:
    check_packed_name(Path(name))
