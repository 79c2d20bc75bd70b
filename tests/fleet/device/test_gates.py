"""Gates: each passed, failed with its figure, or not measurable with the reason why."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from support.agents import NO_BOARD
from support.bundles import compiled, compiled_copy, read_manifest, write_manifest
from support.fake_meters import fake_board, write_tree
from support.fleet_devices import BAD, GOOD, OTHER, own_images
from support.toys import coloured_squares, save_folders
from tbft_fleet.device.gates import check
from tbft_fleet.device.judged import Judged, why_not
from tbft_fleet.files.gates import Gates
from tbft_runtime.board.access import Board

NONE = Gates(doctor=False, throttling=False, required=())
HOT = {"sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "sys/class/thermal/thermal_zone0/temp": "81500\n"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_images(tmp_path_factory.mktemp("own") / "images", 16)


def judge(
    after: str | Path,
    images: Path | None,
    before: str | Path | None = None,
    board: Board = NO_BOARD,
    **limits: object,
) -> Judged:
    """The only gate that is set, beside that it loads."""
    paths = [None if path is None else compiled(path) if isinstance(path, str) else path for path in (before, after)]
    assert paths[1] is not None
    gates = Gates(**{**{name: getattr(NONE, name) for name in NONE.__struct_fields__}, **limits})  # type: ignore[arg-type]
    judged = check(paths[0], paths[1], gates, images, board)
    (found,) = [each for each in judged if each.gate != "load" or each.verdict != "passed"]
    return found


def test_accuracy_is_that_on_the_devices_own_images(own: Path) -> None:
    good = judge(GOOD, own, accuracy=0.9)
    assert (good.gate, good.verdict) == ("accuracy", "passed")
    assert "100.0% of 16" in good.text
    bad = judge(BAD, own, accuracy=0.9)
    assert bad.verdict == "failed"
    assert "90.0% at least" in bad.text


def test_without_labelled_images_nothing_says_how_right_it_is(own: Path, tmp_path: Path) -> None:
    """Images that a stick took with it, of which none has a label, or of other classes than the release's."""
    images, _ = coloured_squares(4)
    others = save_folders(tmp_path / "others", images, [0, 1, 2, 3], classes=("oak", "elm", "fir", "yew"))
    unlabelled = save_folders(tmp_path / "unlabelled", images, [-1] * 4)
    for given, why in (
        (None, "no labelled images"),
        (tmp_path / "gone", "does not exist"),
        (unlabelled, ""),
        (others, ""),
    ):
        found = judge(GOOD, given, accuracy=0.9)
        assert (found.gate, found.verdict) == ("accuracy", "not measurable"), given
        assert found.text
        assert why in found.text


def test_drop_is_from_what_ran_before_on_the_same_images(own: Path, tmp_path: Path) -> None:
    assert judge(OTHER, own, GOOD, drop=5).verdict == "passed"
    worse = judge(BAD, own, GOOD, drop=5)
    assert worse.verdict == "failed"
    assert "from 100.0% to" in worse.text
    assert judge(BAD, own, None, drop=5).verdict == "passed"
    assert judge(GOOD, None, GOOD, drop=5).verdict == "not measurable"
    assert judge(GOOD, own, tmp_path / "gone", drop=5).verdict == "not measurable"


def test_latency_needs_no_images(own: Path) -> None:
    for images in (own, None):
        assert judge(GOOD, images, latency=10_000).verdict == "passed"
        slow = judge(GOOD, images, latency=1e-6)
        assert slow.verdict == "failed"
        assert " ms or less (limit: 1e-06 ms)" in slow.text


def test_a_board_that_is_hot_or_throttled(tmp_path: Path) -> None:
    board = fake_board(write_tree(tmp_path, HOT), get_throttled="throttled=0x1")
    assert judge(GOOD, None, board=board, temperature=80).verdict == "failed"
    assert judge(GOOD, None, board=board, temperature=82).text == "81.5 °C (limit: 82 °C)"
    found = judge(GOOD, None, board=board, throttling=True)
    assert (found.verdict, found.text) == ("failed", "meanwhile: under-voltage")
    calm = fake_board(tmp_path, get_throttled="throttled=0x50000")
    assert judge(GOOD, None, board=calm, throttling=True).verdict == "passed"


def test_a_board_that_says_nothing() -> None:
    assert judge(GOOD, None, temperature=80).verdict == "not measurable"
    assert judge(GOOD, None, throttling=True).verdict == "not measurable"


def test_the_doctor_judges_board_and_bundle() -> None:
    found = judge(GOOD, None, doctor=True)
    assert (found.gate, found.verdict) == ("doctor", "passed"), found.text


def test_a_model_that_answers_no_numbers_fails_whatever_the_gates(own: Path, tmp_path: Path) -> None:
    """Its files are as they were signed; nothing else of it is measured."""
    bundle = compiled_copy(GOOD, tmp_path / "bundle")
    weights = load_file(bundle / "weights.safetensors")
    save_file({name: np.full_like(value, np.inf) for name, value in weights.items()}, bundle / "weights.safetensors")
    write_manifest(bundle, read_manifest(bundle))
    found = judge(bundle, own, accuracy=0.1, latency=1e6)
    assert (found.gate, found.verdict) == ("load", "failed")
    shutil.rmtree(bundle)
    assert judge(bundle, own).gate == "load"


@pytest.mark.parametrize(
    ("verdict", "required", "stays"),
    [
        ("passed", ("accuracy",), True),
        ("failed", (), False),
        ("failed", ("accuracy",), False),
        ("not measurable", (), True),
        ("not measurable", ("accuracy",), False),
    ],
)
def test_what_cannot_be_measured_fails_where_it_is_required(
    verdict: str, required: tuple[str, ...], stays: bool
) -> None:
    judged = Judged(gate="accuracy", verdict=verdict, text="why")  # type: ignore[arg-type]
    why = why_not([judged], Gates(required=required))  # type: ignore[arg-type]
    assert why == (None if stays else f"accuracy {verdict}: why")
