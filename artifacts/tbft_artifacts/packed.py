"""What of an archive is a bundle: its manifest, and the files that it lists. Nothing else is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tbft_artifacts.bundle import verified_manifest
from tbft_artifacts.errors import TbftError
from tbft_artifacts.gzip_stream import GzipStream, damaged
from tbft_artifacts.manifest import MANIFEST, MANIFEST_LIMIT, Manifest
from tbft_artifacts.signing.bundles import SIGNATURE, SIGNATURE_LIMIT
from tbft_artifacts.tar_stream import Member, TarStream

# `export` packs the manifest first; how much else may come before it.
_BEFORE_MANIFEST = 1 << 30
# How much of what the manifest does not list is passed over: a README, or what a Mac adds.
_UNLISTED = 64 << 20


@dataclass(frozen=True)
class Packed:
    """A bundle in an archive, its manifest verified. `root` is the folder of it inside, as `tar czf b.tar.gz b` packs.

    `content` are the bytes of the manifest.
    """

    manifest: Manifest
    content: bytes
    root: PurePosixPath

    @property
    def bytes(self) -> int:
        """What its files take unpacked."""
        return len(self.content) + sum(max(entry.bytes, 0) for entry in self.manifest.files.values())


def find_bundle(file: BinaryIO, archive: Path, expect_id: str | None) -> Packed:
    """Look for the manifest, and verify it. Raises TbftError as `open_bundle` does, and for a damaged archive."""
    tar = TarStream(GzipStream(file, archive))
    members = _names(tar, archive)
    left = _BEFORE_MANIFEST
    for name, member in members:
        if member.is_file and _may_be_manifest(name):
            if member.size > MANIFEST_LIMIT:
                raise TbftError(f"{MANIFEST} of '{archive}' has more than {MANIFEST_LIMIT} bytes", "do not trust it")
            content = b"".join(tar.content())
            try:
                return Packed(verified_manifest(content, archive, expect_id), content, name.parent)
            except TbftError:
                # Where the archive is damaged that is why, and its checksum stands at the end.
                _read_on(members, archive, left)
                raise
        left = _passed(left, member, archive)
    raise TbftError(f"'{archive}' is no bundle: it holds no {MANIFEST}", "make a bundle with 'tbft-edge export'")


def take_files(file: BinaryIO, archive: Path, packed: Packed, folder: Path) -> None:
    """Write the bundle's files, and its signature if there is one, into `folder`, which exists and is empty.

    Raises TbftError for an archive that is damaged, or holds what no bundle does; OSError for what cannot be written.
    """
    manifest = packed.manifest
    (folder / MANIFEST).write_bytes(packed.content)
    missing = {packed.root / name: name for name in (MANIFEST, *manifest.files)}
    listed = dict(missing)
    tar, unlisted = TarStream(GzipStream(file, archive)), _UNLISTED
    for name, member in _names(tar, archive):
        if not member.is_file:
            continue
        if name not in listed:
            if name == packed.root / SIGNATURE and member.size <= SIGNATURE_LIMIT:
                # What lies unpacked is verified by it whenever it is opened.
                _put(tar.content(), folder, SIGNATURE, archive)
                continue
            if _may_be_manifest(name) and len(name.parts) <= len(packed.root.parts) + 1:
                raise TbftError(f"'{archive}' holds several bundles", "pack one")
            unlisted = _passed(unlisted, member, archive)
            continue
        if missing.pop(name, None) is None:
            raise TbftError(f"'{archive}' holds '{name}' twice", "do not trust it")
        own = listed[name]
        size = len(packed.content) if own == MANIFEST else manifest.files[own].bytes
        if member.size != size:
            raise TbftError(
                f"'{own}' of '{archive}' has {member.size} bytes, and its manifest says {size}", "do not trust it"
            )
        if own != MANIFEST:
            _put(tar.content(), folder, own, archive)
    if missing:
        raise damaged(archive, f"it lacks '{next(iter(missing.values()))}'")


def _names(tar: TarStream, archive: Path) -> Iterator[tuple[PurePosixPath, Member]]:
    """The members by where they would lie: `./a` is `a`."""
    for member in tar.members():
        name = PurePosixPath(member.name)
        if member.name == "/" and not member.is_file:
            continue  # The folder itself, as Python's tarfile packs it under no name.
        if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
            raise TbftError(f"'{archive}' holds '{member.name}', which leads out of it", "do not trust it")
        yield name, member


def _may_be_manifest(name: PurePosixPath) -> bool:
    """At the top, or in the one folder of an archive of a folder."""
    return name.name == MANIFEST and len(name.parts) <= 2


def _passed(left: int, member: Member, archive: Path) -> int:
    """How many bytes may still be passed over, behind this member."""
    if member.size > left:
        raise TbftError(
            f"'{archive}' holds too much that is no part of a bundle, such as '{member.name}'",
            "make it with 'tbft-edge export'",
        )
    return left - member.size


def _read_on(members: Iterator[tuple[PurePosixPath, Member]], archive: Path, left: int) -> None:
    for _, member in members:
        left = _passed(left, member, archive)


def _put(content: Iterator[bytes], folder: Path, name: str, archive: Path) -> None:
    try:
        _write(content, folder / name)
    except (FileExistsError, NotADirectoryError) as error:
        raise TbftError(f"'{name}' of '{archive}' lies where another file of it does", "do not trust it") from error


def _write(content: Iterator[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # It may be there already: as a folder, or under another name where the file system knows no case.
    with path.open("xb") as file:
        for piece in content:
            file.write(piece)
