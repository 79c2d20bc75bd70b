"""A run -> one self-contained inference model."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, ModelCard
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.onnx_file import embed
from tbft_runtime.run.folder import open_trained
from tbft_runtime.run.state import after, is_worse
from tbft_runtime.training.sparse_rows import merged


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
) -> Finalized:
    """Write the best state of a run as a normal ONNX model with its weights inside.

    Batch norms keep the run's statistics, so the model is right for inference whatever the policy was;
    an int8 prefix stays the one that was trained on. Of several exits it has the last one.
    Class names and preprocessing go into the model's metadata.

    Args:
        run: The folder of a run, which may have been interrupted.
        out: The file to write, replaced atomically.
        allow_worse: Whether to take a model whose validation accuracy fell below the base model's.
        bundle: Where the bundle lies now, if it was moved since; None: where it was when the run began.

    Returns:
        The file, its size in bytes, and its validation accuracy (0 to 1) beside the base model's.

    Raises:
        TbftError: There is no such run, its bundle is missing or another one, it made the model worse and
            `allow_worse` is not set, or the disk is full. A file that was there before stays.

    Example:
        >>> from tbft_runtime import finalize
        >>> finalized = finalize("run", "model.onnx")
        >>> finalized.model, finalized.accuracy_after
        ('model.onnx', 1.0)
    """
    run, out = Path(run), Path(out)
    opened, run_file, state = open_trained(run, None if bundle is None else Path(bundle))
    before, best = state.before, after(state)
    accuracies = before.accuracy if before else None, best.accuracy if best else None
    if is_worse(*accuracies) and not allow_worse:
        raise TbftError(
            f"the run in '{run}' is worse than the base model: validation accuracy "
            f"{accuracies[0]:.1%} before, {accuracies[1]:.1%} after",
            "train with another `lr` or more data, or take it anyway with `allow_worse`",
        )
    manifest, plan = opened.manifest, opened.plan(run_file.settings.plan)
    card = ModelCard(manifest.bundle_id, plan.id, manifest.classes, manifest.image_size, manifest.preprocessing)
    file = bundle_graph(opened, plan.predict)
    weights = merged(plan, opened.load_weights(), state.best)
    tensors = {name: weights[name] for name in file.checked.external}
    content = embed(file.content, tensors, {METADATA: msgspec.json.encode(card).decode()})
    with atomic_file(out) as temporary:
        temporary.write_bytes(content)
    return Finalized(str(out), len(content), *accuracies, left_out=tuple(found.name for found in plan.exits[:-1]))
