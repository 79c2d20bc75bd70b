"""What was forgotten, and the models between the base one and the trained one."""

from __future__ import annotations

from tbft_artifacts.preprocessing import Noun
from tbft_edge.facts.old_data import BLEND_COLUMNS, blend_rows, forgotten
from tbft_edge.figures import percent
from tbft_edge.pages.charts.axis import Axis
from tbft_edge.pages.charts.lines import Line, LineChart, line_chart
from tbft_edge.pages.charts.plot import Mark
from tbft_edge.pages.document import details, figure, missing, pair, table, tables
from tbft_edge.pages.markup import Markup, join
from tbft_edge.pages.said import group
from tbft_runtime.reporting.result import OldData

_TITLE = "New and old accuracy between the base model and the trained one"


def forgetting(old: OldData, noun: Noun) -> Markup:
    """Facts, and both accuracies against the share of the way to the trained weights."""
    said = group(forgotten(old, noun))
    if not old.blends:
        reason = "only a run that ends with a better state than the base model measures what lies between"
        return tables(said, missing(_TITLE, reason))
    return join([pair(said, _curve(old)), details("The same as a table", table(BLEND_COLUMNS, blend_rows(old)))])


def _curve(old: OldData) -> Markup:
    described = "; ".join(
        f"{blend.share:.1f}: {percent(blend.accuracy)} new, {percent(blend.old_accuracy)} old" for blend in old.blends
    )
    chosen = old.chosen
    chart = LineChart(
        description=f"Accuracy on new and on old data against the share of the trained weights. {described}",
        x=Axis(0, 1, (0, 0.25, 0.5, 0.75, 1)),
        y=Axis(0, 1, (0, 0.25, 0.5, 0.75, 1)),
        x_label="0: base model, 1: trained one",
        y_label="accuracy",
        lines=(
            Line("validation", tuple((blend.share, blend.accuracy) for blend in old.blends)),
            Line("old data", tuple((blend.share, blend.old_accuracy) for blend in old.blends)),
        ),
        marks=() if chosen is None else (Mark(chosen.share, f"best mean: {chosen.share:.1f}"),),
        y_text="{:.0%}".format,
    )
    return figure(_TITLE, "'finalize' with --blend takes any of them; auto takes the best mean.", line_chart(chart))
