"""Contestants take turns, one computing while the others wait, in an order drawn anew each round."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.figures import FORMATS
from benchmarks.player import LostError, Player
from benchmarks.protocol import Continue, Load, Loaded, Paused, Took, Train, Trained, Turn, Work
from benchmarks.results import Absence, Contestant, StepContest, StepLane, TrainingContest, TrainingLane

# Threads of a pool spin for some 30 ms after their last work; the next turn waits until they sleep. So each engine
# can wait as it does by default, which is fastest for it, and still leaves the others alone.
GAP_SECONDS = 0.06
# Times our step.
TOO_SLOW = 8.0


@dataclass(frozen=True)
class Steps:
    """How a step contest goes: in each of `rounds` everyone takes `steps` timed steps."""

    threads: int
    batch_size: int
    image_size: int
    rounds: int
    steps: int = 2


@dataclass(frozen=True)
class Training:
    """How a training contest goes; `images` and `validation` are .npz files."""

    threads: int
    batch_size: int
    image_size: int
    epochs: int
    images: Path
    image_count: int
    validation: Path
    validation_count: int


@dataclass
class Contest:
    """Who still takes part. Who fails is out, and the others go on."""

    players: list[Player] = field(default_factory=list)
    absent: list[Absence] = field(default_factory=list)
    random: random.Random = field(default_factory=lambda: random.Random(0))

    def each(self, players: Sequence[Player], do: Callable[[Player], None]) -> None:
        """Let `players` have their turn in random order."""
        for player in self.random.sample(players, len(players)):
            if player in self.players:
                time.sleep(GAP_SECONDS)
                try:
                    do(player)
                except LostError as error:
                    self.leave(player, str(error))

    def leave(self, player: Player, reason: str) -> None:
        """The player is out."""
        self.players.remove(player)
        self.absent.append(Absence(player.contestant, reason))
        player.close()


@contextlib.contextmanager
def _contest(contestants: Sequence[Contestant], image_size: int, log: Path) -> Iterator[Contest]:
    contest = Contest()
    try:
        for contestant in contestants:
            try:
                contest.players.append(Player(contestant, image_size, log))
            except LostError as error:
                contest.absent.append(Absence(contestant, str(error)))
        yield contest
    finally:
        for player in contest.players:
            player.close()


def contest_steps(contestants: Sequence[Contestant], plan: Steps, log: Path) -> StepContest:
    """Measure train steps.

    First whole steps, then steps from stored boundary activations of those who can. The peak is that of
    the first part, so that no process does more than it is compared in.
    """
    loaded: dict[Contestant, Loaded] = {}
    load_seconds: dict[Contestant, float] = {}
    took: dict[tuple[Contestant, Work], list[Took]] = {}
    with _contest(contestants, plan.image_size, log) as contest:

        def load(player: Player) -> None:
            request = Load(player.subject, plan.threads, plan.batch_size)
            started = time.monotonic()
            loaded[player.contestant] = player.ask(request, Loaded)
            load_seconds[player.contestant] = time.monotonic() - started

        def turn(player: Player, work: Work) -> None:
            reply = player.ask(Turn(work, plan.steps), Took)
            took.setdefault((player.contestant, work), []).append(reply)

        contest.each(list(contest.players), load)
        for _ in range(plan.rounds):
            contest.each(list(contest.players), lambda player: turn(player, "step"))
            _leave_the_slow(contest, took)
        able = [player for player in contest.players if "cached" in loaded[player.contestant].works]
        for _ in range(plan.rounds):
            contest.each(able, lambda player: turn(player, "cached"))
        lanes = [
            StepLane(
                contestant=player.contestant,
                losses=loaded[player.contestant].losses,
                load_seconds=load_seconds[player.contestant],
                step_ms=[statistics.median(reply.ms) for reply in took[player.contestant, "step"]],
                cached_ms=[statistics.median(reply.ms) for reply in took.get((player.contestant, "cached"), [])],
                cpu_share=[reply.cpu_share for reply in took[player.contestant, "step"]],
                import_bytes=player.ready.import_bytes,
                peak_bytes=took[player.contestant, "step"][-1].peak_bytes,
                versions=player.ready.versions,
            )
            for player in contest.players
        ]
    return StepContest(
        threads=plan.threads,
        batch_size=plan.batch_size,
        image_size=plan.image_size,
        lanes=lanes,
        absent=contest.absent,
    )


def _leave_the_slow(contest: Contest, took: dict[tuple[Contestant, Work], list[Took]]) -> None:
    """Who takes many times as long as we do need not do so in every round; the reason says how long it was."""
    ms = {each.contestant: statistics.median(took[each.contestant, "step"][-1].ms) for each in contest.players}
    for player in list(contest.players):
        ours = ms.get(msgspec.structs.replace(player.contestant, engine="ours"))
        # PyTorch eager is what goals are held against, however slow.
        if ours is not None and player.contestant.engine not in FORMATS and ms[player.contestant] > TOO_SLOW * ours:
            seconds, ratio = ms[player.contestant] / 1000, ms[player.contestant] / ours
            contest.leave(player, f"a step takes {seconds:.1f} s, {ratio:.0f} times ours: measured once only")


def contest_trainings(contestants: Sequence[Contestant], plan: Training, folder: Path, log: Path) -> TrainingContest:
    """Measure whole trainings; each contestant's run goes to a folder of its own in `folder`."""
    seconds: dict[Contestant, list[float]] = {}
    ended: dict[Contestant, Trained] = {}
    with _contest(contestants, plan.image_size, log) as contest:

        def begin(player: Player) -> None:
            request = Train(
                subject=player.subject,
                threads=plan.threads,
                batch_size=plan.batch_size,
                images=str(plan.images),
                validation=str(plan.validation),
                epochs=plan.epochs,
                out=str(folder / "-".join((*_words(player.contestant), "run"))),
            )
            player.ask(request, Paused)

        def epoch(player: Player) -> None:
            seconds.setdefault(player.contestant, []).append(player.ask(Continue(), Paused).seconds)

        def end(player: Player) -> None:
            ended[player.contestant] = player.ask(Continue(), Trained)

        for do in (begin, *[epoch] * plan.epochs, end):
            contest.each(list(contest.players), do)
        lanes = [
            TrainingLane(
                contestant=player.contestant,
                epoch_seconds=seconds[player.contestant],
                after_seconds=ended[player.contestant].seconds,
                loss_before=ended[player.contestant].loss_before,
                import_bytes=player.ready.import_bytes,
                peak_bytes=ended[player.contestant].peak_bytes,
                versions=player.ready.versions,
            )
            for player in contest.players
        ]
    return TrainingContest(
        threads=plan.threads,
        batch_size=plan.batch_size,
        image_size=plan.image_size,
        images=plan.image_count,
        validation_images=plan.validation_count,
        epochs=plan.epochs,
        lanes=lanes,
        absent=contest.absent,
    )


def _words(contestant: Contestant) -> tuple[str, str, str]:
    return contestant.engine, contestant.drift, contestant.batch_norm
