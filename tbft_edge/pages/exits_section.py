"""Where images leave a network with several exits."""

from __future__ import annotations

from tbft_edge.figures import percent
from tbft_edge.pages.document import card, table, tables
from tbft_edge.pages.markup import Markup, element
from tbft_edge.tables.exits import exit_saving, exit_shares
from tbft_runtime.exits.record import Calibration


def leaving(calibration: Calibration) -> Markup:
    """Each exit's part of the images, how the threshold was chosen, and what to think of the figures."""
    shares = exit_shares(calibration.early, "validation images")
    doubt = "The same images chose the best epoch, so that others may be answered rightly a little less often."
    words = [exit_saving(calibration.early), _choice(calibration), doubt]
    notes = [element("p", text, class_="note") for text in words]
    return tables(card(shares.title, table(shares.columns, shares.rows, stacking=True), *notes))


def _choice(calibration: Calibration) -> str:
    """How the threshold was chosen."""
    wanted = percent(calibration.wanted)
    if not calibration.is_reached:
        return f"No threshold is right for {wanted} of them; this is the best one."
    if not calibration.has_margin:
        return f"No threshold is right for {wanted} of them with a standard error to spare; this is the best one."
    return (
        f"The threshold is the lowest at which {wanted} of them are answered rightly, with a standard error to spare."
    )
