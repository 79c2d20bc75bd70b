"""The image of Dockerfile.arm64, built once: on a stand-in for the published base image."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator

import pytest

from support.stand_in import StandIn, why_not
from tbft_edge.emulation.cpus import CPUS


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"Dockerfile.arm64 was not built: {reason}")
    folder = tmp_path_factory.mktemp("containers")
    stand_in = StandIn(folder, CPUS["cortex-a72"])
    stand_in.build()
    warnings.warn("Dockerfile.arm64 was built on a stand-in base, not on the published image", stacklevel=1)
    yield stand_in
    shutil.rmtree(folder, ignore_errors=True)
