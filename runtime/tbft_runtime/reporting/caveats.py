"""What to know before believing the figures of a run, alone or beside another one."""

from __future__ import annotations

from collections.abc import Iterator

from tbft_runtime.board.state import BUSY_CORES
from tbft_runtime.energy.result import Energy
from tbft_runtime.reporting.report import Report

# Joules are only of the part of a run that the meter covered; below this they say too little of the whole.
COVERED = 0.95
# A step that takes so many times the median, and so many milliseconds, is one in which something else happened.
GAP, GAP_MS = 10, 5_000


def caveats(report: Report) -> tuple[str, ...]:
    """What to know of a run's figures beside those of another one: every doubt, and what is not known of it."""
    energy = report.result.energy
    unavailable = (
        [f"energy unavailable: {energy.unavailable or 'the meter gave none'}"] if energy.joules is None else []
    )
    silent = ["the board does not say whether it was throttled"] if report.result.board.throttled is None else []
    return (*unavailable, *doubts(report), *silent)


def doubts(report: Report) -> Iterator[str]:
    """What is known to weaken the figures of a run."""
    energy, board, calibration = report.result.energy, report.result.board, report.result.exits
    if energy.joules is not None and energy.covered < COVERED:
        yield f"the meter covered {energy.covered:.0%} of the time, and its joules are of that part"
    if energy.net_joules is not None and energy.net_joules < 0:
        yield "the idle board drew more than the run did: something else ran when that was measured"
    if calibration is not None and calibration.is_doubtful:
        yield (
            f"only {calibration.early.images} validation {report.noun}s say when exits are sure enough: others may be "
            "answered rightly several points less often"
        )
    if board.other_load is not None and board.other_load >= BUSY_CORES:
        yield f"other processes kept {board.other_load:.1f} cores busy on average"
    if report.lost_epochs:
        yield (
            f"what {report.lost_epochs} of {report.result.epochs} epochs took was lost on the disk: times and joules "
            "are of the others"
        )
    if (longest := _gap(report)) is not None:
        yield (
            f"a step took {longest:.0f} s, far more than others: the process or the board stood still, which counts as "
            "time and energy"
        )
    if board.throttled:
        yield f"the board was throttled: {', '.join(board.throttled)}"


def _gap(report: Report) -> float | None:
    """Seconds of the longest step, if that cannot have been a step alone."""
    spread, steps = report.result.latency.get("step"), report.step_ms
    if spread is None or steps is None or not steps.edges:
        return None
    longest = steps.edges[-1]
    return longest / 1000 if longest > max(GAP * spread.p50_ms, GAP_MS) else None


def differences(report: Report, baseline: Report) -> tuple[str, ...]:
    """Where a run's settings are not those of its baseline, and why their joules are not held against each other."""
    own, full = report.result, baseline.result
    settings = (
        ("model", report.model, baseline.model),
        ("threads", own.threads, full.threads),
        ("batch size", own.batch_size, full.batch_size),
        ("epochs", own.epochs, full.epochs),
        ("seed", own.seed, full.seed),
        (f"validation {report.noun}s", own.validation_images, full.validation_images),
        ("weights before", _before(report), _before(baseline)),
        ("batch norms", own.batch_norm, full.batch_norm),
        ("labels", own.labels, full.labels),
        ("onnxruntime", own.runtime.get("onnxruntime", "unknown"), full.runtime.get("onnxruntime", "unknown")),
    )
    found = [f"{name} {value}, baseline {other}" for name, value, other in settings if value != other]
    reason = energy_obstacle(own.energy, full.energy)
    if own.energy.joules is not None and reason is not None:
        found.append(f"energy not compared: {reason}")
    return tuple(found)


def _before(report: Report) -> str:
    """Which weights it began with, for people."""
    return "the bundle's" if report.base is None else f"of {report.base.sha256[:12]}"


def energy_obstacle(own: Energy, baseline: Energy) -> str | None:
    """Why joules are not held against the baseline's; None if they may be.

    They may where one kind of meter counted the same things in nearly all of both runs (COVERED).
    """
    if own.source is None or own.joules is None:
        return "it is unavailable"
    if baseline.source is None or baseline.joules is None:
        return "the baseline's is unavailable"
    mine, theirs = own.source, baseline.source
    if (mine.meter, mine.type) != (theirs.meter, theirs.type):
        return f"{mine.type} by '{mine.meter}', baseline {theirs.type} by '{theirs.meter}'"
    if (mine.scope, mine.missing) != (theirs.scope, theirs.missing):
        return "the meter did not count the same parts of the board in both runs"
    if mine.basis != theirs.basis:
        # Two power models of the same board, for example.
        return f"its figures are from {'; '.join(mine.basis)}, the baseline's from {'; '.join(theirs.basis)}"
    if min(own.covered, baseline.covered) < COVERED:
        return f"the meter covered {own.covered:.0%} of the run, and {baseline.covered:.0%} of the baseline"
    return None
