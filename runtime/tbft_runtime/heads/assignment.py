"""The assignment problem: to every row a column of its own, so that the benefits add up to the most."""

from __future__ import annotations

import numpy as np

_FREE = -1


class Assignment:
    """Solved for benefits (n, n), in O(n³), by shortest augmenting paths (Jonker and Volgenant, Computing 1987)."""

    def __init__(self, benefits: np.ndarray) -> None:
        self._costs = -benefits.astype(np.float64)
        size = len(benefits)
        self._of_rows, self._of_columns = np.zeros(size), np.zeros(size + 1)  # Dual prices.
        # Which row has a column; one more column, the first, is that from which a path begins.
        self._owners = np.full(size + 1, _FREE)
        for row in range(size):
            self._give(row)

    @property
    def columns(self) -> np.ndarray:
        """(n,) int: the column of each row."""
        return np.argsort(self._owners[1:])

    def changed(self, row: int, benefits: np.ndarray) -> np.ndarray:
        """`columns` as if `row` had other benefits (n,), in O(n²): all other rows keep their prices."""
        other = Assignment.__new__(Assignment)
        other._costs = self._costs.copy()
        other._costs[row] = -benefits
        other._of_rows, other._of_columns = self._of_rows.copy(), self._of_columns.copy()
        other._owners = np.where(self._owners == row, _FREE, self._owners)
        other._give(row)
        return other.columns

    def _give(self, row: int) -> None:
        """Give a column to `row`, and to others another one where that is better for all."""
        size = len(self._costs)
        owners, of_rows, of_columns = self._owners, self._of_rows, self._of_columns
        of_rows[row] = (self._costs[row] - of_columns[1:]).min()
        owners[0] = row
        distances, before = np.full(size + 1, np.inf), np.zeros(size + 1, int)
        seen = np.zeros(size + 1, bool)
        column = 0
        while owners[column] != _FREE:
            seen[column] = True
            slack = np.full(size + 1, np.inf)
            slack[1:] = self._costs[owners[column]] - of_rows[owners[column]] - of_columns[1:]
            nearer = ~seen & (slack < distances)
            distances[nearer], before[nearer] = slack[nearer], column
            column = int(np.where(seen, np.inf, distances).argmin())
            step = distances[column]
            of_rows[owners[seen]] += step
            of_columns[seen] -= step
            distances[~seen] -= step
        while column:
            owners[column] = owners[before[column]]
            column = before[column]
        owners[0] = _FREE
