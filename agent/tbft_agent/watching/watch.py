"""Windows of recent images, held against what is normal."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec
import numpy as np

from tbft_agent.settings import Watching
from tbft_agent.watching.chance import chance_of_alarm, chance_per_window
from tbft_agent.watching.normal import Normal
from tbft_agent.watching.quiet import Evidence

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
    evidence: Evidence = field(default_factory=Evidence)
    windows: deque[Window] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
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
        return window

    @property
    def is_learning(self) -> bool:
        """Whether it does not know yet what is normal."""
        return self.normal is None

    @property
    def sees_drift(self) -> bool:
        return self.evidence.sees_drift

    @property
    def sees_none(self) -> bool:
        return self.evidence.sees_none

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
        distance = statistics.distance(self.normal.left(rows, labels))
        theory = statistics.limit(count, chance_per_window(self.settings))
        limit = self.evidence.add(distance, theory, chance_of_alarm(self.settings))
        return Window(images=count, distance=distance, limit=limit, confidence=sure)
