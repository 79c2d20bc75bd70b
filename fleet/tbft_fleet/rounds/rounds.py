"""Rounds as a host holds them: ask, wait, take what came, merge, and begin the next one with that."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_fleet.files.release import Release
from tbft_fleet.files.round import NormsPolicy, Round, TookPart
from tbft_fleet.files.task import Task
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.inbox import Inbox, inbox_of
from tbft_fleet.host.merges import keep_merge, next_number
from tbft_fleet.host.metadata import now
from tbft_fleet.merging.clipping import CLIP, check_clip, too_far
from tbft_fleet.merging.merge import Merged, merge
from tbft_fleet.merging.rules import Rule
from tbft_fleet.rounds.admitted import admitted, not_taken
from tbft_fleet.rounds.asking import Lesson, changed_by, release_to_train, task_of
from tbft_fleet.rounds.link import Link
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.taking import Taken, take
from tbft_fleet.rounds.trained import Trained, norms_of, trained
from tbft_runtime.graphs.weights import load_weights

# Devices come back about as long after a SuperLink that was begun again; some are always off.
_GATHER_SECONDS, _LOOK_SECONDS = 15.0, 1.0
# By so much clocks of boards may be ahead of the host's: a task is good for longer than anybody waits.
_CLOCKS = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """`epochs` of `plan` in each of so many `rounds`, merged by `rule`; a round waits so many `seconds` at most.

    `base` is a `.safetensors` to begin with, such as the merge of an earlier round; None: the release's own weights.
    `norms` None: as the fleet's settings say of the plan, or else as it does by default.
    """

    rounds: int
    epochs: int
    plan: str | None
    rule: Rule
    seconds: int
    base: Path | None = None
    norms: NormsPolicy | None = None
    clip: float = CLIP


@dataclass
class Rounds:
    """The newest release of a fleet, `bundle` as it lies here, and what its rounds came to so far."""

    fleet: Fleet
    link: Link
    wanted: Wanted
    say: Callable[[str], None]
    release: Release
    bundle: Bundle
    inbox: Inbox
    changed: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        return self.bundle.plan(self.wanted.plan or self.release.plan)

    @property
    def norms(self) -> NormsPolicy:
        return self.wanted.norms or norms_of(self.fleet, self.plan.id, self.plan.batch_norm)

    def hold(self) -> Iterator[Round]:
        """One after the other, each written when it is over; one to which nobody answered is none.

        Raises TbftError where no round came to a merge, or the SuperLink does not answer.
        """
        self.changed = changed_by(self.fleet, self.bundle, self.wanted.base)
        came = False
        for name in self.link.admit(admitted(self.inbox.devices)):
            self.say(not_taken(name))
        self._gather()
        for _ in range(self.wanted.rounds):
            held = self._hold_one()
            if held is not None:
                came = True
                yield held
        if not came:
            raise TbftError("no round came to a merge", "see above why, and which devices are there: 'fleet status'")

    def _hold_one(self) -> Round | None:
        began, number = time.monotonic(), next_number(self.fleet)
        what = trained(self.bundle, self.plan, load_weights(self.bundle) | self.changed)
        with self.link.run() as run:
            nodes = self._there()
            if not nodes:
                self.say("no device is there any more")
                return None
            task, parcel = self._task(number)
            taken: list[Taken] = []
            silent = dict(nodes)
            for reply in run.ask(dict.fromkeys(nodes, parcel), self.wanted.seconds, self.say):
                device = silent.pop(reply.node)
                if reply.parcel is None:
                    self.say(f"'{device}' did not take part: {reply.words}")
                    continue
                try:
                    taken.append(take(self.inbox, device, task, reply.parcel, what, now().isoformat()))
                except TbftError as error:
                    self.say(f"refused: {error.message}")
        for device in silent.values():
            self.say(f"'{device}' did not answer in {self.wanted.seconds} s; what it learns, 'fleet collect' brings")
        far = too_far([each.part for each in taken], what.parameters, what.statistics)
        for device in sorted(far):
            self.say(f"refused: '{device}' moved further than any training does")
        taken = [each for each in taken if each.part.device not in far]
        merged = self._merged(taken, what)
        if merged is None:
            return None
        record = self._record(number, task, tuple(nodes.values()), taken, merged)
        return self._write(replace(record, seconds=time.monotonic() - began), merged)

    def _is_asked(self, name: str) -> bool:
        device = self.inbox.devices.get(name)
        return device is not None and device.revoked_at is None and device.group in self.release.groups

    def _there(self) -> dict[int, str]:
        """The names of devices that can be asked, by their nodes' ids."""
        return {node.id: node.name for node in self.link.nodes() if node.is_online and self._is_asked(node.name)}

    def _gather(self) -> None:
        """Wait for the first of those that are let in as long as for a round, and then as long as others come.

        Raises TbftError where none comes.
        """
        last, known = time.monotonic(), 0
        wanted = sum(self._is_asked(name) for name in admitted(self.inbox.devices))
        while (there := len(self._there())) < wanted:
            if there != known:
                last, known = time.monotonic(), there
            if time.monotonic() - last > (_GATHER_SECONDS if there else self.wanted.seconds):
                break
            time.sleep(_LOOK_SECONDS)
        if not there:
            raise TbftError(
                f"none of {wanted} devices of the release's groups is there",
                "each needs 'tbft-edge fleet node' at work, and to be enrolled with what 'fleet join' wrote",
            )

    def _task(self, number: int) -> tuple[Task, Parcel]:
        lesson = Lesson(self.plan.id, self.wanted.epochs, self.wanted.seconds)
        expires = now() + timedelta(seconds=lesson.seconds) + _CLOCKS
        return task_of(self.fleet, self.release, lesson, number, expires, self.changed)

    def _merged(self, taken: list[Taken], what: Trained) -> Merged | None:
        if not taken:
            self.say("nobody took part in this round")
            return None
        parts, wanted = [each.part for each in taken], self.wanted
        try:
            return merge(parts, what.parameters, what.norms, rule=wanted.rule, policy=self.norms, clip=wanted.clip)
        except TbftError as error:
            self.say(f"not merged: {error.message}")
            return None

    def _record(self, number: int, task: Task, asked: tuple[str, ...], taken: list[Taken], merged: Merged) -> Round:
        parts = [
            TookPart(
                device=each.result.device,
                counter=each.result.counter,
                images=each.part.images,
                accuracy=None if each.result.training is None else each.result.training.accuracy_after,
                kept=share.kept,
            )
            for each, share in zip(taken, merged.shares, strict=True)
        ]
        return Round(
            number=number,
            release=self.release.number,
            plan=task.plan,
            rule=self.wanted.rule,
            norms=self.norms,
            made_at=now().isoformat(),
            parts=tuple(parts),
            asked=asked,
            bytes=sum(value.nbytes for value in merged.tensors.values()),
            model_bytes=sum(value.nbytes for value in load_weights(self.bundle).values()),
        )

    def _write(self, record: Round, merged: Merged) -> Round:
        self.changed |= merged.tensors
        keep_merge(self.fleet, record, self.changed)
        return record


@contextlib.contextmanager
def rounds_of(fleet: Fleet, link: Link, wanted: Wanted, say: Callable[[str], None]) -> Iterator[Rounds]:
    """Rounds of the newest release that was not withdrawn.

    Raises TbftError where there is none, the plan is none of it, its archive is damaged, or for such a `clip`.
    """
    check_clip(wanted.clip)
    release, inbox = release_to_train(fleet), inbox_of(fleet, Devices(fleet.devices))
    with opened(fleet.repository.archive(release), release.bundle_id) as bundle:
        found = Rounds(fleet, link, wanted, say, release, bundle, inbox)
        _ = found.plan
        yield found
