"""Exports that are refused. Host only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle

TINY = "support.tiny_models:tiny"


def refusal(options: ExportOptions, folder: Path) -> TbftError:
    """The error of the export; the folder that `--out` would lie in holds what it held before."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(TbftError) as caught:
        export_bundle(options, folder / "bundle")
    assert sorted(folder.rglob("*")) == before
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def tiny_options(**changes: object) -> ExportOptions:
    return ExportOptions(**{"model": TINY, "drift": "output", "image_size": 8, **changes})  # type: ignore[arg-type]
