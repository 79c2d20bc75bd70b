"""What a command wrote: byte by byte, or a run's folder by what it means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from benchmarks.same_results.findings import Findings
from benchmarks.same_results.json_values import compare_json

FILES, BYTES, TENSORS = "files", "bytes", "tensors"
# Stands for the folder of a side.
OWN_FOLDER = "FOLDER"


def compare_bytes(base: Path, other: Path) -> Findings:
    """Two files, or every file of two folders: the same names, the same bytes."""
    findings = Findings()
    for name in _common(base, other, findings):
        _compare_file(name, base / name, other / name, findings)
    return findings


def compare_run(run: str, base: Path, other: Path) -> Findings:
    """The run folder `run` of two sides: the same files; JSON but for times, tensors bit for bit.

    The page holds what `report.json` holds, so it only has to be there. Where a file names its side's own folder,
    both sides have the same name.
    """
    findings = Findings()
    for name in _common(base / run, other / run, findings):
        first, second = base / run / name, other / run / name
        if name.endswith(".json"):
            documents = (_json(first, base), _json(second, other))
            findings.add(compare_json(name.removesuffix(".json"), *documents))
        elif name.endswith(".jsonl"):
            findings.add(compare_json(name.removesuffix(".jsonl"), _lines(first, base), _lines(second, other)))
        elif name.endswith(".safetensors"):
            findings.add(compare_tensors(name.removesuffix(".safetensors"), first, second))
        elif not name.endswith(".html"):
            _compare_file(name, first, second, findings)
    return findings


def compare_tensors(name: str, base: Path, other: Path) -> Findings:
    """Names, types, shapes and bits of every tensor of two safetensors files, and their metadata, which is JSON."""
    findings = Findings()
    with safe_open(base, "numpy") as first, safe_open(other, "numpy") as second:
        findings.add(compare_json(name, _metadata(first), _metadata(second)))
        names = list(first.keys())
        if names != list(second.keys()):
            findings.differ(f"{name}, names of tensors", names, list(second.keys()))
        for tensor in sorted(set(names) & set(second.keys())):
            _compare_tensor(f"{name}, {tensor}", first.get_tensor(tensor), second.get_tensor(tensor), findings)
    return findings


def _compare_tensor(where: str, base: np.ndarray, other: np.ndarray, findings: Findings) -> None:
    kind = f"{base.dtype} {base.shape}"
    if findings.expect(where, kind, f"{other.dtype} {other.shape}", TENSORS) and base.tobytes() != other.tobytes():
        largest = np.abs(base.astype(np.float64) - other.astype(np.float64)).max()
        findings.differ(where, kind, f"values up to {largest:.3g} away")


def _metadata(file: Any) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in (file.metadata() or {}).items()}


def _json(file: Path, side: Path) -> Any:
    return json.loads(file.read_text().replace(str(side), OWN_FOLDER))


def _lines(file: Path, side: Path) -> Any:
    """What each line says behind its checksum."""
    lines = file.read_text().replace(str(side), OWN_FOLDER).splitlines()
    return [json.loads(line.partition(" ")[2]) for line in lines]


def _common(base: Path, other: Path, findings: Findings) -> list[str]:
    """The names of files inside two folders; "" for two files. What only one side has is a difference."""
    names = [_names(base), _names(other)]
    for name in names[0] ^ names[1]:
        findings.differ(name or base.name, *("there" if name in each else "not there" for each in names))
    common = sorted(names[0] & names[1])
    findings.compared[FILES] += len(common)
    return common


def _names(path: Path) -> set[str]:
    if path.is_file():
        return {""}
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def _compare_file(name: str, base: Path, other: Path, findings: Findings) -> None:
    first, second = base.read_bytes(), other.read_bytes()
    findings.compared[BYTES] += len(first)
    if first != second:
        at = next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), None)
        place = "the shorter one's end" if at is None else f"byte {at:,}"
        findings.differ(f"{name or base.name}, {place}", f"{len(first):,} bytes", f"{len(second):,} bytes")
