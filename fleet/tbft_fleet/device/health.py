"""How a device is now: its board, its disk and clock, and its model on labelled images of its own."""

from __future__ import annotations

import contextlib

from msgspec.structs import replace

from tbft_artifacts.disk import disk_of
from tbft_artifacts.minimum_runtime import installed_version
from tbft_fleet.device.clock import Clock, wall_clock
from tbft_fleet.device.place import Place
from tbft_fleet.files.result import Health
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.files import meminfo
from tbft_runtime.board.temperature import celsius, thermal_zone
from tbft_runtime.board.throttling import throttling

_UNDER_VOLTAGE = "under-voltage"


def board_health(place: Place, board: Board = THIS_BOARD) -> Health:
    """All but what the model would have to be run for; what a board does not say is None."""
    slowed, disk = throttling(board), None
    with contextlib.suppress(OSError):
        disk = disk_of(place.folder)
    now = () if slowed is None else slowed[0]
    return Health(
        runtime=installed_version(),
        celsius=celsius(board, thermal_zone(board)),
        throttled=None if slowed is None else any(name != _UNDER_VOLTAGE for name in now),
        under_voltage=None if slowed is None else any(_UNDER_VOLTAGE in names for names in slowed),
        memory_bytes=meminfo(board, "MemAvailable"),
        disk_free_bytes=None if disk is None else disk.free,
        disk_bytes=None if disk is None else disk.whole,
        clock_is_known=Clock(place.clock, wall_clock()).is_known,
    )


def health(place: Place, board: Board = THIS_BOARD) -> Health:
    """With the accuracy of the release that runs, where the device has labelled images.

    Raises TbftError if these or the release cannot be read.
    """
    found, images, number = board_health(place, board), place.device.images, place.current()
    if images is None or place.release(number) is None:
        return found
    # Only here: a wheel of ONNX Runtime for another CPU ends the process.
    from tbft_runtime.inference.evaluation import evaluate

    return replace(found, accuracy=evaluate(place.bundle(number), images, board=board).accuracy)
