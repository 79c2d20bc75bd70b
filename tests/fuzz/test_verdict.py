"""The judge of the fuzz suite is strict: what is wrong with an ending, it finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fuzz import traces, verdict
from fuzz.case import Case
from support.forked_command import Limits, Outcome, Room

REFUSAL = "error: the bundle is damaged\n\nhint: copy it again\n"
PREDICT = ("predict", "model", "photos", "--json")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = Room(tmp_path / "room")
    room.make()
    return room


def judged(room: Room, case: Case, *, code: int = 0, out: str = "", err: str = "", peak: int = 0) -> list[str]:
    outcome = Outcome(code, out.encode(errors="surrogateescape"), err.encode(), 0.1, peak, None)
    return verdict.problems(case, outcome, traces.listing(room.disk), room, Limits())


def test_a_refusal_is_an_error_line_and_a_hint(room: Room) -> None:
    """And nothing else would do."""
    case = Case("", ("inspect", "bundle"))
    assert judged(room, case, code=2, err=REFUSAL) == []
    assert judged(room, case, code=3, err=f"epoch 1/2\n{REFUSAL}") == []
    assert judged(room, case, code=2, err="error: no\n")
    assert judged(room, case, code=2, err=REFUSAL + REFUSAL)
    assert judged(room, case, code=2, err=REFUSAL.replace("damaged", "fine, a defect of the compiler"))
    assert judged(room, case, code=1)
    assert judged(room, case, code=-8)
    assert judged(room, case, code=2, err=f"Traceback (most recent call last):\nValueError: x\n{REFUSAL}")


def test_what_must_not_be_answered(room: Room) -> None:
    assert judged(room, Case("", ("inspect", "bundle"), must_refuse=True), out="fine\n")


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\u202eb", "\x07", "\udcff"])
def test_nothing_controls_a_terminal(text: str, room: Room) -> None:
    assert judged(room, Case("", ("inspect", "bundle")), out=text)


@pytest.mark.parametrize("text", ["loss nan", "-inf%", "probability=NaN"])
def test_words_that_are_no_numbers(text: str, room: Room) -> None:
    assert judged(room, Case("", ("inspect", "bundle")), out=text)
    assert judged(room, Case("", ("inspect", "bundle")), out="financial banana, infant") == []


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ([{"image": "a", "label": "b", "probability": 0.5}] * 2, True),
        ([{"image": "a", "label": "b", "probability": 0.5}], False),
        ([{"image": "a", "label": "b", "probability": None}] * 2, False),
        ([{"image": "a", "label": "b", "probability": 1.5}] * 2, False),
        ([], False),
    ],
)
def test_predictions_are_probabilities_of_every_picture(answer: object, is_right: bool, room: Room) -> None:
    found = judged(room, Case("", PREDICT, pictures=2), out=json.dumps(answer))
    assert (found == []) == is_right


def test_json_has_no_constants(room: Room) -> None:
    assert judged(room, Case("", ("inspect", "bundle", "--json")), out='{"a": NaN}')


def test_memory(room: Room) -> None:
    assert judged(room, Case("", ("inspect", "bundle")), peak=2 << 30)


def test_leftovers_and_changed_inputs_are_seen(room: Room) -> None:
    """In the working directory, in TMPDIR, and beside outputs."""
    case = Case("", ("finalize", "run"), outputs=("model.onnx",))
    (room.work / "input").write_text("as it was")
    before = traces.listing(room.disk)
    (room.work / "model.onnx").touch()
    assert traces.problems(case, before, room, ended_well=True) == []
    for path in (room.temporary / "bundle", room.work / ".model.onnx.1234.tmp", room.disk / "outside"):
        path.touch()
        assert traces.problems(case, before, room, ended_well=True)
        path.unlink()
    (room.work / "input").write_text("as it is")
    assert traces.problems(case, before, room, ended_well=True) == ["changed work/input"]


def test_a_start_that_came_to_nothing_leaves_no_folder(room: Room) -> None:
    before = traces.listing(room.disk)
    (room.work / "run").mkdir()
    assert traces.problems(Case("", ("train",), outputs=("run",)), before, room, ended_well=False)


def test_training_that_trains_nothing(room: Room) -> None:
    """Weights are finite, and others than before."""
    case = Case("", ("train", "bundle"), outputs=("run",), learns_from="bundle")
    for name in ("run", "bundle"):
        (room.work / name).mkdir()
    save_file({"fc": np.zeros(2, np.float32)}, room.work / "bundle" / "weights.safetensors")
    for value, is_right in ((0, False), (np.nan, False), (1, True)):
        save_file({"current/fc": np.full(2, value, np.float32)}, room.work / "run" / "state.safetensors")
        assert (judged(room, case) == []) == is_right
