"""What several device tests start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.bundles import IMAGE_SIZE
from support.preparing import preprocessing_to
from support.toys import coloured_squares
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.preprocessing import Preprocessing


@pytest.fixture
def preprocessing() -> Preprocessing:
    """The preprocessing that an export writes, for small images."""
    return preprocessing_to(IMAGE_SIZE)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first half of 80 images has labels."""
    images, labels = coloured_squares(80)
    labels[40:] = NO_LABEL
    path = tmp_path_factory.mktemp("mixed") / "mixed.npz"
    np.savez(path, images=images, labels=labels)
    return path
