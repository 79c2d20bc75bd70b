"""A round in which nobody is asked: what devices trained by themselves and told, merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tbft_artifacts.errors import TbftError
from tbft_fleet.files.release import Release
from tbft_fleet.files.round import NormsPolicy, Round, TookPart
from tbft_fleet.host.devices import Damaged, Devices
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.merges import keep_merge, next_number
from tbft_fleet.host.metadata import now
from tbft_fleet.merging.clipping import CLIP, too_far
from tbft_fleet.merging.merge import Merged, merge
from tbft_fleet.merging.part import Part, check_parts
from tbft_fleet.merging.rules import Rule
from tbft_fleet.merging.tensor_file import TensorFile
from tbft_fleet.rounds.asking import release_to_train
from tbft_fleet.rounds.bases import Base, Bases
from tbft_fleet.rounds.results import Told, newest_training
from tbft_fleet.rounds.trained import norms_of


@dataclass(frozen=True)
class Wanted:
    """What is merged, for `release` (None: the newest that was not withdrawn), and how; `plan` None: what all trained.

    `norms` None: as the fleet's settings say of the plan, or else as it does by default.
    """

    release: int | None = None
    plan: str | None = None
    rule: Rule = "mean"
    norms: NormsPolicy | None = None
    clip: float = CLIP


@dataclass(frozen=True)
class _Given:
    """What a device gives, and how many releases and merges are newer than what it began with."""

    told: Told
    base: Base
    since: int


def merge_collected(fleet: Fleet, wanted: Wanted, say: Callable[[str], None]) -> Round:
    """Merge the newest training of each device among the results that were taken, and keep that as a round is kept.

    Those that began with an earlier release or merge are late by so many of them, if all that the plan does not train
    is the same there. Devices that cannot take part are named to `say`, each in a line, and the others are merged.

    Raises TbftError where there is nothing to merge, they trained several plans and none is wanted, and as `merge`.
    """
    release = release_to_train(fleet, wanted.release)
    told = dict(_told(fleet, release, wanted.plan or release.plan, say))
    bases = Bases(fleet, release, _plan(told, release, wanted.plan))
    given = list(_given(bases, told, say))
    began = _began(bases, given)
    what, parts = began.trained, list(_parts(given, began, release, say))
    far = too_far(parts, what.parameters, what.statistics)
    for device in sorted(far):
        say(f"refused: '{device}' moved further than any training does")
    parts = [part for part in parts if part.device not in far]
    if not parts:
        raise TbftError(f"of {len(told)} devices that trained none is left to merge", "see above why")
    policy = wanted.norms or norms_of(fleet, bases.plan, began.batch_norm)
    merged = merge(parts, what.parameters, what.norms, rule=wanted.rule, policy=policy, clip=wanted.clip)
    for part, share in zip(parts, merged.shares, strict=True):
        if share.kept < 1:
            say(f"clipped: '{part.device}' moved further than is usual, and {share.kept:.1%} of that counts")
    tensors = {**began.changed, **merged.tensors}
    record = Round(
        number=next_number(fleet),
        release=release.number,
        plan=bases.plan,
        rule=wanted.rule,
        norms=policy,
        made_at=now().isoformat(),
        parts=_took_part(parts, told, merged),
        bytes=sum(value.nbytes for value in tensors.values()),
        model_bytes=began.model_bytes,
    )
    keep_merge(fleet, record, tensors)
    return record


def _told(fleet: Fleet, release: Release, plan: str | None, say: Callable[[str], None]) -> Iterator[tuple[str, Told]]:
    """What each device of the release's groups trained last; what a revoked one told before does not count."""
    for device in Devices(fleet.devices).each():
        if isinstance(device, Damaged):
            say(f"refused: '{device.name}': {device.why}")
            continue
        if device.group not in release.groups or device.training is None:
            continue
        if device.revoked_at is not None:
            say(f"refused: '{device.name}' was revoked")
            continue
        try:
            found = newest_training(fleet.results / device.name, release.number, plan)
        except TbftError as error:
            say(f"refused: '{device.name}': {error.message}")
            continue
        if found is not None:
            yield device.name, found


def _plan(told: Mapping[str, Told], release: Release, wanted: str | None) -> str:
    if wanted is not None or release.plan is not None:
        return wanted or release.plan or ""
    plans = Counter(each.training.plan for each in told.values())
    if not plans:
        raise TbftError(
            f"no device told of a training of release {release.number}, or of one before it",
            "'tbft-edge fleet report --run' on a device tells of one, and 'fleet collect' takes it",
        )
    if len(plans) > 1:
        shown = ", ".join(f"'{plan}' ({count})" for plan, count in plans.most_common())
        raise TbftError(f"devices trained several plans: {shown}", "choose one of them with `plan`")
    return next(iter(plans))


def _given(bases: Bases, told: Mapping[str, Told], say: Callable[[str], None]) -> Iterator[_Given]:
    """Of those whose training began with something that the fleet knows."""
    for name, each in told.items():
        try:
            base = bases.of(each.result)
        except TbftError as error:
            say(f"refused: '{name}': {error.message}")
            continue
        yield _Given(each, base, bases.rounds_since(each.result.bundle_id, base))


def _began(bases: Bases, given: Sequence[_Given]) -> Base:
    """The newest that a device began with which runs the release; where none runs it, the release's own weights."""
    there = [each for each in given if each.told.result.bundle_id == bases.release.bundle_id]
    return min(there, key=lambda each: each.since).base if there else bases.own()


def _parts(given: Sequence[_Given], began: Base, release: Release, say: Callable[[str], None]) -> Iterator[Part]:
    fitting = [each for each in given if each.base.fits(began)]
    newest = min((each.since for each in fitting), default=0)
    for each in given:
        result, training = each.told.result, each.told.training
        if not each.base.fits(began):
            say(
                f"refused: '{result.device}' trained release {result.release}, whose classes, or weights that the plan "
                f"does not train, are not those of release {release.number}"
            )
            continue
        try:
            tensors = TensorFile(each.told.weights)
            part = Part(result.device, tensors, each.base.trained.base, training.images, each.since - newest)
            check_parts([part], began.trained.names, began.trained.norms)
        except TbftError as error:
            say(f"refused: {error.message}")
            continue
        yield part


def _took_part(parts: list[Part], told: Mapping[str, Told], merged: Merged) -> tuple[TookPart, ...]:
    return tuple(
        TookPart(
            device=part.device,
            counter=told[part.device].result.counter,
            images=part.images,
            age=part.age,
            accuracy=told[part.device].training.accuracy_after,
            kept=share.kept,
        )
        for part, share in zip(parts, merged.shares, strict=True)
    )
