"""From alarms that are put up with to the chance that one window may have of looking odd."""

from __future__ import annotations

import math

from tbft_agent.settings import Watching

DAYS_PER_MONTH = 30
# So many odd windows after each other make an alarm: one may hold a hand before the lens.
IN_A_ROW = 2
# No window is odd just because alarms are welcome.
_MOST = 0.2


def windows_per_month(watching: Watching) -> float:
    """How many windows the device sees."""
    return watching.images_per_day * DAYS_PER_MONTH / watching.window


def chance_of_alarm(watching: Watching) -> float:
    """With which chance a window without drift may end in an alarm: `IN_A_ROW` of them, each odd."""
    return min(_MOST**IN_A_ROW, watching.false_alarms_per_month / windows_per_month(watching))


def chance_per_window(watching: Watching) -> float:
    """With which chance a window without drift may be called odd, if windows had nothing to do with each other.

    `IN_A_ROW` of them are then odd together with that chance to the power of `IN_A_ROW`.
    """
    return math.pow(chance_of_alarm(watching), 1 / IN_A_ROW)
