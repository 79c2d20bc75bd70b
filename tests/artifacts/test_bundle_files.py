"""A bundle's folder may hold anything in the place of its files: it is read or refused, and nothing ever waits."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from support.bundles import made_up_bundle
from tbft_artifacts.bundle import file_entry, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST, MANIFEST_LIMIT
from tbft_artifacts.regular import open_regular, read_at_most, unreadable

FILES = (MANIFEST, "weights.safetensors", "predict.onnx", "plans/feature-frozen-sgd/gradient.onnx")
TERABYTE = 1 << 40


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The names of sockets are short: they are made from here.
    monkeypatch.chdir(tmp_path)
    folder = Path("bundle")
    folder.mkdir()
    made_up_bundle(folder)
    return folder


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(TERABYTE)


def _in_a_circle(path: Path) -> None:
    other = path.with_name("other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


# What lies there, and what the message says of it.
STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "it is a pipe"),
    "a socket": (_socket, "it is a socket"),
    "a folder": (Path.mkdir, "Is a directory"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "links in a circle": (_in_a_circle, "Too many levels of symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "No such file"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "a link to a terminal": (lambda path: path.symlink_to("/dev/tty"), "it is a device"),
    "a terabyte": (_endless, "more than 16 MiB"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("strange", STRANGE)
def test_what_is_no_plain_file_is_refused(bundle: Path, strange: str, name: str) -> None:
    """One line with the file's name: no pipe is waited for, no device opened, no terabyte hashed."""
    make, words = STRANGE[strange]
    (bundle / name).unlink()
    make(bundle / name)
    with pytest.raises(TbftError) as caught:
        open_bundle(bundle)
    assert name in caught.value.message
    if "device" in strange + words and "link" in strange:
        words = "link out of it"
    elif name != MANIFEST and strange == "a terabyte":
        words = "its content changed"
    assert words in caught.value.message


def test_devices_are_refused(bundle: Path) -> None:
    """As a node in the folder itself, which only root can make."""
    path = bundle / "predict.onnx"
    path.unlink()
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    with pytest.raises(TbftError, match="it is a device"):
        open_bundle(bundle)


@pytest.mark.parametrize("target", ["nothing/manifest.json", "loop"])
def test_a_bundle_behind_bad_links_is_none(bundle: Path, target: str) -> None:
    """The path itself may go in circles."""
    Path("loop").symlink_to("loop")
    with pytest.raises(TbftError, match="is no bundle"):
        open_bundle(Path(target))


def test_what_grows_is_read_no_further(tmp_path: Path) -> None:
    """A byte more than was listed is enough to know."""
    path = tmp_path / "growing"
    _endless(path)
    assert file_entry(path, 1000).bytes == 1001


def test_links_inside_are_followed(bundle: Path) -> None:
    """Equal files may be one."""
    (bundle / "predict.onnx").rename(bundle / "whole.onnx")
    (bundle / "predict.onnx").symlink_to("whole.onnx")
    open_bundle(bundle)


def test_a_manifest_that_is_a_link_out_of_the_bundle_is_refused(bundle: Path) -> None:
    """It says what all other files are, and has to lie with them as they do; a link inside is followed."""
    shutil.move(bundle / MANIFEST, bundle / "other.json")
    (bundle / MANIFEST).symlink_to("other.json")
    assert open_bundle(bundle).manifest.plans
    shutil.move(bundle / "other.json", bundle.parent / "other.json")
    (bundle / MANIFEST).unlink()
    (bundle / MANIFEST).symlink_to(Path.cwd() / bundle.parent / "other.json")
    with pytest.raises(TbftError, match=rf"'{MANIFEST}' of bundle .* is a link out of it") as caught:
        open_bundle(bundle)
    assert "do not trust" in caught.value.hint


def test_a_manifest_that_is_too_large_is_not_read(bundle: Path) -> None:
    """What is behind the limit may be anything."""
    with (bundle / MANIFEST).open("ab") as file:
        file.write(b" " * MANIFEST_LIMIT)
    with pytest.raises(TbftError, match="it has more than 16 MiB"):
        open_bundle(bundle)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Up to the limit, itself included; of a larger one a byte more, by which one knows."""
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_at_most(tmp_path / "file", 10) == b"0123456789"
    assert read_at_most(tmp_path / "file", 8) == b"012345678"


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at it and its opening."""
    (tmp_path / "file").touch()
    seen = (tmp_path / "file").stat()
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    monkeypatch.setattr(Path, "stat", lambda _: seen)
    with pytest.raises(OSError, match="it is a pipe"):
        open_regular(tmp_path / "file")


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.EMFILE, "ulimit"), (errno.EIO, "disk"), (errno.EACCES, "permissions"), (errno.ELOOP, "path")],
)
def test_what_cannot_be_read_says_what_may_help(number: int, hint: str) -> None:
    """A limit of the process, a card that fails, rights and paths want different things."""
    error = unreadable("file", OSError(number, os.strerror(number)))
    assert error.message == f"'file' cannot be read ({os.strerror(number)})"
    assert hint in error.hint


def test_a_process_that_may_open_no_file_says_so(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python then finds no package any more, and its own word for that would be a riddle."""

    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr("tbft_artifacts.minimum_runtime.version", missing)
    with pytest.raises(TbftError) as caught:
        open_bundle(bundle)
    assert "ulimit" in caught.value.hint
