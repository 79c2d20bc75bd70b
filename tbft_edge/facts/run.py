"""All facts of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.board import during_run, model
from tbft_edge.facts.costs import time_and_memory
from tbft_edge.facts.energy import energy_groups, meter
from tbft_edge.facts.exits import early_answers
from tbft_edge.facts.fact import Fact, Group
from tbft_edge.facts.learned import learned_head
from tbft_edge.facts.old_data import forgotten
from tbft_edge.facts.settings import began, blocks, data, how_trained, origin
from tbft_edge.facts.unlabelled import without_labels

if TYPE_CHECKING:
    from tbft_runtime.reporting.report import Report


def groups(report: Report) -> tuple[Group, ...]:
    """In the order in which they are read."""
    result = report.result
    return (
        how_trained(report),
        *([] if result.learned is None else [learned_head(result.learned, report.noun)]),
        *([] if result.old is None else [forgotten(result.old, report.noun)]),
        *([] if result.unlabelled is None else [without_labels(report, result.unlabelled)]),
        *([] if result.exits is None else [early_answers(result.exits, report.noun)]),
        time_and_memory(report),
        *energy_groups(result),
        during_run(result.board),
        origin(report),
    )


def brief(report: Report) -> tuple[Fact, ...]:
    """The few that most people want of a run that has just ended."""
    return tuple(fact for group in groups(report) for fact in group.facts if fact.is_brief)


def among_others(report: Report) -> tuple[Fact, ...]:
    """The few that most people want of a run beside other ones."""
    result = report.result
    source = result.energy.source
    meters = [] if source is None else [meter(source)]
    return (blocks(result), model(result.board.identity), data(report), began(report), *brief(report), *meters)
