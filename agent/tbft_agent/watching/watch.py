"""Windows of recent images, held against what is normal."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec
import numpy as np

from tbft_agent.settings import Watching
from tbft_agent.watching.chance import IN_A_ROW, chance_per_window
from tbft_agent.watching.normal import Normal

# Windows that the page shows.
REMEMBERED = 240


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """`images` after each other: how far from normal, how far may be, and the mean confidence (0 to 1).

    `distance` is squared, in units of what the mean of so many normal images scatters by; None of both while what is
    normal is still learned.
    """

    images: int
    distance: float | None
    limit: float | None
    confidence: float

    @property
    def is_odd(self) -> bool:
        return self.distance is not None and self.limit is not None and self.distance > self.limit


@dataclass
class Watch:
    """Takes the numbers of one image after the other. Without a `normal` it learns one from the first images."""

    settings: Watching
    classes: int
    normal: Normal | None = None
    prior: np.ndarray | None = None
    windows: deque[Window] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    odd_in_a_row: int = 0
    usual_in_a_row: int = 0
    _rows: list[np.ndarray] = field(default_factory=list)
    _labels: list[int] = field(default_factory=list)
    _sure: list[float] = field(default_factory=list)
    _learning: list[tuple[np.ndarray, int]] = field(default_factory=list)

    def add(self, row: np.ndarray, label: int, confidence: float) -> Window | None:
        """An image: its numbers (D,), the class that was answered, how sure. The window that it ends, if it does."""
        self._rows.append(row)
        self._labels.append(label)
        self._sure.append(confidence)
        if len(self._rows) < self.settings.window:
            return None
        rows, labels = np.stack(self._rows), np.array(self._labels)
        window = self._judged(rows, labels, float(np.mean(self._sure)))
        self._rows, self._labels, self._sure = [], [], []
        self.windows.append(window)
        self.odd_in_a_row = self.odd_in_a_row + 1 if window.is_odd else 0
        self.usual_in_a_row = 0 if window.is_odd or window.distance is None else self.usual_in_a_row + 1
        return window

    @property
    def is_learning(self) -> bool:
        """Whether it does not know yet what is normal."""
        return self.normal is None

    @property
    def sees_drift(self) -> bool:
        return self.odd_in_a_row >= IN_A_ROW

    @property
    def sees_none(self) -> bool:
        return self.usual_in_a_row >= IN_A_ROW

    def _judged(self, rows: np.ndarray, labels: np.ndarray, sure: float) -> Window:
        count = len(rows)
        if self.normal is None:
            self._learning += zip(rows, labels.tolist(), strict=True)
            if len(self._learning) >= self.settings.quiet_images:
                known = np.stack([row for row, _ in self._learning])
                answers = np.array([label for _, label in self._learning])
                self.normal = Normal.learned(known, answers, self.classes, self.prior)
                self._learning = []
            return Window(images=count, distance=None, limit=None, confidence=sure)
        statistics = self.normal.statistics
        return Window(
            images=count,
            distance=statistics.distance(self.normal.left(rows, labels)),
            limit=statistics.limit(count, chance_per_window(self.settings)),
            confidence=sure,
        )
