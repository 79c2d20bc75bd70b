"""A run -> one self-contained inference model."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
from msgspec import UNSET

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, STAMP, ModelCard
from tbft_artifacts.stamp import UNSTAMPED
from tbft_runtime.graphs.graph_file import bundle_graph, checked_model
from tbft_runtime.graphs.onnx_file import embed
from tbft_runtime.graphs.weights import check_finite, load_weights
from tbft_runtime.inference.model import unknown_above, whole_model
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.state import TrainingState, is_worse
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.sparse_rows import merged

SUFFIX = ".onnx"


class Finalized(msgspec.Struct, frozen=True):
    """The file that was written, and the validation accuracy of what is in it.

    `left_out`: the exits before the last one. A graph runs as a whole, so that its file answers at the end only.
    """

    model: str
    bytes: int
    accuracy_before: float | None
    accuracy_after: float | None
    left_out: tuple[str, ...] = ()


def finalize(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
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
        allow_worse: Whether to take a model whose validation accuracy fell below the base model's.
        bundle: Where the bundle lies now, a folder or `.tar.gz`, if it was moved since; None: where it was when the
            run began.
        expect_id: The id, all 64 digits, that the run's bundle must have; None: whichever it has.

    Returns:
        The file, its size in bytes, and its validation accuracy (0 to 1) beside the base model's.

    Raises:
        TbftError: There is no such run, its bundle is missing or another one, it made the model worse and
            `allow_worse` is not set, or the disk is full. A file that was there before stays.
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
    with open_trained(run, None if bundle is None else Path(bundle), expect_id) as (opened, run_file, state):
        return _finalized(run, out, opened, run_file, state, allow_worse=allow_worse)


def _finalized(
    run: Path, out: Path, opened: Bundle, run_file: RunFile, state: TrainingState, *, allow_worse: bool
) -> Finalized:
    before, best = state.before, state.after
    accuracies = before.accuracy if before else None, best.accuracy if best else None
    if is_worse(*accuracies) and not allow_worse:
        raise TbftError(
            f"the run in '{run}' is worse than the base model: validation accuracy "
            f"{accuracies[0]:.1%} before, {accuracies[1]:.1%} after",
            "train with another `lr` or more data, or take it anyway with `allow_worse`",
        )
    if out.resolve().is_relative_to(opened.folder.resolve()):
        raise TbftError(f"'{out}' lies in the bundle itself", "choose another `out`")
    manifest, plan = opened.manifest, opened.plan(run_file.settings.plan)
    weights = merged(plan, load_weights(opened), state.best)
    above = unknown_above(opened, weights)
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
    return Finalized(str(out), len(content), *accuracies, left_out=tuple(found.name for found in plan.exits[:-1]))


def _try(model: bytes, card: ModelCard, shown: str) -> None:
    """Raises TbftError for a model that cannot be loaded, or does not answer an image of noise with finite numbers."""
    found = whole_model(checked_model(model, shown), {}, 1, card)
    found.logits(found.preprocessing.noise(1, np.random.default_rng(0)))
