"""Contestants take turns in processes of their own; who fails is out with a reason, and the others go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import player
from benchmarks.contest import Steps, Training, contest_steps, contest_trainings
from benchmarks.protocol import Engine, Subject
from benchmarks.results import Contestant

OURS, THEIRS = Contestant("ours", "feature", "block"), Contestant("pytorch", "feature", "block")
STEPS = Steps(threads=1, batch_size=4, image_size=32, rounds=3, steps=2)


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
    subject = Subject(
        "resnet26", "feature", "block", "b", "w", "l", "a", ("fc.weight",), ("bn.running_mean",), 3, 32, 10
    )
    monkeypatch.setattr(player, "_COMMANDS", commands)
    monkeypatch.setattr(player, "subject", lambda *_: subject)


def test_every_round_of_everyone_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    field(monkeypatch, "")
    contest = contest_steps([OURS, THEIRS], STEPS, tmp_path / "log")
    assert [lane.contestant for lane in contest.lanes] == [OURS, THEIRS]
    assert contest.absent == []
    for lane in contest.lanes:
        assert (len(lane.step_ms), len(lane.cached_ms), len(lane.cpu_share)) == (3, 3, 3)
        # On three of four images, which our norms normalise together.
        assert (lane.losses, lane.versions) == ([4.0, 4.0], {"fake": "1"})
        assert lane.load_seconds > 0
        assert 10**6 < lane.import_bytes <= lane.peak_bytes
    assert "loading 4" in (tmp_path / "log").read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("load", "RuntimeError: no load today"),
        ("turn", "RuntimeError: no turn today"),
        ("crash", "its process ended with exit code 7: crashing"),
        ("hang", "it did not reply within 5 s"),
    ],
)
def test_who_fails_is_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: str, reason: str) -> None:
    field(monkeypatch, fails)
    monkeypatch.setattr(player, "PATIENCE", 5.0 if fails == "hang" else player.PATIENCE)
    contest = contest_steps([OURS, THEIRS], STEPS, tmp_path / "log")
    assert [lane.contestant for lane in contest.lanes] == [OURS]
    assert len(contest.lanes[0].step_ms) == STEPS.rounds
    ((absent, why),) = [(each.contestant, each.reason) for each in contest.absent]
    assert absent == THEIRS
    assert why.startswith(reason)


@pytest.mark.long
def test_a_slow_peer_is_out_and_pytorch_never(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its one step is told; what goals are held against stays."""
    field(monkeypatch, "slow")
    monkeypatch.setitem(player._COMMANDS, "jax", player._COMMANDS["pytorch"])
    slow = Contestant("jax", "feature", "block")
    contest = contest_steps([OURS, THEIRS, slow], STEPS, tmp_path / "log")
    assert [lane.contestant for lane in contest.lanes] == [OURS, THEIRS]
    ((absent, why),) = [(each.contestant, each.reason) for each in contest.absent]
    assert absent == slow
    assert why.startswith("a step takes 0.5 s")


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


def test_a_peer_without_an_environment_is_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    field(monkeypatch, "")
    nowhere = player.ROOT / ".venv" / "peer-nowhere" / "bin" / "python"
    monkeypatch.setitem(player._COMMANDS, "jax", (nowhere, ("jax",)))
    contest = contest_steps([OURS, Contestant("jax", "feature", "block")], STEPS, tmp_path / "log")
    assert [lane.contestant for lane in contest.lanes] == [OURS]
    assert [absence.reason for absence in contest.absent] == [
        "there is no .venv/peer-nowhere/bin/python: make bench BENCH_ARGS=--peers makes it"
    ]
