"""The ways to personalise exits on a device."""

from __future__ import annotations

from typing import Literal, get_args

# labels: of labelled images alone. confident: an unlabelled image counts as the last exit says, where that is sure.
# distill: an unlabelled image has the mean of all exits' probabilities as target (PersEPhonEE, arXiv 2102.01393).
Personalisation = Literal["labels", "confident", "distill"]
PERSONALISATIONS: tuple[Personalisation, ...] = get_args(Personalisation)

# From this probability on the last exit's answer is taken for a label.
CONFIDENT = 0.9
