"""Open a bundle: read its manifest, and check every file against it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from safetensors.numpy import load

from tbft_artifacts.check_plans import check_plans
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FORMAT, MANIFEST, STATISTICS, WEIGHTS, FileEntry, Manifest
from tbft_artifacts.plan import PREDICT, Drift, Plan
from tbft_artifacts.preprocessing import Normalize
from tbft_artifacts.verified import read_verified

_CHUNK = 1 << 20


class _Version(msgspec.Struct):
    """The one field that every format has."""

    format: int


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: its folder and its manifest. Errors call it `shown`, if it came from elsewhere."""

    folder: Path
    manifest: Manifest
    shown: Path | None = None

    def path(self, name: str) -> Path:
        """Where a file of the bundle lies. What is used of it is read by `read`."""
        return self.folder / name

    def read(self, name: str) -> bytes:
        """The content of a listed file, which is what was verified. Raises TbftError if it changed since."""
        return read_verified(self.path(name), self.manifest.files[name], name, self.shown or self.folder)

    @property
    def weights(self) -> Path:
        return self.path(WEIGHTS)

    def load_weights(self) -> dict[str, np.ndarray]:
        """Every tensor of the weights, read as `read` does; the file's content is freed at once."""
        return load(self.read(WEIGHTS))

    def plan(self, plan_id: str | None = None, drift: Drift | None = None) -> Plan:
        """The plan of that id, the one that `drift` calls for, or the only one.

        Raises TbftError if there is no such plan, if there are several and nothing is said, or both is.
        """
        plans = self.manifest.plans
        known = ", ".join(plan.id for plan in plans)
        if plan_id is not None and drift is not None:
            raise TbftError(f"both `plan` {plan_id} and `drift` {drift} were given", "leave one of them out")
        if drift is not None:
            found = self.manifest.plan_for(drift)
            if found is None:
                raise TbftError(f"bundle '{self.folder}' has no plan for drift '{drift}'", f"it has: {known}")
            return found
        if plan_id is None:
            if len(plans) != 1:
                drifts = any(plan.drift is not None for plan in plans)
                raise TbftError(
                    f"bundle '{self.folder}' holds several plans: {known}",
                    "'train `drift` auto' finds out which; 'train' and 'tune' also take `drift`, every command `plan`"
                    if drifts
                    else "choose one with `plan`",
                )
            return plans[0]
        for plan in plans:
            if plan.id == plan_id:
                return plan
        raise TbftError(f"bundle '{self.folder}' has no plan '{plan_id}'", f"choose one of: {known}")


def open_bundle(folder: str | os.PathLike[str], shown: str | os.PathLike[str] | None = None) -> Bundle:
    """Read and verify the bundle in a folder; `opened` takes an archive, too.

    Args:
        folder: Where it lies.
        shown: What errors call it, where it came from elsewhere; None: the folder.

    Returns:
        The folder and the manifest: classes, preprocessing, blocks and plans, each with its cost.

    Raises:
        TbftError: The manifest is missing or unreadable, of a newer format or for a newer runtime; a file's name leads
            out of the bundle; a file is missing, not listed, or its content changed; a plan cannot be trained
            (`check_plans`).

    Example:
        >>> from tbft_artifacts.bundle import open_bundle
        >>> bundle = open_bundle("bundle")
        >>> bundle.plan(drift="output").blocks
        ('fc',)
    """
    folder = Path(folder)
    shown = folder if shown is None else Path(shown)
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TbftError(
            f"'{shown}' is no bundle: {MANIFEST} cannot be read ({error.strerror})",
            "make a bundle with 'tbft-edge export'",
        ) from error
    manifest = decode_manifest(content, shown)
    if manifest.content_hash() != manifest.bundle_id:
        raise _changed(MANIFEST, shown)
    _check_runtime(manifest.minimum_runtime, version("tbft-edge"), shown)
    _check_complete(manifest, shown)
    for name, entry in manifest.files.items():
        check_name(name, shown)
        _check_file(folder, name, entry, shown)
    check_plans(manifest, folder / WEIGHTS, shown)
    return Bundle(folder, manifest, shown)


def file_entry(path: Path) -> FileEntry:
    """Size and hash of a file, read in pieces."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        for chunk in _chunks(file.read):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(bytes=size, sha256=digest.hexdigest())


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(_CHUNK):
        yield chunk


def decode_manifest(content: bytes, bundle: Path) -> Manifest:
    """The manifest, unverified. Raises TbftError for a newer format or one that is not valid."""
    try:
        found = msgspec.json.decode(content, type=_Version).format
        if found > FORMAT:
            raise TbftError(
                f"bundle '{bundle}' has format {found}, newer than the {FORMAT} that this version reads",
                "upgrade tbft-edge on this device: pip install --upgrade 'tbft-edge[device]'",
            )
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TbftError(f"{MANIFEST} of bundle '{bundle}' is not valid: {error}", "export the bundle again") from error


def _check_runtime(minimum: str, installed: str, bundle: Path) -> None:
    if _release(installed) < _release(minimum):
        raise TbftError(
            f"bundle '{bundle}' needs tbft-edge {minimum} or newer, and this is {installed}",
            "upgrade tbft-edge on this device: pip install --upgrade 'tbft-edge[device]'",
        )


def _release(text: str) -> tuple[int, ...]:
    """The numbers at the start of a version: (0, 1, 0) of `0.1.0.dev3`."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def _check_complete(manifest: Manifest, bundle: Path) -> None:
    """Every file that is read has to be listed, since only what is listed is verified."""
    if not manifest.plans or not any(isinstance(step, Normalize) for step in manifest.preprocessing):
        raise TbftError(
            f"{MANIFEST} of bundle '{bundle}' has no plan or no normalisation of pixels", "export the bundle again"
        )
    for name in (WEIGHTS, *device_graphs(manifest)):
        if name not in manifest.files:
            raise TbftError(f"{MANIFEST} of bundle '{bundle}' does not list '{name}'", "export the bundle again")


def device_graphs(manifest: Manifest) -> list[str]:
    """The files of all graphs that a device may load."""
    names = [PREDICT, *([STATISTICS] if manifest.batch_norms else [])]
    for plan in manifest.plans:
        names += [*map(plan.prefix_in, plan.prefix_forms), *map(plan.gradient_in, plan.gradient_forms)]
        names += [plan.suffix, plan.predict, plan.update, *map(plan.stage, range(len(plan.exits)))]
    names += [plan.fisher for plan in manifest.sparse_plans[:1]]
    return list(dict.fromkeys(names))


def check_name(name: str, bundle: Path) -> None:
    """Raises TbftError for the name of a file that would not lie inside the bundle."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name or not parts.parts:
        raise TbftError(
            f"{MANIFEST} of bundle '{bundle}' names {name!r}, which leads out of it", "do not trust this bundle"
        )


def _check_file(folder: Path, name: str, entry: FileEntry, bundle: Path) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TbftError(f"'{name}' of bundle '{bundle}' is a link out of it", "do not trust this bundle")
    try:
        found = file_entry(path)
    except OSError as error:
        raise TbftError(
            f"'{name}' of bundle '{bundle}' cannot be read ({error.strerror})", "copy the bundle again"
        ) from error
    if found != entry:
        raise _changed(name, bundle)


def _changed(name: str, bundle: Path) -> TbftError:
    return TbftError(
        f"'{name}' of bundle '{bundle}' is not what was exported: its content changed", "copy the bundle again"
    )
