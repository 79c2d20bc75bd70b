"""Parts of a merge from plain run folders, as `tbft-edge train` leaves them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.plan import BatchNormPolicy, Plan
from tbft_artifacts.words import printable
from tbft_fleet.merging.part import Part
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.reporting.read import read_report
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.sparse_rows import merged


@dataclass(frozen=True)
class Runs:
    """Parts that fit each other: all of one bundle and plan, with the same of its tensors.

    `bundle` has the weights that the newest of them began with, `parameters` is what was trained, and `norms` are the
    batch norms whose statistics moved meanwhile, by `batch_norm`. `model_bytes` are those of all weights.
    """

    bundle: Bundle
    plan: Plan
    batch_norm: BatchNormPolicy
    parameters: tuple[str, ...]
    norms: tuple[BatchNorm, ...]
    model_bytes: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class _Run:
    """A part, and what it has to share with the others."""

    part: Part
    bundle: Bundle
    plan: Plan
    file: RunFile
    parameters: tuple[str, ...]
    norms: tuple[BatchNorm, ...]
    model_bytes: int

    def began_as(self, other: _Run) -> bool:
        """Whether both began with the same weights, but for statistics that devices may have of their own."""
        changed, others = self.bundle.changed, other.bundle.changed
        names = (changed.keys() | others.keys()) - statistics_of(self.norms)
        return all(
            name in changed and name in others and changed[name].tobytes() == others[name].tobytes() for name in names
        )


def read_runs(
    paths: Sequence[Path], ages: Mapping[Path, int], bundle: Path | None = None, expect_id: str | None = None
) -> Runs:
    """The states of runs at their end, and what each began with.

    Not their best ones: a few images of a device's own classes say little of what its epochs are worth to the others.
    Of runs without labels it is the best, which is what their guard let through.

    Args:
        paths: Their folders, at least one.
        ages: By how many rounds some of them are late: the others began with what is newest.
        bundle: Where the bundle is now, a folder or `.tar.gz`; None: where each run has it.
        expect_id: The id that the bundle must have; None: whichever it has.

    Raises:
        TbftError: A folder is no run that ended, is there twice, or of another bundle, plan or number of classes than
            the first; or two of the same age began with different weights.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise TbftError("a run is given twice", "give each once")
    for path in ages.keys() - set(paths):
        raise TbftError(f"`age` names '{path}', which is none of the runs", "name it as it is given")
    with contextlib.ExitStack() as stack:
        place = None if bundle is None else stack.enter_context(opened(bundle, expect_id)).folder
        runs = [_read(path, ages.get(path, 0), place, expect_id) for path in paths]
    first, newest = runs[0], min(runs, key=lambda run: run.part.age)
    for run in runs[1:]:
        _check_same(first, run)
    of_age: dict[int, _Run] = {}
    for run in runs:
        other = of_age.setdefault(run.part.age, run)
        if not run.began_as(other):
            raise TbftError(
                f"'{other.part.device}' and '{run.part.device}' began with different weights",
                "of those that are late say by how many rounds, with `age`",
            )
    parts = tuple(run.part for run in runs)
    policy = first.file.settings.batch_norm
    return Runs(newest.bundle, first.plan, policy, first.parameters, first.norms, first.model_bytes, parts)


def statistics_of(norms: Sequence[BatchNorm]) -> set[str]:
    """The names of their running statistics."""
    return {name for norm in norms for name in (norm.mean, norm.variance)}


def _read(path: Path, age: int, bundle: Path | None, expect_id: str | None) -> _Run:
    images = read_report(path).result.train_images
    with open_trained(path, bundle, expect_id) as (found, file, state):
        plan = found.plan(file.settings.plan)
        base = load_weights(found)
        # Rows of channels that a device chose lie in tensors that others may not have chosen.
        weights = merged(plan, base, state.best if file.settings.labels == "none" else state.current)
    layers = [layer.weight for layer in plan.sparse_layers]
    parameters = (*(parameter.name for parameter in plan.parameters), *layers) if file.trains else ()
    moving = found.manifest.batch_norms if file.settings.reestimates else found.manifest.moving_norms(plan)
    names = {*parameters, *statistics_of(moving)}
    part = Part(
        device=printable(path),
        tensors={name: weights[name] for name in names},
        base={name: base[name] for name in names},
        images=images,
        age=age,
    )
    return _Run(part, found, plan, file, parameters, moving, sum(value.nbytes for value in base.values()))


def _check_same(first: _Run, other: _Run) -> None:
    """Raises TbftError where the weights of one mean nothing beside those of the other."""
    pairs = (
        ("bundle", *(run.file.settings.bundle_id[:12] for run in (first, other))),
        ("plan", *(run.plan.id for run in (first, other))),
        ("policy of batch norms", *(run.file.settings.batch_norm for run in (first, other))),
        ("classes", *(", ".join(run.bundle.manifest.classes) for run in (first, other))),
    )
    for what, one, another in pairs:
        if one != another:
            raise TbftError(
                f"'{other.part.device}' has another {what} than '{first.part.device}': {another}, and not {one}",
                "merge runs that trained the same of the same bundle",
            )
    if first.part.tensors.keys() != other.part.tensors.keys():
        raise TbftError(
            f"'{other.part.device}' trained other tensors than '{first.part.device}'",
            "merge runs that trained the same of the same bundle",
        )
