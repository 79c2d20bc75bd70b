"""Measured power of boards, idle and with all cores busy: what an estimate is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import UnavailableError

_CORES = 4
_LIMIT = 64 * 1024


class PowerModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Watts of an idle board, watts that each busy core adds, and who measured both."""

    board: Annotated[str, msgspec.Meta(min_length=1)]
    idle_watts: Annotated[float, msgspec.Meta(ge=0)]
    core_watts: Annotated[float, msgspec.Meta(gt=0)]
    source: Annotated[str, msgspec.Meta(min_length=1)]


def _measured(board: str, idle: float, loaded: float, how: str, address: str) -> PowerModel:
    """From the power of a board when idle and when all its cores are busy."""
    words = f"{idle} W idle and {loaded} W with {_CORES} busy cores, {how}: {address}"
    return PowerModel(board=board, idle_watts=idle, core_watts=(loaded - idle) / _CORES, source=words)


_PI5 = "https://www.jeffgeerling.com/blog/2024/new-2gb-pi-5-has-33-smaller-die-30-idle-power-savings"
# By the beginning of /proc/device-tree/model, which is `board`; the first that fits is taken.
POWER_MODELS: tuple[PowerModel, ...] = (
    _measured("Raspberry Pi 5 Model B Rev 1.0", 3.3, 9.8, "measured on one with 4 GB, stress-ng", _PI5),
    _measured("Raspberry Pi 5 Model B", 2.4, 8.9, "measured on one with 2 GB and chip stepping D0, stress-ng", _PI5),
    _measured(
        "Raspberry Pi 4 Model B",
        1.6,
        5.0,
        "measured at the wall on a Rev 1.4 with 8 GB, stress-ng --matrix 0",
        "https://github.com/geerlingguy/sbc-reviews/issues/4",
    ),
    _measured(
        "Raspberry Pi 3 Model B Plus",
        3.1,
        5.6,
        "measured at the wall on a Rev 1.3, stress-ng --matrix 0",
        "https://github.com/geerlingguy/sbc-reviews/issues/16",
    ),
    _measured(
        "Raspberry Pi 3 Model B",
        1.4,
        3.7,
        "measured with a USB meter, stress --cpu 4",
        "https://www.pidramble.com/wiki/benchmarks/power-consumption",
    ),
    _measured(
        "Raspberry Pi Zero 2 W",
        0.5,
        2.3,
        "measured with a USB meter (100 mA idle, taken at 5 V), stress-ng -c 4",
        "https://www.jeffgeerling.com/blog/2021/disabling-cores-reduce-pi-zero-2-ws-power-consumption-half",
    ),
)


def model_of(board: Board) -> PowerModel:
    """The model in the table that fits this board. Raises UnavailableError if none does."""
    name = board.read("proc/device-tree/model")
    for model in POWER_MODELS:
        if name is not None and name.startswith(model.board):
            return model
    raise UnavailableError(
        f"no power model is known for {name or 'this board'}",
        "measure it idle and busy, write both in a JSON file, and use `meter` estimate:FILE",
    )


def load_model(path: Path) -> PowerModel:
    """A model from a JSON file {board, idle_watts, core_watts, source}. Raises TbftError."""
    hint = 'it should hold {"board": …, "idle_watts": …, "core_watts": …, "source": who measured it}'
    try:
        return decode(read_at_most(path, _LIMIT), PowerModel, _LIMIT, failed=f"power model {path}", hint=hint)
    except OSError as error:
        raise TbftError(f"power model {path} cannot be read ({error.strerror})", hint) from None
