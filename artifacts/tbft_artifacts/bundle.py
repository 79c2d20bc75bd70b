"""Open a bundle: read its manifest, and check every file against it."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from safetensors.numpy import load

from tbft_artifacts.check_manifest import check_manifest
from tbft_artifacts.check_plans import check_plans
from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import kept_file
from tbft_artifacts.manifest import FORMAT, MANIFEST, MANIFEST_LIMIT, STATISTICS, WEIGHTS, FileEntry, Manifest
from tbft_artifacts.minimum_runtime import check_runtime, installed_version
from tbft_artifacts.more_classes import grown, with_rows
from tbft_artifacts.plan import PREDICT, Drift, Plan
from tbft_artifacts.regular import open_regular, pieces, read_at_most
from tbft_artifacts.signing.bundles import SIGNATURE, check_signature
from tbft_artifacts.signing.trust import trusted_keys
from tbft_artifacts.source import FEATURES, MOMENTS
from tbft_artifacts.verified import read_verified


class _Version(msgspec.Struct):
    """The one field that every format has."""

    format: int


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: its folder and its manifest. Errors call it `shown`, if it came from elsewhere.

    `changed` are tensors that count instead of those of the same name in its weights, where a run goes on from
    what an earlier one learned; no file of the bundle has them.
    `compiled_classes` is how many classes its graphs and weights are for, where `with_classes` appended others.
    `signed_by` is the id of the trusted key that signed it; None where nobody had to.
    """

    folder: Path
    manifest: Manifest
    shown: Path | None = None
    changed: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)
    compiled_classes: int | None = None
    signed_by: str | None = None

    def with_classes(self, added: Sequence[str]) -> Bundle:
        """The same for its classes and those `added` behind them. Raises TbftError as `more_classes.grown` does."""
        if not added:
            return self
        before = self.compiled_classes or len(self.manifest.classes)
        return replace(self, manifest=grown(self.manifest, added, self.shown or self.folder), compiled_classes=before)

    @property
    def added_classes(self) -> tuple[str, ...]:
        """Those that were appended, in order."""
        return () if self.compiled_classes is None else self.manifest.classes[self.compiled_classes :]

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
        """Every tensor of the weights, read as `read` does, with `changed` laid over; the file's content is freed."""
        weights, head = {**load(self.read(WEIGHTS)), **self.changed}, self.manifest.head or None
        if self.compiled_classes is None or head is None:
            return weights
        return with_rows(weights, head, len(self.manifest.classes))

    @property
    def head_is_fresh(self) -> bool:
        """Whether the head was never trained: neither where the bundle was exported, nor in what is `changed`."""
        fresh = self.manifest.fresh or ()
        return bool(fresh) and not any(name in self.changed for name in fresh)

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
                raise TbftError(
                    f"bundle '{self.shown or self.folder}' has no plan for drift '{drift}'", f"it has: {known}"
                )
            return found
        if plan_id is None:
            if len(plans) != 1:
                drifts = any(plan.drift is not None for plan in plans)
                raise TbftError(
                    f"bundle '{self.shown or self.folder}' holds several plans: {known}",
                    "'train' with `drift` auto finds out which; 'tune' takes `drift`, too, and every command `plan`"
                    if drifts
                    else "choose one with `plan`",
                )
            return plans[0]
        for plan in plans:
            if plan.id == plan_id:
                return plan
        raise TbftError(f"bundle '{self.shown or self.folder}' has no plan '{plan_id}'", f"choose one of: {known}")


def open_bundle(
    folder: str | os.PathLike[str],
    shown: str | os.PathLike[str] | None = None,
    expect_id: str | None = None,
    trust: str | os.PathLike[str] | None = None,
) -> Bundle:
    """Read and verify the bundle in a folder; `opened` takes an archive, too.

    Args:
        folder: Where it lies.
        shown: What errors call it, where it came from elsewhere; None: the folder.
        expect_id: The id that the bundle must have, all 64 digits; None: whichever it has.
        trust: The file of public keys one of which must have signed it; None: this machine's trust file, if it has one.

    Returns:
        The folder and the manifest: classes, preprocessing, blocks and plans, each with its cost.

    Raises:
        TbftError: The manifest is missing or unreadable, of a newer format or for a newer runtime; no trusted key
            signed it, which is known before it is looked into; the id is not the expected one; a file's name leads out
            of the bundle; a file is missing, not listed, no regular file, or its content changed; a plan cannot be
            trained (`check_plans`).

    Example:
        >>> from tbft_artifacts.bundle import open_bundle
        >>> bundle = open_bundle("bundle")
        >>> bundle.plan(drift="output").blocks
        ('fc',)
    """
    folder = Path(folder)
    shown = folder if shown is None else Path(shown)
    _check_inside(folder, MANIFEST, shown)
    try:
        content = read_at_most(folder / MANIFEST, MANIFEST_LIMIT)
    except OSError as error:
        raise TbftError(
            f"'{shown}' is no bundle: {MANIFEST} cannot be read ({error.strerror})",
            "an archive's name ends in .tar.gz"
            if isinstance(error, NotADirectoryError)
            else "make a bundle with 'tbft-edge export'",
        ) from error
    keys, signed = trusted_keys(trust), None
    if keys is not None:
        _check_inside(folder, SIGNATURE, shown)
        signed = check_signature(folder / SIGNATURE, hashlib.sha256(content).hexdigest(), keys, shown)
    manifest = verified_manifest(content, shown, expect_id)
    if signed is not None:
        signed.check(manifest.bundle_id, shown)
    for name, entry in manifest.files.items():
        _check_file(folder, name, entry, shown)
    check_plans(manifest, folder / WEIGHTS, shown)
    return Bundle(folder, manifest, shown, signed_by=None if signed is None else signed.key)


def verified_manifest(content: bytes, bundle: Path, expect_id: str | None = None) -> Manifest:
    """The manifest, of which everything is checked that it says itself; none of the files is looked at.

    Raises TbftError as `open_bundle` does.
    """
    expected = None if expect_id is None else bundle_id(expect_id)
    manifest = decode_manifest(content, bundle)
    if manifest.content_hash() != manifest.bundle_id:
        raise _changed(MANIFEST, bundle)
    check_expected(manifest.bundle_id, expected, bundle)
    check_runtime(manifest.minimum_runtime, installed_version(), bundle)
    _check_complete(manifest, bundle)
    for name in manifest.files:
        check_name(name, bundle)
    return manifest


def bundle_id(text: str) -> str:
    """`text` as the id of a bundle. Raises TbftError if it is none: a part of one would not name one bundle alone."""
    found = text.strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise TbftError(
            f"`expect_id` '{text}' is no id of a bundle, which has 64 hexadecimal digits",
            "'tbft-edge export' prints it, and so does 'tbft-edge inspect' where the bundle was made",
        )
    return found


def check_expected(found: str, expected: str | None, bundle: Path) -> None:
    """Raise TbftError if the id of `bundle` is another one than `bundle_id` gives of what was expected."""
    if expected not in (None, found):
        raise TbftError(
            f"the id of bundle '{bundle}' is {found}, and not the one that `expect_id` says",
            "do not trust it, or give the id that 'tbft-edge export' printed for this bundle",
        )


def file_entry(path: Path, limit: int = sys.maxsize) -> FileEntry:
    """Size and hash of a regular file, read in pieces; of one that is larger than `limit`, of a byte more than that."""
    digest = hashlib.sha256()
    size = 0
    with open_regular(path) as file:
        for piece in pieces(file, limit):
            digest.update(piece)
            size += len(piece)
    return FileEntry(bytes=size, sha256=digest.hexdigest())


def decode_manifest(content: bytes, bundle: Path) -> Manifest:
    """The manifest, whose files nobody looked at yet.

    Raises TbftError for a newer format, and for what no exporter writes (`check_manifest`).
    """
    failed, hint = f"{MANIFEST} of bundle '{bundle}' is not valid", "export the bundle again"
    found = decode(content, _Version, MANIFEST_LIMIT, failed=failed, hint=hint).format
    if found > FORMAT:
        raise TbftError(
            f"bundle '{bundle}' has format {found}, newer than the {FORMAT} that this version reads",
            "upgrade tbft-edge on this device: pip install --upgrade 'tbft-edge[device]'",
        )
    manifest = decode(content, Manifest, MANIFEST_LIMIT, failed=failed, hint=hint)
    check_manifest(manifest, bundle)
    return manifest


def _check_complete(manifest: Manifest, bundle: Path) -> None:
    """Every file that is read has to be listed, since only what is listed is verified."""
    if not manifest.plans:
        raise TbftError(f"{MANIFEST} of bundle '{bundle}' has no plan", "export the bundle again")
    kept = [kept_file(plan) for plan in manifest.plans if plan.kept]
    for name in (WEIGHTS, *([MOMENTS] if manifest.source else []), *kept, *device_graphs(manifest)):
        if name not in manifest.files:
            raise TbftError(f"{MANIFEST} of bundle '{bundle}' does not list '{name}'", "export the bundle again")


def device_graphs(manifest: Manifest) -> list[str]:
    """The files of all graphs that a device may load."""
    names = [PREDICT, *([STATISTICS] if manifest.batch_norms else []), *([FEATURES] if manifest.source else [])]
    for plan in manifest.plans:
        names += [*map(plan.prefix_in, plan.prefix_forms), *map(plan.gradient_in, plan.gradient_forms)]
        names += [plan.targets] if plan.soft_targets else []
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


def _check_inside(folder: Path, name: str, bundle: Path) -> None:
    """Raises TbftError for a link that leads out of the bundle."""
    # Not `resolve`, which of links in a circle makes a RuntimeError.
    if not Path(os.path.realpath(folder / name)).is_relative_to(os.path.realpath(folder)):
        raise TbftError(f"'{name}' of bundle '{bundle}' is a link out of it", "do not trust this bundle")


def _check_file(folder: Path, name: str, entry: FileEntry, bundle: Path) -> None:
    _check_inside(folder, name, bundle)
    try:
        found = file_entry(folder / name, entry.bytes)
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
