"""A run -> one self-contained inference model."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, STAMP, ModelCard
from tbft_artifacts.more_classes import NEVER
from tbft_artifacts.stamp import UNSTAMPED
from tbft_runtime.graphs.graph_file import bundle_graph, checked_model
from tbft_runtime.graphs.onnx_file import embed
from tbft_runtime.graphs.weights import check_finite, load_weights
from tbft_runtime.inference.model import unknown_above, whole_model
from tbft_runtime.run.blends import best_blend
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.state import TrainingState, is_worse
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.blend import blended
from tbft_runtime.training.sparse_rows import merged

SUFFIX = ".onnx"


class Finalized(msgspec.Struct, frozen=True):
    """The file that was written, and the validation accuracy of what is in it.

    `blend` is how far it is from the base model (0) to the trained one (1). Where that is neither and no tenth, nobody
    measured it, and `accuracy_after` is None. `old_accuracy` is that of images of the source domain, where the bundle
    keeps some. `left_out`: the exits before the last one. A graph runs as a whole, so that its file answers at the end
    only.
    """

    model: str
    bytes: int
    accuracy_before: float | None
    accuracy_after: float | None
    left_out: tuple[str, ...] = ()
    blend: float = 1.0
    old_accuracy: float | None = None


def finalize(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    blend: float | Literal["auto"] = 1.0,
    allow_worse: bool = False,
    bundle: str | os.PathLike[str] | None = None,
    expect_id: str | None = None,
) -> Finalized:
    """Write the best state of a run as a normal ONNX model with its weights inside.

    Batch norms keep the run's statistics, so the model is right for inference whatever the policy was;
    an int8 prefix stays the one that was trained on. Of several exits it has the last one.
    Class names and preprocessing go into the model's metadata, and a checksum of the file.

    Args:
        run: The folder of a run, which may have been interrupted.
        out: The file to write, replaced atomically.
        blend: How far to go from the base model's weights (0) to the trained ones (1); what lies between has forgotten
            less. "auto" takes the tenth with the best mean of the accuracies on validation images and on images of the
            source domain, for which the bundle has to keep some.
        allow_worse: Whether to take a model whose validation accuracy fell below the base model's.
        bundle: Where the bundle lies now, a folder or `.tar.gz`, if it was moved since; None: where it was when the
            run began.
        expect_id: The id, all 64 digits, that the run's bundle must have; None: whichever it has.

    Returns:
        The file, its size in bytes, and its validation accuracy (0 to 1) beside the base model's.

    Raises:
        TbftError: There is no such run, its bundle is missing or another one, `blend` is out of range or nothing says
            which is best, it made the model worse and `allow_worse` is not set, or the disk is full. A file that was
            there before stays.
        DivergedError: Weights, or what the model answers, are no finite numbers.

    Example:
        >>> from tbft_runtime import finalize
        >>> finalized = finalize("run", "model.onnx")
        >>> finalized.model, finalized.accuracy_after
        ('model.onnx', 1.0)
    """
    run, out = Path(run), Path(out)
    if out.suffix != SUFFIX:
        # Any other name may be that of the state, the bundle or the images that it is made from.
        raise TbftError(f"'{out}' is no name of an ONNX model", f"give `out` a name that ends in {SUFFIX}")
    if blend != "auto" and not 0 <= blend <= 1:
        raise TbftError(f"`blend` {blend} is not from 0 to 1", "0 is the base model, 1 the trained one")
    with open_trained(run, None if bundle is None else Path(bundle), expect_id) as (opened, run_file, state):
        mixed = _mixed(run, state, blend)
        return _finalized(run, out, opened, run_file, state, mixed, allow_worse=allow_worse)


class _Mixed(NamedTuple):
    """How far to go to the trained weights, and what is known of the model there."""

    share: float
    accuracy: float | None
    old_accuracy: float | None


def _mixed(run: Path, state: TrainingState, blend: float | Literal["auto"]) -> _Mixed:
    """Raises TbftError where the run does not say which blend is best."""
    if blend == "auto":
        if not state.blends and state.best_epoch:
            raise TbftError(
                f"the run in '{run}' measured no models between the base one and the trained one",
                "give `blend` a number; or export with `keep`, and let 'tbft-edge train' end",
            )
        found = best_blend(state.blends)
        blend = 1.0 if found is None else found.share
    ends = {0.0: (state.before, state.old_before), 1.0: (state.after, state.old_after)}
    if blend in ends:
        new, old = ends[blend]
        return _Mixed(blend, new.accuracy if new else None, old.accuracy if old else None)
    known = next((each for each in state.blends if math.isclose(each.share, blend)), None)
    return _Mixed(blend, known.accuracy if known else None, known.old_accuracy if known else None)


def _finalized(
    run: Path,
    out: Path,
    opened: Bundle,
    run_file: RunFile,
    state: TrainingState,
    mixed: _Mixed,
    *,
    allow_worse: bool,
) -> Finalized:
    accuracies = state.before.accuracy if state.before else None, mixed.accuracy
    if is_worse(*accuracies) and not allow_worse:
        raise TbftError(
            f"the run in '{run}' is worse than the base model: validation accuracy "
            f"{accuracies[0]:.1%} before, {accuracies[1]:.1%} after",
            "train with another `lr` or more data, or take it anyway with `allow_worse`",
        )
    if out.resolve().is_relative_to(opened.folder.resolve()):
        raise TbftError(f"'{out}' lies in the bundle itself", "choose another `out`")
    manifest, plan = opened.manifest, opened.plan(run_file.settings.plan)
    base = load_weights(opened)
    head = manifest.head or None
    if 0 < mixed.share < 1 and head is not None and head.bias is not None and (base[head.bias] == NEVER).any():
        raise TbftError(
            f"the run in '{run}' learned a class that the model before it never answers, and nor would half of both",
            "leave out `blend`, or train on from this run first",
        )
    weights = blended(base, merged(plan, base, state.best), mixed.share)
    above = unknown_above(opened, weights, state.best)
    card = ModelCard(
        bundle_id=manifest.bundle_id,
        plan=plan.id,
        classes=manifest.classes,
        image_size=manifest.image_size,
        input_shape=manifest.input_shape,
        preprocessing=manifest.preprocessing,
        unknown_above=UNSET if above is None else above,
        sha256=UNSTAMPED,
    )
    file = bundle_graph(opened, plan.predict)
    check_finite(state.best, f"the best state of '{run}'", "train again with a lower `lr`")
    tensors = {name: weights[name] for name in file.checked.external}
    content = embed(file.content, tensors, {METADATA: msgspec.json.encode(card).decode()})
    _try(content, card, str(out))
    with atomic_file(out) as temporary:
        temporary.write_bytes(content)
        STAMP.put(temporary)
    return Finalized(
        str(out),
        len(content),
        *accuracies,
        left_out=tuple(found.name for found in plan.exits[:-1]),
        blend=mixed.share,
        old_accuracy=mixed.old_accuracy,
    )


def _try(model: bytes, card: ModelCard, shown: str) -> None:
    """Raises TbftError for a model that cannot be loaded, or does not answer an image of noise with finite numbers."""
    found = whole_model(checked_model(model, shown), {}, 1, card)
    found.logits(found.preprocessing.noise(1, np.random.default_rng(0)))
