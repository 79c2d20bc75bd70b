"""A run -> one self-contained inference model."""

from __future__ import annotations

from pathlib import Path

import msgspec
from safetensors.numpy import load_file

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, ModelCard
from tbft_runtime.graphs.onnx_file import embed, external_initializers
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


def finalize(run: Path, out: Path, *, allow_worse: bool = False, bundle: Path | None = None) -> Finalized:
    """Write the best state of the run in `run` as a normal ONNX model with its weights inside.

    Batch norms keep the run's statistics, so the model is right for inference whatever the policy was;
    an int8 prefix stays the one that was trained on. Of several exits it has the last one.
    Class names and preprocessing go into the model's metadata. Raises TbftError if the validation
    accuracy fell below the base model's, unless `allow_worse`.
    """
    opened, run_file, state = open_trained(run, bundle)
    before, best = state.before, after(state)
    accuracies = before.accuracy if before else None, best.accuracy if best else None
    if is_worse(*accuracies) and not allow_worse:
        raise TbftError(
            f"the run in '{run}' is worse than the base model: validation accuracy "
            f"{accuracies[0]:.1%} before, {accuracies[1]:.1%} after",
            "train with another --lr or more data, or take it anyway with --allow-worse",
        )
    manifest, plan = opened.manifest, opened.plan(run_file.settings.plan)
    card = ModelCard(manifest.bundle_id, plan.id, manifest.classes, manifest.image_size, manifest.preprocessing)
    model = opened.path(plan.predict).read_bytes()
    weights = merged(plan, load_file(opened.weights), state.best)
    tensors = {name: weights[name] for name in external_initializers(model)}
    content = embed(model, tensors, {METADATA: msgspec.json.encode(card).decode()})
    with atomic_file(out) as temporary:
        temporary.write_bytes(content)
    return Finalized(str(out), len(content), *accuracies, left_out=tuple(found.name for found in plan.exits[:-1]))
