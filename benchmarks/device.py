"""Commands of the device environment, whose answers a measurement reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_edge.process import answer, run_json


class _Tested(msgspec.Struct):
    accuracy: float


@dataclass(frozen=True)
class Device:
    """`python` is that of an environment with the stock onnxruntime wheel."""

    python: Path

    def asked(self, *words: str | float | Path) -> bytes:
        """What `tbft-edge WORDS --json` prints. Raises TbftError with its own message."""
        return run_json([str(self.python), "-m", "tbft_edge", *map(str, words), "--json"])

    def accuracy(self, model: Path, data: Path) -> float:
        """Which part (0 to 1) of labelled photos is right."""
        return answer(self.asked("eval", model, "--data", data, "--threads", 1), _Tested).accuracy
