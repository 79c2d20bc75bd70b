"""Runs are called by as little of their path as tells them apart."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.reporting.names import short_names

parts = st.lists(st.sampled_from(["a", "b", "runs"]), min_size=1, max_size=4)
paths = st.builds(lambda root, found: PurePosixPath(root, *found), st.sampled_from(["", "/"]), parts)


@pytest.mark.parametrize(
    ("given_", "names"),
    [
        (["/runs/full", "/runs/feature"], ["full", "feature"]),
        (["/pi4/run", "/pi5/run", "/pi5/other"], ["pi4/run", "pi5/run", "other"]),
        (["/run", "/pi5/run"], ["/run", "pi5/run"]),
        (["run", "pi5/run"], ["run", "pi5/run"]),
        (["run", "run"], ["run", "run (2)"]),
        (["."], ["."]),
    ],
)
def test_names(given_: list[str], names: list[str]) -> None:
    assert list(short_names([PurePosixPath(path) for path in given_])) == names


@given(st.lists(paths, max_size=8))
def test_names_are_distinct_ends_of_their_paths(found: list[PurePosixPath]) -> None:
    """For any paths; none that could be shorter is longer."""
    names = short_names(found)
    assert len(set(names)) == len(names) == len(found)
    for path, name in zip(found, names, strict=True):
        tail = PurePosixPath(name.partition(" (")[0])
        assert path.parts[-len(tail.parts) :] == tail.parts
        shorter = tail.parts[1:]
        others = {other for other in found if other != path}
        assert not shorter or any(other.parts[-len(shorter) :] == shorter for other in others)
