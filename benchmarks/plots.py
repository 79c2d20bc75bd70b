"""The page's plots, by file name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.figures import step_ms
from benchmarks.goals import DRIFTS
from benchmarks.protocol import Engine
from benchmarks.results import Contestant, Results, StepContest, StepLane, TrainingContest, TrainingLane
from benchmarks.svg import Panel, Series, charts

NAMES: Mapping[Engine, str] = {"ours": "tbft-edge", "pytorch": "PyTorch", "ort-training": "ORT Training"}
MB = 1e6


def plots(results: Results) -> dict[str, str]:
    """File name -> SVG."""
    drawn = {"steps.svg": charts([_steps(results, threads) for threads in _threads(results)])}
    if results.growth_batch:
        drawn["batch-size.svg"] = _growth(results.growth_batch, "images per step", lambda c: c.batch_size)
    if results.growth_image_size:
        # Linear in pixels: an image of twice the side has four times as many.
        drawn["image-size.svg"] = _growth(
            results.growth_image_size, "side of the image in pixels", lambda c: c.image_size, lambda side: side**2
        )
    if results.growth_images:
        drawn["images.svg"] = _images(results.growth_images)
    return drawn


def _threads(results: Results) -> list[int]:
    return sorted({contest.threads for contest in results.steps})


def _steps(results: Results, threads: int) -> Panel:
    def medians(engine: Engine, cached: bool = False) -> tuple[float | None, ...]:
        found = [step_ms(results.steps, Contestant(engine, drift, "frozen"), threads, cached) for drift in DRIFTS]
        return tuple(None if isinstance(value, str) else value.median for value in found)

    return Panel(
        title="1 thread" if threads == 1 else f"{threads} threads",
        x="drift",
        y="ms per train step, batch norms frozen",
        labels=tuple(DRIFTS),
        series=(
            Series(NAMES["ours"], medians("ours")),
            Series("the same from stored", medians("ours", cached=True)),
            Series(NAMES["pytorch"], medians("pytorch")),
            Series(NAMES["ort-training"], medians("ort-training")),
        ),
    )


def _growth(
    contests: Sequence[StepContest],
    x: str,
    value: Callable[[StepContest], int],
    position: Callable[[int], float] = float,
) -> str:
    ordered = sorted({value(contest) for contest in contests})

    def panel(title: str, y: str, of: Callable[[StepLane], float]) -> Panel:
        found = {
            (lane.contestant.engine, lane.contestant.drift, value(contest)): of(lane)
            for contest in contests
            for lane in contest.lanes
        }
        kinds = dict.fromkeys(key[:2] for key in found)
        series = [Series(f"{NAMES[e]} {d}", tuple(found.get((e, d, at)) for at in ordered)) for e, d in kinds]
        labels = tuple(map(str, ordered))
        return Panel(title, x, y, labels, tuple(series), tuple(position(at) for at in ordered))

    return charts(
        [
            panel("Time of a step", "ms", lambda lane: median(lane.step_ms)),
            panel("Memory of the process", "MB at most", lambda lane: lane.peak_bytes / MB),
        ]
    )


def _images(contests: Sequence[TrainingContest]) -> str:
    ordered = sorted({contest.images for contest in contests})

    def panel(title: str, y: str, of: Mapping[str, Callable[[TrainingLane], float]]) -> Panel:
        series = []
        for name, read in of.items():
            for engine in ("ours", "pytorch"):
                found = {
                    contest.images: read(lane)
                    for contest in contests
                    for lane in contest.lanes
                    if lane.contestant.engine == engine
                }
                series.append(Series(f"{NAMES[engine]}{name}", tuple(found.get(count) for count in ordered)))
        positions = tuple(map(float, ordered))
        return Panel(title, "training images", y, tuple(map(str, ordered)), tuple(series), positions)

    epochs = {", first": lambda lane: lane.epoch_seconds[0], ", later": lambda lane: lane.epoch_seconds[-1]}
    return charts(
        [
            panel("Time of an epoch", "seconds, validation included", epochs),
            panel("Memory of the process", "MB at most", {"": lambda lane: lane.peak_bytes / MB}),
        ]
    )
