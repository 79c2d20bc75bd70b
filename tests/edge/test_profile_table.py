"""Where the time of a train step goes, as `train --profile` shows it."""

from __future__ import annotations

import pytest

from tbft_edge.tables.profile import LONGEST, print_profile
from tbft_runtime.profiling.profile import GraphProfile, Profile, Slice
from tbft_runtime.profiling.run import ALL_PARAMETERS


def test_tables_show_the_longest(capsys: pytest.CaptureFixture[str]) -> None:
    """The longest of all graphs, with their share of the time of all kernels."""
    parts = tuple(Slice(name=f"part{index}", milliseconds=float(index), calls=2.0) for index in range(20, 0, -1))
    gradient = GraphProfile(graph="gradient", wall_ms=150.5, kernel_ms=210.0, operators=parts, layers=parts)
    update = GraphProfile(
        graph="update",
        wall_ms=1.0,
        kernel_ms=40.0,
        operators=(Slice(name="Mul", milliseconds=40.0, calls=3.0),),
        layers=(Slice(name=ALL_PARAMETERS, milliseconds=40.0, calls=3.0),),
    )
    print_profile(Profile(steps=7, batch_size=32, graphs=(gradient, update)), "image")
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert "7 steps of 32 images (gradient 150.50 ms, update 1.00 ms)" in out
    assert [row for row in rows if row and row[0] in ("Mul", "(all")] == [
        ["Mul", "update", "40.00", "16.0%", "3"],
        ["(all", "parameters)", "update", "40.00", "16.0%", "3"],
    ]
    assert ["part20", "gradient", "20.00", "8.0%", "2"] in rows
    assert sum(row[:1] != [] and row[0].startswith("part") for row in rows) == 2 * (LONGEST - 1)
