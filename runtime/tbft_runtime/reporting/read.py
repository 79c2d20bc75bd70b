"""Read the report of a run."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_runtime.reporting.report import FORMAT, READABLE, Report
from tbft_runtime.run.folder import RunFolder

# A week of steps and telemetry is a few megabytes; more is something else.
LIMIT = 64 * MIB
_COPY = "copy it again from the device that trained"


class _Version(msgspec.Struct):
    """The one field that every format has."""

    format: int


def read_report(path: str | os.PathLike[str]) -> Report:
    """The report of a run that ended.

    Args:
        path: A run folder, or the `report.json` of one.

    Returns:
        The result as `train` gave it, and everything beside it: classes, confusion, epochs, board.

    Raises:
        TbftError: There is none, or it cannot be read, is damaged, larger than LIMIT bytes or of another format.

    Example:
        >>> from tbft_runtime import read_report
        >>> report = read_report("run")
        >>> report.result.plan, len(report.epochs)
        ('feature-block-sgd', 10)
    """
    path = Path(path)
    file = RunFolder(path).report_file if path.is_dir() else path
    if not file.is_file():
        raise _missing(path, file)
    try:
        content = read_at_most(file, LIMIT)
    except OSError as error:
        raise TbftError(f"'{file}' cannot be read ({error.strerror})", "check its permissions and the disk") from error
    if len(content) > LIMIT:
        raise TbftError(f"'{file}' is larger than {LIMIT >> 20} MiB, and so no report", "give a run folder")
    return _decode(content, file)


def _missing(path: Path, file: Path) -> TbftError:
    if path.is_dir() and RunFolder(path).is_run:
        return TbftError(
            f"there is no report in '{path}': the run is not finished",
            "continue it with 'tbft-edge train' and `resume`, which writes one at its end",
        )
    if path.is_dir():
        return TbftError(f"'{path}' is no run folder: it has no {file.name}", "give the `out` of 'tbft-edge train'")
    return TbftError(
        f"there is no report at '{path}'", f"give a run folder, or the {RunFolder(path).report_file.name} of one"
    )


def _decode(content: bytes, file: Path) -> Report:
    failed = f"'{file}' is no valid report"
    found = decode(content, _Version, LIMIT, failed=failed, hint=_COPY).format
    if found not in READABLE:
        raise _another_format(found, file)
    report = decode(content, Report, LIMIT, failed=failed, hint=_COPY)
    contradiction = _contradiction(report)
    if contradiction is not None:
        raise TbftError(f"{failed}: {contradiction}", _COPY)
    return report


def _contradiction(report: Report) -> str | None:
    """Where parts of a report do not fit each other, which its types do not show."""
    classes = range(len(report.classes))
    cells = (*report.confusion_before, *report.confusion_after)
    if any(cell.true not in classes or cell.predicted not in classes for cell in cells):
        return "its confusion matrix has more classes than it names"
    if report.step_ms is not None and len(report.step_ms.edges) != len(report.step_ms.counts) + 1:
        return "its histogram has another number of edges than its counts need"
    return None


def _another_format(found: int, file: Path) -> TbftError:
    if found > FORMAT:
        return TbftError(
            f"'{file}' has format {found}, newer than the {FORMAT} that this version reads",
            "upgrade tbft-edge: pip install --upgrade 'tbft-edge[device]'",
        )
    return TbftError(
        f"'{file}' has format {found}, older than the {READABLE[0]} that this version reads",
        "read it with the version of tbft-edge that wrote it, or train again",
    )
