"""A bundle whose files were changed, listed as they are now and with a true id: what an attacker hands over."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec

from fuzz.mutations import to_json
from tbft_artifacts.manifest import MANIFEST, Manifest


def copy_bundle(source: Path, folder: Path) -> dict[str, Any]:
    """A copy to be broken; returns its manifest as plain data."""
    shutil.copytree(source, folder)
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return manifest


def write_manifest(folder: Path, manifest: Any, *, list_files: bool = True) -> None:
    """Write the manifest, however odd, with the id that such a one has."""
    if list_files:
        manifest["files"] = {
            path.relative_to(folder).as_posix(): _entry(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        }
    (folder / MANIFEST).write_bytes(to_json(_with_id(manifest)))


def _entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _with_id(manifest: Any) -> Any:
    """With the id of the manifest that this is read as; as it is, if it is none at all."""
    try:
        read = msgspec.convert(manifest, Manifest)
        content = msgspec.json.encode(msgspec.structs.replace(read, bundle_id=""), order="sorted")
    except (msgspec.MsgspecError, OverflowError, TypeError, UnicodeEncodeError, ValueError):
        return manifest
    return {**manifest, "bundle_id": hashlib.sha256(content).hexdigest()}
