"""Values in the text files that Linux shows its hardware in."""

from __future__ import annotations

from tbft_runtime.board.access import Board


def cpuinfo(board: Board, key: str) -> str | None:
    """The first value of `key` in /proc/cpuinfo."""
    for line in (board.read("proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def meminfo(board: Board, key: str) -> int | None:
    """Bytes of `key` in /proc/meminfo."""
    for line in (board.read("proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if name == key and words and words[0].isdecimal():
            return int(words[0]) * 1024
    return None


def number(board: Board, path: str) -> float | None:
    """The one number in a file; None if it is missing or holds something else."""
    try:
        return float(board.read(path) or "")
    except ValueError:
        return None


def board_model(board: Board) -> str | None:
    """What the board calls itself, or its processor."""
    return board.read("proc/device-tree/model") or cpuinfo(board, "Model") or cpuinfo(board, "model name")
