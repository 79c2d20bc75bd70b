"""Where images leave a network with several exits."""

from __future__ import annotations

from tbft_edge.console import percent
from tbft_edge.exit_tables import exit_saving, exit_shares
from tbft_edge.pages.document import card, table, tables
from tbft_edge.pages.markup import Markup, element
from tbft_runtime.exits.record import Calibration


def leaving(calibration: Calibration) -> Markup:
    """Each exit's part of the images, how the threshold was chosen, and what to think of the figures."""
    shares = exit_shares(calibration.early, "validation images")
    chosen = (
        f"The threshold is the lowest at which {percent(calibration.wanted)} of them are answered rightly, with a "
        "standard error to spare."
    )
    if not calibration.is_reached:
        chosen = f"No threshold is right for {percent(calibration.wanted)} of them; this is the best one."
    doubt = "The same images chose the best epoch, so that others may be answered rightly a little less often."
    words = [exit_saving(calibration.early), chosen, doubt]
    notes = [element("p", text, class_="note") for text in words]
    return tables(card(shares.title, table(shares.columns, shares.rows, stacking=True), *notes))
