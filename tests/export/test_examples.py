"""The docstring of `export_bundle` describes every parameter, and its example runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from support.docstrings import names_in, parameters, run_example, sections
from support.tiny_models import resnet26
from tbft_artifacts.bundle import open_bundle
from tbft_export import export_bundle


@pytest.mark.long
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, beside a file of weights; what it leaves is a bundle."""
    torch.save(resnet26().state_dict(), tmp_path / "resnet26.pth")
    monkeypatch.chdir(tmp_path)
    assert run_example(export_bundle) == ""
    assert open_bundle("bundle").manifest.model == "resnet26"


def test_everything_that_is_given_is_described() -> None:
    found = sections(export_bundle)
    assert list(found) == ["Args", "Returns", "Raises", "Example"]
    assert names_in(found["Args"]) == parameters(export_bundle)
    assert names_in(found["Raises"]) == ["TbftError"]
