"""Made-up windows of a motion sensor: six activities, as a phone in a pocket would measure them. Nobody wore one.

Acceleration in m/s² and turning rate in rad/s, three axes each, 50 values a second. An activity is a pose, in which
gravity points somewhere, and a periodic movement; each person moves at a pace and with a strength of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE, LENGTH = 50, 128
GRAVITY = 9.81
CLASSES = ("walking", "running", "climbing", "cycling", "standing", "lying")
CHANNELS = 6
# Steps a second, metres per second squared, radians per second, and where gravity points.
_MOVES = {
    "walking": (1.8, 2.5, 0.8, (0.0, 0.95, 0.3)),
    "running": (2.7, 7.0, 1.8, (0.0, 0.95, 0.3)),
    "climbing": (1.4, 2.5, 1.4, (0.2, 0.85, 0.5)),
    "cycling": (1.2, 1.0, 1.8, (0.5, 0.5, 0.7)),
    "standing": (0.3, 0.15, 0.05, (0.0, 1.0, 0.1)),
    "lying": (0.25, 0.15, 0.05, (0.1, 0.1, 1.0)),
}
_NOISE = np.array([0.4] * 3 + [0.08] * 3)
_SHAKE = 15.0


@dataclass(frozen=True)
class Windows:
    """`values` (N, 6, 128) float32 and `labels` (N,) int64, numbers of `CLASSES`."""

    values: np.ndarray
    labels: np.ndarray

    def turned(self, degrees: float) -> Windows:
        """The same, measured by a sensor that sits turned about its long axis: both vectors turn with it."""
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        vectors = self.values.reshape(len(self.values), 2, 3, LENGTH)
        values = np.einsum("ij,nvjl->nvil", turn, vectors).reshape(self.values.shape)
        return Windows(values.astype(np.float32), self.labels)

    def shaken(self, rng: np.random.Generator) -> Windows:
        """The same on a rough vehicle: a rattle in every axis, several times as strong as the sensor's own noise."""
        noise = rng.standard_normal(self.values.shape) * (_SHAKE * _NOISE)[:, np.newaxis]
        return Windows((self.values + noise).astype(np.float32), self.labels)

    def renamed(self) -> Windows:
        """The same movements, which another user calls something else: every name goes to the next activity."""
        return Windows(self.values, (self.labels + 1) % len(CLASSES))


def windows(count: int, people: int, rng: np.random.Generator) -> Windows:
    """So many windows of each activity, of so many people."""
    persons = [_Person.draw(rng) for _ in range(people)]
    made = [_window(name, person, rng) for name in CLASSES for person in persons for _ in range(count)]
    labels = np.repeat(np.arange(len(CLASSES)), count * people)
    order = rng.permutation(len(labels))
    return Windows(np.stack(made)[order].astype(np.float32), labels[order])


@dataclass(frozen=True)
class _Person:
    """How much faster and stronger one moves, and how the phone lies in the pocket."""

    pace: float
    strength: float
    tilt: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Person:
        return cls(rng.uniform(0.85, 1.15), rng.uniform(0.7, 1.3), rng.normal(0, 0.12, 3))


def _window(activity: str, person: _Person, rng: np.random.Generator) -> np.ndarray:
    """(6, 128)."""
    rate, acceleration, turning, pose = _MOVES[activity]
    down = np.array(pose) + person.tilt
    down *= GRAVITY / np.linalg.norm(down)
    time = np.arange(LENGTH) / RATE
    phase = 2 * np.pi * (rate * person.pace * time + rng.uniform())
    moved = np.stack(
        [
            0.4 * acceleration * np.sin(phase),
            acceleration * (np.sin(2 * phase) + 0.4 * np.sin(4 * phase + 1)),
            0.6 * acceleration * np.cos(2 * phase),
            turning * np.cos(phase),
            0.5 * turning * np.sin(phase + 1),
            0.3 * turning * np.sin(2 * phase),
        ]
    )
    still = np.concatenate([down, np.zeros(3)])
    noise = rng.standard_normal((CHANNELS, LENGTH)) * _NOISE[:, np.newaxis]
    return np.asarray(person.strength * moved + still[:, np.newaxis] + noise)
