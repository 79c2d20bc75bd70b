"""What every demo is told: where its environments are, and into which folder it writes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from commands import DemoError


@dataclass(frozen=True)
class Surroundings:
    """The two environments, the folder for everything that is made, and where joules come from."""

    host: Path
    device: Path
    out: Path
    meter: str

    @classmethod
    def read(cls, description: str, out: Path, arguments: Sequence[str] | None = None) -> Self:
        """Read the command line of a demo that writes into `out` unless something else is said."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--host", type=Path, default=Path(".venv/host"), help="environment with torch and onnx")
        parser.add_argument(
            "--device", type=Path, default=Path(".venv/device"), help="environment with onnxruntime only"
        )
        parser.add_argument("--out", type=Path, default=out, help="folder for everything it makes")
        parser.add_argument("--meter", default="auto", help="where joules come from, as 'tbft-edge train' takes it")
        options = parser.parse_args(arguments)
        return cls(options.host, options.device, options.out, options.meter)

    def claim(self, marker: str) -> None:
        """Make the folder, and mark it as the demo's. Raises DemoError for one with things of others."""
        mark = self.out / marker
        if self.out.exists() and not mark.is_file() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise DemoError(f"'{self.out}' is not empty and was not made by the demo; choose another --out")
        self.out.mkdir(parents=True, exist_ok=True)
        mark.touch()
