"""How hot the processor is."""

from __future__ import annotations

from tbft_runtime.board.access import Board
from tbft_runtime.board.files import number

# Kinds of thermal zones that tell how hot the processor is, the better one first.
_ZONES = ("cpu-thermal", "cpu_thermal", "soc-thermal", "x86_pkg_temp", "acpitz")


def thermal_zone(board: Board) -> str | None:
    """The folder of the zone that tells the processor's temperature; the first one where none says that it does."""
    zones = sorted((board.root / "sys/class/thermal").glob("thermal_zone*"))
    kinds = {board.read(f"{zone.relative_to(board.root)}/type"): zone for zone in reversed(zones)}
    chosen = next((kinds[kind] for kind in _ZONES if kind in kinds), zones[0] if zones else None)
    return None if chosen is None else str(chosen.relative_to(board.root))


def celsius(board: Board, zone: str | None) -> float | None:
    """Degrees of a zone; None where it does not say."""
    millidegrees = None if zone is None else number(board, f"{zone}/temp")
    return None if millidegrees is None else millidegrees / 1000
