"""Where weights are read from and a bundle is written to, from Python."""

from __future__ import annotations

from pathlib import Path

import torch

from support import tiny_models
from tbft_artifacts.bundle import open_bundle
from tbft_export import ExportOptions, export_bundle


def test_paths_may_be_text(tmp_path: Path) -> None:
    """As in most Python libraries."""
    weights, out = str(tmp_path / "tiny.pth"), str(tmp_path / "bundle")
    torch.save(tiny_models.tiny().state_dict(), weights)
    export_bundle(ExportOptions("support.tiny_models:tiny", "output", weights=weights, image_size=8), out)
    assert open_bundle(Path(out)).plan().drift == "output"
