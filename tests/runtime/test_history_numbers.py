"""Numbers in the history that no run measures: whoever wrote them, with a right checksum, a report is made.

A lap in a bin far out, or an epoch of no seconds, ended in a traceback when the report was put together: in every
`resume` again.
"""

from __future__ import annotations

import json
import math
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.fake_meters import FAKE
from support.runs import Recorder, fine_tune
from tbft_runtime import read_report

WILD = (-1, 0, 5e-324, 10**6, 2**62, 1.7e308)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """Interrupted in its third epoch."""
    run = tmp_path_factory.mktemp("cut") / "run"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(
            "feature-frozen", squares, run, Recorder(interrupt_epoch=3, interrupt_after=9), epochs=3, batch_size=7
        )
    return run


def first_epoch(run: Path) -> dict[str, Any]:
    """With everything that an epoch may tell."""
    line = (run / "history.jsonl").read_bytes().splitlines()[0]
    epoch: dict[str, Any] = json.loads(line[9:])
    epoch["energy"] = {
        "source": msgspec.to_builtins(FAKE),
        "idle_watts": 2.0,
        "joules": 9.0,
        "covered_seconds": 1.0,
        "sampling_joules": 0.1,
        "samples": 9,
        "failed": 0,
    }
    epoch["telemetry"] = [{"seconds": 0.1, "watts": 5.0, "celsius": 40.0, "megahertz": 1500.0}] * 2
    return epoch


def numbers(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where each of them stands."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(each, (*way, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield way


def changed(value: Any, way: tuple[str | int, ...], number: float) -> Any:
    if not way:
        return number
    found = value.copy()
    found[way[0]] = changed(value[way[0]], way[1:], number)
    return found


def write_first(run: Path, epoch: Any) -> None:
    path = run / "history.jsonl"
    _, *rest = path.read_bytes().splitlines(keepends=True)
    text = json.dumps(epoch).encode()
    path.write_bytes(b"".join([b"%08x %s\n" % (zlib.crc32(text), text), *rest]))


@pytest.mark.long
@pytest.mark.parametrize("number", WILD)
def test_any_number_in_an_epoch_leaves_a_report(number: float, cut: Path, squares: Path, tmp_path: Path) -> None:
    """Each number of an epoch in turn: it is one that can be counted with, or the epoch is lost."""
    epoch = first_epoch(cut)
    for index, way in enumerate(numbers(epoch)):
        run = Path(shutil.copytree(cut, tmp_path / str(index)))
        write_first(run, changed(epoch, way, number))
        fine_tune("feature-frozen", squares, run, resume=True, epochs=3, batch_size=7)
        report = read_report(run)
        assert report.lost_epochs <= 1
        assert 0 <= report.result.metering.share <= 1
        assert math.isfinite(report.result.train_seconds)
        shutil.rmtree(run)
