"""What a host asks of devices: a task that the fleet signs, for a release, with the weights to begin with."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_fleet.files.release import Release
from tbft_fleet.files.task import Task
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.merges import check_own, next_number
from tbft_fleet.host.metadata import now
from tbft_fleet.host.release import need_release
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.tasks import signed_task
from tbft_runtime.run.base import read_weights


@dataclass(frozen=True)
class Lesson:
    """So many `epochs` of `plan`, for which a device may take so many `seconds`."""

    plan: str
    epochs: int
    seconds: int


def release_to_train(fleet: Fleet, number: int | None = None) -> Release:
    """That of this number, or the newest that was not withdrawn. Raises TbftError where there is none."""
    if number is not None:
        return need_release(fleet, number)
    there = [release for release in fleet.releases() if release.percent]
    if not there:
        raise TbftError("the fleet has no release yet that devices could train", "'tbft-edge fleet release' makes one")
    return there[-1]


def changed_by(fleet: Fleet, bundle: Bundle, base: Path | None) -> dict[str, np.ndarray]:
    """What a file to begin with holds; nothing without one.

    Raises TbftError for a merge of the fleet's that it did not sign so, and for tensors that are none of the bundle's.
    """
    if base is None:
        return {}
    check_own(fleet, base)
    return dict(read_weights(base, bundle))


def task_of(
    fleet: Fleet, release: Release, lesson: Lesson, number: int, expires: datetime, changed: Mapping[str, np.ndarray]
) -> tuple[Task, Parcel]:
    """Task `number` for the groups of a release; `changed` is what the weights to begin with have other than it."""
    task = Task(
        id=secrets.token_hex(16),
        number=number,
        bundle_id=release.bundle_id,
        plan=lesson.plan,
        epochs=lesson.epochs,
        seconds=lesson.seconds,
        groups=release.groups,
        expires=expires,
    )
    base = save(dict(changed)) if changed else None
    return task, signed_task(task, base, fleet.repository.task_signer())


@dataclass(frozen=True)
class Wanted:
    """What is asked for by a file that anybody may carry, for so many `days`; as for rounds, but that nobody waits."""

    epochs: int
    seconds: int
    days: int
    release: int | None = None
    plan: str | None = None
    base: Path | None = None


def ask_by_file(fleet: Fleet, wanted: Wanted) -> tuple[Task, Parcel]:
    """A task of a number above all before.

    Raises TbftError where there is no such release or plan, its archive is damaged, the base is none of its, or a key
    is not here.
    """
    release = release_to_train(fleet, wanted.release)
    with opened(fleet.repository.archive(release), release.bundle_id) as bundle:
        plan = bundle.plan(wanted.plan or release.plan)
        changed = changed_by(fleet, bundle, wanted.base)
    lesson = Lesson(plan.id, wanted.epochs, wanted.seconds)
    return task_of(fleet, release, lesson, next_number(fleet), now() + timedelta(days=wanted.days), changed)
