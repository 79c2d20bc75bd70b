"""Contestants take turns in processes of their own; who fails is out with a reason, and the others go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import player
from benchmarks.agenda import FULL, QUICK, StepsItem, TrainingsItem, agenda
from benchmarks.contest import Steps, Training, contest_steps, contest_trainings
from benchmarks.figures import DEFAULTS
from benchmarks.goals import DRIFTS
from benchmarks.protocol import Engine, Subject
from benchmarks.results import Contestant

OURS, THEIRS = Contestant("ours", "feature", "frozen"), Contestant("pytorch", "feature", "frozen")
STEPS = Steps(threads=1, batch_size=4, image_size=32, rounds=3)


def training(folder: Path) -> Training:
    return Training(
        threads=1,
        batch_size=4,
        image_size=32,
        epochs=2,
        images=folder / "train.npz",
        image_count=8,
        validation=folder / "val.npz",
        validation_count=4,
    )


def field(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """Ours works; theirs fails as told."""
    fake = "tests.support.fake_worker"
    commands: dict[Engine, tuple[Path, tuple[str, ...]]] = {
        "ours": (Path(sys.executable), (fake,)),
        "pytorch": (Path(sys.executable), (fake, fails)),
    }
    subject = Subject("feature", "frozen", "b", "w", "a", ("fc.weight",), 32, 10, 3, 2)
    monkeypatch.setattr(player, "_COMMANDS", commands)
    monkeypatch.setattr(player, "subject", lambda *_: subject)


def test_every_round_of_everyone_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    field(monkeypatch, "")
    contest = contest_steps([OURS, THEIRS], STEPS, tmp_path / "log")
    assert [lane.contestant for lane in contest.lanes] == [OURS, THEIRS]
    assert contest.absent == []
    for lane in contest.lanes:
        assert (len(lane.step_ms), len(lane.cached_ms), len(lane.cpu_share)) == (3, 3, 3)
        assert (lane.losses, lane.versions) == ([2.5, 2.5], {"fake": "1"})
        assert (lane.step_flops, lane.suffix_flops) == (4 * 5, 4 * 3)
        assert 10**6 < lane.import_bytes <= lane.peak_bytes
    assert "loading 4" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("load", "RuntimeError: no load today"),
        ("turn", "RuntimeError: no turn today"),
        ("crash", "its process ended with exit code 7"),
    ],
)
def test_who_fails_is_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: str, reason: str) -> None:
    field(monkeypatch, fails)
    contest = contest_steps([OURS, THEIRS], STEPS, tmp_path / "log")
    assert [lane.contestant for lane in contest.lanes] == [OURS]
    assert len(contest.lanes[0].step_ms) == STEPS.rounds
    ((absent, why),) = [(each.contestant, each.reason) for each in contest.absent]
    assert absent == THEIRS
    assert why.startswith(reason)


def test_trainings_pause_between_epochs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each reports every epoch, and the time in which others have their turn is no part of it."""
    field(monkeypatch, "")
    contest = contest_trainings([OURS, THEIRS], training(tmp_path), tmp_path, tmp_path / "log")
    assert [(lane.contestant, len(lane.epoch_seconds)) for lane in contest.lanes] == [(OURS, 2), (THEIRS, 2)]
    for lane in contest.lanes:
        assert lane.loss_before == 2.5
        assert lane.seconds == pytest.approx(sum(lane.epoch_seconds) + lane.after_seconds)


def test_a_training_that_fails_is_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    field(monkeypatch, "train")
    contest = contest_trainings([OURS, THEIRS], training(tmp_path), tmp_path, tmp_path / "log")
    assert [lane.contestant for lane in contest.lanes] == [OURS]
    assert [absence.reason for absence in contest.absent] == ["RuntimeError: no train today"]


@pytest.mark.parametrize("scale", [FULL, QUICK], ids=["full", "quick"])
def test_the_agenda_measures_what_the_goals_ask_for(scale: object) -> None:
    """Every drift, frozen and by default, beside PyTorch and ORT Training; full fine-tuning beside every training."""
    items = agenda(scale)  # type: ignore[arg-type]
    steps = [item for item in items if isinstance(item, StepsItem) and item.into == "steps"]
    for drift in DRIFTS:
        for policy in ("frozen", DEFAULTS[drift]):
            engines = {"ours", "pytorch", "ort-training", "sgemm"}
            wanted = {Contestant(engine, drift, policy) for engine in engines}  # type: ignore[arg-type]
            assert any(wanted <= set(item.contestants) for item in steps)
    trainings = [item for item in items if isinstance(item, TrainingsItem) and item.into == "trainings"]
    for policies in (dict.fromkeys(DRIFTS, "frozen"), DEFAULTS):
        wanted = {Contestant(engine, drift, policies[drift]) for engine in ("ours", "pytorch") for drift in DRIFTS}  # type: ignore[index,arg-type]
        assert any(wanted == set(item.contestants) for item in trainings)
