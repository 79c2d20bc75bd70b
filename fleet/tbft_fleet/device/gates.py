"""What a release must show before it stays, measured on this board and on the device's own images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_fleet.device.judged import Judged
from tbft_fleet.files.gates import Gate, Gates
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.board.watch import BoardWatch
from tbft_runtime.data.items import check_skipped
from tbft_runtime.data.sources import open_source
from tbft_runtime.doctor.checks import examine
from tbft_runtime.inference.predictor import Answer, Predictor

# Where the device has no images of its own, so many of noise are answered: they take as long.
_NOISE = 50
_PERCENTILE = 95


class NoAnswerError(Exception):
    """The model is to blame, and not the images."""


@dataclass(frozen=True)
class Seen:
    """How a model did: the share of `images` that it was right in, and the milliseconds of 95 % of its answers.

    `accuracy` is None where it could not be measured, and `why` says why.
    """

    accuracy: float | None
    images: int
    milliseconds: float
    why: str = ""


def check(
    before: Path | None, after: Path, gates: Gates, images: Path | None, board: Board = THIS_BOARD
) -> tuple[Judged, ...]:
    """Measure every gate that is set for the bundle `after`.

    Args:
        before: The bundle that ran before; None where none did.
        after: The new one.
        gates: The limits.
        images: Labelled images of the device's own; None where it has none.
        board: Where temperatures are read; tests give another.
    """
    return tuple(_each(before, after, gates, images, board))


def _each(before: Path | None, after: Path, gates: Gates, images: Path | None, board: Board) -> Iterator[Judged]:
    watch = BoardWatch(board)
    if gates.doctor:
        yield _doctor(after, board)
    try:
        seen = look(after, images)
    except NoAnswerError as error:
        # Nothing else of it can be measured.
        yield Judged(gate="load", verdict="failed", text=str(error))
        return
    yield _loaded(seen)
    if gates.accuracy is not None:
        yield _accuracy(seen, gates.accuracy)
    if gates.drop is not None:
        yield _drop(before, seen, gates.drop, images)
    if gates.latency is not None:
        ms = seen.milliseconds
        yield _held(
            "latency", ms <= gates.latency, f"95 % of answers took {ms:.1f} ms or less", f"{gates.latency:g} ms"
        )
    # From the first look on: what came up under load, and was over at its end, counts.
    summary = watch.summary()
    if gates.temperature is not None:
        yield _temperature(summary, gates.temperature)
    if gates.throttling:
        yield _throttling(summary)


def look(bundle: Path, images: Path | None) -> Seen:
    """Answer the labelled images one by one, or noise where there are none. Raises NoAnswerError."""
    try:
        predictor = Predictor.open(bundle)
    except TbftError as error:
        raise NoAnswerError(error.message) from error
    noise = predictor.model.preprocessing.noise(_NOISE, np.random.default_rng(0))
    # The first answers take longer, and are nobody's.
    for pixels in noise[:3]:
        _answer(predictor, pixels)
    if images is None:
        return _of_noise(predictor, noise, "the device has no labelled images")
    try:
        return _of_images(predictor, images)
    except (TbftError, OSError) as error:
        return _of_noise(predictor, noise, error.message if isinstance(error, TbftError) else str(error))


def _of_images(predictor: Predictor, images: Path) -> Seen:
    times, right, skipped = list[float](), 0, 0
    for item in open_source(images, predictor.classes, predictor.model.preprocessing).items():
        if item.pixels is None:
            skipped += 1
            check_skipped(skipped, item.problem)
        elif item.label != NO_LABEL:
            answer, seconds = _answer(predictor, item.pixels)
            times.append(seconds)
            right += answer.label == predictor.classes[item.label]
    if not times:
        raise TbftError(f"no readable one in '{images}' has a label", "gates need labelled images")
    return Seen(right / len(times), len(times), _milliseconds(times))


def _of_noise(predictor: Predictor, noise: np.ndarray, why: str) -> Seen:
    times = [_answer(predictor, pixels)[1] for pixels in noise]
    return Seen(None, 0, _milliseconds(times), why)


def _answer(predictor: Predictor, pixels: np.ndarray) -> tuple[Answer, float]:
    """To prepared pixels (H, W, C), and the seconds that it took."""
    began = time.perf_counter()
    try:
        answer = next(predictor.answers(pixels[np.newaxis]))
    except TbftError as error:
        raise NoAnswerError(error.message) from error
    return answer, time.perf_counter() - began


def _milliseconds(times: list[float]) -> float:
    return 1000 * float(np.percentile(times, _PERCENTILE))


def _held(gate: Gate, ok: bool, text: str, limit: str) -> Judged:
    return Judged(gate=gate, verdict="passed" if ok else "failed", text=f"{text} (limit: {limit})")


def _not_measurable(gate: Gate, why: str) -> Judged:
    return Judged(gate=gate, verdict="not measurable", text=why)


def _doctor(after: Path, board: Board) -> Judged:
    try:
        checks = examine(open_bundle(after), after.parent, board)
    except TbftError as error:
        return Judged(gate="doctor", verdict="failed", text=error.message)
    bad = [f"{found.name}: {found.text}" for found in checks if found.ok is False]
    text = "; ".join(bad) or f"{len(checks)} checks"
    return Judged(gate="doctor", verdict="failed" if bad else "passed", text=text)


def _loaded(seen: Seen) -> Judged:
    """Measured anyway: the host learns it, also where no gate asks for it."""
    text = "it answers" if seen.accuracy is None else f"it answers, and is right in {_right(seen)}"
    return Judged(gate="load", verdict="passed", text=text, accuracy=seen.accuracy)


def _accuracy(seen: Seen, least: float) -> Judged:
    if seen.accuracy is None:
        return _not_measurable("accuracy", seen.why)
    return _held("accuracy", seen.accuracy >= least, _right(seen), f"{least:.1%} at least")


def _drop(before: Path | None, seen: Seen, most: float, images: Path | None) -> Judged:
    if before is None:
        return Judged(gate="drop", verdict="passed", text="nothing ran before it")
    if seen.accuracy is None:
        return _not_measurable("drop", seen.why)
    try:
        earlier = look(before, images)
    except NoAnswerError as error:
        return _not_measurable("drop", f"what ran before gives no answers: {error}")
    if earlier.accuracy is None:
        return _not_measurable("drop", f"what ran before: {earlier.why}")
    points = 100 * (earlier.accuracy - seen.accuracy)
    text = f"{points:.1f} points, from {earlier.accuracy:.1%} to {_right(seen)}"
    return replace(_held("drop", points <= most, text, f"{most:g}"), accuracy_before=earlier.accuracy)


def _right(seen: Seen) -> str:
    return f"{seen.accuracy:.1%} of {seen.images:,}"


def _temperature(summary: BoardSummary, most: float) -> Judged:
    degrees = summary.hottest_celsius
    if degrees is None:
        return _not_measurable("temperature", "the board does not say")
    return _held("temperature", degrees <= most, f"{degrees:.1f} °C", f"{most:g} °C")


def _throttling(summary: BoardSummary) -> Judged:
    if summary.throttled is None:
        return _not_measurable("throttling", "the board does not say")
    text = f"meanwhile: {', '.join(summary.throttled)}" if summary.throttled else "not meanwhile"
    return Judged(gate="throttling", verdict="failed" if summary.throttled else "passed", text=text)
