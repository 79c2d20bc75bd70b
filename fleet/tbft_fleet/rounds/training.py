"""What a device does with a task: check it, train in a process of its own, sign what came of it. Its images stay."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import decode
from tbft_artifacts.ended import said_error
from tbft_artifacts.errors import TbftError
from tbft_artifacts.locked import locked
from tbft_artifacts.program import program
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_artifacts.structs import Count, Struct, Word
from tbft_fleet.device.place import Place
from tbft_fleet.files.result import ENVELOPE, WEIGHTS
from tbft_fleet.files.task import Task
from tbft_fleet.rounds.begin import tied
from tbft_fleet.rounds.child import end
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.tasks import Asked, verify_task
from tbft_fleet.rounds.trusted_keys import trusted_time

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

# Below what answers images.
_NICE = 15
_LOOK_SECONDS = 1.0
_LIMIT = 1 << 16
_AGAIN = "the next round asks again"


class _Taken(Struct, frozen=True):
    """The number of the last task that was taken on, by the id of the key that signed it."""

    numbers: dict[Word, Count]


@dataclass(frozen=True)
class Answer:
    """What came of a task: a signed result in the `folder` of the outbox, and that for whoever asked."""

    task: Task
    folder: Path
    parcel: Parcel


@dataclass(frozen=True)
class Pupil:
    """A device that answers tasks; `keys` are those that the fleet signs tasks with now.

    `alive` is called every second while it trains. However tasks come, the newest one ends those that are not done.
    """

    place: Place
    keys: Callable[[], Sequence[SSlibKey]]
    alive: Callable[[], None]

    def answer(self, parcel: Parcel) -> Answer:
        """A signed result, and the tensors that training changed.

        Raises TbftError, in a line that says why, for a task that nobody signed who may, expired, is for others, was
        taken on before, is of another bundle than runs here, or cannot be trained, and where a newer one takes its
        place meanwhile; OSError where the disk fails.
        """
        keys = self.keys()
        asked = verify_task(parcel, keys)
        bundle, images = self._ready(asked.task)
        private_folder(self.place.rounds)
        with locked(self.place.rounds / "taken.lock", wait=True):
            self._take(asked, {key.keyid for key in keys})
        # The one before ends as soon as it sees that this was taken on.
        with locked(self.place.rounds / "work.lock", wait=True):
            self._need_newest(asked)
            work = self.place.rounds / "work"
            shutil.rmtree(work, ignore_errors=True)
            private_folder(work)
            try:
                run = self._train(asked, bundle, images, work)
                return self._told(asked.task, run, bundle)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def _ready(self, task: Task) -> tuple[Path, str]:
        """The bundle that runs, and images to train on. Raises TbftError where a task is not for these, or now."""
        device = self.place.device
        if task.groups and device.group not in task.groups:
            raise TbftError(
                f"the task is for {' and '.join(task.groups)}, and this device is of {device.group}", _AGAIN
            )
        if task.expires is not None and trusted_time(self.place) > task.expires:
            raise TbftError(
                f"the task expired at {task.expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by this device's clock or by "
                "the newest time that the host signed",
                f"{_AGAIN}; set this clock if it is wrong",
            )
        number = self._running(task)
        images = device.images
        if images is None:
            raise TbftError("this device has no labelled images of its own", "name them in device.toml: images")
        return self.place.bundle(number), images

    def _running(self, task: Task) -> int:
        """The release that runs. Raises TbftError where its bundle is not that of the task."""
        number = self.place.current()
        release = self.place.release(number)
        if release is None or release.bundle_id != task.bundle_id:
            runs = "nothing" if release is None else f"bundle {release.bundle_id[:12]}"
            raise TbftError(f"the task is for bundle {task.bundle_id[:12]}, and {runs} runs here", _AGAIN)
        return number

    def _take(self, asked: Asked, trusted: Collection[str]) -> None:
        """Note that a task is taken on: who recorded an older one may not have it done again.

        A key that is trusted no longer is forgotten, with its numbers: a thief may have signed the highest there is.
        """
        number = asked.task.number
        numbers = {key: last for key, last in self._numbers().items() if key in trusted}
        last = numbers.get(asked.key, 0)
        if number <= last:
            raise TbftError(f"the task has number {number}, and number {last} was taken on before", _AGAIN)
        with atomic_file(self._taken, mode=PRIVATE_FILE) as temporary:
            temporary.write_bytes(msgspec.json.encode(_Taken(numbers | {asked.key: number})))

    def _need_newest(self, asked: Asked) -> None:
        """Raises TbftError where another task was taken on meanwhile, or the key of this one is trusted no longer."""
        if self._numbers().get(asked.key) != asked.task.number:
            raise TbftError(f"a newer task took the place of number {asked.task.number}", "nothing has to be done")

    @property
    def _taken(self) -> Path:
        return self.place.rounds / "taken.json"

    def _numbers(self) -> dict[str, int]:
        """Of the last tasks that were taken on, by the ids of the keys that signed them."""
        try:
            content = read_at_most(self._taken, _LIMIT)
        except FileNotFoundError:
            return {}
        return decode(content, _Taken, _LIMIT, failed=f"'{self._taken}' cannot be read", hint="remove it").numbers

    def _train(self, asked: Asked, bundle: Path, images: str, work: Path) -> Path:
        run, base = work / "run", work / "base.safetensors"
        words = ["train", str(bundle), "--data", images, "--out", str(run), "--expect-id", asked.task.bundle_id]
        words += ["--plan", asked.task.plan, "--epochs", str(asked.task.epochs), "--json"]
        # All devices have to begin with the same.
        words += ["--starting-head", "kept"]
        if asked.base is not None:
            base.write_bytes(asked.base)
            words += ["--from", str(base)]

        def alive() -> None:
            self.alive()
            self._need_newest(asked)

        _run(words, work, asked.task.seconds, alive)
        return run

    def _told(self, task: Task, run: Path, bundle: Path) -> Answer:
        # Only here: they load ONNX Runtime, for which an idle device has no use.
        from tbft_fleet.device.health import board_health
        from tbft_fleet.device.learned import learned
        from tbft_fleet.device.outbox import put

        # A pull may have brought another one meanwhile, of which the result would say that it was trained.
        self._running(task)
        training, files = learned(run, bundle, task.bundle_id)
        if WEIGHTS not in files:
            raise TbftError(f"training plan '{task.plan}' changed nothing", "see what images the device has")
        result = put(self.place, board_health(self.place), task=task.id, training=training, files=files)
        return Answer(task, result, Parcel((result / ENVELOPE).read_bytes(), files[WEIGHTS]))


def _run(words: Sequence[str], work: Path, seconds: float, alive: Callable[[], None]) -> None:
    """`tbft-edge WORDS` in a process that gives way to others, and ends with this one.

    Raises TbftError with what it said where it fails, and where it takes longer than `seconds`.
    """
    said = work / "said.txt"
    last = time.monotonic() + seconds
    with said.open("wb") as errors:
        child = subprocess.Popen(
            tied([*program(), *words]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICE)
        while child.poll() is None:
            alive()
            if time.monotonic() > last:
                raise TbftError(f"training took longer than the {seconds:.0f} s that the host waits", _AGAIN)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_SECONDS)
    finally:
        end(child)
    if child.returncode:
        error = said_error(read_at_most(said, _LIMIT), child.returncode)
        raise TbftError(f"training failed: {error}", "look at that device")
