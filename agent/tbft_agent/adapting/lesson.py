"""One training, from images that were kept to a candidate: which command, with which data."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from tbft_agent.adapting.child import Commands
from tbft_agent.adapting.energy import Metered
from tbft_agent.adapting.proof import Proof, chance_of
from tbft_agent.keeping.record import Kept
from tbft_agent.settings import Adapting
from tbft_artifacts.bundle import decode_manifest
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST, MANIFEST_LIMIT
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import private_folder
from tbft_runtime.going_back import Forgotten
from tbft_runtime.run.unlabelled_record import Decision

_LIMIT = 64 * MIB
# Fewer labelled images than a diagnosis looks at.
_FEWEST_TO_DIAGNOSE = 20
# The kind of head that `learn` calls so, and what measures what is forgotten.
_RENAMED, _FORGETTING = "renamed", "tbft_agent.adapting.forgetting"
# Of each batch, as docs/forgetting.md measured it.
_REMEMBERED = "0.3"
_T = TypeVar("_T")
Means = Literal["without labels", "with labels"]


@dataclass(frozen=True)
class Lesson:
    """What a candidate is to be made of.

    `pool` are images of now; `labelled` ones are trained on, and `proving` ones only tell whether it is better. `path`
    says where an image lies. `run` is the run that answers now, None if the bundle does. `threads` are for training,
    and `answering_threads` for a candidate that answers one day (None: as many as the board has). `expect_id` is the
    bundle's, where somebody said which it has to be.
    """

    means: Means
    bundle: Path
    run: Path | None
    classes: tuple[str, ...]
    pool: Sequence[Kept]
    labelled: Sequence[Kept]
    proving: Sequence[Kept]
    path: Callable[[Kept], Path]
    work: Path
    settings: Adapting
    threads: int
    answering_threads: int | None
    expect_id: str | None
    renamed: bool = False
    """Whether labels of source images are wrong by now, since classes have other names."""

    @property
    def new_classes(self) -> list[str]:
        """Names that somebody gave and the model does not have."""
        return sorted({kept.label for kept in self.labelled if kept.label} - set(self.classes))


class _Decided(msgspec.Struct):
    decision: Decision
    why: str


class _Head(msgspec.Struct):
    head: str


class _Trained(msgspec.Struct):
    """The part of what `train` and `learn` print that counts here."""

    energy: Metered
    unlabelled: _Decided | None = None
    learned: _Head | None = None

    @property
    def renames(self) -> bool:
        """Whether the best head has the rows of the old one under other names."""
        return self.learned is not None and self.learned.head == _RENAMED


class _Measured(msgspec.Struct):
    forgotten: Forgotten | None


class _Diagnosed(msgspec.Struct):
    plan: str
    drift: str


class _Predicted(msgspec.Struct):
    image: str
    label: str


@dataclass(frozen=True)
class Candidate:
    """A run that may answer one day: where it lies, `how` it was made, and what a meter said of its training.

    `forgotten` is what it lost on kept source images; None where none are kept. It `renames` where labels mean
    something else now: those of source images are wrong then, and to forget them is what was to be learned.
    """

    run: Path
    how: str
    metered: Metered
    forgotten: Forgotten | None = None
    renames: bool = False


class HeldBackError(Exception):
    """There is nothing to gain from these images by these means, and why; and what a meter said of knowing that."""

    def __init__(self, why: str, metered: Metered) -> None:
        super().__init__(why)
        self.metered = metered


def take(lesson: Lesson, commands: Commands) -> Candidate:
    """Train. Raises HeldBackError where the command's own guard ends it, and TbftError where it fails."""
    out = lesson.work / "run"
    shutil.rmtree(out, ignore_errors=True)
    if lesson.means == "without labels":
        candidate = _without_labels(lesson, out, commands)
    else:
        candidate = _with_labels(lesson, out, commands)
    return _held_to_the_limit(lesson, candidate, commands)


def _with_labels(lesson: Lesson, out: Path, commands: Commands) -> Candidate:
    data = lesson.work / "labelled"
    _link(lesson, data, ((kept.label or "", kept) for kept in lesson.labelled))
    words, how = _command(lesson, data, commands)
    told = _read(commands.run(*words, "--out", out), _Trained)
    if told.renames:
        how = f"{how}, since labels mean something else now"
    return Candidate(out, how, told.energy, renames=told.renames)


def _held_to_the_limit(lesson: Lesson, candidate: Candidate, commands: Commands) -> Candidate:
    """Between the model before and one that forgot too much lies what learned a part, and forgot less."""
    most = 1.0 if candidate.renames or lesson.renamed else lesson.settings.most_forgotten / 100
    expected = [] if lesson.expect_id is None else [lesson.expect_id]
    found = _read(commands.call(_FORGETTING, candidate.run, str(most), *expected), _Measured).forgotten
    if found is not None and found.share < 1:
        how = f"{candidate.how}, {found.share:.0%} of the way, so as to forget less"
        candidate = replace(candidate, how=how)
    return replace(candidate, forgotten=found)


def prove(lesson: Lesson, candidate: Candidate, commands: Commands) -> Proof:
    """Let both models answer the images that prove. Raises TbftError where one cannot."""
    data = lesson.work / "proving"
    _link(lesson, data, (("", kept) for kept in lesson.proving))
    gained = lost = before = after = 0
    if lesson.proving:
        old = _answers(lesson, lesson.run or lesson.bundle, data, commands)
        new = _answers(lesson, candidate.run, data, commands)
        for kept in lesson.proving:
            was, is_now = (found.get(kept.digest) == kept.label for found in (old, new))
            before, after = before + was, after + is_now
            gained, lost = gained + (is_now and not was), lost + (was and not is_now)
    return Proof(
        images=len(lesson.proving),
        right_before=before,
        right_after=after,
        chance=chance_of(gained, lost),
        against=chance_of(lost, gained),
        forgotten=candidate.forgotten,
        renames=candidate.renames or lesson.renamed,
    )


def ask(lesson: Lesson, count: int, commands: Commands) -> list[str]:
    """Digests of the images that are best labelled first: what stands for most, by the network's own features.

    Where the bundle has no plan that tells features, any: their labels prove, so that nothing that has to do with
    whether answers are right may choose them, such as how sure they are.
    """
    data = lesson.work / "asking"
    _link(lesson, data, (("", kept) for kept in lesson.pool))
    try:
        printed = commands.run("diagnose", lesson.bundle, "--data", data, "--ask", str(count), *_threads(lesson))
        return [Path(name).stem for name in _read(printed, list[str])]
    except TbftError:
        # By what they hash to.
        return sorted(kept.digest for kept in lesson.pool)[:count]


def _without_labels(lesson: Lesson, out: Path, commands: Commands) -> Candidate:
    data = lesson.work / "pool"
    _link(lesson, data, (("unlabelled", kept) for kept in lesson.pool))
    words: list[str | Path] = ["train", lesson.bundle, "--data", data, "--drift", "input", "--labels", "none"]
    told = _read(commands.run(*words, *_common(lesson), *_begin(lesson), "--out", out), _Trained)
    if told.unlabelled is not None and told.unlabelled.decision == "keep":
        raise HeldBackError(told.unlabelled.why, told.energy)
    alone = told.unlabelled is not None and told.unlabelled.decision == "statistics"
    how = "statistics without labels" if alone else "trained without labels"
    return Candidate(out, how, told.energy)


def _command(lesson: Lesson, data: Path, commands: Commands) -> tuple[list[str | Path], str]:
    """What trains with labels: another head for other labels and new classes, else the block that drifted."""
    bundle, begin = lesson.bundle, _begin(lesson)
    new = lesson.new_classes
    learn: list[str | Path] = ["learn", bundle, "--data", data, *_metered(lesson), *begin]
    if new:
        added = [word for name in new for word in ("--add-class", name)]
        return [*learn, *added], f"learned {', '.join(new)}"
    drift, plan = "output", None
    if len(lesson.labelled) >= _FEWEST_TO_DIAGNOSE:
        with contextlib.suppress(TbftError):  # A bundle with one plan leaves nothing to decide.
            found = _read(commands.run("diagnose", bundle, "--data", data, *_threads(lesson), *begin), _Diagnosed)
            drift, plan = found.drift, found.plan
    if drift == "output":
        return learn, "learned another head"
    chosen = [] if plan is None else ["--plan", plan, *_remembering(lesson, plan)]
    return ["train", bundle, "--data", data, *chosen, *_common(lesson), *begin], f"trained for {drift} drift"


def _remembering(lesson: Lesson, plan_id: str) -> list[str]:
    """That source images are trained on, too, if the plan keeps more of them than are only measured on."""
    content = read_at_most(lesson.bundle / MANIFEST, MANIFEST_LIMIT)
    manifest = decode_manifest(content, lesson.bundle)
    # Of each class every second one is, and of one that is alone the only one.
    can = any(plan.id == plan_id and plan.kept > len(manifest.classes) for plan in manifest.plans)
    return ["--remember", _REMEMBERED] if can and not lesson.renamed else []


def _begin(lesson: Lesson) -> list[str | Path]:
    return [] if lesson.run is None else ["--from", lesson.run]


def _expected(lesson: Lesson) -> list[str]:
    return [] if lesson.expect_id is None else ["--expect-id", lesson.expect_id]


def _threads(lesson: Lesson) -> list[str]:
    return ["--threads", str(lesson.threads), *_expected(lesson)]


def _metered(lesson: Lesson) -> list[str]:
    return [*_threads(lesson), "--meter", lesson.settings.meter]


def _common(lesson: Lesson) -> list[str]:
    return [*_metered(lesson), "--memory-budget", str(lesson.settings.memory_bytes)]


def _answers(lesson: Lesson, model: Path, data: Path, commands: Commands) -> dict[str, str]:
    """What a model answers to each picture of a folder, by its digest."""
    found = _read(commands.run("predict", model, data, "--threads", "1", *_expected(lesson)), list[_Predicted])
    return {Path(each.image).stem: each.label for each in found}


def _link(lesson: Lesson, folder: Path, images: Iterable[tuple[str, Kept]]) -> None:
    """Put images into folders by name without a copy of them; those that are gone meanwhile are left out."""
    shutil.rmtree(folder, ignore_errors=True)
    private_folder(folder)
    for name, kept in images:
        below = folder / name
        below.mkdir(exist_ok=True)
        source, target = lesson.path(kept), below / f"{kept.digest}{kept.suffix}"
        try:
            os.link(source, target)
        except FileNotFoundError:
            continue
        except OSError:  # File systems such as vfat know no second name.
            shutil.copyfile(source, target)


def _read(printed: bytes, kind: type[_T]) -> _T:
    return decode(printed, kind, _LIMIT, failed="a command answered something else", hint="is another tbft-edge there?")
