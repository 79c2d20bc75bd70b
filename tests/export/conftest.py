"""Fixtures of the compiler's tests."""

from __future__ import annotations

import os

import pytest
import torch

from support.exports import Exporter


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch computes on one thread, as the device's sessions here do; other processes keep their cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    """Exports bundles, each once per session, whichever of its processes asks first."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "bundles"
    folder.mkdir(exist_ok=True)
    return Exporter(folder)
