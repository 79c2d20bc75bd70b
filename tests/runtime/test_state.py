"""What a run remembers survives the disk exactly, and a full disk costs the new state, never the old."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from support.damages import damage, flipped
from support.fake_meters import FAKE
from support.files import listing
from support.made_up_reports import made_up_result
from tbft_artifacts.errors import TbftError
from tbft_runtime.energy.parts import RunPart
from tbft_runtime.energy.result import StretchEnergy, Telemetry
from tbft_runtime.laps import Laps
from tbft_runtime.run.epoch import Epoch, Evaluation
from tbft_runtime.run.exit_answers import ExitAnswers
from tbft_runtime.run.generations import keep_previous
from tbft_runtime.run.history import Epochs
from tbft_runtime.run.state import TrainingState, load_state, previous_of, save_state
from tbft_runtime.timing import PHASES, PhaseTime

NAMES = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=8)
BOARD = made_up_result().board
CELLS = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 99))


def stretch_energy(joules: float, idle_watts: float) -> StretchEnergy:
    return StretchEnergy(
        source=FAKE,
        idle_watts=idle_watts,
        joules=joules,
        covered_seconds=1.5,
        sampling_joules=0.25,
        samples=3,
        failed=1,
    )


def telemetry(seconds: float, watts: float | None) -> Telemetry:
    return Telemetry(seconds=seconds, watts=watts, celsius=None, megahertz=1500.0)


ARRAYS = st.dictionaries(
    NAMES,
    st.lists(st.floats(width=32, allow_nan=False), max_size=4).map(lambda values: np.array(values, np.float32)),
    max_size=3,
)
NUMBER = st.floats(-1e18, 1e18)
SECONDS = st.floats(0, 1e9)
PART = st.floats(0, 1)
EVALUATIONS = st.builds(Evaluation, NUMBER, PART, st.integers(0, 1000))
LAPS = st.lists(st.floats(0, 1e9), max_size=3).map(Laps.of)
PHASE_TIMES = st.builds(PhaseTime, phase=st.sampled_from(PHASES), seconds=SECONDS, joules=st.none() | NUMBER, laps=LAPS)
PARTS = st.builds(
    RunPart, seconds=SECONDS, metering_seconds=SECONDS, source=st.none() | st.just(FAKE), board=st.just(BOARD)
)
EPOCHS = st.builds(
    Epoch,
    number=st.integers(1, 9),
    train_loss=NUMBER,
    train_accuracy=st.none() | PART,
    validation=EVALUATIONS,
    seconds=SECONDS,
    steps=LAPS,
    warm_up=st.booleans(),
    phases=st.lists(PHASE_TIMES, max_size=3),
    energy=st.none() | st.builds(stretch_energy, NUMBER, NUMBER),
    telemetry=st.lists(st.builds(telemetry, SECONDS, st.none() | NUMBER), max_size=3),
)


def exit_answers(images: int) -> ExitAnswers:
    return ExitAnswers(np.linspace(0, 1, 3 * images).reshape(images, 3), np.eye(images, 3) > 0)


STATES = st.builds(
    TrainingState,
    current=ARRAYS,
    slots=ARRAYS,
    best=ARRAYS,
    epoch=st.integers(0, 1000),
    step=st.integers(0, 1000),
    best_epoch=st.integers(0, 1000),
    before=st.none() | EVALUATIONS,
    adapted=st.none() | EVALUATIONS,
    after=st.none() | EVALUATIONS,
    epochs=st.lists(EPOCHS, max_size=3).map(Epochs),
    confusions=st.dictionaries(
        st.sampled_from(["before", "best"]), st.lists(CELLS, max_size=3).map(lambda rows: np.array(rows, np.int64))
    ),
    exits=st.none()
    | st.integers(1, 4).map(lambda n: ExitAnswers(np.linspace(0, 1, 3 * n).reshape(n, 3), np.eye(n, 3) > 0)),
    preparation=st.lists(PHASE_TIMES, max_size=2),
    parts=st.lists(
        st.builds(
            RunPart, seconds=SECONDS, metering_seconds=SECONDS, source=st.none() | st.just(FAKE), board=st.just(BOARD)
        ),
        max_size=2,
    ),
)


def assert_equal(first: TrainingState, second: TrainingState) -> None:
    for group in ("current", "slots", "best", "confusions"):
        one, other = getattr(first, group), getattr(second, group)
        assert one.keys() == other.keys()
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert (first.exits is None) == (second.exits is None)
    if first.exits is not None and second.exits is not None:
        np.testing.assert_array_equal(first.exits.confidence, second.exits.confidence, strict=True)
        np.testing.assert_array_equal(first.exits.right, second.exits.right, strict=True)
    fields = (
        "epoch",
        "step",
        "best_epoch",
        "before",
        "adapted",
        "after",
        "epochs",
        "preparation",
        "parts",
    )
    assert [getattr(first, name) for name in fields] == [getattr(second, name) for name in fields]


@given(STATES)
@settings(deadline=None)
def test_a_state_survives_the_disk(tmp_path_factory: pytest.TempPathFactory, state: TrainingState) -> None:
    """Every tensor to the last bit, every number, and names with slashes and dots in them."""
    path = tmp_path_factory.mktemp("state") / "state.safetensors"
    save_state(state, path)
    loaded = load_state(path)
    assert loaded is not None
    assert_equal(loaded, state)


def small(value: float) -> TrainingState:
    array = np.full(3, value, np.float32)
    return TrainingState(current={"fc.weight": array}, slots={}, best={"fc.weight": array}, epoch=int(value))


def test_no_file_is_no_state(tmp_path: Path) -> None:
    """A run that has not begun is not a damaged one."""
    assert load_state(tmp_path / "state.safetensors") is None


def test_tensors_that_are_not_contiguous_are_saved_as_they_look(tmp_path: Path) -> None:
    """A transposed array must not be written in the order of its memory."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    save_state(TrainingState(current={"a": array}, slots={}, best={}), tmp_path / "state")
    loaded = load_state(tmp_path / "state")
    assert loaded is not None
    np.testing.assert_array_equal(loaded.current["a"], array)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EFBIG])
def test_a_disk_error_keeps_the_old_state(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The epoch before is still there, and no half file beside it."""
    path = tmp_path / "state.safetensors"
    save_state(small(1), path)
    before = listing(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(number, "failed")

    monkeypatch.setattr("tbft_artifacts.atomic.os.replace", fail)
    with pytest.raises(TbftError):
        save_state(small(2), path)
    monkeypatch.undo()
    assert listing(tmp_path) == before
    loaded = load_state(path)
    assert loaded is not None
    assert loaded.epoch == 1


@given(place=st.floats(0, 1, exclude_max=True))
@settings(max_examples=50, deadline=None)
def test_a_state_that_was_cut_is_damaged(tmp_path_factory: pytest.TempPathFactory, place: float) -> None:
    """Wherever a disk lost the rest, the error says so, and no half state is trained on."""
    path = tmp_path_factory.mktemp("cut") / "state.safetensors"
    save_state(small(1), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(place * len(content))])
    with pytest.raises(TbftError, match="is damaged") as caught:
        load_state(path)
    assert "another `out`" in caught.value.hint


@given(state=STATES, data=st.data())
@settings(max_examples=200, deadline=None)
def test_one_flipped_bit_is_damage(
    tmp_path_factory: pytest.TempPathFactory, state: TrainingState, data: st.DataObject
) -> None:
    """Anywhere in the file: in a weight, a name, a number of the history, the checksum or what holds them together."""
    path = tmp_path_factory.mktemp("bit") / "state.safetensors"
    save_state(state, path)
    damage(path, lambda content: flipped(content, data.draw(st.integers(0, 8 * len(content) - 1))))
    with pytest.raises(TbftError, match="is damaged"):
        load_state(path)


def test_the_state_before_stays(tmp_path: Path) -> None:
    """Beside the new one, and nothing else; also where files cannot have two names."""
    path = tmp_path / "state.safetensors"
    for epoch in range(1, 4):
        save_state(small(epoch), path)
    previous = load_state(previous_of(path))
    assert previous is not None
    assert previous.epoch == 2
    assert set(listing(tmp_path)) == {path.name, previous_of(path).name}


def test_the_state_before_stays_where_a_file_has_one_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on sticks with FAT and on many shares."""

    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("tbft_runtime.run.generations.os.link", link)
    test_the_state_before_stays(tmp_path)


def test_a_file_of_another_program_is_damaged(tmp_path: Path) -> None:
    """Any safetensors file is not a state."""
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "plain")
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "tagged", {"training": "{}"})
    for name in ("plain", "tagged"):
        with pytest.raises(TbftError, match="is damaged"):
            load_state(tmp_path / name)


def test_the_state_before_is_kept_under_any_name(tmp_path: Path) -> None:
    """Also one to which nothing can be added, where the temporary file beside it needs another."""
    path, previous = tmp_path / ("s" * 255), tmp_path / ("p" * 255)
    path.write_bytes(b"state")
    keep_previous(path, previous)
    assert previous.samefile(path)
    assert set(listing(tmp_path)) == {path.name, previous.name}
