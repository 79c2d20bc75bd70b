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


def chance_per_window(watching: Watching) -> float:
    """With which chance a window without drift may be called odd.

    `IN_A_ROW` windows that have nothing to do with each other are odd together with that chance to the power of
    `IN_A_ROW`; so often is there an alarm, for each window. Where neighbouring windows are alike alarms are more often.
    """
    alarms = watching.false_alarms_per_month / windows_per_month(watching)
    return min(_MOST, math.pow(alarms, 1 / IN_A_ROW))
