"""Merged weights as a file: what the next round begins with, and who took part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from safetensors.numpy import save

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.structs import Count, Large, Measured, Part, Sha256, Word
from tbft_fleet.files.round import NormsPolicy
from tbft_fleet.merging.merge import Merged, merge
from tbft_fleet.merging.rules import Rule
from tbft_fleet.merging.runs import Runs, statistics_of
from tbft_fleet.merging.statistics import default_norms
from tbft_runtime.graphs.sessions import Tensors

_METADATA = "merge"


class TookPart(msgspec.Struct, frozen=True, kw_only=True):
    """A device, or a run: on how many `images` it learned, and how many rounds late it came.

    `weight` (0 to 1) is what it counted among all, `norm` how far its parameters moved, and `kept` which part (0 to 1)
    of its update counted.
    """

    device: Word
    images: Count
    age: Count
    weight: Part
    norm: Measured
    kept: Part


class MergeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was merged, and how; `bytes` are those of the tensors, which each device sends and gets in a round.

    `model_bytes` are those of all weights of the bundle.
    """

    bundle_id: Sha256
    plan: Word
    rule: Rule
    norms: NormsPolicy
    clip: Annotated[float, Meta(ge=1)]
    bytes: Large
    model_bytes: Large
    parts: tuple[TookPart, ...]


def merge_runs(
    runs: Runs, out: Path, *, rule: Rule, norms: NormsPolicy | None, clip: float, own: int | None = None
) -> MergeRecord:
    """Merge the parts, and write what comes out, as a `.safetensors` with the record in its metadata.

    It holds what the plan trains, and whatever else the runs began with that is not the bundle's own: a run that begins
    with it begins with all of that. With `local` it has no statistics, unless `own` is the number of the part whose
    own ones it gets: the file is then for that device alone.

    Raises TbftError as `merge` does, for `own` with another policy, for statistics that are to stay as they were and
    were not the same everywhere, and if `out` cannot be written.
    """
    policy = norms or default_norms(runs.batch_norm)
    statistics = statistics_of(runs.norms)
    if own is not None and policy != "local":
        raise TbftError("`own` is for statistics that each device keeps", "give `norms` local with it, or leave it out")
    if policy == "frozen":
        _check_same_base(runs, statistics)
    merged = merge(runs.parts, runs.parameters, runs.norms, rule=rule, policy=policy, clip=clip)
    left_out = statistics if policy == "local" else set()
    began = {name: value for name, value in runs.bundle.changed.items() if name not in left_out}
    kept = {} if own is None else {name: runs.parts[own].tensors[name] for name in sorted(statistics)}
    tensors = {**began, **kept, **merged.tensors}
    record = MergeRecord(
        bundle_id=runs.bundle.manifest.bundle_id,
        plan=runs.plan.id,
        rule=rule,
        norms=policy,
        clip=clip,
        bytes=sum(value.nbytes for name, value in tensors.items() if name not in kept),
        model_bytes=runs.model_bytes,
        parts=_took_part(runs, merged),
    )
    _write(tensors, record, out)
    return record


def _check_same_base(runs: Runs, statistics: set[str]) -> None:
    first = runs.parts[0]
    for part in runs.parts[1:]:
        if part.age == first.age and any(
            part.base[name].tobytes() != first.base[name].tobytes() for name in statistics
        ):
            raise TbftError(
                f"'{first.device}' and '{part.device}' began with different statistics of batch norms",
                "choose another policy for them than `norms` frozen",
            )


def _took_part(runs: Runs, merged: Merged) -> tuple[TookPart, ...]:
    return tuple(
        TookPart(
            device=part.device,
            images=part.images,
            age=part.age,
            weight=share.weight,
            norm=share.norm,
            kept=share.kept,
        )
        for part, share in zip(runs.parts, merged.shares, strict=True)
    )


def _write(tensors: Tensors, record: MergeRecord, out: Path) -> None:
    content = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    with atomic_file(out) as temporary:
        temporary.write_bytes(save(content, {_METADATA: msgspec.json.encode(record).decode()}))
