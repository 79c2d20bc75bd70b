"""Several ways to train exits: which one suits the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.plan import Plan
from tbft_artifacts.preprocessing import Noun
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source


def check_one_way(bundle: Bundle, data: Path) -> None:
    """Raises TbftError for a bundle whose plans are several ways to train exits; it names one that suits the data."""
    manifest = bundle.manifest
    plans = [plan for plan in manifest.plans if plan.exits]
    if len(plans) < 2 or len(plans) < len(manifest.plans):
        return
    preprocessing = Preprocessing(manifest.preprocessing, manifest.shape)
    labels = open_source(data, manifest.classes, preprocessing).labels
    known = ", ".join(plan.id for plan in plans)
    raise TbftError(
        f"bundle '{bundle.folder}' holds several ways to train its exits: {known}",
        f"choose one with `plan`: {suited(plans, labels, manifest.noun)}",
    )


def suited(plans: Sequence[Plan], labels: np.ndarray, noun: Noun) -> str:
    """Which of the plans suits images with these labels (N,), and why: those with unlabelled images, if there are any.

    Of several, the last one: exporters list them in the order in which they learn more from such images.
    """
    labelled = int(np.count_nonzero(labels != NO_LABEL))
    all_labelled = labelled == len(labels)
    fitting = [plan for plan in plans if plan.unlabelled != all_labelled] or plans
    if all_labelled:
        return f"{fitting[-1].id} suits data in which every {noun} has a label"
    return f"{fitting[-1].id} suits data in which {labelled:,} of {len(labels):,} {noun}s have a label"
