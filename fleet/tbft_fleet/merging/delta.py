"""A derived bundle as what its parent lacks: some tensors and two ids, a few kB where the last layer is another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tbft_artifacts.archive import opened
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.gzip_stream import GzipStream
from tbft_artifacts.manifest import WEIGHTS
from tbft_artifacts.pack import pack
from tbft_artifacts.regular import open_regular, read_at_most, unreadable
from tbft_artifacts.signing.bundles import SIGNATURE, SIGNATURE_LIMIT
from tbft_artifacts.structs import Sha256, Struct
from tbft_artifacts.tar_stream import TarStream
from tbft_artifacts.temporary_folder import temporary_folder
from tbft_fleet.merging.derive import derived
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.run.state import Arrays

RECORD, TENSORS = "delta.json", "tensors.safetensors"
# Two ids and a number.
_RECORD_LIMIT = 4096
_DISTRUST = "do not trust it; or make it again with this version of tbft-edge"


class Delta(Struct, frozen=True, kw_only=True):
    """What the bundle `bundle_id` is made of: its `parent`, and the tensors beside this.

    Of a bundle that somebody signed its signature lies beside both: devices may want it.
    """

    format: Literal[1] = 1
    parent: Sha256
    bundle_id: Sha256


def packed(parent: Path, child: Path, out: Path) -> Delta:
    """Write the `.tar.gz` by which `laid_over` makes `child` of `parent`; both are folders, or archives.

    Raises TbftError if the child is not one that `derive` makes of this parent.
    """
    with opened(parent) as base, opened(child) as other:
        own, theirs = load_weights(base), load_weights(other)
        same = own.keys() == theirs.keys()
        tensors = {name: value for name, value in theirs.items() if same and value.tobytes() != own[name].tobytes()}
        record = Delta(parent=base.manifest.bundle_id, bundle_id=other.manifest.bundle_id)
        if not tensors or derived(base, tensors).manifest.bundle_id != record.bundle_id:
            raise TbftError(
                f"'{child}' is not '{parent}' with other weights, and has to be carried whole",
                "make it of that bundle with 'tbft-edge fleet derive'",
            )
        signature = read_at_most(other.folder / SIGNATURE, SIGNATURE_LIMIT) if _is_signed(other) else None
    with temporary_folder() as folder, atomic_file(out) as archive:
        content = folder / "delta"
        content.mkdir()
        if signature is not None:
            (content / SIGNATURE).write_bytes(signature)
        (content / RECORD).write_bytes(msgspec.json.encode(record))
        (content / TENSORS).write_bytes(save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}))
        pack(content, archive)
    return record


def laid_over(parent: Bundle, archive: Path, out: Path) -> None:
    """Write the bundle that `archive` makes of `parent` into the new folder `out`, byte for byte as it was derived.

    Raises TbftError for another parent, for an archive that is damaged or holds what none does, for tensors that the
    parent has in other shapes, and if what comes out is not the bundle that the archive names; nothing is there then.
    """
    record, tensors, signature = _read(archive, parent)
    child = derived(parent, tensors)
    if child.manifest.bundle_id != record.bundle_id:
        raise TbftError(
            f"'{archive}' makes bundle {child.manifest.bundle_id[:12]} of its parent, and says {record.bundle_id[:12]}",
            _DISTRUST,
        )
    child.write(out)
    if signature is not None:
        # Whoever trusts keys of their own verifies it when the bundle is opened.
        (out / SIGNATURE).write_bytes(signature)


def _is_signed(bundle: Bundle) -> bool:
    return (bundle.folder / SIGNATURE).is_file()


def _read(archive: Path, parent: Bundle) -> tuple[Delta, Arrays, bytes | None]:
    """What an archive holds, whose parent is compared before its tensors are looked at."""
    limits = {
        RECORD: _RECORD_LIMIT,
        TENSORS: parent.manifest.files[WEIGHTS].bytes + MIB,
        SIGNATURE: SIGNATURE_LIMIT,
    }
    found = _members(archive, limits)
    failed = f"'{RECORD}' of '{archive}' cannot be read"
    record = decode(found[RECORD], Delta, _RECORD_LIMIT, failed=failed, hint=_DISTRUST)
    if record.parent != parent.manifest.bundle_id:
        raise TbftError(
            f"'{archive}' is to be laid over bundle {record.parent[:12]}, and '{parent.shown or parent.folder}' is "
            f"{parent.manifest.bundle_id[:12]}",
            "take the whole bundle, or that parent",
        )
    try:
        return record, load(found[TENSORS]), found.get(SIGNATURE)
    except (SafetensorError, UnicodeError, KeyError, TypeError, ValueError) as error:
        raise TbftError(f"'{TENSORS}' of '{archive}' is no safetensors file: {error}", _DISTRUST) from error


def _members(archive: Path, limits: Mapping[str, int]) -> dict[str, bytes]:
    """All of the archive's members, each within its limit; none but a signature may lack. Raises TbftError."""
    found: dict[str, bytes] = {}
    with _opened(archive) as tar:
        for member in tar.members():
            if not member.is_file or member.name not in limits or member.name in found:
                raise TbftError(f"'{archive}' holds '{member.name}', which no delta does", _DISTRUST)
            if member.size > limits[member.name]:
                raise TbftError(f"'{member.name}' of '{archive}' is larger than it can be", _DISTRUST)
            found[member.name] = b"".join(tar.content())
    if not {RECORD, TENSORS} <= found.keys():
        raise TbftError(f"'{archive}' is no delta of a bundle", "make one of two bundles, or take the whole bundle")
    return found


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[TarStream]:
    try:
        file = open_regular(archive)
    except OSError as error:
        raise unreadable(archive, error) from error
    with file:
        yield TarStream(GzipStream(file, archive))
