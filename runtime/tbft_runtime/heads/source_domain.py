"""What a bundle knows of its source domain, read from `moments.safetensors`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.source import COUNTS, KEPT_FEATURES, KEPT_LABELS, MEANS, MOMENTS, SECOND
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import check_finite
from tbft_runtime.heads.moments import KeptFeatures, SourceMoments

AGAIN = "export the bundle again, or do not trust it"


@dataclass(frozen=True)
class SourceDomain:
    """Moments of the last features of source images, and the features of some others."""

    moments: SourceMoments
    kept: KeptFeatures | None


def load_source(bundle: Bundle, changed: Collection[str], of_run: bytes | None = None) -> SourceDomain | None:
    """What is known of the features of source images.

    None of a bundle that was exported without any, and where tensors were `changed` that features are made with: theirs
    are others then. `of_run` is the content of a run's own file, which knows classes that were added. Raises TbftError
    for tensors that do not fit the bundle.
    """
    source, head = bundle.manifest.source or None, bundle.manifest.head or None
    if source is None or head is None or not {head.weight, head.bias}.issuperset(changed):
        return None
    tensors, where = read_moments(bundle, of_run)
    classes = bundle.compiled_classes or len(bundle.manifest.classes)
    if of_run is not None:
        classes = len(bundle.manifest.classes)
    size = head.features
    expected = {
        COUNTS: (classes,),
        MEANS: (classes, size),
        SECOND: (size, size) if source.second == "full" else (size,),
        KEPT_FEATURES: (source.kept, size),
        KEPT_LABELS: (source.kept,),
    }
    check_shapes(tensors, expected, where)
    counts, labels = tensors[COUNTS], tensors[KEPT_LABELS]
    whole = counts.dtype == labels.dtype == np.int64
    if not whole or counts.min() < 0 or counts.sum() < source.images or not _within(labels, classes):
        raise TbftError(f"{where} counts images of classes that there are not", AGAIN)
    moments = SourceMoments(counts.astype(np.float64), tensors[MEANS], tensors[SECOND])
    kept = KeptFeatures(tensors[KEPT_FEATURES].astype(np.float32), labels) if source.kept else None
    return SourceDomain(moments, kept)


def stored_source(domain: SourceDomain) -> dict[str, np.ndarray]:
    """The tensors of such a file; what `load_source` reads."""
    moments, kept = domain.moments, domain.kept
    size = moments.means.shape[1]
    return {
        COUNTS: moments.counts.astype(np.int64),
        MEANS: np.ascontiguousarray(moments.means, np.float32),
        SECOND: np.ascontiguousarray(moments.second, np.float32),
        KEPT_FEATURES: np.empty((0, size), np.float16) if kept is None else kept.features.astype(np.float16),
        KEPT_LABELS: np.empty(0, np.int64) if kept is None else kept.labels,
    }


def read_moments(bundle: Bundle, of_run: bytes | None = None) -> tuple[dict[str, np.ndarray], str]:
    """The tensors of a bundle that has moments, or those in the file of a run, and what errors call their file.

    All are finite. Raises TbftError.
    """
    where = f"'{MOMENTS}' of " + (f"bundle '{bundle.shown or bundle.folder}'" if of_run is None else "the earlier run")
    try:
        tensors = load(bundle.read(MOMENTS) if of_run is None else of_run)
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise TbftError(f"{where} cannot be read: {error}", AGAIN) from error
    check_finite(tensors, where, AGAIN)
    return tensors, where


def check_shapes(tensors: Tensors, expected: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Raises TbftError for the first of the `expected` tensors that is missing, or of another shape."""
    for name, shape in expected.items():
        if name not in tensors or tensors[name].shape != shape:
            found = "lacks it" if name not in tensors else f"has it in shape {tensors[name].shape}"
            raise TbftError(f"{where} should hold '{name}' in shape {shape}, and {found}", AGAIN)
        if tensors[name].dtype == np.float64:
            raise TbftError(f"{where} has '{name}' in 64 bits, which no exporter writes", AGAIN)


def _within(labels: np.ndarray, classes: int) -> bool:
    return not labels.size or bool(labels.min() >= 0 and labels.max() < classes)
