"""Choices of channels that no device made. Both environments."""

from __future__ import annotations

from tbft_runtime.run.selection_record import LayerChoice, Limit, Selection


def made_up_selection(prefix: str = "layer") -> Selection:
    """Layers whose names begin with `prefix`, one for each thing that can become of one."""
    kinds: list[tuple[tuple[int, ...], int, Limit | None]] = [
        ((), 8, "depth"),
        (tuple(range(8)), 8, None),
        ((0, 2, 5), 3, None),
        ((1, 4), 8, "update"),
        ((6,), 8, "compute"),
        ((), 8, "update"),
        ((), 8, "compute"),
        ((), 0, None),
    ]
    layers = tuple(
        LayerChoice(
            weight=f"{prefix}{number}.weight",
            depth="deep-frozen-sgd",
            potential=1.0 / (number + 1),
            score=10.0 / (number + 1),
            channels=channels,
            informative=informative,
            size=8,
            limit=limit,
        )
        for number, (channels, informative, limit) in enumerate(kinds)
    )
    return Selection(
        plan="deep-frozen-sgd",
        update_budget=1_000_000,
        update_bytes=987_000,
        compute_budget=0.15,
        compute=0.143,
        values=82_250,
        layers=layers,
        samples=128,
        seed=0,
        seconds=1.25,
    )
