"""Run folders that hold nothing but a made-up report. Both environments."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tbft_runtime.reporting.report import Report
from tbft_runtime.run.folder import RunFolder


def save_report(report: Report, run: Path) -> Path:
    """The folder `run`, made where it is not there yet."""
    run.mkdir(parents=True, exist_ok=True)
    RunFolder(run).report_file.write_bytes(msgspec.json.encode(report))
    return run
